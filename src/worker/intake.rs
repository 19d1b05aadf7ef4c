//! `add_task`: what the files ask for, onto the queue.

use std::sync::Arc;

use tracing::warn;
use uuid::Uuid;

use super::{Goal, Worker, changes};
use crate::db::{DbError, SET_ASIDE_KEPT};
use crate::domain::desired::Presence;
use crate::domain::event::Note;
use crate::domain::happening::Happening;
use crate::domain::instance::Uid;
use crate::domain::name::TaskName;
use crate::domain::record::{Head, Record};
use crate::domain::source::Snapshot;
use crate::domain::task::Task;
use crate::domain::time::Now;
use crate::runtime::Runtime;

impl<R: Runtime> Worker<R> {
    /// Takes one look at the source into the desired state.
    pub(super) fn take_snapshot(&mut self) {
        if self.goal == Goal::Down || !self.snapshot_came {
            return;
        }
        // Held no longer than needed: the watcher changes it in place.
        let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
        if let Snapshot::Read { files } = &*snapshot {
            self.desk.read(files);
        }
        let snapshot = self.judged(snapshot);
        let before = (self.desired.unavailable.clone(), self.desired.prune_held.clone());
        let known = self.known_problems();
        let held = self.held_back();
        let now = self.clock.now().mono;
        let changed = self.desired.advance(&snapshot, &self.rules, now);
        drop(snapshot);
        self.tell_of_problems(&changed, &known);
        self.tell_of_mended(&held);
        for name in changed {
            self.add_task(name);
        }
        if before.0 != self.desired.unavailable {
            self.tell_of_source();
            self.look_at_all();
        }
        if before.1 != self.desired.prune_held {
            self.tell_of_hold();
        }
    }

    /// What is desired of a task, onto the queue. What it changes of the record is written down by
    /// the look that follows, before anything is done about it.
    pub(super) fn add_task(&self, name: TaskName) {
        self.queue.add(name);
    }

    /// Brings the accepted form of a task into its record.
    pub(super) fn accept(
        &self,
        name: &TaskName,
        record: Option<Record>,
        now: Now,
    ) -> Option<(Record, Vec<Note>)> {
        let Some(wanted) = self.desired.tasks.get(name) else {
            return record.map(|record| (record, Vec::new()));
        };
        let Some(mut record) = record else {
            let head = Head {
                name: name.clone(),
                uid: Uid(Uuid::now_v7()),
                generation: 1,
                task: wanted.task.clone(),
                place: wanted.place.clone(),
                going: wanted.presence == Presence::Gone,
                refused: None,
                suspended: None,
                restart: None,
                created_at: now.wall,
            };
            let note =
                Note::normal(None, Happening::Accepted, format!("accepted from {}", head.place));
            return Some((Record::accepted(head, now.mono), vec![note]));
        };
        let mut notes = Vec::new();
        let head = &mut record.head;
        if head.task != wanted.task {
            if spec(&head.task) != spec(&wanted.task) {
                head.generation += 1;
                record.progressed_at = now.mono;
                let message =
                    format!("generation {} accepted from {}", head.generation, wanted.place);
                notes.push(Note::normal(None, Happening::Accepted, message));
            }
            head.task = wanted.task.clone();
        }
        if head.place != wanted.place {
            head.place = wanted.place.clone();
        }
        let was_going = std::mem::replace(&mut head.going, wanted.presence == Presence::Gone);
        if was_going && !head.going {
            head.uid = Uid(Uuid::now_v7());
            head.refused = None;
            head.suspended = None;
            let message = "its manifest is back before it was removed: a new task".to_owned();
            notes.push(Note::normal(None, Happening::Accepted, message));
        }
        Some((record, notes))
    }

    /// Writes a whole DB anew from what is known, after the old one went away under us.
    pub(super) async fn rebuild_db(&mut self) -> Result<(), DbError> {
        let whole = self.records.values().flat_map(changes::whole).chain(self.meta()).collect();
        match self.db.rebuild(whole).await? {
            None => warn!("the state DB was gone; it was written anew from what is known"),
            Some(aside) => warn!(
                moved_to = %aside.path.display(), why = aside.why,
                "the state DB could not be used; it was written anew from what is known. The \
                 newest {SET_ASIDE_KEPT} of such files are kept"
            ),
        }
        Ok(())
    }
}

/// What of a task counts as its spec: all but what is on no container.
fn spec(task: &Task) -> Task {
    Task { annotations: std::collections::BTreeMap::new(), ..task.clone() }
}
