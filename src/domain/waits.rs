//! When a wait is over, and whom it is about.

use super::instance::Seat;
use super::plan::Waiting;
use super::time::Mono;

impl Waiting {
    /// When it is over, where time alone ends it.
    #[must_use]
    pub fn until(&self) -> Option<Mono> {
        match self {
            Self::PullRetry { at, .. }
            | Self::Retry { at, .. }
            | Self::BackOff { at, .. }
            | Self::RestartPace(at)
            | Self::BusyPort(_, at)
            | Self::Doubt(_, at)
            | Self::Proof(_, at) => Some(*at),
            Self::Engine(_)
            | Self::EngineChanged(_)
            | Self::SourceChanged(_)
            | Self::Source
            | Self::Manifest
            | Self::Denied(_)
            | Self::HostPath(_)
            | Self::Unsupported(..)
            | Self::Step(..)
            | Self::Observation(_)
            | Self::Discovery
            | Self::Pulling(_)
            | Self::Port { .. }
            | Self::Mount { .. }
            | Self::Loose { .. }
            | Self::Readiness(..)
            | Self::Stopping(_) => None,
        }
    }

    /// The instance of the task that it is about; `None`: the task as a whole.
    #[must_use]
    pub fn seat(&self) -> Option<Seat> {
        match self {
            Self::Retry { seat, .. }
            | Self::BackOff { seat, .. }
            | Self::Step(seat, _)
            | Self::Observation(seat)
            | Self::Doubt(seat, _)
            | Self::Proof(seat, _)
            | Self::Readiness(seat, _)
            | Self::Stopping(seat)
            | Self::Unsupported(seat, _) => Some(*seat),
            Self::Engine(_)
            | Self::EngineChanged(_)
            | Self::SourceChanged(_)
            | Self::Source
            | Self::Manifest
            | Self::Denied(_)
            | Self::HostPath(_)
            | Self::Discovery
            | Self::Pulling(_)
            | Self::PullRetry { .. }
            | Self::RestartPace(_)
            | Self::Port { .. }
            | Self::BusyPort(..)
            | Self::Mount { .. }
            | Self::Loose { .. } => None,
        }
    }
}
