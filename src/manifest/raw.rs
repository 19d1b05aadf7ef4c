//! A manifest as it is written, before it is checked.
//!
//! These types are the schema: their doc comments are what an editor shows and what `explain`
//! prints, so they speak to who writes manifests. Nothing here checks or decides; `check` turns
//! them into a task.

mod mount;
mod probe;
mod process;
mod quantity;
mod rollout;
mod security;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use mount::{Mount, Volume};
pub(super) use probe::{HttpGet, PortRef, Probe, Scheme};
pub(super) use process::{EnvVar, Logging, Port, Protocol, PullPolicy};
pub(super) use quantity::{QUANTITY_PATTERN, Quantity, Resources};
pub(super) use rollout::{Backoff, OnFailure, RestartPolicy, Strategy, Update};
pub(super) use security::{
    AppArmor, AppArmorType, CAPABILITY_PATTERN, SeccompType, SecurityContext,
};

/// A DNS-1123 label (RFC 1123, section 2.1).
pub(super) const LABEL_PATTERN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// A task: what one evenkeel manifest declares. It becomes one container for each replica, and
/// evenkeel keeps those as the manifest says.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "evenkeel Task")]
pub(super) struct Manifest {
    /// The version of this format. It tells evenkeel's manifests from those of other tools.
    #[schemars(example = &"evenkeel/v1")]
    #[serde(rename = "apiVersion")]
    pub _api_version: ApiVersion,
    /// What the manifest declares.
    #[schemars(example = &"Task")]
    #[serde(rename = "kind")]
    pub _kind: Kind,
    /// What the task is called, and what is noted on it.
    pub metadata: Metadata,
    /// What is to run, and how.
    pub spec: Spec,
}

/// The version of this format.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
pub(super) enum ApiVersion {
    #[serde(rename = "evenkeel/v1")]
    V1,
}

/// What the manifest declares.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
pub(super) enum Kind {
    Task,
}

/// What a task is called, and what is noted on it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Metadata {
    /// The task's name, unique within its namespace: 1 to 63 of `a-z`, `0-9` and `-`, beginning
    /// and ending with a letter or digit. Other tasks of the namespace reach it by this name.
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL_PATTERN), example = &"web")]
    pub name: String,
    /// The group of tasks it belongs to. Tasks of one namespace share a network and see each
    /// other by name.
    #[serde(default = "default_namespace")]
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL_PATTERN), example = &"shop")]
    pub namespace: String,
    /// Become labels of the container as they are; tools such as Traefik read them there. Changing
    /// one replaces the container. Keys that begin with `evenkeel.` are evenkeel's own.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("app", "web")]))]
    pub labels: BTreeMap<String, String>,
    /// Notes for tools, never on the container; changing one restarts nothing.
    /// `evenkeel/prune: "false"` leaves the container running when the manifest goes away.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("evenkeel/prune", "false")]))]
    pub annotations: BTreeMap<String, String>,
}

fn default_namespace() -> String {
    crate::domain::name::DEFAULT_NAMESPACE.to_owned()
}

