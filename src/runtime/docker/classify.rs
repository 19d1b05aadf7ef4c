//! What the engine's refusals mean: the one place that reads its messages.
//!
//! Pure. A refusal changed nothing; whatever is not plainly one is unknown.

use std::fmt;

use bollard::errors::Error;

use crate::domain::outcome::{Cause, Outcome, Rejection, Retry};

/// Why a call did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The engine answered with this status and message.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its message.
        message: String,
    },
    /// There was no answer, or none that can be understood.
    Unclear(String),
}

impl Failure {
    /// What came of a step that failed so.
    pub(super) fn outcome<T>(self) -> Outcome<T> {
        match self {
            Self::Unclear(message) => Outcome::Unknown(message),
            Self::Refused { status, message } => match verdict(status, &message) {
                Some((cause, retry)) => {
                    let message = essence(&message).to_owned();
                    Outcome::Rejected(Rejection { cause, retry, message })
                }
                None => Outcome::Unknown(format!("an answer of status {status}: {message}")),
            },
        }
    }

    /// Whether the engine refused with that status, saying `text` (in small letters).
    pub(super) fn says(&self, with_status: u16, text: &str) -> bool {
        matches!(self, Self::Refused { status, message }
            if *status == with_status && message.to_ascii_lowercase().contains(text))
    }

    /// Whether the engine says that there is no such container.
    pub(super) fn is_no_container(&self) -> bool {
        self.says(404, "no such container")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status, message } => write!(f, "{message} (status {status})"),
            Self::Unclear(message) => f.write_str(message),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                Self::Refused { status: status_code, message: message.trim().to_owned() }
            }
            // Said in the midst of an answer that began well; the engine's own words all the same.
            Error::DockerStreamError { error } => {
                Self::Refused { status: 500, message: error.trim().to_owned() }
            }
            other => Self::Unclear(with_sources(&other)),
        }
    }
}

/// The errors beneath often say what happened, and the one on top that something did.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

/// What every failed start begins with: which part handed it to which.
const HANDED_ON: [&str; 8] = [
    "failed to create shim task: ",
    "failed to create shim: ",
    "failed to create task for container: ",
    "OCI runtime create failed: ",
    "OCI runtime start failed: ",
    "runc create failed: ",
    "unable to start container process: ",
    "starting container process caused: ",
];

/// What a message of the engine says, without who told whom.
pub(super) fn essence(message: &str) -> &str {
    let mut rest = message.trim();
    loop {
        let line = rest.strip_prefix("container_linux.go:").and_then(|it| it.split_once(": "));
        let shorter = HANDED_ON.iter().find_map(|said| rest.strip_prefix(said));
        match shorter.or(line.map(|(_, after)| after)) {
            Some(shorter) => rest = shorter,
            None => break,
        }
    }
    let known = rest.strip_suffix(": unknown").unwrap_or(rest);
    if known.is_empty() { message } else { known }
}

/// What messages say, whatever their status; the first that is found counts. In small letters.
const MEANINGS: [(&str, Cause, Retry); 30] = [
    ("no space left on device", Cause::NoSpace, Retry::Later),
    ("disk quota exceeded", Cause::NoSpace, Retry::Later),
    ("authorization denied by plugin", Cause::Forbidden, Retry::Later),
    ("port is already allocated", Cause::PortTaken, Retry::Later),
    ("address already in use", Cause::PortTaken, Retry::Later),
    ("ports are not available", Cause::PortTaken, Retry::Later),
    ("is already in use by container", Cause::NameTaken, Retry::Later),
    ("no such image", Cause::ImageMissing, Retry::Later),
    ("no such container", Cause::NotFound, Retry::Later),
    ("bind source path does not exist", Cause::MountMissing, Retry::Later),
    ("error mounting", Cause::MountMissing, Retry::Later),
    ("no such network", Cause::NetworkMissing, Retry::Later),
    ("could not find network", Cause::NetworkMissing, Retry::Later),
    ("is already in progress", Cause::Busy, Retry::Later),
    ("cannot remove a running container", Cause::Busy, Retry::Later),
    ("cannot remove a paused container", Cause::Busy, Retry::Later),
    ("cannot start a paused container", Cause::Busy, Retry::Later),
    ("container is marked for removal", Cause::Busy, Retry::Later),
    ("has active endpoints", Cause::Busy, Retry::Later),
    ("device or resource busy", Cause::Busy, Retry::Later),
    ("executable file not found", Cause::BadCommand, Retry::Never),
    ("exec format error", Cause::BadCommand, Retry::Never),
    ("no command specified", Cause::BadCommand, Retry::Never),
    ("unable to find user", Cause::BadCommand, Retry::Never),
    ("unable to find group", Cause::BadCommand, Retry::Never),
    ("no matching entries in passwd file", Cause::BadCommand, Retry::Never),
    ("toomanyrequests", Cause::RateLimited, Retry::Later),
    ("too many requests", Cause::RateLimited, Retry::Later),
    ("invalid character", Cause::Invalid, Retry::Never),
    ("cannot unmarshal", Cause::Invalid, Retry::Never),
];

