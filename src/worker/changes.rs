//! What of a task's record has to be written down: the difference between before and after.

use crate::db::Change;
use crate::domain::event::{Event, Note};
use crate::domain::instance::Instance;
use crate::domain::record::Record;
use crate::domain::time::Now;

/// What has to be written so that the DB says `after` where it said `before`.
#[must_use]
pub fn between(before: Option<&Record>, after: &Record) -> Vec<Change> {
    let mut changes = Vec::new();
    if before.is_none_or(|before| before.head != after.head) {
        changes.push(Change::PutHead(after.head.clone()));
    }
    let name = &after.head.name;
    for revision in after.revisions.values() {
        let known = before.and_then(|before| before.revisions.get(&revision.number));
        if known != Some(revision) {
            changes.push(Change::PutRevision { task: name.clone(), revision: revision.clone() });
        }
    }
    changes.extend(runs(before, after));
    let Some(before) = before else {
        changes.extend(after.instances.values().cloned().map(Change::PutInstance));
        return changes;
    };
    for number in before.revisions.keys() {
        if !after.revisions.contains_key(number) {
            changes.push(Change::DropRevision { task: name.clone(), number: *number });
        }
    }
    for (seat, instance) in &before.instances {
        if after.instances.get(seat).is_none_or(|it| it.id != instance.id) {
            changes.push(Change::DropInstance(instance.id));
        }
    }
    for (seat, instance) in &after.instances {
        if before.instances.get(seat).is_none_or(|known| !same(known, instance)) {
            changes.push(Change::PutInstance(instance.clone()));
        }
    }
    changes
}

/// What of the runs is new, and which of them was none.
fn runs(before: Option<&Record>, after: &Record) -> Vec<Change> {
    let task = &after.head.name;
    let known = |key| before.and_then(|before| before.runs.get(key));
    let news = after.runs.iter().filter(|(key, run)| known(*key) != Some(run));
    let put = news.map(|(_, run)| Change::PutRun { task: task.clone(), run: run.clone() });
    let gone = before.into_iter().flat_map(|before| before.runs.keys());
    let gone = gone.filter(|key| !after.runs.contains_key(*key)).cloned();
    let drop =
        gone.map(|(slot, fingerprint)| Change::DropRun { task: task.clone(), slot, fingerprint });
    put.chain(drop).collect()
}

/// All of a record.
#[must_use]
pub fn whole(record: &Record) -> Vec<Change> {
    between(None, record)
}

/// Whether two instances are the same but for what is not kept.
fn same(one: &Instance, other: &Instance) -> bool {
    let kept = Instance { moved_at: other.moved_at, ..one.clone() };
    kept == *other
}

/// A note as the event that is kept.
#[must_use]
pub fn event(note: &Note, record: &Record, now: Now) -> Event {
    let instance = note.seat.and_then(|seat| record.instances.get(&seat));
    Event {
        at: now.wall,
        severity: note.severity,
        task: Some(record.head.name.clone()),
        uid: Some(record.head.uid),
        instance: instance.map(|instance| instance.id),
        seat: note.seat,
        reason: note.reason.word().to_owned(),
        message: note.message.clone(),
    }
}
