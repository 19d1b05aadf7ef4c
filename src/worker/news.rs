//! What those hear who listen: that events were written down, and how tasks are now.
//!
//! Nobody is waited for: who does not keep up is told that something was missed. Where nobody
//! listens nothing is kept.

use std::sync::Arc;

use tokio::sync::{broadcast, watch};

use super::Worker;
use crate::domain::name::TaskName;
use crate::domain::status::TaskStatus;
use crate::runtime::Runtime;

/// How many changes a listener may be behind.
const KEPT: usize = 1024;

/// What became of a task.
#[derive(Debug, Clone)]
pub enum Change {
    /// It is so now.
    Is(Arc<TaskStatus>),
    /// Nothing is left of it.
    Gone(TaskName),
}

/// What a listener gets: how all tasks are at one moment, and what becomes of them from then on.
#[derive(Debug)]
pub struct Listening {
    /// The tasks at that moment, by name.
    pub tasks: Vec<Arc<TaskStatus>>,
    /// What becomes of them.
    pub changes: broadcast::Receiver<Change>,
    /// Changes whenever events were written down.
    pub written: watch::Receiver<()>,
    /// Changes whenever the worker has done something: it may be otherwise itself now.
    pub turned: watch::Receiver<()>,
}

/// Where the worker tells its news.
#[derive(Debug)]
pub(super) struct News {
    changes: broadcast::Sender<Change>,
    written: watch::Sender<()>,
    turned: watch::Sender<()>,
}

impl Default for News {
    fn default() -> Self {
        let told = || watch::Sender::new(());
        Self { changes: broadcast::Sender::new(KEPT), written: told(), turned: told() }
    }
}

impl News {
    /// Events were written down.
    pub(super) fn written(&self) {
        self.written.send_replace(());
    }

    /// Nothing is left of a task.
    pub(super) fn gone(&self, name: &TaskName) {
        if self.has_listeners() {
            self.tell(Change::Gone(name.clone()));
        }
    }

    fn has_listeners(&self) -> bool {
        self.changes.receiver_count() > 0
    }

    fn tell(&self, change: Change) {
        // The last one may have left meanwhile.
        let _nobody = self.changes.send(change);
    }
}

impl<R: Runtime> Worker<R> {
    /// Something has been done, whatever that was: who waits for what came of it is told.
    pub(super) fn turned(&mut self) {
        self.tell_receipts();
        if self.news.has_listeners() {
            self.news.turned.send_replace(());
        }
    }

    /// How a task is now.
    pub(super) fn show(&mut self, name: TaskName, status: TaskStatus) {
        let status = Arc::new(status);
        let before = self.statuses.insert(name, Arc::clone(&status));
        if self.news.has_listeners() && before.is_none_or(|before| before != status) {
            self.news.tell(Change::Is(status));
        }
    }

    pub(super) fn listen(&self) -> Listening {
        Listening {
            tasks: self.statuses.values().cloned().collect(),
            changes: self.news.changes.subscribe(),
            written: self.news.written.subscribe(),
            turned: self.news.turned.subscribe(),
        }
    }
}
