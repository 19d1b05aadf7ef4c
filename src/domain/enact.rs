//! Writing a plan down before its steps begin: no effect without intent.

use super::decide::in_force;
use super::decide::target::{Choice, choose};
use super::event::Note;
use super::fingerprint::{CURRENT_SCHEME, Fingerprint};
use super::happening::Happening;
use super::instance::{EndReason, IllegalMove, Instance, InstanceId, Seat, State};
use super::once::note_runs;
use super::plan::{Plan, Planned, Reason, Step};
use super::record::{REVISIONS_KEPT, Record, Refusal, Revision, Update};
use super::repair::{Repair, Streak};
use super::settle::end;
use super::task::Task;
use super::time::Now;

/// Writes `plan` into the record. `mint` gives each new instance its UUID. A step that would move an
/// instance as the table of states does not allow is refused: it is no longer in the plan, and told.
pub fn enact(
    record: &mut Record,
    plan: &mut Plan,
    mut mint: impl FnMut() -> InstanceId,
    now: Now,
) -> Vec<Note> {
    let mut notes = Vec::new();
    if plan.revise {
        notes.push(revise(record, now));
    }
    if let Some(failure) = &plan.refuse {
        record.head.refused = Some(Refusal {
            generation: record.head.generation,
            revision: failure.revision,
            reason: failure.reason.to_owned(),
            message: failure.message.clone(),
            at: now.wall,
        });
        record.progressed_at = now.mono;
        // What is gone back to is what the manifest asks for: only its restart has failed.
        let is_restart =
            Fingerprint::of(in_force(record), CURRENT_SCHEME).matches(&record.head.task);
        let or = if is_restart { " or it is restarted by command" } else { "" };
        let message = format!(
            "revision {} failed and is not tried again until the manifest changes{or}: {}",
            failure.revision, failure.message
        );
        notes.push(Note::warning(None, Happening::RolledBack, message));
    }
    // The time to get further begins once it may.
    if record.denied || plan.denied.is_some() {
        record.progressed_at = now.mono;
    }
    record.denied = plan.denied.is_some();
    if let Some(revision) = plan.ready.and_then(|number| record.revisions.get_mut(&number)) {
        revision.ready = true;
        let message = format!("revision {} is ready", revision.number);
        notes.push(Note::normal(None, Happening::Ready, message));
        forget_revisions(record);
    }
    for seat in &plan.proven {
        record.progressed_at = now.mono;
        if let Some(instance) = record.instances.get_mut(seat) {
            instance.proven = true;
        }
    }
    plan.steps.retain(|planned| match write_down(record, planned, &mut mint, now) {
        Ok(()) => {
            count_repair(record, planned, now);
            notes.extend(note_of(planned));
            true
        }
        Err(refused) => {
            notes.push(Note::refused(planned.seat, refused));
            false
        }
    });
    note_runs(record);
    notes
}

fn revise(record: &mut Record, now: Now) -> Note {
    let newest = record.revisions.values().next_back();
    let number = newest.map_or(1, |last| last.number + 1);
    let restart = record.head.last_restart();
    let is_restart = newest.is_some_and(|newest| newest.restart < restart);
    let (task, generation) = match choose(record) {
        Choice::Revise(task, generation) => (task, generation),
        Choice::Use(target) => (target.task, target.revision.generation),
    };
    let revision = Revision {
        number,
        generation,
        fingerprint: Fingerprint::of(task, CURRENT_SCHEME),
        task: task.clone(),
        image_id: running_image(record, task),
        ready: false,
        restart,
        created_at: now.wall,
    };
    record.revisions.insert(number, revision);
    record.pull_trouble = None;
    record.names_taken.clear();
    record.progressed_at = now.mono;
    forget_revisions(record);
    let from = match &record.head.restart {
        Some(restart) if is_restart => Reason::Restart(restart.asked.clone()).to_string(),
        Some(_) | None => format!("from {}", record.head.place),
    };
    let message = format!("revision {number} begins, {from}");
    Note::normal(None, Happening::Revision, message)
}

/// The image of what runs of `task` already: that is not looked up again, but for a restart.
fn running_image(record: &Record, task: &Task) -> Option<String> {
    let head = &record.head;
    let running = record.instances.values().rev().find(|instance| {
        instance.state == State::Running
            && instance.uid == head.uid
            && instance.fingerprint.matches(task)
            && record.restart_of(instance) >= Some(head.last_restart())
    });
    record.revisions.get(&running?.revision)?.image_id.clone()
}

/// Keeps the last revisions, the last ready one, and those that instances are made from.
fn forget_revisions(record: &mut Record) {
    let numbers: Vec<u32> = record.revisions.keys().copied().collect();
    let surplus = numbers.len().saturating_sub(REVISIONS_KEPT);
    let last_ready =
        record.revisions.values().rev().find(|revision| revision.ready).map(|it| it.number);
    for number in numbers.into_iter().take(surplus) {
        let used = record.instances.values().any(|instance| instance.revision == number);
        if !used && Some(number) != last_ready {
            record.revisions.remove(&number);
        }
    }
}

