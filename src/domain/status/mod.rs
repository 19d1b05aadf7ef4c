//! What people see of a task: its phase, its conditions and its instances, from the same record
//! and plan as everything that is done about it.
//!
//! Never a reason to do something: what is to be done is in the plan. The worker calls it at the
//! end of each look.

mod conditions;
mod facts;
mod instances;
mod phase;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_command::ByCommand;
use super::container::Container;
use super::desired::{Presence, Validity};
use super::diagnostic::Diagnostic;
use super::instance::{ContainerId, InstanceId, Seat, State, Uid};
use super::name::{TaskName, WorkerName};
use super::plan::Plan;
use super::record::{Record, Refusal};
use super::source::Place;
use super::time::{Now, Timestamp};
use super::waits::Waiting;
use super::world::Engine;
use facts::Facts;

/// The engine did not take what it was told.
const UNSUPPORTED: &str = "FeatureUnsupported";

/// The engine does not get through with a removal.
const STUCK: &str = "StuckRemoving";

/// All that a status is made from.
#[derive(Debug, Clone)]
pub struct StatusInputs<'a> {
    /// The time of the look.
    pub now: Now,
    /// Who looked.
    pub worker: &'a WorkerName,
    /// The record after the look.
    pub record: &'a Record,
    /// What the look decided.
    pub plan: &'a Plan,
    /// Whether there is a manifest.
    pub presence: Presence,
    /// Everything of this worker is to go (`down`).
    pub going_down: bool,
    /// Whether the manifest that is there now was accepted.
    pub validity: &'a Validity,
    /// Why the removal of this task is held, if it is.
    pub held: Option<&'a str>,
    /// Why the source can't be read, if it can't.
    pub source_unavailable: Option<&'a str>,
    /// The containers of the instances, as far as the engine says there are any.
    pub containers: BTreeMap<Seat, &'a Container>,
    /// What is known of the engine.
    pub engine: &'a Engine,
}

/// What people see of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskStatus {
    /// What it is called.
    pub name: TaskName,
    /// Its uid.
    pub uid: Uid,
    /// What it is.
    pub kind: Kind,
    /// All of it in one word.
    pub phase: Phase,
    /// Counts the accepted changes of its spec.
    pub generation: u64,
    /// The generation that this status is about.
    pub observed_generation: u64,
    /// The generation that runs now; `None`: none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving_generation: Option<u64>,
    /// How many instances are wanted now: none while it is suspended.
    pub replicas: u16,
    /// How many of those are ready.
    pub ready_replicas: u16,
    /// How many of those are, or are about to be, as the manifest has them.
    pub updated_replicas: u16,
    /// Attempts beyond the first of each slot, in its present form, as far as they are known.
    pub restarts: u32,
    /// What is so and what is not, in the order of the manifest's contract.
    pub conditions: Vec<Condition>,
    /// Its instances by slot and attempt, those that have ended and are kept included.
    pub instances: Vec<InstanceStatus>,
    /// Where its manifest stands.
    pub source: Place,
    /// The image, as written.
    pub image: String,
    /// When it was first accepted.
    pub created_at: Timestamp,
    /// What is being done, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doing: Vec<String>,
    /// What is waited for, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<String>,
    /// When something that failed is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Timestamp>,
    /// What is wrong with the manifest that is there now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Diagnostic>,
    /// What failed and is not tried again until the manifest changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// Who suspended it by command; it stays so until it is resumed by command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<ByCommand>,
}

/// What a task is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Kind {
    /// It runs until it is stopped.
    Service,
    /// It runs to its end.
    Job,
}

/// All of a task in one word: the first that fits.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Phase {
    /// Its manifest is gone and instances are left.
    Stopping,
    /// It is suspended.
    Suspended,
    /// A job that is done.
    Completed,
    /// It is not tried again until something changes.
    Failed,
    /// A rollout, a first start or a run is under way and within its deadline.
    Progressing,
    /// As many instances are ready as are wanted.
    Running,
    /// Some are ready, fewer than wanted.
    Degraded,
    /// None is ready.
    Pending,
}

/// Something about a task that is so, is not so, or can't be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub type_: ConditionType,
    /// Whether it is so.
    pub status: Truth,
    /// A stable CamelCase word.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// When `status` was last another one.
    pub last_transition_time: Timestamp,
    /// The generation that it is about.
    pub observed_generation: u64,
}

/// What a condition is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ConditionType {
    /// The manifest that is there now was accepted.
    Valid,
    /// Nothing is to be done.
    Converged,
    /// A rollout is under way.
    Progressing,
    /// All wanted instances are ready.
    Ready,
}

/// Whether something is so.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Truth {
    /// It is.
    True,
    /// It is not.
    False,
    /// It can't be told now.
    Unknown,
}

