//! What phase and conditions are told from: each slot, and the rollout as a whole.

use super::StatusInputs;
use crate::domain::decide::give_up::{given_up, given_up_once};
use crate::domain::decide::job::{self, Verdict};
use crate::domain::decide::target::{self, Choice, Progress, Target};
use crate::domain::fingerprint::Form;
use crate::domain::instance::{Instance, Seat, State};
use crate::domain::once::{self, Run};
use crate::domain::ready::is_ready;
use crate::domain::record::{Record, Refusal};
use crate::domain::task::RestartPolicy::Never;
use crate::domain::waits::Waiting;

/// What phase and conditions are told from.
pub struct Facts<'a> {
    /// How many instances are wanted now.
    pub wanted: u16,
    /// How many slots have a ready one.
    pub ready: u16,
    /// How many slots have a live one of the accepted form.
    pub updated: u16,
    /// Attempts beyond the first, as far as they are known.
    pub restarts: u32,
    /// The generation that runs now.
    pub serving_generation: Option<u64>,
    /// What failed and is gone back from.
    pub refusal: Option<&'a Refusal>,
    /// The wanted slots.
    pub slots: Vec<Slot<'a>>,
    /// How far the rollout has come.
    pub progress: Progress,
}

/// One wanted slot.
pub struct Slot<'a> {
    /// It has an instance that is ready.
    pub ready: bool,
    /// Its live instance of the form that is to be, that came last.
    pub live: Option<&'a Instance>,
    /// The one of that form that ended last.
    pub ended: Option<&'a Instance>,
    /// Its run, where no instance of it is kept.
    pub ran: Option<&'a Run>,
    /// The task is a job and this run of it is over: whether it is done.
    pub verdict: Option<Verdict>,
    /// Why it is not tried again, if it is not.
    pub given_up: Option<String>,
}

impl Slot<'_> {
    /// How it ended, for people.
    pub fn told_end(&self) -> Option<String> {
        self.ended.map(Instance::told_end).or_else(|| self.ran.map(Run::told_end))
    }
}

impl<'a> Facts<'a> {
    /// Looks at the record.
    pub fn of(inputs: &StatusInputs<'a>) -> Self {
        let record = inputs.record;
        let head = &record.head;
        let wanted = head.wanted_slots();
        let target = match target::choose(record) {
            Choice::Use(target) => Some(target),
            Choice::Revise(..) => None,
        };
        let accepted = Form::of(&head.task);
        let slots: Vec<Slot> =
            (0..wanted).map(|slot| look_at(record, target.as_ref(), slot)).collect();
        let pulling = inputs.plan.waiting.iter().any(|it| matches!(it, Waiting::Pulling(_)));
        let state = (inputs.engine, inputs.now.mono, pulling);
        let progress =
            target.as_ref().map_or(Progress::UnderWay { deadline: inputs.now.mono }, |target| {
                target::progress(record, inputs.worker, target, state)
            });
        let is_updated = |it: &Instance| it.is_live() && is_accepted(record, &accepted, it);
        let updated = (0..wanted).filter(|slot| of_slot(record, *slot).any(is_updated)).count();
        Self {
            wanted,
            ready: count(slots.iter().filter(|slot| slot.ready).count()),
            updated: count(updated),
            restarts: (0..wanted).map(|slot| restarts(record, &accepted, slot)).sum(),
            serving_generation: serving_generation(record, &accepted),
            refusal: target.as_ref().and_then(|target| target.refusal),
            slots,
            progress,
        }
    }
}

/// Whether an instance is as the manifest has it, and of the last restart by command.
fn is_accepted(record: &Record, accepted: &Form, instance: &Instance) -> bool {
    accepted.covers(&instance.fingerprint)
        && record.restart_of(instance).is_none_or(|it| it >= record.head.last_restart())
}

/// Slots are numbered by `u16`, so no count of them exceeds it.
fn count(slots: usize) -> u16 {
    u16::try_from(slots).unwrap_or(u16::MAX)
}

fn of_slot(record: &Record, slot: u16) -> impl DoubleEndedIterator<Item = &Instance> {
    let seats = Seat { slot, attempt: 0 }..=Seat { slot, attempt: u32::MAX };
    let all = record.instances.range(seats).map(|(_, instance)| instance);
    all.filter(|instance| instance.uid == record.head.uid)
}

fn look_at<'a>(record: &'a Record, target: Option<&Target>, slot: u16) -> Slot<'a> {
    let ready = of_slot(record, slot).any(|instance| is_ready(record, instance));
    let Some(target) = target else {
        // A rollout is about to begin: nothing is of its form yet.
        return Slot { ready, live: None, ended: None, ran: None, verdict: None, given_up: None };
    };
    let task = target.task;
    let of_form = |it: &&Instance| target.covers(record, it);
    let live = of_slot(record, slot).rev().filter(|it| it.is_live()).find(of_form);
    let ended = of_slot(record, slot).rev().filter(|it| it.state.is_end()).find(of_form);
    let over = ended.filter(|_| !of_slot(record, slot).any(Instance::is_live));
    let ran = once::run_of(record, slot, &target.form)
        .filter(|_| task.restart_policy == Never && live.is_none() && ended.is_none());
    let verdict = over
        .filter(|_| task.is_job())
        .map(|last| job::verdict(task, last))
        .or_else(|| ran.map(job::verdict_once));
    // What an earlier revision of the same form came to is no end of this one, but for a job.
    let counts = |last: &&Instance| task.is_job() || last.revision >= target.revision.number;
    let given_up = over
        .filter(counts)
        .and_then(|last| given_up(task, last))
        .or_else(|| ran.and_then(given_up_once));
    Slot { ready, live, ended, ran, verdict, given_up }
}

/// The generation of what runs: of the newest revision that was once ready, else of the newest.
fn serving_generation(record: &Record, accepted: &Form) -> Option<u64> {
    let running = record
        .instances
        .values()
        .filter(|it| it.state == State::Running && it.uid == record.head.uid)
        .filter_map(|it| record.revisions.get(&it.revision));
    let serving = running.max_by_key(|revision| (revision.ready, revision.number))?;
    let as_accepted = accepted.covers(&serving.fingerprint);
    Some(if as_accepted { record.head.generation } else { serving.generation })
}

/// The attempts beyond the first of the accepted form in a slot. Of those that are no longer kept
/// the failures in a row are known, and all of them where nothing else was ever tried there.
fn restarts(record: &Record, accepted: &Form, slot: u16) -> u32 {
    // What waits to be started is no restart yet.
    let begun = || of_slot(record, slot).filter(|it| it.state != State::Pending);
    let of_form = || begun().filter(|it| is_accepted(record, accepted, it));
    let Some(newest) = of_form().next_back() else { return 0 };
    if record.revisions.len() == 1 && of_form().count() == begun().count() {
        return newest.seat.attempt.saturating_sub(1);
    }
    let kept = u32::try_from(of_form().count()).unwrap_or(u32::MAX);
    kept.saturating_sub(1).max(newest.failures)
}
