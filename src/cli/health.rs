//! How a task is, in a word and in a sentence.

use std::collections::BTreeMap;

use super::pick::short;
use crate::domain::engine::EngineChange;
use crate::domain::status::{ConditionType, Phase, TaskStatus, Truth};
use crate::worker::command::Held;

/// What somebody has to do something about, though the task may run well.
const BLOCKED: [&str; 13] = [
    "SourceUnavailable",
    "EngineChanged",
    "PruneHeld",
    "SourceChanged",
    "PolicyDenied",
    "NotOurs",
    "NoSharedHost",
    "PortConflict",
    "VolumeInUse",
    "FeatureUnsupported",
    "Drift",
    "StuckRemoving",
    "EngineUnavailable",
];

/// What went wrong on the way of a rollout or a first start, though it is still tried.
const FAILING: [&str; 6] =
    ["ImagePullFailed", "StartError", "CrashLoop", "OOMKilled", "BackOff", "Lost"];

/// Whether a reason is one of the worker as a whole, so that it is told once and not of each task.
#[must_use]
pub fn is_general(reason: &str) -> bool {
    let general =
        ["SourceUnavailable", "EngineUnavailable", "EngineChanged", "SourceChanged", "PruneHeld"];
    general.contains(&reason)
}

/// What is told of an engine that is another one than before.
#[must_use]
pub fn engine(change: &EngineChange, worker: &str) -> String {
    format!(
        "the engine is another one, {change}, and containers of worker {worker} are on it that \
         this one did not make"
    )
}

/// Why removals are held, without what to do about that: who shows it says so for the worker that
/// is meant.
#[must_use]
pub fn held(held: &Held) -> &str {
    held.why.split("; ").next().unwrap_or(&held.why)
}

/// What is told of a task that was suspended by command.
#[must_use]
pub fn suspended(task: &TaskStatus, again: impl Fn(&str) -> String) -> Option<String> {
    let undo = again(&format!("resume {}", short(&task.name)));
    task.suspended.as_ref().map(|it| format!("suspended {it}; undo with: {undo}"))
}

/// How many tasks are in each phase: `1 Completed, 4 Running`.
#[must_use]
pub fn counts(phases: &BTreeMap<Phase, usize>) -> String {
    let each: Vec<String> =
        phases.iter().map(|(phase, count)| format!("{count} {phase}")).collect();
    each.join(", ")
}

/// The phase, and what is wrong with it or holds it: `Running`, `Pending(CrashLoop)`,
/// `Running(RolledBack)`, `Suspended(Held)`.
#[must_use]
pub fn word(task: &TaskStatus) -> String {
    match trouble(task) {
        None if task.phase == Phase::Suspended && task.suspended.is_some() => {
            format!("{}(Held)", task.phase)
        }
        Some((reason, _)) if reason != task.phase.to_string() => {
            format!("{}({reason})", task.phase)
        }
        Some(_) | None => task.phase.to_string(),
    }
}

/// Why a task is not as it should be: a stable word and a sentence. `None`: it is, or it is on its
/// way there.
#[must_use]
pub fn trouble(task: &TaskStatus) -> Option<(&str, &str)> {
    let of = |type_, status| task.condition(type_).filter(|it| it.status == status);
    let said = |type_| task.condition(type_).map(|it| (&*it.reason, &*it.message));
    if of(ConditionType::Valid, Truth::False).is_some() {
        return said(ConditionType::Valid);
    }
    let converged = task.condition(ConditionType::Converged);
    if let Some(it) = converged.filter(|it| BLOCKED.contains(&&*it.reason)) {
        return Some((&it.reason, &it.message));
    }
    if let Some(refusal) = &task.refused {
        return Some(("RolledBack", &refusal.message));
    }
    match task.phase {
        Phase::Failed | Phase::Degraded | Phase::Pending => said(ConditionType::Ready),
        Phase::Progressing | Phase::Running => [ConditionType::Ready, ConditionType::Converged]
            .into_iter()
            .filter_map(|type_| of(type_, Truth::False))
            .find(|it| FAILING.contains(&&*it.reason))
            .map(|it| (&*it.reason, &*it.message)),
        Phase::Stopping | Phase::Suspended | Phase::Completed => None,
    }
}
