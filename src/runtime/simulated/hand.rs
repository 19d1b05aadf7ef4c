//! What a test does to the engine, and asks it, behind the back of who is tested.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Simulated;
use super::fault::{Fault, Operation};
use super::process::{Behaviour, Exit, KILLED, Process};
use super::world::{Happened, World, new_body};
use crate::domain::container::{Container, ContainerSpec};
use crate::domain::instance::ContainerId;
use crate::domain::name::WorkerName;
use crate::domain::outcome::Outcome;
use crate::domain::template::Resources;
use crate::domain::time::Timestamp;
use crate::runtime::{EngineEvent, LogChunk};

/// What programs do.
impl Simulated {
    /// What a command (with its arguments) does from its next start on.
    pub fn program(&self, command: &[&str], behaviour: Behaviour) {
        let command = command.iter().map(|&word| word.to_owned()).collect();
        self.change(|world, _| world.programs.insert(command, behaviour));
    }

    /// What the containers of a task (`namespace/name`) do from their next start on.
    pub fn task(&self, task: &str, behaviour: Behaviour) {
        self.change(|world, _| world.tasks.insert(task.to_owned(), behaviour));
    }

    /// Ends a container's process, as if by itself.
    pub fn exit(&self, id: &ContainerId, code: i64) {
        self.end_by_hand(id, Exit::with(code));
    }

    /// Kills a container's process.
    pub fn kill(&self, id: &ContainerId) {
        self.end_by_hand(id, Exit::with(KILLED));
    }

    /// Has the kernel kill a container's process for its memory.
    pub fn run_out_of_memory(&self, id: &ContainerId) {
        self.end_by_hand(id, Exit { code: KILLED, oom: true });
    }

    fn end_by_hand(&self, id: &ContainerId, exit: Exit) {
        self.change(|world, now| {
            if world.containers.get(id).is_some_and(|body| body.process.is_alive()) {
                world.end(id, now, exit);
            }
        });
    }

    /// Has a container's process write something to standard output.
    pub fn write(&self, id: &ContainerId, text: &str) {
        self.change(|world, now| {
            let wall = world.wall(now);
            if let Some(body) = world.containers.get_mut(id) {
                let bytes = text.as_bytes().to_vec();
                body.log.push((wall, LogChunk { stderr: false, bytes }));
            }
        });
    }
}

/// What people do to containers.
impl Simulated {
    /// Adds a container, as someone else would; its image need not be there.
    ///
    /// # Errors
    /// Tells who has its name.
    pub fn add_container(&self, spec: &ContainerSpec) -> Result<ContainerId, ContainerId> {
        self.change(|world, _| {
            if let Some(holder) = world.names.get(&spec.name) {
                return Err(holder.clone());
            }
            Ok(world.add(new_body(spec)))
        })
    }

    /// Starts a container.
    pub fn start_by_hand(&self, id: &ContainerId) -> Outcome {
        self.change(|world, now| world.start(id, now))
    }

    /// Freezes a container's process.
    pub fn pause_by_hand(&self, id: &ContainerId) {
        self.change(|world, now| {
            let process = world.containers.get(id).map(|body| body.process);
            if let Some(Process::Running(end)) = process {
                let left = end.map(|(at, exit)| (at.saturating_duration_since(now), exit));
                world.set_process(id, Process::Paused(left));
                world.tell(id);
            }
        });
    }

    /// Gives a container another name.
    pub fn rename_by_hand(&self, id: &ContainerId, name: &str) -> Outcome {
        self.change(|world, _| world.rename(id, name))
    }

    /// Changes a container's limits and what is kept for it.
    pub fn update_by_hand(&self, id: &ContainerId, resources: Resources) -> Outcome {
        self.change(|world, _| world.update(id, &resources))
    }

    /// Has the engine restart a container by itself, by that policy of its own.
    pub fn restart_by_policy(&self, id: &ContainerId, policy: &str) {
        self.change(|world, _| {
            if let Some(body) = world.containers.get_mut(id) {
                body.details.restarts = Some(policy.to_owned());
            }
            world.tell(id);
        });
    }

    /// Cuts a container off from a network.
    pub fn disconnect_by_hand(&self, id: &ContainerId, network: &str) {
        self.change(|world, _| {
            if let Some(body) = world.containers.get_mut(id) {
                body.details.networks.remove(network);
            }
            world.tell(id);
        });
    }

    /// Removes a container, whatever it does (`docker rm --force`).
    pub fn remove_by_hand(&self, id: &ContainerId) {
        self.change(|world, _| world.forget(id));
    }

    /// Removes a network, whoever is on it.
    pub fn remove_network_by_hand(&self, name: &str) {
        self.change(|world, _| {
            world.networks.remove(name);
            world.tell_where(|_| true, &EngineEvent::Resource);
        });
    }

    /// Removes a volume.
    pub fn remove_volume_by_hand(&self, name: &str) {
        self.change(|world, _| {
            world.volumes.remove(name);
            world.tell_where(|_| true, &EngineEvent::Resource);
        });
    }

    /// Leaves a container in a removal that does not end.
    pub fn stick_in_removal(&self, id: &ContainerId) {
        self.change(|world, _| {
            world.set_process(id, Process::Removing);
            world.tell(id);
        });
    }
}

/// What happens to the engine itself.
impl Simulated {
    /// Nobody can speak to the engine; containers run on.
    pub fn engine_down(&self) {
        self.change(|world, _| world.go_down());
    }

