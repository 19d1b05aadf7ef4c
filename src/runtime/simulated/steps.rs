//! The engine's rules for each step on a container, as Docker Engine has them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::process::{Exit, KILLED, Process};
use super::world::{Body, World, later, never, new_body};
use crate::domain::container::{ContainerSpec, Endpoint, NetworkAttachment, label};
use crate::domain::exclusive::{self, FixedPort};
use crate::domain::instance::ContainerId;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::template::{MountSource, Protocol, Resources};
use crate::runtime::LogChunk;

/// The engine refuses less memory than this.
const MEMORY_MIN: u64 = 6 << 20;
/// The first port that is given to who asks for any.
const ANY_PORT: u16 = 32_768;

impl World {
    pub(super) fn create(&mut self, spec: &ContainerSpec) -> Outcome<ContainerId> {
        let template = &spec.template;
        if let Some(refusal) = too_little(&template.resources) {
            return never(Cause::Invalid, refusal);
        }
        for mount in &template.mounts {
            match &mount.source {
                MountSource::HostPath { path, .. } if self.missing_paths.contains(path) => {
                    let message = format!("bind source path does not exist: {path}");
                    return later(Cause::MountMissing, message);
                }
                MountSource::Volume(name) if !spec.volumes.contains_key(name) => {
                    return never(Cause::Invalid, format!("the volume {name} has no name"));
                }
                _ => {}
            }
        }
        if !self.images.values().any(|id| *id == spec.image_id) {
            return later(Cause::ImageMissing, format!("No such image: {}", spec.image_id));
        }
        if let Some(holder) = self.names.get(&spec.name) {
            return self.judge_holder(holder, spec);
        }
        let mut body = new_body(spec);
        let kept = self.kept(template.resources);
        (body.details.limits, body.details.reserved) = (kept.limits, kept.requests.reserved());
        body.details.networks = match &spec.network {
            Some(network) => [(network.network.clone(), Endpoint::default())].into(),
            None if template.host_network => [("host".to_owned(), Endpoint::default())].into(),
            None => BTreeMap::new(),
        };
        // A volume that is not there is made without a word.
        for name in spec.volumes.values() {
            self.volumes.entry(name.clone()).or_insert_with(|| spec.volume_labels());
        }
        Outcome::Done(self.add(body))
    }

    /// Adds a container whose name is free.
    pub(super) fn add(&mut self, body: Body) -> ContainerId {
        let id = self.new_container_id();
        self.names.insert(body.name.clone(), id.clone());
        self.containers.insert(id.clone(), body);
        self.tell(&id);
        id
    }

    fn judge_holder(&self, holder: &ContainerId, spec: &ContainerSpec) -> Outcome<ContainerId> {
        let labels = &self.containers[holder].labels;
        let same = |key| spec.labels.contains_key(key) && labels.get(key) == spec.labels.get(key);
        let message = format!("The name {:?} is already in use by container {holder}", spec.name);
        if same(label::WORKER) && same(label::INSTANCE) {
            Outcome::Done(holder.clone())
        } else if same(label::WORKER) {
            later(Cause::NameTaken, message)
        } else {
            later(Cause::NotOurs, message)
        }
    }

