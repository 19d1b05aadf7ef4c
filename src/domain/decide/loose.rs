//! What a container has that no record has: nothing is begun that wants the same.

use crate::domain::exclusive::{Made, clash, fixed_ports};
use crate::domain::loose::{Holding, Loose};
use crate::domain::plan::Plan;
use crate::domain::task::Task;
use crate::domain::waits::Waiting;
use crate::domain::world::World;

/// Whether such a container has a host port of `task`.
pub fn has_port(world: &World, plan: &mut Plan, task: &Task) -> bool {
    let both = |loose: &Loose| {
        let held = || loose.has.ports.iter();
        fixed_ports(&task.template).find_map(|port| held().find_map(|it| port.overlap(*it)))
    };
    let found = world.loose.iter().find_map(|it| Some((it, Holding::Port(both(it)?))));
    wait(plan, found.as_ref())
}

/// Whether such a container writes what `made` does.
pub fn writes(world: &World, plan: &mut Plan, made: Made) -> bool {
    let wanted: Vec<_> = made.written(world.worker).collect();
    let both = |loose: &Loose| {
        let held = || loose.has.written.iter();
        let both = wanted.iter().find_map(|own| held().find_map(|it| clash(own, it)));
        both.cloned()
    };
    let found = world.loose.iter().find_map(|it| Some((it, Holding::Mount(both(it)?))));
    wait(plan, found.as_ref())
}

fn wait(plan: &mut Plan, found: Option<&(&Loose, Holding)>) -> bool {
    if let Some((loose, holding)) = found {
        let (holding, container) = (holding.clone(), loose.name.clone());
        plan.wait(Waiting::Loose { holding, container, fate: loose.fate });
    }
    found.is_some()
}
