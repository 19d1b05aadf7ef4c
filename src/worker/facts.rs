//! What one look at a task sees, gathered: nothing is asked and nothing decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Goal, Worker, index, ports, sightings};
use crate::domain::container::{Container, Identity, network_name, volume_name};
use crate::domain::decide::in_force;
use crate::domain::desired::Presence;
use crate::domain::exclusive::{self, FixedPort};
use crate::domain::instance::{ContainerId, Instance, Seat};
use crate::domain::record::Record;
use crate::domain::settle;
use crate::domain::template::MountSource;
use crate::domain::time::Now;
use crate::domain::world::{Seen, World};
use crate::runtime::Runtime;

impl<R: Runtime> Worker<R> {
    /// Containers of a task that its record has no instance for; none before each was looked at.
    pub(super) fn strays(&self, record: &Record) -> Vec<(Identity, Container)> {
        if self.has_unknown(record) {
            return Vec::new();
        }
        let known: BTreeSet<&ContainerId> =
            record.instances.values().filter_map(|instance| instance.container.as_ref()).collect();
        self.sightings
            .of_task(&record.head.name)
            .filter(|container| !known.contains(&container.id))
            .filter_map(|container| {
                let worker = &self.setting.maker.worker;
                let identity = sightings::ours(container, worker, false)?;
                Some((identity, (**container).clone()))
            })
            .collect()
    }

    /// Whether there is a container of a task that its record does not know and that was not looked
    /// at yet.
    pub(super) fn has_unknown(&self, record: &Record) -> bool {
        let known: BTreeSet<&ContainerId> =
            record.instances.values().filter_map(|it| it.container.as_ref()).collect();
        self.sightings.unknown_of(&record.head.name).any(|id| !known.contains(id))
    }

    /// What the engine said of each instance's container.
    pub(super) fn seen(&self, record: &Record) -> BTreeMap<Seat, Seen> {
        let seen = |seat: &Seat, it: &Instance| match &it.container {
            Some(id) if settle::needs_start(it) && self.sightings.is_open(id) => Seen::Unknown,
            Some(id) => self.sightings.seen(id),
            // One without an id is absent if a list lacks it that was asked for after the last try
            // to make it.
            None => {
                let tried = record.troubles.get(seat).map(|trouble| trouble.at);
                let listed = self.sightings.listed_at;
                if listed.is_some() && listed >= tried { Seen::Absent } else { Seen::Unknown }
            }
        };
        let instances = record.instances.iter();
        instances.map(|(seat, it)| (*seat, seen(seat, it))).collect()
    }

    pub(super) fn world<'a>(
        &'a self,
        record: &'a Record,
        seen: BTreeMap<Seat, Seen>,
        now: Now,
    ) -> World<'a> {
        let name = &record.head.name;
        let worker = &self.setting.maker.worker;
        let network = network_name(worker, &name.namespace);
        let neighbours = self.index.neighbours(name);
        let others = || neighbours.iter().filter_map(|name| self.records.get(name));
        let task = in_force(record);
        // During a rollout something may be made of the revision before, too.
        let forms = record.revisions.values().map(|it| &it.task).chain([task]);
        let mounts = forms.flat_map(|form| &form.template.mounts);
        let volumes = mounts.filter_map(|mount| match &mount.source {
            MountSource::Volume(volume) => {
                let there = self.volumes.contains(&volume_name(worker, &name.namespace, volume));
                there.then(|| volume.clone())
            }
            _ => None,
        });
        let writers = others().chain([record]);
        let writers = writers.flat_map(|it| index::writers(worker, it, &self.sightings)).collect();
        World {
            now,
            jitter: self.jitter(),
            worker,
            record,
            presence: self.desired.tasks.get(name).map_or(Presence::Gone, |it| it.presence),
            in_doubt: self.desired.is_in_doubt(name),
            source_read: self.desired.read_once,
            going_down: self.goal == Goal::Down,
            judge: self.judge(),
            engine: &self.engine,
            seen,
            in_flight: self.in_flight.get(name).cloned().unwrap_or_default(),
            pulling: self.pulls.wanted_by(name),
            network: self.networks.contains(&network) && !self.leaving_networks.contains(&network),
            volumes: volumes.collect(),
            registries: self.pulls.registries(),
            port_rivals: others().flat_map(|it| index::rivals(task, it, &self.desired)).collect(),
            busy_ports: self.busy_ports(record),
            writers,
            restart_at: self.restart_turns.get(name).copied().unwrap_or(self.restart_at),
            unknown_container: self.has_unknown(record),
            loose: neighbours.iter().chain([name]).flat_map(|it| self.loose_of(it)).collect(),
        }
    }

    /// Host ports of a task that something listens at, while it has an instance to start.
    fn busy_ports(&self, record: &Record) -> BTreeSet<FixedPort> {
        let waits = record.instances.values().any(|it| it.is_live() && !it.start_sent);
        if !self.local_engine || !waits {
            return BTreeSet::new();
        }
        exclusive::fixed_ports(&in_force(record).template)
            .filter(|port| ports::is_busy(*port))
            .collect()
    }

    /// Spreads waits: another number at each look.
    pub(super) fn jitter(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.setting.maker.worker.as_str(), self.looks).hash(&mut hasher);
        hasher.finish()
    }
}
