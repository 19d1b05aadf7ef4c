//! What people ask of a running worker, through its API.

pub mod task;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::news::Listening;
use super::planned::TaskView;
use super::pulls::Pulling;
use super::pulse::Pulse;
use super::receive::{Reply, Request};
use super::{Goal, Worker};
use crate::db::Change;
use crate::domain::desired::PruneCause;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::engine::EngineChange;
use crate::domain::name::TaskName;
use crate::domain::policy::Policy;
use crate::domain::record::{Head, Record, Restart};
use crate::domain::status::TaskStatus;
use crate::domain::time::Timestamp;
use crate::runtime::Runtime;
use crate::watch::WatchHealth;
use task::{Asked, NotDone, Suspension};

/// What is asked, and where the answer goes.
pub enum Command {
    /// Whether it still answers.
    Ping(oneshot::Sender<()>),
    /// How the worker itself is.
    Overview(oneshot::Sender<Overview>),
    /// How all of it is in numbers.
    Pulse(oneshot::Sender<Pulse>),
    /// How its tasks are.
    Tasks(oneshot::Sender<Vec<TaskStatus>>),
    /// All that is known of one of them; `None`: there is none of that name.
    Task(TaskName, oneshot::Sender<Option<Box<TaskView>>>),
    /// How its tasks are, and what becomes of them from then on.
    Listen(oneshot::Sender<Listening>),
    /// Which images are being pulled.
    Pulls(oneshot::Sender<Vec<Pulling>>),
    /// What is written down of its tasks.
    Records(oneshot::Sender<Vec<Record>>),
    /// Let exactly these tasks go, which are held.
    ApprovePrune(BTreeSet<TaskName>, oneshot::Sender<Result<(), String>>),
    /// Take what was made from this source directory as ours.
    ApproveSource(String, oneshot::Sender<Result<(), String>>),
    /// Have manifests put into the source, or removed from it.
    Receive(Request, Reply),
    /// Suspend a task, whatever its manifest says.
    Suspend(Asked, oneshot::Sender<Result<Suspension, NotDone>>),
    /// Have a task as its manifest says again.
    Resume(Asked, oneshot::Sender<Result<Suspension, NotDone>>),
    /// Replace all instances of a service.
    Restart(Asked, oneshot::Sender<Result<Restart, NotDone>>),
    /// Keep the host of this engine, by its id, from now on.
    ApproveEngine(String, oneshot::Sender<Result<(), String>>),
    /// Stop and remove everything of this worker but volumes, and end.
    Down(oneshot::Sender<()>),
}

/// How a worker itself is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// Its name.
    pub worker: String,
    /// The release of evenkeel.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Its source directory.
    pub source: String,
    /// Why that can't be read, if it can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_unavailable: Option<String>,
    /// Why changes in it are found late, if they are. The worker does not know; who watches says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_degraded: Option<String>,
    /// What its operator lets manifests ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// Manifest files that are there.
    pub files: usize,
    /// Every problem in them.
    pub problems: Vec<Diagnostic>,
    /// Documents of other tools in them, which are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Diagnostic>,
    /// What the engine says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineOverview>,
    /// Why it can't be asked, if it can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_unavailable: Option<String>,
    /// It is another engine than before, with containers of this worker's name on it that this one
    /// did not make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_changed: Option<EngineChange>,
    /// Why no path of this host can be mounted, if that is so: the engine is on another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_shared_host: Option<String>,
    /// The other source directory that containers of this worker's name were made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_changed: Option<String>,
    /// Other source directories whose containers were approved as ours.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub approved_sources: BTreeSet<String>,
    /// Removals that are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune_held: Option<Held>,
    /// Why the state DB can't be written, if it can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_trouble: Option<String>,
    /// It is removing everything.
    pub going_down: bool,
    /// How many tasks it has.
    pub tasks: usize,
}

impl Overview {
    /// The same, with what only the watch of the source knows.
    #[must_use]
    pub fn with_watch(self, health: &WatchHealth) -> Self {
        Self { watch_degraded: health.trouble(), ..self }
    }
}

/// An engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EngineOverview {
    /// Its release.
    pub version: String,
    /// The version of its API that is spoken.
    pub api_version: String,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
}

/// Removals that are held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// What would go.
    pub tasks: BTreeSet<TaskName>,
    /// Why it does not, in a sentence.
    pub why: String,
}

