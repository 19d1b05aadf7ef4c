//! The engine that runs containers, as the worker sees it: one method for each step, and what it
//! takes to observe.
//!
//! A runtime does one step and reports what came of it. It never chooses, never retries a step,
//! and touches nothing but what it is told to. The worker calls it.

pub mod docker;
mod inbox;
#[cfg(feature = "simulated")]
pub mod simulated;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use futures_util::stream::BoxStream;
use tokio::sync::watch;

use crate::domain::container::{Container, ContainerSpec, NetworkAttachment};
use crate::domain::instance::ContainerId;
use crate::domain::name::WorkerName;
use crate::domain::outcome::Outcome;
use crate::domain::pull::PullProgress;
use crate::domain::subnet::Subnet;
use crate::domain::template::{ImageRef, PullPolicy, Resources};
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;

/// The engine could not be asked, or its answer could not be understood: nothing is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// What the engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its own id: another id is another engine or another data directory.
    pub id: String,
    /// Its release, such as `20.10.24`.
    pub version: String,
    /// The version of its API that is spoken.
    pub api_version: String,
    /// Where it keeps images, volumes and logs, on its host.
    pub data_root: Option<String>,
}

/// Something that happened in the engine: a hint to look again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineEvent {
    /// To a container with our worker's label.
    Container(ContainerId),
    /// To a network or volume: what is known of those is void.
    Resource,
    /// The stream begins, or something was missed: list everything.
    Relist,
}

/// What to read of a container's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Go on as it grows.
    pub follow: bool,
    /// Only so many of the last lines.
    pub tail: Option<u32>,
    /// Only what was written since.
    pub since: Option<Timestamp>,
    /// With the time of each line before it.
    pub timestamps: bool,
}

/// A piece of a container's log, not cut at lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// It was written to standard error.
    pub stderr: bool,
    /// As it was written.
    pub bytes: Vec<u8>,
}

/// The engine that runs containers.
///
/// Every method has a deadline of its own, for headers and body both, and can be dropped at any
/// point: what it began may or may not be done then.
pub trait Runtime: Send + Sync + 'static {
    /// What the engine says of itself.
    fn info(&self) -> impl Future<Output = Result<EngineInfo, Unreachable>> + Send;

    /// When it started; `None`: it can't tell. Another question than [`Runtime::info`], which an
    /// engine in trouble may leave unanswered while it does all else.
    fn started_at(&self) -> impl Future<Output = Result<Option<Timestamp>, Unreachable>> + Send;

    /// Whether there is something at that absolute path of its host; `None`: it does not say.
    /// Nothing is made there.
    fn sees(&self, path: &str) -> impl Future<Output = Result<Option<bool>, Unreachable>> + Send;

    /// All containers with the worker's label, without [`Container::details`]. One that can't be
    /// understood has [`crate::domain::container::Status::Other`]; it is never left out.
    fn list(
        &self,
        worker: &WorkerName,
    ) -> impl Future<Output = Result<Vec<Container>, Unreachable>> + Send;

    /// One container, with its details; `None` if the engine says there is none.
    fn inspect(
        &self,
        id: &ContainerId,
    ) -> impl Future<Output = Result<Option<Container>, Unreachable>> + Send;

    /// What a container has used; `None` if it does not run.
    fn usage(
        &self,
        id: &ContainerId,
    ) -> impl Future<Output = Result<Option<Usage>, Unreachable>> + Send;

    /// The names of the networks and of the volumes that carry the worker's label.
    fn list_resources(
        &self,
        worker: &WorkerName,
    ) -> impl Future<Output = Result<Resource, Unreachable>> + Send;

    /// What happens to what carries the worker's label. Begins with [`EngineEvent::Relist`], again
    /// after every gap; reconnects by itself and never ends.
    fn events(&self, worker: &WorkerName) -> BoxStream<'static, EngineEvent>;

    /// Has the image of that name there, as the policy says, and tells its id (`sha256:…`);
    /// meanwhile `progress` says how far it has come.
    fn pull(
        &self,
        image: &ImageRef,
        policy: PullPolicy,
        progress: &watch::Sender<PullProgress>,
    ) -> impl Future<Output = Outcome<String>> + Send;

    /// Has a bridge network of that name there, with these labels, on a free /22 of `pool`. One of
    /// that name without the label [`crate::domain::container::label::WORKER`] of the same value
    /// is `NotOurs`.
    fn make_network(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
        pool: Subnet,
    ) -> impl Future<Output = Outcome> + Send;

    /// Removes a network; one that is not there is done.
    fn remove_network(&self, name: &str) -> impl Future<Output = Outcome> + Send;

    /// Has a volume of that name there, with these labels; as for networks.
    fn make_volume(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> impl Future<Output = Outcome> + Send;

    /// Makes a container and tells its id. One of that name with the same label
    /// [`crate::domain::container::label::INSTANCE`] is done.
    fn create(&self, spec: &ContainerSpec) -> impl Future<Output = Outcome<ContainerId>> + Send;

    /// Starts a container; one that runs is done. The engine runs one that has ended once more.
    fn start(&self, id: &ContainerId) -> impl Future<Output = Outcome> + Send;

    /// Sends the container's stop signal, and kills it after `grace`; one that does not run, or is
    /// not there, is done. A paused one goes on, to be stopped like any other.
    fn stop(&self, id: &ContainerId, grace: Duration) -> impl Future<Output = Outcome> + Send;

    /// Removes a container that does not run, and nothing else of it: no volume; one that is not
    /// there is done.
    fn remove(&self, id: &ContainerId) -> impl Future<Output = Outcome> + Send;

    /// Lets a paused container go on; one that is not paused is done.
    fn unpause(&self, id: &ContainerId) -> impl Future<Output = Outcome> + Send;

    /// Gives a container another name.
    fn rename(&self, id: &ContainerId, name: &str) -> impl Future<Output = Outcome> + Send;

    /// Changes limits of a container and what is kept for it, and has the engine not restart it by
    /// itself: that is how they are made. What is `None` stays as it is: the
    /// engine can't take a limit or a request away.
    fn update(
        &self,
        id: &ContainerId,
        resources: &Resources,
    ) -> impl Future<Output = Outcome> + Send;

    /// Puts a container on a network; one that is on it is done.
    fn connect(
        &self,
        id: &ContainerId,
        network: &NetworkAttachment,
    ) -> impl Future<Output = Outcome> + Send;

    /// Runs a program in a container, beside its process, for at most `limit`. One that takes longer
    /// goes on: the engine can't end it.
    fn exec(
        &self,
        id: &ContainerId,
        command: &[String],
        limit: Duration,
    ) -> impl Future<Output = Result<Exec, Unreachable>> + Send;

    /// Whether a program that was [`Exec::Late`] still runs.
    fn exec_runs(&self, exec: &str) -> impl Future<Output = Result<bool, Unreachable>> + Send;

    /// The log of a container. Ends at its end, or never if followed; an error is the last item.
    fn logs(
        &self,
        id: &ContainerId,
        query: &LogQuery,
    ) -> BoxStream<'static, Result<LogChunk, Unreachable>>;
}

/// What came of a program that was run in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exec {
    /// It has ended.
    Ended {
        /// With this exit code.
        code: i64,
        /// What it printed, the beginning of it.
        output: Vec<u8>,
    },
    /// It runs on, though its time was up.
    Late {
        /// By which the engine knows it.
        exec: String,
    },
    /// It could not be started, and why.
    NotStarted(String),
}

/// The names of what carries the worker's label, besides containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource {
    /// Networks.
    pub networks: Vec<String>,
    /// Volumes.
    pub volumes: Vec<String>,
}
