//! What is in the simulated engine, and how time changes it.
//!
//! No locks and no waiting: whoever calls says what time it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::fault::Faults;
use super::process::{Behaviour, Exit, Process};
use crate::domain::container::{Container, ContainerSpec, Details, Status, label};
use crate::domain::exclusive::{FixedPort, Written};
use crate::domain::instance::ContainerId;
use crate::domain::name::WorkerName;
use crate::domain::outcome::{Cause, Outcome, Rejection, Retry};
use crate::domain::subnet::Subnet;
use crate::domain::template::{MountSource, Resources, Template};
use crate::domain::time::Timestamp;
use crate::runtime::inbox::Inbox;
use crate::runtime::{EngineEvent, Exec, LogChunk};

/// When every simulated engine is made: 2026-01-01T00:00:00Z.
const EPOCH: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// All that the engine knows.
#[derive(Debug)]
pub(super) struct World {
    pub(super) containers: BTreeMap<ContainerId, Body>,
    pub(super) names: BTreeMap<String, ContainerId>,
    /// When processes will end.
    ends: BTreeSet<(Instant, ContainerId)>,
    pub(super) networks: BTreeMap<String, Network>,
    pub(super) volumes: BTreeMap<String, BTreeMap<String, String>>,
    /// The images that are there, by name.
    pub(super) images: BTreeMap<String, String>,
    pub(super) registry: BTreeMap<String, Published>,
    /// Ports that something outside the engine listens at.
    pub(super) strangers_ports: BTreeSet<FixedPort>,
    pub(super) missing_paths: BTreeSet<String>,
    /// It is on another host.
    pub(super) elsewhere: bool,
    /// What comes of a program run in a container, by its first word; of one container, or of all.
    pub(super) execs: BTreeMap<(String, Option<ContainerId>), Exec>,
    /// Those that were late run on.
    pub(super) late_execs: bool,
    pub(super) programs: BTreeMap<Vec<String>, Behaviour>,
    pub(super) tasks: BTreeMap<String, Behaviour>,
    pub(super) subscribers: Vec<(WorkerName, Weak<Inbox>)>,
    pub(super) faults: Faults,
    /// Lists to give instead of the truth, once each.
    pub(super) false_lists: VecDeque<Vec<Container>>,
    /// Containers whose inspect gets no answer that could be understood.
    pub(super) mute: BTreeSet<ContainerId>,
    pub(super) deaf: bool,
    /// The kernel can limit no memory: the engine takes such limits, and drops them.
    pub(super) lacks_memory_limits: bool,
    pub(super) down: bool,
    /// It takes requests and answers none.
    pub(super) hung: bool,
    /// What it was asked for meanwhile and has not done.
    pub(super) asked: Vec<Asked>,
    /// What happened meanwhile, and whom it will tell.
    told_late: Vec<(Weak<Inbox>, EngineEvent)>,
    pub(super) engine_id: String,
    pub(super) engine_started: Timestamp,
    /// Every begin and end of a process, in order.
    pub(super) happened: Vec<Happened>,
    began: Instant,
    made: u64,
}

/// Changes the world.
type Act = dyn FnOnce(&mut World, Instant) + Send;

/// A step that somebody asked for while the engine hung.
pub(super) struct Asked(pub(super) Box<Act>);

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asked")
    }
}

/// A container.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) image_id: String,
    pub(super) template: Template,
    pub(super) writes: BTreeMap<String, Written>,
    pub(super) process: Process,
    pub(super) details: Details,
    pub(super) log: Vec<(Timestamp, LogChunk)>,
    /// What happens when the stop signal comes.
    pub(super) on_term: Option<(Duration, i64)>,
}

/// The process of a container began or ended.
#[derive(Debug, Clone)]
pub struct Happened {
    /// Of which container.
    pub id: ContainerId,
    /// The container's labels.
    pub labels: BTreeMap<String, String>,
    /// What the container is made of.
    pub template: Template,
    /// It began, else it ended.
    pub began: bool,
}

/// A network.
#[derive(Debug, Clone)]
pub(super) struct Network {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) subnet: Option<Subnet>,
}

/// An image in the registry.
#[derive(Debug, Clone, Default)]
pub(super) struct Published {
    pub(super) id: String,
    pub(super) failures: VecDeque<Rejection>,
}

