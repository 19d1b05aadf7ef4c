//! The worker: takes a name off the queue, looks at the task, writes down what it means to do, and
//! has it done.
//!
//! One owner holds all state and looks at one task after the other, so no two looks ever disagree;
//! what takes time (calls to the engine) runs beside it and comes back as `engine::Finished`.
//! Every choice is made in `domain`; here is what carries it out.
//!
//! What people ask for becomes files first (`receive`), and comes in as those that they save.
//!
//! The four operations: `add_task` (`intake`: desired state onto the queue), `run_task` (`look`:
//! one look), `start_task` and `stop_task` (`act`: the steps that a plan asks for, begun).

mod act;
mod changes;
mod clock;
pub mod command;
mod ends;
mod engine;
mod facts;
mod found;
mod guard;
mod index;
mod intake;
mod itself;
mod leads;
mod lock;
mod look;
mod mail;
mod makes;
mod measure;
mod meeting;
mod networks;
pub mod news;
mod observe;
pub mod planned;
mod ports;
pub mod preview;
mod probing;
pub mod pulls;
pub mod pulse;
pub mod receive;
mod remains;
mod report;
pub mod shared_host;
mod sightings;
mod start;
mod steps;
mod turns;
pub mod usages;

pub use clock::Clock;
pub use lock::{Lock, LockError};
pub use remains::Remains;
pub use report::{EVENT_TARGET, tell};
pub use start::{APPROVED_SOURCES, Start};
pub use steps::Setting;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::db::Db;
use crate::domain::desired::{Desired, Rules};
use crate::domain::instance::{ContainerId, Seat};
use crate::domain::name::TaskName;
use crate::domain::plan::Plan;
use crate::domain::record::Record;
use crate::domain::source::{Mounted, Snapshot};
use crate::domain::status::TaskStatus;
use crate::domain::time::Mono;
use crate::domain::world::Engine;
use crate::metrics::Metrics;
use crate::patience::Patience;
use crate::queue::Queue;
use crate::runtime::{EngineEvent, EngineInfo, Runtime};
use command::{Command, Overview};
use engine::Finished;
use index::Index;
use itself::Itself;
use mail::Mail;
use makes::Makes;
use measure::Rising;
use meeting::Meeting;
use news::News;
use observe::{Afresh, Relisting};
use probing::Probing;
use pulls::Pulls;
use sightings::Sightings;
use turns::Turns;

/// How many looks are written down in one transaction at most.
const BATCH: usize = 64;

/// How many steps run at once: more gains nothing with the engine.
const STEPS_AT_ONCE: usize = 8;

/// How many stops run at once: each waits on a connection of its own, and those are limited.
const STOPS_AT_ONCE: usize = 128;

/// How many containers are looked at at once: each takes a connection of its own.
const INSPECTS_AT_ONCE: usize = 16;

/// How long the host paths of a container may take to be looked at, and of how many containers
/// they are at once: more threads than that never hang.
const HOST_PATHS: (Duration, usize) = (Duration::from_secs(10), 64);

/// How many pulls run at once.
const PULLS_AT_ONCE: usize = 4;

/// How long steps under way may take to end when the worker is to stop.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// The least time between two restarts after failures, over all tasks.
const RESTART_PACE: Duration = Duration::from_millis(200);

/// Until when the worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Until it is told to stop.
    Forever,
    /// Until nothing is left to do, or the time has passed.
    Settled {
        /// The time.
        deadline: Duration,
    },
    /// Until everything of this worker but volumes is removed.
    Down,
}

/// Why the worker stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// Its goal was reached.
    Reached,
    /// Nothing is left to do, and not all is as it is to be: something failed, was refused, is
    /// held, or can't be read.
    Short,
    /// The time had passed before.
    Deadline,
    /// A part of it ended unasked: a bug. What was known is written down; it has to be started anew.
    Broken,
}

/// How a worker left things.
#[derive(Debug)]
pub struct Left {
    /// Why it stopped.
    pub ended: Ended,
    /// How it was itself.
    pub overview: Overview,
    /// How its tasks were, by name.
    pub tasks: Vec<TaskStatus>,
    /// What there is of it still, where everything was to go.
    pub remains: Remains,
}

