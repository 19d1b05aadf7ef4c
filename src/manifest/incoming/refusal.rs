//! Why what was sent is not taken.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Undraftable;
use crate::domain::diagnostic::Diagnostic;
use crate::manifest::edit::Unchangeable;

/// Why what was sent is not taken: nothing was changed, unless it says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// Of what kind it is.
    pub why: Why,
    /// What is in the way and what to do, in a sentence.
    pub message: String,
    /// What is wrong in what was sent, or in a file of the source.
    pub problems: Vec<Diagnostic>,
}

/// Of what kind a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Why {
    /// Something is wrong with what was sent.
    Invalid,
    /// There is no such task.
    NotFound,
    /// The source can't be read now, or does not answer.
    SourceUnavailable,
    /// Something in a file that would be changed is broken.
    FileBroken,
    /// A file that would be changed is not as it was read.
    FileChanged,
    /// Another file is where a new one would be.
    FileExists,
    /// A name stands in two places.
    NameConflict,
    /// A file can't be changed by anybody but a person.
    NotEditable,
    /// A file is reached by a link.
    Linked,
    /// A file, or the source, is read-only.
    ReadOnly,
    /// The disk refuses.
    NotWritten,
    /// Everything is being removed.
    GoingDown,
}

impl Why {
    /// The stable word of it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Invalid => "Invalid",
            Self::NotFound => "NotFound",
            Self::SourceUnavailable => "SourceUnavailable",
            Self::FileBroken => "FileBroken",
            Self::FileChanged => "FileChanged",
            Self::FileExists => "FileExists",
            Self::NameConflict => "NameConflict",
            Self::NotEditable => "NotEditable",
            Self::Linked => "Linked",
            Self::ReadOnly => "ReadOnly",
            Self::NotWritten => "NotWritten",
            Self::GoingDown => "GoingDown",
        }
    }
}

impl Refusal {
    /// One that a sentence says all about.
    #[must_use]
    pub fn of(why: Why, message: impl Into<String>) -> Self {
        Self { why, message: message.into(), problems: Vec::new() }
    }

    /// Something is wrong with what was sent.
    #[must_use]
    pub fn invalid(problems: Vec<Diagnostic>) -> Self {
        let message = match problems.len() {
            1 => "there is a problem in what was sent: nothing was changed".to_owned(),
            count => format!("there are {count} problems in what was sent: nothing was changed"),
        };
        Self { why: Why::Invalid, message, problems }
    }

    /// Something in a file of the source is broken.
    #[must_use]
    pub fn broken(file: &str, problems: Vec<Diagnostic>) -> Self {
        let message = if problems.is_empty() {
            format!("{file} can't be read now, or is being written: try again in a moment")
        } else {
            format!("{file} is broken, so nothing in it is changed: mend it first")
        };
        Self { why: Why::FileBroken, message, problems }
    }

    /// A file of the source is not as it was read.
    #[must_use]
    pub fn changed(file: &str) -> Self {
        let message = format!("{file} has changed since it was read: try again in a moment");
        Self::of(Why::FileChanged, message)
    }

    /// There is something else where a new file would be.
    #[must_use]
    pub fn occupied(file: &str) -> Self {
        let message = format!("{file} would be made, and is there: give that file another name");
        Self::of(Why::FileExists, message)
    }

    /// A file of the source can't be drafted anew.
    #[must_use]
    pub fn undraftable(file: &str, why: Undraftable) -> Self {
        match why {
            Undraftable::Broken(problems) => Self::broken(file, problems),
            Undraftable::Occupied => Self::occupied(file),
            Undraftable::NotThere(_) => Self::changed(file),
            Undraftable::Unchangeable(Unchangeable::Broken) => Self::broken(file, Vec::new()),
            Undraftable::Unchangeable(why) => Self::of(
                Why::NotEditable,
                format!("{file} can't be changed: {why}; edit it by hand"),
            ),
        }
    }
}
