//! Work that comes in through the API: it becomes files of the source, and nothing else.
//!
//! What is to become of which file is said by [`crate::manifest::incoming`]; here it is read, drafted
//! and written, one request after the other, on a thread beside the worker. The watch finds the
//! files as it finds those that people save, so that there is one way in. Who asked is told once the
//! worker has taken what was written. Only a deletion is known at once: it is a person's word, so
//! that the task waits for no tombstone and is not counted.

mod job;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::engine::Finished;
use super::report::EVENT_TARGET;
use super::{Goal, Worker};
use crate::domain::name::{Label, TaskName};
use crate::domain::source::{FileState, Place, Snapshot};
use crate::domain::task::Task;
use crate::domain::time::Mono;
use crate::manifest::Context;
use crate::manifest::incoming::{Fate, Refusal, Sent, Why, check, intent};
use crate::patience::Impatient;
use crate::runtime::Runtime;
use job::Job;

/// How long what was written may take to be found and taken: longer than a watch without events
/// takes to read everything again.
const TAKEN_WITHIN: Duration = Duration::from_secs(25);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// These manifests are to be in the source.
    Apply {
        /// Files of them.
        sent: Vec<Sent>,
        /// The namespace of those that name none.
        namespace: Option<Label>,
    },
    /// The manifest of this task is to be gone, and the task with it.
    Delete(TaskName),
}

/// What is asked for, and whether it is only to be told what would be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What.
    pub order: Order,
    /// Nothing is to be done.
    pub dry_run: bool,
}

/// What was done, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// What became of each manifest, in the order they were sent.
    pub tasks: Vec<Received>,
    /// The files that would be changed, where nothing was to be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileChange>,
    /// The worker goes by what was written. Otherwise it has not found it yet, or does not accept it
    /// there; its tasks say so.
    pub taken: bool,
}

/// What became of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Received {
    /// The task.
    pub name: TaskName,
    /// What became of it.
    pub fate: Fate,
    /// Where it stands, or stood.
    pub source: Place,
}

/// What a file would be changed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileChange {
    /// Which, relative to the source.
    pub file: String,
    /// Its text; left out: it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The text it would have; left out: it would go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Where the answer goes.
pub type Reply = oneshot::Sender<Result<Receipt, Refusal>>;

/// What came in and is not done with.
#[derive(Default)]
pub(super) struct Desk {
    waiting: VecDeque<(Request, Reply)>,
    /// Something is being written: for whom.
    writing: Option<(Request, Reply)>,
    /// What was written and not read since, by its SHA-256; `None`: the file was removed.
    unread: BTreeMap<String, Option<String>>,
    /// Those who are told once what was written for them is taken.
    untold: Vec<Untold>,
}

/// Somebody who waits until what was written is taken.
struct Untold {
    files: BTreeMap<String, Option<String>>,
    /// What each task is to be then; `None`: on its way out.
    tasks: BTreeMap<TaskName, Option<Task>>,
    until: Mono,
    receipt: Receipt,
    reply: Reply,
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    receipt: Receipt,
    files: BTreeMap<String, Option<String>>,
    tasks: BTreeMap<TaskName, Option<Task>>,
}

impl Desk {
    /// When somebody is told in any case.
    pub(super) fn wake_at(&self) -> Option<Mono> {
        self.untold.iter().map(|it| it.until).min()
    }

    /// Keeps who is to be told. Who was not told before waits for what stands there now.
    fn has_written(&mut self, new: Untold) {
        self.unread.extend(new.files.clone());
        for old in &mut self.untold {
            for (file, digest) in &mut old.files {
                if let Some(now) = new.files.get(file) {
                    digest.clone_from(now);
                }
            }
            for (name, task) in &mut old.tasks {
                if let Some(now) = new.tasks.get(name) {
                    task.clone_from(now);
                }
            }
        }
        self.untold.push(new);
    }

    /// What was read of the source is known.
    pub(super) fn read(&mut self, files: &BTreeMap<String, FileState>) {
        self.unread.retain(|file, digest| !is_read(files, file, digest.as_deref()));
    }
}

impl<R: Runtime> Worker<R> {
    /// Takes what is asked for.
    pub(super) fn receive(&mut self, request: Request, reply: Reply) {
        self.desk.waiting.push_back((request, reply));
        self.write_next();
    }

    /// Has the next request written, if none is.
    fn write_next(&mut self) {
        while self.desk.writing.is_none()
            && let Some((request, reply)) = self.desk.waiting.pop_front()
        {
            match self.job_safely(&request) {
                Ok(job) => {
                    let (patience, source) =
                        (self.patience.clone(), job.setting.maker.source.clone());
                    self.desk.writing = Some((request, reply));
                    self.jobs.spawn(async move {
                        let done = patience.run(&source, move || job.perform()).await;
                        Finished::Received(done.unwrap_or_else(|why| Err(silent(&why))))
                    });
                }
                Err(refusal) => drop(reply.send(Err(refusal))),
            }
        }
    }

    /// What has to be done on the disk. A bug that a text brings to light must not end the worker.
    fn job_safely(&self, request: &Request) -> Result<Job, Refusal> {
        catch_unwind(AssertUnwindSafe(|| self.job(request))).unwrap_or_else(|_| {
            error!("reading what was sent panicked: a bug of evenkeel");
            Err(Refusal::of(Why::NotWritten, "what was sent can't be read: a bug of evenkeel"))
        })
    }

