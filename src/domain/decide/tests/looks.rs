//! What the worker does of a play: look, decide, write down, do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::engine::Engine;
use super::play::Play;
use super::tasks::secs;
use crate::domain::blueprint::blueprint;
use crate::domain::container::{
    Container, Endpoint, Identity, Status, container_name, network_name,
};
use crate::domain::decide::decide;
use crate::domain::decide::in_force;
use crate::domain::desired::Presence;
use crate::domain::enact::enact;
use crate::domain::event::Severity;
use crate::domain::exclusive::{self, FixedPort, Made};
use crate::domain::instance::{InstanceId, Seat};
use crate::domain::judge::Judge;
use crate::domain::name::TaskName;
use crate::domain::outcome::Outcome;
use crate::domain::plan::{Plan, Planned, Step};
use crate::domain::record::Record;
use crate::domain::settle::{self, Report};
use crate::domain::task::Task;
use crate::domain::time::Mono;
use crate::domain::world::{Engine as Known, PortRival, Seen, World, Writer};

impl Play {
    /// One look at a task, and what it decides is done.
    pub fn look_at(&mut self, name: &TaskName) -> Plan {
        let now = self.engine.time();
        self.listed |= self.engine.up && !self.blind;
        let known = Known {
            unavailable: (!self.engine.up || !self.listed).then(|| "connection refused".to_owned()),
            started_at: Some(self.engine.started_at),
            changed: None,
            another_since: None,
            source_changed: None,
            host: self.engine.host.clone(),
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
        let mut unknown_container = false;
        if self.engine.up && !self.blind {
            let found = ours(&self.engine, name);
            let known_ids: Vec<_> =
                actor.record.instances.values().filter_map(|it| it.container.clone()).collect();
            unknown_container =
                found.iter().any(|(_, it)| it.details.is_none() && !known_ids.contains(&it.id));
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
            in_doubt: actor.in_doubt,
            source_read: self.source_read,
            going_down: false,
            judge: Judge { policy: &self.policy, source: &self.maker.source, leads: &self.leads },
            engine: &known,
            seen,
            in_flight: actor.flights.iter().map(|(_, seat, _)| (*seat, "stop")).collect(),
            pulling: false,
            network: !self.engine.networks.is_empty(),
            volumes: self.engine.volumes.clone(),
            registries: &self.registries,
            port_rivals: rivals,
            busy_ports: self.busy_ports(name),
            writers,
            restart_at: Mono::default(),
            unknown_container,
            loose: self.loose.clone(),
        };
        let plan = decide(&world);
        self.promises.plan(&world, &plan);
        let plan = self.act(name, plan);
        self.promises.hold(&self.engine, &self.maker.worker);
        plan
    }

    /// The ports that a task wants and a process has which is not ours, as the worker finds out: by
    /// taking them itself.
    fn busy_ports(&self, name: &TaskName) -> BTreeSet<FixedPort> {
        let held = self.engine.running().flat_map(|it| exclusive::fixed_ports(&it.template));
        let held: Vec<FixedPort> = held.chain(self.engine.taken.iter().copied()).collect();
        let wanted = exclusive::fixed_ports(&in_force(&self.actors[name].record).template);
        wanted.filter(|port| held.iter().any(|it| it.meets(*port))).collect()
    }

    fn others(&self, name: &TaskName) -> (Vec<PortRival>, Vec<Writer>) {
        let me = &self.actors[name].record;
        let wanted: Vec<_> = exclusive::fixed_ports(&in_force(me).template).collect();
        let mut rivals = Vec::new();
        let mut writers = Vec::new();
        for (other, actor) in &self.actors {
            let record = &actor.record;
            let holding = || record.instances.values().filter(|it| it.is_live() && it.start_sent);
            for instance in holding() {
                let task = &record.revisions[&instance.revision].task;
                let id = instance.container.as_ref();
                let held = id.and_then(|id| self.engine.containers.get(id));
                let made = Made::seen(task, held.map(|held| &held.container.writes));
                writers.extend(made.written(&self.maker.worker).map(|written| Writer {
                    written,
                    task: other.clone(),
                    seat: instance.seat,
                }));
            }
            if other == name {
                continue;
            }
            let task = in_force(record);
            let ports = |task: &Task| exclusive::fixed_ports(&task.template).collect::<Vec<_>>();
            let stays = !record.head.is_suspended() && actor.presence != Presence::Gone;
            let theirs = if stays { ports(task) } else { Vec::new() };
            let held: Vec<FixedPort> =
                holding().flat_map(|it| ports(&record.revisions[&it.revision].task)).collect();
            let who = (other, &record.head.place);
            rivals.extend(PortRival::between(&wanted, who, &held, &theirs));
        }
        (rivals, writers)
    }

    fn act(&mut self, name: &TaskName, mut plan: Plan) -> Plan {
        let now = self.engine.time();
        let minted = &mut self.minted;
        let mint = || {
            *minted += 1;
            InstanceId(Uuid::from_u128(*minted))
        };
        let actor = self.actors.get_mut(name).expect("a task that is known");
        self.notes.extend(enact(&mut actor.record, &mut plan, mint, now));
        let bug = self.notes.iter().find(|note| note.severity == Severity::Error);
        assert!(bug.is_none(), "{bug:?}");
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
            return plan;
        }
        if let Some(pull) = &plan.pull {
            let outcome = self.engine.pull(pull.image.as_str());
            self.registries.note(&pull.image, &outcome, now.mono);
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
        plan
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
        // Whatever comes of it: that it is to end is written down, and nobody takes it back.
        if let Step::Stop(id, _) = &planned.step
            && let Some(held) = engine.containers.get_mut(id)
        {
            held.leaves = true;
        }
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
                it.status = Status::Running;
            }),
            Step::Rename(id) => {
                let name = container_name(&self.maker.worker, name, planned.seat);
                engine.change(id, |it| it.name = name)
            }
            Step::Update(id, resources) => {
                let resources = engine.kept(*resources);
                engine.change(id, |it| {
                    let details = it.details.get_or_insert_default();
                    let (limits, reserved) = (&mut details.limits, &mut details.reserved);
                    limits.memory = resources.limits.memory.or(limits.memory);
                    limits.nano_cpus = resources.limits.nano_cpus.or(limits.nano_cpus);
                    limits.pids = resources.limits.pids.or(limits.pids);
                    let new = resources.requests.reserved();
                    reserved.cpu_shares = new.cpu_shares.or(reserved.cpu_shares);
                    reserved.memory = new.memory.or(reserved.memory);
                    details.restarts = None;
                })
            }
            Step::Connect(id) => engine.change(id, |it| {
                it.details.get_or_insert_default().networks.insert(network, Endpoint::default());
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
