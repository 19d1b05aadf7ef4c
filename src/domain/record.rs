//! What the current-state DB says of one task.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_command::ByCommand;
use super::difference::Difference;
use super::fingerprint::Fingerprint;
use super::health::Health;
use super::instance::{Instance, Seat, Uid};
use super::name::{TaskName, typed};
use super::once::Runs;
use super::outcome::Cause;
use super::repair::Repairs;
use super::source::Place;
use super::task::Task;
use super::template::Resources;
use super::time::{Mono, Timestamp, jittered};

/// How many revisions are kept, besides the last ready one.
pub const REVISIONS_KEPT: usize = 10;

/// How long what failed is waited with, at first and at most.
const RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// The same where a registry is asked too much: a minute at least, whatever the jitter.
const RATE_LIMITED: Duration = Duration::from_secs(70);
const LONGEST_RATE_LIMITED: Duration = Duration::from_secs(15 * 60);

/// What the current-state DB says of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who it is and what was accepted last.
    pub head: Head,
    /// What rollouts were made from, by number.
    pub revisions: BTreeMap<u32, Revision>,
    /// Its instances, those that ended and are still kept included, by seat.
    pub instances: BTreeMap<Seat, Instance>,
    /// What has run of what runs at most once.
    pub runs: Runs,
    /// When this process saw the present rollout begin, or get further.
    pub progressed_at: Mono,
    /// The policy let nothing new be made of it at the last look of this process.
    pub denied: bool,
    /// What went wrong with the pulls of the present rollout, in this process.
    pub pull_trouble: Option<Trouble>,
    /// What went wrong last with the steps of an instance, in this process.
    pub troubles: BTreeMap<Seat, Trouble>,
    /// How many names in a row something else had, by the slot that they were for, in this process.
    pub names_taken: BTreeMap<u16, u32>,
    /// How well instances are that are asked, in this process.
    pub health: BTreeMap<Seat, Health>,
    /// What of the last update of an instance's container it was not seen to have taken, in this
    /// process. Once the engine says that it is done and the same is asked for again, the engine
    /// does not take it: that is no reason to tell it without end.
    pub updates: BTreeMap<Seat, Update>,
    /// Since when the engine is seen removing a container, in this process.
    pub removing: BTreeMap<Seat, Mono>,
    /// What was repaired lately, in this process.
    pub repairs: Repairs,
    /// The resources of an instance's container when they were last seen to be as wanted, in this
    /// process: what is there instead later tells an edit of the manifest from somebody's hand.
    pub confirmed: BTreeMap<Seat, Resources>,
}

/// An update of a container, as far as it was not seen to have taken it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// What was to be put right.
    pub differing: Vec<Difference>,
}

/// Calls to the engine that failed, one after the other. Not kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// How many.
    pub failures: u32,
    /// When the last was seen.
    pub at: Mono,
    /// Of what kind it was; `None`: its outcome is unknown.
    pub cause: Option<Cause>,
    /// What the engine said.
    pub message: String,
}

impl Trouble {
    /// One failure more, after those `before`.
    #[must_use]
    pub fn after(before: Option<&Self>, cause: Option<Cause>, message: String, at: Mono) -> Self {
        let failures = before.map_or(0, |trouble| trouble.failures).saturating_add(1);
        Self { failures, at, cause, message }
    }

    /// When the next try is due: after 1 s, doubled with each failure, 60 s at most; where a
    /// registry is asked too much, after a minute at least. `jitter` is any number.
    #[must_use]
    pub fn retry_at(&self, jitter: u64) -> Mono {
        self.at + jittered(self.wait(), jitter)
    }

    /// When it is due at the earliest, whatever the jitter.
    #[must_use]
    pub fn earliest_retry(&self) -> Mono {
        self.retry_at(0)
    }

    fn wait(&self) -> Duration {
        let (first, longest) = match self.cause {
            Some(Cause::RateLimited) => (RATE_LIMITED, LONGEST_RATE_LIMITED),
            Some(_) | None => (RETRY, LONGEST_RETRY),
        };
        let doublings = self.failures.saturating_sub(1).min(6);
        (first * (1 << doublings)).min(longest)
    }
}

