//! What a process gets and gives: image, environment, ports, output; as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LABEL_PATTERN;

/// When an image is pulled.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
pub enum PullPolicy {
    /// at every change of the manifest.
    Always,
    /// if the engine has no image of that name.
    IfNotPresent,
    /// not at all: the engine has to have it.
    Never,
}

/// An environment variable.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvVar {
    /// Its name, without `=`.
    #[schemars(length(min = 1), regex(pattern = "^[^=]*$"), example = &"PORT")]
    pub name: String,
    /// Its value. It has to be text: numbers, `true` and `false` go into quotes.
    #[schemars(example = &"8080")]
    pub value: String,
}

/// A port that the process listens at.
#[expect(clippy::struct_field_names, reason = "the names are Kubernetes'")]
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Port {
    /// A name for it, unique within the task.
    #[serde(default)]
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL_PATTERN), example = &"http")]
    pub name: Option<String>,
    /// Where the process listens.
    #[schemars(range(min = 1, max = 65535), example = 80)]
    pub container_port: u16,
    /// Where the host listens for it. Left out: the port is not published; `0`: any free port,
    /// which the status shows.
    #[serde(default)]
    #[schemars(range(min = 0, max = 65535), example = 8080)]
    pub host_port: Option<u16>,
    /// The host's address to listen at. Left out: all of them.
    #[serde(default, rename = "hostIP")]
    #[schemars(length(min = 1), example = &"127.0.0.1")]
    pub host_ip: Option<String>,
    /// The transport protocol.
    #[serde(default)]
    #[schemars(example = &"UDP")]
    pub protocol: Protocol,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
pub enum Protocol {
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    #[serde(rename = "UDP")]
    Udp,
    #[serde(rename = "SCTP")]
    Sctp,
}

/// Where a container's output goes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Logging {
    /// One of the engine's log drivers. `evenkeel logs` reads `json-file`, `local` and `journald`.
    #[serde(default = "default_driver")]
    #[schemars(length(min = 1), example = &"local")]
    pub driver: String,
    /// The driver's options. Left out, with `json-file`: `max-size: 10m` and `max-file: "3"`.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("max-size", "50m")]))]
    pub options: Option<BTreeMap<String, String>>,
}

fn default_driver() -> String {
    "json-file".to_owned()
}
