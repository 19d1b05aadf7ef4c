//! All that is known of one task, the last plan among it, in the form that people and programs get.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Worker;
use crate::domain::instance::Seat;
use crate::domain::name::TaskName;
use crate::domain::plan::{FieldChange, Plan, Planned, Reason};
use crate::domain::record::Record;
use crate::domain::status::TaskStatus;
use crate::domain::time::{Mono, Now, Timestamp};
use crate::domain::waits::Waiting;
use crate::runtime::Runtime;

/// All that is known of one task.
#[derive(Debug)]
pub struct TaskView {
    /// How it is.
    pub status: Arc<TaskStatus>,
    /// What is written down of it.
    pub record: Record,
    /// What the last look decided.
    pub plan: LastPlan,
}

/// What the last look at a task decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastPlan {
    /// A rollout begins.
    pub begins_rollout: bool,
    /// Why the present rollout has failed, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gives_up: Option<String>,
    /// The image that has to be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<String>,
    /// The steps that were begun, in the order of seats.
    pub steps: Vec<PlannedStep>,
    /// What is waited for.
    pub waiting: Vec<Wait>,
    /// When it is looked at again at the latest, whatever happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_at: Option<Timestamp>,
}

/// A step and its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// What is done, such as `create` or `stop`.
    pub step: String,
    /// The instance it is for.
    pub seat: Seat,
    /// A stable word for why.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
    /// Field by field, where the manifest changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// Something that has to be so before there is more to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    /// The instance that waits or is waited for; left out: it is about the task as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<Seat>,
    /// A stable word for it.
    pub reason: String,
    /// What is waited for.
    pub message: String,
    /// When it is over, where time alone ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl LastPlan {
    /// A plan as it reads at `now`.
    #[must_use]
    pub fn of(plan: &Plan, now: Now) -> Self {
        Self {
            begins_rollout: plan.revise,
            gives_up: plan.refuse.as_ref().map(|failure| failure.message.clone()),
            pull: plan.pull.as_ref().map(|pull| pull.image.to_string()),
            steps: plan.steps.iter().map(step).collect(),
            waiting: plan.waiting.iter().map(|waiting| wait(waiting, now)).collect(),
            look_at: plan.wake_at.map(|at| wall(at, now)),
        }
    }
}

fn step(planned: &Planned) -> PlannedStep {
    let fields = match &planned.reason {
        Reason::Changed(fields) => fields.clone(),
        _ => Vec::new(),
    };
    PlannedStep {
        step: planned.step.name().to_owned(),
        seat: planned.seat,
        reason: planned.reason.word().to_owned(),
        message: planned.reason.to_string(),
        fields,
    }
}

fn wait(waiting: &Waiting, now: Now) -> Wait {
    Wait {
        seat: waiting.seat(),
        reason: waiting.word().to_owned(),
        message: waiting.to_string(),
        until: waiting.until().map(|at| wall(at, now)),
    }
}

fn wall(at: Mono, now: Now) -> Timestamp {
    now.wall.after(at.since(now.mono))
}

impl<R: Runtime> Worker<R> {
    pub(super) fn task_view(&self, name: &TaskName) -> Option<TaskView> {
        let none = Plan::default();
        let plan = self.plans.get(name).unwrap_or(&none);
        Some(TaskView {
            status: Arc::clone(self.statuses.get(name)?),
            record: self.records.get(name)?.clone(),
            plan: LastPlan::of(plan, self.clock.now()),
        })
    }
}
