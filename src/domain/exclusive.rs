//! What two containers can't have at once: host ports, and mounts that are written.

use super::container::volume_name;
use super::name::{Label, WorkerName};
use super::plan::StopFirst;
use super::task::{Strategy, Task};
use super::template::{HostPort, Mount, MountSource, Port, Template};

/// What a writable mount writes, in a form that is equal wherever it is the same; `None` if nothing
/// that another container could write too.
#[must_use]
pub fn mount_key(worker: &WorkerName, namespace: &Label, mount: &Mount) -> Option<String> {
    if mount.read_only {
        return None;
    }
    match &mount.source {
        MountSource::Volume(name) => {
            Some(format!("volume {}", volume_name(worker, namespace, name)))
        }
        MountSource::EngineVolume(name) => Some(format!("volume {name}")),
        MountSource::HostPath { path, .. } => Some(format!("host path {path}")),
        MountSource::Tmpfs { .. } => None,
    }
}

/// What a task's containers write, and whether they let others write it too.
pub fn written<'a>(
    worker: &'a WorkerName,
    task: &'a Task,
) -> impl Iterator<Item = (String, bool)> + 'a {
    task.template.mounts.iter().filter_map(move |mount| {
        mount_key(worker, &task.name.namespace, mount).map(|key| (key, mount.shared))
    })
}

/// The ports that are published at a port of the host that the manifest names.
pub fn fixed_ports(template: &Template) -> impl Iterator<Item = (&Port, HostPort)> {
    template
        .ports
        .iter()
        .filter_map(|port| port.host.filter(|host| host.port != 0).map(|host| (port, host)))
}

/// Whether two published ports can't be had at once: by protocol and address, no address meets all.
#[must_use]
pub fn ports_meet(one: (&Port, HostPort), other: (&Port, HostPort)) -> bool {
    let same_address = match (one.1.ip, other.1.ip) {
        (Some(a), Some(b)) => a == b || a.is_unspecified() || b.is_unspecified(),
        (None, _) | (_, None) => true,
    };
    one.0.protocol == other.0.protocol && one.1.port == other.1.port && same_address
}

/// Why an instance made from `old` has to stop before one made from `new` can start, if it has to.
#[must_use]
pub fn stop_first(worker: &WorkerName, old: &Task, new: &Task) -> Option<StopFirst> {
    if new.is_job() {
        return Some(StopFirst::Job);
    }
    if new.update.strategy == Strategy::Recreate {
        return Some(StopFirst::Recreate);
    }
    if new.template.host_network {
        return Some(StopFirst::HostNetwork);
    }
    let old_written: Vec<(String, bool)> = written(worker, old).collect();
    for (key, shared) in written(worker, new) {
        let clash =
            |(old_key, old_shared): &(String, bool)| *old_key == key && !(shared && *old_shared);
        if old_written.iter().any(clash) {
            return Some(StopFirst::Mount(key));
        }
    }
    for port in fixed_ports(&new.template) {
        if fixed_ports(&old.template).any(|held| ports_meet(held, port)) {
            return Some(StopFirst::HostPort(port.1.port));
        }
    }
    (new.update.max_surge == 0).then_some(StopFirst::NoSurge)
}