    fn job(&self, request: &Request) -> Result<Job, Refusal> {
        if self.goal == Goal::Down {
            return Err(Refusal::of(Why::GoingDown, "everything is being removed (evenkeel down)"));
        }
        let snapshot = Arc::clone(&self.snapshots.borrow());
        let files = match (&*snapshot, &self.desired.unavailable) {
            (Snapshot::Read { files }, None) if self.snapshot_came => files,
            (Snapshot::Unavailable { message }, _) | (_, Some(message)) => {
                return Err(Refusal::of(Why::SourceUnavailable, message));
            }
            _ => return Err(Refusal::of(Why::SourceUnavailable, "the source was not read yet")),
        };
        let setting = Arc::clone(&self.setting);
        let source = &setting.maker.source;
        let context = Context { source, policy: &setting.policy };
        let (intents, arrivals) = match &request.order {
            Order::Apply { sent, namespace } => {
                let arrivals =
                    check(sent, namespace.as_ref(), &context).map_err(Refusal::invalid)?;
                let known = (&self.desired, files);
                (intent::put(arrivals.clone(), known, source)?, arrivals)
            }
            Order::Delete(name) => {
                let intent = intent::remove(name, (&self.desired, files))?;
                (intent.into_iter().collect(), Vec::new())
            }
        };
        let unread = self.desk.unread.clone();
        Ok(Job { intents, arrivals, unread, dry_run: request.dry_run, setting })
    }

    /// A request was written, or could not be.
    pub(super) fn on_received(&mut self, done: Result<Written, Refusal>) {
        if let Some((request, reply)) = self.desk.writing.take() {
            match done {
                Ok(written) => self.on_written(&request, written, reply),
                Err(refusal) => {
                    warn!(
                        why = refusal.why.word(),
                        "what was asked for is refused: {}", refusal.message
                    );
                    drop(reply.send(Err(refusal)));
                }
            }
        }
        self.write_next();
    }

    fn on_written(&mut self, request: &Request, written: Written, reply: Reply) {
        let Written { mut receipt, files, mut tasks } = written;
        if let Order::Delete(name) = &request.order {
            self.tell_place(name, &mut receipt);
            if !request.dry_run {
                let meant: BTreeSet<TaskName> = [name.clone()].into();
                let now = self.clock.now().mono;
                self.desired = self.desired.remove_meant(&meant, &self.rules, now);
                self.add_task(name.clone());
                tasks.insert(name.clone(), None);
            }
        }
        if request.dry_run || tasks.is_empty() {
            drop(reply.send(Ok(receipt)));
            return;
        }
        tell_of(&receipt);
        let until = self.clock.now().mono + TAKEN_WITHIN;
        self.desk.has_written(Untold { files, tasks, until, receipt, reply });
    }

    /// A task whose manifest is gone already is told with where it stood.
    fn tell_place(&self, name: &TaskName, receipt: &mut Receipt) {
        if let Some(wanted) = self.desired.tasks.get(name)
            && receipt.tasks.is_empty()
        {
            let (name, source) = (name.clone(), wanted.place.clone());
            receipt.tasks.push(Received { name, fate: Fate::Deleted, source });
        }
    }

    /// Tells those for whom what was written is taken, and those who have waited for long.
    pub(super) fn tell_receipts(&mut self) {
        if self.desk.untold.is_empty() {
            return;
        }
        let now = self.clock.now().mono;
        for mut untold in std::mem::take(&mut self.desk.untold) {
            untold.receipt.taken = self.has_taken(&untold);
            if untold.receipt.taken || untold.until <= now {
                // Whoever asked may have gone away meanwhile: that is no matter.
                drop(untold.reply.send(Ok(untold.receipt)));
            } else {
                self.desk.untold.push(untold);
            }
        }
    }

    fn has_taken(&self, untold: &Untold) -> bool {
        let snapshot = self.snapshots.borrow();
        let Snapshot::Read { files } = &**snapshot else { return false };
        let is_read =
            |(file, digest): (&String, &Option<String>)| is_read(files, file, digest.as_deref());
        let is_so = |(name, task): (&TaskName, &Option<Task>)| {
            let head = self.records.get(name).map(|record| &record.head);
            match task {
                Some(task) => head.is_some_and(|head| !head.going && head.task == *task),
                None => head.is_none_or(|head| head.going),
            }
        };
        untold.files.iter().all(is_read) && untold.tasks.iter().all(is_so)
    }
}

/// Whether the source was read with that in the file.
fn is_read(files: &BTreeMap<String, FileState>, file: &str, digest: Option<&str>) -> bool {
    match files.get(file) {
        Some(FileState::Read { digest: is, .. }) => digest == Some(is),
        Some(FileState::Unreadable { .. } | FileState::Unlisted { .. } | FileState::Unsettled) => {
            false
        }
        None => digest.is_none(),
    }
}

fn tell_of(receipt: &Receipt) {
    for Received { name, fate, source } in &receipt.tasks {
        let task = name.to_string();
        match fate {
            Fate::Created | Fate::Configured => info!(
                target: EVENT_TARGET, task, reason = "Written",
                "its manifest was {} by request, in {source}", fate.word()
            ),
            Fate::Deleted => info!(
                target: EVENT_TARGET, task, reason = "Deleted",
                "it was deleted by request, and its manifest removed from {source}"
            ),
            Fate::Unchanged => {}
        }
    }
}

fn silent(why: &Impatient) -> Refusal {
    let message = format!("the source does not answer ({why}): look what became of the files");
    Refusal::of(Why::SourceUnavailable, message)
}
