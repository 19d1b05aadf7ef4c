//! Which tasks want or have a host port or a mount, and which containers that no record has: so that
//! one look need not ask them all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::sightings::Sightings;
use crate::domain::decide::in_force;
use crate::domain::desired::{Desired, Presence};
use crate::domain::exclusive::{self, Made, Written};
use crate::domain::instance::{ContainerId, Instance};
use crate::domain::loose::Holdings;
use crate::domain::name::{TaskName, WorkerName};
use crate::domain::record::Record;
use crate::domain::source::Mounted;
use crate::domain::task::Task;
use crate::domain::template::MountSource;
use crate::domain::world::{PortRival, Writer};

/// Which tasks want or have a host port or a mount.
#[derive(Debug, Default)]
pub struct Index {
    ports: BTreeMap<u16, BTreeSet<TaskName>>,
    mounts: BTreeMap<Written, BTreeSet<TaskName>>,
    of_task: BTreeMap<TaskName, (BTreeSet<u16>, BTreeSet<Written>)>,
    /// What the containers of a task have that its record, if there is one, does not know.
    loose: BTreeMap<TaskName, BTreeMap<ContainerId, Arc<Holdings>>>,
    host_paths: BTreeMap<TaskName, BTreeSet<Mounted>>,
}

impl Index {
    /// Brings what is known of a task up to its record and to what its containers were seen to
    /// write; `None`: it is gone.
    pub fn update(
        &mut self,
        worker: &WorkerName,
        name: &TaskName,
        record: Option<&Record>,
        sightings: &Sightings,
    ) {
        self.update_loose(worker, name, record, sightings);
        let claims = record.map(|it| claims(worker, it, sightings));
        let (mut ports, mut mounts) = claims.unwrap_or_default();
        for (_, has) in self.loose_of(name) {
            ports.extend(has.ports.iter().map(|port| port.number));
            mounts.extend(has.written.iter().map(|(written, _)| written.clone()));
        }
        let known = self.of_task.get(name);
        if known.is_none_or(|known| (&known.0, &known.1) != (&ports, &mounts)) {
            if let Some((old_ports, old_mounts)) = self.of_task.remove(name) {
                for port in old_ports {
                    drop_from(&mut self.ports, &port, name);
                }
                for mount in old_mounts {
                    drop_from(&mut self.mounts, &mount, name);
                }
            }
            for port in &ports {
                self.ports.entry(*port).or_default().insert(name.clone());
            }
            for mount in &mounts {
                self.mounts.entry(mount.clone()).or_default().insert(name.clone());
            }
            if record.is_some() || self.loose.contains_key(name) {
                self.of_task.insert(name.clone(), (ports, mounts));
            }
        }
    }

    fn update_loose(
        &mut self,
        worker: &WorkerName,
        name: &TaskName,
        record: Option<&Record>,
        sightings: &Sightings,
    ) {
        let mut before = self.loose.remove(name).unwrap_or_default();
        let instances = record.into_iter().flat_map(|record| record.instances.values());
        let known: BTreeSet<_> = instances.filter_map(|it| it.container.as_ref()).collect();
        let loose = sightings.last_of(name).filter(|container| !known.contains(&container.id));
        let loose: BTreeMap<_, _> = loose
            .map(|container| {
                let kept = before.remove(&container.id);
                let has = kept.unwrap_or_else(|| Arc::new(Holdings::of(worker, container)));
                (container.id.clone(), has)
            })
            .collect();
        if !loose.is_empty() {
            self.loose.insert(name.clone(), loose);
        }
    }

    /// The containers of a task that its record, if there is one, does not know, and what each has
    /// while it runs.
    pub fn loose_of(
        &self,
        name: &TaskName,
    ) -> impl Iterator<Item = (&ContainerId, &Arc<Holdings>)> {
        self.loose.get(name).into_iter().flatten()
    }

    /// The tasks with such containers.
    #[must_use]
    pub fn with_loose(&self) -> Vec<TaskName> {
        self.loose.keys().cloned().collect()
    }

    /// The tasks that want or have something that such a container of `name` may have.
    #[must_use]
    pub fn around_loose(&self, name: &TaskName) -> BTreeSet<TaskName> {
        if self.loose.contains_key(name) { self.neighbours(name) } else { BTreeSet::new() }
    }

    /// Brings the host paths of a task up to its record. Tells all of them, over all tasks, if
    /// that changed something.
    pub fn update_host_paths(
        &mut self,
        name: &TaskName,
        record: Option<&Record>,
    ) -> Option<BTreeSet<Mounted>> {
        let paths = record.map(mounted).unwrap_or_default();
        let before = if paths.is_empty() {
            self.host_paths.remove(name)
        } else {
            self.host_paths.insert(name.clone(), paths.clone())
        };
        let changed = before.unwrap_or_default() != paths;
        changed.then(|| self.host_paths.values().flatten().cloned().collect())
    }

