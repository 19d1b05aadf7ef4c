//! How the worker and its instances are in numbers, for who measures.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Worker;
use crate::domain::instance::{ContainerId, Seat, State};
use crate::domain::name::TaskName;
use crate::domain::status::Phase;
use crate::domain::world::Seen;
use crate::runtime::Runtime;

/// Told of even where nothing is so: what is not there can't be told from what is not known.
const STATES: [State; 5] =
    [State::Pending, State::Scheduled, State::Running, State::Completed, State::Failed];
const PHASES: [Phase; 8] = [
    Phase::Stopping,
    Phase::Suspended,
    Phase::Completed,
    Phase::Failed,
    Phase::Progressing,
    Phase::Degraded,
    Phase::Running,
    Phase::Pending,
];

/// How the worker and its instances are at one moment, in numbers.
#[derive(Debug, Clone, Default)]
pub struct Pulse {
    /// Instances that are kept, by state.
    pub instances: BTreeMap<State, u64>,
    /// Tasks, by phase.
    pub phases: BTreeMap<Phase, u64>,
    /// Of each task how many instances are wanted, and how many of them are ready.
    pub replicas: Vec<(TaskName, u16, u16)>,
    /// How long ago that was asked for which the engine last told of all containers.
    pub engine_read: Option<Duration>,
    /// The instances that run, where the engine can be asked about them, by task and seat.
    pub running: Vec<RunningInstance>,
    /// Where the engine keeps its data on this host.
    pub engine_data: Option<String>,
}

/// An instance that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningInstance {
    /// Of which task.
    pub task: TaskName,
    /// Which.
    pub seat: Seat,
    /// Its container.
    pub container: ContainerId,
    /// The memory that it may have, in bytes; `None`: all.
    pub memory_limit: Option<u64>,
}

impl<R: Runtime> Worker<R> {
    pub(super) fn pulse(&self) -> Pulse {
        let mut pulse = Pulse {
            engine_read: self.sightings.listed_at.map(|at| self.clock.now().mono.since(at)),
            engine_data: self
                .engine_info
                .as_ref()
                .and_then(|info| info.data_root.clone())
                .filter(|_| self.local_engine),
            instances: STATES.map(|state| (state, 0)).into(),
            phases: PHASES.map(|phase| (phase, 0)).into(),
            ..Pulse::default()
        };
        for status in self.statuses.values() {
            *pulse.phases.entry(status.phase).or_default() += 1;
            let scale = (status.name.clone(), status.replicas, status.ready_replicas);
            pulse.replicas.push(scale);
        }
        for instance in self.records.values().flat_map(|record| record.instances.values()) {
            *pulse.instances.entry(instance.state).or_default() += 1;
        }
        if self.engine.unavailable.is_none() {
            pulse.running = self.running().collect();
        }
        pulse
    }

    fn running(&self) -> impl Iterator<Item = RunningInstance> {
        let all = self.records.iter().flat_map(|(name, record)| {
            record.instances.values().map(move |instance| (name, instance))
        });
        all.filter(|(_, instance)| instance.state == State::Running).filter_map(
            |(task, instance)| {
                let container = instance.container.clone()?;
                let memory_limit = match self.sightings.seen(&container) {
                    Seen::Present(seen) => seen.details.as_ref().and_then(|it| it.limits.memory),
                    Seen::Unknown | Seen::Absent => None,
                };
                Some(RunningInstance {
                    task: task.clone(),
                    seat: instance.seat,
                    container,
                    memory_limit,
                })
            },
        )
    }
}
