//! A model of the engine, as small as the rules need it: it does what it is told at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::domain::container::{Container, ContainerSpec, Details, Endpoint, HealthCheck, Status};
use crate::domain::engine::SharedHost;
use crate::domain::exclusive::{self, FixedPort, Written};
use crate::domain::instance::ContainerId;
use crate::domain::name::{Label, WorkerName};
use crate::domain::outcome::{Cause, Outcome, Rejection, Retry};
use crate::domain::template::{MountSource, Resources, Template};
use crate::domain::time::{Mono, Now, Timestamp};

/// What a container does once it is started; by its image.
#[derive(Debug, Clone)]
pub enum Behaviour {
    Runs,
    Exits { after: Duration, code: i64 },
    StartFails(Rejection),
}

pub struct Held {
    pub container: Container,
    pub template: Template,
    pub exits: Option<(Mono, i64)>,
    /// It is told to stop, whatever comes of that.
    pub leaves: bool,
}

pub struct Engine {
    pub now: Mono,
    pub up: bool,
    pub started_at: Timestamp,
    pub containers: BTreeMap<ContainerId, Held>,
    pub images: BTreeSet<String>,
    /// Those of which the registry says that too much is asked of it.
    pub limited: BTreeSet<String>,
    /// How often another image was pushed under a name.
    pub pushed: BTreeMap<String, u32>,
    pub networks: BTreeSet<String>,
    pub volumes: BTreeSet<Label>,
    /// Links on the host, and where they lead when a container is made.
    pub links: BTreeMap<String, String>,
    /// Host ports that strangers listen at.
    pub taken: BTreeSet<FixedPort>,
    pub behaviours: BTreeMap<String, Behaviour>,
    /// What the health check of an image says, where it has one.
    pub checks: BTreeMap<String, HealthCheck>,
    /// The next so many creates are refused like this.
    pub refuse_create: Option<(u32, Rejection)>,
    /// The next so many stops do nothing, and nobody knows.
    pub deaf_stops: u32,
    /// How long a container takes to end after its stop signal.
    pub slow_stops: Duration,
    /// The kernel can limit no memory: such limits are taken and dropped.
    pub lacks_memory_limits: bool,
    /// Whether it shares the host, as far as that is known.
    pub host: SharedHost,
    /// Starts that are done later than anybody waits for.
    pub late_starts: Vec<(Mono, ContainerId)>,
    /// Since when it has answered without a break.
    pub reached_at: Mono,
    made: u64,
}

/// The wall clock when the monotonic one is zero.
pub const EPOCH: i64 = 1_800_000_000_000;

impl Engine {
    pub fn started() -> Self {
        Self {
            now: Mono(Duration::ZERO),
            up: true,
            started_at: Timestamp::from_millis(EPOCH - 3_600_000),
            containers: BTreeMap::new(),
            images: ["app:1", "app:2", "app:3"].map(str::to_owned).into(),
            limited: BTreeSet::new(),
            pushed: BTreeMap::new(),
            networks: BTreeSet::new(),
            volumes: BTreeSet::new(),
            links: BTreeMap::new(),
            taken: BTreeSet::new(),
            behaviours: BTreeMap::new(),
            checks: BTreeMap::new(),
            refuse_create: None,
            deaf_stops: 0,
            slow_stops: Duration::ZERO,
            lacks_memory_limits: false,
            host: SharedHost::Shared,
            late_starts: Vec::new(),
            reached_at: Mono::default(),
            made: 0,
        }
    }

    pub fn time(&self) -> Now {
        let millis = i64::try_from(self.now.0.as_millis()).unwrap();
        Now { mono: self.now, wall: Timestamp::from_millis(EPOCH + millis) }
    }

    /// Lets time pass: what was to end by then ends at its time.
    pub fn pass_to(&mut self, until: Mono) {
        for (at, id) in std::mem::take(&mut self.late_starts) {
            if at > until {
                self.late_starts.push((at, id));
            } else if self
                .containers
                .get(&id)
                .is_some_and(|it| it.container.status == Status::Created)
            {
                self.start(&id, self.networks.first().cloned());
            }
        }
        while let Some((at, id, code)) = self.next_end().filter(|(at, ..)| *at <= until) {
            self.now = self.now.max(at);
            self.end(&id, code);
        }
        self.now = self.now.max(until);
    }

