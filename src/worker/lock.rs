//! One worker on one state directory and on one source: a second one is refused.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Why a directory is not ours to use.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{0} is in use by another evenkeel; stop that one first, or give this one another --worker or --state-dir"
    )]
    Held(PathBuf),
    /// It can't be made or opened.
    #[error("can't lock {0}")]
    Io(PathBuf, #[source] io::Error),
}

/// Keeps others off a directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Locks a state directory, by a file in it. It is made if it is not there: for its owner alone.
    ///
    /// # Errors
    /// If another process has it, or it can't be written.
    pub fn state(dir: &Path) -> Result<Self, LockError> {
        let failed = |error| LockError::Io(dir.to_owned(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join("lock"))
            .map_err(failed)?;
        Self::take(file, dir)
    }

    /// Locks a source directory itself; nothing is written there. One that is not there has no
    /// other worker either; who watches it locks it when it comes.
    ///
    /// # Errors
    /// If another process has it.
    pub fn source(dir: &Path) -> Result<Option<Self>, LockError> {
        match File::open(dir) {
            Ok(file) => Self::take(file, dir).map(Some),
            Err(_) => Ok(None),
        }
    }

    fn take(file: File, dir: &Path) -> Result<Self, LockError> {
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held(dir.to_owned())),
            Err(TryLockError::Error(error)) => Err(LockError::Io(dir.to_owned(), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_state_directory_is_its_owners_alone() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("above/state");
        let lock = Lock::state(&dir).unwrap();
        let mode = std::fs::metadata(&dir).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(matches!(Lock::state(&dir), Err(LockError::Held(_))));
        drop(lock);
        Lock::state(&dir).unwrap();
    }
}
