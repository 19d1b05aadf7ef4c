//! `sync` where a daemon keeps the directory: it does the work, this waits and shows.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;

use super::outcome::Outcome;
use crate::api::Numbered;
use crate::api::client::{Client, ClientError};
use crate::cli::Exit;
use crate::domain::name::TaskName;
use crate::domain::source::{Document, FileState, Place, Snapshot};
use crate::domain::status::TaskStatus;
use crate::domain::task::Task;
use crate::worker::command::Overview;
use crate::worker::tell;

/// How often the daemon is asked.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// How many times in a row everything has to be found settled. What was saved just now may not have
/// been read yet: the daemon takes a file that it found without an event after two seconds.
const SETTLED_TIMES: u32 = 8;

/// How many new events are shown at a time.
const EVENTS: u32 = 200;

/// Waits until the daemon has done what the directory says, or `timeout` has passed.
pub(super) async fn wait(
    client: &Client,
    snapshot: &Snapshot,
    timeout: Duration,
) -> anyhow::Result<Outcome> {
    let asked = Asked::of(snapshot);
    let waiting = settled(client, &asked);
    let ended = match tokio::time::timeout(timeout, waiting).await {
        Ok(done) => done.map(|()| Exit::Ok)?,
        Err(_) => Exit::Deadline,
    };
    let (overview, tasks) = (client.worker().await?, client.tasks().await?);
    Ok(Outcome { ended, overview, tasks })
}

async fn settled(client: &Client, asked: &Asked<'_>) -> Result<(), ClientError> {
    let mut shown = client.events(None, 1).await?.last().map_or(0, |event| event.seq);
    let mut times = 0;
    loop {
        let (overview, tasks) = (client.worker().await?, client.tasks().await?);
        shown = show_news(client, shown).await?;
        let is_stuck = overview.source_changed.is_some();
        let is_done = asked.is_taken(&overview, &tasks) && tasks.iter().all(TaskStatus::is_settled);
        times = if is_done || is_stuck { times + 1 } else { 0 };
        if times >= SETTLED_TIMES {
            return Ok(());
        }
        sleep(ASK_EVERY).await;
    }
}

/// Shows what happened since, as if it had happened here.
async fn show_news(client: &Client, shown: i64) -> Result<i64, ClientError> {
    let events = client.events(None, EVENTS).await?;
    let last = events.last().map_or(shown, |event| event.seq);
    for Numbered { event, .. } in events.into_iter().filter(|event| event.seq > shown) {
        tell(&event);
    }
    Ok(last)
}

/// What the directory asks for.
struct Asked<'a> {
    tasks: BTreeMap<&'a TaskName, (&'a Task, Place)>,
    /// Every file could be read as far as its names: what is not among them has no manifest.
    is_whole: bool,
}

impl<'a> Asked<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let mut asked = Self { tasks: BTreeMap::new(), is_whole: true };
        let Snapshot::Read { files } = snapshot else { return asked };
        for (file, state) in files {
            let FileState::Read { documents, .. } = state else {
                asked.is_whole = false;
                continue;
            };
            for document in documents {
                match document {
                    Document::Task { task, line } => {
                        let place = Place { file: file.clone(), line: *line };
                        asked.tasks.entry(&task.name).or_insert((task, place));
                    }
                    Document::Broken { .. } => asked.is_whole = false,
                    Document::Foreign { .. } => {}
                }
            }
        }
        asked
    }

    /// Whether the daemon has read it too, as far as that can be told from outside.
    fn is_taken(&self, overview: &Overview, tasks: &[TaskStatus]) -> bool {
        let has = |name: &TaskName| tasks.iter().find(|task| task.name == *name);
        // The daemon may be stricter than this command line.
        let refused = |file: &str| overview.problems.iter().any(|problem| problem.file == file);
        let is_known = |(name, (task, place)): (&&TaskName, &(&Task, Place))| {
            has(name).map_or_else(
                || refused(&place.file),
                |known| {
                    // A refused manifest, or one whose name another holds, is known as it was before.
                    !known.problems.is_empty()
                        || known.source != *place
                        || (known.image == task.template.image.as_str()
                            && known.replicas == task.wanted_slots())
                },
            )
        };
        let held = overview.prune_held.as_ref();
        let is_meant = |task: &TaskStatus| {
            self.tasks.contains_key(&task.name)
                || held.is_some_and(|held| held.tasks.contains(&task.name))
        };
        self.tasks.iter().all(is_known) && (!self.is_whole || tasks.iter().all(is_meant))
    }
}
