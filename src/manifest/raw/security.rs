//! What a process may do, as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What names of capabilities look like.
pub(in crate::manifest) const CAPABILITY_PATTERN: &str = "^[A-Z_]+$";

/// Which user the process runs as, and what it may do.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecurityContext {
    /// The numeric user. Left out: the image's.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647), example = 1000)]
    pub run_as_user: Option<u32>,
    /// The numeric group; only together with `runAsUser`.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647), example = 1000)]
    pub run_as_group: Option<u32>,
    /// Further numeric groups.
    #[serde(default)]
    #[schemars(inner(range(min = 0, max = 2_147_483_647)), example = [2000])]
    pub supplemental_groups: Vec<u32>,
    /// The container's own files can't be written; mounts still can.
    #[serde(default)]
    #[schemars(example = true)]
    pub read_only_root_filesystem: bool,
    /// All rights on the host. Needs `--policy privileged`.
    #[serde(default)]
    #[schemars(example = true)]
    pub privileged: bool,
    /// Whether a process may gain rights that its parent lacks, as `sudo` and `su` do. Left out:
    /// false, unless `privileged`.
    #[serde(default)]
    #[schemars(example = true)]
    pub allow_privilege_escalation: Option<bool>,
    /// Rights of root, one by one.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "drop": ["ALL"] }))]
    pub capabilities: Option<Capabilities>,
    /// Which system calls are let through.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "type": "RuntimeDefault" }))]
    pub seccomp_profile: Option<Seccomp>,
    /// Which `AppArmor` profile holds.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "type": "RuntimeDefault" }))]
    pub apparmor_profile: Option<AppArmor>,
}

/// Rights of root, one by one.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capabilities {
    /// Capabilities beyond the engine's default ones, with or without `CAP_`.
    #[serde(default)]
    #[schemars(length(max = 64), inner(regex(pattern = CAPABILITY_PATTERN)), example = ["NET_BIND_SERVICE"])]
    pub add: Vec<String>,
    /// Capabilities taken away, with or without `CAP_`; `ALL` takes all.
    #[serde(default)]
    #[schemars(length(max = 64), inner(regex(pattern = CAPABILITY_PATTERN)), example = ["ALL"])]
    pub drop: Vec<String>,
}

/// Which system calls are let through.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Seccomp {
    /// Which profile.
    #[schemars(example = &"RuntimeDefault")]
    pub r#type: SeccompType,
}

/// Which seccomp profile.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
pub enum SeccompType {
    /// the engine's own.
    RuntimeDefault,
    /// none; needs `--policy privileged`.
    Unconfined,
}

/// Which `AppArmor` profile holds.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppArmor {
    /// Which kind of profile.
    #[schemars(example = &"RuntimeDefault")]
    pub r#type: AppArmorType,
    /// The profile's name on the host; with `type: Localhost` only.
    #[serde(default)]
    #[schemars(length(min = 1), example = &"my-profile")]
    pub localhost_profile: Option<String>,
}

/// Which kind of `AppArmor` profile.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
pub enum AppArmorType {
    /// the engine's own.
    RuntimeDefault,
    /// none; needs `--policy privileged`.
    Unconfined,
    /// one that is loaded on the host.
    Localhost,
}