    /// The engine can be spoken to again.
    pub fn engine_up(&self) {
        self.change(|world, _| {
            world.down = false;
            world.tell_where(|_| true, &EngineEvent::Relist);
        });
    }

    /// From now on the engine takes requests, and answers none: as one that was sent `SIGSTOP`.
    /// Containers run on.
    pub fn hang(&self) {
        self.change(|world, _| world.hung = true);
    }

    /// The engine answers again, and tells what happened meanwhile.
    pub fn answer_again(&self) {
        self.change(|world, _| world.answer_again());
    }

    /// The engine does what it was asked for while it hung, whether somebody still waits for it or
    /// not.
    pub fn catch_up(&self) {
        self.change(World::catch_up);
    }

    /// Waits until the engine hangs.
    pub async fn hanging(&self) {
        self.wait_for(|world| world.hung.then_some(())).await;
    }

    /// The engine stops with all containers and starts again. What handles its stop signal ends as
    /// it does then, the others are killed.
    pub fn restart_engine(&self) {
        self.change(|world, now| {
            let alive: Vec<_> = world
                .containers
                .iter()
                .filter(|(_, body)| body.process.is_alive())
                .map(|(id, body)| (id.clone(), body.on_term.map_or(KILLED, |(_, code)| code)))
                .collect();
            world.go_down();
            for (id, code) in alive {
                world.end(&id, now, Exit::with(code));
            }
            world.engine_started = world.wall(now);
            world.down = false;
            world.tell_where(|_| true, &EngineEvent::Relist);
        });
    }

    /// The engine stops and starts again, and leaves all containers running (`live-restore`).
    pub fn restart_engine_alone(&self) {
        self.change(|world, now| {
            world.go_down();
            world.engine_started = world.wall(now);
            world.down = false;
            world.tell_where(|_| true, &EngineEvent::Relist);
        });
    }

    /// It is another engine from now on, by its id.
    pub fn replace_engine(&self, id: &str) {
        self.change(|world, _| id.clone_into(&mut world.engine_id));
    }

    /// From now on events are lost without a word, or no longer.
    pub fn lose_events(&self, lose: bool) {
        self.change(|world, _| world.deaf = lose);
    }
}

/// Faults of calls.
impl Simulated {
    /// Lets the step of that number (from 0, of all steps there were) go wrong.
    pub fn plan_fault(&self, step: u64, fault: Fault) {
        self.change(|world, _| world.faults.planned.insert(step, fault));
    }

    /// How long calls of that kind take from now on; not at all, unless told.
    pub fn set_latency(&self, operation: Operation, latency: Duration) {
        self.change(|world, _| world.faults.latency.insert(operation, latency));
    }

    /// Waits until a planned freeze has come.
    pub async fn frozen(&self) {
        self.wait_for(|world| world.faults.frozen.then_some(())).await;
    }

    /// Lets calls through again that are made from now on.
    pub fn thaw(&self) {
        self.change(|world, _| world.faults.frozen = false);
    }

    /// Makes the next list show what it would show now.
    pub fn stale_list_once(&self, worker: &WorkerName) {
        self.change(|world, _| {
            let list = world.listed(worker);
            world.false_lists.push_back(list);
        });
    }

    /// Makes the next list show that.
    pub fn false_list_once(&self, list: Vec<Container>) {
        self.change(|world, _| world.false_lists.push_back(list));
    }

    /// An inspect of that container gets no answer that could be understood, or does again.
    pub fn mute(&self, id: &ContainerId, mute: bool) {
        self.change(
            |world, _| {
                if mute { world.mute.insert(id.clone()) } else { world.mute.remove(id) }
            },
        );
    }

    /// Makes the next list show nothing.
    pub fn empty_list_once(&self) {
        self.change(|world, _| world.false_lists.push_back(Vec::new()));
    }
}

/// What a test asks.
impl Simulated {
    /// All containers, whoever's, with their details, by name.
    pub fn containers(&self) -> BTreeMap<String, Container> {
        let shown = |world: &mut World| {
            let ids = world.names.iter();
            ids.filter_map(|(name, id)| Some((name.clone(), world.shown(id)?))).collect()
        };
        self.look(|world, _| shown(world))
    }

    /// Every begin and end of a process, in order, whoever's.
    pub fn happened(&self) -> Vec<Happened> {
        self.look(|world, _| world.happened.clone())
    }

    /// The networks that are there.
    pub fn networks(&self) -> Vec<String> {
        self.look(|world, _| world.networks.keys().cloned().collect())
    }

    /// The volumes that are there.
    pub fn volumes(&self) -> Vec<String> {
        self.look(|world, _| world.volumes.keys().cloned().collect())
    }

    /// How many calls there were of each kind.
    pub fn calls(&self) -> BTreeMap<Operation, u64> {
        self.look(|world, _| world.faults.calls.clone())
    }

    /// How many steps there were, of any kind: the number of the next one.
    pub fn steps(&self) -> u64 {
        self.look(|world, _| world.faults.steps)
    }

    /// The wall clock of the engine and its host.
    pub fn wall_clock(&self) -> Timestamp {
        self.look(|world, now| world.wall(now))
    }

    /// Waits until a container shows what is looked for.
    pub async fn until(&self, mut shows: impl FnMut(&Container) -> bool) -> Container {
        self.wait_for(|world| {
            let ids: Vec<_> = world.containers.keys().cloned().collect();
            ids.iter().filter_map(|id| world.shown(id)).find(|container| shows(container))
        })
        .await
    }
}