/// What comes in while the worker runs.
pub struct Inputs {
    /// What people ask.
    pub commands: mpsc::Receiver<Command>,
    /// Tells it to stop.
    pub stop: CancellationToken,
}

/// One worker.
pub struct Worker<R: Runtime> {
    setting: Arc<Setting>,
    rules: Rules,
    runtime: Arc<R>,
    local_engine: bool,
    state_dir: Option<PathBuf>,
    db: Db,
    clock: Clock,
    queue: Queue<TaskName>,
    metrics: Arc<Metrics>,
    /// What was saved and does not run yet.
    rising: Rising,
    desired: Desired,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    /// The watch has said something of the source.
    snapshot_came: bool,
    records: BTreeMap<TaskName, Record>,
    plans: BTreeMap<TaskName, Plan>,
    statuses: BTreeMap<TaskName, Arc<TaskStatus>>,
    news: News,
    index: Index,
    host_paths: watch::Sender<BTreeSet<Mounted>>,
    leads: leads::Known,
    panics: BTreeMap<TaskName, u32>,
    engine: Engine,
    engine_info: Option<EngineInfo>,
    itself: Itself,
    meeting: Meeting,
    sightings: Sightings,
    /// The first list showed nothing and was asked for again.
    listed_empty: bool,
    networks: BTreeSet<String>,
    leaving_networks: BTreeSet<String>,
    network_refusals: BTreeMap<String, networks::Refusal>,
    volumes: BTreeSet<String>,
    /// Of those two the engine has told since it can be asked.
    resources_known: bool,
    /// When one of them was made or removed last: what was asked for before is not of now.
    resources_moved_at: Option<Mono>,
    approved_sources: BTreeSet<String>,
    /// Containers that were left running when their manifests went away: ours no longer, and what
    /// they have is theirs.
    let_go: BTreeSet<ContainerId>,
    /// Containers whose last words are written down.
    logs_kept: BTreeSet<ContainerId>,
    mail: BTreeMap<TaskName, Vec<Mail>>,
    in_flight: BTreeMap<TaskName, BTreeMap<Seat, &'static str>>,
    pulls: Pulls,
    makes: Makes,
    jobs: JoinSet<Finished>,
    desk: receive::Desk,
    relisting: Relisting,
    turns: Turns,
    probing: Probing,
    /// When the next restart after a failure may begin that has no turn yet.
    restart_at: Mono,
    /// When those may that wait for it.
    restart_turns: BTreeMap<TaskName, Mono>,
    inspect_places: Arc<Semaphore>,
    step_places: Arc<Semaphore>,
    stop_places: Arc<Semaphore>,
    pull_places: Arc<Semaphore>,
    /// Looks at host paths before a container is made.
    patience: Patience,
    db_trouble: Option<String>,
    /// Tasks whose last look could not be written down.
    unwritten: BTreeSet<TaskName>,
    goal: Goal,
    looks: u64,
}

