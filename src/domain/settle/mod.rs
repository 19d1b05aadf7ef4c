//! What was observed, and what came of steps, brought into the record: the only place where an
//! instance moves because of the engine.

mod adopt;
mod checks;
mod outcomes;

pub use adopt::adopt;
pub use checks::take_health;
pub use outcomes::{Report, apply, apply_pull};

use std::collections::BTreeMap;
use std::time::Duration;

use super::container::{Container, Details, Status};
use super::decide::give_up::gives_up;
use super::decide::in_force;
use super::difference::Difference;
use super::event::Note;
use super::happening::Happening;
use super::instance::{EndReason, IllegalMove, Instance, Seat, State};
use super::once::note_runs;
use super::record::{Record, Update};
use super::time::{Mono, Now, Timestamp};
use super::world::{Engine, Seen};

/// How close to the engine's start an end has to be for it to be the engine's doing, where nobody
/// saw the process run before.
const ENGINE_RESTART_WINDOW: Duration = Duration::from_secs(60);

/// How a container that nobody asked us to remove went.
const GONE: &str = "its container is gone, and it was not removed by evenkeel";
const GOING: &str = "its container is being removed, and not by evenkeel";

/// Moves the instances of a task to what the engine says of their containers.
pub fn settle(
    record: &mut Record,
    seen: &BTreeMap<Seat, Seen>,
    engine: &Engine,
    now: Now,
) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut moves = Vec::new();
    let mut anew = Vec::new();
    for (seat, instance) in &mut record.instances {
        let (before, began) = (instance.state, instance.started_at);
        let settled = match seen.get(seat) {
            Some(Seen::Present(container)) => observe(instance, container, engine, now),
            Some(Seen::Absent) => miss(instance, engine, GONE, now),
            Some(Seen::Unknown) | None => Ok(()),
        };
        if let Some(Seen::Present(container)) = seen.get(seat) {
            take_updates(&mut record.updates, *seat, container);
        }
        note_removing(&mut record.removing, *seat, seen.get(seat), now);
        notes.extend(settled.err().map(|refused| Note::refused(*seat, refused)));
        if instance.state != before {
            moves.push(*seat);
        } else if before == State::Running && is_another(began, instance.started_at) {
            notes.push(restarted(instance, now));
            anew.push(*seat);
        }
    }
    // What was said of the process before says nothing of this one.
    for seat in anew {
        record.health.remove(&seat);
    }
    for seat in moves {
        notes.extend(told(record, seat));
    }
    notes.extend(checks::take_checks(record, seen, now));
    confirm_resources(record, seen);
    note_runs(record);
    notes
}

fn observe(
    instance: &mut Instance,
    container: &Container,
    engine: &Engine,
    now: Now,
) -> Result<(), IllegalMove> {
    if !matches!(instance.state, State::Scheduled | State::Running) {
        return Ok(());
    }
    match &container.status {
        Status::Running | Status::Paused => {
            instance.become_state(State::Running, now.mono)?;
            instance.seen_under = engine.started_at;
            if let Some(details) = &container.details {
                instance.started_at = details.started_at;
            }
        }
        Status::Created => {
            if let Some(details) = &container.details
                && instance.state == State::Scheduled
                && instance.start_sent
                && !details.error.is_empty()
            {
                instance.exit_code = Some(details.exit_code);
                end(instance, EndReason::StartError, details.error.clone(), now)?;
            }
        }
        Status::Exited => {
            if let Some(details) = &container.details {
                finish(instance, details, engine, now)?;
            }
        }
        // It does not run, and never will again.
        Status::Removing => miss(instance, engine, GOING, now)?,
        Status::Other(_) => {}
    }
    Ok(())
}

/// Notes since when the engine is removing a container, or that it no longer is.
fn note_removing(removing: &mut BTreeMap<Seat, Mono>, seat: Seat, seen: Option<&Seen>, now: Now) {
    match seen {
        Some(Seen::Present(container)) if container.status == Status::Removing => {
            removing.entry(seat).or_insert(now.mono);
        }
        Some(Seen::Present(_) | Seen::Absent) => drop(removing.remove(&seat)),
        Some(Seen::Unknown) | None => {}
    }
}

/// Forgets of an update what a container has taken of it.
fn take_updates(updates: &mut BTreeMap<Seat, Update>, seat: Seat, container: &Container) {
    if let (Some(update), Some(has)) = (updates.get_mut(&seat), &container.details) {
        update.differing.retain(|it| it.is_still(has));
        if update.differing.is_empty() {
            updates.remove(&seat);
        }
    }
}

/// Notes what containers have that is as it is wanted now.
fn confirm_resources(record: &mut Record, seen: &BTreeMap<Seat, Seen>) {
    for (seat, seen) in seen {
        let Seen::Present(container) = seen else { continue };
        let Some(has) = &container.details else { continue };
        let known = record.confirmed.get(seat);
        if known.is_some_and(|known| Difference::between(has, known).is_empty()) {
            continue;
        }
        let wanted = in_force(record).template.resources;
        if record.instances.contains_key(seat) && Difference::between(has, &wanted).is_empty() {
            record.confirmed.insert(*seat, wanted);
        }
    }
}

/// Walks an instance whose process has ended to its last state.
fn finish(
    instance: &mut Instance,
    details: &Details,
    engine: &Engine,
    now: Now,
) -> Result<(), IllegalMove> {
    instance.become_state(State::Running, now.mono)?;
    instance.started_at = details.started_at;
    instance.finished_at = details.finished_at.filter(|end| Some(*end) >= details.started_at);
    instance.exit_code = Some(details.exit_code);
    let reason = if instance.unwell {
        EndReason::ProbeFailed
    } else if instance.stopping.is_some() {
        EndReason::Stopped
    } else if is_disrupted(instance, engine) {
        EndReason::Disrupted
    } else if details.oom_killed && details.exit_code != 0 {
        EndReason::OomKilled
    } else if details.exit_code == 0 {
        EndReason::Exited
    } else {
        EndReason::Error
    };
    let message = match &instance.stopping {
        Some(why) if instance.unwell => why.clone(),
        Some(_) | None => details.error.clone(),
    };
    end(instance, reason, message, now)
}