/// What people see of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// Its UUID.
    pub id: InstanceId,
    /// Which of the replicas.
    pub slot: u16,
    /// Which try at it.
    pub attempt: u32,
    /// Its state.
    pub state: State,
    /// It can be relied on.
    pub ready: bool,
    /// Its container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<ContainerId>,
    /// The image, as written.
    pub image: String,
    /// What that name meant when its rollout began (`sha256:…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// When its process began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// How its process ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// Why it ended, or why it is being stopped: a stable CamelCase word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What there is to say to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where its ports are published, such as `0.0.0.0:8080->80/tcp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    /// The number of the revision it is made from.
    pub revision: u32,
    /// Why it was begun.
    pub because: String,
}

/// What people see of a task now. `previous` is its status before this look: what did not change
/// keeps the time of its last change.
#[must_use]
pub fn status(inputs: &StatusInputs, previous: Option<&TaskStatus>) -> TaskStatus {
    let head = &inputs.record.head;
    let previous = previous.filter(|before| before.uid == head.uid);
    let facts = Facts::of(inputs);
    let problems = match inputs.validity {
        Validity::Valid => Vec::new(),
        Validity::Held { problems, .. } => problems.clone(),
    };
    let known = previous
        .filter(|before| before.generation == head.generation)
        .map_or(0, |before| before.restarts);
    TaskStatus {
        name: head.name.clone(),
        uid: head.uid,
        kind: if head.task.is_job() { Kind::Job } else { Kind::Service },
        phase: phase::phase(inputs, &facts),
        generation: head.generation,
        observed_generation: head.generation,
        serving_generation: facts.serving_generation,
        replicas: facts.wanted,
        ready_replicas: facts.ready,
        updated_replicas: facts.updated,
        restarts: facts.restarts.max(known),
        conditions: conditions::conditions(inputs, &facts, previous),
        instances: instances::instances(inputs),
        source: head.place.clone(),
        image: head.task.template.image.to_string(),
        created_at: head.created_at,
        doing: doing(inputs.plan),
        waiting_for: inputs.plan.waiting.iter().map(ToString::to_string).collect(),
        next_try_at: next_try(inputs.plan, inputs.now),
        problems,
        refused: facts.refusal.cloned(),
        suspended: head.suspended.clone(),
    }
}

/// What a plan does, a line each.
fn doing(plan: &Plan) -> Vec<String> {
    let pull = plan.pull.as_ref().map(|pull| format!("pull {}", pull.image));
    pull.into_iter().chain(plan.steps.iter().map(ToString::to_string)).collect()
}

/// Why nothing new may be made where something is wanted: a word and a sentence.
fn denied(plan: &Plan) -> Option<(&'static str, &str)> {
    plan.waiting.iter().find_map(|waiting| {
        if let Waiting::Denied(why) | Waiting::NoSharedHost(why) = waiting {
            Some((waiting.word(), why.as_str()))
        } else {
            None
        }
    })
}

/// When something that failed is tried again.
fn next_try(plan: &Plan, now: Now) -> Option<Timestamp> {
    let is_try = |it: &&Waiting| !matches!(it, Waiting::Doubt(..) | Waiting::Proof(..));
    let tries = plan.waiting.iter().filter(is_try).filter_map(Waiting::until);
    let wait = tries.min()?.since(now.mono);
    Some(now.wall.after(wait))
}

impl TaskStatus {
    /// The condition of that type.
    #[must_use]
    pub fn condition(&self, type_: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == type_)
    }

    /// Whether nothing more becomes of it by itself: it is up and nothing is left to do but what
    /// waits for a person, or it is done, or given up.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let converged = self.condition(ConditionType::Converged);
        let held = |it: &Condition| {
            matches!(
                &*it.reason,
                "PruneHeld"
                    | "SourceUnavailable"
                    | "PolicyDenied"
                    | "NoSharedHost"
                    | STUCK
                    | UNSUPPORTED
            )
        };
        match self.phase {
            Phase::Suspended | Phase::Completed | Phase::Failed | Phase::Running => {
                converged.is_some_and(|it| it.status == Truth::True || held(it))
            }
            Phase::Stopping => {
                converged.is_some_and(|it| matches!(&*it.reason, "SourceUnavailable" | STUCK))
            }
            Phase::Progressing | Phase::Degraded | Phase::Pending => false,
        }
    }

    /// Whether a settled task is what its manifest asks for: nothing of it failed, was refused or is
    /// suspended by command.
    #[must_use]
    pub fn is_as_asked(&self) -> bool {
        let converged = self.condition(ConditionType::Converged);
        let lacks = converged.is_some_and(|it| it.reason == UNSUPPORTED);
        let stays = converged.is_some_and(|it| it.reason == STUCK) && self.phase == Phase::Stopping;
        let is_held = self.suspended.is_some();
        self.phase != Phase::Failed && self.refused.is_none() && !lacks && !stays && !is_held
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Service => "Service",
            Self::Job => "Job",
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stopping => "Stopping",
            Self::Suspended => "Suspended",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Progressing => "Progressing",
            Self::Running => "Running",
            Self::Degraded => "Degraded",
            Self::Pending => "Pending",
        })
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Valid => "Valid",
            Self::Converged => "Converged",
            Self::Progressing => "Progressing",
            Self::Ready => "Ready",
        })
    }
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        })
    }
}
