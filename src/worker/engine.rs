//! Asking the engine: the calls that observe, each joined as a [`Finished`].

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::warn;

use super::leads::Answers;
use super::probing::Asked;
use super::receive::Written;
use super::steps::Done;
use crate::domain::container::Container;
use crate::domain::engine::SharedHost;
use crate::domain::instance::{ContainerId, Seat};
use crate::domain::name::{TaskName, WorkerName};
use crate::domain::outcome::Outcome;
use crate::domain::probe::Answer;
use crate::domain::template::{ImageRef, PullPolicy};
use crate::domain::time::{Mono, Timestamp};
use crate::manifest::incoming::Refusal;
use crate::runtime::{EngineInfo, Resource, Runtime, Unreachable};

/// A call to the engine, or to the disk, that has ended.
pub(super) enum Finished {
    /// A step of an instance.
    Step {
        /// Of which task.
        task: TaskName,
        /// Of which instance.
        seat: Seat,
        /// On which container, if there was one.
        container: Option<ContainerId>,
        /// What came of it.
        done: Done,
    },
    /// An instance was asked how it is.
    Probed {
        /// Which, and by which probe.
        asked: Asked,
        /// Its container.
        container: ContainerId,
        /// When it was asked.
        at: Mono,
        /// What it said.
        answer: Answer,
        /// A program that still runs in it, by which the engine knows that.
        late: Option<String>,
    },
    /// A pull.
    Pulled(ImageRef, PullPolicy, Outcome<String>),
    /// One container was looked at.
    Inspected {
        /// Which.
        id: ContainerId,
        /// When it was asked for.
        asked: Mono,
        /// The answer; `Err`: none.
        answer: Result<Option<Arc<Container>>, Unreachable>,
    },
    /// Which the engine is.
    Info {
        /// When it was asked.
        asked: Mono,
        /// The answer; `Err`: none.
        answer: Result<EngineInfo, Unreachable>,
    },
    /// Since when the engine runs.
    Start {
        /// When it was asked.
        asked: Mono,
        /// The answer; `Err`: none.
        answer: Result<Option<Timestamp>, Unreachable>,
    },
    /// Whether the engine of that id shares this host.
    Host {
        /// Which engine.
        of: Option<String>,
        /// The answer; `Err`: none.
        answer: Result<SharedHost, Unreachable>,
    },
    /// All was looked at.
    Relisted {
        /// When it was asked for.
        asked: Mono,
        /// The answer; `Err`: none.
        answer: Result<Whole, Unreachable>,
    },
    /// Networks and volumes were looked at.
    Resources {
        /// When they were asked for.
        asked: Mono,
        /// The answer; `Err`: none.
        answer: Result<Resource, Unreachable>,
    },
    /// A network was to be removed.
    NetworkRemoved(String, Outcome),
    /// Where host paths lead; none: all that were asked for are told.
    Led(Vec<(String, String)>, Answers),
    /// What was asked for was written, or could not be.
    Received(Result<Written, Refusal>),
}

/// All that the engine says of a worker.
#[derive(Debug)]
pub struct Whole {
    /// The engine itself, where that was asked too and answered.
    pub info: Option<EngineInfo>,
    /// When it started, where that was asked too and answered.
    pub start: Option<Start>,
    /// All containers with the worker's label.
    pub containers: Vec<Container>,
    /// Networks and volumes with the worker's label, where that was asked too and answered.
    pub resources: Option<Resource>,
}

/// When the engine started; `None`: it can't tell.
#[derive(Debug, Clone, Copy)]
pub struct Start(pub Option<Timestamp>);

/// What is asked besides the containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Besides {
    /// The engine itself.
    pub info: bool,
    /// When it started.
    pub start: bool,
    /// Networks and volumes.
    pub resources: bool,
}

/// How long all else waits for what the engine says of itself: that can be asked for again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks for all containers, and more: without the rest one can do, it is asked for again.
pub(super) async fn relist<R: Runtime>(
    runtime: Arc<R>,
    worker: WorkerName,
    besides: Besides,
    asked: Mono,
) -> Finished {
    Finished::Relisted { asked, answer: Box::pin(whole(&*runtime, &worker, besides)).await }
}

async fn whole<R: Runtime>(
    runtime: &R,
    worker: &WorkerName,
    besides: Besides,
) -> Result<Whole, Unreachable> {
    let info = async { if besides.info { Some(runtime.info().await) } else { None } };
    let start = async { if besides.start { Some(runtime.started_at().await) } else { None } };
    let resources =
        async { if besides.resources { Some(runtime.list_resources(worker).await) } else { None } };
    let all = async { tokio::join!(resources, runtime.list(worker)) };
    let itself = async { tokio::join!(timeout(PATIENCE, info), timeout(PATIENCE, start)) };
    let ((info, start), (resources, containers)) = tokio::join!(itself, all);
    Ok(Whole {
        info: told(info.ok().flatten()),
        start: told(start.ok().flatten()).map(Start),
        containers: containers?,
        resources: told(resources),
    })
}

/// Asks for networks and volumes.
pub async fn resources<R: Runtime>(runtime: Arc<R>, worker: WorkerName, asked: Mono) -> Finished {
    Finished::Resources { asked, answer: runtime.list_resources(&worker).await }
}

fn told<T>(answer: Option<Result<T, Unreachable>>) -> Option<T> {
    answer?
        .inspect_err(|error| warn!(%error, "the engine does not say all; it is asked again"))
        .ok()
}
