//! How things are, as files: one for each task and one for the worker itself, for who would rather
//! read a file than ask.
//!
//! It listens as those do who watch through the API, and writes what has changed: nothing at rest.
//! The worker waits for none of it. A disk that is full, away or slow is tried again. Who runs a
//! worker calls it; it never looks at the engine or at manifests.

mod folder;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use folder::FolderError;
use folder::{Folder, Texts, WORKER, file_of};

use crate::domain::name::TaskName;
use crate::domain::status::TaskStatus;
use crate::domain::time::Mono;
use crate::patience::{Impatient, Patience};
use crate::watch::WatchHealth;
use crate::worker::Clock;
use crate::worker::command::{Command, Overview};
use crate::worker::news::{Change, Listening};

/// How long changes are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(100);

/// The least time between two looks at the worker itself, which go over all tasks.
const OF_WORKER: Duration = Duration::from_secs(1);

/// After how long what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// How long a write may take before it is left to itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the last write may take once all is to end.
const LAST: Duration = Duration::from_secs(1);

/// What is told of the worker itself, as JSON, of how it and its tasks are.
pub type Summary = Box<dyn Fn(Overview, &[Arc<TaskStatus>]) -> String + Send + Sync>;

/// Where it learns how things are.
pub struct Inputs {
    /// The worker.
    pub commands: mpsc::Sender<Command>,
    /// How well its source is watched.
    pub health: watch::Receiver<WatchHealth>,
    /// What is told of the worker itself.
    pub summary: Summary,
}

/// Keeps the files of one worker.
pub struct StatusDir {
    folder: Arc<Folder>,
    patience: Patience,
    clock: Clock,
    /// How the tasks are.
    tasks: BTreeMap<TaskName, Arc<TaskStatus>>,
    /// The tasks whose files are to be written or removed.
    changed: BTreeSet<TaskName>,
    /// When that is done.
    tasks_at: Option<Mono>,
    /// What was told of the worker itself last.
    told: Option<String>,
    /// When that is looked at.
    worker_at: Option<Mono>,
    /// Not before then.
    worker_from: Mono,
    /// The directory is to be made ready first: files that are none of these tasks' are removed.
    anew: Option<BTreeSet<TaskName>>,
    /// It could not be written: not before then.
    trouble: Option<Mono>,
    /// Files of somebody else that have names of ours.
    theirs: BTreeSet<String>,
}

impl StatusDir {
    /// The directory at `path`, for a worker that knows these tasks. It need not be there, and
    /// where it can't be written that is tried again later.
    ///
    /// # Errors
    /// If another worker has it.
    pub async fn open(path: PathBuf, known: BTreeSet<TaskName>) -> Result<Self, FolderError> {
        let mut opened = Self {
            folder: Arc::new(Folder::new(path)),
            patience: Patience::new(PATIENCE, 1),
            clock: Clock::begin(),
            tasks: BTreeMap::new(),
            changed: BTreeSet::new(),
            tasks_at: None,
            told: None,
            worker_at: Some(Mono::default()),
            worker_from: Mono::default(),
            anew: Some(known),
            trouble: None,
            theirs: BTreeSet::new(),
        };
        match opened.write(Texts::new()).await {
            Err(Trouble::Folder(error @ FolderError::Held(_))) => Err(error),
            done => {
                opened.note(done);
                Ok(opened)
            }
        }
    }

    /// Keeps the files until `stop`. Then those of tasks stay as they are, and the one of the
    /// worker goes.
    pub async fn keep(mut self, mut inputs: Inputs, stop: CancellationToken) {
        let kept = self.follow(&mut inputs);
        tokio::select! {
            () = stop.cancelled() => {}
            // The worker has ended, and says so presently.
            () = kept => stop.cancelled().await,
        }
        let mut last = self.changes();
        last.insert(WORKER.to_owned(), None);
        match tokio::time::timeout(LAST, self.write(last)).await {
            Ok(done) => self.note(done),
            Err(_late) => warn!("the status files can't be written in time; they may be old"),
        }
    }

