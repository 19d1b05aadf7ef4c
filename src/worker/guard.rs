//! A bug that one task brings to light must not stop the others: it is logged, and the task is
//! looked at again later.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tracing::error;

use super::Worker;
use super::look::Looked;
use crate::domain::name::TaskName;
use crate::metrics::Look;
use crate::runtime::Runtime;

/// How long a task is left alone after a look at it panicked, times the panics in a row.
const PANIC_WAIT: Duration = Duration::from_secs(5);

impl<R: Runtime> Worker<R> {
    /// One look at a task.
    pub(super) fn look_safely(&mut self, name: &TaskName) -> Option<Looked> {
        let look = AssertUnwindSafe(|| self.look(name));
        match catch_unwind(look) {
            Ok(looked) => {
                self.panics.remove(name);
                looked
            }
            Err(_) => {
                self.metrics.work.looked(Look::Panicked);
                let count = self.panics.entry(name.clone()).or_default();
                *count += 1;
                error!(task = %name, count, "a look at this task panicked: a bug of evenkeel");
                self.queue.add_after(name.clone(), PANIC_WAIT * (*count).min(60));
                None
            }
        }
    }
}

/// What `work` makes for a task; `None`, and logged, if it panics.
pub(super) fn caught<T>(task: &TaskName, what: &str, work: impl FnOnce() -> T) -> Option<T> {
    let made = catch_unwind(AssertUnwindSafe(work));
    made.inspect_err(|_| error!(%task, what, "this panicked: a bug of evenkeel")).ok()
}
