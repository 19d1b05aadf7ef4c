//! What the engine says, taken in: it makes names to look at, never more.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::engine::{self, Besides, Finished, Start, Whole};
use super::sightings::Answer;
use super::steps::Done;
use super::{Goal, Mail, Worker};
use crate::domain::container::{Container, network_name};
use crate::domain::instance::{ContainerId, Seat};
use crate::domain::name::TaskName;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::settle::Report;
use crate::domain::time::{Mono, jittered};
use crate::domain::world::Seen;
use crate::runtime::{EngineEvent, Runtime, Unreachable};

/// How often everything is listed.
pub(super) const LIST_EVERY: Duration = Duration::from_secs(30);

/// The longest wait before an engine that can't be asked is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// When everything is asked for.
#[derive(Debug, Default)]
pub(super) struct Relisting {
    pub(super) under_way: bool,
    pub(super) wanted: Option<Afresh>,
    pub(super) at: Mono,
    pub(super) failures: u32,
}

/// How much is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Afresh {
    Containers,
    Everything,
}

impl<R: Runtime> Worker<R> {
    /// Something happened in the engine.
    pub(super) fn on_event(&mut self, event: EngineEvent) {
        match event {
            EngineEvent::Container(id) => self.inspect(&id),
            EngineEvent::Resource => self.relist(Afresh::Everything),
            EngineEvent::Relist => {
                self.lose_start();
                self.relist(Afresh::Everything);
            }
        }
    }

    /// Asks for everything, now or as soon as the answer to the last time is there.
    pub(super) fn relist(&mut self, afresh: Afresh) {
        if self.relisting.under_way {
            self.relisting.wanted = self.relisting.wanted.max(Some(afresh));
            return;
        }
        self.relisting.under_way = true;
        self.relisting.wanted = None;
        let afresh = afresh == Afresh::Everything;
        let besides = Besides {
            info: afresh || (self.engine_info.is_none() && !self.itself.is_asked()),
            start: afresh,
            resources: afresh || !self.resources_known,
        };
        let worker = self.setting.maker.worker.clone();
        let asked = self.clock.now().mono;
        self.jobs.spawn(engine::relist(Arc::clone(&self.runtime), worker, besides, asked));
        self.relisting.at = asked + self.jittered(LIST_EVERY);
    }

    /// Asks for one container.
    pub(super) fn inspect(&mut self, id: &ContainerId) {
        let asked = self.clock.now().mono;
        if !self.meeting.is_in_doubt() && self.sightings.begin_inspect(id, asked) {
            let (runtime, id) = (Arc::clone(&self.runtime), id.clone());
            let places = Arc::clone(&self.inspect_places);
            self.jobs.spawn(async move {
                let _place = places.acquire().await;
                let answer = runtime.inspect(&id).await.map(|found| found.map(Arc::new));
                Finished::Inspected { id, asked, answer }
            });
        }
    }

    /// A call to the engine has ended.
    pub(super) fn on_finished(&mut self, finished: Finished) {
        match finished {
            Finished::Step { task, seat, container, done } => {
                for (task, seat) in self.makes.ended(&done, (task, seat)) {
                    self.on_step(&task, seat, container.clone(), done.clone());
                }
            }
            Finished::Probed { asked, container, at, answer, late } => {
                self.on_probed(asked, &container, at, (answer, late));
            }
            Finished::Pulled(image, policy, outcome) => {
                let now = self.clock.now().mono;
                for (task, revision) in self.pulls.ended((&image, policy), &outcome, now) {
                    self.post(&task, Mail::Pull(revision, outcome.clone()));
                }
            }
            Finished::Inspected { id, asked, answer } => self.on_inspected(&id, asked, answer),
            Finished::Info { asked, answer } => self.on_info(asked, answer),
            Finished::Start { asked, answer } => self.on_start(asked, answer),
            Finished::Host { of, answer } => self.on_host(of, answer),
            Finished::Relisted { asked, answer } => self.on_relisted(asked, answer),
            Finished::Resources { asked, answer } => self.on_resources(asked, answer),
            Finished::NetworkRemoved(name, outcome) => self.on_network_removed(&name, outcome),
            Finished::Led(found, more) => self.on_led(found, more),
            Finished::Received(done) => self.on_received(done),
        }
    }