    /// Keeps the files for as long as the worker tells how things are.
    async fn follow(&mut self, inputs: &mut Inputs) {
        let Some(mut listening) = ask(&inputs.commands, Command::Listen).await else { return };
        self.take_all(&mut listening);
        loop {
            let due = self.due();
            let wake = self.clock.instant(due.unwrap_or_default());
            let change = tokio::select! {
                change = listening.changes.recv() => change,
                turned = listening.turned.changed() => match turned {
                    Ok(()) => { self.look_at_worker(); continue }
                    Err(_) => return,
                },
                () = moved(&mut inputs.health) => { self.look_at_worker(); continue }
                () = tokio::time::sleep_until(wake), if due.is_some() => {
                    match self.flush(inputs).await {
                        Some(()) => continue,
                        None => return,
                    }
                }
            };
            match change {
                Ok(change) => self.take(change),
                Err(RecvError::Lagged(_)) => {
                    let again = ask(&inputs.commands, Command::Listen).await;
                    let Some(again) = again else { return };
                    listening = again;
                    self.take_all(&mut listening);
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Something is to be written then.
    fn due(&self) -> Option<Mono> {
        let due = self.tasks_at.into_iter().chain(self.worker_at).min()?;
        Some(self.trouble.map_or(due, |from| due.max(from)))
    }

    fn take(&mut self, change: Change) {
        let name = match change {
            Change::Is(status) => {
                let name = status.name.clone();
                self.tasks.insert(name.clone(), status);
                name
            }
            Change::Gone(name) => {
                self.tasks.remove(&name);
                name
            }
        };
        self.changed.insert(name);
        self.gather();
    }

    /// All that there is: whatever was told before may have gone meanwhile.
    fn take_all(&mut self, listening: &mut Listening) {
        let told = std::mem::take(&mut listening.tasks);
        let told = told.into_iter().map(|status| (status.name.clone(), status));
        let before = std::mem::replace(&mut self.tasks, told.collect());
        self.changed.extend(before.into_keys().chain(self.tasks.keys().cloned()));
        self.gather();
    }

    fn gather(&mut self) {
        let at = self.clock.now().mono + GATHER;
        self.tasks_at.get_or_insert(at);
    }

    fn look_at_worker(&mut self) {
        let at = (self.clock.now().mono + GATHER).max(self.worker_from);
        self.worker_at.get_or_insert(at);
    }

    /// Writes what has changed; `None`: the worker does not answer any more.
    async fn flush(&mut self, inputs: &Inputs) -> Option<()> {
        let now = self.clock.now().mono;
        let mut texts = self.changes();
        self.tasks_at = None;
        let mut told = None;
        if self.worker_at.is_some_and(|at| at <= now) {
            let overview = ask(&inputs.commands, Command::Overview).await?;
            let overview = overview.with_watch(&inputs.health.borrow());
            let tasks: Vec<Arc<TaskStatus>> = self.tasks.values().cloned().collect();
            let says = (inputs.summary)(overview, &tasks);
            if self.told.as_ref() != Some(&says) {
                texts.insert(WORKER.to_owned(), Some(text(says.clone())));
                told = Some(says);
            }
            (self.worker_at, self.worker_from) = (None, now + OF_WORKER);
        }
        if !texts.is_empty() || self.anew.is_some() {
            let done = self.write(texts).await;
            if done.is_ok() && told.is_some() {
                self.told = told;
            }
            self.note(done);
        }
        Some(())
    }

    /// What is to be in the files of the tasks that have changed.
    fn changes(&self) -> Texts {
        let of = |name: &TaskName| {
            let json = serde_json::to_string_pretty(&**self.tasks.get(name)?);
            Some(text(json.expect("a status is plain data")))
        };
        self.changed.iter().map(|name| (file_of(name), of(name))).collect()
    }

    /// Writes, once the directory is ready.
    async fn write(&self, texts: Texts) -> Result<Vec<String>, Trouble> {
        let (folder, anew) = (Arc::clone(&self.folder), self.anew.clone());
        let write = move || {
            if let Some(known) = anew {
                folder.begin(&known)?;
            }
            folder.write(&texts)
        };
        Ok(self.patience.run("status", write).await??)
    }

    /// What came of a write of all that has changed. What could not be written is told once, and
    /// all of it is written anew later: what is there by then nobody knows.
    fn note(&mut self, done: Result<Vec<String>, Trouble>) {
        match done {
            Ok(theirs) => {
                self.changed.clear();
                self.anew = None;
                if self.trouble.take().is_some() {
                    info!("the status files are written again");
                }
                for name in theirs {
                    if self.theirs.insert(name.clone()) {
                        warn!(name, "a status file is not written: its name is somebody else's");
                    }
                }
            }
            Err(error) => {
                if self.trouble.is_none() {
                    warn!(%error, "the status files can't be written; that is tried again");
                }
                let at = self.clock.now().mono + RETRY;
                self.trouble = Some(at);
                self.changed.extend(self.tasks.keys().cloned());
                (self.tasks_at, self.worker_at, self.told) = (Some(at), Some(at), None);
                self.anew.get_or_insert_with(|| self.tasks.keys().cloned().collect());
            }
        }
    }
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// The directory is not to be had.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The disk does not answer.
    #[error(transparent)]
    Disk(#[from] Impatient),
}

/// As `-o json` writes it.
fn text(json: String) -> Vec<u8> {
    (json + "\n").into_bytes()
}

/// Asks the worker; `None`: it does not answer any more.
async fn ask<T>(
    commands: &mpsc::Sender<Command>,
    question: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    commands.send(question(reply)).await.ok()?;
    answer.await.ok()
}

/// Waits until the watch of the source goes otherwise than before.
async fn moved(health: &mut watch::Receiver<WatchHealth>) {
    if health.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
