//! What is counted of looks and steps. Nothing is decided here, or by it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Worker;
use crate::domain::instance::{EndReason, State};
use crate::domain::name::TaskName;
use crate::domain::plan::{Plan, Reason, Step};
use crate::domain::record::Record;
use crate::domain::settle::Report;
use crate::domain::time::{Mono, Now, Timestamp};
use crate::metrics::{Look, WorkMetrics};
use crate::runtime::Runtime;

/// Manifests that were saved and accepted, and of which nothing runs yet.
#[derive(Debug)]
pub(super) struct Rising {
    /// What was saved before nobody watched: how long ago says nothing.
    since: Timestamp,
    by_task: BTreeMap<TaskName, Saved>,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
struct Saved {
    generation: u64,
    at: Timestamp,
    accepted: Mono,
}

impl Rising {
    pub(super) fn since(since: Timestamp) -> Self {
        Self { since, by_task: BTreeMap::new() }
    }
}

impl<R: Runtime> Worker<R> {
    /// A look holds, and what follows from it begins.
    pub(super) fn measure(&mut self, before: Option<&Record>, after: (&Record, &Plan), now: Now) {
        let (record, plan) = after;
        let name = &record.head.name;
        let counts = &self.metrics.work;
        counts.looked(match plan {
            _ if plan.is_idle() => Look::Idle,
            _ if plan.steps.is_empty() && plan.pull.is_none() && !plan.revise => Look::Waiting,
            _ => Look::Acting,
        });
        counts.known(name);
        if plan.vanished {
            counts.gone(name);
        }
        for planned in &plan.steps {
            if !planned.step.is_effect() {
                counts.written(planned.step.name(), planned.reason.word());
            }
            if let (Step::Begin { .. }, Reason::Ended { reason, .. }) =
                (&planned.step, &planned.reason)
            {
                counts.restarted(name);
                if *reason == EndReason::Lost {
                    counts.healed("removed");
                }
            }
        }
        self.follow_saved(before, record, now);
        // What has converged rises no further: a restart later is none of a file that was saved.
        if plan.is_idle() || plan.refuse.is_some() || plan.vanished {
            self.rising.by_task.remove(name);
        }
    }

    /// Measures how long it takes from a file that is saved to an instance that runs.
    fn follow_saved(&mut self, before: Option<&Record>, record: &Record, now: Now) {
        let (name, generation) = (&record.head.name, record.head.generation);
        if before.is_none_or(|before| before.head.generation != generation) {
            self.rising.by_task.remove(name);
            let saved = self.metrics.saved.at(&record.head.place.file);
            if let Some(at) = saved.filter(|at| *at >= self.rising.since) {
                let saved = Saved { generation, at, accepted: now.mono };
                self.rising.by_task.insert(name.clone(), saved);
            }
        }
        let Some(saved) = self.rising.by_task.get(name).copied() else { return };
        let runs = record.instances.values().find(|instance| {
            let of = record.revisions.get(&instance.revision);
            instance.state == State::Running
                && instance.moved_at >= saved.accepted
                && of.is_some_and(|revision| revision.generation == saved.generation)
        });
        if let Some(instance) = runs {
            let began = instance.started_at.unwrap_or(now.wall);
            self.metrics.work.saved_to_running.observe(began.since(saved.at));
            self.rising.by_task.remove(name);
        }
    }
}

/// A step has ended, and took so long.
pub(super) fn step(counts: &WorkMetrics, report: &Report, reason: &'static str, took: Duration) {
    let (step, outcome) = match report {
        Report::Created(outcome) => ("create", outcome.word()),
        Report::Started(outcome) => ("start", outcome.word()),
        Report::Other(step, outcome) => (*step, outcome.word()),
    };
    counts.stepped((step, reason), outcome, took);
    if reason == "Drift" && outcome == "done" {
        counts.healed(drift(step));
    }
}

/// What was not as it was left, by the step that puts it right.
fn drift(step: &str) -> &'static str {
    match step {
        "unpause" => "paused",
        "rename" => "renamed",
        "update" => "limits",
        "connect" => "disconnected",
        "make-network" => "network",
        "stop" => "revived",
        _ => "other",
    }
}
