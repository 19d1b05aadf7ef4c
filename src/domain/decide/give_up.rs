//! When a slot is not tried again, and how that is told.

use super::again::failures_after;
use super::job::{Verdict, verdict, verdict_once};
use super::target::{self, Choice};
use crate::domain::instance::{EndReason, Instance, Seat};
use crate::domain::once::Run;
use crate::domain::record::Record;
use crate::domain::task::Task;

const STOPPED: &str = "a run that was stopped was its run";
const ONCE: &str = "given up: it runs at most once";
const MEND: &str = "change the manifest to run it again";
const MEND_SERVICE: &str = "change the manifest, or restart it by command, to run it again";

/// Why a slot whose last instance of this form is `last` is not tried again until something changes,
/// in a sentence; `None`: it is, or it is done.
#[must_use]
pub fn given_up(task: &Task, last: &Instance) -> Option<String> {
    let failures = failures_after(task, last);
    let limit = task.backoff.limit.filter(|limit| failures > *limit);
    let is_over =
        if task.is_job() { verdict(task, last) == Verdict::Failed } else { limit.is_some() };
    let what = match (limit, last.reason) {
        _ if !is_over => return None,
        (_, Some(EndReason::Stopped)) => STOPPED.to_owned(),
        (Some(limit), _) => {
            let times = if failures == 1 { "once".into() } else { format!("{failures} times") };
            format!("given up: failed {times}, limit {limit} reached")
        }
        (None, _) => ONCE.to_owned(),
    };
    let mend = if task.is_job() { MEND } else { MEND_SERVICE };
    Some(format!("{what}; {mend}"))
}

/// The same of a slot whose run was `run`, of a job that runs at most once.
#[must_use]
pub fn given_up_once(run: &Run) -> Option<String> {
    let what = match (verdict_once(run), run.reason) {
        (Verdict::Done, _) => return None,
        (_, Some(EndReason::Stopped)) => STOPPED,
        _ => ONCE,
    };
    Some(format!("{what}; {MEND}"))
}

/// Why the slot of an instance that has just ended by itself is not tried again, if it is not: told
/// once, with its end.
#[must_use]
pub fn gives_up(record: &Record, seat: Seat) -> Option<String> {
    let Choice::Use(target) = target::choose(record) else { return None };
    let last = record.instances.get(&seat)?;
    let is_wanted = last.uid == record.head.uid
        && last.stopping.is_none()
        && seat.slot < record.head.wanted_slots()
        && last.revision >= target.revision.number
        && target.covers(record, last);
    // It is gone back from instead.
    if is_wanted && target::serving(record, &target).is_none() {
        given_up(target.task, last)
    } else {
        None
    }
}
