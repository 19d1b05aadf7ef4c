//! What the operator lets manifests ask for.
//!
//! It says what a task asks too much; it never looks at the host. `manifest` asks it while
//! checking, and `judge` asks it again with what is known of the host's links.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::field_path;
use super::outcome::{Cause, Rejection, Retry};
use super::probe::{Action, HttpGet};
use super::task::Task;
use super::template::{Logging, MountSource, SecurityContext};

/// What the operator lets manifests ask for; outside the directory, never the manifest's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// How much.
    pub level: Level,
    /// Prefixes of host paths that are allowed beside the source itself: absolute, normalised.
    pub allowed_host_paths: Vec<String>,
}

/// After the Kubernetes Pod Security Standards.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
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

/// Something that a task asks too much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer into the manifest. Where nothing is written, it leads to what is missing.
    pub pointer: String,
    /// What is asked too much.
    pub message: String,
    /// What to write instead, or what the operator can do.
    pub help: String,
}

/// Capabilities that may be added at [`Level::Baseline`] (Pod Security Standards, baseline).
const BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Capabilities that may be added at [`Level::Restricted`].
const RESTRICTED_CAPABILITIES: [&str; 1] = ["NET_BIND_SERVICE"];

/// Log drivers that keep a log on this host.
const LOCAL_LOG_DRIVERS: [&str; 5] = ["json-file", "local", "journald", "none", "syslog"];

/// The option that sends `syslog` elsewhere.
const SYSLOG_ADDRESS: &str = "syslog-address";

/// Where the kernel's files are: a process that starts there may hold on to the host's.
const PROC: &str = "/proc";

const SECURITY: &str = "/spec/securityContext";

impl Policy {
    /// All that `task` asks too much, `source` being its source directory (absolute, normalised).
    #[must_use]
    pub fn violations(&self, task: &Task, source: &str) -> Vec<Violation> {
        let mut found = Vec::new();
        let template = &task.template;
        let security = &template.security_context;
        if self.level < Level::Privileged {
            if template.host_network {
                found.push(self.needs_privileged("/spec/hostNetwork", "`hostNetwork`"));
            }
            if template.working_dir.as_deref().is_some_and(|path| is_at_or_below(path, PROC)) {
                let what = "a working directory in `/proc`";
                found.push(self.needs_privileged("/spec/workingDir", what));
            }
            self.probes(task, &mut found);
            self.isolation(security, &mut found);
            self.logging(&template.logging, &mut found);
        }
        if self.level == Level::Restricted {
            self.hardening(security, &mut found);
        }
        for (index, mount) in template.mounts.iter().enumerate() {
            if let MountSource::HostPath { path, .. } = &mount.source
                && !self.allows_host_path(path, source)
            {
                found.push(Violation {
                    pointer: format!("/spec/mounts/{index}/hostPath"),
                    message: format!("`{path}` is outside the source, `{source}`"),
                    help: "use a path inside it, or let the operator start evenkeel with \
                           `--allow-host-path PREFIX`"
                        .to_owned(),
                });
            }
        }
        found
    }

    /// Whether a path of the host may be mounted: inside the source, below an allowed prefix, or
    /// anywhere at [`Level::Privileged`]. `resolved` is absolute and normalised.
    #[must_use]
    pub fn allows_host_path(&self, resolved: &str, source: &str) -> bool {
        self.level == Level::Privileged
            || is_at_or_below(resolved, source)
            || self.allowed_host_paths.iter().any(|prefix| is_at_or_below(resolved, prefix))
    }

    /// The directories that host paths may lie in: the source, and what is allowed beside it.
    pub fn grounds<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a str> {
        let beside = self.allowed_host_paths.iter().map(String::as_str);
        std::iter::once(source).chain(beside).filter(|ground| !ground.is_empty())
    }

    /// What is too much of a host path that is written as `path` and leads to `real`, if that lies
    /// in none of `grounds`: those of [`Policy::grounds`], and where they lead.
    #[must_use]
    pub fn stray(
        &self,
        mount: usize,
        (path, real): (&str, &str),
        source: &str,
        grounds: &[&str],
    ) -> Option<Violation> {
        let allowed = self.level == Level::Privileged
            || grounds.iter().any(|ground| is_at_or_below(real, ground));
        (!allowed).then(|| Violation {
            pointer: format!("/spec/mounts/{mount}/hostPath"),
            message: format!("`{path}` leads to `{real}`, outside the source, `{source}`"),
            help: "let it lead inside, or let the operator start evenkeel with \
                   `--allow-host-path PREFIX`"
                .to_owned(),
        })
    }

    /// Where evenkeel itself is told to go.
    fn probes(&self, task: &Task, found: &mut Vec<Violation>) {
        for (kind, probe) in task.probes.all() {
            if let Action::HttpGet(HttpGet { host: Some(_), .. }) = &probe.action {
                let pointer = format!("/spec/{kind}Probe/httpGet/host");
                found.push(self.needs_privileged(&pointer, "another host than the instance"));
            }
        }
    }

