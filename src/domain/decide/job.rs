//! The slots of a job: each runs to its end, once for each form of the task.

use super::advance::advance;
use super::retire::retire;
use super::service::{begin_again, failures_after};
use super::target::{Target, is_current};
use super::{changes, last_ended, next_seat};
use crate::domain::instance::{EndReason, Instance};
use crate::domain::plan::{Plan, Reason, Step};
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

/// Gives each slot its run.
pub fn slots(world: &World, plan: &mut Plan, target: &Target) {
    for slot in 0..world.record.head.task.replicas {
        let live = || super::of_this_task(world).filter(move |it| it.seat.slot == slot);
        let mut current = live().filter(|instance| is_current(world, target, instance));
        let wanted = current.next();
        let surplus: Vec<&Instance> = current.collect();
        let stale: Vec<&Instance> =
            live().filter(|instance| !is_current(world, target, instance)).collect();
        for instance in surplus.iter().chain(&stale) {
            let made_from = world.record.revisions.get(&instance.revision);
            let changed = made_from.map(|it| changes(&it.task, target.task)).unwrap_or_default();
            retire(world, plan, instance, Reason::Changed(changed));
        }
        match wanted {
            Some(instance) => {
                let after = surplus.iter().chain(&stale).next().map(|other| other.seat);
                advance(world, plan, target, instance, after);
            }
            None if stale.is_empty() => vacant(world, plan, target, slot),
            None => {}
        }
    }
}

fn vacant(world: &World, plan: &mut Plan, target: &Target, slot: u16) {
    let revision = target.revision.number;
    let seat = next_seat(world, slot);
    if target.task.restart_policy == RestartPolicy::Never && has_run(world, target, slot) {
        return;
    }
    let Some(last) = last_ended(world, slot) else {
        plan.step(seat, Step::Begin { revision, failures: 0 }, Reason::Wanted);
        return;
    };
    if !target.form.covers(&last.fingerprint) {
        let made_from = world.record.revisions.get(&last.revision);
        let changed = made_from.map(|it| changes(&it.task, target.task)).unwrap_or_default();
        plan.step(seat, Step::Begin { revision, failures: 0 }, Reason::Changed(changed));
        return;
    }
    if let Verdict::Again(failures) = verdict(target.task, last) {
        begin_again(world, plan, (seat, revision, failures), last);
    }
}

/// Whether something may have run in a slot that was made of the same, however long ago.
fn has_run(world: &World, target: &Target, slot: u16) -> bool {
    let uid = world.record.head.uid;
    world.record.instances.values().any(|it| {
        it.seat.slot == slot
            && it.uid == uid
            && it.start_sent
            && target.form.covers(&it.fingerprint)
            && it.reason != Some(EndReason::Cancelled)
    })
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
