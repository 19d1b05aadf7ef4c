//! What people see of each instance.

use super::{InstanceStatus, StatusInputs};
use crate::domain::container::Container;
use crate::domain::instance::Instance;
use crate::domain::ready::is_ready;

/// Every instance that is kept, by seat.
pub fn instances(inputs: &StatusInputs) -> Vec<InstanceStatus> {
    inputs.record.instances.values().map(|instance| one(inputs, instance)).collect()
}

fn one(inputs: &StatusInputs, instance: &Instance) -> InstanceStatus {
    let container = inputs.containers.get(&instance.seat).copied();
    let revision = inputs.record.revisions.get(&instance.revision);
    let task = revision.map_or(&inputs.record.head.task, |revision| &revision.task);
    let image_id = container
        .map(|container| container.image_id.clone())
        .or_else(|| revision.and_then(|revision| revision.image_id.clone()));
    let stopping = instance.stopping.as_ref().filter(|_| instance.is_live());
    let health = inputs.record.health.get(&instance.seat).filter(|_| instance.is_live());
    let unwell = || {
        let unwell = health.and_then(|health| health.said.as_ref().or(health.doubtful.as_ref()));
        unwell.map(ToString::to_string)
    };
    InstanceStatus {
        id: instance.id,
        slot: instance.seat.slot,
        attempt: instance.seat.attempt,
        state: instance.state,
        ready: instance.uid == inputs.record.head.uid && is_ready(inputs.record, instance),
        container_id: instance.container.clone(),
        image: task.template.image.to_string(),
        image_id,
        started_at: instance.started_at,
        finished_at: instance.finished_at,
        exit_code: instance.exit_code,
        reason: stopping
            .map(|_| "Stopping".to_owned())
            .or_else(|| instance.reason.map(|reason| reason.to_string())),
        message: instance.message.clone().or_else(|| instance.stopping.clone()).or_else(unwell),
        ports: container.map(published).unwrap_or_default(),
        revision: instance.revision,
        because: instance.because.clone(),
    }
}

/// Where the ports of a container are published, `0.0.0.0:8080->80/tcp`.
fn published(container: &Container) -> Vec<String> {
    let all = container.details.iter().flat_map(|details| &details.published);
    all.flat_map(|(port, at)| at.iter().map(move |host| format!("{host}->{port}"))).collect()
}
