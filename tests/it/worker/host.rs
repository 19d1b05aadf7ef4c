//! A host: the simulated engine, a state directory, manifests, and a worker that can be killed.
//!
//! The clock is paused. It moves only while nothing can go on, the state DB's thread included
//! (tokio holds it while a blocking job runs), so a sleep of the test is also a barrier: once it
//! is over, the worker has done all that was to be done before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel::api::measure::Measures;
use evenkeel::api::{self, server};
use evenkeel::db::{Db, EventQuery, Limits, Opened};
use evenkeel::domain::blueprint::Maker;
use evenkeel::domain::container::{Container, Status, label};
use evenkeel::domain::desired::Rules;
use evenkeel::domain::instance::ContainerId;
use evenkeel::domain::name::{Label, TaskName, WorkerName};
use evenkeel::domain::policy::{Level, Policy};
use evenkeel::domain::source::{FileState, Snapshot};
use evenkeel::domain::status::{ConditionType, TaskStatus};
use evenkeel::manifest;
use evenkeel::metrics::Metrics;
use evenkeel::runtime::simulated::{Operation, Simulated};
use evenkeel::watch::WatchHealth;
use evenkeel::worker::command::{Command, Overview};
use evenkeel::worker::preview::Preview;
use evenkeel::worker::pulse::Pulse;
use evenkeel::worker::usages::Usages;
use evenkeel::worker::{Ended, Goal, Inputs, Setting, Start, Worker};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How the run of a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, or because it was told to stop.
    Ended(Ended),
    /// The engine froze, and with it the worker died.
    Killed,
}

pub struct Host {
    pub engine: Simulated,
    pub state: TempDir,
    pub source: String,
    pub worker: WorkerName,
    pub policy: Policy,
    pub limits: Limits,
    files: BTreeMap<String, FileState>,
    unavailable: Option<String>,
    running: Option<Running>,
}

struct Running {
    snapshots: watch::Sender<Arc<Snapshot>>,
    commands: mpsc::Sender<Command>,
    stop: CancellationToken,
    kill: CancellationToken,
    task: JoinHandle<End>,
    db: Db,
    metrics: Arc<Metrics>,
}

pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

/// A manifest of a task; `spec` is the rest of its spec, indented by two.
pub fn task(name: &str, spec: &str) -> String {
    let image = if spec.contains("image:") { "" } else { "  image: app:1\n" };
    format!(
        "apiVersion: evenkeel/v1\nkind: Task\nmetadata:\n  name: {name}\nspec:\n{image}{spec}\n"
    )
}

impl Host {
    /// With an engine that has the images `app:1` to `app:9`, and no worker yet.
    pub fn new() -> Self {
        let engine = Simulated::new();
        for number in 1..=9 {
            engine.add_image(&format!("app:{number}"));
        }
        Self {
            engine,
            state: directory(),
            source: "/srv/tasks".to_owned(),
            worker: Label::parse("default").unwrap(),
            policy: Policy { level: Level::Baseline, allowed_host_paths: Vec::new() },
            limits: Limits::default(),
            files: BTreeMap::new(),
            unavailable: None,
            running: None,
        }
    }

    /// With a worker and these manifests, settled.
    pub async fn with(files: &[(&str, String)]) -> Self {
        let mut host = Self::new();
        for (file, text) in files {
            host.write(file, text);
        }
        host.start().await;
        host.settle().await;
        host
    }

    /// Writes a manifest file.
    pub fn write(&mut self, file: &str, text: &str) {
        self.put(file, text);
        self.send();
    }

    /// Writes many at once.
    pub fn write_all(&mut self, files: impl IntoIterator<Item = (String, String)>) {
        for (file, text) in files {
            self.put(&file, &text);
        }
        self.send();
    }

    /// The source holds these manifest files and no others.
    pub fn replace_all(&mut self, files: impl IntoIterator<Item = (String, String)>) {
        self.files.clear();
        self.write_all(files);
    }

    fn put(&mut self, file: &str, text: &str) {
        let context = manifest::Context { source: &self.source, policy: &self.policy };
        let state = manifest::read(file, text.as_bytes(), &context);
        self.files.insert(file.to_owned(), state);
    }

    /// Removes manifest files, all at once.
    pub fn remove(&mut self, files: &[&str]) {
        for file in files {
            self.files.remove(*file).unwrap();
        }
        self.send();
    }

    /// Moves a manifest file.
    pub fn rename(&mut self, from: &str, to: &str) {
        let state = self.files.remove(from).unwrap();
        self.files.insert(to.to_owned(), state);
        self.send();
    }

