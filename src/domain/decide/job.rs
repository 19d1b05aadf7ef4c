//! The slots of a job: each runs to its end, once for each form of the task.

use super::advance::advance;
use super::again::{begin_again, failures_after};
use super::retire::retire;
use super::service::is_made;
use super::target::{Target, is_current};
use super::{changes, last_ended, next_seat};
use crate::domain::instance::{EndReason, Instance, State};
use crate::domain::once::{self, Run};
use crate::domain::plan::{FieldChange, Plan, Reason, Step};
use crate::domain::task::{RestartPolicy, Task};
use crate::domain::world::World;

/// What becomes of a job's slot after its last instance has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It ended by itself, with 0.
    Done,
    /// It is not tried again.
    Failed,
    /// It is tried again, after so many failures.
    Again(u32),
}

/// Gives each slot its run. A run of another form goes on until the next one is made: what may fail
/// before that, its image above all, must not cost a run.
pub fn slots(world: &World, plan: &mut Plan, target: &Target) {
    for slot in 0..world.record.head.task.replicas {
        let live = || super::of_this_task(world).filter(move |it| it.seat.slot == slot);
        let wanted = live().find(|instance| is_current(world, target, instance));
        let others: Vec<(&Instance, Reason)> = live()
            .filter(|other| wanted.is_none_or(|wanted| wanted.seat != other.seat))
            .map(|other| (other, Reason::Changed(changed(world, target, other))))
            .collect();
        let is_next = wanted.is_none() && may_run(world, target, slot);
        let is_ready = wanted.map_or(!is_next, |next| is_made(world, next));
        for (other, reason) in &others {
            if is_ready || other.state != State::Running || other.stopping.is_some() {
                retire(world, plan, other, reason.clone());
            }
        }
        match (wanted, others.as_slice()) {
            (Some(instance), _) => {
                let after = others.first().map(|(other, _)| other.seat);
                advance(world, plan, target, instance, after);
            }
            (None, []) => vacant(world, plan, target, slot),
            (None, [(old, reason)]) if is_next && old.state == State::Running => {
                let step = Step::Begin { revision: target.revision.number, failures: 0 };
                plan.step(next_seat(world, slot), step, reason.clone());
            }
            (None, _) => {}
        }
    }
}

/// What differs between what an instance was made from and what is wanted.
fn changed(world: &World, target: &Target, instance: &Instance) -> Vec<FieldChange> {
    let made_from = world.record.revisions.get(&instance.revision);
    made_from.map(|it| changes(&it.task, target.task)).unwrap_or_default()
}

/// Whether the form that is wanted may run in a slot: once at most, where that is asked.
fn may_run(world: &World, target: &Target, slot: u16) -> bool {
    target.task.restart_policy != RestartPolicy::Never
        || once::run_of(world.record, slot, &target.form).is_none()
}

fn vacant(world: &World, plan: &mut Plan, target: &Target, slot: u16) {
    let revision = target.revision.number;
    let seat = next_seat(world, slot);
    if !may_run(world, target, slot) {
        return;
    }
    let Some(last) = last_ended(world, slot) else {
        plan.step(seat, Step::Begin { revision, failures: 0 }, Reason::Wanted);
        return;
    };
    if !target.form.covers(&last.fingerprint) {
        let changed = Reason::Changed(changed(world, target, last));
        plan.step(seat, Step::Begin { revision, failures: 0 }, changed);
        return;
    }
    if let Verdict::Again(failures) = verdict(target.task, last) {
        begin_again(world, plan, (seat, revision, failures), last);
    }
}

/// What became of a slot whose run was `run`, of a job that runs at most once.
#[must_use]
pub fn verdict_once(run: &Run) -> Verdict {
    if run.reason == Some(EndReason::Exited) { Verdict::Done } else { Verdict::Failed }
}

/// What becomes of a job's slot whose last instance is `last`.
#[must_use]
pub fn verdict(task: &Task, last: &Instance) -> Verdict {
    match last.reason {
        Some(EndReason::Exited) => Verdict::Done,
        // A run that was stopped was its run.
        Some(EndReason::Stopped) => Verdict::Failed,
        // It never ran.
        Some(EndReason::Cancelled) | None => Verdict::Again(0),
        // It may have run, and runs at most once.
        Some(_) if task.restart_policy == RestartPolicy::Never && last.start_sent => {
            Verdict::Failed
        }
        Some(_) => {
            let failures = failures_after(task, last);
            match task.backoff.limit {
                Some(limit) if failures > limit => Verdict::Failed,
                Some(_) | None => Verdict::Again(failures),
            }
        }
    }
}
