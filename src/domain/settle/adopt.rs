//! Containers of ours that the record does not know: after a lost DB, or a crash between a create
//! and its record.

use super::finish;
use crate::domain::container::{Container, Details, Identity, Status};
use crate::domain::decide::PROOF;
use crate::domain::event::Note;
use crate::domain::happening::Happening;
use crate::domain::instance::{Instance, Seat, State};
use crate::domain::record::{Record, Refusal, Revision};
use crate::domain::task::Task;
use crate::domain::time::Now;
use crate::domain::world::Engine;

/// Takes containers of this task into the record. Each enters in the state it is found in. While one
/// was only listed, all are left for later: whether it ever started and how it ended is not known,
/// and which of them is the newest is seen by all of them together.
pub fn adopt(
    record: &mut Record,
    found: Vec<(Identity, Container)>,
    engine: &Engine,
    now: Now,
) -> Vec<Note> {
    let detailed = |(identity, mut container): (Identity, Container)| {
        let details = container.details.take()?;
        Some((identity, container, details))
    };
    let Some(mut found) = found.into_iter().map(detailed).collect::<Option<Vec<_>>>() else {
        return Vec::new();
    };
    found.sort_by_key(|(identity, ..)| (identity.generation, identity.seat));
    let mut notes = Vec::new();
    let is_lost = record.instances.is_empty() && record.revisions.is_empty();
    if let Some((newest, ..)) = found.last().filter(|_| is_lost) {
        notes.push(recognise(record, newest));
    }
    let mut taken = Vec::new();
    for (identity, container, details) in found {
        let told = take(record, &identity, (&container, &details), engine, now);
        if !told.is_empty() {
            taken.push(identity.seat);
            notes.extend(told);
        }
    }
    taken.sort();
    for seat in taken {
        count_failures(record, seat);
    }
    if is_lost {
        notes.extend(refuse_again(record, now));
    }
    notes
}

/// Where an older form was begun after the one that the manifest asks for had failed, that one was
/// gone back from: it is not tried again in place of what runs.
fn refuse_again(record: &mut Record, now: Now) -> Option<Note> {
    let generation = record.head.generation;
    let failed = record.revisions.values().find(|it| it.generation == generation)?.number;
    let older = |it: &Instance| it.is_live() && it.revision != failed;
    let instances = || record.instances.values();
    let last = instances().rfind(|it| {
        let later = |other: &Instance| {
            other.seat.slot == it.seat.slot && other.seat.attempt > it.seat.attempt
        };
        it.revision == failed
            && it.state == State::Failed
            && instances().any(|other| older(other) && later(other))
    })?;
    let message = last.told_end();
    let told = format!(
        "revision {failed} failed before and is not tried again until the manifest changes: {message}"
    );
    let reason = "RolledBack".to_owned();
    record.head.refused =
        Some(Refusal { generation, revision: failed, reason, message, at: now.wall });
    Some(Note::warning(None, Happening::RolledBack, told))
}

/// The failures before an instance that was taken over, as far as the containers tell.
fn count_failures(record: &mut Record, seat: Seat) {
    let before = record.instances.range(..seat).next_back().map(|(_, before)| before);
    let before = before.filter(|before| before.seat.slot == seat.slot);
    let failures = before.map(|before| (before.fingerprint.clone(), before.state, before.failures));
    if let (Some((fingerprint, State::Failed, failures)), Some(instance)) =
        (failures, record.instances.get_mut(&seat))
        && instance.fingerprint == fingerprint
    {
        instance.failures = failures.saturating_add(1);
    }
}

/// A task that was accepted anew and has containers already is the task that they were made for:
/// what was known of it is lost, or it was let go before.
fn recognise(record: &mut Record, newest: &Identity) -> Note {
    record.head.uid = newest.uid;
    let same = serde_json::from_str::<Task>(&newest.spec).is_ok_and(|it| it == record.head.task);
    let generation = if same { newest.generation } else { newest.generation.saturating_add(1) };
    record.head.generation = record.head.generation.max(generation);
    let message = "what was known of it is lost: its history, what was refused of it, and a suspend \
                   by command; what runs is taken over from its labels";
    Note::warning(None, Happening::StateLost, message.to_owned())
}

fn take(
    record: &mut Record,
    identity: &Identity,
    (container, details): (&Container, &Details),
    engine: &Engine,
    now: Now,
) -> Vec<Note> {
    let seat = identity.seat;
    if let Some(known) = record.instances.get_mut(&seat) {
        if known.id == identity.instance && known.container.is_none() {
            // Of one that has ended meanwhile, the container is cleared away.
            known.container = Some(container.id.clone());
            return Vec::new();
        }
        if known.container.is_some() {
            return Vec::new();
        }
    }
    // What says little is taken as running: its slot is not free.
    let state = match container.status {
        Status::Created => State::Scheduled,
        Status::Running | Status::Paused | Status::Exited | Status::Removing | Status::Other(_) => {
            State::Running
        }
    };
    // A start that failed left its error: it must not be tried in place of what runs.
    let failed_to_start = state == State::Scheduled && !details.error.is_empty();
    let revision = revision_of(record, identity, (container, details), now);
    let of = (record.head.name.clone(), identity.uid);
    let mut instance = Instance {
        revision,
        fingerprint: identity.fingerprint.clone(),
        state,
        container: Some(container.id.clone()),
        start_sent: state == State::Running || failed_to_start,
        hopeless: failed_to_start,
        started_at: details.started_at,
        because: "it was found there".to_owned(),
        ..Instance::pending(identity.instance, of, seat, now)
    };
    let mut notes = Vec::new();
    if container.status == Status::Exited {
        let refused = finish(&mut instance, details, engine, now).err();
        notes.extend(refused.map(|refused| Note::refused(seat, refused)));
    }
    let found = match &container.status {
        Status::Created => "made, not started",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Exited => "ended",
        Status::Removing | Status::Other(_) => "in a state that says little",
    };
    let message = format!("instance {seat} was taken over as it was found: {found}");
    record.instances.insert(seat, instance);
    notes.push(Note::normal(seat, Happening::Adopted, message));
    notes
}

/// The revision that a container was made from, written down if it is not known.
fn revision_of(
    record: &mut Record,
    identity: &Identity,
    (container, details): (&Container, &Details),
    now: Now,
) -> u32 {
    let ready = matches!(container.status, Status::Running | Status::Paused)
        && details.started_at.is_some_and(|start| now.wall.since(start) >= PROOF);
    let known = record.revisions.values_mut().rev().find(|revision| {
        revision.fingerprint == identity.fingerprint && revision.generation == identity.generation
    });
    if let Some(revision) = known {
        // What stands now is what to go back to, whatever became of others that were made from it.
        revision.ready |= ready;
        return revision.number;
    }
    let number = record.revisions.keys().next_back().map_or(1, |last| last + 1);
    let task: Task = serde_json::from_str(&identity.spec).unwrap_or_else(|_| {
        // A label that was cut or is of a release to come: what is accepted now is the best guess.
        record.head.task.clone()
    });
    let revision = Revision {
        number,
        generation: identity.generation,
        fingerprint: identity.fingerprint.clone(),
        task,
        image_id: Some(container.image_id.clone()),
        ready,
        restart: 0,
        created_at: now.wall,
    };
    record.revisions.insert(number, revision);
    number
}
