//! Asking the engine: the calls that observe, each joined as a [`Finished`].

use std::sync::Arc;

use super::leads::Answers;
use super::steps::Done;
use crate::domain::container::{Container, Status};
use crate::domain::instance::{ContainerId, Seat};
use crate::domain::name::{TaskName, WorkerName};
use crate::domain::outcome::Outcome;
use crate::domain::template::{ImageRef, PullPolicy};
use crate::domain::time::Mono;
use crate::runtime::{EngineInfo, Resource, Runtime, Unreachable};

/// A call to the engine, or to the disk, that has ended.
pub enum Finished {
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
    /// A pull.
    Pulled(ImageRef, PullPolicy, Outcome<String>),
    /// One container was looked at.
    Inspected {
        /// Which.
        id: ContainerId,
        /// When it was asked for.
        asked: Mono,
        /// The answer; `Err`: none.
        answer: Result<Option<Container>, Unreachable>,
        /// What the engine said of itself afterwards, where the container has ended.
        info: Option<Box<EngineInfo>>,
    },
    /// All was looked at.
    Relisted {
        /// When it was asked for.
        asked: Mono,
        /// The answer; `Err`: none.
        answer: Result<Whole, Unreachable>,
    },
    /// A network was to be removed.
    NetworkRemoved(String, Outcome),
    /// Where host paths lead; none: all that were asked for are told.
    Led(Vec<(String, String)>, Answers),
}

/// All that the engine says of a worker.
#[derive(Debug)]
pub struct Whole {
    /// The engine itself, where that was asked too.
    pub info: Option<EngineInfo>,
    /// All containers with the worker's label.
    pub containers: Vec<Container>,
    /// Networks and volumes with the worker's label, where that was asked too.
    pub resources: Option<Resource>,
}

/// Asks for everything; `afresh`: also what changes only with the engine itself.
pub async fn relist<R: Runtime>(
    runtime: Arc<R>,
    worker: WorkerName,
    afresh: bool,
    asked: Mono,
) -> Finished {
    Finished::Relisted { asked, answer: whole(&*runtime, &worker, afresh).await }
}

async fn whole<R: Runtime>(
    runtime: &R,
    worker: &WorkerName,
    afresh: bool,
) -> Result<Whole, Unreachable> {
    let info = if afresh { Some(runtime.info().await?) } else { None };
    let resources = if afresh { Some(runtime.list_resources(worker).await?) } else { None };
    let containers = runtime.list(worker).await?;
    Ok(Whole { info, containers, resources })
}

/// Asks for one container. Of one that has ended it matters whether that was the engine's doing, so
/// the engine is asked since when it runs; asked before, it might have been another one.
pub async fn inspect<R: Runtime>(runtime: Arc<R>, id: ContainerId, asked: Mono) -> Finished {
    let answer = runtime.inspect(&id).await;
    let ended = matches!(&answer, Ok(Some(container)) if container.status == Status::Exited);
    let (answer, info) = match if ended { Some(runtime.info().await) } else { None } {
        Some(Ok(info)) => (answer, Some(Box::new(info))),
        Some(Err(error)) => (Err(error), None),
        None => (answer, None),
    };
    Finished::Inspected { id, asked, answer, info }
}
