//! The current-state DB: what was accepted, what was started, what came of it, on disk.
//!
//! One `SQLite` file, one connection, one caller at a time, off the async threads. What `write`
//! has returned from survives the loss of power. Losing the file must be harmless: a damaged one
//! is set aside and a new one begun, and its caller finds again what runs by the labels. The DB
//! never decides anything, never reads a clock and never writes a log: it hands back what it found
//! and did. The worker calls it; `get` and its like do while no daemon runs.

mod connection;
mod error;
mod file;
mod link;
mod read;
mod schema;
mod trim;
mod write;

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

pub use error::{DbError, lacks_disk};
pub use file::{SET_ASIDE_KEPT, SetAside, size};

use crate::domain::event::Event;
use crate::domain::fingerprint::Fingerprint;
use crate::domain::instance::{Instance, InstanceId};
use crate::domain::name::TaskName;
use crate::domain::once::Run;
use crate::domain::record::{Head, Record, Revision};
use crate::domain::time::Timestamp;
use crate::metrics::DbMetrics;
use connection::Found;
use link::Link;

/// A handle on the DB; its copies share one connection.
#[derive(Debug, Clone)]
pub struct Db {
    link: Arc<Mutex<Link>>,
    metrics: Arc<DbMetrics>,
}

/// What was there when the DB was opened.
#[derive(Debug)]
pub struct Opened {
    /// The handle.
    pub db: Db,
    /// All that was stored, but events and kept logs.
    pub stored: Stored,
    /// The file that was there and could not be used, if so: the history is lost.
    pub set_aside: Option<SetAside>,
    /// There was no DB, or one that nothing was ever written in.
    pub fresh: bool,
}

/// All that the DB says, but events and kept logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// Every task, sorted by name. What belongs to this process alone (`moved_at`, `progressed_at`,
    /// `pull_trouble`, `troubles`, `names_taken`, `updates`, `removing`, `confirmed`, `repairs`,
    /// `health`) begins anew.
    pub records: Vec<Record>,
    /// What else the worker wrote down, by key.
    pub meta: BTreeMap<String, String>,
    /// Rows that could not be read, each a sentence. One never takes down the rest.
    pub unreadable: Vec<String>,
}

/// One change of what is stored.
///
/// All but [`Change::AddEvent`] say what is to be, so that one whose outcome is unknown can be
/// written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A task was accepted, or something about it is new.
    PutHead(Head),
    /// A task is gone, and with it its revisions, instances, runs and kept logs. Its events stay.
    DropTask(TaskName),
    /// A revision was made, or something about it is new.
    PutRevision {
        /// Of which task.
        task: TaskName,
        /// The revision.
        revision: Revision,
    },
    /// A revision is no longer kept.
    DropRevision {
        /// Of which task.
        task: TaskName,
        /// Its number.
        number: u32,
    },
    /// An instance was made, or moved. It takes the place of another one of its seat.
    PutInstance(Instance),
    /// An instance is no longer kept, nor its log.
    DropInstance(InstanceId),
    /// Something has run that runs at most once, or how it ended is new. It takes the place of
    /// another run of its slot and fingerprint.
    PutRun {
        /// Of which task.
        task: TaskName,
        /// The run.
        run: Run,
    },
    /// What was to run never did.
    DropRun {
        /// Of which task.
        task: TaskName,
        /// In which slot.
        slot: u16,
        /// What it was made of.
        fingerprint: Fingerprint,
    },
    /// Something happened.
    AddEvent(Event),
    /// The last of an instance's log, of which [`LOG_KEPT`] bytes are kept.
    KeepLog {
        /// Whose.
        instance: InstanceId,
        /// As it was written.
        log: Vec<u8>,
    },
    /// Something that belongs to no task.
    SetMeta {
        /// What it is called.
        key: String,
        /// `None` forgets it.
        value: Option<String>,
    },
}

/// How many of the last bytes of a log are kept.
pub const LOG_KEPT: usize = 64 * 1024;

/// The reason of what is told in place of an event that can't be read.
pub const UNREADABLE: &str = "Unreadable";

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Of which task; `None`: all, the worker's own among them.
    pub task: Option<TaskName>,
    /// Only those after this number: the first `limit` of them. `None`: the last `limit` of all.
    pub after: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// A place among the events, after one of them. It is told to those who listen and may come back
/// later, to another DB even.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// The number of that event; 0: before the first.
    pub seq: i64,
    /// When that event was, by which it is told from one of another DB; `None`: not known.
    pub at: Option<Timestamp>,
}

/// What happened after a [`Mark`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// These, the oldest first, and the place after them.
    Happened(Vec<(i64, Event)>, Mark),
    /// Not all of it is kept any more, or that place is of another DB. The newest place is this.
    Missed(Mark),
}

/// How much is kept. The defaults are right for everybody but tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The size of the file in bytes. At it, the older half of events and kept logs goes.
    pub bytes: u64,
    /// Events.
    pub events: u32,
    /// Events of one task, so that one that fails all the time does not push out the others'.
    pub events_per_task: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 2 << 30, events: 10_000, events_per_task: 200 }
    }
}