    fn on_step(&mut self, task: &TaskName, seat: Seat, container: Option<ContainerId>, done: Done) {
        // One moment for all of it: a list that is asked for now is younger than what ended now.
        let now = self.clock.now();
        if let Some(seats) = self.in_flight.get_mut(task) {
            seats.remove(&seat);
            if seats.is_empty() {
                self.in_flight.remove(task);
            }
        }
        self.learn(task, &done);
        let made = match &done.report {
            Report::Created(Outcome::Done(id)) => Some(id.clone()),
            Report::Created(Outcome::Unknown(_)) => {
                self.relist(Afresh::Containers);
                None
            }
            // It leads elsewhere than it did when it was looked at.
            Report::Created(Outcome::Rejected(it)) if it.cause == Cause::PolicyDenied => {
                if let Some(record) = self.records.get(task).cloned() {
                    self.ask_for(&record, true);
                }
                None
            }
            // One of ours that is not known.
            Report::Created(Outcome::Rejected(it)) if it.cause == Cause::NameTaken => {
                self.relist(Afresh::Containers);
                None
            }
            _ => None,
        };
        if let Some(id) = made.or(container) {
            if matches!(done.report, Report::Other("remove", Outcome::Done(()))) {
                self.sightings.removed(&id, now.mono);
            } else {
                self.sightings.touch(&id, task, now.mono);
                self.inspect(&id);
            }
        }
        if let Some((instance, log)) = done.log {
            self.post(task, Mail::Log(instance, log));
        }
        self.post(task, Mail::Step(seat, done.report, now));
    }

    /// What a step says of networks and volumes.
    fn learn(&mut self, task: &TaskName, done: &Done) {
        match (&done.report, &done.resource) {
            (Report::Other("make-network", Outcome::Done(())), Some(name)) => {
                self.networks.insert(name.clone());
                self.resources_moved();
            }
            (Report::Other("make-volume", Outcome::Done(())), Some(name)) => {
                self.volumes.insert(name.clone());
                self.resources_moved();
            }
            (
                Report::Created(Outcome::Rejected(rejection))
                | Report::Started(Outcome::Rejected(rejection))
                | Report::Other("connect", Outcome::Rejected(rejection)),
                _,
            ) if rejection.cause == Cause::NetworkMissing => {
                self.networks.remove(&network_name(&self.setting.maker.worker, &task.namespace));
            }
            _ => {}
        }
    }

    fn on_inspected(
        &mut self,
        id: &ContainerId,
        asked: Mono,
        answer: Result<Option<Arc<Container>>, Unreachable>,
    ) {
        let of_another = Err(Unreachable("it may be another engine's".to_owned()));
        let seen = match if self.meeting.is_in_doubt() { of_another } else { answer } {
            Ok(Some(container)) => Seen::Present(container),
            Ok(None) => Seen::Absent,
            Err(error) => {
                warn!(container = id.short(), %error, "a container could not be looked at");
                self.on_not_inspected(id);
                return;
            }
        };
        let worker = &self.setting.maker.worker;
        let is_absent = seen == Seen::Absent;
        let answer = Answer { asked, came: self.clock.now().mono, seen };
        let (task, again) = self.sightings.inspected(id, answer, worker);
        if again {
            self.inspect(id);
        }
        if let Some(task) = task {
            self.judge_end(id, &task);
            self.on_news(task);
        }
        if is_absent && self.let_go.remove(id) {
            self.sightings.forget(id);
        }
    }

    /// Something new is known of a task's containers. What they have is noted before any task is
    /// looked at again; who waits for what no record has is told by nobody else.
    pub(super) fn on_news(&mut self, task: TaskName) {
        let mut waiting = self.index.around_loose(&task);
        let record = self.records.get(&task);
        self.index.update(&self.setting.maker.worker, &task, record, &self.sightings);
        waiting.extend(self.index.around_loose(&task));
        for name in waiting {
            self.queue.add(name);
        }
        self.discover(&task);
        self.queue.add(task);
    }

    /// An inspect got no answer. The list tells whether that is the engine's trouble or one
    /// container's, and has the container inspected again.
    fn on_not_inspected(&mut self, id: &ContainerId) {
        let now = self.clock.now().mono;
        match self.sightings.failed(id, now) {
            None => {}
            Some((failures, at)) => {
                if failures == 1 {
                    self.relist(Afresh::Containers);
                }
                self.relisting.at = self.relisting.at.min(at);
            }
        }
    }

