//! What a container has used, as the engine tells when somebody asks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// What a container has used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// When that was so.
    pub read_at: Timestamp,
    /// Its time on CPUs since it started, in nanoseconds.
    pub cpu_nanos: u64,
    /// Its memory without what the kernel can take back at once, in bytes.
    pub memory_bytes: u64,
    /// What went through its networks since it started; left out: it has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Traffic>,
    /// What it read from disks and wrote to them since it started, as far as the kernel counts it.
    pub block: Traffic,
}

/// Bytes that went in and out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// Received, or read.
    pub in_bytes: u64,
    /// Sent, or written.
    pub out_bytes: u64,
}
