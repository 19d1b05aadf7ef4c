//! A worker with all that it takes: its state, its engine, its source.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::watch;
use tracing::warn;

use super::args::{Common, Make};
use crate::api::client::{Client, ClientError};
use crate::db::{self, Db, DbError, Opened};
use crate::domain::blueprint::Maker;
use crate::domain::desired::Rules;
use crate::domain::policy::Policy;
use crate::domain::source::{FileState, Mounted, Snapshot};
use crate::manifest;
use crate::metrics::Metrics;
use crate::patience::Patience;
use crate::runtime::docker::{ConnectOptions, Docker};
use crate::watch::Options;
use crate::worker::{APPROVED_SOURCES, Goal, Lock, LockError, Setting, Start, Worker};

/// How long a disk may take to open or find one directory.
pub const ANSWER: Duration = Duration::from_secs(10);

/// A worker that is ready to run, and what keeps others away meanwhile.
pub struct Ready {
    /// The worker.
    pub worker: Worker<Docker>,
    /// Its DB.
    pub db: Db,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Keeps others off the source, if it is there.
    pub source_lock: Option<Lock>,
    /// Keeps others off the state.
    pub state_lock: Lock,
}

/// What only one worker may have, and its state.
pub struct Held {
    opened: Opened,
    state: Lock,
    source: Option<Lock>,
}

/// The state directory of a worker.
pub fn state_dir(common: &Common) -> anyhow::Result<PathBuf> {
    let worker = common.worker.as_str();
    if let Some(dir) = &common.state_dir {
        return std::path::absolute(dir).context("--state-dir");
    }
    if is_root() {
        return Ok(Path::new("/var/lib/evenkeel").join(worker));
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_STATE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".local").join("state")));
    match base {
        Some(base) => Ok(base.join("evenkeel").join(worker)),
        None => bail!("there is no home directory to keep state in: name one with --state-dir"),
    }
}

/// Whether this process is root's.
fn is_root() -> bool {
    uid() == Some(0)
}

/// Whose this process is: whose its home in `/proc` is.
fn uid() -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").ok().map(|it| it.uid())
}

/// Who types this, as the session says, or else by number.
pub fn person() -> Option<String> {
    let named = |variable| std::env::var(variable).ok().filter(|name| !name.is_empty());
    let by_name = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(named);
    by_name.or_else(|| {
        uid().map(|uid| if uid == 0 { "root".to_owned() } else { format!("uid {uid}") })
    })
}

/// A path as it was given, made absolute; `.` and `..` are worked out, links are not followed.
pub fn absolute(path: &Path) -> anyhow::Result<String> {
    let absolute = std::path::absolute(path).with_context(|| path.display().to_string())?;
    let mut parts: Vec<&str> = Vec::new();
    for part in absolute.components() {
        match part {
            std::path::Component::Normal(name) => match name.to_str() {
                Some(name) => parts.push(name),
                None => bail!("{} is not UTF-8", absolute.display()),
            },
            std::path::Component::ParentDir => {
                parts.pop();
            }
            std::path::Component::RootDir
            | std::path::Component::CurDir
            | std::path::Component::Prefix(_) => {}
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

/// Whether two paths are one directory: as they are written, or as the disk has it.
///
/// # Errors
/// If the disk does not answer.
pub async fn is_same_dir(one: &str, other: &str) -> anyhow::Result<bool> {
    if one == other {
        return Ok(true);
    }
    let paths = [one, other].map(ToOwned::to_owned);
    let real = move || paths.map(|path| std::fs::canonicalize(path).ok());
    let real = Patience::new(ANSWER, 1).run("links", real).await;
    let [one, other] = real.with_context(|| format!("{one} or {other} does not answer"))?;
    Ok(one.is_some() && one == other)
}

/// How the files of a source are read.
pub fn reader(source: &str, policy: &Policy) -> impl Fn(&str, &[u8]) -> FileState + Send + 'static {
    let (source, policy) = (source.to_owned(), policy.clone());
    move |file, bytes| {
        let context = manifest::Context { source: &source, policy: &policy };
        manifest::read(file, bytes, &context)
    }
}

/// How a source is watched; nothing beneath `host_paths` is a manifest.
pub fn watching(source: &str, host_paths: &watch::Sender<BTreeSet<Mounted>>) -> Options {
    let mut options = Options::new(source);
    options.host_paths = host_paths.subscribe();
    options.max_file_bytes = manifest::MAX_FILE_BYTES;
    options
}

/// The engine, as the command line says.
pub fn docker(common: &Common) -> anyhow::Result<Docker> {
    Ok(Docker::connect(engine(common))?)
}

fn engine(common: &Common) -> ConnectOptions {
    ConnectOptions {
        host: common.docker_host.clone(),
        docker_config: ConnectOptions::docker_config_from_env(),
    }
}

/// A channel for snapshots; nothing in it counts before the first that is sent.
pub fn snapshots() -> (watch::Sender<Arc<Snapshot>>, watch::Receiver<Arc<Snapshot>>) {
    let none = Snapshot::Unavailable { message: "the source was not read yet".to_owned() };
    watch::channel(Arc::new(none))
}

/// What a worker is made for.
pub struct Purpose {
    /// Who it is and what it may do.
    pub setting: Setting,
    /// When a deletion is meant.
    pub rules: Rules,
    /// Until when it runs.
    pub goal: Goal,
}

/// What `run` and `sync` are made for.
pub fn purpose(common: &Common, make: &Make, goal: Goal) -> anyhow::Result<Purpose> {
    let maker = Maker { worker: common.worker.clone(), source: absolute(&make.dir)? };
    let setting = Setting { maker, policy: make.allow.policy(), network_pool: make.network_pool };
    let rules = Rules { max_prune: make.max_prune, ..Rules::default() };
    Ok(Purpose { setting, rules, goal })
}

/// Takes the locks and opens the state.
pub async fn hold(common: &Common, purpose: &Purpose) -> anyhow::Result<Held> {
    let dir = state_dir(common)?;
    let state = Lock::state(&dir, ANSWER).await?;
    let source = Path::new(&purpose.setting.maker.source);
    let source = match purpose.goal {
        Goal::Down => None,
        Goal::Settled { .. } => Lock::source(source, ANSWER).await?,
        Goal::Forever => match Lock::source(source, ANSWER).await {
            // What runs is looked after all the same; the watch locks it once it answers.
            Err(error @ LockError::Silent(..)) => {
                warn!("the source {error}");
                None
            }
            other => other?,
        },
    };
    Ok(Held { opened: Db::open(&dir).await?, state, source })
}

/// Whether something fails because a disk is full or read-only: it may succeed later.
pub fn lacks_disk(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref().is_some_and(DbError::lacks_disk)
            || cause.downcast_ref().is_some_and(db::lacks_disk)
    })
}

