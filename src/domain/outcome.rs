//! What came of a call to the engine.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What came of a step. Cancelling or timing out undoes nothing: that is [`Outcome::Unknown`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T = ()> {
    /// It is so now, whether by this call or before it.
    Done(T),
    /// The engine refused, and nothing changed.
    Rejected(Rejection),
    /// It may or may not be so: look before acting.
    Unknown(String),
}

impl<T> Outcome<T> {
    /// A stable word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Rejected(_) => "rejected",
            Self::Unknown(_) => "unknown",
        }
    }

    /// The same outcome with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Done(value) => Outcome::Done(change(value)),
            Self::Rejected(rejection) => Outcome::Rejected(rejection),
            Self::Unknown(message) => Outcome::Unknown(message),
        }
    }
}

/// What the engine refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Of what kind.
    pub cause: Cause,
    /// Whether the same call may succeed later.
    pub retry: Retry,
    /// What the engine said.
    pub message: String,
}

/// Whether a rejected call may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Retry {
    /// It may.
    Later,
    /// Not before the manifest changes.
    Never,
}

/// Why the engine refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// No such image, in the engine or its registry.
    ImageMissing,
    /// The registry refused or could not be reached.
    PullFailed,
    /// The registry says that too much is asked of it.
    RateLimited,
    /// A host port that something else listens at.
    PortTaken,
    /// A name that something not ours has.
    NotOurs,
    /// A name that another container of ours has.
    NameTaken,
    /// A network that is not there.
    NetworkMissing,
    /// The container is not there.
    NotFound,
    /// A path of the host that is not there.
    MountMissing,
    /// The disk is full.
    NoSpace,
    /// The engine is at it already (a removal in progress).
    Busy,
    /// Whoever guards the engine forbids it.
    Forbidden,
    /// The operator's policy is against it.
    PolicyDenied,
    /// The request makes no sense to the engine.
    Invalid,
    /// The process could not be started (no such program, no permission).
    BadCommand,
    /// Anything else.
    Other,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause, self.message)
    }
}