/// Whether it takes the engine's start to tell how an instance ended, once it has.
#[must_use]
pub fn needs_start(instance: &Instance) -> bool {
    instance.is_live() && instance.stopping.is_none()
}

/// Whether an end that is first seen now came with an end of the engine.
fn is_disrupted(instance: &Instance, engine: &Engine) -> bool {
    let (Some(engine_start), Some(started)) = (engine.started_at, instance.started_at) else {
        return false;
    };
    if started >= engine_start {
        return false;
    }
    match instance.seen_under {
        Some(under) => under < engine_start,
        None => instance.finished_at.is_none_or(|end| near(end, engine_start)),
    }
}

fn near(one: Timestamp, other: Timestamp) -> bool {
    one.since(other) + other.since(one) <= ENGINE_RESTART_WINDOW
}

/// The engine says that there is no such container, or soon none: `how`, for people.
fn miss(instance: &mut Instance, engine: &Engine, how: &str, now: Now) -> Result<(), IllegalMove> {
    let is_elsewhere = engine.another_since.is_some_and(|since| instance.created_at < since);
    let message = || {
        let why = if is_elsewhere {
            "the engine is another one, and its container is not on it"
        } else {
            how
        };
        why.to_owned()
    };
    match (instance.state, &instance.container, &instance.stopping) {
        (State::Scheduled, Some(_), Some(_)) => {
            end(instance, EndReason::Cancelled, String::new(), now)
        }
        (State::Running, _, Some(why)) if instance.unwell => {
            let why = why.clone();
            end(instance, EndReason::ProbeFailed, why, now)
        }
        (State::Running, _, Some(_)) => end(instance, EndReason::Stopped, String::new(), now),
        (State::Scheduled, Some(_), None) | (State::Running, _, None) => {
            end(instance, EndReason::Lost, message(), now)
        }
        (State::Scheduled, None, _) | (State::Pending | State::Completed | State::Failed, _, _) => {
            Ok(())
        }
    }
}

/// Ends an instance; which of the two last states it is follows from the reason.
///
/// # Errors
/// If it can't end from the state it is in; the instance is unchanged then.
pub(super) fn end(
    instance: &mut Instance,
    reason: EndReason,
    message: String,
    now: Now,
) -> Result<(), IllegalMove> {
    let state = match reason {
        EndReason::Exited | EndReason::Stopped => State::Completed,
        EndReason::Error
        | EndReason::OomKilled
        | EndReason::StartError
        | EndReason::Lost
        | EndReason::Disrupted
        | EndReason::Cancelled
        | EndReason::ProbeFailed
        | EndReason::NameTaken => State::Failed,
    };
    instance.become_state(state, now.mono)?;
    instance.reason = Some(reason);
    instance.message = (!message.is_empty()).then_some(message);
    instance.finished_at = instance.finished_at.or(Some(now.wall));
    Ok(())
}

/// What is told of an instance that has moved: that it has, and what comes of it if nothing does.
fn told(record: &Record, seat: Seat) -> Vec<Note> {
    let Some(instance) = record.instances.get(&seat) else { return Vec::new() };
    let given_up = if instance.state.is_end() { gives_up(record, seat) } else { None };
    let given_up = given_up.map(|why| Note::warning(seat, Happening::GivenUp, why));
    std::iter::once(moved(instance)).chain(given_up).collect()
}

/// Whether two times when a process began are known, and of two processes.
fn is_another(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

/// The process of a running instance is another one: its container was restarted, and nobody saw it
/// end. It is kept, and has to stay up anew if it was not relied on yet.
fn restarted(instance: &mut Instance, now: Now) -> Note {
    instance.moved_at = now.mono;
    let seat = instance.seat;
    let message = format!("the container of {seat} was restarted by somebody else; it is kept");
    Note::warning(seat, Happening::RestartedByHand, message)
}

/// How an instance has moved.
fn moved(instance: &Instance) -> Note {
    let seat = instance.seat;
    let Some(reason) = instance.reason else {
        return Note::normal(seat, Happening::Running, format!("instance {seat} is running"));
    };
    let message = format!("instance {}", instance.told_end());
    let happening = match reason {
        EndReason::Exited => Happening::Completed,
        EndReason::Stopped => Happening::Stopped,
        EndReason::Cancelled => Happening::Cancelled,
        EndReason::ProbeFailed => Happening::ProbeFailed,
        EndReason::NameTaken => Happening::NameTaken,
        EndReason::Error => Happening::Failed,
        EndReason::OomKilled => Happening::OomKilled,
        EndReason::StartError => Happening::StartError,
        EndReason::Lost => Happening::Lost,
        EndReason::Disrupted => Happening::Disrupted,
    };
    match reason {
        EndReason::Exited | EndReason::Stopped | EndReason::Cancelled => {
            Note::normal(seat, happening, message)
        }
        EndReason::Error
        | EndReason::OomKilled
        | EndReason::StartError
        | EndReason::Lost
        | EndReason::Disrupted
        | EndReason::ProbeFailed
        | EndReason::NameTaken => Note::warning(seat, happening, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_a_minute_either_way() {
        let at = Timestamp::from_millis;
        assert!(near(at(0), at(60_000)) && near(at(60_000), at(0)));
        assert!(!near(at(0), at(60_001)));
    }
}