    /// The other tasks that want or have a host port or a mount of this one.
    #[must_use]
    pub fn neighbours(&self, name: &TaskName) -> BTreeSet<TaskName> {
        let Some((ports, mounts)) = self.of_task.get(name) else { return BTreeSet::new() };
        let by_port = ports.iter().filter_map(|port| self.ports.get(port)).flatten();
        let by_mount = mounts.iter().flat_map(|mount| self.writers_of(mount));
        by_port.chain(by_mount).filter(|other| *other != name).cloned().collect()
    }

    /// The tasks that write what `mount` does, or something beneath or above it.
    fn writers_of<'a>(&'a self, mount: &'a Written) -> impl Iterator<Item = &'a TaskName> {
        let same = self.mounts.get(mount);
        let path = match mount {
            Written::HostPath(path) => Some(path.trim_end_matches('/')),
            Written::Volume(_) => None,
        };
        let above = path.into_iter().flat_map(|path| {
            let ends = path.match_indices('/').map(|(end, _)| &path[..end.max(1)]);
            ends.filter_map(|above| self.mounts.get(&Written::HostPath(above.to_owned())))
        });
        let beneath = path.into_iter().flat_map(|path| {
            let first = Written::HostPath(format!("{path}/"));
            let rest = self.mounts.range(first..);
            let beneath = rest.take_while(|(it, _)| it.overlap(mount) == Some(*it));
            beneath.map(|(_, names)| names)
        });
        same.into_iter().chain(above).chain(beneath).flatten()
    }
}

fn drop_from<K: Ord + Clone>(map: &mut BTreeMap<K, BTreeSet<TaskName>>, key: &K, name: &TaskName) {
    if let Some(names) = map.get_mut(key) {
        names.remove(name);
        if names.is_empty() {
            map.remove(key);
        }
    }
}

/// The host paths that a task mounts, in whatever form of it may run.
fn mounted(record: &Record) -> BTreeSet<Mounted> {
    let mounts = forms(record).flat_map(|task| &task.template.mounts);
    let paths = mounts.filter_map(|mount| match &mount.source {
        MountSource::HostPath { path, .. } => Some(path),
        MountSource::Volume(_) | MountSource::EngineVolume(_) | MountSource::Tmpfs { .. } => None,
    });
    let manifest = &record.head.place.file;
    paths.map(|path| Mounted { path: path.clone(), manifest: manifest.clone() }).collect()
}

/// The tasks that a record's containers are or will be made from.
fn forms(record: &Record) -> impl Iterator<Item = &Task> {
    std::iter::once(&record.head.task).chain(record.revisions.values().map(|it| &it.task))
}

fn claims(
    worker: &WorkerName,
    record: &Record,
    sightings: &Sightings,
) -> (BTreeSet<u16>, BTreeSet<Written>) {
    let ports =
        forms(record).flat_map(|task| exclusive::fixed_ports(&task.template).map(|it| it.number));
    let told = forms(record).flat_map(|task| Made::of(task).written(worker).map(|(it, _)| it));
    let seen = sightings.writes_of(&record.head.name).cloned();
    (ports.collect(), told.chain(seen).collect())
}

/// Live instances whose container was started, with the task each was made from.
fn started(record: &Record) -> impl Iterator<Item = (&Instance, &Task)> {
    record.instances.values().filter(|it| it.is_live() && it.start_sent).filter_map(|instance| {
        let revision = record.revisions.get(&instance.revision)?;
        Some((instance, &revision.task))
    })
}

/// What `other` has to say to the host ports of `task`.
pub fn rivals(task: &Task, other: &Record, desired: &Desired) -> Vec<PortRival> {
    let presence = desired.tasks.get(&other.head.name).map(|wanted| wanted.presence);
    let stays = presence.is_some_and(|presence| presence != Presence::Gone);
    let wants_any = stays && other.head.wanted_slots() > 0;
    let ports = |task: &Task| exclusive::fixed_ports(&task.template).collect::<Vec<_>>();
    let held: Vec<_> = started(other).flat_map(|(_, form)| ports(form)).collect();
    let wanted = if wants_any { ports(in_force(other)) } else { Vec::new() };
    let who = (&other.head.name, &other.head.place);
    PortRival::between(&ports(task), who, &held, &wanted)
}

/// The instances of `record` that write something: those that were started, and those that have
/// ended and were seen running all the same.
pub fn writers(worker: &WorkerName, record: &Record, sightings: &Sightings) -> Vec<Writer> {
    let runs = |id: &ContainerId| sightings.runs(id);
    let revived = record
        .instances
        .values()
        .filter(|instance| !instance.is_live() && instance.container.as_ref().is_some_and(runs));
    let revived = revived
        .filter_map(|instance| Some((instance, &record.revisions.get(&instance.revision)?.task)));
    let mut writers = Vec::new();
    for (instance, task) in started(record).chain(revived) {
        let seen = instance.container.as_ref().and_then(|id| sightings.writes(id));
        for written in Made::seen(task, seen).written(worker) {
            let (task, seat) = (record.head.name.clone(), instance.seat);
            writers.push(Writer { written, task, seat });
        }
    }
    writers
}
