//! What came of steps.

use super::{end, told};
use crate::domain::event::Note;
use crate::domain::happening::Happening;
use crate::domain::instance::{ContainerId, EndReason, Seat, State};
use crate::domain::outcome::{Cause, Outcome, Rejection, Retry};
use crate::domain::record::{Record, Trouble};
use crate::domain::time::Now;

/// What came of a step of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Its container was to be made.
    Created(Outcome<ContainerId>),
    /// Its container was to be started.
    Started(Outcome),
    /// Any other step, by name.
    Other(&'static str, Outcome),
}

/// Brings what came of a step into the record.
pub fn apply(record: &mut Record, seat: Seat, report: Report, now: Now) -> Vec<Note> {
    let (step, problem) = match report {
        Report::Created(Outcome::Done(id)) => {
            record.troubles.remove(&seat);
            record.names_taken.remove(&seat.slot);
            let newest = record.revisions.keys().next_back().copied();
            if let Some(instance) = record.instances.get_mut(&seat) {
                instance.container = Some(id);
                // Another attempt at what failed before gets a rollout no further, nor does one more
                // of what was there before.
                if instance.failures == 0 && Some(instance.revision) == newest {
                    record.progressed_at = now.mono;
                }
            }
            return Vec::new();
        }
        Report::Started(Outcome::Done(())) | Report::Other(_, Outcome::Done(())) => {
            record.troubles.remove(&seat);
            return Vec::new();
        }
        Report::Created(Outcome::Rejected(rejection)) => {
            return reject_create(record, seat, rejection, now);
        }
        Report::Started(Outcome::Rejected(rejection)) if !is_passing(rejection.cause) => {
            return start_error(record, seat, &rejection, true, now);
        }
        Report::Created(Outcome::Unknown(message)) => ("create", (None, message)),
        Report::Started(Outcome::Unknown(message)) => ("start", (None, message)),
        Report::Started(Outcome::Rejected(rejection)) => {
            ("start", (Some(rejection.cause), rejection.message))
        }
        Report::Other(step, Outcome::Unknown(message)) => (step, (None, message)),
        Report::Other(step, Outcome::Rejected(rejection)) => {
            (step, (Some(rejection.cause), rejection.message))
        }
    };
    if step == "update" {
        record.updates.remove(&seat);
    }
    vec![trouble(record, seat, step, problem, now)]
}

/// Whether a refused start says nothing of what was to be started: it is tried again.
fn is_passing(cause: Cause) -> bool {
    matches!(cause, Cause::NotFound | Cause::NetworkMissing | Cause::Busy)
}

/// Brings what came of a pull into the record.
pub fn apply_pull(
    record: &mut Record,
    revision: u32,
    outcome: Outcome<String>,
    now: Now,
) -> Vec<Note> {
    let (cause, message) = match outcome {
        Outcome::Done(id) => {
            record.pull_trouble = None;
            record.progressed_at = now.mono;
            let Some(revision) = record.revisions.get_mut(&revision) else { return Vec::new() };
            let image = &revision.task.template.image;
            let note = format!("image {image} is {id}");
            revision.image_id = Some(id);
            return vec![Note::normal(None, Happening::ImageReady, note)];
        }
        Outcome::Rejected(rejection) => (Some(rejection.cause), rejection.message),
        Outcome::Unknown(message) => (None, message),
    };
    if cause == Some(Cause::RateLimited) {
        record.progressed_at = now.mono;
    }
    let note = Note::warning(None, Happening::ImagePullFailed, message.clone());
    record.pull_trouble =
        Some(Trouble::after(record.pull_trouble.as_ref(), cause, message, now.mono));
    vec![note]
}

fn reject_create(record: &mut Record, seat: Seat, rejection: Rejection, now: Now) -> Vec<Note> {
    match rejection.cause {
        Cause::ImageMissing => {
            let number = record.instances.get(&seat).map(|instance| instance.revision);
            if let Some(revision) = number.and_then(|number| record.revisions.get_mut(&number)) {
                revision.image_id = None;
            }
            vec![trouble(record, seat, "create", (Some(rejection.cause), rejection.message), now)]
        }
        Cause::NetworkMissing | Cause::Busy => {
            vec![trouble(record, seat, "create", (Some(rejection.cause), rejection.message), now)]
        }
        // `decide` waits for what the policy allows; a moment later, should it know no better.
        Cause::PolicyDenied => {
            let note = Note::warning(seat, Happening::PolicyDenied, rejection.message.clone());
            trouble(record, seat, "create", (Some(rejection.cause), rejection.message), now);
            vec![note]
        }
        // The next attempt has another name.
        Cause::NotOurs | Cause::NameTaken => {
            let taken = record.names_taken.entry(seat.slot).or_default();
            *taken = taken.saturating_add(1);
            record.progressed_at = now.mono;
            fail(record, seat, (EndReason::NameTaken, rejection.message), now)
        }
        Cause::PullFailed
        | Cause::RateLimited
        | Cause::PortTaken
        | Cause::NotFound
        | Cause::MountMissing
        | Cause::NoSpace
        | Cause::Forbidden
        | Cause::Invalid
        | Cause::BadCommand
        | Cause::Other => {
            let hopeless = rejection.retry == Retry::Never;
            start_error(record, seat, &rejection, hopeless, now)
        }
    }
}

/// An instance whose container could not be made or started has failed.
fn start_error(
    record: &mut Record,
    seat: Seat,
    rejection: &Rejection,
    hopeless: bool,
    now: Now,
) -> Vec<Note> {
    if let Some(instance) = record.instances.get_mut(&seat)
        && instance.state == State::Scheduled
    {
        instance.hopeless = hopeless;
    }
    fail(record, seat, (EndReason::StartError, rejection.message.clone()), now)
}

/// An instance whose steps have begun ends before it ran.
fn fail(
    record: &mut Record,
    seat: Seat,
    (reason, message): (EndReason, String),
    now: Now,
) -> Vec<Note> {
    record.troubles.remove(&seat);
    match record.instances.get_mut(&seat) {
        Some(instance) if instance.state == State::Scheduled => {
            let unwanted = instance.stopping.is_some();
            let reason = if unwanted { EndReason::Cancelled } else { reason };
            match end(instance, reason, message, now) {
                Ok(()) => told(record, seat),
                Err(refused) => vec![Note::refused(seat, refused)],
            }
        }
        Some(_) | None => Vec::new(),
    }
}

fn trouble(
    record: &mut Record,
    seat: Seat,
    step: &'static str,
    (cause, message): (Option<Cause>, String),
    now: Now,
) -> Note {
    let note = Note::warning(seat, Happening::StepFailed, format!("{step} of {seat}: {message}"));
    let before = record.troubles.get(&seat);
    let after = Trouble::after(before, cause, message, now.mono);
    record.troubles.insert(seat, after);
    note
}
