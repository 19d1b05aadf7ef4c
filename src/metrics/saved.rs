//! When manifest files were saved, as far as the file system tells.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::time::Timestamp;

/// When each manifest file that was read last was saved. Who reads files notes it, who measures how
/// long it takes from there asks.
#[derive(Debug, Default)]
pub struct Saved(Mutex<BTreeMap<String, Timestamp>>);

impl Saved {
    /// That content of a file was taken; its inode changed last so long after the epoch.
    pub fn note(&self, file: &str, changed: Duration) {
        let at = i64::try_from(changed.as_millis()).unwrap_or(i64::MAX);
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(file.to_owned(), Timestamp::from_millis(at));
    }

    /// A file is gone.
    pub fn forget(&self, file: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(file);
    }

    /// When a file was saved, if that is known.
    #[must_use]
    pub fn at(&self, file: &str) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(file).copied()
    }
}
