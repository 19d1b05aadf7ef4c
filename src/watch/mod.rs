//! A directory to a snapshot: which manifests there are, and what each holds.
//!
//! File events are a hint where to look; what is true is only what was read, and everything is read
//! again every now and then, so that a lost event costs time and nothing else. Nothing is decided
//! here of tasks: what can't be read is said, never left out. Nothing is ever written.
//!
//! The worker runs [`watch()`]; commands that look once call [`look`] or [`read_once`]. All take the parser as a
//! closure: what a document means is not this module's matter.

mod entry;
mod events;
mod follow;
mod hints;
mod listing;
mod mounts;
mod names;
mod outside;
mod refusal;
mod scan;
mod tree;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::domain::source::{FileState, Mounted, Snapshot};
use crate::metrics::Saved;
use crate::patience::{Impatient, Patience};
use follow::{Follower, Publisher};
use hints::Hints;
use mounts::Mounts;
use scan::{Manner, Scanner};

/// How a source is watched.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory. It may be a link.
    pub root: PathBuf,
    /// Everything is read again after so long, a tenth more or less, and less often where that
    /// would take more than a twentieth of the time.
    pub rescan: Duration,
    /// A content that was found without an event is believed once it has not changed for so long.
    pub settle: Duration,
    /// A writer that does not close its file is told of after so long. Its close is waited for all
    /// the same, unless it may have been missed.
    pub write_timeout: Duration,
    /// How often it is checked which directory the root is.
    pub root_check: Duration,
    /// How long the first look may take before it is told that the disk does not answer.
    pub answer_within: Duration,
    /// How long a disk may take to answer before it is left behind, once the watch is to stop.
    pub stop_within: Duration,
    /// Lock the directory that is read, whichever it is by then: one that another process has locked
    /// is not read.
    pub lock: bool,
    /// Use file events; without them every change waits for the next rescan.
    pub events: bool,
    /// The size of the largest file that is read, in bytes.
    pub max_file_bytes: u64,
    /// The host paths of every task that the worker knows, those that are broken or on their way
    /// out included. What is beneath them is never read: a container may write there; but a path
    /// that its own manifest lies beneath hides nothing. What manifests say is known here as soon
    /// as they are read.
    pub host_paths: tokio::sync::watch::Receiver<BTreeSet<Mounted>>,
    /// Where it is noted when files were saved.
    pub saved: Arc<Saved>,
}

impl Options {
    /// What is usual, for the directory at `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            rescan: Duration::from_secs(20),
            settle: Duration::from_secs(2),
            write_timeout: Duration::from_secs(30),
            root_check: Duration::from_secs(1),
            answer_within: Duration::from_secs(30),
            stop_within: Duration::from_secs(5),
            lock: false,
            events: true,
            max_file_bytes: 1024 * 1024,
            host_paths: tokio::sync::watch::channel(BTreeSet::new()).1,
            saved: Arc::default(),
        }
    }

    /// The same, with the root's path made absolute.
    fn absolute(&self) -> Self {
        let root = std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone());
        Self { root, ..self.clone() }
    }

    fn scanner<R: Fn(&str, &[u8]) -> FileState>(&self, read: R) -> Scanner<R> {
        let manner = Manner {
            root: self.root.clone(),
            settle: self.settle,
            write_timeout: self.write_timeout,
            max_file_bytes: self.max_file_bytes,
            lock: self.lock,
            saved: Arc::clone(&self.saved),
        };
        Scanner::new(manner, Mounts::known(self.host_paths.clone()), read)
    }
}

/// How well the watching goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchHealth {
    /// Why changes are only found by reading everything again (`WatchDegraded`); tried again with
    /// each time that is done.
    pub degraded: Option<String>,
    /// When everything was read last.
    pub last_full_read: Option<Instant>,
    /// When that was last tried, and came to an end.
    pub last_look: Option<Instant>,
    /// How long after that the next one ends at the latest, unless the disk does not answer.
    pub look_within: Duration,
    /// How often everything was listed.
    pub listings: u64,
    /// How often a file was read.
    pub reads: u64,
    /// How often what was read was new, and parsed.
    pub parsed: u64,
}

