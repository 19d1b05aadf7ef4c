//! Restarts and updates, as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the end of an instance leads to.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
pub enum RestartPolicy {
    /// a service: started again whatever its end.
    #[default]
    Always,
    /// a job: started again unless it ended with exit code 0.
    OnFailure,
    /// a job that runs at most once.
    Never,
}

/// How long is waited between restarts after failures.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backoff {
    /// Seconds before the first restart; doubled for each one after it.
    #[serde(default = "default_initial")]
    #[schemars(range(min = 1, max = 31_536_000), example = 2)]
    pub initial_seconds: u32,
    /// The longest wait, in seconds.
    #[serde(default = "default_max")]
    #[schemars(range(min = 1, max = 31_536_000), example = 30)]
    pub max_seconds: u32,
    /// After so many seconds of running, the failures before are forgotten.
    #[serde(default = "default_reset")]
    #[schemars(range(min = 1, max = 31_536_000), example = 300)]
    pub reset_after_seconds: u32,
    /// After so many failures the task is `Failed` and is not started again. Left out: never.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000), example = 6)]
    pub limit: Option<u32>,
}

fn default_initial() -> u32 {
    1
}
fn default_max() -> u32 {
    60
}
fn default_reset() -> u32 {
    600
}

/// How a changed manifest replaces the instances that run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Update {
    /// In which order.
    #[serde(default)]
    #[schemars(example = &"Recreate")]
    pub strategy: Strategy,
    /// How many slots may have a second instance while they are replaced.
    #[serde(default = "default_surge")]
    #[schemars(range(min = 0, max = 250), example = 1)]
    pub max_surge: u16,
    /// How many slots may be without an instance while they are replaced.
    #[serde(default)]
    #[schemars(range(min = 0, max = 250), example = 1)]
    pub max_unavailable: u16,
    /// How many seconds a new instance has to stay ready before the old one goes.
    #[serde(default)]
    #[schemars(range(min = 0, max = 31_536_000), example = 5)]
    pub min_ready_seconds: u32,
    /// After so many seconds without progress the update has failed. Left out: 600, or 60 where
    /// the old instance has to be stopped first.
    #[serde(default)]
    #[schemars(range(min = 1, max = 31_536_000), example = 120)]
    pub progress_deadline_seconds: Option<u32>,
    /// What an update that failed leads to.
    #[serde(default)]
    #[schemars(example = &"Rollback")]
    pub on_failure: OnFailure,
}

fn default_surge() -> u16 {
    1
}

/// In which order instances are replaced.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
pub enum Strategy {
    /// the new one is started first, and the old one stopped once the new one is ready; where a
    /// mount or a host port forbids that, the old one is stopped first.
    #[default]
    Rolling,
    /// all old ones are stopped before a new one is started.
    Recreate,
}

/// What an update that failed leads to.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
pub enum OnFailure {
    /// back to the last revision that was ready, until the manifest changes again.
    #[default]
    Rollback,
}
