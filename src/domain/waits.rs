//! What is waited for: when it is over, and whom it is about.

use super::engine::EngineChange;
use super::exclusive::{FixedPort, Written};
use super::health::Unwell;
use super::instance::Seat;
use super::loose::{Fate, Holding};
use super::name::TaskName;
use super::outcome::Cause;
use super::repair::Repair;
use super::source::Place;
use super::template::ImageRef;
use super::time::Mono;

/// Something that has to be so before there is more to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// The engine can't be asked.
    Engine(String),
    /// It is another engine than before.
    EngineChanged(EngineChange),
    /// Containers of this worker's name were made from another source directory.
    SourceChanged(String),
    /// The source was not read yet, and the task is to go unless its manifest is back.
    Source,
    /// The manifest is just gone: nothing is begun until that is meant, held, or not so.
    Manifest,
    /// The policy lets nothing new be made of what is wanted.
    Denied(String),
    /// It is not known yet where a path of the host leads, or whether the engine has it too.
    HostPath(String),
    /// The engine does not share this host, whose paths are wanted.
    NoSharedHost(String),
    /// A step is under way.
    Step(Seat, &'static str),
    /// The engine's answer about a container.
    Observation(Seat),
    /// The engine's answer about a container of this task that was found.
    Discovery,
    /// The image is being pulled.
    Pulling(ImageRef),
    /// The next try at a pull.
    PullRetry {
        /// The image.
        image: ImageRef,
        /// What went wrong.
        message: String,
        /// When.
        at: Mono,
    },
    /// The next try at a step.
    Retry {
        /// Of which instance.
        seat: Seat,
        /// What went wrong.
        message: String,
        /// Of what kind that was; `None`: its outcome is unknown.
        cause: Option<Cause>,
        /// When.
        at: Mono,
    },
    /// The wait between restarts.
    BackOff {
        /// Of which instance.
        seat: Seat,
        /// The failures before it.
        failures: u32,
        /// When.
        at: Mono,
    },
    /// The next repair of something that somebody else undoes again and again.
    Repair {
        /// Of which instance.
        seat: Seat,
        /// Of what kind.
        repair: Repair,
        /// So many before it did not last.
        before: u32,
        /// What was found.
        what: String,
        /// When.
        at: Mono,
    },
    /// The engine, which has been removing a container for long, and what it said of that.
    StuckRemoving(Seat, Option<String>),
    /// A free place among the restarts after failures of all tasks.
    RestartPace(Mono),
    /// A host port that another task has.
    Port {
        /// The port.
        port: FixedPort,
        /// Who.
        task: TaskName,
        /// Its manifest.
        place: Place,
        /// It is leaving.
        leaving: bool,
    },
    /// A host port that something which is not ours listens at, and when to try it again.
    BusyPort(FixedPort, Mono),
    /// A mount that another instance writes.
    Mount {
        /// What both write.
        mount: Written,
        /// Whose instance.
        task: TaskName,
        /// Which.
        seat: Seat,
    },
    /// A container that no record has, with something of the host.
    Loose {
        /// What both want.
        holding: Holding,
        /// Its name.
        container: String,
        /// What becomes of it.
        fate: Fate,
    },
    /// An engine that takes what it was told and did not take.
    Unsupported(Seat, String),
    /// A new instance has to stay up, or ready, until then before it is relied on.
    Proof(Seat, Mono),
    /// A new instance has to become ready, and what was said last of why it is not.
    Readiness(Seat, Option<Unwell>),
    /// Whether a start that was sent takes effect, until then.
    Doubt(Seat, Mono),
    /// An instance has to stop.
    Stopping(Seat),
}

impl Waiting {
    /// When it is over, where time alone ends it.
    #[must_use]
    pub fn until(&self) -> Option<Mono> {
        match self {
            Self::PullRetry { at, .. }
            | Self::Retry { at, .. }
            | Self::BackOff { at, .. }
            | Self::Repair { at, .. }
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
            | Self::NoSharedHost(_)
            | Self::Unsupported(..)
            | Self::StuckRemoving(..)
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
            | Self::Repair { seat, .. }
            | Self::Step(seat, _)
            | Self::Observation(seat)
            | Self::Doubt(seat, _)
            | Self::Proof(seat, _)
            | Self::Readiness(seat, _)
            | Self::Stopping(seat)
            | Self::StuckRemoving(seat, _)
            | Self::Unsupported(seat, _) => Some(*seat),
            Self::Engine(_)
            | Self::EngineChanged(_)
            | Self::SourceChanged(_)
            | Self::Source
            | Self::Manifest
            | Self::Denied(_)
            | Self::HostPath(_)
            | Self::NoSharedHost(_)
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