impl WatchHealth {
    /// Why changes are found late, or not at all; `None`: they are not.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let silent = self.last_look.map(|at| at.elapsed());
        match silent.filter(|silent| *silent > self.look_within) {
            Some(silent) => {
                let seconds = silent.as_secs();
                Some(format!("the directory does not answer; it last did {seconds} s ago"))
            }
            None => self.degraded.clone(),
        }
    }
}

/// The watching ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Its thread did.
    #[error("the thread that watches the source ended")]
    Ended(#[from] tokio::task::JoinError),
}

/// Looks at the source once, blocking, and takes every file as it is.
pub fn read_once(options: &Options, read: impl Fn(&str, &[u8]) -> FileState) -> Snapshot {
    follow::look_once(options.absolute().scanner(read))
}

/// As [`read_once`], off the async threads. A source that does not answer in time is unavailable.
pub async fn look(
    options: Options,
    read: impl Fn(&str, &[u8]) -> FileState + Send + 'static,
) -> Snapshot {
    let (root, within) = (options.root.clone(), options.answer_within);
    let looked = Patience::new(within, 1).run("a look", move || read_once(&options, read)).await;
    looked.unwrap_or_else(|error| Snapshot::Unavailable { message: unreliable(&root, &error) })
}

/// Why nothing can be said of the source at `root`.
fn unreliable(root: &Path, why: &(impl Display + ?Sized)) -> String {
    let root = names::shown(root.as_os_str().as_encoded_bytes());
    format!("the source {root} can't be relied on: {why}")
}

/// Keeps `out` up to date with the source, until `stop`. Everything it started has ended when this
/// returns, but what a disk that does not answer holds; if it is dropped, that ends soon.
///
/// It also says so where nothing changed but where links may lead: they are in no file.
///
/// The snapshot in the channel is changed in place where nobody holds on to it, so a reader that
/// clones the `Arc` should not keep it for long.
///
/// # Errors
/// If its thread panics, which a bug or a parser may do.
pub async fn watch(
    options: Options,
    read: impl Fn(&str, &[u8]) -> FileState + Send + 'static,
    out: tokio::sync::watch::Sender<Arc<Snapshot>>,
    health: tokio::sync::watch::Sender<WatchHealth>,
    stop: CancellationToken,
) -> Result<(), WatchError> {
    let options = options.absolute();
    let hints = Arc::new(Hints::default());
    let stopper = StopOnDrop(Arc::clone(&hints));
    let stop_within = options.stop_within;
    let silent = until_silent(options.clone(), health.subscribe());
    let told = out.clone();
    let scanner = options.scanner(read);
    let publisher = Publisher::new(out);
    let mut thread = tokio::task::spawn_blocking(move || {
        Follower::new(options, scanner, hints, publisher, health).run();
    });
    let tell_silence = async {
        let message = silent.await;
        told.send_if_modified(|snapshot| {
            let is_unread = matches!(**snapshot, Snapshot::Unavailable { .. });
            if is_unread {
                *snapshot = Arc::new(Snapshot::Unavailable { message });
            }
            is_unread
        });
        pending::<()>().await;
    };
    tokio::select! {
        () = stop.cancelled() => drop(stopper),
        ended = &mut thread => return Ok(ended?),
        () = tell_silence => {}
    }
    match tokio::time::timeout(stop_within, thread).await {
        Ok(ended) => Ok(ended?),
        Err(_) => {
            tracing::warn!("the directory does not answer: its reading is left behind");
            Ok(())
        }
    }
}

/// Waits until the first look has taken too long, and says so. Of later ones
/// [`WatchHealth::trouble`] does.
async fn until_silent(
    options: Options,
    mut health: tokio::sync::watch::Receiver<WatchHealth>,
) -> String {
    let first = async { health.wait_for(|health| health.last_look.is_some()).await.is_ok() };
    match tokio::time::timeout(options.answer_within, first).await {
        Ok(_) => pending().await,
        Err(_) => unreliable(&options.root, &Impatient::Late(options.answer_within)),
    }
}

/// The thread can't be left behind: it would watch for ever.
struct StopOnDrop(Arc<Hints>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}
