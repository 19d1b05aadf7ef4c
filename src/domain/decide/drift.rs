//! What somebody else changed of a running container, and how it is mended.

use super::advance::is_being_made;
use super::target::{self, Target};
use crate::domain::container::{Container, Status, container_name, network_name};
use crate::domain::difference::Difference;
use crate::domain::instance::{Instance, Seat};
use crate::domain::plan::{Plan, Reason, Step};
use crate::domain::repair::Repair;
use crate::domain::waits::Waiting;
use crate::domain::world::World;

/// A step that mends something, and why.
type Mending = (Step, Reason);

/// The step that mends what somebody else changed of a running container, if one is due.
pub fn mend(
    world: &World,
    plan: &mut Plan,
    target: &Target,
    instance: &Instance,
    container: &Container,
) -> Option<Mending> {
    let (seat, id) = (instance.seat, || container.id.clone());
    if container.status == Status::Paused {
        return drifted(world, plan, (seat, Repair::Unpause), "it was paused".to_owned())
            .map(|why| (Step::Unpause(id()), why));
    }
    let name = container_name(world.worker, &world.record.head.name, seat);
    if container.name != name {
        let what = format!("it was renamed to {}", container.name);
        if let Some(why) = drifted(world, plan, (seat, Repair::Rename), what) {
            return Some((Step::Rename(id()), why));
        }
    }
    reconnect(world, plan, (target, seat), container)
        .or_else(|| update(world, plan, (target, instance), container))
}

/// Puts a container back on its network, which may have to be made first.
fn reconnect(
    world: &World,
    plan: &mut Plan,
    (target, seat): (&Target, Seat),
    container: &Container,
) -> Option<Mending> {
    let details = container.details.as_ref()?;
    let network = network_name(world.worker, &world.record.head.name.namespace);
    if target.task.template.host_network || details.networks.contains_key(&network) {
        return None;
    }
    let what = format!("it was cut off from network {network}");
    let why = drifted(world, plan, (seat, Repair::Connect), what)?;
    if world.network {
        return Some((Step::Connect(container.id.clone()), why));
    }
    if let Some(other) = is_being_made(world, plan, &Step::MakeNetwork) {
        plan.wait(Waiting::Step(other, Step::MakeNetwork.name()));
        return None;
    }
    Some((Step::MakeNetwork, why))
}

/// Gives a container the limits and requests that it is to have.
fn update(
    world: &World,
    plan: &mut Plan,
    (target, instance): (&Target, &Instance),
    container: &Container,
) -> Option<Mending> {
    let seat = instance.seat;
    let differing = target::differences(world, target, instance);
    if differing.is_empty() {
        return None;
    }
    let update = world.record.updates.get(&seat);
    // What has a value, somebody gave it: the engine can take one.
    let told = |it: &Difference| {
        it.has_nothing() && update.is_some_and(|update| update.differing.contains(it))
    };
    let what = Difference::told(&differing);
    if differing.iter().all(told) {
        plan.wait(Waiting::Unsupported(seat, what));
        return None;
    }
    if waits_to_repair(world, plan, (seat, Repair::Update), &what) {
        return None;
    }
    let step = Step::Update(container.id.clone(), target.task.template.resources);
    Some((step, target::why_differs(world, instance, differing)))
}

/// Why something that drifted is mended now, if it is.
fn drifted(world: &World, plan: &mut Plan, repair: (Seat, Repair), what: String) -> Option<Reason> {
    (!waits_to_repair(world, plan, repair, &what)).then_some(Reason::Drift(what))
}

/// Whether a repair is not due yet, as those before it did not last.
pub fn waits_to_repair(
    world: &World,
    plan: &mut Plan,
    (seat, repair): (Seat, Repair),
    what: &str,
) -> bool {
    let (record, now) = (world.record, world.now.mono);
    let streak = record.repairs.get(&(seat.slot, repair));
    let counting = streak.filter(|it| it.counts(record.head.generation, now));
    let Some(streak) = counting.filter(|it| now < it.next_at(world.jitter)) else { return false };
    plan.wait(Waiting::Repair {
        seat,
        repair,
        before: streak.count,
        what: what.to_owned(),
        at: streak.next_at(world.jitter),
    });
    true
}
