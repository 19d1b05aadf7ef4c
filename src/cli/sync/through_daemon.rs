//! `sync` where a daemon keeps the directory: it does the work, this waits and shows.

use std::time::Duration;

use tokio::time::sleep;

use super::outcome::Outcome;
use crate::api::Numbered;
use crate::api::client::{Client, ClientError};
use crate::cli::Exit;
use crate::cli::asked::Asked;
use crate::domain::source::Snapshot;
use crate::domain::status::TaskStatus;
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
        let is_stuck = overview.source_changed.is_some() || overview.engine_changed.is_some();
        let is_settled = |tasks: &[TaskStatus]| tasks.iter().all(TaskStatus::is_settled);
        let is_done = is_settled(&tasks) && {
            // In this order: how a task is was then told of what was accepted before.
            let (records, tasks) = (client.records().await?, client.tasks().await?);
            is_settled(&tasks) && asked.is_taken(&overview, &tasks, &records)
        };
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
