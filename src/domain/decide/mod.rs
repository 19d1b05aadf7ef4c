//! Every rule of behaviour: from what one look at a task sees to what is done about it.
//!
//! Rules, in the order they are asked: nothing is decided while the engine can't be asked; a task
//! whose manifest is gone is taken down, and until that is sure nothing of it is begun; a changed task becomes a revision; a revision that failed
//! is gone back from; each slot gets its instance, where the policy allows it; what has ended is
//! cleared away.

mod advance;
pub(super) mod again;
mod clear;
mod drift;
pub(super) mod give_up;
pub(super) mod job;
mod loose;
mod permit;
mod retire;
pub(super) mod service;
mod stand_in;
pub(super) mod target;
#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use super::desired::Presence;
use super::instance::{Instance, Seat};
use super::plan::{FieldChange, Plan, Reason};
use super::record::Record;
use super::task::Task;
use super::waits::Waiting;
use super::world::World;
use target::{Choice, Target};

/// How long an instance without a readiness check has to stay up before it is relied on: most
/// processes that can't run end within that time.
pub const PROOF: Duration = Duration::from_secs(2);

/// What is to be done about one task now.
#[must_use]
pub fn decide(world: &World) -> Plan {
    let mut plan = Plan::default();
    if let Some(change) = &world.engine.changed {
        plan.wait(Waiting::EngineChanged(change.clone()));
        return plan;
    }
    if let Some(message) = &world.engine.unavailable {
        plan.wait(Waiting::Engine(message.clone()));
        return plan;
    }
    if let Some(source) = &world.engine.source_changed {
        plan.wait(Waiting::SourceChanged(source.clone()));
        return plan;
    }
    if world.unknown_container {
        plan.wait(Waiting::Discovery);
        return plan;
    }
    match world.presence {
        // Its manifest may be back. Until that is known nothing of it is removed, and nothing begun.
        Presence::Gone if !world.source_read && !world.going_down => plan.wait(Waiting::Source),
        Presence::Gone => gone(world, &mut plan),
        Presence::There | Presence::Missing { .. } => present(world, &mut plan),
    }
    plan.steps.sort_by_key(|planned| planned.seat);
    plan
}

fn gone(world: &World, plan: &mut Plan) {
    let record = world.record;
    if record.head.task.is_pruned() {
        let place = &record.head.place;
        for instance in live(world) {
            let reason = if world.going_down { Reason::Down } else { Reason::Gone(place.clone()) };
            retire::retire(world, plan, instance, reason);
        }
        clear::clear_all(world, plan);
        plan.vanished = record.instances.is_empty();
    } else {
        plan.vanished = true;
    }
}

fn present(world: &World, plan: &mut Plan) {
    let head = &world.record.head;
    let task = &head.task;
    retire_strangers(world, plan);
    if head.wanted_slots() == 0 {
        let reason = if head.is_suspended() {
            Reason::Suspended(head.suspended.clone())
        } else {
            Reason::ScaledDown(0)
        };
        for instance in of_this_task(world) {
            retire::retire(world, plan, instance, reason.clone());
        }
        clear::clear(world, plan);
        return;
    }
    let target = match target::choose(world.record) {
        Choice::Revise(next, _) => {
            match permit::against(world, plan, next) {
                None if world.in_doubt => plan.wait(Waiting::Manifest),
                None => plan.revise = true,
                Some(why) => plan.wait(why),
            }
            return;
        }
        Choice::Use(target) => target,
    };
    let against = permit::against(world, plan, target.task);
    if let Some(failure) = target::failed(world, &target, plan) {
        plan.refuse = Some(failure);
        return;
    }
    scale_down(world, plan, task);
    if task.is_job() {
        job::slots(world, plan, &target);
    } else {
        service::slots(world, plan, &target);
    }
    if let Some(why) = against.or(world.in_doubt.then_some(Waiting::Manifest)) {
        permit::hold_back(plan, &target, why);
    }
    clear::clear(world, plan);
}

/// Instances of a task of the same name that was removed before this one came.
fn retire_strangers(world: &World, plan: &mut Plan) {
    for instance in live(world).filter(|instance| instance.uid != world.record.head.uid) {
        retire::retire(world, plan, instance, Reason::OfRemoved);
    }
}

fn scale_down(world: &World, plan: &mut Plan, task: &Task) {
    for instance in of_this_task(world).filter(|one| one.seat.slot >= task.replicas) {
        retire::retire(world, plan, instance, Reason::ScaledDown(task.replicas));
    }
}

/// Whether a step of an instance failed and is not due to be tried again.
fn waits_to_retry(world: &World, plan: &mut Plan, seat: Seat) -> bool {
    let trouble = world.record.troubles.get(&seat);
    let Some(trouble) = trouble.filter(|trouble| world.now.mono < trouble.retry_at(world.jitter))
    else {
        return false;
    };
    plan.wait(Waiting::Retry {
        seat,
        message: trouble.message.clone(),
        cause: trouble.cause,
        at: trouble.retry_at(world.jitter),
    });
    true
}

fn live<'a>(world: &'a World) -> impl Iterator<Item = &'a Instance> {
    world.record.instances.values().filter(|instance| instance.is_live())
}

fn of_this_task<'a>(world: &'a World) -> impl Iterator<Item = &'a Instance> {
    live(world).filter(|instance| instance.uid == world.record.head.uid)
}

/// The last instance of a slot that has ended, if it is of this task.
fn last_ended<'a>(world: &'a World, slot: u16) -> Option<&'a Instance> {
    ended(world, slot).next()
}

/// The instances of this task that have ended in a slot, the last one first.
fn ended<'a>(world: &'a World, slot: u16) -> impl Iterator<Item = &'a Instance> {
    let seats = Seat { slot, attempt: 0 }..=Seat { slot, attempt: u32::MAX };
    let uid = world.record.head.uid;
    world
        .record
        .instances
        .range(seats)
        .rev()
        .map(|(_, instance)| instance)
        .filter(move |instance| instance.state.is_end() && instance.uid == uid)
}

/// The last instance of a slot that has ended, of those of this task that are what `target` asks for.
fn last_ended_of<'a>(world: &'a World, slot: u16, target: &Target) -> Option<&'a Instance> {
    ended(world, slot).find(|instance| target.covers(world.record, instance))
}

/// The seat of the next attempt in a slot.
fn next_seat(world: &World, slot: u16) -> Seat {
    let seats = Seat { slot, attempt: 0 }..=Seat { slot, attempt: u32::MAX };
    let last = world.record.instances.range(seats).next_back();
    Seat { slot, attempt: last.map_or(1, |(seat, _)| seat.attempt.saturating_add(1)) }
}

/// The task as its instances are to be now: what was accepted last, or what was gone back to.
#[must_use]
pub fn in_force(record: &Record) -> &Task {
    match target::choose(record) {
        Choice::Use(target) => target.task,
        Choice::Revise(next, _) => next,
    }
}

/// What of a container's making differs between two forms of a task.
#[must_use]
pub fn changes(from: &Task, to: &Task) -> Vec<FieldChange> {
    let (old, new) = (super::fingerprint::fields(from), super::fingerprint::fields(to));
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| FieldChange {
            field: name.clone(),
            from: old.get(name).map(ToString::to_string),
            to: new.get(name).map(ToString::to_string),
        })
        .collect()
}