impl World {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            containers: BTreeMap::new(),
            names: BTreeMap::new(),
            ends: BTreeSet::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            images: BTreeMap::new(),
            registry: BTreeMap::new(),
            strangers_ports: BTreeSet::new(),
            missing_paths: BTreeSet::new(),
            elsewhere: false,
            execs: BTreeMap::new(),
            late_execs: false,
            programs: BTreeMap::new(),
            tasks: BTreeMap::new(),
            subscribers: Vec::new(),
            faults: Faults::default(),
            false_lists: VecDeque::new(),
            mute: BTreeSet::new(),
            deaf: false,
            lacks_memory_limits: false,
            down: false,
            hung: false,
            asked: Vec::new(),
            told_late: Vec::new(),
            engine_id: "SIMU:LATE:D000".to_owned(),
            engine_started: EPOCH,
            happened: Vec::new(),
            began: now,
            made: 0,
        }
    }

    /// The wall clock at a moment.
    pub(super) fn wall(&self, at: Instant) -> Timestamp {
        let elapsed = at.saturating_duration_since(self.began).as_millis();
        Timestamp::from_millis(EPOCH.millis() + i64::try_from(elapsed).unwrap_or(0))
    }

    /// 64 hex digits that no one was given yet, the same in every run.
    pub(super) fn new_id(&mut self) -> String {
        self.made += 1;
        let part = |number: u64| {
            // SplitMix64: ids that look alike at their beginning would hide short ones.
            let mut mixed = (self.made * 4 + number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            format!("{:016x}", mixed ^ (mixed >> 31))
        };
        (0..4).map(part).collect()
    }

    pub(super) fn new_container_id(&mut self) -> ContainerId {
        ContainerId::parse(&self.new_id()).expect("a new id has 64 hex digits")
    }

    /// Lets what was due by now happen; whether there was anything.
    pub(super) fn advance(&mut self, now: Instant) -> bool {
        let mut changed = false;
        while let Some((at, id)) = self.ends.first().cloned().filter(|(at, _)| *at <= now) {
            let process = self.containers.get(&id).map(|body| body.process);
            if let Some(Process::Running(Some((_, exit)))) = process {
                self.end(&id, at, exit);
            }
            self.ends.remove(&(at, id));
            changed = true;
        }
        changed
    }

    /// When something will happen by itself next.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// The engine ends; what it was asked for and has not done is lost.
    pub(super) fn go_down(&mut self) {
        self.down = true;
        self.hung = false;
        self.asked.clear();
        self.told_late.clear();
    }

    /// The engine does not hang any more, and tells what happened meanwhile.
    pub(super) fn answer_again(&mut self) {
        self.hung = false;
        for (inbox, event) in std::mem::take(&mut self.told_late) {
            if let Some(inbox) = inbox.upgrade() {
                inbox.put(event);
            }
        }
    }

    /// The engine does what it was asked for while it hung.
    pub(super) fn catch_up(&mut self, now: Instant) {
        for asked in std::mem::take(&mut self.asked) {
            asked.0(self, now);
        }
    }

    /// Changes what a process does, and with it when it will end.
    pub(super) fn set_process(&mut self, id: &ContainerId, process: Process) {
        let Some(body) = self.containers.get_mut(id) else { return };
        let old = std::mem::replace(&mut body.process, process);
        if let Process::Running(Some((at, _))) = old {
            self.ends.remove(&(at, id.clone()));
        }
        if let Process::Running(Some((at, _))) = process {
            self.ends.insert((at, id.clone()));
        }
        if old.is_alive() != process.is_alive() {
            self.happened.push(Happened {
                id: id.clone(),
                labels: body.labels.clone(),
                template: body.template.clone(),
                began: process.is_alive(),
            });
        }
    }

    /// Ends a process that is alive.
    pub(super) fn end(&mut self, id: &ContainerId, at: Instant, exit: Exit) {
        let wall = self.wall(at);
        self.set_process(id, Process::Ended);
        if let Some(body) = self.containers.get_mut(id) {
            body.details.finished_at = Some(wall);
            body.details.exit_code = exit.code;
            body.details.oom_killed = exit.oom;
            body.details.published.clear();
        }
        self.tell(id);
    }

    /// Tells everyone who listens that something happened to a container.
    pub(super) fn tell(&mut self, id: &ContainerId) {
        let worker = self.containers.get(id).and_then(|body| body.labels.get(label::WORKER));
        let Some(worker) = worker.cloned() else { return };
        self.tell_where(
            |listener| listener.as_str() == worker,
            &EngineEvent::Container(id.clone()),
        );
    }

    /// Tells those who listen for the workers that `whom` picks.
    pub(super) fn tell_where(&mut self, whom: impl Fn(&WorkerName) -> bool, event: &EngineEvent) {
        if self.deaf || self.down {
            return;
        }
        self.subscribers.retain(|(worker, inbox)| {
            let inbox = inbox.upgrade();
            if let Some(inbox) = inbox.as_ref().filter(|_| whom(worker)) {
                if self.hung {
                    self.told_late.push((Arc::downgrade(inbox), event.clone()));
                } else {
                    inbox.put(event.clone());
                }
            }
            inbox.is_some()
        });
    }

    pub(super) fn subscribe(&mut self, worker: WorkerName, inbox: &Arc<Inbox>) {
        if self.hung {
            self.told_late.push((Arc::downgrade(inbox), EngineEvent::Relist));
        } else if !self.down {
            inbox.put(EngineEvent::Relist);
        }
        self.subscribers.push((worker, Arc::downgrade(inbox)));
    }

    /// A container as an inspect shows it.
    pub(super) fn shown(&self, id: &ContainerId) -> Option<Container> {
        let body = self.containers.get(id)?;
        Some(Container {
            id: id.clone(),
            name: body.name.clone(),
            labels: body.labels.clone(),
            image_id: body.image_id.clone(),
            status: match body.process {
                Process::None => Status::Created,
                Process::Running(_) => Status::Running,
                Process::Paused(_) => Status::Paused,
                Process::Ended => Status::Exited,
                Process::Removing => Status::Removing,
            },
            writes: body.writes.clone(),
            details: Some(body.details.clone()),
        })
    }

    /// The containers with the worker's label, as a list shows them.
    pub(super) fn listed(&self, worker: &WorkerName) -> Vec<Container> {
        let ours = |body: &Body| {
            body.labels.get(label::WORKER).map(String::as_str) == Some(worker.as_str())
        };
        let ids = self.containers.iter().filter(|(_, body)| ours(body)).map(|(id, _)| id);
        ids.filter_map(|id| self.shown(id))
            .map(|container| Container { details: None, ..container })
            .collect()
    }

    /// What the engine keeps of limits and requests.
    pub(super) fn kept(&self, mut resources: Resources) -> Resources {
        if self.lacks_memory_limits {
            (resources.limits.memory, resources.requests.memory) = (None, None);
        }
        resources
    }

    /// What the container's program does, as the test says: for its task, else for its command.
    pub(super) fn behaviour(&self, body: &Body) -> Behaviour {
        let label = |key| body.labels.get(key).map_or("", String::as_str);
        let task = format!("{}/{}", label(label::NAMESPACE), label(label::TASK));
        let template = &body.template;
        let command: Vec<String> = [&template.command[..], &template.args[..]].concat();
        let told = self.tasks.get(&task).or_else(|| self.programs.get(&command));
        told.cloned().unwrap_or_else(Behaviour::runs)
    }
}

