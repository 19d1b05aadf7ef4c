//! What one look at a task decides: steps with reasons, what is waited for, when to look again.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_command::ByCommand;
use super::difference::Difference;
use super::exclusive::{FixedPort, Written};
use super::health::Unwell;
use super::instance::{ContainerId, EndReason, Seat};
use super::name::{Label, TaskName};
use super::source::Place;
use super::template::{ImageRef, PullPolicy, Resources};
use super::time::Mono;
use super::waits::Waiting;

/// What one look at a task decides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// A rollout begins: the accepted task becomes the next revision.
    pub revise: bool,
    /// The present rollout has failed.
    pub refuse: Option<Failure>,
    /// All wanted instances of this revision are up and proven.
    pub ready: Option<u32>,
    /// Seats whose instance has been up for long enough to be relied on.
    pub proven: Vec<Seat>,
    /// The steps, in the order of seats.
    pub steps: Vec<Planned>,
    /// An image that has to be there.
    pub pull: Option<Pull>,
    /// What is waited for.
    pub waiting: Vec<Waiting>,
    /// When to look again at the latest.
    pub wake_at: Option<Mono>,
    /// Restarts after a failure among the steps.
    pub restarts: u32,
    /// Nothing is left of a task whose manifest is gone.
    pub vanished: bool,
    /// Why the policy lets nothing new be made of the version that is wanted, if it does not.
    pub denied: Option<String>,
}

/// A rollout that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its revision.
    pub revision: u32,
    /// A stable CamelCase word.
    pub reason: &'static str,
    /// What happened, in a sentence.
    pub message: String,
}

/// An image that has to be there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pull {
    /// Its name.
    pub image: ImageRef,
    /// When it is pulled.
    pub policy: PullPolicy,
    /// The revision that it is for.
    pub revision: u32,
}

/// A step and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The instance it is for.
    pub seat: Seat,
    /// What is done.
    pub step: Step,
    /// Why.
    pub reason: Reason,
}

/// One thing to do. The first four only change what is written down; each other is one call with
/// one effect on the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write an instance down as wanted.
    Begin {
        /// The revision it is made from.
        revision: u32,
        /// The failures in its slot before it.
        failures: u32,
    },
    /// Strike out an instance that is still only wanted.
    Drop,
    /// End an instance that has no container yet.
    Cancel,
    /// Forget an instance that has ended and has no container any more.
    Forget,
    /// Have the namespace's network there.
    MakeNetwork,
    /// Have a volume of the namespace there.
    MakeVolume(Label),
    /// Make the container.
    Create,
    /// Start it.
    Start(ContainerId),
    /// Stop it.
    Stop(ContainerId, Duration),
    /// Remove it.
    Remove(ContainerId),
    /// Let it go on.
    Unpause(ContainerId),
    /// Give it its name back.
    Rename(ContainerId),
    /// Change its limits and what is kept for it, and have the engine not restart it by itself.
    Update(ContainerId, Resources),
    /// Put it back on its network.
    Connect(ContainerId),
}

impl Step {
    /// Whether it is a call to the engine.
    #[must_use]
    pub fn is_effect(&self) -> bool {
        !matches!(self, Self::Begin { .. } | Self::Drop | Self::Cancel | Self::Forget)
    }

    /// What it is called in metrics and logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Begin { .. } => "begin",
            Self::Drop => "drop",
            Self::Cancel => "cancel",
            Self::Forget => "forget",
            Self::MakeNetwork => "make-network",
            Self::MakeVolume(_) => "make-volume",
            Self::Create => "create",
            Self::Start(_) => "start",
            Self::Stop(..) => "stop",
            Self::Remove(_) => "remove",
            Self::Unpause(_) => "unpause",
            Self::Rename(_) => "rename",
            Self::Update(..) => "update",
            Self::Connect(_) => "connect",
        }
    }
}