/// A task without its revisions, instances and runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// What it is called.
    pub name: TaskName,
    /// Its uid.
    pub uid: Uid,
    /// Counts the accepted changes of its spec, from 1.
    pub generation: u64,
    /// What was accepted last.
    pub task: Task,
    /// Where that stands.
    pub place: Place,
    /// Its removal is decided: it goes on after a restart, and nothing of it is begun meanwhile.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub going: bool,
    /// The generation that is not tried again, if the last rollout failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// Who suspended it by command, whatever its manifest says; `None`: nobody, or it was resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<ByCommand>,
    /// The last restart that was asked for by command, whether it has begun or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// When it was first accepted.
    pub created_at: Timestamp,
}

impl Head {
    /// The number of the last restart that was asked for by command; 0: none was.
    #[must_use]
    pub fn last_restart(&self) -> u32 {
        self.restart.as_ref().map_or(0, |restart| restart.number)
    }

    /// Whether it is to have no instances, by its manifest or by command.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.task.suspend || self.suspended.is_some()
    }

    /// How many instances are wanted now.
    #[must_use]
    pub fn wanted_slots(&self) -> u16 {
        if self.is_suspended() { 0 } else { self.task.replicas }
    }

    /// That it is suspended, by whom, and how that is undone; `None`: it is not.
    #[must_use]
    pub fn told_suspended(&self) -> Option<String> {
        let by_manifest = self.task.suspend.then(|| format!("its manifest {}", self.place));
        let Some(by_command) = &self.suspended else {
            return by_manifest.map(|manifest| format!("the task is suspended by {manifest}"));
        };
        let also = by_manifest.map_or_else(String::new, |it| format!("; {it} suspends it too"));
        Some(format!(
            "the task is suspended {by_command}; undo with: evenkeel resume {}{also}",
            typed(&self.name)
        ))
    }
}

/// A generation that failed and is not tried again until the manifest changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Which.
    pub generation: u64,
    /// Its revision.
    pub revision: u32,
    /// A reason of the condition `Ready` or `Progressing`.
    pub reason: String,
    /// What happened, in a sentence.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// What a rollout is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// Counted from 1; never used twice for one uid.
    pub number: u32,
    /// The generation that made it.
    pub generation: u64,
    /// What its containers are made of.
    pub fingerprint: Fingerprint,
    /// The task as it was then.
    pub task: Task,
    /// The id of the image (`sha256:…`) that its name meant when the rollout began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// All instances that were wanted of it were once up at the same time.
    #[serde(default)]
    pub ready: bool,
    /// The restart by command that it was made for or after; 0: before the first.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    pub restart: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A restart that was asked for by command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Restart {
    /// Which, counted from 1.
    pub number: u32,
    /// Who asked for it, and when.
    #[serde(flatten)]
    pub asked: ByCommand,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "so serde asks")]
fn is_none_yet(restart: &u32) -> bool {
    *restart == 0
}

impl Record {
    /// The restart by command that what an instance was made from is of; `None`: that is not known.
    #[must_use]
    pub fn restart_of(&self, instance: &Instance) -> Option<u32> {
        self.revisions.get(&instance.revision).map(|revision| revision.restart)
    }

    /// A task that was accepted for the first time.
    #[must_use]
    pub fn accepted(head: Head, now: Mono) -> Self {
        Self {
            head,
            revisions: BTreeMap::new(),
            instances: BTreeMap::new(),
            runs: Runs::new(),
            progressed_at: now,
            denied: false,
            pull_trouble: None,
            troubles: BTreeMap::new(),
            names_taken: BTreeMap::new(),
            health: BTreeMap::new(),
            updates: BTreeMap::new(),
            removing: BTreeMap::new(),
            repairs: Repairs::new(),
            confirmed: BTreeMap::new(),
        }
    }
}
