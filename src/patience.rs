//! What blocks a thread and may do so for ever: a disk that is away, a program that hangs.
//!
//! It is waited for only so long, and what hangs is not begun once more beside itself. So it costs
//! one thread, however often it is tried, and others of its kind are not kept waiting. Whoever does
//! I/O of that sort calls it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Runs what may hang. Its clones share their places.
#[derive(Debug, Clone)]
pub struct Patience {
    limit: Duration,
    /// For all together.
    places: Arc<Semaphore>,
    /// One place for each subject.
    subjects: Arc<Mutex<BTreeMap<String, Arc<Semaphore>>>>,
}

/// There is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Impatient {
    /// It takes too long, or what was begun before about the same does.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    /// A bug.
    #[error("{0}")]
    Panicked(String),
}

impl Patience {
    /// Waits for `limit` at most, for `at_once` subjects at once.
    #[must_use]
    pub fn new(limit: Duration, at_once: usize) -> Self {
        Self { limit, places: Arc::new(Semaphore::new(at_once)), subjects: Arc::default() }
    }

    /// Does `work` on a thread of its own, once nothing else about `subject` is under way.
    ///
    /// # Errors
    /// If it does not end in time. It goes on then, if it was begun.
    pub async fn run<T: Send + 'static>(
        &self,
        subject: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Impatient> {
        let done = async {
            let places = self.enter(subject).await;
            // What hangs keeps its places, whether somebody waits for it or not.
            let work = move || {
                let done = work();
                drop(places);
                done
            };
            tokio::task::spawn_blocking(work).await
        };
        let done = tokio::time::timeout(self.limit, done).await;
        self.tidy_up();
        match done {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(panicked)) => Err(Impatient::Panicked(panicked.to_string())),
            Err(_) => Err(Impatient::Late(self.limit)),
        }
    }

    /// Waits for a place for the subject, then for one among all.
    async fn enter(&self, subject: &str) -> [Option<OwnedSemaphorePermit>; 2] {
        let own = {
            let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
            let own = subjects.entry(subject.to_owned());
            Arc::clone(own.or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        // They are never closed.
        let own = own.acquire_owned().await.ok();
        [own, Arc::clone(&self.places).acquire_owned().await.ok()]
    }

    /// Forgets the subjects about which nothing is under way and nobody waits.
    fn tidy_up(&self) {
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        subjects.retain(|_, place| Arc::strong_count(place) > 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn what_hangs_must_not_be_begun_again_nor_keep_others_waiting() {
        let short = Patience::new(Duration::from_millis(1), 2);
        let long = Patience { limit: Duration::from_secs(600), ..short.clone() };
        let (release, hangs) = mpsc::channel::<()>();
        let (starts, started) = mpsc::channel::<()>();
        let hang = move || {
            starts.send(()).unwrap();
            let _released = hangs.recv();
        };
        // A place and a thread may take longer to get than that: it is begun all the same.
        let first = tokio::spawn({
            let long = long.clone();
            async move { long.run("nfs", hang).await }
        });
        tokio::task::spawn_blocking(move || started.recv()).await.unwrap().unwrap();
        let begun = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let begun = Arc::clone(&begun);
            let again = move || begun.fetch_add(1, Ordering::SeqCst);
            assert_eq!(short.run("nfs", again).await, Err(Impatient::Late(short.limit)));
        }
        assert_eq!(begun.load(Ordering::SeqCst), 0, "it hangs still");
        assert_eq!(long.run("disk", || 7).await, Ok(7));
        assert_eq!(long.subjects.lock().unwrap().len(), 1);
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(()));
        assert_eq!(long.run("nfs", || 8).await, Ok(8));
        assert!(long.subjects.lock().unwrap().is_empty());
    }
}