    pub(super) fn start(&mut self, id: &ContainerId, now: Instant) -> Outcome {
        let Some(body) = self.containers.get(id).cloned() else { return no_container(id) };
        match body.process {
            Process::Running(_) => return Outcome::Done(()),
            Process::Paused(_) => {
                return later(Cause::Busy, "cannot start a paused container, try unpause instead");
            }
            Process::Removing => return later(Cause::Busy, "container is marked for removal"),
            Process::None | Process::Ended => {}
        }
        for network in body.details.networks.keys() {
            if network != "host" && !self.networks.contains_key(network) {
                let message = format!("network {network} not found");
                return self.start_failed(id, 128, later(Cause::NetworkMissing, message));
            }
        }
        if let Some(port) = self.taken_port(&body) {
            let message = format!("Bind for {port} failed: port is already allocated");
            return self.start_failed(id, 128, later(Cause::PortTaken, message));
        }
        let behaviour = self.behaviour(&body);
        if let Some((rejection, code)) = behaviour.start_error {
            return self.start_failed(id, code, Outcome::Rejected(rejection));
        }
        self.publish_ports(id);
        let wall = self.wall(now);
        if let Some(body) = self.containers.get_mut(id) {
            body.details.started_at = Some(wall);
            body.details.error.clear();
            body.details.exit_code = 0;
            body.details.oom_killed = false;
            body.on_term = behaviour.on_term;
            for (stderr, text) in [(false, behaviour.stdout), (true, behaviour.stderr)] {
                if !text.is_empty() {
                    body.log.push((wall, LogChunk { stderr, bytes: text.into_bytes() }));
                }
            }
        }
        let end = behaviour.ends.map(|(after, code)| (now + after, Exit::with(code)));
        self.set_process(id, Process::Running(end));
        self.tell(id);
        Outcome::Done(())
    }

    /// A start that fails leaves the container as it was, but for what is said of it.
    fn start_failed(&mut self, id: &ContainerId, code: i64, outcome: Outcome) -> Outcome {
        if let (Some(body), Outcome::Rejected(rejection)) = (self.containers.get_mut(id), &outcome)
        {
            body.details.exit_code = code;
            body.details.error.clone_from(&rejection.message);
        }
        self.tell(id);
        outcome
    }

    /// A host port of the container's that someone has.
    fn taken_port(&self, body: &Body) -> Option<FixedPort> {
        let alive = self.containers.values().filter(|other| other.process.is_alive());
        let held: Vec<FixedPort> = alive
            .flat_map(|other| exclusive::fixed_ports(&other.template))
            .chain(self.strangers_ports.iter().copied())
            .collect();
        exclusive::fixed_ports(&body.template).find(|port| held.iter().any(|it| it.meets(*port)))
    }

    fn publish_ports(&mut self, id: &ContainerId) {
        let used: BTreeSet<String> = self
            .containers
            .values()
            .flat_map(|body| body.details.published.values().flatten().cloned())
            .collect();
        let Some(body) = self.containers.get_mut(id) else { return };
        let mut any = ANY_PORT;
        for port in &body.template.ports {
            let Some(host) = port.host else { continue };
            let ip = host.ip.map_or_else(|| "0.0.0.0".to_owned(), |ip| ip.to_string());
            let mut number = host.port;
            while number == 0 {
                let place = format!("{ip}:{any}");
                let taken = |it: &FixedPort| (it.number, it.protocol) == (any, port.protocol);
                if !used.contains(&place) && !self.strangers_ports.iter().any(taken) {
                    number = any;
                }
                any += 1;
            }
            let key = format!("{}/{}", port.container_port, Protocol::lower(port.protocol));
            body.details.published.insert(key, vec![format!("{ip}:{number}")]);
        }
    }

    /// Sends the stop signal: from now on the process will end, whoever waits for it or not.
    pub(super) fn begin_stop(&mut self, id: &ContainerId, grace: Duration, now: Instant) {
        let Some(body) = self.containers.get(id) else { return };
        let mut end = match body.on_term {
            Some((after, code)) if after < grace => (now + after, Exit::with(code)),
            Some(_) | None => (now + grace, Exit::with(KILLED)),
        };
        let natural = match body.process {
            Process::Running(natural) => natural,
            Process::Paused(natural) => natural.map(|(left, exit)| (now + left, exit)),
            Process::None | Process::Ended | Process::Removing => return,
        };
        if let Some(natural) = natural.filter(|(at, _)| *at < end.0) {
            end = natural;
        }
        self.set_process(id, Process::Running(Some(end)));
        self.advance(now);
    }

