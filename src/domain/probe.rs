//! Probes: what is asked of an instance to tell whether it has started, is ready, is alive.
//!
//! The meanings are Kubernetes': <https://kubernetes.io/docs/concepts/workloads/pods/probes/>.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The probes of a task. No container is made of them: they may change while it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probes {
    /// Whether it has started; until then the others are not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup: Option<Probe>,
    /// Whether it is ready to serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Probe>,
    /// Whether it is alive; one that is not is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Probe>,
}

impl Probes {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The one of that kind.
    #[must_use]
    pub fn of(&self, kind: ProbeKind) -> Option<&Probe> {
        match kind {
            ProbeKind::Startup => self.startup.as_ref(),
            ProbeKind::Readiness => self.readiness.as_ref(),
            ProbeKind::Liveness => self.liveness.as_ref(),
        }
    }

    /// Whether one of them has to succeed before the instance counts as ready.
    #[must_use]
    pub fn hold_ready(&self) -> bool {
        self.startup.is_some() || self.readiness.is_some()
    }

    /// All there are.
    pub fn all(&self) -> impl Iterator<Item = (ProbeKind, &Probe)> {
        ProbeKind::ALL.into_iter().filter_map(|kind| Some((kind, self.of(kind)?)))
    }
}

/// What a probe tells.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum ProbeKind {
    /// Whether it has started.
    Startup,
    /// Whether it is ready.
    Readiness,
    /// Whether it is alive.
    Liveness,
}

impl ProbeKind {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Startup, Self::Readiness, Self::Liveness];
}

impl fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Startup => "startup",
            Self::Readiness => "readiness",
            Self::Liveness => "liveness",
        })
    }
}

/// One question, and how its answers count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// What is asked.
    pub action: Action,
    /// Seconds from the start of the container to the first time.
    pub initial_delay_seconds: u32,
    /// Seconds from one time to the next.
    pub period_seconds: u32,
    /// Seconds until an answer comes too late.
    pub timeout_seconds: u32,
    /// So many in a row, after a failure, make a success.
    pub success_threshold: u32,
    /// So many in a row, after a success, make a failure.
    pub failure_threshold: u32,
}

impl Probe {
    /// From the start of the container to the first time.
    #[must_use]
    pub fn initial_delay(&self) -> Duration {
        Duration::from_secs(u64::from(self.initial_delay_seconds))
    }

    /// From one time to the next.
    #[must_use]
    pub fn period(&self) -> Duration {
        Duration::from_secs(u64::from(self.period_seconds))
    }

    /// How long an answer may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout_seconds))
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Run this in the container: success is exit code 0.
    Exec(Vec<String>),
    /// Get this: success is a status from 200 to 399.
    HttpGet(HttpGet),
    /// Connect to this port: success is a connection.
    TcpSocket(u16),
}

/// A page that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpGet {
    /// Its path, with what follows a `?`.
    pub path: String,
    /// The port.
    pub port: u16,
    /// How.
    pub scheme: Scheme,
    /// Another host than the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Headers, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
}

/// How a page is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Scheme {
    /// In the clear.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    /// Over TLS; the certificate is not checked.
    #[serde(rename = "HTTPS")]
    Https,
}

/// What came of asking once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is well.
    Success,
    /// It is not, and why.
    Failure(String),
    /// It could not be asked, which says nothing of it, and why.
    Unknown(String),
}

/// The longest output of a failed check that is told, in characters.
const TOLD: usize = 256;

/// How a program ended that was to tell how an instance is: `exit code 1: no such table`.
#[must_use]
pub fn told_exit(code: i64, output: &[u8]) -> String {
    let words = String::from_utf8_lossy(output);
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let told: String = words.chars().take(TOLD).collect();
    let rest = if told.len() < words.len() { "…" } else { "" };
    if told.is_empty() {
        format!("exit code {code}")
    } else {
        format!("exit code {code}: {told}{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failed_check_printed_must_be_told_in_one_short_line() {
        assert_eq!(told_exit(3, b""), "exit code 3");
        assert_eq!(told_exit(1, b" no\n\tsuch table\n"), "exit code 1: no such table");
        let long = told_exit(1, &[b'x'; 1000]);
        assert!(long.ends_with("x…") && long.chars().count() < 280, "{long}");
        assert_eq!(told_exit(1, b"\xff"), "exit code 1: \u{fffd}");
    }
}