    fn on_relisted(&mut self, asked: Mono, answer: Result<Whole, Unreachable>) {
        self.relisting.under_way = false;
        match answer {
            Ok(whole) => self.take_whole(whole, asked),
            Err(error) => self.lose_engine(&error),
        }
        if let Some(afresh) = self.relisting.wanted.take() {
            self.relist(afresh);
        }
    }

    fn lose_engine(&mut self, error: &Unreachable) {
        self.lose_itself();
        self.hold_off(error.0.clone());
    }

    /// Decides nothing until a list is taken in.
    pub(super) fn hold_off(&mut self, why: String) {
        let doublings = self.relisting.failures.min(5);
        self.relisting.failures += 1;
        self.relisting.wanted = None;
        let wait = Duration::from_secs(1 << doublings).min(LONGEST_WAIT);
        self.relisting.at = self.clock.now().mono + wait;
        self.resources_known = false;
        if self.engine.unavailable.as_ref() != Some(&why) {
            warn!(message = why, "the engine can't be asked; nothing is decided until it can");
            self.engine.unavailable = Some(why);
            self.look_at_all();
        }
    }

    fn take_whole(&mut self, whole: Whole, asked: Mono) {
        if let Some(info) = whole.info {
            self.learn_info(info, asked);
        }
        if !self.may_take(&whole.containers, asked) {
            return;
        }
        self.relisting.failures = 0;
        if whole.containers.is_empty() && self.sightings.listed_at.is_none() && !self.listed_empty {
            // All is made anew where nothing is there: that is asked for twice.
            self.listed_empty = true;
            self.relist(Afresh::Everything);
            return;
        }
        if let Some(Start(started_at)) = whole.start {
            self.learn_start(started_at, asked);
        }
        self.ask_unknown();
        if let Some(resources) = whole.resources {
            self.take_resources(resources, asked);
        }
        let worker = self.setting.maker.worker.clone();
        let listed = self.sightings.listed(whole.containers, asked, &worker, &self.let_go);
        let mine = &self.setting.maker.source;
        let other = listed
            .sources
            .into_iter()
            .find(|source| source != mine && !self.approved_sources.contains(source))
            // Everything of this worker's name is to go, wherever it was made from.
            .filter(|_| self.goal != Goal::Down);
        let source_news = self.engine.source_changed != other;
        self.engine.source_changed = other;
        for id in &listed.inspect {
            self.inspect(id);
        }
        for task in listed.tasks {
            self.on_news(task);
        }
        self.look_at_doubtful();
        self.look_at_seen_under();
        let back = self.engine.unavailable.take().is_some();
        if back {
            self.engine.reached_at = self.clock.now().mono;
            self.sightings.forgive();
        }
        if back {
            info!("the engine answers");
        }
        if source_news {
            self.tell_of_other_source();
        }
        if back || source_news {
            self.expect_known();
            self.look_at_all();
        }
        self.remove_networks();
    }

    /// A list is what those wait for whose container may have been made or not.
    fn look_at_doubtful(&self) {
        for (name, record) in &self.records {
            let doubtful =
                |seat| record.instances.get(seat).is_some_and(|it| it.container.is_none());
            if record.troubles.keys().any(doubtful) {
                self.queue.add(name.clone());
            }
        }
    }

    /// Has every container that the records know looked at.
    fn expect_known(&mut self) {
        let mut unseen = Vec::new();
        for (name, record) in &self.records {
            for id in record.instances.values().filter_map(|instance| instance.container.as_ref()) {
                self.sightings.expect(id, name);
                if self.sightings.seen(id) == Seen::Unknown {
                    unseen.push(id.clone());
                }
            }
        }
        for id in unseen {
            self.inspect(&id);
        }
    }

    pub(super) fn look_at_all(&self) {
        for name in self.records.keys() {
            self.queue.add(name.clone());
        }
    }

    /// Keeps a report for the next look at its task.
    pub(super) fn post(&mut self, task: &TaskName, mail: Mail) {
        self.mail.entry(task.clone()).or_default().push(mail);
        self.queue.add(task.clone());
    }

    /// A wait with a tenth more or less, so that many workers don't ask at once.
    pub(super) fn jittered(&self, wait: Duration) -> Duration {
        jittered(wait, self.jitter())
    }
}
