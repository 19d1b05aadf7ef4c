//! A play: tasks, the model of the engine, and a worker that does one thing after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

pub use super::engine::{Behaviour, Engine};
use super::promises::Promises;
use crate::domain::blueprint::{Maker, blueprint};
use crate::domain::container::{Container, Identity, network_name};
use crate::domain::decide::decide;
use crate::domain::decide::target::{self, Choice};
use crate::domain::desired::Presence;
use crate::domain::enact::enact;
use crate::domain::event::Note;
use crate::domain::exclusive;
use crate::domain::instance::{InstanceId, Seat, Uid};
use crate::domain::name::{Label, TaskName};
use crate::domain::outcome::{Cause, Outcome, Rejection, Retry};
use crate::domain::plan::{Plan, Planned, Step};
use crate::domain::record::{Head, Record};
use crate::domain::settle::{self, Report};
use crate::domain::source::Place;
use crate::domain::task::{Backoff, RestartPolicy, Task, Update};
use crate::domain::template::{
    HostPort, ImageRef, Limits, Logging, Mount, MountSource, Port, Protocol, PullPolicy, Resources,
    SecurityContext, Template,
};
use crate::domain::time::Mono;
use crate::domain::world::{Engine as Known, PortRival, Seen, World, Writer};

/// A service of one replica.
pub fn service(name: &str, image: &str) -> Task {
    Task {
        name: TaskName::parse(name, &Label::default_namespace()).unwrap(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        replicas: 1,
        suspend: false,
        restart_policy: RestartPolicy::Always,
        backoff: Backoff::default(),
        update: Update::default(),
        termination_grace_period_seconds: 10,
        template: Template {
            image: ImageRef::checked(image),
            image_pull_policy: PullPolicy::IfNotPresent,
            command: Vec::new(),
            args: Vec::new(),
            working_dir: None,
            env: Vec::new(),
            ports: Vec::new(),
            mounts: Vec::new(),
            host_network: false,
            resources: Resources { limits: Limits::default(), ..Resources::default() },
            security_context: SecurityContext::default(),
            logging: Logging::default(),
            stop_signal: None,
            tty: false,
            stdin: false,
            init: false,
        },
    }
}

/// A job of one replica.
pub fn job(name: &str, image: &str, policy: RestartPolicy) -> Task {
    Task { restart_policy: policy, ..service(name, image) }
}

pub fn volume(name: &str) -> Mount {
    Mount {
        path: format!("/{name}"),
        read_only: false,
        shared: false,
        source: MountSource::Volume(Label::parse(name).unwrap()),
    }
}

pub fn port(number: u16) -> Port {
    let host = Some(HostPort { ip: None, port: number });
    Port { name: None, container_port: number, host, protocol: Protocol::Tcp }
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What the worker has of a task.
pub struct Actor {
    pub record: Record,
    pub presence: Presence,
    pub plan: Plan,
    reports: Vec<(Seat, Report)>,
    /// Steps that are under way, and when they end.
    flights: Vec<(Mono, Seat, Report)>,
    pulled: Vec<(u32, Outcome<String>)>,
}

pub struct Play {
    pub engine: Engine,
    pub actors: BTreeMap<TaskName, Actor>,
    /// Steps that were done, with the second they were done in.
    pub log: Vec<String>,
    pub notes: Vec<Note>,
    pub promises: Promises,
    pub maker: Maker,
    /// The engine has not answered yet about anything.
    pub blind: bool,
    /// The outcomes of the next so many steps are lost; those of odd number did what they were to.
    pub lose: u32,
    minted: u128,
}

impl Play {
    pub fn of(task: &Task) -> Self {
        let mut play = Self {
            engine: Engine::started(),
            actors: BTreeMap::new(),
            log: Vec::new(),
            notes: Vec::new(),
            promises: Promises::default(),
            maker: Maker { worker: Label::default_namespace(), source: "/srv/tasks".to_owned() },
            blind: false,
            lose: 0,
            minted: 0,
        };
        play.accept(task);
        play
    }

    /// A manifest is accepted: a new task, or another generation of a known one.
    pub fn accept(&mut self, task: &Task) {
        let now = self.engine.time();
        self.promises.accepted(task);
        if let Some(actor) = self.actors.get_mut(&task.name) {
            actor.presence = Presence::There;
            if actor.record.head.task != *task {
                actor.record.head.generation += 1;
                actor.record.head.task = task.clone();
            }
            return;
        }
        self.minted += 1;
        let head = Head {
            name: task.name.clone(),
            uid: Uid(Uuid::from_u128(self.minted)),
            generation: 1,
            task: task.clone(),
            place: Place { file: format!("{}.yaml", task.name.name), line: 1 },
            refused: None,
            created_at: now.wall,
        };
        let actor = Actor {
            record: Record::accepted(head, now.mono),
            presence: Presence::There,
            plan: Plan::default(),
            reports: Vec::new(),
            flights: Vec::new(),
            pulled: Vec::new(),
        };
        self.actors.insert(task.name.clone(), actor);
    }

    pub fn edit(&mut self, change: impl FnOnce(&mut Task)) {
        let mut task = self.only().record.head.task.clone();
        change(&mut task);
        self.accept(&task);
    }

    pub fn retag(&mut self, image: &str) {
        self.edit(|task| task.template.image = ImageRef::checked(image));
    }

    pub fn only(&mut self) -> &mut Actor {
        self.actors.values_mut().next().expect("a play has a task")
    }

    pub fn gone(&mut self) {
        self.only().presence = Presence::Gone;
    }

    /// The DB is lost: the record is made anew from the manifest.
    pub fn lose_db(&mut self) {
        let now = self.engine.now;
        for actor in self.actors.values_mut() {
            let head = Head { generation: 1, refused: None, ..actor.record.head.clone() };
            actor.record = Record::accepted(head, now);
            actor.forget_calls();
        }
    }

    /// evenkeel is killed and starts again: what is not kept over a restart is forgotten.
    pub fn restart(&mut self) {
        let now = self.engine.now;
        for actor in self.actors.values_mut() {
            actor.forget_calls();
            actor.record.progressed_at = now;
            actor.record.pull_trouble = None;
            actor.record.troubles.clear();
            for instance in actor.record.instances.values_mut() {
                instance.moved_at = now;
            }
        }
    }

    /// One look at the only task: its plan as text.
    pub fn look(&mut self) -> String {
        let name = self.actors.keys().next().expect("a play has a task").clone();
        self.look_at(&name).to_string()
    }

    /// One look at a task, and what it decides is done.
    pub fn look_at(&mut self, name: &TaskName) -> Plan {
        let now = self.engine.time();
        let known = Known {
            unavailable: (!self.engine.up).then(|| "connection refused".to_owned()),
            started_at: Some(self.engine.started_at),
            source_changed: None,
            reached_at: self.engine.reached_at,
        };
        let actor = self.actors.get_mut(name).expect("a task that is known");
        actor.land(now.mono);
        for (seat, report) in std::mem::take(&mut actor.reports) {
            self.notes.extend(settle::apply(&mut actor.record, seat, report, now));
        }
        for (revision, outcome) in std::mem::take(&mut actor.pulled) {
            self.notes.extend(settle::apply_pull(&mut actor.record, revision, outcome, now));
        }
        let mut seen = BTreeMap::new();
        if self.engine.up && !self.blind {
            let found = ours(&self.engine, name);
            self.notes.extend(settle::adopt(&mut actor.record, found, &known, now));
            seen = see(&self.engine, &actor.record);
            self.notes.extend(settle::settle(&mut actor.record, &seen, &known, now));
        }
        let (rivals, writers) = self.others(name);
        let actor = &self.actors[name];
        let world = World {
            now,
            jitter: 100,
            worker: &self.maker.worker,
            record: &actor.record,
            presence: actor.presence,
            engine: &known,
            seen,
            in_flight: actor.flights.iter().map(|(_, seat, _)| (*seat, "stop")).collect(),
            pulling: false,
            network: !self.engine.networks.is_empty(),
            volumes: self.engine.volumes.clone(),
            port_rivals: rivals,
            busy_ports: self.engine.taken.clone(),
            writers,
            restart_at: Mono::default(),
        };
        let plan = decide(&world);
        self.promises.plan(&world, &plan);
        self.act(name, &plan);
        self.promises.hold(&self.engine, &self.maker.worker);
        plan
    }

    fn others(&self, name: &TaskName) -> (Vec<PortRival>, Vec<Writer>) {
        let me = &self.actors[name].record;
        let wanted: Vec<_> = exclusive::fixed_ports(&target_of(me).template).collect();
        let mut rivals = Vec::new();
        let mut writers = Vec::new();
        for (other, actor) in &self.actors {
            let record = &actor.record;
            let holding = || record.instances.values().filter(|it| it.is_live() && it.start_sent);
            for instance in holding() {
                let task = &record.revisions[&instance.revision].task;
                writers.extend(exclusive::written(&self.maker.worker, task).map(
                    |(mount, shared)| Writer {
                        mount,
                        task: other.clone(),
                        seat: instance.seat,
                        shared,
                    },
                ));
            }
            if other == name {
                continue;
            }
            let task = target_of(record);
            for mine in &wanted {
                let meets = |task: &Task| {
                    exclusive::fixed_ports(&task.template)
                        .any(|theirs| exclusive::ports_meet(*mine, theirs))
                };
                let wants = meets(task) && !task.suspend && actor.presence != Presence::Gone;
                let holds = holding().any(|it| meets(&record.revisions[&it.revision].task));
                if wants || holds {
                    rivals.push(PortRival {
                        port: mine.1.port,
                        task: other.clone(),
                        place: record.head.place.clone(),
                        holds,
                        wants,
                    });
                }
            }
        }
        (rivals, writers)
    }

    fn act(&mut self, name: &TaskName, plan: &Plan) {
        let now = self.engine.time();
        let minted = &mut self.minted;
        let mint = || {
            *minted += 1;
            InstanceId(Uuid::from_u128(*minted))
        };
        let actor = self.actors.get_mut(name).expect("a task that is known");
        self.notes.extend(enact(&mut actor.record, plan, mint, now));
        actor.plan = plan.clone();
        let second = now.mono.0.as_secs();
        let prefix = if self.actors.len() > 1 { format!("{} ", name.name) } else { String::new() };
        let failure = plan
            .refuse
            .iter()
            .map(|it| format!("refuse revision {}: {}: {}", it.revision, it.reason, it.message));
        let ready = plan.ready.iter().map(|revision| format!("revision {revision} is ready"));
        let pull = plan.pull.iter().map(|pull| format!("pull {}", pull.image));
        let steps = plan.steps.iter().map(ToString::to_string);
        let lines = failure.chain(ready).chain(pull).chain(steps);
        self.log.extend(lines.map(|line| format!("{second}s {prefix}{line}")));
        if plan.vanished {
            self.log.push(format!("{second}s {prefix}vanished"));
            self.actors.remove(name);
            return;
        }
        if let Some(pull) = &plan.pull {
            let outcome = self.engine.pull(pull.image.as_str());
            self.actors.get_mut(name).unwrap().pulled.push((pull.revision, outcome));
        }
        for planned in &plan.steps {
            let Some(report) = self.perform(name, planned) else { continue };
            let actor = self.actors.get_mut(name).unwrap();
            if matches!(planned.step, Step::Stop(..)) && !self.engine.slow_stops.is_zero() {
                let at = now.mono + self.engine.slow_stops;
                actor.flights.push((at, planned.seat, report));
            } else {
                actor.reports.push((planned.seat, report));
            }
        }
    }

    /// Does a step on the engine.
    fn perform(&mut self, name: &TaskName, planned: &Planned) -> Option<Report> {
        if !planned.step.is_effect() {
            return None;
        }
        let lost = || Outcome::Unknown("the answer was lost".to_owned());
        let losing = self.lose > 0;
        self.lose = self.lose.saturating_sub(1);
        let is_done = !losing || self.lose.is_multiple_of(2);
        if let (Step::Start(id), false) = (&planned.step, is_done) {
            // It is done all the same, when nobody waits for it any more.
            self.engine.late_starts.push((self.engine.now + secs(5), id.clone()));
        }
        let record = &self.actors[name].record;
        let instance = &record.instances[&planned.seat];
        let network = network_name(&self.maker.worker, &name.namespace);
        if let Step::Create = planned.step {
            let spec = blueprint(&self.maker, record, instance).expect("an image is known");
            let outcome = is_done.then(|| self.engine.create(&spec));
            let outcome = outcome.filter(|_| !losing);
            let lost = || Outcome::Unknown("the answer was lost".to_owned());
            let outcome = outcome.unwrap_or_else(lost);
            return Some(Report::Created(outcome));
        }
        let engine = &mut self.engine;
        let outcome = match &planned.step {
            _ if !is_done => lost(),
            Step::MakeNetwork => {
                engine.networks.insert(network);
                Outcome::Done(())
            }
            Step::MakeVolume(volume) => {
                engine.volumes.insert(volume.clone());
                Outcome::Done(())
            }
            Step::Start(id) => engine.start(id, Some(network)),
            Step::Stop(id, _) => engine.stop(id),
            Step::Remove(id) => engine.remove(id),
            Step::Unpause(id) => engine.change(id, |it| {
                it.status = crate::domain::container::Status::Running;
            }),
            Step::Rename(id) => {
                let name = crate::domain::container::container_name(
                    &self.maker.worker,
                    name,
                    planned.seat,
                );
                engine.change(id, |it| it.name = name)
            }
            Step::Update(id, resources) => engine.change(id, |it| {
                let limits = &mut it.details.get_or_insert_default().limits;
                limits.memory = resources.limits.memory.or(limits.memory);
                limits.nano_cpus = resources.limits.nano_cpus.or(limits.nano_cpus);
                limits.pids = resources.limits.pids.or(limits.pids);
            }),
            Step::Connect(id) => engine.change(id, |it| {
                it.details.get_or_insert_default().networks.insert(network);
            }),
            Step::Begin { .. } | Step::Drop | Step::Cancel | Step::Forget | Step::Create => {
                unreachable!("no effect, or done above")
            }
        };
        let outcome = if losing { lost() } else { outcome };
        Some(match &planned.step {
            Step::Start(_) => Report::Started(outcome),
            other => Report::Other(other.name(), outcome),
        })
    }

    /// Looks and lets time pass until nothing is to be done, `limit` at most. Tells the steps.
    pub fn run(&mut self) -> String {
        self.run_for(secs(3600));
        for actor in self.actors.values() {
            assert!(
                actor.plan.is_idle(),
                "not idle after an hour:\n{}\n{}",
                self.log.join("\n"),
                actor.plan
            );
        }
        self.stays_idle();
        self.told()
    }

    /// What was done since this was asked last.
    pub fn told(&mut self) -> String {
        let mut text = std::mem::take(&mut self.log).join("\n");
        text.push('\n');
        text
    }

    /// Looks and lets time pass for that long, or until nothing is to be done.
    pub fn run_for(&mut self, limit: Duration) {
        let until = self.engine.now + limit;
        let mut same_moment = 0;
        loop {
            let names: Vec<TaskName> = self.actors.keys().cloned().collect();
            let plans: Vec<Plan> = names.iter().map(|name| self.look_at(name)).collect();
            if plans.iter().any(is_busy) || self.actors.values().any(Actor::has_news) {
                same_moment += 1;
                assert!(same_moment < 200, "no end of steps:\n{}", self.log.join("\n"));
                continue;
            }
            same_moment = 0;
            let flights = self.actors.values().flat_map(|actor| &actor.flights);
            let landing = flights.map(|(at, ..)| *at).min();
            let end = self.engine.next_end().map(|(at, ..)| at).into_iter().chain(landing).min();
            let idle = plans.iter().all(Plan::is_idle);
            let wake = plans.iter().filter_map(|plan| plan.wake_at).chain(end).min();
            match wake.filter(|at| *at <= until) {
                Some(_) if idle && end.is_none() => return,
                Some(at) => self.engine.pass_to(at.max(self.engine.now + Duration::from_millis(1))),
                None => {
                    if !idle {
                        self.engine.pass_to(until);
                    }
                    return;
                }
            }
        }
    }

    /// Nothing is done once nothing is to be done, however long one looks.
    pub fn stays_idle(&mut self) {
        if self.engine.next_end().is_some() {
            return;
        }
        let names: Vec<TaskName> = self.actors.keys().cloned().collect();
        for wait in [0, 1, 5, 60, 700] {
            self.engine.pass_to(self.engine.now + secs(wait));
            for name in &names {
                let plan = self.look_at(name);
                assert!(plan.is_idle(), "{wait} s later:\n{plan}");
                assert!(plan.proven.is_empty() && plan.ready.is_none(), "{wait} s later:\n{plan}");
            }
        }
    }

    /// The names of what runs, without what all have in common.
    pub fn running(&self) -> BTreeSet<String> {
        let short = |name: &str| name.replace("evenkeel.default.default.", "");
        self.engine.running().map(|held| short(&held.container.name)).collect()
    }

    /// Changes the container of that (short) name behind evenkeel's back.
    pub fn tamper(&mut self, name: &str, change: impl FnOnce(&mut Container)) {
        let full = format!("evenkeel.default.default.{name}");
        let held = self.engine.containers.values_mut().find(|it| it.container.name == full);
        change(&mut held.expect("a container of that name").container);
    }
}

impl Actor {
    fn forget_calls(&mut self) {
        self.reports.clear();
        self.flights.clear();
        self.pulled.clear();
    }

    /// What was under way and has ended by now is reported.
    fn land(&mut self, now: Mono) {
        for (at, seat, report) in std::mem::take(&mut self.flights) {
            if at <= now {
                self.reports.push((seat, report));
            } else {
                self.flights.push((at, seat, report));
            }
        }
    }

    fn has_news(&self) -> bool {
        !self.reports.is_empty() || !self.pulled.is_empty()
    }
}

fn is_busy(plan: &Plan) -> bool {
    plan.revise
        || plan.refuse.is_some()
        || plan.pull.is_some()
        || !plan.steps.is_empty()
        || plan.ready.is_some()
        || !plan.proven.is_empty()
}

fn target_of(record: &Record) -> &Task {
    match target::choose(record) {
        Choice::Use(target) => target.task,
        Choice::Revise => &record.head.task,
    }
}

fn ours(engine: &Engine, name: &TaskName) -> Vec<(Identity, Container)> {
    let all = engine.containers.values().map(|held| &held.container);
    all.filter_map(|it| Identity::from_labels(&it.labels).map(|who| (who, it.clone())))
        .filter(|(who, _)| who.task == *name)
        .collect()
}

/// What the engine says of each instance's container: looked for by id, else by name.
fn see(engine: &Engine, record: &Record) -> BTreeMap<Seat, Seen> {
    let find = |seat: Seat| {
        let instance = &record.instances[&seat];
        let held = match &instance.container {
            Some(id) => engine.containers.get(id),
            None => engine.containers.values().find(|held| {
                let who = Identity::from_labels(&held.container.labels);
                who.is_some_and(|who| who.instance == instance.id)
            }),
        };
        held.map_or(Seen::Absent, |held| Seen::Present(Arc::new(held.container.clone())))
    };
    record.instances.keys().map(|seat| (*seat, find(*seat))).collect()
}

/// A refusal of the engine that no try will change.
pub fn never(cause: Cause, message: &str) -> Rejection {
    Rejection { cause, retry: Retry::Never, message: message.to_owned() }
}

/// A refusal of the engine that may not be one the next time.
pub fn later(cause: Cause, message: &str) -> Rejection {
    Rejection { cause, retry: Retry::Later, message: message.to_owned() }
}