fn write_down(
    record: &mut Record,
    planned: &Planned,
    mint: &mut impl FnMut() -> InstanceId,
    now: Now,
) -> Result<(), IllegalMove> {
    let seat = planned.seat;
    match &planned.step {
        Step::Begin { revision, failures } => {
            let because = planned.reason.to_string();
            begin(record, seat, (*revision, *failures), because, (mint(), now));
        }
        Step::Drop | Step::Forget => {
            record.instances.remove(&seat);
            record.troubles.remove(&seat);
            record.health.remove(&seat);
            record.updates.remove(&seat);
            record.confirmed.remove(&seat);
            record.removing.remove(&seat);
        }
        Step::Cancel => {
            if let Some(instance) = record.instances.get_mut(&seat) {
                end(instance, EndReason::Cancelled, String::new(), now)?;
                instance.stopping = Some(planned.reason.to_string());
            }
        }
        Step::Start(_) => {
            schedule(record, seat, now)?;
            if let Some(instance) = record.instances.get_mut(&seat) {
                instance.start_sent = true;
            }
        }
        Step::Stop(..) | Step::Remove(_) => {
            if let Some(instance) = record.instances.get_mut(&seat)
                && instance.is_live()
            {
                if instance.stopping.is_none() {
                    instance.unwell = matches!(planned.reason, Reason::Unwell(_));
                }
                instance.stopping.get_or_insert(planned.reason.to_string());
            }
        }
        // What runs may need its network once more.
        Step::MakeNetwork if is_running(record, seat) => {}
        Step::MakeNetwork | Step::MakeVolume(_) | Step::Create => schedule(record, seat, now)?,
        Step::Update(..) => {
            if let Reason::Differs(differing) | Reason::Edited(differing) = &planned.reason {
                record.updates.insert(seat, Update { differing: differing.clone() });
            }
        }
        Step::Unpause(_) | Step::Rename(_) | Step::Connect(_) => {}
    }
    Ok(())
}

/// Notes that something is repaired once more, if the step does that.
fn count_repair(record: &mut Record, planned: &Planned, now: Now) {
    let Some(repair) = Repair::by(planned) else { return };
    let (key, generation) = ((planned.seat.slot, repair), record.head.generation);
    let streak = Streak::after(record.repairs.get(&key), generation, now.mono);
    record.repairs.insert(key, streak);
}

fn is_running(record: &Record, seat: Seat) -> bool {
    record.instances.get(&seat).is_some_and(|instance| instance.state == State::Running)
}

/// The steps of an instance begin, or one more of them does.
fn schedule(record: &mut Record, seat: Seat, now: Now) -> Result<(), IllegalMove> {
    match record.instances.get_mut(&seat) {
        Some(instance) => instance.become_state(State::Scheduled, now.mono),
        None => Ok(()),
    }
}

fn begin(
    record: &mut Record,
    seat: Seat,
    (revision, failures): (u32, u32),
    because: String,
    (id, now): (InstanceId, Now),
) {
    let Some(of) = record.revisions.get(&revision) else { return };
    let instance = Instance {
        revision,
        fingerprint: of.fingerprint.clone(),
        failures,
        because,
        ..Instance::pending(id, (record.head.name.clone(), record.head.uid), seat, now)
    };
    record.instances.insert(seat, instance);
}

/// What is told of a step when it is planned: of those that people asked for or should know of.
fn note_of(planned: &Planned) -> Option<Note> {
    let Planned { seat, step, reason } = planned;
    let (seat, happening) = (*seat, reason.happening());
    match (step, reason) {
        (Step::Begin { .. }, Reason::RolledBack { .. } | Reason::Differs(_)) => {
            Some(Note::warning(seat, happening, format!("instance {seat} is wanted: {reason}")))
        }
        (Step::Begin { .. }, _) => {
            let reason = reason.in_brief();
            Some(Note::normal(seat, happening, format!("instance {seat} is wanted: {reason}")))
        }
        (Step::Stop(..), _) => Some(Note::normal(
            seat,
            Happening::Stopping,
            format!("instance {seat} is stopped: {reason}"),
        )),
        (Step::Unpause(_) | Step::Rename(_) | Step::Connect(_), _)
        | (Step::MakeNetwork, Reason::Drift(_))
        | (Step::Update(..), Reason::Differs(_)) => {
            Some(Note::warning(seat, happening, format!("{} of {seat}: {reason}", step.name())))
        }
        (Step::Update(..), _) => {
            Some(Note::normal(seat, happening, format!("update of {seat}: {reason}")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decide::tests::play::{Behaviour, Play, job, secs};
    use crate::domain::event::Severity;
    use crate::domain::task::RestartPolicy::OnFailure;

    #[test]
    fn an_illegal_move_must_be_refused_and_told_and_its_step_not_begun() {
        let mut play = Play::of(&job("mig", "app:1", OnFailure));
        play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(1), code: 0 });
        play.run();
        let now = play.engine.time();
        let record = &mut play.only().record;
        let (seat, it) = record.instances.first_key_value().unwrap();
        let (seat, id) = (*seat, it.container.clone().unwrap());
        for step in [Step::Cancel, Step::Create, Step::Start(id)] {
            let before = record.clone();
            let mut wrong = Plan::default();
            wrong.step(seat, step, Reason::Wanted);
            let notes = enact(record, &mut wrong, || unreachable!(), now);
            assert_eq!(*record, before);
            assert!(wrong.steps.is_empty(), "{wrong}");
            let [note] = notes.try_into().unwrap();
            assert_eq!(
                (note.severity, note.reason, note.seat),
                (Severity::Error, Happening::IllegalMove, Some(seat))
            );
            assert!(note.message.contains("can't go from Completed to"), "{}", note.message);
        }
    }
}
