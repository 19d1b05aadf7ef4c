//! What one look at the source directory found.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::{Diagnostic, InvalidReason};
use super::name::TaskName;
use super::task::Task;

/// One look at the source directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Snapshot {
    /// The directory could not be read whole, or is another one: nothing is known of its files.
    Unavailable {
        /// What was found, in a sentence.
        message: String,
    },
    /// It was read whole.
    Read {
        /// Every manifest file, by path relative to the source.
        files: BTreeMap<String, FileState>,
    },
}

impl Snapshot {
    /// Every task that passed every check.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        let files = match self {
            Self::Read { files } => Some(files),
            Self::Unavailable { .. } => None,
        };
        files.into_iter().flat_map(|files| files.values().flat_map(FileState::tasks))
    }
}

impl FileState {
    /// A file that can't be read at all, and why.
    #[must_use]
    pub fn unreadable(file: &str, message: String) -> Self {
        Self::Unreadable { digest: None, problems: vec![unread(file, message)] }
    }

    /// A directory that can't be listed, and why.
    #[must_use]
    pub fn unlisted(directory: &str, message: String) -> Self {
        Self::Unlisted { problem: unread(directory, message) }
    }

    /// Every task of it that passed every check.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        let documents = match self {
            Self::Read { documents, .. } => documents.as_slice(),
            Self::Unreadable { .. } | Self::Unlisted { .. } | Self::Unsettled => &[],
        };
        documents.iter().filter_map(|document| match document {
            Document::Task { task, .. } => Some(&**task),
            Document::Broken { .. } | Document::Foreign { .. } => None,
        })
    }
}

fn unread(path: &str, message: String) -> Diagnostic {
    Diagnostic {
        file: path.to_owned(),
        place: None,
        reason: InvalidReason::ParseFailed,
        message,
        help: None,
    }
}

/// What a manifest file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// It was read; each document by itself.
    Read {
        /// SHA-256 of its bytes, in hex.
        digest: String,
        /// In the order of the file; none if it holds nothing but comments, or no bytes at all.
        documents: Vec<Document>,
    },
    /// It can't be read as far as its names (no YAML, no permission, a link that leads out of the
    /// source, a pipe…): whatever it held is kept.
    Unreadable {
        /// SHA-256 of its bytes, in hex, if they could be read.
        digest: Option<String>,
        /// Why.
        problems: Vec<Diagnostic>,
    },
    /// It is a directory that can't be listed, for now: whatever it held is kept, and nobody knows
    /// what came into it since.
    Unlisted {
        /// Why.
        problem: Diagnostic,
    },
    /// It is still being written: as [`FileState::Unreadable`], and no problem yet.
    Unsettled,
}

/// One document of a manifest file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// A task that passed every check.
    Task {
        /// The task.
        task: Box<Task>,
        /// Where the document begins, counted from 1.
        line: u32,
    },
    /// A document that was to be a task.
    Broken {
        /// The name it has, where that much can be read.
        name: Option<TaskName>,
        /// Where the document begins, counted from 1.
        line: u32,
        /// All that is wrong with it.
        problems: Vec<Diagnostic>,
    },
    /// A document of another `apiVersion`: somebody else's. It holds nothing.
    Foreign {
        /// That it is not ours.
        problem: Diagnostic,
    },
}

/// A host path that a task mounts, and the manifest that says so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mounted {
    /// The path on the host, absolute.
    pub path: String,
    /// The file of the manifest, relative to the source, `/` between parts.
    pub manifest: String,
}

/// Where a manifest stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The file, relative to the source, `/` between parts.
    pub file: String,
    /// The line its document begins at, counted from 1.
    pub line: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
