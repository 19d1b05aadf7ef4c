//! Desired state: what the files ask for, over time.
//!
//! `Desired::next` turns one look at the source into the desired state after it. It keeps the
//! last good version of what is broken, gives a deletion time to be meant, and holds a deletion of
//! many until a person says so. It reads no file and no clock, and does nothing to a container:
//! the worker calls it with each snapshot, and again at `Desired::wake_at`.

mod claims;
mod looks;
mod prune;
mod stands;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::diagnostic::{Diagnostic, InvalidReason};
use super::name::TaskName;
use super::source::Place;
use super::task::Task;
use super::time::Mono;
pub use stands::Stands;

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
    /// Problems that belong to no known task: broken new documents and unreadable files. Sorted by
    /// file and place.
    pub problems: Vec<Diagnostic>,
    /// Documents of other tools, which are left alone. Sorted by file and place.
    pub others: Vec<Diagnostic>,
    /// What only the next look needs to know.
    memory: Memory,
}

/// What one look leaves for the next.
#[derive(Debug, Clone, Default, PartialEq)]
struct Memory {
    /// Files that can't be read as far as their names.
    suspects: BTreeMap<String, Suspect>,
    /// How many documents of others each file had while none of its tasks was missing from it.
    foreign: BTreeMap<String, usize>,
    /// Manifests that went away: of tasks that are missing, and of tasks that went lately.
    removals: BTreeMap<TaskName, Removal>,
    /// Tasks whose removal a person asked for, and when.
    meant: BTreeMap<TaskName, Mono>,
    /// When time alone changes something.
    wake_at: Option<Mono>,
}

/// A file that can't be read as far as its names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Suspect {
    /// What it held.
    digest: Option<String>,
    /// When it was first seen so.
    since: Mono,
    /// It is a directory that can't be listed: a manifest may have come into it at any time.
    unlisted: bool,
}

/// A manifest that went away without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Removal {
    /// When that was first seen.
    at: Mono,
    /// How many tasks were known just before.
    known: usize,
}

/// When an absence is a deletion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// How long a manifest has to be gone.
    pub tombstone: Duration,
    /// The share of the known tasks, 0 to 1, that may go within [`Rules::prune_window`].
    pub max_prune: f64,
    /// The stretch of time in which removals are counted together.
    pub prune_window: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            tombstone: Duration::from_secs(5),
            max_prune: 0.5,
            prune_window: Duration::from_secs(60),
        }
    }
}

/// Why a removal that a person approved does not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalRefused {
    /// Nothing is held.
    #[error("no removal is held")]
    NothingHeld,
    /// Other tasks are held than the ones that were approved.
    #[error("the tasks that would go have changed since they were shown")]
    OtherTasks {
        /// Those that are held now.
        held: BTreeSet<TaskName>,
    },
    /// The source can't be read, so nobody knows what would go.
    #[error("the source can't be read now")]
    SourceUnavailable,
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
    /// Its deletion is meant: its instances are to be stopped and removed, once the source was read.
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
    /// A directory can't be listed: it may hold them.
    Unlisted {
        /// The directory, relative to the source.
        directory: String,
    },
}
