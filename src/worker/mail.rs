//! What came of steps and pulls, kept until the next look at its task applies it.

use tracing::warn;

use super::report::tell;
use super::{Worker, changes};
use crate::db::Change;
use crate::domain::event::Note;
use crate::domain::health::Health;
use crate::domain::instance::{InstanceId, Seat};
use crate::domain::outcome::Outcome;
use crate::domain::record::Record;
use crate::domain::settle::{self, Report};
use crate::domain::time::Now;
use crate::runtime::Runtime;

/// A report that the next look at its task applies first.
#[derive(Debug, Clone)]
pub(super) enum Mail {
    /// What came of a step, and when: a list that is asked for from then on shows it.
    Step(Seat, Report, Now),
    Pull(u32, Outcome<String>),
    Log(InstanceId, Vec<u8>),
    /// How well an instance is.
    Health(Seat, Health),
}

impl<R: Runtime> Worker<R> {
    /// Writes down what came of steps that ended while the worker was stopping.
    pub(super) async fn write_down_mail(&mut self) {
        let now = self.clock.now();
        let mut written = Vec::new();
        let mails = std::mem::take(&mut self.mail);
        written.extend(mails.values().flatten().filter_map(kept_log));
        for (name, mails) in mails {
            let Some(before) = self.records.get(&name).cloned() else { continue };
            let mut record = before.clone();
            let deliver = |mail| deliver(&mut record, mail, now);
            let notes: Vec<Note> = mails.into_iter().flat_map(deliver).collect();
            written.extend(changes::between(Some(&before), &record));
            for note in &notes {
                let event = changes::event(note, &record, now);
                tell(&event);
                written.push(Change::AddEvent(event));
            }
        }
        if !written.is_empty()
            && let Err(error) = self.db.write(written).await
        {
            warn!(%error, "what came of the last steps was not written down");
        }
    }
}

/// The last words of an instance, as they are written down.
pub(super) fn kept_log(mail: &Mail) -> Option<Change> {
    match mail {
        Mail::Log(instance, log) => Some(Change::KeepLog { instance: *instance, log: log.clone() }),
        Mail::Step(..) | Mail::Pull(..) | Mail::Health(..) => None,
    }
}

/// Brings a report into the record.
pub(super) fn deliver(record: &mut Record, mail: Mail, now: Now) -> Vec<Note> {
    match mail {
        Mail::Step(seat, report, at) => settle::apply(record, seat, report, at),
        Mail::Pull(revision, outcome) => settle::apply_pull(record, revision, outcome, now),
        Mail::Health(seat, health) => settle::take_health(record, seat, health),
        Mail::Log(..) => Vec::new(),
    }
}