/// The volumes and paths of the host that a container can write.
fn writes(spec: &ContainerSpec) -> BTreeMap<String, Written> {
    let writable = spec.template.mounts.iter().filter(|mount| !mount.read_only);
    let written = writable.filter_map(|mount| {
        let what = match &mount.source {
            MountSource::HostPath { path, .. } => Written::HostPath(path.clone()),
            MountSource::Volume(name) => Written::Volume(spec.volumes.get(name)?.clone()),
            MountSource::EngineVolume(name) => Written::Volume(name.clone()),
            MountSource::Tmpfs { .. } => return None,
        };
        Some((mount.path.clone(), what))
    });
    written.collect()
}

/// A container that was not started yet.
pub(super) fn new_body(spec: &ContainerSpec) -> Body {
    let resources = spec.template.resources;
    let (limits, reserved) = (resources.limits, resources.requests.reserved());
    Body {
        name: spec.name.clone(),
        labels: spec.labels.clone(),
        image_id: spec.image_id.clone(),
        template: spec.template.clone(),
        writes: writes(spec),
        process: Process::None,
        details: Details { limits, reserved, ..Details::default() },
        log: Vec::new(),
        on_term: None,
    }
}

/// A refusal that may end by itself.
pub(super) fn later<T>(cause: Cause, message: impl Into<String>) -> Outcome<T> {
    Outcome::Rejected(Rejection { cause, retry: Retry::Later, message: message.into() })
}

/// A refusal that won't.
pub(super) fn never<T>(cause: Cause, message: impl Into<String>) -> Outcome<T> {
    Outcome::Rejected(Rejection { cause, retry: Retry::Never, message: message.into() })
}
