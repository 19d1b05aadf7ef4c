//! All of a task in one word: the first of the manifest's contract that fits.

use super::facts::{Facts, Slot};
use super::{Phase, StatusInputs};
use crate::domain::decide::job::Verdict;
use crate::domain::decide::target::Progress;
use crate::domain::desired::Presence;
use crate::domain::instance::{Instance, State};

/// The first phase that fits.
pub fn phase(inputs: &StatusInputs, facts: &Facts) -> Phase {
    let task = &inputs.record.head.task;
    if inputs.presence == Presence::Gone {
        return Phase::Stopping;
    }
    if inputs.record.head.is_suspended() {
        return Phase::Suspended;
    }
    let is_done = |slot: &Slot| slot.verdict == Some(Verdict::Done);
    if task.is_job() && facts.wanted > 0 && facts.slots.iter().all(is_done) {
        return Phase::Completed;
    }
    let denied = super::denied(inputs.plan).is_some() && facts.ready < facts.wanted;
    if denied || facts.slots.iter().any(|slot| slot.given_up.is_some()) {
        return Phase::Failed;
    }
    if is_progressing(inputs, facts) {
        return Phase::Progressing;
    }
    if facts.ready >= facts.wanted {
        Phase::Running
    } else if facts.ready > 0 {
        Phase::Degraded
    } else {
        Phase::Pending
    }
}

/// Whether a rollout, a first start or a run is under way and within its deadline.
pub fn is_progressing(inputs: &StatusInputs, facts: &Facts) -> bool {
    if facts.wanted == 0 {
        return false;
    }
    if inputs.record.head.task.is_job() {
        return facts.slots.iter().any(|slot| is_run(inputs, slot));
    }
    match facts.progress {
        Progress::UnderWay { .. } => true,
        Progress::Failed(_) => false,
        Progress::Over => facts.slots.iter().any(|slot| !slot.ready && is_first(inputs, slot)),
    }
}

/// A run of a job is under way where it runs, or was begun and is not kept from going on.
fn is_run(inputs: &StatusInputs, slot: &Slot) -> bool {
    slot.live.is_some_and(|it| it.state == State::Running)
        || (slot.verdict.is_none() && in_time(inputs, slot.live) && !troubled(inputs))
}

/// A first start is one that no failure of the same form came before, and nothing that was ready.
fn is_first(inputs: &StatusInputs, slot: &Slot) -> bool {
    let after_failure = slot.live.is_some_and(|it| it.failures > 0 || it.proven)
        || slot.ended.is_some_and(|it| it.state == State::Failed);
    !after_failure && in_time(inputs, slot.live) && !troubled(inputs)
}

/// What was begun has the deadline of a rollout to get further; what was not, is about to be.
fn in_time(inputs: &StatusInputs, live: Option<&Instance>) -> bool {
    let update = &inputs.record.head.task.update;
    let deadline = update.progress_deadline_seconds.unwrap_or(600);
    live.is_none_or(|it| inputs.now.mono.since(it.moved_at).as_secs() < u64::from(deadline))
}

/// Whether something that failed is waited to be tried again.
fn troubled(inputs: &StatusInputs) -> bool {
    super::next_try(inputs.plan, inputs.now).is_some()
}
