//! One worker on one state directory and on one source: a second one is refused.
//!
//! A disk that is away may never answer: it is waited for only so long, and off the async threads.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::patience::{Impatient, Patience};

/// What a state directory is locked by.
const FILE: &str = "lock";

/// Why a directory is not ours to use.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{0} is in use by another evenkeel; stop that one first, or give this one another --worker or --state-dir"
    )]
    Held(PathBuf),
    /// The disk that it is on may be away.
    #[error("{} does not answer: no answer within {} s", .0.display(), .1.as_secs())]
    Silent(PathBuf, Duration),
    /// It can't be made or opened.
    #[error("can't lock {0}")]
    Io(PathBuf, #[source] io::Error),
}

/// Keeps others off a directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Locks a state directory, by a file in it. It is made if it is not there: for its owner alone.
    ///
    /// # Errors
    /// If another process has it, it can't be written, or its disk does not answer `within` that.
    pub async fn state(dir: &Path, within: Duration) -> Result<Self, LockError> {
        patiently(dir, within, |dir| {
            let failed = |error| LockError::Io(dir.to_owned(), error);
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
            let mut options = File::options();
            let file = options.create(true).truncate(false).write(true).open(dir.join(FILE));
            let lock = Self::take(file.map_err(failed)?, dir)?;
            // Of one that was killed.
            let _unsigned = lock.file.set_len(0);
            Ok(lock)
        })
        .await
    }

    /// Leaves the number of this process in the file that locks a state directory: it is a daemon,
    /// and listens. Where that can't be written others only hear less of it.
    pub fn sign(&self) {
        let _unsigned = (&self.file).write_all(std::process::id().to_string().as_bytes());
    }

    /// The process of the daemon that has a state directory, if one has it and listens. It is not
    /// told where processes have other numbers than there.
    #[must_use]
    pub fn daemon(dir: &Path) -> Option<u32> {
        let file = File::open(dir.join(FILE)).ok()?;
        let mut signed = String::new();
        (&file).take(16).read_to_string(&mut signed).ok()?;
        let pid = signed.parse::<u32>().ok()?;
        // What is gone has no lock, and no other one that starts just now must find us with it.
        let lives = Path::new("/proc").join(&signed).exists();
        (lives && matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))).then_some(pid)
    }

    /// Locks a source directory itself; nothing is written there. One that is not there has no
    /// other worker either; who watches it locks it when it comes.
    ///
    /// # Errors
    /// If another process has it, or its disk does not answer `within` that.
    pub async fn source(dir: &Path, within: Duration) -> Result<Option<Self>, LockError> {
        patiently(dir, within, |dir| match File::open(dir) {
            Ok(file) => Self::take(file, dir).map(Some),
            Err(_) => Ok(None),
        })
        .await
    }

    fn take(file: File, dir: &Path) -> Result<Self, LockError> {
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held(dir.to_owned())),
            Err(TryLockError::Error(error)) => Err(LockError::Io(dir.to_owned(), error)),
        }
    }
}

/// Locks a directory on a thread that may hang. Should it end later, the lock is let go of.
async fn patiently<T: Send + 'static>(
    dir: &Path,
    within: Duration,
    lock: impl FnOnce(&Path) -> Result<T, LockError> + Send + 'static,
) -> Result<T, LockError> {
    let taken = dir.to_owned();
    match Patience::new(within, 1).run("a lock", move || lock(&taken)).await {
        Ok(done) => done,
        Err(Impatient::Late(within)) => Err(LockError::Silent(dir.to_owned(), within)),
        Err(Impatient::Panicked(why)) => Err(LockError::Io(dir.to_owned(), io::Error::other(why))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_state_directory_is_its_owners_alone() {
        let soon = Duration::from_secs(60);
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("above/state");
        let lock = Lock::state(&dir, soon).await.unwrap();
        let mode = std::fs::metadata(&dir).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(matches!(Lock::state(&dir, soon).await, Err(LockError::Held(_))));
        drop(lock);
        Lock::state(&dir, soon).await.unwrap();
    }

    #[tokio::test]
    async fn only_a_daemon_that_has_the_directory_is_told_of() {
        let soon = Duration::from_secs(60);
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert_eq!(Lock::daemon(dir), None, "there is no file");
        let lock = Lock::state(dir, soon).await.unwrap();
        assert_eq!(Lock::daemon(dir), None, "who has it does not listen");
        lock.sign();
        assert_eq!(Lock::daemon(dir), Some(std::process::id()));
        drop(lock);
        assert_eq!(Lock::daemon(dir), None, "it is gone");
        let _lock = Lock::state(dir, soon).await.unwrap();
        assert_eq!(Lock::daemon(dir), None, "who has it now does not listen");
    }
}
