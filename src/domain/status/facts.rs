//! What phase and conditions are told from: each slot, and the rollout as a whole.

use super::StatusInputs;
use crate::domain::decide::job::{self, Verdict};
use crate::domain::decide::service::failures_after;
use crate::domain::decide::target::{self, Choice, Progress, Target};
use crate::domain::instance::{Instance, State};
use crate::domain::record::{Record, Refusal};

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
    /// The task is a job and this run of it is over: whether it is done.
    pub verdict: Option<Verdict>,
    /// It is not tried again.
    pub given_up: bool,
}

impl<'a> Facts<'a> {
    /// Looks at the record.
    pub fn of(inputs: &StatusInputs<'a>) -> Self {
        let record = inputs.record;
        let head = &record.head;
        let wanted = head.task.wanted_slots();
        let target = match target::choose(record) {
            Choice::Use(target) => Some(target),
            Choice::Revise => None,
        };
        let slots: Vec<Slot> =
            (0..wanted).map(|slot| look_at(record, target.as_ref(), slot)).collect();
        let progress =
            target.as_ref().map_or(Progress::UnderWay { deadline: inputs.now.mono }, |target| {
                target::progress(record, inputs.worker, target, (inputs.engine, inputs.now.mono))
            });
        let is_updated = |it: &&Instance| {
            it.is_live() && it.uid == head.uid && it.fingerprint.matches(&head.task)
        };
        let updated = (0..wanted)
            .filter(|slot| of_slot(record, *slot).any(|instance| is_updated(&instance)))
            .count();
        Self {
            wanted,
            ready: count(slots.iter().filter(|slot| slot.ready).count()),
            updated: count(updated),
            restarts: (0..wanted).map(|slot| restarts(record, slot)).sum(),
            serving_generation: serving_generation(record),
            refusal: target.as_ref().and_then(|target| target.refusal),
            slots,
            progress,
        }
    }
}

/// Slots are numbered by `u16`, so no count of them exceeds it.
fn count(slots: usize) -> u16 {
    u16::try_from(slots).unwrap_or(u16::MAX)
}

fn of_slot(record: &Record, slot: u16) -> impl DoubleEndedIterator<Item = &Instance> {
    record.instances.values().filter(move |it| it.seat.slot == slot && it.uid == record.head.uid)
}

fn look_at<'a>(record: &'a Record, target: Option<&Target>, slot: u16) -> Slot<'a> {
    let task = target.map_or(&record.head.task, |target| target.task);
    let live = |current: bool| {
        of_slot(record, slot)
            .rev()
            .find(move |it| it.is_live() && it.fingerprint.matches(task) == current)
    };
    let ended =
        of_slot(record, slot).rev().find(|it| it.state.is_end() && it.fingerprint.matches(task));
    let over = ended.filter(|_| live(true).is_none() && live(false).is_none());
    let verdict = over.filter(|_| task.is_job()).map(|last| job::verdict(task, last));
    let given_up = match verdict {
        Some(verdict) => verdict == Verdict::Failed,
        None => {
            let limit = task.backoff.limit;
            over.is_some_and(|last| limit.is_some_and(|limit| failures_after(task, last) > limit))
        }
    };
    Slot { ready: of_slot(record, slot).any(is_ready), live: live(true), ended, verdict, given_up }
}

/// Whether an instance can be relied on: running, as no readiness check says otherwise.
pub fn is_ready(instance: &Instance) -> bool {
    instance.state == State::Running && instance.stopping.is_none()
}

/// The generation of what runs: of the newest revision that was once ready, else of the newest.
fn serving_generation(record: &Record) -> Option<u64> {
    let running = record
        .instances
        .values()
        .filter(|it| it.state == State::Running && it.uid == record.head.uid)
        .filter_map(|it| record.revisions.get(&it.revision));
    let serving = running.max_by_key(|revision| (revision.ready, revision.number))?;
    let as_accepted = serving.fingerprint.matches(&record.head.task);
    Some(if as_accepted { record.head.generation } else { serving.generation })
}

/// The attempts beyond the first of the accepted form in a slot. Of those that are no longer kept
/// the failures in a row are known, and all of them where nothing else was ever tried there.
fn restarts(record: &Record, slot: u16) -> u32 {
    let task = &record.head.task;
    // What waits to be started is no restart yet.
    let begun = || of_slot(record, slot).filter(|it| it.state != State::Pending);
    let of_form = || begun().filter(|it| it.fingerprint.matches(task));
    let Some(newest) = of_form().next_back() else { return 0 };
    if record.revisions.len() == 1 && of_form().count() == begun().count() {
        return newest.seat.attempt.saturating_sub(1);
    }
    let kept = u32::try_from(of_form().count()).unwrap_or(u32::MAX);
    kept.saturating_sub(1).max(newest.failures)
}