impl Db {
    /// Opens `dir/state.db` for this process alone, and makes what is missing.
    ///
    /// A file that is damaged, or none of ours, is set aside as `state.db.broken-N`; the newest
    /// [`SET_ASIDE_KEPT`] of those are kept.
    ///
    /// # Errors
    /// One that a newer release wrote is left alone ([`DbError::Newer`]), as is one that another
    /// program has open ([`DbError::Locked`]).
    pub async fn open(dir: &Path) -> Result<Opened, DbError> {
        Self::open_with(dir, Limits::default()).await
    }

    /// As [`Db::open`], with other limits.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub async fn open_with(dir: &Path, limits: Limits) -> Result<Opened, DbError> {
        let dir = dir.to_owned();
        blocking(move || Link::open(&dir, limits)).await.map(opened)
    }

    /// Reads `dir/state.db` while no daemon runs, from a private copy: writes nothing in `dir`, and
    /// the handle can't write. Never to be called by a process that has the DB open: reading the
    /// file by its name would give up that process's locks on it.
    ///
    /// # Errors
    /// One that is damaged ([`DbError::Damaged`]) or newer ([`DbError::Newer`]); nothing is set
    /// aside.
    pub async fn open_read_only(dir: &Path) -> Result<Opened, DbError> {
        let dir = dir.to_owned();
        blocking(move || Link::open_copy(&dir)).await.map(opened)
    }

    /// From here on what is done through this handle and its copies is counted there.
    #[must_use]
    pub fn counted(self, metrics: Arc<DbMetrics>) -> Self {
        Self { metrics, ..self }
    }

    /// Makes all of the changes, in this order, or none. They are durable when this returns, and
    /// also if it is dropped while it waits.
    ///
    /// # Errors
    /// After [`DbError::Full`] nothing has changed, and the same may succeed later. Where
    /// [`DbError::needs_rebuild`], call [`Db::rebuild`]. After any other the changes may have been
    /// made or not; the next call opens the file anew.
    pub async fn write(&self, changes: Vec<Change>) -> Result<(), DbError> {
        let began = Instant::now();
        let written = self.run(move |link| link.write(&changes)).await;
        self.metrics.writes.observe(began.elapsed());
        written
    }

    /// Sets aside whatever stands in place of the DB, and begins a new one with `whole`.
    ///
    /// # Errors
    /// As [`Db::open`] and [`Db::write`]. It can be called again.
    pub async fn rebuild(&self, whole: Vec<Change>) -> Result<Option<SetAside>, DbError> {
        self.run(move |link| link.rebuild(&whole)).await
    }

    /// Events with their numbers, the oldest first.
    ///
    /// # Errors
    /// As [`Db::write`]. In place of an event that can't be read stands one that says so, with the
    /// reason [`UNREADABLE`].
    pub async fn events(&self, query: EventQuery) -> Result<Vec<(i64, Event)>, DbError> {
        self.run(move |link| link.read("read events from", |reader| read::events(reader, &query)))
            .await
    }

    /// What happened after `mark`, of one task or of all: at most `limit` events, and all that
    /// happened if they are fewer.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn news(
        &self,
        mark: Mark,
        task: Option<TaskName>,
        limit: u32,
    ) -> Result<News, DbError> {
        let job = move |reader: &_| read::news(reader, mark, task, limit);
        self.run(|link| link.read("read events from", job)).await
    }

    /// The place after the last event.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn newest(&self) -> Result<Mark, DbError> {
        self.run(|link| link.read("read events from", read::newest)).await
    }

    /// The last of the log of an instance that ended, if it was kept.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn kept_log(&self, instance: InstanceId) -> Result<Option<Vec<u8>>, DbError> {
        self.run(move |link| link.read("read a log from", |reader| read::log(reader, instance)))
            .await
    }

    /// Closes the file, so that it is whole without its write-ahead log. Copies of the handle get
    /// [`DbError::Closed`] from here on.
    pub async fn close(self) {
        // Closing fails only where the write-ahead log stays beside the file, which is no loss.
        let closed = self
            .run(|link| {
                link.close();
                Ok(())
            })
            .await;
        drop(closed);
    }

    /// Waits for its turn, then does `job` off the async threads. The turn lasts until the job has
    /// ended, whether somebody still waits for it or not.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Link) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let mut link = Arc::clone(&self.link).lock_owned().await;
        let done = blocking(move || job(&mut link)).await;
        if let Err(error) = &done {
            self.metrics.failed(error.word());
        }
        done
    }
}

fn opened((link, found): (Link, Found)) -> Opened {
    Opened {
        db: Db { link: Arc::new(Mutex::new(link)), metrics: Arc::default() },
        stored: found.stored,
        set_aside: found.set_aside,
        fresh: found.fresh,
    }
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, DbError> + Send + 'static,
) -> Result<T, DbError> {
    match spawn_blocking(job).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // Only a runtime that is being shut down does not run what it was given.
        Err(_) => Err(DbError::Closed),
    }
}