/// Why a step is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The task wants an instance there and there was none.
    Wanted,
    /// More replicas are wanted than before, or it was suspended.
    Resumed,
    /// Something that its container is made of changed.
    Changed(Vec<FieldChange>),
    /// Somebody asked by command that all instances are replaced.
    Restart(ByCommand),
    /// The instance before it ended.
    Ended {
        /// Which.
        seat: Seat,
        /// Why.
        reason: EndReason,
        /// With what code.
        exit_code: Option<i64>,
        /// What the engine had to say to that.
        message: Option<String>,
    },
    /// A rollout failed.
    RolledBack {
        /// The revision that failed.
        from: u32,
        /// The one that is gone back to.
        to: u32,
        /// Why.
        message: String,
    },
    /// Fewer replicas are wanted.
    ScaledDown(u16),
    /// It is suspended: by command if somebody is named, else by its manifest.
    Suspended(Option<ByCommand>),
    /// Its manifest is gone.
    Gone(Place),
    /// Everything of this worker is to go.
    Down,
    /// It is not well.
    Unwell(Unwell),
    /// It belongs to a task of that name that was removed before.
    OfRemoved,
    /// Another instance has taken over.
    Superseded(Seat),
    /// Another instance can't start before this one has stopped.
    MakesWay {
        /// Which.
        seat: Seat,
        /// What they can't share.
        why: StopFirst,
    },
    /// The engine says something else than what was done.
    Drift(String),
    /// Somebody changed what the engine has of it.
    Differs(Vec<Difference>),
    /// The manifest changed what the engine is to have of it, and no new container is needed.
    Edited(Vec<Difference>),
    /// What its instance was begun for.
    Because(String),
    /// It has ended and is not kept.
    Cleanup,
}

/// Why an old instance is stopped before the new one is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopFirst {
    /// Both write this mount.
    Mount(Written),
    /// Both are published at this host port.
    HostPort(FixedPort),
    /// Both are in the host's network.
    HostNetwork,
    /// It is a job.
    Job,
    /// The manifest says `Recreate`.
    Recreate,
    /// The manifest says `maxSurge: 0`.
    NoSurge,
    /// The new one takes a host port over from a task that leaves it, and that may want one of the
    /// old one's.
    TakesOver(FixedPort, TaskName),
}

/// A field whose value changed. Values as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldChange {
    /// Its path under `spec`, such as `image` or `env.PORT`.
    pub field: String,
    /// What it was; `None`: not set.
    pub from: Option<String>,
    /// What it is; `None`: not set.
    pub to: Option<String>,
}

impl Plan {
    /// Asks for a look at `at`, unless an earlier one is asked for.
    pub fn wake(&mut self, at: Mono) {
        self.wake_at = Some(self.wake_at.map_or(at, |before| before.min(at)));
    }

    /// Adds a step.
    pub fn step(&mut self, seat: Seat, step: Step, reason: Reason) {
        self.steps.push(Planned { seat, step, reason });
    }

    /// Notes something that is waited for.
    pub fn wait(&mut self, waiting: Waiting) {
        if let Some(at) = waiting.until() {
            self.wake(at);
        }
        if !self.waiting.contains(&waiting) {
            self.waiting.push(waiting);
        }
    }

    /// Whether it says which image is wanted, by naming it or not. Where nothing could be decided,
    /// or another look follows at once, it says nothing of that.
    #[must_use]
    pub fn is_about_pulls(&self) -> bool {
        let blind = |waiting: &Waiting| {
            matches!(
                waiting,
                Waiting::Engine(_)
                    | Waiting::EngineChanged(_)
                    | Waiting::SourceChanged(_)
                    | Waiting::Source
                    | Waiting::Manifest
                    | Waiting::Discovery
            )
        };
        !self.revise && !self.waiting.iter().any(blind)
    }

    /// Whether a step for that seat is planned.
    #[must_use]
    pub fn touches(&self, seat: Seat) -> bool {
        self.steps.iter().any(|planned| planned.seat == seat)
    }

    /// Whether something is to be done or under way: nothing is, once a task has converged.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.revise
            && self.refuse.is_none()
            && self.steps.is_empty()
            && self.pull.is_none()
            && self.waiting.is_empty()
            && !self.vanished
    }
}
