//! Asking instances how they are: whom, when, and whose answers say something new.
//!
//! Counting is `domain`'s ([`Checkup`]). A look at a task is asked for only where its health has
//! become another one, so that a thousand answers that say the same cost no look.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Worker;
use super::engine::Finished;
use super::mail::Mail;
use crate::domain::container::{Container, Status, network_name};
use crate::domain::health::Checkup;
use crate::domain::instance::{ContainerId, Seat, State};
use crate::domain::name::TaskName;
use crate::domain::probe::{Action, Answer, ProbeKind, told_exit};
use crate::domain::ready::{before, probes_of};
use crate::domain::time::{Mono, Timestamp};
use crate::domain::world::Seen;
use crate::probe;
use crate::runtime::{Exec, Runtime};

/// How many are asked at once: each takes a connection.
const PROBES_AT_ONCE: usize = 64;

/// Whom an answer is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    task: TaskName,
    seat: Seat,
    kind: ProbeKind,
}

/// The instances that are asked how they are.
#[derive(Debug)]
pub(super) struct Probing {
    by_task: BTreeMap<TaskName, BTreeMap<Seat, Patient>>,
    due: BTreeSet<(Mono, TaskName, Seat)>,
    /// How many are being asked.
    pub(super) under_way: usize,
    places: Arc<Semaphore>,
}

impl Default for Probing {
    fn default() -> Self {
        Self {
            by_task: BTreeMap::new(),
            due: BTreeSet::new(),
            under_way: 0,
            places: Arc::new(Semaphore::new(PROBES_AT_ONCE)),
        }
    }
}

/// One instance that is asked.
#[derive(Debug)]
struct Patient {
    container: ContainerId,
    /// When its process began: of another one nothing is known.
    process: Option<Timestamp>,
    address: Option<IpAddr>,
    checkup: Checkup,
    /// When it is in `due` for.
    due: Option<Mono>,
    /// Programs of earlier times that still run in it.
    late: BTreeMap<ProbeKind, String>,
}

impl Probing {
    /// When somebody is to be asked.
    pub(super) fn wake_at(&self) -> Option<Mono> {
        self.due.first().map(|(at, ..)| *at)
    }

    fn forget(&mut self, task: &TaskName, keep: impl Fn(Seat) -> bool) {
        let Some(patients) = self.by_task.get_mut(task) else { return };
        patients.retain(|seat, patient| {
            let stays = keep(*seat);
            if let (false, Some(at)) = (stays, patient.due) {
                self.due.remove(&(at, task.clone(), *seat));
            }
            stays
        });
        if patients.is_empty() {
            self.by_task.remove(task);
        }
    }

    /// Notes when a patient is to be asked next.
    fn schedule(&mut self, task: &TaskName, seat: Seat) {
        let patient = self.by_task.get_mut(task).and_then(|it| it.get_mut(&seat));
        let Some(patient) = patient else { return };
        let next = patient.checkup.next().map(|(at, _)| at);
        let before = std::mem::replace(&mut patient.due, next);
        if before != next {
            if let Some(at) = before {
                self.due.remove(&(at, task.clone(), seat));
            }
            if let Some(at) = next {
                self.due.insert((at, task.clone(), seat));
            }
        }
    }
}

impl<R: Runtime> Worker<R> {
    /// Asks those of a task that are to be asked from now on, and no others.
    pub(super) fn probe_instances(&mut self, name: &TaskName) {
        let Some(record) = self.records.get(name) else {
            self.probing.forget(name, |_| false);
            return;
        };
        let network = network_name(&self.setting.maker.worker, &name.namespace);
        let mut wanted = BTreeMap::new();
        for (seat, instance) in &record.instances {
            let runs = instance.state == State::Running && instance.stopping.is_none();
            let probes = probes_of(record, instance).filter(|probes| runs && !probes.is_empty());
            let Some((probes, id)) = probes.zip(instance.container.as_ref()) else { continue };
            if let Seen::Present(container) = self.sightings.seen(id)
                && container.status == Status::Running
            {
                wanted.insert(*seat, (probes, instance, container));
            }
        }
        let now = self.clock.now();
        self.probing.forget(name, |seat| wanted.contains_key(&seat));
        for (seat, (probes, instance, container)) in wanted {
            let process = container.details.as_ref().and_then(|details| details.started_at);
            let address = address_of(&container, &network);
            let patients = self.probing.by_task.entry(name.clone()).or_default();
            if let Some(patient) = patients.get_mut(&seat)
                && patient.container == container.id
                && patient.process == process
                && **patient.checkup.probes() == *probes
            {
                patient.address = address;
                continue;
            }
            let age = process.map(|it| now.wall.since(it)).unwrap_or_default();
            let before = before(record, instance, probes, age);
            let patient = Patient {
                container: container.id.clone(),
                process,
                address,
                checkup: Checkup::begin(Arc::new(probes.clone()), before, now.mono),
                due: None,
                late: BTreeMap::new(),
            };
            let due = patients.insert(seat, patient).and_then(|before| before.due);
            if let Some(at) = due {
                self.probing.due.remove(&(at, name.clone(), seat));
            }
            self.probing.schedule(name, seat);
            let health = self.probing.by_task[name][&seat].checkup.health().clone();
            self.mail.entry(name.clone()).or_default().push(Mail::Health(seat, health));
            self.queue.add(name.clone());
        }
    }

