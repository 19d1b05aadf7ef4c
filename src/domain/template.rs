//! What an instance's container is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::Label;

/// All that forces a new container when it changes, and the resources that are changed in place.
///
/// `None` and empty lists mean "as the image says".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// The image, as written.
    pub image: ImageRef,
    /// When the image is pulled.
    pub image_pull_policy: PullPolicy,
    /// Replaces the image's ENTRYPOINT.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Replaces the image's CMD.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// The directory the process starts in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Environment variables; no name twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Ports; no container port and no host port twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Mounts; no path twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Use the host's network.
    #[serde(default)]
    pub host_network: bool,
    /// CPU, memory and processes.
    #[serde(default)]
    pub resources: Resources,
    /// User, capabilities and what else says what the process may do.
    #[serde(default)]
    pub security_context: SecurityContext,
    /// Where its output goes.
    #[serde(default)]
    pub logging: Logging,
    /// A signal name such as `SIGINT`; `None`: the image's, else `SIGTERM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Give it a terminal.
    #[serde(default)]
    pub tty: bool,
    /// Keep its standard input open.
    #[serde(default)]
    pub stdin: bool,
    /// A tiny init as PID 1.
    #[serde(default)]
    pub init: bool,
}

/// The registry of an image that names none.
pub const HUB: &str = "docker.io";

/// An image reference as people write it: `name[:tag][@digest]`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ImageRef(String);

impl ImageRef {
    /// Wraps a text that `manifest::check` has found well formed, or that was stored after that.
    #[must_use]
    pub fn checked(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its registry: what is before the first `/`, if that looks like a host, else Docker Hub.
    #[must_use]
    pub fn registry(&self) -> &str {
        match self.0.split_once('/') {
            Some(("index.docker.io", _)) => HUB,
            Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
            Some(_) | None => HUB,
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// When an image is pulled.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum PullPolicy {
    /// At every rollout.
    Always,
    /// If the engine has none of that name.
    IfNotPresent,
    /// Not at all.
    Never,
}

/// One environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnvVar {
    /// Its name: no `=`, no NUL, not empty.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// One port of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// What probes and people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// Where the process listens, 1 to 65535.
    pub container_port: u16,
    /// Where the host listens for it; `None`: not published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostPort>,
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
}

/// Where a port is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostPort {
    /// The host's address; `None`: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The host's port; 0: any free one.
    pub port: u16,
}

/// A transport protocol.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum Protocol {
    /// TCP.
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    /// UDP.
    #[serde(rename = "UDP")]
    Udp,
    /// SCTP.
    #[serde(rename = "SCTP")]
    Sctp,
}

impl Protocol {
    /// As the engine writes it.
    #[must_use]
    pub fn lower(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// Something of the host, seen inside the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Where the container sees it: absolute.
    pub path: String,
    /// The container can't write it.
    #[serde(default)]
    pub read_only: bool,
    /// Several instances may write it at once.
    #[serde(default)]
    pub shared: bool,
    /// What is mounted.
    pub source: MountSource,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MountSource {
    /// A volume of the namespace: made when missing, never removed.
    Volume(Label),
    /// A volume that exists under the engine's own name: never made, never removed.
    EngineVolume(String),
    /// A path of the host.
    HostPath {
        /// Absolute, without `.` and `..`; links in it are not resolved.
        path: String,
        /// Make a directory there if there is nothing.
        #[serde(default)]
        create: bool,
    },
    /// Memory.
    Tmpfs {
        /// At most so many bytes; `None`: as the engine says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
}

/// CPU, memory and processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// What it can't exceed.
    #[serde(default)]
    pub limits: Limits,
    /// What it is meant to get when there is little.
    #[serde(default)]
    pub requests: Requests,
}

/// What a container can't exceed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Billionths of a processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nano_cpus: Option<u64>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}

/// What a container is meant to get when there is little.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// Billionths of a processor: weighs it against the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nano_cpus: Option<u64>,
    /// Bytes that are kept for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}

/// The engine's weight for one processor, and its least.
const SHARES_PER_CPU: u128 = 1024;
const SHARES_MIN: u64 = 2;
const NANO: u128 = 1_000_000_000;

impl Requests {
    /// What is kept for it, in the engine's measures.
    #[must_use]
    pub fn reserved(self) -> Reserved {
        let shares = |nano_cpus: u64| {
            let shares = u128::from(nano_cpus) * SHARES_PER_CPU / NANO;
            u64::try_from(shares).unwrap_or(u64::MAX).max(SHARES_MIN)
        };
        Reserved { cpu_shares: self.nano_cpus.map(shares), memory: self.memory }
    }
}

/// What is kept for a container, in the engine's measures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reserved {
    /// The weight of its processes: 1024 for each processor that it requests, 2 at least.
    pub cpu_shares: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
}

/// What the process may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecurityContext {
    /// Numeric user; `None`: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<u32>,
    /// Numeric group; only with a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<u32>,
    /// Further groups.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub supplemental_groups: BTreeSet<u32>,
    /// The image's files can't be written.
    #[serde(default)]
    pub read_only_root_filesystem: bool,
    /// All rights on the host.
    #[serde(default)]
    pub privileged: bool,
    /// A process may gain rights its parent lacks (set-user-id programs).
    #[serde(default)]
    pub allow_privilege_escalation: bool,
    /// Capabilities added, without `CAP_`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub capabilities_add: BTreeSet<String>,
    /// Capabilities dropped, without `CAP_`; `ALL` drops all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub capabilities_drop: BTreeSet<String>,
    /// System calls are not filtered.
    #[serde(default)]
    pub seccomp_unconfined: bool,
    /// The `AppArmor` profile; `None`: the engine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apparmor_profile: Option<String>,
}

/// Where a container's output goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Logging {
    /// One of the engine's log drivers.
    pub driver: String,
    /// Its options.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

impl Default for Logging {
    /// `json-file`, three files of 10 MB: the engine's own default has no end.
    fn default() -> Self {
        let options = [("max-size", "10m"), ("max-file", "3")];
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Self { driver: "json-file".to_owned(), options: options.map(owned).into() }
    }
}
