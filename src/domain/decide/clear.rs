//! What is kept of instances that have ended, and what is removed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::retire::grace;
use super::waits_to_retry;
use crate::domain::container::Status;
use crate::domain::instance::{Instance, Seat};
use crate::domain::plan::{Plan, Reason, Step};
use crate::domain::waits::Waiting;
use crate::domain::world::{Seen, World};

/// How many ended runs of a job are kept in a slot.
const JOB_RUNS_KEPT: usize = 3;

/// How long the engine may be at a removal.
const REMOVAL: Duration = Duration::from_secs(60);

/// Removes what has ended, but the last of each slot (the last three of a job's).
pub fn clear(world: &World, plan: &mut Plan) {
    let task = &world.record.head.task;
    let keep = if task.is_job() { JOB_RUNS_KEPT } else { 1 };
    let mut kept: BTreeMap<u16, usize> = BTreeMap::new();
    for instance in ended(world).rev() {
        let count = kept.entry(instance.seat.slot).or_default();
        let of_task = instance.uid == world.record.head.uid;
        // What a job's slot has run is known by its row, also while fewer are wanted.
        let is_slot = task.is_job() || instance.seat.slot < task.replicas.max(1);
        let is_kept = of_task && is_slot && *count < keep;
        if is_kept {
            *count += 1;
        }
        clear_one(world, plan, instance, is_kept);
    }
}

/// Removes all that has ended.
pub fn clear_all(world: &World, plan: &mut Plan) {
    for instance in ended(world) {
        clear_one(world, plan, instance, false);
    }
}

fn ended<'a>(world: &'a World) -> impl DoubleEndedIterator<Item = &'a Instance> {
    world.record.instances.values().filter(|instance| instance.state.is_end())
}

fn clear_one(world: &World, plan: &mut Plan, instance: &Instance, is_kept: bool) {
    let seat = instance.seat;
    let is_stuck = is_stuck(world, plan, seat);
    if world.in_flight.contains_key(&seat) || plan.touches(seat) {
        return;
    }
    if waits_to_retry(world, plan, seat) {
        return;
    }
    match world.seen(seat) {
        Seen::Present(container) => match container.status {
            Status::Running | Status::Paused => {
                // At once, however often: it may write what another one writes by now.
                let revived = "it had ended and was started by somebody else (Revived)".to_owned();
                let step = Step::Stop(container.id.clone(), grace(world, instance));
                plan.step(seat, step, Reason::Drift(revived));
            }
            // Half of it is gone: there is nothing to keep.
            Status::Removing if is_stuck => {
                plan.step(seat, Step::Remove(container.id.clone()), Reason::Cleanup);
            }
            Status::Removing => plan.wait(Waiting::Observation(seat)),
            Status::Created | Status::Exited if !is_kept => {
                plan.step(seat, Step::Remove(container.id.clone()), Reason::Cleanup);
            }
            Status::Created | Status::Exited | Status::Other(_) => {}
        },
        Seen::Absent if !is_kept => plan.step(seat, Step::Forget, Reason::Cleanup),
        Seen::Unknown if !is_kept && instance.container.is_none() => {
            plan.step(seat, Step::Forget, Reason::Cleanup);
        }
        Seen::Absent | Seen::Unknown => {}
    }
}

/// Whether the engine does not get through with the removal of a container.
fn is_stuck(world: &World, plan: &mut Plan, seat: Seat) -> bool {
    let Some(since) = world.record.removing.get(&seat) else { return false };
    let at = *since + REMOVAL;
    if world.now.mono < at {
        plan.wake(at);
        return false;
    }
    let said = world.record.troubles.get(&seat).map(|trouble| trouble.message.clone());
    plan.wait(Waiting::StuckRemoving(seat, said));
    true
}
