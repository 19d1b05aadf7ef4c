//! What people ask of one task by command. It is written down, with its event, before it is answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::db::Change;
use crate::domain::by_command::{ByCommand, restart, resume, suspend};
use crate::domain::desired::Presence;
use crate::domain::event::Note;
use crate::domain::name::TaskName;
use crate::domain::plan::Plan;
use crate::domain::record::{Head, Record, Restart};
use crate::domain::source::Place;
use crate::domain::time::{Mono, Now};
use crate::runtime::Runtime;
use crate::worker::guard::caught;
use crate::worker::report::tell;
use crate::worker::{Worker, changes};

/// Who asks something, and of which task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which.
    pub task: TaskName,
    /// Who they say they are.
    pub by: Option<String>,
}

/// By whom a task is suspended now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suspension {
    /// This was the one that changed it.
    pub changed: bool,
    /// Who suspended it by command; left out: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_command: Option<ByCommand>,
    /// The manifest that suspends it; left out: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_manifest: Option<Place>,
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotDone {
    /// There is no such task.
    Unknown,
    /// It makes no sense for the task as it is; why, in a sentence.
    Refused(String),
    /// The state DB can't be written; what it says.
    NotWritten(String),
}

impl<R: Runtime> Worker<R> {
    /// The task is to have no instances, whatever its manifest says.
    pub(in crate::worker) async fn suspend(&mut self, asked: Asked) -> Result<Suspension, NotDone> {
        let change = |record: &mut Record, by: &ByCommand, _| Ok(suspend(record, by));
        self.change_head(asked, change).await.map(suspension)
    }

    /// The task is to be as its manifest says.
    pub(in crate::worker) async fn resume(&mut self, asked: Asked) -> Result<Suspension, NotDone> {
        let change = |record: &mut Record, by: &ByCommand, now| Ok(resume(record, by, now));
        self.change_head(asked, change).await.map(suspension)
    }

    /// All instances of the task are to be replaced.
    pub(in crate::worker) async fn restart(&mut self, asked: Asked) -> Result<Restart, NotDone> {
        let change = |record: &mut Record, by: &ByCommand, _| restart(record, by).map(Some);
        let (head, _) = self.change_head(asked, change).await?;
        head.restart.ok_or(NotDone::Unknown)
    }

    /// Changes what is written down of a task, and tells it; with it, whether something changed.
    async fn change_head(
        &mut self,
        asked: Asked,
        change: impl FnOnce(&mut Record, &ByCommand, Mono) -> Result<Option<Note>, String>,
    ) -> Result<(Head, bool), NotDone> {
        let Asked { task: name, by } = asked;
        let now = self.clock.now();
        let mut record = self.records.get(&name).cloned().ok_or(NotDone::Unknown)?;
        let presence = self.desired.tasks.get(&name).map(|wanted| wanted.presence);
        if presence.is_none_or(|presence| presence == Presence::Gone) {
            return Err(NotDone::Refused(format!("{name} is being removed: its manifest is gone")));
        }
        let word = ByCommand::asked(by.as_deref(), now.wall);
        let changed = change(&mut record, &word, now.mono).map_err(NotDone::Refused)?;
        let Some(note) = changed else {
            return Ok((record.head, false));
        };
        let event = changes::event(&note, &record, now);
        let head = record.head.clone();
        let written = vec![Change::PutHead(head.clone()), Change::AddEvent(event.clone())];
        if let Err(error) = self.db.write(written).await {
            self.on_db_error(&error).await;
            return Err(NotDone::NotWritten(error.to_string()));
        }
        self.records.insert(name.clone(), record);
        tell(&event);
        self.news.written();
        self.show_again(&name, now);
        // Those who share something with it may have to wait for it, or no longer.
        for neighbour in self.index.neighbours(&name) {
            self.add_task(neighbour);
        }
        self.add_task(name);
        Ok((head, true))
    }

    /// Who asks next is told how it is with what was asked for, though nobody has looked yet.
    fn show_again(&mut self, name: &TaskName, now: Now) {
        let (none, before) = (Plan::default(), self.statuses.get(name).cloned());
        let plan = self.plans.get(name).unwrap_or(&none);
        let status = self.records.get(name).and_then(|record| {
            caught(name, "status", || self.status_of(record, plan, before.as_deref(), now))
        });
        if let Some(status) = status {
            self.show(name.clone(), status);
        }
    }
}

fn suspension((head, changed): (Head, bool)) -> Suspension {
    let by_manifest = head.task.suspend.then_some(head.place);
    Suspension { changed, by_command: head.suspended, by_manifest }
}