/// What a refusal means; `None` if it does not say whether anything was done.
fn verdict(status: u16, message: &str) -> Option<(Cause, Retry)> {
    let text = message.to_ascii_lowercase();
    if let Some((_, cause, retry)) = MEANINGS.iter().find(|(words, _, _)| text.contains(words)) {
        return Some((*cause, *retry));
    }
    if is_bad_exec(&text) {
        return Some((Cause::BadCommand, Retry::Never));
    }
    if text.starts_with("network ") && text.contains("not found") {
        return Some((Cause::NetworkMissing, Retry::Later));
    }
    match status {
        400 => Some((Cause::Invalid, Retry::Never)),
        401 | 403 => Some((Cause::Forbidden, Retry::Later)),
        409 => Some((Cause::Busy, Retry::Later)),
        // A proxy's words, or an engine's that broke off.
        502..=504 => None,
        500.. if text.is_empty() || text.starts_with(['<', '{', '[']) => None,
        _ => Some((Cause::Other, Retry::Later)),
    }
}

/// The runtime's ways of saying that the program can't be executed. A path that is missing counts
/// only where it is the program's: mounts are missing in the same words.
fn is_bad_exec(text: &str) -> bool {
    let of_program = text.contains("exec: \"")
        || text.contains("starting container process caused")
        || text.contains("unable to start container process: exec");
    let why = ["no such file or directory", "permission denied", "is a directory", "not found"];
    of_program && why.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The engine's own words, as they were seen.
    const SEEN: [(u16, &str, Cause, Retry); 22] = [
        (
            400,
            r#"failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/nope": stat /nope: no such file or directory: unknown"#,
            Cause::BadCommand,
            Retry::Never,
        ),
        (
            400,
            r#"OCI runtime create failed: container_linux.go:380: starting container process caused: exec: "nope": executable file not found in $PATH: unknown"#,
            Cause::BadCommand,
            Retry::Never,
        ),
        (
            400,
            r#"failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/etc/passwd": permission denied: unknown"#,
            Cause::BadCommand,
            Retry::Never,
        ),
        (
            400,
            r#"failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/etc": is a directory: unknown"#,
            Cause::BadCommand,
            Retry::Never,
        ),
        (400, "No command specified", Cause::BadCommand, Retry::Never),
        (
            500,
            "driver failed programming external connectivity on endpoint web (1f): Bind for 127.0.0.1:8080 failed: port is already allocated",
            Cause::PortTaken,
            Retry::Later,
        ),
        (
            500,
            "driver failed programming external connectivity on endpoint web (1f): Error starting userland proxy: listen tcp4 127.0.0.1:8080: bind: address already in use",
            Cause::PortTaken,
            Retry::Later,
        ),
        (404, "No such image: sha256:0123", Cause::ImageMissing, Retry::Later),
        (404, "No such container: 0123", Cause::NotFound, Retry::Later),
        (404, "network evenkeel.default.prod not found", Cause::NetworkMissing, Retry::Later),
        (
            400,
            "invalid mount config for type \"bind\": bind source path does not exist: /srv/x",
            Cause::MountMissing,
            Retry::Later,
        ),
        (
            409,
            r#"Conflict. The container name "/x" is already in use by container "01". You have to remove (or rename) that container to be able to reuse that name."#,
            Cause::NameTaken,
            Retry::Later,
        ),
        (409, "removal of container 01 is already in progress", Cause::Busy, Retry::Later),
        (
            409,
            "You cannot remove a running container 01. Stop the container before attempting removal or force remove",
            Cause::Busy,
            Retry::Later,
        ),
        (
            500,
            "mkdir /var/lib/docker/overlay2/x: no space left on device",
            Cause::NoSpace,
            Retry::Later,
        ),
        (
            403,
            "error while removing network: network x id 01 has active endpoints",
            Cause::Busy,
            Retry::Later,
        ),
        (403, "authorization denied by plugin p: no", Cause::Forbidden, Retry::Later),
        (403, "", Cause::Forbidden, Retry::Later),
        (400, "Minimum memory limit allowed is 6MB", Cause::Invalid, Retry::Never),
        (500, "invalid character '}' looking for beginning of value", Cause::Invalid, Retry::Never),
        (
            500,
            "toomanyrequests: You have reached your pull rate limit",
            Cause::RateLimited,
            Retry::Later,
        ),
        (500, "failed to set up sandbox: iptables failed", Cause::Other, Retry::Later),
    ];

    #[test]
    fn refusals_mean_what_the_engine_means() {
        for (status, message, cause, retry) in SEEN {
            let failure = Failure::Refused { status, message: message.to_owned() };
            let message = essence(message).to_owned();
            let expected = Outcome::Rejected(Rejection { cause, retry, message });
            assert_eq!(failure.clone().outcome::<()>(), expected, "{failure}");
        }
    }

    #[test]
    fn a_message_must_be_told_without_who_told_whom() {
        let mut told: Vec<&str> =
            SEEN[..4].iter().map(|(_, message, ..)| essence(message)).collect();
        told.extend(["OCI runtime create failed: ", "name unknown", ""].map(essence));
        let expected = [
            r#"exec: "/nope": stat /nope: no such file or directory"#,
            r#"exec: "nope": executable file not found in $PATH"#,
            r#"exec: "/etc/passwd": permission denied"#,
            r#"exec: "/etc": is a directory"#,
            "OCI runtime create failed:",
            "name unknown",
            "",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_not_plainly_refused_is_unknown() {
        for (status, message) in
            [(500, ""), (500, "<html>oops</html>"), (500, "{\"mess"), (503, "busy"), (502, "bad")]
        {
            let failure = Failure::Refused { status, message: message.to_owned() };
            assert!(matches!(failure.outcome::<()>(), Outcome::Unknown(_)), "{message}");
        }
        let reset = Error::from(std::io::Error::other("connection reset by peer"));
        assert!(matches!(Failure::from(reset).outcome::<()>(), Outcome::Unknown(_)));
    }
}
