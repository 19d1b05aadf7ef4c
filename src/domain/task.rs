//! The checked task: what a manifest declares, with every default filled in.
//!
//! A value of these types has passed the checks of `manifest::check`; what is stored is read back
//! without them, so that a check that comes later never stops what runs.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::TaskName;
use super::probe::Probes;
use super::template::Template;

/// What one manifest declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// What it is called.
    pub name: TaskName,
    /// Become container labels as they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// For tools; never on the container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// How many instances are wanted.
    pub replicas: u16,
    /// Stop its instances and start none.
    #[serde(default)]
    pub suspend: bool,
    /// Whether it is a service (`Always`) or a job.
    pub restart_policy: RestartPolicy,
    /// How restarts are spaced.
    pub backoff: Backoff,
    /// How a changed manifest replaces instances.
    pub update: Update,
    /// Seconds from the stop signal to the kill.
    pub termination_grace_period_seconds: u32,
    /// What is asked of its instances to tell how they are.
    #[serde(default, skip_serializing_if = "Probes::is_empty")]
    pub probes: Probes,
    /// What its containers are made of.
    pub template: Template,
}

/// The annotation that lets a container go instead of stopping it, when its manifest goes away.
pub const PRUNE_ANNOTATION: &str = "evenkeel/prune";

impl Task {
    /// Whether it is to end by itself.
    #[must_use]
    pub fn is_job(&self) -> bool {
        self.restart_policy != RestartPolicy::Always
    }

    /// Whether its containers are removed when its manifest goes away.
    #[must_use]
    pub fn is_pruned(&self) -> bool {
        self.annotations.get(PRUNE_ANNOTATION).is_none_or(|value| value != "false")
    }
}

/// What an instance's end leads to, with Kubernetes' meanings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestartPolicy {
    /// A service: started again whatever its end.
    #[default]
    Always,
    /// A job: started again unless it ended with 0.
    OnFailure,
    /// A job that runs at most once.
    Never,
}

/// Waiting between restarts: doubles from `initial_seconds` to `max_seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// The first wait, in seconds.
    pub initial_seconds: u32,
    /// The longest wait, in seconds.
    pub max_seconds: u32,
    /// After so many seconds of running the failures before are forgotten.
    pub reset_after_seconds: u32,
    /// After so many failures the task is `Failed`; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial_seconds: 1, max_seconds: 60, reset_after_seconds: 600, limit: None }
    }
}

impl Backoff {
    /// The wait after `failures` failures in a row, without jitter.
    #[must_use]
    pub fn delay(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let seconds = u64::from(self.initial_seconds) << doublings;
        Duration::from_secs(seconds.min(u64::from(self.max_seconds)))
    }
}

/// How a changed manifest replaces instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// One after the other, or all at once.
    pub strategy: Strategy,
    /// How many slots may have a second instance while they are replaced.
    pub max_surge: u16,
    /// How many slots may be without an instance while they are replaced.
    pub max_unavailable: u16,
    /// How many seconds a new instance has to stay ready before the old one goes.
    pub min_ready_seconds: u32,
    /// Seconds until a rollout that gets no further has failed; `None`: what fits the way it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_deadline_seconds: Option<u32>,
    /// What a failed rollout leads to.
    #[serde(default)]
    pub on_failure: OnFailure,
}

impl Default for Update {
    fn default() -> Self {
        Self {
            strategy: Strategy::Rolling,
            max_surge: 1,
            max_unavailable: 0,
            min_ready_seconds: 0,
            progress_deadline_seconds: None,
            on_failure: OnFailure::Rollback,
        }
    }
}

/// The way of an update.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Strategy {
    /// New ones first, old ones after, as far as mounts and ports allow.
    #[default]
    Rolling,
    /// All old ones are stopped before a new one is started.
    Recreate,
}

/// What a failed rollout leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnFailure {
    /// Back to the last revision that was ready.
    #[default]
    Rollback,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_to_its_maximum() {
        let backoff = Backoff { initial_seconds: 2, max_seconds: 30, ..Backoff::default() };
        let waits: Vec<u64> = (0..7).map(|failures| backoff.delay(failures).as_secs()).collect();
        assert_eq!(waits, [2, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.delay(u32::MAX).as_secs(), 30);
    }
}
