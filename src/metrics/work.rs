//! What the worker counts: its looks, the steps that it has done, and what came of them.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

use super::Timing;
use crate::domain::name::TaskName;

/// Words that are known when the program is made, so few, by the label that they are under.
type Words<const N: usize> = [(&'static str, &'static str); N];

/// What the worker counts.
#[derive(Debug)]
pub struct WorkMetrics {
    looks: Family<Words<1>, Counter>,
    steps: Family<Words<3>, Counter>,
    step_times: Family<Words<1>, Histogram>,
    restarts: Family<[(&'static str, String); 2], Counter>,
    healed: Family<Words<1>, Counter>,
    /// From a saved file to the first instance of it that runs.
    pub saved_to_running: Timing,
}

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// There is nothing to do.
    Idle,
    /// Something is waited for.
    Waiting,
    /// Something is done.
    Acting,
    /// It could not be written down, so nothing is done.
    Unwritten,
    /// It brought a bug to light.
    Panicked,
}

impl Look {
    fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Acting => "acting",
            Self::Unwritten => "unwritten",
            Self::Panicked => "panicked",
        }
    }
}

impl Default for WorkMetrics {
    fn default() -> Self {
        let step_times = || {
            let bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
            Histogram::new(bounds.into_iter().chain([30.0, 60.0, 300.0]))
        };
        let to_running = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0];
        Self {
            looks: Family::default(),
            steps: Family::default(),
            step_times: Family::new_with_constructor(step_times),
            restarts: Family::default(),
            healed: Family::default(),
            saved_to_running: Timing::within(to_running),
        }
    }
}

impl WorkMetrics {
    /// A task was looked at.
    pub fn looked(&self, look: Look) {
        self.looks.get_or_create(&[("result", look.word())]).inc();
    }

    /// A step is done that only changes what is written down.
    pub fn written(&self, step: &'static str, reason: &'static str) {
        self.count((step, reason), "done");
    }

    fn count(&self, (step, reason): (&'static str, &'static str), outcome: &'static str) {
        let labels = [("step", step), ("reason", reason), ("outcome", outcome)];
        self.steps.get_or_create(&labels).inc();
    }

    /// A step on the engine has ended, and took so long.
    pub fn stepped(
        &self,
        step: (&'static str, &'static str),
        outcome: &'static str,
        took: Duration,
    ) {
        self.count(step, outcome);
        let (step, _) = step;
        self.step_times.get_or_create(&[("step", step)]).observe(took.as_secs_f64());
    }

    /// Something that was otherwise than it was left was put right.
    pub fn healed(&self, kind: &'static str) {
        self.healed.get_or_create(&[("kind", kind)]).inc();
    }

    /// A task is known: its restarts are counted from 0, so that the first one is seen to rise.
    pub fn known(&self, task: &TaskName) {
        drop(self.restarts.get_or_create(&labels(task)));
    }

    /// An instance of a task was begun because the one before it ended.
    pub fn restarted(&self, task: &TaskName) {
        self.restarts.get_or_create(&labels(task)).inc();
    }

    /// Nothing is left of a task.
    pub fn gone(&self, task: &TaskName) {
        self.restarts.remove(&labels(task));
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let it = registry.sub_registry_with_prefix("evenkeel");
        it.register("looks", "Looks at tasks, by what came of them", self.looks.clone());
        let steps = "Steps that have ended, by kind, reason and outcome";
        it.register("steps", steps, self.steps.clone());
        let times = "How long steps took, by kind";
        it.register_with_unit("step_duration", times, Unit::Seconds, self.step_times.clone());
        let restarts = "Instances that were begun because the one before them ended, by task";
        it.register("restarts", restarts, self.restarts.clone());
        let healed = "What was found otherwise than it was left and put right, by kind";
        it.register("drift_healed", healed, self.healed.clone());
        let rise = "From a manifest that is saved to the first instance of it that runs";
        let timing = self.saved_to_running.0.clone();
        it.register_with_unit("saved_to_running", rise, Unit::Seconds, timing);
    }
}

fn labels(task: &TaskName) -> [(&'static str, String); 2] {
    [("namespace", task.namespace.to_string()), ("task", task.name.to_string())]
}