    pub fn next_end(&self) -> Option<(Mono, ContainerId, i64)> {
        let ends = self
            .containers
            .iter()
            .filter_map(|(id, held)| held.exits.map(|(at, code)| (at, id.clone(), code)));
        ends.min()
    }

    pub fn end(&mut self, id: &ContainerId, code: i64) {
        let wall = self.time().wall;
        let Some(held) = self.containers.get_mut(id) else { return };
        held.exits = None;
        if matches!(held.container.status, Status::Running | Status::Paused) {
            held.container.status = Status::Exited;
            let details = held.container.details.get_or_insert_default();
            details.exit_code = code;
            details.finished_at = Some(wall);
            details.networks = BTreeMap::new();
            details.published = BTreeMap::new();
        }
    }

    /// The health check of an image says that from now on, of every container of it.
    pub fn check(&mut self, image: &str, says: HealthCheck) {
        for held in self.containers.values_mut() {
            let lives = matches!(held.container.status, Status::Running | Status::Paused);
            if held.template.image.as_str() == image && lives {
                held.container.details.get_or_insert_default().health = Some(says.clone());
            }
        }
        self.checks.insert(image.to_owned(), says);
    }

    /// The engine ends, all its containers with it, and starts again.
    pub fn restart(&mut self) {
        let ids: Vec<ContainerId> = self.containers.keys().cloned().collect();
        for id in ids {
            self.end(&id, 137);
        }
        self.pass_to(self.now + Duration::from_secs(2));
        self.started_at = self.time().wall;
        self.reached_at = self.now;
    }

    pub fn pull(&mut self, image: &str) -> Outcome<String> {
        if self.limited.contains(image) {
            rejected(Cause::RateLimited, Retry::Later, "toomanyrequests: slow down")
        } else if self.images.contains(image) {
            let pushed = self.pushed.get(image).map_or_else(String::new, |it| format!("@{it}"));
            Outcome::Done(format!("sha256:{image}{pushed}"))
        } else {
            rejected(Cause::ImageMissing, Retry::Later, "manifest unknown")
        }
    }

    pub fn create(&mut self, spec: &ContainerSpec) -> Outcome<ContainerId> {
        if let Some((left, rejection)) = &mut self.refuse_create
            && *left > 0
        {
            *left -= 1;
            return Outcome::Rejected(rejection.clone());
        }
        let same = self.containers.values().find(|held| held.container.name == spec.name);
        if let Some(held) = same {
            let ours = held.container.labels == spec.labels;
            return if ours {
                Outcome::Done(held.container.id.clone())
            } else {
                rejected(Cause::NameTaken, Retry::Later, "the name is taken")
            };
        }
        if let Some(network) = &spec.network
            && !self.networks.contains(&network.network)
        {
            return rejected(Cause::NetworkMissing, Retry::Later, "network not found");
        }
        self.made += 1;
        let id = ContainerId::parse(&format!("{:064x}", self.made)).unwrap();
        let resources = self.kept(spec.template.resources);
        let (limits, reserved) = (resources.limits, resources.requests.reserved());
        let details = Details { limits, reserved, ..Details::default() };
        let mut container = Container {
            id: id.clone(),
            name: spec.name.clone(),
            labels: spec.labels.clone(),
            image_id: spec.image_id.clone(),
            status: Status::Created,
            writes: BTreeMap::new(),
            details: Some(details),
        };
        let mut template = spec.template.clone();
        for mount in &mut template.mounts {
            if let MountSource::HostPath { path, .. } = &mut mount.source {
                *path = self.links.get(path).unwrap_or(path).clone();
                if !mount.read_only {
                    let written = Written::HostPath(path.clone());
                    container.writes.insert(mount.path.clone(), written);
                }
            }
        }
        self.containers
            .insert(id.clone(), Held { container, template, exits: None, leaves: false });
        Outcome::Done(id)
    }

