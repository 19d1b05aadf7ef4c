//! What happened, for people: one line a thing done or found.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::happening::Happening;
use super::instance::{IllegalMove, InstanceId, Seat, Uid};
use super::name::TaskName;
use super::time::Timestamp;

/// One thing that was done or found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Whether somebody should look.
    pub severity: Severity,
    /// Of which task; `None`: of the worker itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
    /// The task's uid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<Uid>,
    /// Of which instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// Its slot and attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<Seat>,
    /// A stable CamelCase word.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// An [`Event`] as the rules word it: when, and of which task, its reader knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether somebody should look.
    pub severity: Severity,
    /// Of which instance.
    pub seat: Option<Seat>,
    /// What it is.
    pub reason: Happening,
    /// A sentence.
    pub message: String,
}

impl Note {
    /// Something that is as it should be.
    #[must_use]
    pub fn normal(seat: impl Into<Option<Seat>>, reason: Happening, message: String) -> Self {
        Self { severity: Severity::Normal, seat: seat.into(), reason, message }
    }

    /// Something that somebody should look at.
    #[must_use]
    pub fn warning(seat: impl Into<Option<Seat>>, reason: Happening, message: String) -> Self {
        Self { severity: Severity::Warning, seat: seat.into(), reason, message }
    }

    /// A move that the table of states does not allow, and that was refused.
    #[must_use]
    pub fn refused(seat: Seat, refused: IllegalMove) -> Self {
        let message = format!("instance {seat} stays as it is: {refused}; a bug of evenkeel");
        let reason = Happening::IllegalMove;
        Self { severity: Severity::Error, seat: Some(seat), reason, message }
    }
}

/// Whether somebody should look.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Severity {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
    /// A bug of evenkeel.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
            Self::Error => "Error",
        })
    }
}
