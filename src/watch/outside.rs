//! Where links lead that leave the source: the disk there may be away and never answer, and the
//! source must be read all the same.
//!
//! Each link is asked on a thread of its own, waited for only once, and not asked again before it
//! has answered.
#![expect(
    clippy::disallowed_methods,
    reason = "what a disk holds can't be joined, and waits by the clock"
)]

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// How long all of them are waited for in one look.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many may be without an answer: more threads than that never hang.
const UNANSWERED: usize = 16;

/// Links that were asked and have not answered.
#[derive(Default)]
pub(super) struct Outside {
    unanswered: BTreeMap<String, Receiver<bool>>,
}

/// What may be waited for during one look.
pub(super) struct Asking<'a> {
    outside: &'a mut Outside,
    until: Instant,
}

impl Outside {
    /// Begins a look.
    pub(super) fn begin(&mut self) -> Asking<'_> {
        Asking { outside: self, until: Instant::now() + PATIENCE }
    }
}

impl Asking<'_> {
    /// The answer about a link; `None`: it does not answer.
    pub(super) fn ask(
        &mut self,
        link: &str,
        question: impl FnOnce() -> bool + Send + 'static,
    ) -> Option<bool> {
        let unanswered = &mut self.outside.unanswered;
        let (answer, until) = match unanswered.remove(link) {
            // It was waited for before.
            Some(answer) => (answer, None),
            None if unanswered.len() >= UNANSWERED => return None,
            None => {
                let (tell, answer) = mpsc::channel();
                // Where nobody listens any more, the source is not read any more.
                std::thread::spawn(move || {
                    let _ = tell.send(question());
                });
                (answer, Some(self.until))
            }
        };
        let left =
            until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        let told = answer.recv_timeout(left);
        if told == Err(mpsc::RecvTimeoutError::Timeout) {
            unanswered.insert(link.to_owned(), answer);
        }
        told.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_does_not_answer_is_waited_for_once_and_keeps_no_other_waiting() {
        let mut outside = Outside::default();
        let (release, hangs) = mpsc::channel::<()>();
        let mut asking = outside.begin();
        asking.until = Instant::now();
        assert_eq!(asking.ask("dead", move || hangs.recv().is_err()), None);
        let again = || panic!("it is asked twice");
        let mut asking = outside.begin();
        asking.until += Duration::from_secs(3600);
        for _ in 0..100 {
            assert_eq!(asking.ask("dead", again), None);
        }
        assert_eq!(asking.ask("alive", || true), Some(true));
        drop(release);
        while asking.ask("dead", again).is_none() {
            std::thread::yield_now();
        }
        assert!(asking.outside.unanswered.is_empty());
    }

    #[test]
    fn only_so_many_threads_may_hang() {
        let mut outside = Outside::default();
        let (release, hangs) = mpsc::channel::<()>();
        let hangs = std::sync::Arc::new(std::sync::Mutex::new(hangs));
        let mut asking = outside.begin();
        asking.until = Instant::now();
        for number in 0..2 * UNANSWERED {
            let hangs = std::sync::Arc::clone(&hangs);
            let hang = move || hangs.lock().unwrap().recv().is_err();
            assert_eq!(asking.ask(&number.to_string(), hang), None);
        }
        assert_eq!(asking.outside.unanswered.len(), UNANSWERED);
        drop(release);
    }
}
