//! What the engine is told to make an instance's container.

use super::container::{
    ContainerSpec, Identity, NetworkAttachment, container_name, network_name, volume_name,
};
use super::instance::Instance;
use super::name::WorkerName;
use super::record::{Record, Revision};
use super::task::Task;
use super::template::MountSource;

/// Who makes it: on every container, beside who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// The worker's name.
    pub worker: WorkerName,
    /// Its source directory, absolute, as given.
    pub source: String,
}

/// The task that an instance is made from: as it is accepted now, if that asks for no other
/// container, else as its revision has it.
#[must_use]
pub fn task_of<'a>(record: &'a Record, revision: &'a Revision) -> &'a Task {
    if revision.fingerprint.matches(&record.head.task) { &record.head.task } else { &revision.task }
}

/// All that the engine is told to make the container of `instance`; `None` while the id of its
/// image is not known.
#[must_use]
pub fn blueprint(maker: &Maker, record: &Record, instance: &Instance) -> Option<ContainerSpec> {
    let revision = record.revisions.get(&instance.revision)?;
    let image_id = revision.image_id.clone()?;
    let task = task_of(record, revision);
    let name = &record.head.name;
    let identity = Identity {
        worker: maker.worker.clone(),
        source: maker.source.clone(),
        task: name.clone(),
        uid: instance.uid,
        instance: instance.id,
        seat: instance.seat,
        generation: revision.generation,
        fingerprint: instance.fingerprint.clone(),
        manifest: record.head.place.to_string(),
        spec: serde_json::to_string(task).ok()?,
    };
    let mut labels = task.labels.clone();
    labels.extend(identity.to_labels());
    let volumes = task.template.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Volume(volume) => {
            let full = volume_name(&maker.worker, &name.namespace, volume);
            Some((volume.clone(), full))
        }
        MountSource::EngineVolume(_) | MountSource::HostPath { .. } | MountSource::Tmpfs { .. } => {
            None
        }
    });
    let network = (!task.template.host_network).then(|| network_of(maker, name, instance));
    Some(ContainerSpec {
        name: container_name(&maker.worker, name, instance.seat),
        labels,
        image_id,
        template: task.template.clone(),
        volumes: volumes.collect(),
        stop_timeout_seconds: task.termination_grace_period_seconds,
        network,
    })
}

/// The network an instance is on, and what it answers to there: `0.web` and `web`.
#[must_use]
pub fn network_of(
    maker: &Maker,
    name: &super::name::TaskName,
    instance: &Instance,
) -> NetworkAttachment {
    NetworkAttachment {
        network: network_name(&maker.worker, &name.namespace),
        aliases: vec![format!("{}.{}", instance.seat.slot, name.name), name.name.to_string()],
    }
}
