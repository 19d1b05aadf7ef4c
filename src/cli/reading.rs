//! Whether a daemon has read what the files said when the command began, or later: what it says of a
//! task before that is of an earlier version.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::client::{Client, ClientError};
use crate::cli::asked::{Asked, Kept, Known, Taken};
use crate::cli::{daemon, out};
use crate::domain::instance::Uid;
use crate::domain::name::TaskName;
use crate::domain::policy::{Level, Policy};
use crate::domain::source::Snapshot;
use crate::domain::status::TaskStatus;
use crate::watch::look;

/// How soon files and daemon are compared again where they differ.
const AGAIN: Duration = Duration::from_millis(200);

/// What is known of a task.
#[derive(Debug)]
pub enum Standing {
    /// What its file says was not read yet.
    Unread,
    /// Neither files nor daemon know it.
    Unknown,
    /// What is told of it from this generation on is of what its file says.
    Read(Uid, u64),
    /// It is wrong, in a sentence.
    Refused(String),
    /// Its manifest is gone.
    Gone,
    /// Whatever is told of it counts.
    Any,
}

/// The comparison, as far as it has come.
pub struct Reading {
    standings: BTreeMap<TaskName, Standing>,
    /// What the daemon keeps of a task, and since when it says so.
    kept: BTreeMap<TaskName, (Kept, Instant)>,
    /// When to compare again.
    pub again: Instant,
}

impl Reading {
    /// Of these tasks, nothing of which was compared yet.
    pub fn of(names: &BTreeSet<TaskName>) -> Self {
        let standings = names.iter().map(|name| (name.clone(), Standing::Unread)).collect();
        Self { standings, kept: BTreeMap::new(), again: Instant::now() }
    }

    /// Whether each of `open` was read.
    pub fn is_done(&self, open: &BTreeSet<TaskName>) -> bool {
        let is_read = |name| !matches!(self.standings.get(name), Some(Standing::Unread));
        open.iter().all(is_read)
    }

    /// Compares, if that is due. Of a task that was not told of yet, it says how it is.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn look(
        &mut self,
        client: &Client,
        open: &BTreeSet<TaskName>,
        told: &mut BTreeMap<TaskName, TaskStatus>,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        if self.is_done(open) || begun < self.again {
            return Ok(());
        }
        let known = match Known::ask(client).await {
            Ok(known) => known,
            // Whether it has ended, the stream tells.
            Err(ClientError::Http(_) | ClientError::NoDaemon(_) | ClientError::NoSocket(..)) => {
                self.again = begun + AGAIN;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let snapshot = read(known.overview.source.clone()).await;
        if let Snapshot::Unavailable { message } = &snapshot {
            out::say(&format!(
                "{message}: what was saved there just now may not have been read by the daemon"
            ));
            self.standings.values_mut().for_each(|standing| *standing = Standing::Any);
            return Ok(());
        }
        let asked = Asked::of(&snapshot);
        for name in open {
            let taken = asked.taken(name, &known);
            self.take(name, taken);
        }
        for status in known.tasks.into_iter().filter(|it| open.contains(&it.name)) {
            told.entry(status.name.clone()).or_insert(status);
        }
        self.again = begun + AGAIN.max(begun.elapsed() * 4);
        Ok(())
    }

    fn take(&mut self, name: &TaskName, taken: Taken) {
        let Some(standing) = self.standings.get_mut(name) else { return };
        if !matches!(standing, Standing::Unread) {
            return;
        }
        let kept = match taken {
            Taken::Unknown => return *standing = Standing::Unknown,
            Taken::Gone => return *standing = Standing::Gone,
            Taken::Same(uid, generation) => return *standing = Standing::Read(uid, generation),
            Taken::Other => return drop(self.kept.remove(name)),
            Taken::Kept(kept) => kept,
        };
        let now = Instant::now();
        let since = self.kept.get(name).filter(|(before, _)| *before == kept);
        let since = since.map_or(now, |(_, since)| *since);
        if now.duration_since(since) >= kept.after {
            *standing = kept.why.map_or(Standing::Any, Standing::Refused);
        } else {
            self.kept.insert(name.clone(), (kept, since));
        }
    }

    /// What is known of a task of which this is told.
    pub fn standing(&self, name: &TaskName, told: Option<&TaskStatus>) -> &Standing {
        match self.standings.get(name) {
            Some(Standing::Read(uid, generation))
                if told.is_some_and(|it| (it.uid, it.generation) < (*uid, *generation)) =>
            {
                &Standing::Unread
            }
            Some(standing) => standing,
            None => &Standing::Any,
        }
    }
}

/// Reads the files. What the daemon allows is not known here: it says so itself.
async fn read(source: String) -> Snapshot {
    let policy = Policy { level: Level::Privileged, allowed_host_paths: vec!["/".to_owned()] };
    let reader = daemon::reader(&source, &policy);
    let options = daemon::watching(&source, &watch::Sender::default());
    look(options, reader).await
}
