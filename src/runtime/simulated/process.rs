//! What the process of a simulated container does: told by the test, not found out.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::outcome::{Cause, Rejection, Retry};

/// The exit code of a process that was killed.
pub(super) const KILLED: i64 = 137;

/// What a program does once it is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// Its start fails so, leaving this exit code.
    pub start_error: Option<(Rejection, i64)>,
    /// It ends by itself after so long, with this exit code.
    pub ends: Option<(Duration, i64)>,
    /// It ends so long after its stop signal, with this exit code; `None`: it ignores it.
    pub on_term: Option<(Duration, i64)>,
    /// What it writes to standard output when it starts.
    pub stdout: String,
    /// What it writes to standard error when it starts.
    pub stderr: String,
}

impl Behaviour {
    /// Runs until it is told to stop, and ends at once then, with 0.
    #[must_use]
    pub fn runs() -> Self {
        Self {
            start_error: None,
            ends: None,
            on_term: Some((Duration::ZERO, 0)),
            stdout: String::new(),
            stderr: String::new(),
        }
    }

    /// Ends by itself.
    #[must_use]
    pub fn ends(after: Duration, code: i64) -> Self {
        Self { ends: Some((after, code)), ..Self::runs() }
    }

    /// Runs and ignores its stop signal.
    #[must_use]
    pub fn stubborn() -> Self {
        Self { on_term: None, ..Self::runs() }
    }

    /// There is no such program.
    #[must_use]
    pub fn missing() -> Self {
        let message = "OCI runtime create failed: exec: no such file or directory".to_owned();
        let (cause, retry) = (Cause::BadCommand, Retry::Never);
        let rejection = Rejection { cause, retry, message };
        Self { start_error: Some((rejection, 127)), ..Self::runs() }
    }

    /// The same, writing this first.
    #[must_use]
    pub fn writing(self, stdout: &str, stderr: &str) -> Self {
        Self { stdout: stdout.to_owned(), stderr: stderr.to_owned(), ..self }
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) code: i64,
    pub(super) oom: bool,
}

impl Exit {
    pub(super) fn with(code: i64) -> Self {
        Self { code, oom: false }
    }
}

/// What the process of a container does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    /// It was never started.
    None,
    /// It runs, and will end so if nothing comes between.
    Running(Option<(Instant, Exit)>),
    /// It is frozen; once it goes on, it has so long until its end.
    Paused(Option<(Duration, Exit)>),
    /// It ended.
    Ended,
    /// The engine can't get rid of it.
    Removing,
}

impl Process {
    /// Whether there is a process.
    pub(super) fn is_alive(self) -> bool {
        matches!(self, Self::Running(_) | Self::Paused(_))
    }
}
