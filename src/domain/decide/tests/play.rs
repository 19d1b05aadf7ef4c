//! A play: tasks, the model of the engine, and a worker that does one thing after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uuid::Uuid;

pub use super::engine::{Behaviour, Engine};
use super::promises::Promises;
pub use super::tasks::{at, job, later, never, path, port, secs, service, udp, volume};
use crate::domain::blueprint::Maker;
use crate::domain::by_command::{ByCommand, restart, resume, suspend};
use crate::domain::container::Container;
use crate::domain::desired::Presence;
use crate::domain::event::Note;
use crate::domain::instance::{Seat, State, Uid};
use crate::domain::judge::{Lead, Leads};
use crate::domain::loose::Loose;
use crate::domain::name::{Label, TaskName};
use crate::domain::outcome::Outcome;
use crate::domain::plan::Plan;
use crate::domain::policy::{Level, Policy};
use crate::domain::record::{Head, Record};
use crate::domain::registry::Registries;
use crate::domain::settle::Report;
use crate::domain::source::Place;
use crate::domain::task::Task;
use crate::domain::template::ImageRef;
use crate::domain::time::Mono;

/// The source directory.
pub const SOURCE: &str = "/srv/tasks";

/// What the worker has of a task.
pub struct Actor {
    pub record: Record,
    pub presence: Presence,
    pub in_doubt: bool,
    pub plan: Plan,
    pub reports: Vec<(Seat, Report)>,
    /// Steps that are under way, and when they end.
    pub flights: Vec<(Mono, Seat, Report)>,
    pub pulled: Vec<(u32, Outcome<String>)>,
}

pub struct Play {
    pub engine: Engine,
    pub actors: BTreeMap<TaskName, Actor>,
    /// Steps that were done, with the second they were done in.
    pub log: Vec<String>,
    pub notes: Vec<Note>,
    pub promises: Promises,
    pub maker: Maker,
    /// Anything is allowed where a story does not say otherwise.
    pub policy: Policy,
    pub leads: Leads,
    /// The engine has not answered yet about anything.
    pub blind: bool,
    /// The source was read since evenkeel started.
    pub source_read: bool,
    pub registries: Registries,
    /// Containers that no record has.
    pub loose: Vec<Loose>,
    /// The engine was asked for all there is since evenkeel started.
    pub listed: bool,
    /// The outcomes of the next so many steps are lost; those of odd number did what they were to.
    pub lose: u32,
    pub minted: u128,
}

impl Play {
    pub fn of(task: &Task) -> Self {
        let mut play = Self {
            engine: Engine::started(),
            actors: BTreeMap::new(),
            log: Vec::new(),
            notes: Vec::new(),
            promises: Promises::default(),
            maker: Maker { worker: Label::default_namespace(), source: SOURCE.to_owned() },
            policy: Policy { level: Level::Privileged, allowed_host_paths: Vec::new() },
            leads: [(SOURCE.to_owned(), Lead::To(SOURCE.to_owned()))].into(),
            blind: false,
            source_read: true,
            registries: Registries::default(),
            loose: Vec::new(),
            listed: true,
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
            actor.in_doubt = false;
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
            going: false,
            refused: None,
            suspended: None,
            restart: None,
            created_at: now.wall,
        };
        let actor = Actor {
            record: Record::accepted(head, now.mono),
            presence: Presence::There,
            in_doubt: false,
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

    /// The only task is suspended by command, or resumed.
    pub fn hold(&mut self, hold: bool) {
        let now = self.engine.time();
        let asked = ByCommand::asked(Some("alice"), now.wall);
        let record = &mut self.only().record;
        let note = if hold { suspend(record, &asked) } else { resume(record, &asked, now.mono) };
        self.notes.extend(note);
    }

    /// All instances of the only task are to be replaced.
    pub fn renew(&mut self) -> Result<(), String> {
        let asked = ByCommand::asked(Some("alice"), self.engine.time().wall);
        let note = restart(&mut self.only().record, &asked)?;
        self.notes.push(note);
        Ok(())
    }

    pub fn only(&mut self) -> &mut Actor {
        self.actors.values_mut().next().expect("a play has a task")
    }

    /// The manifest is not there, and its tombstone runs.
    pub fn missing(&mut self) {
        let since = self.engine.now;
        self.only().presence = Presence::Missing { since };
        self.only().in_doubt = true;
    }

    /// The manifest is there as it was.
    pub fn back(&mut self) {
        self.only().presence = Presence::There;
        self.only().in_doubt = false;
    }

    pub fn gone(&mut self) {
        self.only().presence = Presence::Gone;
        self.only().in_doubt = false;
    }

    /// The DB is lost: the record is made anew from the manifest.
    pub fn lose_db(&mut self) {
        let now = self.engine.now;
        self.promises.lose_db();
        self.listed = false;
        for actor in self.actors.values_mut() {
            let head = Head {
                generation: 1,
                refused: None,
                suspended: None,
                restart: None,
                ..actor.record.head.clone()
            };
            actor.record = Record::accepted(head, now);
            actor.forget_calls();
        }
    }

    /// evenkeel is killed and starts again: what is not kept over a restart is forgotten.
    pub fn restart(&mut self) {
        let now = self.engine.now;
        self.listed = false;
        for actor in self.actors.values_mut() {
            actor.forget_calls();
            actor.record.progressed_at = now;
            actor.record.pull_trouble = None;
            actor.record.troubles.clear();
            actor.record.updates.clear();
            actor.record.removing.clear();
            actor.record.repairs.clear();
            actor.record.confirmed.clear();
            actor.record.names_taken.clear();
            actor.record.health.clear();
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
        let lines = std::mem::take(&mut self.log);
        if lines.is_empty() { String::new() } else { lines.join("\n") + "\n" }
    }

    /// Looks and lets time pass for that long, or until nothing is to be done.
    pub fn run_for(&mut self, limit: Duration) {
        let until = self.engine.now + limit;
        let mut same_moment = 0;
        loop {
            let names: Vec<TaskName> = self.actors.keys().cloned().collect();
            let before = self.states();
            let plans: Vec<Plan> = names.iter().map(|name| self.look_at(name)).collect();
            // Who shares something with a task is looked at again when an instance of it moves.
            let moved = before != self.states();
            if moved || plans.iter().any(is_busy) || self.actors.values().any(Actor::has_news) {
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

    /// Every instance of every task, and its state.
    fn states(&self) -> Vec<(TaskName, Seat, State)> {
        let of = |(name, actor): (&TaskName, &Actor)| {
            let instances = actor.record.instances.values();
            instances.map(|it| (name.clone(), it.seat, it.state)).collect::<Vec<_>>()
        };
        self.actors.iter().flat_map(of).collect()
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
    pub fn land(&mut self, now: Mono) {
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