impl<R: Runtime> Worker<R> {
    /// Answers. Whoever asked may have gone away meanwhile: that is no matter.
    pub(super) async fn on_command(&mut self, command: Command) {
        match command {
            Command::Ping(reply) => {
                let _asker_left = reply.send(());
            }
            Command::Overview(reply) => drop(reply.send(self.overview())),
            Command::Pulse(reply) => drop(reply.send(self.pulse())),
            Command::Tasks(reply) => {
                let tasks = self.statuses.values().map(|it| TaskStatus::clone(it));
                drop(reply.send(tasks.collect()));
            }
            Command::Task(name, reply) => drop(reply.send(self.task_view(&name).map(Box::new))),
            Command::Listen(reply) => drop(reply.send(self.listen())),
            Command::Pulls(reply) => drop(reply.send(self.pulls.under_way().collect())),
            Command::Records(reply) => drop(reply.send(self.records.values().cloned().collect())),
            Command::ApprovePrune(tasks, reply) => {
                drop(reply.send(self.approve_prune(&tasks).await));
            }
            Command::ApproveSource(source, reply) => {
                drop(reply.send(self.approve_source(source).await));
            }
            Command::Receive(request, reply) => self.receive(request, reply),
            Command::Suspend(asked, reply) => drop(reply.send(self.suspend(asked).await)),
            Command::Resume(asked, reply) => drop(reply.send(self.resume(asked).await)),
            Command::Restart(asked, reply) => drop(reply.send(self.restart(asked).await)),
            Command::ApproveEngine(engine, reply) => {
                drop(reply.send(self.approve_engine(engine).await));
            }
            Command::Down(reply) => {
                self.goal = Goal::Down;
                // What was on a network that could not be removed may have gone since.
                self.network_refusals.clear();
                self.take_down();
                let _asker_left = reply.send(());
            }
        }
    }

    /// It is written down before it is answered: who has said so is not asked again.
    async fn approve_prune(&mut self, tasks: &BTreeSet<TaskName>) -> Result<(), String> {
        let desired = self.desired.approve_prune(tasks).map_err(|error| error.to_string())?;
        let heads = tasks.iter().filter_map(|name| Some(&self.records.get(name)?.head));
        let heads = heads.map(|head| Change::PutHead(Head { going: true, ..head.clone() }));
        if let Err(error) = self.db.write(heads.collect()).await {
            self.on_db_error(&error).await;
            return Err(error.told());
        }
        self.desired = desired;
        for name in tasks {
            if let Some(record) = self.records.get_mut(name) {
                record.head.going = true;
            }
        }
        info!(count = tasks.len(), "the removal of tasks was approved");
        for name in tasks {
            self.add_task(name.clone());
        }
        Ok(())
    }

    async fn approve_source(&mut self, source: String) -> Result<(), String> {
        if self.engine.source_changed.as_ref() != Some(&source) {
            return Err(format!("no container of this worker was made from {source}"));
        }
        self.approved_sources.insert(source.clone());
        if let Err(error) = self.db.write(self.meta()).await {
            self.approved_sources.remove(&source);
            return Err(error.told());
        }
        info!(source, "what was made from another source directory was approved as ours");
        // What holds is held until the list tells that there is no third source.
        self.relist(super::Afresh::Containers);
        Ok(())
    }

    /// Everything of this worker but volumes is to go.
    pub(super) fn take_down(&mut self) {
        warn!("everything of this worker but volumes is being removed");
        let names: BTreeSet<TaskName> = self.desired.tasks.keys().cloned().collect();
        self.desired = self.desired.remove_meant(&names, &self.rules, self.clock.now().mono);
        for name in names {
            self.add_task(name);
        }
    }

    pub(super) fn overview(&self) -> Overview {
        Overview {
            worker: self.setting.maker.worker.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            source: self.setting.maker.source.clone(),
            source_unavailable: self.desired.unavailable.clone(),
            watch_degraded: None,
            policy: Some(self.setting.policy.clone()),
            files: self.files(),
            problems: self.problems(),
            others: self.desired.others.clone(),
            engine: self.engine_info.as_ref().map(|info| EngineOverview {
                version: info.version.clone(),
                api_version: info.api_version.clone(),
                started_at: self.engine.started_at,
            }),
            engine_unavailable: self.engine.unavailable.clone(),
            engine_changed: self.engine.changed.clone(),
            no_shared_host: self.engine.host.trouble(),
            source_changed: self.engine.source_changed.clone(),
            approved_sources: self.approved_sources.clone(),
            prune_held: self.held(),
            db_trouble: self.db_trouble.clone(),
            going_down: self.goal == Goal::Down,
            tasks: self.records.len(),
        }
    }

    pub(super) fn held(&self) -> Option<Held> {
        let held = self.desired.prune_held.as_ref()?;
        let count = held.tasks.len();
        let why = match &held.cause {
            PruneCause::TooMany { known } => {
                let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
                let many = float(count) > self.rules.max_prune * float(*known);
                let with = if many { "" } else { ", with those that are gone already," };
                format!(
                    "{count} of {known} tasks would go{with} within a minute; if that is meant: \
                     evenkeel approve prune"
                )
            }
            PruneCause::Unreadable { file } => {
                format!("{file} is new or changed and can't be read: it may hold them")
            }
            PruneCause::Unlisted { directory } => {
                format!("the directory {directory} can't be listed: it may hold them")
            }
        };
        Some(Held { tasks: held.tasks.clone(), why })
    }
}
