//! The API of a running worker: JSON over HTTP on a unix socket that only its owner can open.
//!
//! It passes on what is asked and answers what the worker says; it decides nothing. Work that it
//! takes becomes files of the source.

mod bound;
pub mod by_command;
pub mod client;
pub mod health;
pub mod listen;
pub mod measure;
pub mod open;
pub mod openapi;
mod route;
pub mod server;
mod visitor;
pub mod watching;
pub mod work;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::diagnostic::Diagnostic;
use crate::domain::event::Event;
use crate::domain::instance::Instance;
use crate::domain::name::{TaskName, typed};
use crate::domain::once::Run;
use crate::domain::record::{Head, Record, Revision};
use crate::domain::time::Mono;
use crate::manifest::nearest;

/// Where the worker listens, in its state directory.
#[must_use]
pub fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join("evenkeel.sock")
}

/// The worker itself.
pub const WORKER: &str = "/v1/worker";
/// Its tasks; after it `/NAMESPACE/NAME` of one, and what there is of that.
pub const TASKS: &str = "/v1/tasks";
/// What is written down of its tasks.
pub const RECORDS: &str = "/v1/records";
/// What happened.
pub const EVENTS: &str = "/v1/events";
/// With the id of an instance after it: the last bytes of its log.
pub const LOGS: &str = "/v1/logs/";
/// What happens from now on.
pub const WATCH: &str = "/v1/watch";
/// To have manifests put into the source.
pub const APPLY: &str = "/v1/apply";
/// To let tasks go.
pub const APPROVE_PRUNE: &str = "/v1/approve/prune";
/// To take what was made from another source as ours.
pub const APPROVE_SOURCE: &str = "/v1/approve/source";
/// To keep the host of another engine than before.
pub const APPROVE_ENGINE: &str = "/v1/approve/engine";
/// To remove everything but volumes, and end.
pub const DOWN: &str = "/v1/down";
/// Which images are being pulled.
pub const PULLS: &str = "/v1/pulls";
/// What instances use.
pub const USAGE: &str = "/v1/usage";
/// The metrics.
pub const METRICS: &str = "/metrics";
/// Whether the daemon lives.
pub const HEALTHZ: &str = "/healthz";
/// Whether it can do its work.
pub const READYZ: &str = "/readyz";
/// The description of all this.
pub const OPENAPI: &str = "/openapi.json";

/// What is written down of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordBody {
    /// Who it is and what was accepted last.
    pub head: Head,
    /// What rollouts were made from.
    pub revisions: Vec<Revision>,
    /// Its instances.
    pub instances: Vec<Instance>,
    /// What has run of what runs at most once.
    #[serde(default)]
    pub runs: Vec<Run>,
}

impl From<Record> for RecordBody {
    fn from(record: Record) -> Self {
        Self {
            head: record.head,
            revisions: record.revisions.into_values().collect(),
            instances: record.instances.into_values().collect(),
            runs: record.runs.into_values().collect(),
        }
    }
}

impl From<RecordBody> for Record {
    fn from(body: RecordBody) -> Self {
        let mut record = Self::accepted(body.head, Mono::default());
        record.revisions = body.revisions.into_iter().map(|it| (it.number, it)).collect();
        record.instances = body.instances.into_iter().map(|it| (it.seat, it)).collect();
        let key = |run: &Run| (run.seat.slot, run.fingerprint.clone());
        record.runs = body.runs.into_iter().map(|run| (key(&run), run)).collect();
        record
    }
}

/// Let exactly these tasks go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovePrune {
    /// Which.
    pub tasks: BTreeSet<TaskName>,
}

/// Take what was made from another source directory as ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveSource {
    /// That directory, as the labels have it.
    pub source: String,
}

/// Keep the host of that engine, though it is another one than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveEngine {
    /// The engine, as the worker tells it.
    pub engine: String,
}

/// Remove everything but volumes, and end. There is nothing to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Down {}

/// An event and its number: later ones have higher numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Numbered {
    /// Its number.
    pub seq: i64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Which events are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Only those of this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
    /// Only those after this number: the first so many of them, not the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
    /// The last so many; 100 if left out.
    #[schemars(range(max = 4_294_967_295_u32))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Which events of a task are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsPart {
    /// Only those after this number: the first so many of them, not the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
    /// The last so many; 100 if left out.
    #[schemars(range(max = 4_294_967_295_u32))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What is answered where something can't be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// A stable CamelCase word, such as `NotFound`.
    #[serde(default)]
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
    /// What is wrong in manifests, each with its place, if it is that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Diagnostic>,
}

/// The tasks' name that is most like one that is not there: the same in another namespace, or one
/// that differs by a slip, in whatever namespace.
#[must_use]
pub fn alike<'a>(
    name: &TaskName,
    known: impl Iterator<Item = &'a TaskName>,
) -> Option<&'a TaskName> {
    let known: Vec<&TaskName> = known.collect();
    let elsewhere = known.iter().find(|other| other.name == name.name);
    let near = |text: &str, texts: Vec<String>| {
        let near = nearest(text, texts.iter().map(String::as_str), 3)?;
        let place = texts.iter().position(|text| text == near)?;
        known.get(place).copied()
    };
    elsewhere
        .copied()
        .or_else(|| near(&typed(name), known.iter().map(|other| typed(other)).collect()))
        .or_else(|| near(name.name.as_str(), known.iter().map(|it| it.name.to_string()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::Label;

    #[test]
    fn a_name_that_is_nearly_right_must_be_found_in_whatever_namespace() {
        let named = |text: &str| TaskName::parse(text, &Label::default_namespace()).unwrap();
        let known = ["web", "shop/cart", "shop/ledger"].map(named);
        let meant = |text: &str| alike(&named(text), known.iter()).map(typed);
        assert_eq!(meant("wbe").as_deref(), Some("web"));
        assert_eq!(meant("cart").as_deref(), Some("shop/cart"));
        assert_eq!(meant("car").as_deref(), Some("shop/cart"));
        assert_eq!(meant("shop/leger").as_deref(), Some("shop/ledger"));
        assert_eq!(meant("something-else"), None);
    }
}
