//! What can go wrong with the DB, sorted by what its caller does about it.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_READONLY_DBMOVED;

/// Something about the DB that failed.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The state directory could not be made.
    #[error("can't create the state directory {}", dir.display())]
    Directory {
        /// Which.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file could not be looked at, made, moved or copied.
    #[error("can't {action} the state database {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A newer release wrote it. It is left as it is.
    #[error(
        "the state database {} was written by a newer evenkeel: its schema is {found}, \
         this one knows {known}",
        path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema of this release.
        known: i64,
    },
    /// Another program has it open.
    #[error(
        "the state database {} is in use by another program, such as a sqlite3 shell",
        path.display()
    )]
    Locked {
        /// Which file.
        path: PathBuf,
    },
    /// It can be read and not written.
    #[error("the state database {} can't be written: it is read-only", path.display())]
    ReadOnly {
        /// Which file.
        path: PathBuf,
    },
    /// The disk is full, or the file is as large as it may be. Nothing has changed.
    #[error("there is no space left for the state database {}", path.display())]
    Full {
        /// Which file.
        path: PathBuf,
    },
    /// It was deleted, moved or replaced while it was open. Nothing has changed.
    #[error("the state database {} was deleted or replaced while it was in use", path.display())]
    Gone {
        /// Which file.
        path: PathBuf,
    },
    /// It is damaged, or is no database of ours.
    #[error("the state database {} is damaged: {why}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// It is damaged, and nothing can be put in its place. It stands where it stood.
    #[error(
        "the state database {} is damaged ({why}), and no new one can be begun",
        path.display()
    )]
    Unreplaced {
        /// Which file.
        path: PathBuf,
        /// What was found.
        why: String,
        /// Why no new one.
        source: Box<DbError>,
    },
    /// Anything else. Whether it was done is not known.
    #[error("can't {action} the state database {}", path.display())]
    Failed {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The handle was closed.
    #[error("the state database is closed")]
    Closed,
}

impl DbError {
    /// A stable word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Directory { .. } | Self::File { .. } => "file",
            Self::Newer { .. } => "newer",
            Self::Locked { .. } => "locked",
            Self::ReadOnly { .. } => "read-only",
            Self::Full { .. } => "full",
            Self::Gone { .. } => "gone",
            Self::Damaged { .. } => "damaged",
            Self::Unreplaced { source, .. } => source.word(),
            Self::Failed { .. } => "failed",
            Self::Closed => "closed",
        }
    }

    /// What happened, with what lies beneath it.
    #[must_use]
    pub fn told(&self) -> String {
        self.source().map_or_else(|| self.to_string(), |source| format!("{self}: {source}"))
    }

    /// Whether the disk is full or read-only, so that the same may succeed later.
    #[must_use]
    pub fn lacks_disk(&self) -> bool {
        match self {
            Self::Full { .. } | Self::ReadOnly { .. } => true,
            Self::Directory { source, .. } | Self::File { source, .. } => lacks_disk(source),
            Self::Unreplaced { source, .. } => source.lacks_disk(),
            Self::Newer { .. }
            | Self::Locked { .. }
            | Self::Gone { .. }
            | Self::Damaged { .. }
            | Self::Failed { .. }
            | Self::Closed => false,
        }
    }

    /// Whether the file is lost, so that only [`super::Db::rebuild`] goes on from here.
    #[must_use]
    pub fn needs_rebuild(&self) -> bool {
        matches!(self, Self::Gone { .. } | Self::Damaged { .. })
    }

    /// Whether nothing has changed and the connection is as good as before. One whose file is gone
    /// can still be read.
    pub(super) fn leaves_connection(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Locked { .. } | Self::Gone { .. })
    }

    /// What `source` means to whoever tried `action` on `path`.
    pub(super) fn of(action: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        let failure = source.sqlite_error();
        if failure.is_some_and(|error| error.extended_code == SQLITE_READONLY_DBMOVED) {
            return Self::Gone { path };
        }
        match failure.map(|error| error.code) {
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            // What we write never breaks a rule of our own schema: the file is not what we made.
            Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation,
            ) => Self::Damaged { path, why: source.to_string() },
            _ => Self::Failed { action, path, source },
        }
    }
}

/// Whether something can't be written because the disk is full or read-only.
#[must_use]
pub fn lacks_disk(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
    )
}
