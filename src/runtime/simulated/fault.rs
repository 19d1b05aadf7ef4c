//! Faults that a test asks for at a call, and the counts of calls.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::outcome::Rejection;

/// A call to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the method of `Runtime` of that name")]
pub enum Operation {
    Info,
    StartedAt,
    Sees,
    List,
    Inspect,
    Usage,
    ListResources,
    Logs,
    /// A pull that only looks.
    LookForImage,
    Pull,
    MakeNetwork,
    RemoveNetwork,
    MakeVolume,
    Create,
    Start,
    Stop,
    Remove,
    Unpause,
    Rename,
    Update,
    Connect,
    Exec,
}

impl Operation {
    /// Whether it changes something: a step.
    #[must_use]
    pub fn is_step(self) -> bool {
        !matches!(
            self,
            Self::Info
                | Self::StartedAt
                | Self::Sees
                | Self::List
                | Self::Inspect
                | Self::Usage
                | Self::ListResources
                | Self::Logs
                | Self::LookForImage
                | Self::Exec
        )
    }

    /// How long the adapter to Docker Engine waits for an answer to such a call; a stop has its
    /// grace besides.
    pub(super) fn deadline(self) -> Duration {
        Duration::from_secs(match self {
            Self::Info
            | Self::StartedAt
            | Self::Sees
            | Self::List
            | Self::Inspect
            | Self::Usage
            | Self::ListResources
            | Self::Logs
            | Self::LookForImage
            | Self::Exec => 10,
            Self::Create | Self::Remove => 60,
            Self::Start => 90,
            Self::Pull => 120,
            _ => 30,
        })
    }
}

/// What goes wrong with a step.
///
/// After a freeze no call returns any more, as if the caller's process had died there, until
/// [`super::Simulated::thaw`]; those that hang then hang for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The engine refuses; nothing is done.
    Rejected(Rejection),
    /// The request never arrives; the outcome is unknown.
    RequestLost,
    /// It is done, but the reply never arrives; the outcome is unknown.
    ReplyLost,
    /// It freezes before it is done.
    FreezeBefore,
    /// It freezes once it is done, before the reply.
    FreezeApplied,
    /// It replies and freezes then.
    FreezeReplied,
    /// The engine hangs from there on ([`super::Simulated::hang`]), with the request in its queue.
    Hang,
}

/// What the test has asked for, and what was counted.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) calls: BTreeMap<Operation, u64>,
    /// Steps so far, of any kind.
    pub(super) steps: u64,
    /// By the number of the step, from 0.
    pub(super) planned: BTreeMap<u64, Fault>,
    pub(super) latency: BTreeMap<Operation, Duration>,
    pub(super) frozen: bool,
}

impl Faults {
    /// Counts a call and tells how it will fail.
    pub(super) fn count(&mut self, operation: Operation) -> Option<Fault> {
        *self.calls.entry(operation).or_default() += 1;
        if !operation.is_step() {
            return None;
        }
        let fault = self.planned.remove(&self.steps);
        self.steps += 1;
        fault
    }
}