    /// The source can't be read, or can again.
    pub fn lose_source(&mut self, message: Option<&str>) {
        self.unavailable = message.map(ToOwned::to_owned);
        self.send();
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::new(match &self.unavailable {
            Some(message) => Snapshot::Unavailable { message: message.clone() },
            None => Snapshot::Read { files: self.files.clone() },
        })
    }

    /// Tells the worker of the files as they are.
    pub fn send(&self) {
        if let Some(running) = &self.running {
            running.snapshots.send_replace(self.snapshot());
        }
    }

    pub async fn start(&mut self) {
        self.start_for(Goal::Forever).await;
    }

    pub async fn start_for(&mut self, goal: Goal) {
        let opened = Db::open_with(self.state.path(), self.limits).await.unwrap();
        self.start_with(goal, opened);
        self.send();
    }

    /// Starts a worker that has not seen the files yet.
    pub fn start_with(&mut self, goal: Goal, opened: Opened) {
        assert!(self.running.is_none(), "a worker runs already");
        let none = Snapshot::Unavailable { message: "not read yet".to_owned() };
        let (snapshots, receiver) = watch::channel(Arc::new(none));
        let (commands, inbox) = mpsc::channel(16);
        let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
        let metrics = Arc::new(Metrics::default());
        let db = opened.db.clone();
        let worker = self.worker(goal, opened, receiver, Arc::clone(&metrics));
        let inputs = Inputs { commands: inbox, stop: stop.clone() };
        let (engine, killed) = (self.engine.clone(), kill.clone());
        let task = tokio::spawn(async move {
            // Asked in this order, a worker dies at a freeze before it hears of anything more.
            tokio::select! {
                biased;
                () = killed.cancelled() => End::Killed,
                () = engine.frozen() => End::Killed,
                left = worker.run(inputs) => End::Ended(left.ended),
            }
        });
        self.running = Some(Running { snapshots, commands, stop, kill, task, db, metrics });
    }

    fn worker(
        &self,
        goal: Goal,
        opened: Opened,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        metrics: Arc<Metrics>,
    ) -> Worker<Simulated> {
        Worker::open(Start {
            host_paths: tokio::sync::watch::Sender::default(),
            setting: Setting {
                maker: Maker { worker: self.worker.clone(), source: self.source.clone() },
                policy: self.policy.clone(),
                network_pool: "10.213.0.0/16".parse().unwrap(),
            },
            rules: Rules::default(),
            runtime: Arc::new(self.engine.clone()),
            local_engine: false,
            state_dir: Some(self.state.path().to_owned()),
            snapshots,
            opened,
            goal,
            metrics,
        })
    }

    /// What a plan tells while the worker runs.
    pub async fn plan(&self) -> Preview {
        let mut opened = Db::open_read_only(&self.state.path().join("none")).await.unwrap();
        opened.stored.records = self.ask(Command::Records).await;
        let (_sender, snapshots) = watch::channel(self.snapshot());
        let metrics = Arc::new(Metrics::default());
        self.worker(Goal::Forever, opened, snapshots, metrics).preview().await
    }

    /// Whether the worker has not ended.
    pub fn is_up(&self) -> bool {
        self.running.as_ref().is_some_and(|running| !running.task.is_finished())
    }

    /// As `kill -9`.
    pub async fn kill(&mut self) -> End {
        self.running.as_ref().unwrap().kill.cancel();
        self.buried().await
    }

    /// As `SIGTERM`.
    pub async fn stop(&mut self) -> End {
        self.running.as_ref().unwrap().stop.cancel();
        self.buried().await
    }

    /// Waits until the worker has ended, and until what it had under way with its state has.
    pub async fn buried(&mut self) -> End {
        let running = self.running.take().unwrap();
        let end = running.task.await.unwrap();
        let _closed = running.db.events(EventQuery { limit: 1, ..EventQuery::default() }).await;
        end
    }

    /// Asks for something that takes time: the answer comes through the receiver.
    pub async fn begin<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> oneshot::Receiver<T> {
        let (reply, answer) = oneshot::channel();
        let commands = &self.running.as_ref().unwrap().commands;
        assert!(commands.send(command(reply)).await.is_ok(), "the worker runs");
        answer
    }

    pub async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> T {
        self.try_ask(command).await.expect("the worker answers")
    }

