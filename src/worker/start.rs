//! Starting a worker: from what was written down, with nothing decided yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::meeting::ENGINE;
use super::news::News;
use super::usages::Usages;
use super::{Clock, Goal, Relisting, Setting, Worker};
use crate::db::{Change, Opened, SET_ASIDE_KEPT};
use crate::domain::desired::{Desired, Rules};
use crate::domain::engine::SharedHost;
use crate::domain::name::TaskName;
use crate::domain::record::Record;
use crate::domain::source::{Mounted, Snapshot};
use crate::domain::world::Engine;
use crate::metrics::Metrics;
use crate::patience::Patience;
use crate::queue::{Queue, RetryPolicy};
use crate::runtime::Runtime;

/// The source directories that containers were made from and that are ours, in the DB.
pub const APPROVED_SOURCES: &str = "approved-sources";

/// The containers that were let go, in the DB.
const LET_GO: &str = "let-go";

/// When everything is listed at the latest, should the engine's events not ask for it before.
const FIRST_LIST: Duration = Duration::from_secs(2);

/// What a worker is started with.
pub struct Start<R> {
    /// Who it is and what it may do.
    pub setting: Setting,
    /// When a deletion is meant.
    pub rules: Rules,
    /// The engine.
    pub runtime: Arc<R>,
    /// The engine is on this host: what listens here is in its way.
    pub local_engine: bool,
    /// Where it may make a directory to see whether the engine finds it; `None`: nowhere.
    pub state_dir: Option<PathBuf>,
    /// What the source directory holds, from the first change on.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Where the host paths of all tasks are told: nothing beneath them is a manifest.
    pub host_paths: watch::Sender<BTreeSet<Mounted>>,
    /// The current-state DB.
    pub opened: Opened,
    /// Until when it runs.
    pub goal: Goal,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// An engine that nothing is known of yet.
fn unasked() -> Engine {
    let unavailable = Some("it was not asked yet".into());
    Engine { unavailable, host: SharedHost::Untried, ..Engine::default() }
}

impl<R: Runtime> Worker<R> {
    /// A worker that knows what was written down, and has not asked anything yet.
    #[must_use]
    pub fn open(start: Start<R>) -> Self {
        let Start {
            setting,
            rules,
            runtime,
            local_engine,
            state_dir,
            snapshots,
            host_paths,
            opened,
            goal,
            metrics,
        } = start;
        let clock = Clock::begin();
        report(&opened);
        let approved_sources = set_of(&opened, APPROVED_SOURCES);
        let let_go = set_of(&opened, LET_GO);
        let records = by_name(opened.stored.records, clock);
        let desired = Desired::restored(records.values().map(|it| &it.head));
        let seed = clock.now().wall.millis().unsigned_abs();
        let queue = Queue::new(RetryPolicy::with_seed(seed), Arc::clone(&metrics.queue));
        let mut worker = Self {
            setting: Arc::new(setting),
            rules,
            runtime,
            local_engine,
            state_dir,
            db: opened.db,
            clock,
            queue,
            metrics,
            rising: super::Rising::since(clock.now().wall),
            desired,
            snapshots,
            snapshot_came: false,
            records,
            plans: BTreeMap::new(),
            statuses: BTreeMap::new(),
            news: News::default(),
            index: super::Index::default(),
            host_paths,
            leads: super::leads::Known::default(),
            panics: BTreeMap::new(),
            engine: unasked(),
            engine_info: None,
            itself: super::Itself::default(),
            meeting: super::Meeting::of(opened.stored.meta.get(ENGINE).cloned()),
            sightings: super::Sightings::default(),
            listed_empty: false,
            networks: BTreeSet::new(),
            leaving_networks: BTreeSet::new(),
            network_refusals: BTreeMap::new(),
            volumes: BTreeSet::new(),
            resources_known: false,
            resources_moved_at: None,
            approved_sources,
            let_go,
            logs_kept: BTreeSet::new(),
            inspect_places: Arc::new(Semaphore::new(super::INSPECTS_AT_ONCE)),
            mail: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            pulls: super::Pulls::default(),
            makes: super::Makes::default(),
            jobs: JoinSet::new(),
            desk: super::receive::Desk::default(),
            relisting: Relisting::default(),
            turns: super::Turns::default(),
            probing: super::Probing::default(),
            restart_at: crate::domain::time::Mono::default(),
            restart_turns: BTreeMap::new(),
            step_places: Arc::new(Semaphore::new(super::STEPS_AT_ONCE)),
            stop_places: Arc::new(Semaphore::new(super::STOPS_AT_ONCE)),
            pull_places: Arc::new(Semaphore::new(super::PULLS_AT_ONCE)),
            patience: Patience::new(super::HOST_PATHS.0, super::HOST_PATHS.1),
            db_trouble: None,
            unwritten: BTreeSet::new(),
            goal,
            looks: 0,
        };
        worker.begin_known();
        worker
    }

    /// The tasks that were written down.
    #[must_use]
    pub fn known(&self) -> BTreeSet<TaskName> {
        self.records.keys().cloned().collect()
    }

    /// Reads what instances use from the engine of this worker.
    #[must_use]
    pub fn usages(&self) -> Usages {
        Usages::of(Arc::clone(&self.runtime))
    }

    /// Has what is known looked at.
    fn begin_known(&mut self) {
        let known: Vec<TaskName> = self.records.keys().cloned().collect();
        for name in known {
            self.metrics.work.known(&name);
            let record = self.records.get(&name).cloned();
            self.index_claims(&name, record.as_ref());
            self.index_host_paths(&name, record.as_ref());
            self.queue.add(name);
        }
        self.relisting.at = self.clock.now().mono + FIRST_LIST;
        if self.goal == Goal::Down {
            self.take_down();
        }
    }

    /// What of the worker itself is in the DB.
    pub(super) fn meta(&self) -> Vec<Change> {
        let sources = serde_json::to_string(&self.approved_sources).ok();
        let sources = Change::SetMeta { key: APPROVED_SOURCES.to_owned(), value: sources };
        vec![sources, self.let_go_written(), self.engine_written()]
    }

    /// The containers that were let go, as they are written down.
    pub(super) fn let_go_written(&self) -> Change {
        let value = serde_json::to_string(&self.let_go).ok();
        Change::SetMeta { key: LET_GO.to_owned(), value }
    }
}

/// What the DB has under that key; nothing if it can't be read.
fn set_of<T: DeserializeOwned + Ord>(opened: &Opened, key: &str) -> BTreeSet<T> {
    let text = opened.stored.meta.get(key);
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// What was written down, by name; the waits of all of it begin anew.
fn by_name(records: Vec<Record>, clock: Clock) -> BTreeMap<TaskName, Record> {
    let named = |record: Record| (record.head.name.clone(), begin_waits_anew(record, clock));
    records.into_iter().map(named).collect()
}

/// A wait that was under way begins anew; counts stay.
fn begin_waits_anew(mut record: Record, clock: Clock) -> Record {
    let now = clock.now().mono;
    record.progressed_at = now;
    for instance in record.instances.values_mut() {
        instance.moved_at = now;
    }
    record
}

fn report(opened: &Opened) {
    if let Some(aside) = &opened.set_aside {
        warn!(
            moved_to = %aside.path.display(), why = aside.why,
            "StateLost: the state DB could not be used; what runs is taken over from its labels. \
             The newest {SET_ASIDE_KEPT} of such files are kept"
        );
    }
    for problem in &opened.stored.unreadable {
        warn!(problem, "a row of the state DB can't be read");
    }
    info!(tasks = opened.stored.records.len(), "state read");
}