    fn isolation(&self, security: &SecurityContext, found: &mut Vec<Violation>) {
        if security.privileged {
            let pointer = format!("{SECURITY}/privileged");
            found.push(self.needs_privileged(&pointer, "`privileged`"));
        }
        let allowed: &[&str] = match self.level {
            Level::Restricted => &RESTRICTED_CAPABILITIES,
            Level::Baseline | Level::Privileged => &BASELINE_CAPABILITIES,
        };
        for name in &security.capabilities_add {
            if !allowed.contains(&name.as_str()) {
                let pointer = format!("{SECURITY}/capabilities/add");
                found.push(self.needs_privileged(&pointer, &format!("the capability `{name}`")));
            }
        }
        if security.seccomp_unconfined {
            let pointer = format!("{SECURITY}/seccompProfile");
            found.push(self.needs_privileged(&pointer, "the seccomp profile `Unconfined`"));
        }
        if security.apparmor_profile.as_deref() == Some("unconfined") {
            let pointer = format!("{SECURITY}/apparmorProfile");
            found.push(self.needs_privileged(&pointer, "the AppArmor profile `Unconfined`"));
        }
    }

    fn logging(&self, logging: &Logging, found: &mut Vec<Violation>) {
        let driver = logging.driver.as_str();
        if !LOCAL_LOG_DRIVERS.contains(&driver) {
            let what = format!("the log driver `{driver}`, which may send logs elsewhere,");
            found.push(self.needs_privileged("/spec/logging/driver", &what));
        } else if driver == "syslog" && logging.options.contains_key(SYSLOG_ADDRESS) {
            let pointer = format!("/spec/logging/options/{SYSLOG_ADDRESS}");
            found.push(self.needs_privileged(&pointer, "sending logs to another host"));
        }
    }

    fn hardening(&self, security: &SecurityContext, found: &mut Vec<Violation>) {
        let mut missing = |field: &str, message: &str, help: &str| {
            found.push(Violation {
                pointer: format!("{SECURITY}/{field}"),
                message: format!("{message} under the policy `{}`", self.level.name()),
                help: help.to_owned(),
            });
        };
        if security.run_as_user.is_none_or(|user| user == 0) {
            let message = "`runAsUser` has to be set, and not 0,";
            missing("runAsUser", message, "write `securityContext: {runAsUser: 1000}`");
        }
        if !security.capabilities_drop.contains("ALL") {
            let message = "all capabilities have to be dropped";
            let help = "write `securityContext: {capabilities: {drop: [ALL]}}`";
            missing("capabilities/drop", message, help);
        }
        if security.allow_privilege_escalation {
            let message = "`allowPrivilegeEscalation` can't be true";
            missing("allowPrivilegeEscalation", message, "remove it");
        }
    }

    fn needs_privileged(&self, pointer: &str, what: &str) -> Violation {
        Violation {
            pointer: pointer.to_owned(),
            message: format!("{what} is not allowed under the policy `{}`", self.level.name()),
            help: "remove it, or let the operator start evenkeel with `--policy privileged`"
                .to_owned(),
        }
    }
}

impl Level {
    /// As the operator writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Restricted => "restricted",
            Self::Baseline => "baseline",
            Self::Privileged => "privileged",
        }
    }
}

impl Violation {
    /// What a container is refused for that is to be made all the same.
    #[must_use]
    pub fn refused(&self) -> Rejection {
        let message = format!("{self}; {}", self.help);
        Rejection { cause: Cause::PolicyDenied, retry: Retry::Never, message }
    }
}

impl fmt::Display for Violation {
    /// The field and what is wrong with it, without what to do about that.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", field_path(&self.pointer), self.message)
    }
}

/// Whether `path` is `parent` or lies below it, both absolute and normalised, compared part by part:
/// `/srv/ab` is not below `/srv/a`.
pub(super) fn is_at_or_below(path: &str, parent: &str) -> bool {
    if parent.is_empty() {
        return false;
    }
    let parent = parent.trim_end_matches('/');
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_compared_part_by_part() {
        let prefixes = vec!["/data".to_owned(), "/srv/a/".to_owned(), String::new()];
        let policy = Policy { level: Level::Baseline, allowed_host_paths: prefixes };
        for (path, allowed) in [
            ("/tasks", true),
            ("/tasks/web", true),
            ("/tasks2", false),
            ("/data", true),
            ("/data/x", true),
            ("/database", false),
            ("/srv/a/b", true),
            ("/srv/ab", false),
            ("/", false),
        ] {
            assert_eq!(policy.allows_host_path(path, "/tasks"), allowed, "{path}");
        }
        let all = Policy { level: Level::Baseline, allowed_host_paths: vec!["/".to_owned()] };
        assert!(all.allows_host_path("/etc", "/tasks"));
    }
}
