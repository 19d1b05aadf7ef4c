//! Ending an instance that is no longer wanted, from whatever state it is in.

use std::time::Duration;

use super::waits_to_retry;
use crate::domain::container::Status;
use crate::domain::instance::{Instance, State};
use crate::domain::plan::{Plan, Reason, Step};
use crate::domain::waits::Waiting;
use crate::domain::world::{Seen, World};

/// The next step towards the end of `instance`.
pub fn retire(world: &World, plan: &mut Plan, instance: &Instance, reason: Reason) {
    let seat = instance.seat;
    if let Some(step) = world.in_flight.get(&seat) {
        plan.wait(Waiting::Step(seat, step));
        return;
    }
    if waits_to_retry(world, plan, seat) {
        return;
    }
    if instance.state == State::Pending {
        plan.step(seat, Step::Drop, reason);
        return;
    }
    if instance.container.is_none() {
        let trouble = world.record.troubles.get(&seat);
        let unsure = trouble.is_some_and(|trouble| trouble.cause.is_none());
        if unsure && *world.seen(seat) != Seen::Absent {
            plan.wait(Waiting::Observation(seat));
        } else {
            plan.step(seat, Step::Cancel, reason);
        }
        return;
    }
    match world.seen(seat) {
        Seen::Unknown | Seen::Absent => plan.wait(Waiting::Observation(seat)),
        Seen::Present(container) => match container.status {
            Status::Created => {
                plan.step(seat, Step::Remove(container.id.clone()), reason);
            }
            Status::Running | Status::Paused => {
                plan.step(seat, Step::Stop(container.id.clone(), grace(world, instance)), reason);
            }
            Status::Exited | Status::Removing | Status::Other(_) => {
                plan.wait(Waiting::Observation(seat));
            }
        },
    }
}

/// How long an instance has from its stop signal to the kill.
pub fn grace(world: &World, instance: &Instance) -> Duration {
    let head = &world.record.head;
    let made_from = world.record.revisions.get(&instance.revision);
    let task = match made_from {
        Some(revision) if !instance.fingerprint.matches(&head.task) => &revision.task,
        Some(_) | None => &head.task,
    };
    Duration::from_secs(u64::from(task.termination_grace_period_seconds))
}
