//! What somebody else changed of a running container, and how it is mended.

use super::advance::is_being_made;
use super::target::{self, Target};
use crate::domain::container::{Container, Status, container_name, network_name};
use crate::domain::difference::Difference;
use crate::domain::instance::Instance;
use crate::domain::plan::{Plan, Reason, Step};
use crate::domain::waits::Waiting;
use crate::domain::world::World;

/// What somebody else changed of a running container, and the step that mends it.
pub fn drift(
    world: &World,
    plan: &mut Plan,
    target: &Target,
    instance: &Instance,
    container: &Container,
) -> Option<(Step, Reason)> {
    let id = || container.id.clone();
    if container.status == Status::Paused {
        return Some((Step::Unpause(id()), Reason::Drift("it was paused".to_owned())));
    }
    let name = container_name(world.worker, &world.record.head.name, instance.seat);
    if container.name != name {
        let what = format!("it was renamed to {}", container.name);
        return Some((Step::Rename(id()), Reason::Drift(what)));
    }
    let details = container.details.as_ref()?;
    let template = &target.task.template;
    let network = network_name(world.worker, &world.record.head.name.namespace);
    if !template.host_network && !details.networks.contains_key(&network) {
        let what = Reason::Drift(format!("it was cut off from network {network}"));
        if world.network {
            return Some((Step::Connect(id()), what));
        }
        if let Some(other) = is_being_made(world, plan, &Step::MakeNetwork) {
            plan.wait(Waiting::Step(other, Step::MakeNetwork.name()));
            return None;
        }
        return Some((Step::MakeNetwork, what));
    }
    let differing = target::differences(world, target, instance);
    let update = world.record.updates.get(&instance.seat);
    let told = |it: &Difference| update.is_some_and(|update| update.differing.contains(it));
    if differing.is_empty() {
        None
    } else if differing.iter().all(told) {
        let what = Difference::told(&differing);
        plan.wait(Waiting::Unsupported(instance.seat, what));
        None
    } else {
        Some((Step::Update(id(), template.resources), Reason::Differs(differing)))
    }
}
