//! What the worker says of itself and its tasks: the log, the events, the status.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{error, info, warn};

use super::{Goal, Worker};
use crate::domain::desired::{Presence, Validity};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::event::{Event, Severity};
use crate::domain::instance::Seat;
use crate::domain::name::TaskName;
use crate::domain::plan::Plan;
use crate::domain::record::Record;
use crate::domain::source::Snapshot;
use crate::domain::status::{StatusInputs, TaskStatus, status};
use crate::domain::time::Now;
use crate::domain::world::Seen;
use crate::runtime::Runtime;

/// The target of what people watch: one line a thing done or found.
pub const EVENT_TARGET: &str = "evenkeel::event";

/// Tells of one thing that was done or found.
pub fn tell(event: &Event) {
    let Event { severity, reason, message, .. } = event;
    let task = event.task.as_ref().map(ToString::to_string).unwrap_or_default();
    match severity {
        Severity::Normal => info!(target: EVENT_TARGET, task, reason, "{message}"),
        Severity::Warning => warn!(target: EVENT_TARGET, task, reason, "{message}"),
        Severity::Error => error!(target: EVENT_TARGET, task, reason, "{message}"),
    }
}

impl<R: Runtime> Worker<R> {
    /// Tells that the source can be read, or can't.
    pub(super) fn tell_of_source(&self) {
        match &self.desired.unavailable {
            Some(message) => warn!(
                target: EVENT_TARGET, reason = "SourceUnavailable",
                "{message}; everything stays as it is"
            ),
            None => info!(target: EVENT_TARGET, reason = "SourceAvailable", "the source is read"),
        }
    }

    /// Tells what is wrong in the files: of tasks that have just changed, and of no task what was
    /// not known before.
    pub(super) fn tell_of_problems(&self, changed: &BTreeSet<TaskName>, known: &[Diagnostic]) {
        for name in changed {
            let validity = self.desired.tasks.get(name).map(|wanted| &wanted.validity);
            if let Some(Validity::Held { problems, .. }) = validity {
                for problem in problems {
                    let task = name.to_string();
                    let reason = problem.reason.word();
                    warn!(target: EVENT_TARGET, task, reason, "{problem}");
                }
            }
        }
        for problem in self.desired.problems.iter().filter(|problem| !known.contains(problem)) {
            warn!(target: EVENT_TARGET, reason = problem.reason.word(), "{problem}");
        }
        for other in self.desired.others.iter().filter(|other| !known.contains(other)) {
            info!(target: EVENT_TARGET, reason = "LeftAlone", "{other}");
        }
    }

    /// Tasks whose manifest was not accepted.
    pub(super) fn held_back(&self) -> BTreeSet<TaskName> {
        let held = |validity: &Validity| matches!(validity, Validity::Held { .. });
        let tasks = self.desired.tasks.iter().filter(|(_, wanted)| held(&wanted.validity));
        tasks.map(|(name, _)| name.clone()).collect()
    }

    /// Tells which of the manifests that were not accepted are now.
    pub(super) fn tell_of_mended(&self, held: &BTreeSet<TaskName>) {
        for name in held.difference(&self.held_back()) {
            let there = self.desired.tasks.get(name).map(|wanted| wanted.presence);
            if there == Some(Presence::There) {
                let task = name.to_string();
                info!(target: EVENT_TARGET, task, reason = "Mended", "its manifest is accepted again");
            }
        }
    }

    /// What [`Self::tell_of_problems`] has told of no task.
    pub(super) fn known_problems(&self) -> Vec<Diagnostic> {
        self.desired.problems.iter().chain(&self.desired.others).cloned().collect()
    }

    /// Tells that containers of this worker's name were made from another source, or no longer.
    pub(super) fn tell_of_other_source(&self) {
        let Some(other) = &self.engine.source_changed else {
            info!(target: EVENT_TARGET, reason = "SourceApproved", "all is made from one source");
            return;
        };
        warn!(
            target: EVENT_TARGET, reason = "SourceChanged",
            "containers of this worker were made from {other}: nothing is started or removed until \
             that is approved (evenkeel approve source)"
        );
    }

    /// Tells that removals are held, or no longer.
    pub(super) fn tell_of_hold(&self) {
        match self.held() {
            Some(held) => warn!(target: EVENT_TARGET, reason = "PruneHeld", "{}", held.why),
            None => info!(target: EVENT_TARGET, reason = "PruneReleased", "no removal is held"),
        }
    }

    /// The status of a task, after a look.
    pub(super) fn status_of(
        &self,
        record: &Record,
        plan: &Plan,
        previous: Option<&TaskStatus>,
        now: Now,
    ) -> TaskStatus {
        let name = &record.head.name;
        let seen: BTreeMap<Seat, Seen> = record
            .instances
            .iter()
            .filter_map(|(seat, it)| Some((*seat, self.sightings.seen(it.container.as_ref()?))))
            .collect();
        let containers = seen.iter().filter_map(|(seat, seen)| match seen {
            Seen::Present(container) => Some((*seat, &**container)),
            Seen::Unknown | Seen::Absent => None,
        });
        let wanted = self.desired.tasks.get(name);
        let held = self.held().filter(|held| held.tasks.contains(name)).map(|held| held.why);
        let inputs = StatusInputs {
            now,
            worker: &self.setting.maker.worker,
            record,
            plan,
            presence: wanted.map_or(Presence::Gone, |it| it.presence),
            going_down: self.goal == Goal::Down,
            validity: wanted.map_or(&Validity::Valid, |it| &it.validity),
            held: held.as_deref(),
            source_unavailable: self.desired.unavailable.as_deref(),
            containers: containers.collect(),
            engine: &self.engine,
        };
        status(&inputs, previous)
    }

    /// How many manifest files there are.
    pub(super) fn files(&self) -> usize {
        match &**self.snapshots.borrow() {
            Snapshot::Read { files } => files.len(),
            Snapshot::Unavailable { .. } => 0,
        }
    }

    /// Every problem in the files.
    pub(super) fn problems(&self) -> Vec<Diagnostic> {
        let held = self.desired.tasks.values().filter_map(|wanted| match &wanted.validity {
            Validity::Held { problems, .. } => Some(problems),
            Validity::Valid => None,
        });
        let mut all: Vec<Diagnostic> =
            held.flatten().chain(&self.desired.problems).cloned().collect();
        all.sort_by_key(|problem| {
            let place = problem.place.as_ref().map(|place| (place.line, place.column));
            (problem.file.clone(), place)
        });
        all.dedup();
        all
    }
}