    /// As [`Host::ask`], where the worker may have died.
    async fn try_ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.running.as_ref()?.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }

    pub async fn tasks(&self) -> BTreeMap<String, TaskStatus> {
        self.try_tasks().await.expect("the worker answers")
    }

    async fn try_tasks(&self) -> Option<BTreeMap<String, TaskStatus>> {
        let all = self.try_ask(Command::Tasks).await?;
        let named = all.into_iter().map(|status| (status.name.to_string(), status));
        Some(named.collect())
    }

    pub async fn status(&self, name: &str) -> TaskStatus {
        let mut tasks = self.tasks().await;
        tasks.remove(&full(name)).unwrap_or_else(|| panic!("there is no task {name}"))
    }

    pub async fn overview(&self) -> Overview {
        self.ask(Command::Overview).await
    }

    pub async fn down(&self) {
        self.ask(Command::Down).await;
    }

    pub async fn approve_source(&self, source: &str) -> Result<(), String> {
        self.ask(|reply| Command::ApproveSource(source.to_owned(), reply)).await
    }

    pub async fn approve_engine(&self, engine: &str) -> Result<(), String> {
        self.ask(|reply| Command::ApproveEngine(engine.to_owned(), reply)).await
    }

    /// What happened to the worker itself: reason and sentence, the oldest first.
    pub async fn own_events(&self) -> Vec<(String, String)> {
        let query = EventQuery { limit: 1000, ..EventQuery::default() };
        let events = self.running.as_ref().unwrap().db.events(query).await.unwrap();
        let own = events.into_iter().filter(|(_, event)| event.task.is_none());
        own.map(|(_, event)| (event.reason, event.message)).collect()
    }

    pub async fn approve_prune(&self, names: &[&str]) -> Result<(), String> {
        let names: BTreeSet<TaskName> =
            names.iter().map(|name| full(name).try_into().unwrap()).collect();
        self.ask(|reply| Command::ApprovePrune(names, reply)).await
    }

    /// What happened to a task: reason and sentence, the oldest first.
    pub async fn events(&self, name: &str) -> Vec<(String, String)> {
        let task = Some(full(name).try_into().unwrap());
        let query = EventQuery { task, after: None, limit: 1000 };
        let events = self.running.as_ref().unwrap().db.events(query).await.unwrap();
        events.into_iter().map(|(_, event)| (event.reason, event.message)).collect()
    }

    /// The numbers of the events that are kept.
    pub async fn db_events(&self, query: EventQuery) -> Vec<i64> {
        let events = self.running.as_ref().unwrap().db.events(query).await.unwrap();
        events.into_iter().map(|(seq, _)| seq).collect()
    }

    /// Whether something of that reason happened to a task, and its sentence holds `text`.
    pub async fn has_event(&self, name: &str, reason: &str, text: &str) -> bool {
        self.events(name).await.iter().any(|(is, says)| is == reason && says.contains(text))
    }

    /// What the API of the worker that runs answers from.
    pub fn sources(&self) -> server::Sources {
        let running = self.running.as_ref().unwrap();
        let (_, health) = watch::channel(WatchHealth::default());
        let (commands, db) = (running.commands.clone(), running.db.clone());
        let metrics = Arc::clone(&running.metrics);
        let measures = Measures::new(metrics, self.usages(), self.state.path(), "/");
        server::Sources { commands, db, health, measures }
    }

    /// Serves the API of the worker that runs, until `stop`.
    pub fn serve(&self, stop: CancellationToken) -> JoinHandle<()> {
        self.serve_from(self.sources(), stop)
    }

    /// As [`Host::serve`], with answers made from these.
    pub fn serve_from(&self, sources: server::Sources, stop: CancellationToken) -> JoinHandle<()> {
        let listener = server::Bound::listen(&api::socket(self.state.path())).unwrap();
        tokio::spawn(server::serve(listener, sources, stop))
    }

    pub fn db_file(&self) -> PathBuf {
        self.state.path().join("state.db")
    }

    /// Reads what instances use.
    pub fn usages(&self) -> Usages {
        Usages::of(Arc::new(self.engine.clone()))
    }

    /// How all is in numbers.
    pub async fn pulse(&self) -> Pulse {
        self.ask(Command::Pulse).await
    }

    /// What the worker counts.
    pub fn metrics(&self) -> &Metrics {
        &self.running.as_ref().unwrap().metrics
    }

    /// How many names were put on the queue.
    pub fn wakes(&self) -> u64 {
        self.running.as_ref().unwrap().metrics.queue.adds.get()
    }

    /// Waits until `is_so`, for so long at most.
    pub async fn until(
        &self,
        what: &str,
        within: Duration,
        mut is_so: impl AsyncFnMut(&Self) -> bool,
    ) {
        let deadline = Instant::now() + within;
        while !is_so(self).await {
            if Instant::now() >= deadline {
                let (tasks, there) = (self.tasks().await, self.engine.containers());
                panic!("not within {within:?}: {what}\n{tasks:#?}\n{:#?}", there.keys());
            }
            sleep(millis(50)).await;
        }
    }

    /// Waits until a task's condition has that reason.
    pub async fn until_reason(&self, name: &str, type_: ConditionType, reason: &str) {
        let what = format!("{name} says {reason}");
        let is_so = async |host: &Self| {
            let tasks = host.tasks().await;
            let condition = tasks.get(&full(name)).and_then(|status| status.condition(type_));
            condition.is_some_and(|condition| condition.reason == reason)
        };
        self.until(&what, secs(900), is_so).await;
    }

    /// Waits until nothing is left to do: every task that has a manifest settled, no other there.
    pub async fn settle(&self) {
        sleep(millis(1)).await;
        let is_so = async |host: &Self| {
            sleep(millis(200)).await;
            host.is_settled().await
        };
        self.until("all is settled", secs(900), is_so).await;
    }

    /// As [`Host::settle`]; whenever the worker dies with the engine's freeze, another is started.
    /// Tells how often.
    pub async fn settle_through_crashes(&mut self) -> u32 {
        let mut crashes = 0;
        sleep(millis(1)).await;
        let deadline = Instant::now() + secs(900);
        loop {
            if !self.is_up() {
                assert_eq!(self.buried().await, End::Killed);
                self.engine.thaw();
                self.start().await;
                crashes += 1;
            } else if self.is_settled().await {
                return crashes;
            } else if Instant::now() > deadline {
                let (tasks, there) = (self.tasks().await, self.engine.containers());
                panic!("it does not settle:\n{tasks:#?}\n{:#?}", there.keys());
            }
            sleep(millis(100)).await;
        }
    }

    async fn is_settled(&self) -> bool {
        let steps = self.engine.steps();
        let Some(tasks) = self.try_tasks().await else { return false };
        if !self.names().iter().eq(tasks.keys()) || !tasks.values().all(TaskStatus::is_settled) {
            return false;
        }
        sleep(millis(300)).await;
        steps == self.engine.steps() && self.is_up()
    }

    fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for state in self.files.values() {
            if let FileState::Read { documents, .. } = state {
                for document in documents {
                    match document {
                        evenkeel::domain::source::Document::Task { task, .. } => {
                            names.insert(task.name.to_string());
                        }
                        evenkeel::domain::source::Document::Broken { name: Some(name), .. } => {
                            names.insert(name.to_string());
                        }
                        _ => {}
                    }
                }
            }
        }
        names
    }

    /// The containers of our worker, by name.
    pub fn ours(&self) -> BTreeMap<String, Container> {
        let ours = |container: &Container| {
            container.labels.get(label::WORKER).map(String::as_str) == Some(self.worker.as_str())
        };
        self.engine.containers().into_iter().filter(|(_, container)| ours(container)).collect()
    }

    /// Those that run: the short names (`web.0.1`) and their ids.
    pub fn live(&self) -> BTreeMap<String, ContainerId> {
        let prefix = format!("evenkeel.{}.default.", self.worker);
        self.ours()
            .into_iter()
            .filter(|(_, container)| container.status == Status::Running)
            .map(|(name, it)| (name.strip_prefix(&prefix).unwrap_or(&name).to_owned(), it.id))
            .collect()
    }

    /// The short names of those that run.
    pub fn live_names(&self) -> Vec<String> {
        self.live().into_keys().collect()
    }

    /// The id of the one container of a task that runs.
    pub fn only(&self, name: &str) -> ContainerId {
        let prefix = format!("{name}.");
        let mut live = self.live().into_iter().filter(|(it, _)| it.starts_with(&prefix));
        let (_, id) = live.next().unwrap_or_else(|| panic!("nothing of {name} runs"));
        assert_eq!(live.next(), None, "more than one of {name} runs");
        id
    }

    /// How often a process of a task began.
    pub fn starts(&self, name: &str) -> usize {
        let is_of = |labels: &BTreeMap<String, String>| {
            labels.get(label::TASK).map(String::as_str) == Some(name)
        };
        self.engine.happened().iter().filter(|it| it.began && is_of(&it.labels)).count()
    }

    /// How many calls there were that change nothing. Networks and volumes are two of Docker's.
    pub fn reads(&self) -> u64 {
        let calls = self.engine.calls();
        let reads = calls.iter().filter(|(operation, _)| !operation.is_step());
        reads
            .map(|(it, count)| if *it == Operation::ListResources { 2 * count } else { *count })
            .sum()
    }

    pub fn calls(&self, operation: Operation) -> u64 {
        self.engine.calls().get(&operation).copied().unwrap_or(0)
    }
}

/// In memory where there is such a place: what a killed process has written is there as well, and
/// no story waits for a disk.
fn directory() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}

/// A task's name with its namespace.
pub fn full(name: &str) -> String {
    if name.contains('/') { name.to_owned() } else { format!("default/{name}") }
}
