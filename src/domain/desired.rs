//! Desired state: what the files ask for, over time.
//!
//! `Desired::next` turns one look at the source into the desired state after it. It keeps the
//! last good version of what is broken, gives a deletion time to be meant, and holds a deletion of
//! many until a person says so.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Diagnostic, InvalidReason};
use super::name::TaskName;
use super::source::Place;
use super::task::Task;
use super::time::Mono;

/// What the files ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// Every task that is known, those that are to go included.
    pub tasks: BTreeMap<TaskName, Wanted>,
    /// Whether the source could be read at the last look; the message if not.
    pub unavailable: Option<String>,
    /// Whether the source was read once, whole, since the worker started.
    pub read_once: bool,
    /// Removals that are held, and why.
    pub prune_held: Option<PruneHeld>,
    /// Problems that belong to no known task: broken new documents, unreadable files, documents of
    /// others, host ports wanted twice.
    pub problems: Vec<Diagnostic>,
}

/// What the files ask for of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Its last good version.
    pub task: Task,
    /// Where that stands.
    pub place: Place,
    /// Whether the manifest that is there now is that version.
    pub validity: Validity,
    /// Whether there is a manifest.
    pub presence: Presence,
}

/// Whether the manifest that is there now was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Validity {
    /// It was.
    Valid,
    /// It was not: the last good version is kept.
    Held {
        /// Of what kind the first problem is.
        reason: InvalidReason,
        /// All of them.
        problems: Vec<Diagnostic>,
    },
}

/// Whether a task has a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has, or has one that can't be read.
    There,
    /// It has none since then; it is kept as it is until the deletion is sure to be meant.
    Missing {
        /// When that was first seen.
        since: Mono,
    },
    /// Its deletion is meant: its instances are to be stopped and removed.
    Gone,
}

/// Removals that wait for a person, or for a file to become readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneHeld {
    /// What would go.
    pub tasks: BTreeSet<TaskName>,
    /// Why it does not go.
    pub cause: PruneCause,
}

/// Why removals are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PruneCause {
    /// More than one task, and more than `--max-prune` of those known, within a minute.
    TooMany {
        /// How many tasks were known when that minute began.
        known: usize,
    },
    /// A new or changed file can't be read as far as its names: it may hold the tasks.
    Unreadable {
        /// The file, relative to the source.
        file: String,
    },
}