    pub(super) fn remove(&mut self, id: &ContainerId) -> Outcome {
        match self.containers.get(id).map(|body| body.process) {
            None => Outcome::Done(()),
            Some(Process::Running(_) | Process::Paused(_)) => {
                later(Cause::Busy, format!("You cannot remove a running container {id}"))
            }
            Some(Process::Removing) => {
                later(Cause::Busy, format!("removal of container {id} is already in progress"))
            }
            Some(Process::None | Process::Ended) => {
                self.forget(id);
                Outcome::Done(())
            }
        }
    }

    /// Takes a container away, whatever it does.
    pub(super) fn forget(&mut self, id: &ContainerId) {
        self.set_process(id, Process::Ended);
        self.tell(id);
        if let Some(body) = self.containers.remove(id) {
            self.names.remove(&body.name);
        }
    }

    pub(super) fn unpause(&mut self, id: &ContainerId, now: Instant) -> Outcome {
        match self.containers.get(id).map(|body| body.process) {
            None => no_container(id),
            Some(Process::Paused(left)) => {
                let end = left.map(|(left, exit)| (now + left, exit));
                self.set_process(id, Process::Running(end));
                self.tell(id);
                Outcome::Done(())
            }
            Some(_) => Outcome::Done(()),
        }
    }

    pub(super) fn rename(&mut self, id: &ContainerId, name: &str) -> Outcome {
        let Some(body) = self.containers.get(id) else { return no_container(id) };
        match self.names.get(name) {
            Some(holder) if holder == id => return Outcome::Done(()),
            Some(holder) => {
                let worker = |body: &Body| body.labels.get(label::WORKER).cloned();
                let same =
                    worker(body).is_some() && worker(body) == worker(&self.containers[holder]);
                let cause = if same { Cause::NameTaken } else { Cause::NotOurs };
                return later(cause, format!("{name} is already in use by container {holder}"));
            }
            None => {}
        }
        if let Some(body) = self.containers.get_mut(id) {
            let old = std::mem::replace(&mut body.name, name.to_owned());
            self.names.remove(&old);
            self.names.insert(name.to_owned(), id.clone());
        }
        self.tell(id);
        Outcome::Done(())
    }

    pub(super) fn update(&mut self, id: &ContainerId, resources: &Resources) -> Outcome {
        let kept = self.kept(*resources);
        let Some(body) = self.containers.get_mut(id) else { return no_container(id) };
        if let Some(refusal) = too_little(resources) {
            return never(Cause::Invalid, refusal);
        }
        let resources = kept;
        let (new, old) = (resources.limits, &mut body.details.limits);
        old.nano_cpus = new.nano_cpus.or(old.nano_cpus);
        old.memory = new.memory.or(old.memory);
        old.pids = new.pids.or(old.pids);
        let (new, old) = (resources.requests.reserved(), &mut body.details.reserved);
        old.cpu_shares = new.cpu_shares.or(old.cpu_shares);
        old.memory = new.memory.or(old.memory);
        body.details.restarts = None;
        self.tell(id);
        Outcome::Done(())
    }

    pub(super) fn connect(&mut self, id: &ContainerId, network: &NetworkAttachment) -> Outcome {
        if !self.networks.contains_key(&network.network) {
            return later(Cause::NetworkMissing, format!("network {} not found", network.network));
        }
        let Some(body) = self.containers.get_mut(id) else { return no_container(id) };
        body.details.networks.insert(network.network.clone(), Endpoint::default());
        Outcome::Done(())
    }
}

/// What the engine says to less memory than it takes.
fn too_little(resources: &Resources) -> Option<&'static str> {
    let few = |memory: Option<u64>| memory.is_some_and(|memory| memory < MEMORY_MIN);
    match (few(resources.limits.memory), few(resources.requests.memory)) {
        (true, _) => Some("Minimum memory limit allowed is 6MB"),
        (false, true) => Some("Minimum memory reservation allowed is 6MB"),
        (false, false) => None,
    }
}

fn no_container<T>(id: &ContainerId) -> Outcome<T> {
    later(Cause::NotFound, format!("No such container: {id}"))
}
