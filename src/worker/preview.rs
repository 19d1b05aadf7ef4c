//! What a worker would do first, and why; nothing is done and nothing written down.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::command::Held;
use super::engine;
use super::{Afresh, Worker};
use crate::domain::desired::Validity;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::engine::EngineChange;
use crate::domain::exclusive::{self, Made};
use crate::domain::instance::{Seat, State};
use crate::domain::name::TaskName;
use crate::domain::plan::{FieldChange, Planned, Reason, Step};
use crate::domain::record::Record;
use crate::domain::source::Place;
use crate::runtime::Runtime;

/// How many looks at one task in a row only change what is written down, at most.
const LOOKS: usize = 16;

/// How long the engine may take to tell of everything.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a worker would do first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// Why the source can't be read, if it can't: nothing would be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_unavailable: Option<String>,
    /// Why the engine can't be asked, if it can't: nothing would be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_unavailable: Option<String>,
    /// It is another engine than before, with containers of this worker's name on it that this one
    /// did not make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_changed: Option<EngineChange>,
    /// The other source directory that containers of this worker's name were made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_changed: Option<String>,
    /// Removals that would be held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune_held: Option<Held>,
    /// Every problem in the files.
    pub problems: Vec<Diagnostic>,
    /// Each task, by name.
    pub tasks: Vec<TaskPreview>,
}

/// What would be done about one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskPreview {
    /// What it is called.
    pub name: TaskName,
    /// Where its manifest stands, or stood.
    pub place: Place,
    /// The manifest that is there now is broken: the last good one is kept.
    pub held: bool,
    /// What would be done, in this order.
    pub actions: Vec<Action>,
    /// What would be waited for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<String>,
}

/// One thing that would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// What: `start`, `replace`, `stop`, `remove`, `update`…
    pub verb: String,
    /// The instance.
    pub slot: u16,
    /// Its attempt.
    pub attempt: u32,
    /// The attempt that it takes the place of, if one runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u32>,
    /// Why that one has to stop first, if it has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_first: Option<String>,
    /// A stable word for why.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
    /// Field by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

impl Preview {
    /// Whether a worker would do anything.
    #[must_use]
    pub fn has_actions(&self) -> bool {
        self.tasks.iter().any(|task| !task.actions.is_empty())
    }
}

impl<R: Runtime> Worker<R> {
    /// What this worker would do first, with what its channel of snapshots holds.
    pub async fn preview(mut self) -> Preview {
        self.rules.tombstone = Duration::ZERO;
        let asked = self.clock.now().mono;
        let worker = self.setting.maker.worker.clone();
        let everything = engine::Besides { info: true, start: true, resources: true };
        let whole = engine::relist(self.runtime.clone(), worker, everything, asked);
        match tokio::time::timeout(PATIENCE, whole).await {
            Ok(whole) => self.on_finished(whole),
            Err(_) => self.engine.unavailable = Some("it does not answer".to_owned()),
        }
        self.relisting.wanted = None::<Afresh>;
        self.answers().await;
        self.snapshot_came = true;
        self.ask_all();
        self.answers().await;
        // The first look finds what is gone, the second that it has been gone for long enough.
        self.take_snapshot();
        self.take_snapshot();
        for name in self.index.with_loose() {
            // Nothing is decided before all that was found is taken over.
            if let Some(looked) = self.look(&name) {
                self.records.insert(name.clone(), looked.record);
            }
        }
        let names: Vec<TaskName> = self.desired.tasks.keys().cloned().collect();
        let mut tasks = Vec::new();
        for name in &names {
            tasks.extend(self.preview_of(name));
        }
        let preview = Preview {
            source_unavailable: self.desired.unavailable.clone(),
            engine_unavailable: self.engine.unavailable.clone(),
            engine_changed: self.engine.changed.clone(),
            source_changed: self.engine.source_changed.clone(),
            prune_held: self.held(),
            problems: self.problems(),
            tasks,
        };
        self.jobs.shutdown().await;
        preview
    }

    /// Takes in what was asked for. What has not answered by then is shown as waited for.
    async fn answers(&mut self) {
        let answers = async {
            while let Some(finished) = self.jobs.join_next().await {
                if let Ok(finished) = finished {
                    self.on_finished(finished);
                }
            }
        };
        let _late = tokio::time::timeout(PATIENCE, answers).await;
    }

    fn preview_of(&mut self, name: &TaskName) -> Option<TaskPreview> {
        let mut actions: Vec<Action> = Vec::new();
        let mut waiting_for = Vec::new();
        for _ in 0..LOOKS {
            let looked = self.look(name)?;
            let before = self.records.insert(name.clone(), looked.record.clone());
            let plan = looked.plan;
            for planned in &plan.steps {
                let known = actions.iter().any(|action| same_seat(action, planned.seat));
                if !known && let Some(record) = before.as_ref().or(Some(&looked.record)) {
                    actions.extend(self.action(record, &looked.record, planned));
                }
            }
            waiting_for = plan.waiting.iter().map(ToString::to_string).collect();
            let only_written = plan.revise
                || plan.refuse.is_some()
                || plan.ready.is_some()
                || !plan.proven.is_empty()
                || plan.steps.iter().any(|planned| !planned.step.is_effect());
            if !only_written {
                break;
            }
        }
        let record = self.records.get(name)?;
        let wanted = self.desired.tasks.get(name)?;
        let held = matches!(wanted.validity, Validity::Held { .. });
        let place = record.head.place.clone();
        Some(TaskPreview { name: name.clone(), place, held, actions, waiting_for })
    }

    /// A step as a person thinks of it; `None` for what goes without saying.
    fn action(&self, before: &Record, after: &Record, planned: &Planned) -> Option<Action> {
        let seat = planned.seat;
        let runs = before
            .instances
            .values()
            .find(|it| it.seat.slot == seat.slot && it.seat != seat && it.state == State::Running);
        let mut stop_first = None;
        let verb = match (&planned.step, runs) {
            (Step::Begin { revision, .. }, Some(old)) => {
                let (old, new) =
                    (before.revisions.get(&old.revision), after.revisions.get(revision));
                stop_first = old.zip(new).and_then(|(old, new)| {
                    let (old, new) = (Made::of(&old.task), Made::of(&new.task));
                    exclusive::stop_first(&self.setting.maker.worker, old, new)
                });
                "replace"
            }
            (Step::Begin { .. }, None) => "start",
            (Step::Drop | Step::Forget, _) => return None,
            (Step::Remove(_), _) if planned.reason == Reason::Cleanup => return None,
            (Step::Cancel, _) => "cancel",
            (step, _) => step.name(),
        };
        let fields = match &planned.reason {
            Reason::Changed(fields) => fields.clone(),
            _ => Vec::new(),
        };
        Some(Action {
            verb: verb.to_owned(),
            slot: seat.slot,
            attempt: seat.attempt,
            replaces: runs.filter(|_| verb == "replace").map(|it| it.seat.attempt),
            stop_first: stop_first.map(|why| why.to_string()),
            reason: planned.reason.word().to_owned(),
            message: planned.reason.to_string(),
            fields,
        })
    }
}

fn same_seat(action: &Action, seat: Seat) -> bool {
    (action.slot, action.attempt) == (seat.slot, seat.attempt)
}