    /// Asks those whose time has come.
    pub(super) fn ask_probes(&mut self, now: Mono) {
        while let Some((at, task, seat)) = self.probing.due.first().cloned()
            && at <= now
        {
            self.ask_probe(&task, seat, now);
            self.probing.schedule(&task, seat);
        }
    }

    fn ask_probe(&mut self, task: &TaskName, seat: Seat, now: Mono) {
        let patient = self.probing.by_task.get_mut(task).and_then(|it| it.get_mut(&seat));
        let Some(patient) = patient else { return };
        let Some((_, kind)) = patient.checkup.next() else { return };
        if self.engine.unavailable.is_some() {
            // Whether it still runs is not known.
            patient.checkup.postpone(kind, now);
            return;
        }
        let late = patient.late.get(&kind).cloned();
        let (id, address) = (patient.container.clone(), patient.address);
        let Some(probe) = patient.checkup.ask(kind) else { return };
        let (action, limit) = (probe.action.clone(), probe.timeout());
        let (runtime, places) = (Arc::clone(&self.runtime), Arc::clone(&self.probing.places));
        let asked = Asked { task: task.clone(), seat, kind };
        // A program is run by the engine, wherever that is; the rest is asked from here.
        let address = address.filter(|_| self.local_engine);
        self.probing.under_way += 1;
        self.jobs.spawn(async move {
            let _place = places.acquire().await.ok();
            let (answer, late) = match &action {
                Action::Exec(command) => run(&*runtime, &id, command, (limit, late)).await,
                Action::HttpGet(get) => match address {
                    Some(address) => (probe::http_get(address, get, limit).await, None),
                    None => (no_address(), None),
                },
                Action::TcpSocket(port) => match address {
                    Some(address) => (probe::tcp_socket(address, *port, limit).await, None),
                    None => (no_address(), None),
                },
            };
            Finished::Probed { asked, container: id, at: now, answer, late }
        });
    }

    /// Takes an answer.
    pub(super) fn on_probed(
        &mut self,
        asked: Asked,
        container: &ContainerId,
        at: Mono,
        (answer, late): (Answer, Option<String>),
    ) {
        let now = self.clock.now().mono;
        self.probing.under_way -= 1;
        let Asked { task, seat, kind } = asked;
        let patient = self.probing.by_task.get_mut(&task).and_then(|it| it.get_mut(&seat));
        // It may be about one that is no longer asked.
        let Some(patient) = patient.filter(|patient| patient.container == *container) else {
            return;
        };
        match late {
            Some(exec) => patient.late.insert(kind, exec),
            None => patient.late.remove(&kind),
        };
        if patient.checkup.take(kind, answer, (at, now)) {
            let health = patient.checkup.health().clone();
            self.post(&task, Mail::Health(seat, health));
        }
        self.probing.schedule(&task, seat);
    }
}

/// Where a container can be reached from this host.
fn address_of(container: &Container, network: &str) -> Option<IpAddr> {
    let networks = &container.details.as_ref()?.networks;
    if networks.contains_key("host") {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    let ours = networks.get(network).and_then(|endpoint| endpoint.address);
    ours.or_else(|| networks.values().find_map(|endpoint| endpoint.address))
}

fn no_address() -> Answer {
    Answer::Unknown("it has no address that can be reached from this host".to_owned())
}

/// Runs a program in a container; not beside one of an earlier time that still runs.
async fn run<R: Runtime>(
    runtime: &R,
    id: &ContainerId,
    command: &[String],
    (limit, late): (Duration, Option<String>),
) -> (Answer, Option<String>) {
    let still = || Answer::Failure(format!("it has not ended within {} s", limit.as_secs()));
    if let Some(exec) = late {
        match runtime.exec_runs(&exec).await {
            Ok(true) => return (still(), Some(exec)),
            Ok(false) => {}
            Err(error) => return (Answer::Unknown(error.to_string()), Some(exec)),
        }
    }
    match runtime.exec(id, command, limit).await {
        Ok(Exec::Ended { code: 0, .. }) => (Answer::Success, None),
        Ok(Exec::Ended { code, output }) => (Answer::Failure(told_exit(code, &output)), None),
        Ok(Exec::NotStarted(message)) => (Answer::Failure(message), None),
        Ok(Exec::Late { exec }) => (still(), Some(exec)),
        Err(error) => (Answer::Unknown(error.to_string()), None),
    }
}