/// What is to run, and how.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Spec {
    /// How many instances are to run, each in a container of its own. More than 1 can't be
    /// together with a fixed `hostPort`, or with a mount that can be written and is not `shared`.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 0, max = 250), example = 2)]
    pub replicas: u16,
    /// Stop all instances and start none, while the manifest stays.
    #[serde(default)]
    #[schemars(example = true)]
    pub suspend: bool,
    /// What the end of an instance leads to. `OnFailure` and `Never` make the task a job, which
    /// ends `Completed` or `Failed`.
    #[serde(default)]
    #[schemars(example = &"OnFailure")]
    pub restart_policy: RestartPolicy,
    /// How long is waited between restarts after failures: the wait doubles from one to the next.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("maxSeconds", 30)]))]
    pub backoff: Option<Backoff>,
    /// How a changed manifest replaces the instances that run.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("strategy", "Recreate")]))]
    pub update: Option<Update>,
    /// Seconds from the stop signal to the kill.
    #[serde(default = "default_grace")]
    #[schemars(range(min = 0, max = 31_536_000), example = 30)]
    pub termination_grace_period_seconds: u32,
    /// The signal that asks the process to stop. Left out: the one that the image names, else
    /// `SIGTERM`.
    #[serde(default)]
    #[schemars(length(min = 1), example = &"SIGINT")]
    pub stop_signal: Option<String>,
    /// The image, as `name[:tag][@digest]`. It is looked up once for each change of the manifest;
    /// a restart never changes it.
    #[schemars(length(min = 1), example = &"nginx:1.27")]
    pub image: String,
    /// When the image is pulled. Left out: `Always` for the tag `latest` or none, else
    /// `IfNotPresent`.
    #[serde(default)]
    #[schemars(example = &"IfNotPresent")]
    pub image_pull_policy: Option<PullPolicy>,
    /// The program and its first arguments: replaces the image's ENTRYPOINT. No shell is involved.
    #[serde(default)]
    #[schemars(example = ["sleep", "60"])]
    pub command: Vec<String>,
    /// Arguments: replaces the image's CMD.
    #[serde(default)]
    #[schemars(example = ["--verbose"])]
    pub args: Vec<String>,
    /// The directory that the process starts in. Left out: the one that the image names.
    #[serde(default)]
    #[schemars(length(min = 1), example = &"/srv")]
    pub working_dir: Option<String>,
    /// Environment variables, in addition to the image's.
    #[serde(default)]
    #[schemars(example = [BTreeMap::from([("name", "PORT"), ("value", "8080")])])]
    pub env: Vec<EnvVar>,
    /// Ports that the process listens at.
    #[serde(default)]
    #[schemars(length(max = 1000), example = [BTreeMap::from([("containerPort", 80), ("hostPort", 8080)])])]
    pub ports: Vec<Port>,
    /// Volumes, directories of the host and memory that the container sees.
    #[serde(default)]
    #[schemars(length(max = 1000), example = [BTreeMap::from([("path", "/data"), ("volume", "data")])])]
    pub mounts: Vec<Mount>,
    /// Tells when an instance has started; until then the other probes are not asked. One that has
    /// not started after `failureThreshold` times is replaced.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "tcpSocket": { "port": 8080 }, "failureThreshold": 30 }))]
    pub startup_probe: Option<Probe>,
    /// Tells whether an instance is ready: a change goes on only when the new one is. Left out: what
    /// the image's HEALTHCHECK says, if it has one; else it is ready once it has run for a moment.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "httpGet": { "path": "/healthz", "port": 8080 } }))]
    pub readiness_probe: Option<Probe>,
    /// Tells whether an instance is alive: one that is not is stopped, and another is started under
    /// `backoff`.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "exec": { "command": ["pg_isready", "-q"] } }))]
    pub liveness_probe: Option<Probe>,
    /// Use the host's network instead of the namespace's. Needs `--policy privileged`.
    #[serde(default)]
    #[schemars(example = true)]
    pub host_network: bool,
    /// How much CPU and memory, and how many processes.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "limits": { "memory": "128Mi" } }))]
    pub resources: Option<Resources>,
    /// Which user the process runs as, and what it may do.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("runAsUser", 1000)]))]
    pub security_context: Option<SecurityContext>,
    /// Where the container's output goes. Left out: `json-file`, three files of 10 MB.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("driver", "local")]))]
    pub logging: Option<Logging>,
    /// Give the process a terminal.
    #[serde(default)]
    #[schemars(example = true)]
    pub tty: bool,
    /// Keep the process's standard input open.
    #[serde(default)]
    #[schemars(example = true)]
    pub stdin: bool,
    /// Run a tiny init as PID 1, which passes signals on and collects orphans.
    #[serde(default)]
    #[schemars(example = true)]
    pub init: bool,
}

fn default_replicas() -> u16 {
    1
}

fn default_grace() -> u32 {
    10
}
