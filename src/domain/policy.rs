//! What the operator lets manifests ask for.

use serde::{Deserialize, Serialize};

/// What the operator lets manifests ask for; outside the directory, never the manifest's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How much.
    pub level: Level,
    /// Prefixes of host paths that are allowed beside the source itself: absolute, normalised.
    pub allowed_host_paths: Vec<String>,
}

/// After the Kubernetes Pod Security Standards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Heavily restricted: current hardening practice.
    Restricted,
    /// No known way to more rights.
    #[default]
    Baseline,
    /// Anything.
    Privileged,
}
