//! What has run of what runs at most once. Its instances and revisions go as those of any job do;
//! that it has run is kept in a row of its own, for as long as its task.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fingerprint::{Fingerprint, Form};
use super::instance::{EndReason, Instance, Seat, Uid};
use super::record::Record;
use super::task::RestartPolicy;

/// A run of what runs at most once: it has begun, or its start was sent and it may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The uid of the task.
    pub uid: Uid,
    /// The slot that it was the run of, and the attempt.
    pub seat: Seat,
    /// What it was made of.
    pub fingerprint: Fingerprint,
    /// Why it ended; `None`: it has not, or nobody saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<EndReason>,
    /// How its process ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
}

/// Runs by slot and fingerprint: of each pair there is one at most.
pub type Runs = BTreeMap<(u16, Fingerprint), Run>;

impl Run {
    /// How it ended, for people: `0.1 ended: Error, exit code 3`.
    #[must_use]
    pub fn told_end(&self) -> String {
        let Some(reason) = self.reason else {
            return format!("{} has run, and how it ended is not known", self.seat);
        };
        let code = self.exit_code.map_or_else(String::new, |code| format!(", exit code {code}"));
        format!("{} ended: {reason}{code}", self.seat)
    }
}

/// The run of a form in a slot, however long ago it was.
#[must_use]
pub fn run_of<'a>(record: &'a Record, slot: u16, form: &Form) -> Option<&'a Run> {
    let runs = record.runs.values();
    runs.filter(|run| run.seat.slot == slot).find(|run| form.covers(&run.fingerprint))
}

/// Brings what the instances say into the runs: before a start is sent, and before an instance is
/// forgotten. What was cancelled never ran.
pub fn note_runs(record: &mut Record) {
    let uid = record.head.uid;
    record.runs.retain(|_, run| run.uid == uid);
    if record.head.task.restart_policy != RestartPolicy::Never {
        return;
    }
    for instance in record.instances.values().filter(|it| it.uid == uid && it.start_sent) {
        note(&mut record.runs, instance);
    }
}

fn note(runs: &mut Runs, instance: &Instance) {
    let Instance { uid, seat, reason, exit_code, .. } = *instance;
    let key = (seat.slot, instance.fingerprint.clone());
    if reason == Some(EndReason::Cancelled) {
        if runs.get(&key).is_some_and(|run| run.seat == seat) {
            runs.remove(&key);
        }
        return;
    }
    let fingerprint = instance.fingerprint.clone();
    runs.insert(key, Run { uid, seat, fingerprint, reason, exit_code });
}