/// Makes the worker.
pub fn ready(
    common: &Common,
    purpose: Purpose,
    channels: (watch::Receiver<Arc<Snapshot>>, watch::Sender<BTreeSet<Mounted>>),
    held: Held,
) -> anyhow::Result<Ready> {
    let Held { opened, state, source } = held;
    let metrics = Arc::new(Metrics::default());
    let opened = Opened { db: opened.db.counted(Arc::clone(&metrics.db)), ..opened };
    let db = opened.db.clone();
    let made = (opened, Arc::clone(&metrics), Some(state_dir(common)?));
    let worker = worker(common, purpose, channels, made)?;
    Ok(Ready { worker, db, metrics, source_lock: source, state_lock: state })
}

/// A worker that only looks: it takes no lock, and what it knows can't be written. What is known
/// is asked of the daemon, if one runs, else read from its state.
pub async fn looker(
    common: &Common,
    purpose: Purpose,
    snapshots: watch::Receiver<Arc<Snapshot>>,
) -> anyhow::Result<Worker<Docker>> {
    let dir = state_dir(common)?;
    let opened = match Client::of(&dir).records().await {
        Ok(records) => {
            // The daemon has the file open: not even a copy of it can be relied on.
            let mut none = Db::open_read_only(&dir.join("none")).await?;
            none.stored.records = records;
            let approved = Client::of(&dir).worker().await?.approved_sources;
            let approved = serde_json::to_string(&approved)?;
            none.stored.meta.insert(APPROVED_SOURCES.to_owned(), approved);
            none
        }
        Err(ClientError::NoDaemon(_)) => Db::open_read_only(&dir).await?,
        Err(error) => return Err(error.into()),
    };
    let made = (opened, Arc::new(Metrics::default()), None);
    worker(common, purpose, (snapshots, watch::Sender::default()), made)
}

fn worker(
    common: &Common,
    purpose: Purpose,
    (snapshots, host_paths): (watch::Receiver<Arc<Snapshot>>, watch::Sender<BTreeSet<Mounted>>),
    (opened, metrics, state_dir): (Opened, Arc<Metrics>, Option<PathBuf>),
) -> anyhow::Result<Worker<Docker>> {
    let Purpose { setting, rules, goal } = purpose;
    let docker = Docker::counted(engine(common), Arc::clone(&metrics.engine))?;
    let local_engine = docker.is_local();
    Ok(Worker::open(Start {
        setting,
        rules,
        runtime: Arc::new(docker),
        local_engine,
        state_dir,
        snapshots,
        host_paths,
        opened,
        goal,
        metrics,
    }))
}
