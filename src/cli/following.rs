//! What a daemon tells of its tasks as they change, and whether that is of what the files say now.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::reading::{Reading, Standing};
use crate::api::Numbered;
use crate::api::client::Client;
use crate::api::listen::Watching;
use crate::api::watching::Told;
use crate::domain::name::TaskName;
use crate::domain::status::TaskStatus;

/// Tasks of a daemon that are followed until a deadline.
pub struct Following<'a> {
    client: &'a Client,
    watching: Watching,
    reading: Reading,
    deadline: Instant,
    /// How long a turn takes at most, where something is watched that no task tells of.
    pub glance: Option<Duration>,
    /// How tasks are.
    pub tasks: BTreeMap<TaskName, TaskStatus>,
}

/// What one turn brought.
pub enum Turn {
    /// Something may be otherwise now.
    Changed,
    /// Something happened.
    Happened(Numbered),
    /// The deadline has passed.
    Late,
}

impl<'a> Following<'a> {
    /// Follows all tasks, or one alone; of `names` it finds out what was read.
    ///
    /// # Errors
    /// If the daemon does not answer.
    pub async fn begin(
        client: &'a Client,
        names: &BTreeSet<TaskName>,
        only: Option<&TaskName>,
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        let watching = client.watch(only, None).await?;
        let (reading, deadline) = (Reading::of(names), Instant::now() + timeout);
        let (glance, tasks) = (None, BTreeMap::new());
        let mut begun = Self { client, watching, reading, deadline, glance, tasks };
        begun.sync().await?;
        Ok(begun)
    }

    /// Compares what of `names` was not seen to be read yet, if that is due.
    ///
    /// # Errors
    /// If the daemon does not answer.
    pub async fn look(&mut self, names: &BTreeSet<TaskName>) -> anyhow::Result<()> {
        self.reading.look(self.client, names, &mut self.tasks).await
    }

    /// What is known of a task.
    pub fn standing(&self, name: &TaskName) -> &Standing {
        self.reading.standing(name, self.tasks.get(name))
    }

    /// Waits until something is told, or a look at `names` is due.
    ///
    /// # Errors
    /// If the daemon ends.
    pub async fn turn(&mut self, names: &BTreeSet<TaskName>) -> anyhow::Result<Turn> {
        let is_read = self.reading.is_done(names);
        let until = if is_read { self.deadline } else { self.deadline.min(self.reading.again) };
        let until = self.glance.map_or(until, |glance| until.min(Instant::now() + glance));
        match timeout_at(until, self.watching.next()).await {
            Ok(told) => self.take(told?).await,
            Err(_) if Instant::now() < self.deadline => Ok(Turn::Changed),
            Err(_) => Ok(Turn::Late),
        }
    }

    /// Takes what is told until all tasks were.
    async fn sync(&mut self) -> anyhow::Result<()> {
        loop {
            match self.watching.next().await? {
                Told::Synced {} => return Ok(()),
                Told::Task(status) => drop(self.tasks.insert(status.name.clone(), *status)),
                Told::Removed(of) => drop(self.tasks.remove(&of.name)),
                Told::Reset(_) => self.tasks.clear(),
                Told::Happened(_) | Told::Untold(_) => {}
            }
        }
    }

    async fn take(&mut self, told: Told) -> anyhow::Result<Turn> {
        match told {
            Told::Task(status) => drop(self.tasks.insert(status.name.clone(), *status)),
            Told::Removed(of) => drop(self.tasks.remove(&of.name)),
            // Only where changes were missed are all tasks told of anew; that of events says
            // nothing of them.
            Told::Reset(missed) if missed.tasks => {
                self.tasks.clear();
                self.sync().await?;
            }
            Told::Happened(event) => return Ok(Turn::Happened(event)),
            Told::Reset(_) | Told::Synced {} | Told::Untold(_) => {}
        }
        Ok(Turn::Changed)
    }
}