    /// What it does of limits and requests.
    pub fn kept(&self, mut resources: Resources) -> Resources {
        if self.lacks_memory_limits {
            (resources.limits.memory, resources.requests.memory) = (None, None);
        }
        resources
    }

    pub fn start(&mut self, id: &ContainerId, network: Option<String>) -> Outcome {
        let Some(held) = self.containers.get(id) else {
            return rejected(Cause::NotFound, Retry::Later, "no such container");
        };
        let template = held.template.clone();
        let (now, wall) = (self.now, self.time().wall);
        let behaviour = self.behaviours.get(template.image.as_str()).cloned();
        let behaviour = behaviour.unwrap_or(Behaviour::Runs);
        let held = self.running().flat_map(|other| exclusive::fixed_ports(&other.template));
        let held: Vec<FixedPort> = held.chain(self.taken.iter().copied()).collect();
        let busy = exclusive::fixed_ports(&template).find(|it| held.iter().any(|of| of.meets(*it)));
        let failure = match (&behaviour, busy) {
            (Behaviour::StartFails(rejection), _) => Some(rejection.clone()),
            (_, Some(port)) => Some(Rejection {
                cause: Cause::PortTaken,
                retry: Retry::Later,
                message: format!("port {port} is already allocated"),
            }),
            _ => None,
        };
        let held = self.containers.get_mut(id).unwrap();
        let details = held.container.details.get_or_insert_default();
        if let Some(rejection) = failure {
            details.error.clone_from(&rejection.message);
            details.exit_code = 128;
            return Outcome::Rejected(rejection);
        }
        held.container.status = Status::Running;
        details.health = self.checks.get(template.image.as_str()).cloned();
        details.started_at = Some(wall);
        details.finished_at = None;
        details.networks = network.into_iter().map(|it| (it, Endpoint::default())).collect();
        if let Behaviour::Exits { after, code } = behaviour {
            held.exits = Some((now + after, code));
        }
        Outcome::Done(())
    }

    pub fn stop(&mut self, id: &ContainerId) -> Outcome {
        if self.deaf_stops > 0 {
            self.deaf_stops -= 1;
            return Outcome::Unknown("timed out".to_owned());
        }
        let at = self.now + self.slow_stops;
        match self.containers.get_mut(id) {
            Some(held) if !self.slow_stops.is_zero() => {
                held.exits.get_or_insert((at, 143));
            }
            _ => self.end(id, 143),
        }
        Outcome::Done(())
    }

    pub fn remove(&mut self, id: &ContainerId) -> Outcome {
        let status = self.containers.get(id).map(|held| &held.container.status);
        if matches!(status, Some(Status::Running | Status::Paused)) {
            return rejected(Cause::Busy, Retry::Later, "it is running");
        }
        if status == Some(&Status::Removing) {
            let message = "removal of the container is already in progress";
            return rejected(Cause::Busy, Retry::Later, message);
        }
        self.containers.remove(id);
        Outcome::Done(())
    }

    pub fn change(&mut self, id: &ContainerId, change: impl FnOnce(&mut Container)) -> Outcome {
        match self.containers.get_mut(id) {
            Some(held) => {
                change(&mut held.container);
                Outcome::Done(())
            }
            None => rejected(Cause::NotFound, Retry::Later, "no such container"),
        }
    }

    pub fn running(&self) -> impl Iterator<Item = &Held> {
        self.containers
            .values()
            .filter(|held| matches!(held.container.status, Status::Running | Status::Paused))
    }

    /// What running containers write, with the container's name.
    pub fn written(&self, worker: &WorkerName) -> Vec<((Written, bool), String)> {
        let namespace = Label::default_namespace();
        let mut all = Vec::new();
        for held in self.running() {
            for mount in &held.template.mounts {
                let written = Written::by(worker, &namespace, mount);
                let name = held.container.name.clone();
                all.extend(written.map(|written| ((written, mount.shared), name)));
            }
        }
        all
    }
}

fn rejected<T>(cause: Cause, retry: Retry, message: &str) -> Outcome<T> {
    Outcome::Rejected(Rejection { cause, retry, message: message.to_owned() })
}