impl<R: Runtime> Worker<R> {
    /// Runs until the goal is reached or the worker is told to stop.
    pub async fn run(mut self, mut inputs: Inputs) -> Left {
        let mut events: BoxStream<'static, EngineEvent> =
            self.runtime.events(&self.setting.maker.worker);
        let began = self.clock.now().mono;
        let ended = loop {
            if let Some(ended) = self.reached(began) {
                break ended;
            }
            let wake = self.clock.instant(self.wake_at(began));
            tokio::select! {
                () = inputs.stop.cancelled() => break Ended::Stopped,
                Some(event) = events.next() => self.on_event(event),
                Some(finished) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    match finished {
                        Ok(finished) => {
                            self.on_finished(finished);
                            self.write_down_engine().await;
                        }
                        Err(error) if error.is_cancelled() => {}
                        Err(error) => {
                            error!(%error, "a call to the engine ended unasked: a bug of evenkeel");
                            break Ended::Broken;
                        }
                    }
                }
                Ok(()) = self.snapshots.changed() => {
                    self.snapshot_came = true;
                    self.take_snapshot();
                }
                Some(command) = inputs.commands.recv() => self.on_command(command).await,
                Some(name) = self.queue.next() => self.run_tasks(name).await,
                () = tokio::time::sleep_until(wake) => self.on_time(),
            }
            self.turned();
        };
        let overview = self.overview();
        let tasks = self.statuses.values().map(|it| TaskStatus::clone(it)).collect();
        let remains = self.remains();
        self.shut_down().await;
        Left { ended, overview, tasks, remains }
    }

    /// When time alone makes something to do.
    fn wake_at(&self, began: Mono) -> Mono {
        let relist = self.relisting.at;
        // Who takes everything down reads no manifest any more.
        let reads = self.goal != Goal::Down;
        let desired = self.desired.wake_at().filter(|_| reads).unwrap_or(relist);
        let untold = self.desk.wake_at().unwrap_or(relist);
        let asked = self.itself.due().unwrap_or(relist);
        let probed = self.probing.wake_at().unwrap_or(relist);
        let first = relist.min(desired).min(self.turns.at).min(untold).min(asked).min(probed);
        match self.goal {
            Goal::Settled { deadline } => first.min(began + deadline),
            Goal::Forever | Goal::Down => first,
        }
    }

    fn on_time(&mut self) {
        let now = self.clock.now().mono;
        if self.desired.wake_at().is_some_and(|at| at <= now) {
            self.take_snapshot();
        }
        self.observe_by_time(now);
        self.ask_probes(now);
    }

    fn reached(&self, began: Mono) -> Option<Ended> {
        match self.goal {
            Goal::Forever => None,
            Goal::Settled { deadline } => {
                if self.is_settled() {
                    return Some(if self.is_as_asked() { Ended::Reached } else { Ended::Short });
                }
                (self.clock.now().mono.since(began) >= deadline).then_some(Ended::Deadline)
            }
            Goal::Down => {
                let listed = self.sightings.listed_at.is_some();
                let empty = self.records.is_empty() && self.only_refused_networks_stay();
                let listed = listed && self.resources_known;
                // Nothing is made any more: a disk that does not tell where it leads is no matter.
                let quiet = self.is_quiet(self.leads.jobs);
                let is_all = self.remains().refused.is_empty();
                let ended = if is_all { Ended::Reached } else { Ended::Short };
                (listed && empty && quiet).then_some(ended)
            }
        }
    }

    /// Whether nothing is under way, but for so many jobs that are no matter.
    fn is_quiet(&self, jobs: usize) -> bool {
        self.queue.is_empty()
            && self.jobs.len() <= jobs + self.probing.under_way
            && self.mail.is_empty()
            && self.relisting.wanted.is_none()
    }

    /// Whether nothing is left to do but to wait for people, or for ever.
    fn is_settled(&self) -> bool {
        self.is_quiet(0)
            && (self.sightings.listed_at.is_some() || self.engine.changed.is_some())
            && self.snapshot_came
            && self.unwritten.is_empty()
            && self.desired.wake_at().is_none()
            && (self.engine.source_changed.is_some()
                || self.engine.changed.is_some()
                || self.statuses.values().all(|it| it.is_settled()))
    }

    /// Whether what is settled is what the files ask for, all of it.
    fn is_as_asked(&self) -> bool {
        self.desired.unavailable.is_none()
            && self.engine.changed.is_none()
            && self.desired.prune_held.is_none()
            && self.problems().is_empty()
            && self.statuses.values().all(|it| it.is_as_asked())
    }

    async fn shut_down(mut self) {
        self.queue.shut_down();
        if self.goal != Goal::Down {
            info!("stopping; containers keep running");
        }
        let finished = tokio::time::timeout(SHUTDOWN, self.finish_steps()).await;
        if finished.is_err() {
            info!(
                "steps under way did not end in time; the next start looks at what became of them"
            );
        }
        self.jobs.shutdown().await;
        self.write_down_mail().await;
        self.db.close().await;
    }

    /// Waits until no step is under way.
    async fn finish_steps(&mut self) {
        while !self.in_flight.is_empty()
            && let Some(finished) = self.jobs.join_next().await
        {
            if let Ok(finished @ Finished::Step { .. }) = finished {
                self.on_finished(finished);
            }
        }
    }
}
