//! The API of a running worker: JSON over HTTP on a unix socket that only its owner can open.
//!
//! It passes on what is asked and answers what the worker says; it decides nothing.

pub mod client;
pub mod server;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::event::Event;
use crate::domain::instance::Instance;
use crate::domain::name::TaskName;
use crate::domain::record::{Head, Record, Revision};
use crate::domain::time::Mono;

/// Where the worker listens, in its state directory.
#[must_use]
pub fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join("evenkeel.sock")
}

/// `GET`: a [`crate::worker::command::Overview`].
pub const WORKER: &str = "/v1/worker";
/// `GET`: a list of [`crate::domain::status::TaskStatus`].
pub const TASKS: &str = "/v1/tasks";
/// `GET`: a list of [`RecordBody`]: what is written down of its tasks.
pub const RECORDS: &str = "/v1/records";
/// `GET`: a list of [`Numbered`] events, the last of them. `?task=NAMESPACE/NAME&limit=N`.
pub const EVENTS: &str = "/v1/events";
/// `GET` with the id of an instance after it: the last bytes of its log, if they were kept when its
/// container went.
pub const LOGS: &str = "/v1/logs/";
/// `POST` [`ApprovePrune`].
pub const APPROVE_PRUNE: &str = "/v1/approve/prune";
/// `POST` [`ApproveSource`].
pub const APPROVE_SOURCE: &str = "/v1/approve/source";
/// `POST`: remove everything but volumes, and end.
pub const DOWN: &str = "/v1/down";

/// What is written down of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordBody {
    /// Who it is and what was accepted last.
    pub head: Head,
    /// What rollouts were made from.
    pub revisions: Vec<Revision>,
    /// Its instances.
    pub instances: Vec<Instance>,
}

impl From<Record> for RecordBody {
    fn from(record: Record) -> Self {
        Self {
            head: record.head,
            revisions: record.revisions.into_values().collect(),
            instances: record.instances.into_values().collect(),
        }
    }
}

impl From<RecordBody> for Record {
    fn from(body: RecordBody) -> Self {
        let mut record = Self::accepted(body.head, Mono::default());
        record.revisions = body.revisions.into_iter().map(|it| (it.number, it)).collect();
        record.instances = body.instances.into_iter().map(|it| (it.seat, it)).collect();
        record
    }
}

/// Let exactly these tasks go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovePrune {
    /// Which.
    pub tasks: BTreeSet<TaskName>,
}

/// Take what was made from another source directory as ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveSource {
    /// That directory, as the labels have it.
    pub source: String,
}

/// An event and its number: later ones have higher numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbered {
    /// Its number.
    pub seq: i64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Which events are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsQuery {
    /// Only those of this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
    /// The last so many; 100 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What is answered where something can't be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Why, in a sentence.
    pub message: String,
}
