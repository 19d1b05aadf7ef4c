//! `sync` where a daemon keeps the directory: it does the work, this waits and shows.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::outcome::Outcome;
use crate::api::client::{Client, ClientError};
use crate::cli::Exit;
use crate::cli::args::Common;
use crate::cli::asked::{Asked, TAKEN};
use crate::cli::following::{Following, Turn};
use crate::cli::live::{Live, is_under_way};
use crate::cli::reading::Standing;
use crate::domain::name::TaskName;
use crate::domain::source::Snapshot;
use crate::domain::status::{ConditionType, TaskStatus};
use crate::worker::command::Overview;
use crate::worker::tell;

/// How often a daemon is asked whether it has seen a file that is wrong: of that nothing is told.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// How often it is asked how far pulls have come, where that is shown.
const GLANCE: Duration = Duration::from_millis(250);

/// Waits until the daemon has done what the directory says, or `timeout` has passed.
pub(super) async fn wait(
    common: &Common,
    client: &Client,
    (found, snapshot): (&Overview, &Snapshot),
    timeout: Duration,
) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let asked = Asked::of(snapshot);
    let known = client.tasks().await?.into_iter().map(|task| task.name);
    let names: BTreeSet<TaskName> = known.chain(asked.names().cloned()).collect();
    let mut following = Following::begin(client, &names, None, timeout).await?;
    // Where nothing may be begun, nothing is waited for.
    let is_stuck = found.source_changed.is_some() || found.engine_changed.is_some();
    let live = Live::begin(common);
    let ended = if is_stuck || settled(client, &mut following, &names, live.as_ref()).await? {
        let late = timeout_at(begun + timeout, problems_told(client, &asked, begun)).await;
        late.map_or(Ok(Exit::Deadline), |told| told.map(|()| Exit::Ok))?
    } else {
        Exit::Deadline
    };
    drop(live);
    let is_unread = |name: &&TaskName| matches!(following.standing(name), Standing::Unread);
    let unread = names.iter().filter(is_unread).filter(|_| !is_stuck).cloned().collect();
    let (overview, tasks) = (client.worker().await?, client.tasks().await?);
    Ok(Outcome { ended, overview, tasks, unread })
}

/// Waits until all is settled, and what the files say of `names` was read; whether it was in time.
/// What happens meanwhile is shown as if it had happened here.
async fn settled(
    client: &Client,
    following: &mut Following<'_>,
    names: &BTreeSet<TaskName>,
    live: Option<&Live>,
) -> anyhow::Result<bool> {
    loop {
        following.look(names).await?;
        let is_read = |name| !matches!(following.standing(name), Standing::Unread);
        if names.iter().all(is_read) && following.tasks.values().all(is_over) {
            return Ok(true);
        }
        if let Some(live) = live {
            let tasks: Vec<TaskStatus> = following.tasks.values().cloned().collect();
            let is_under_way = is_under_way(&tasks);
            let pulls = if is_under_way { client.pulls().await.ok() } else { None };
            // A daemon of an earlier release does not tell.
            live.show(&tasks, &pulls.unwrap_or_default());
            following.glance = is_under_way.then_some(GLANCE);
        }
        match following.turn(names).await? {
            Turn::Changed => {}
            Turn::Happened(event) => tell(&event.event),
            Turn::Late => return Ok(false),
        }
    }
}

/// Whether a task is settled, or waits for a person's word about all of them.
fn is_over(task: &TaskStatus) -> bool {
    let converged = task.condition(ConditionType::Converged);
    let stuck = ["SourceChanged", "EngineChanged"];
    task.is_settled() || converged.is_some_and(|it| stuck.contains(&&*it.reason))
}

/// Waits until the daemon tells of each file that is wrong, or has had the time for it.
async fn problems_told(
    client: &Client,
    asked: &Asked<'_>,
    begun: Instant,
) -> Result<(), ClientError> {
    while begun.elapsed() < TAKEN {
        if asked.are_problems_told(&client.worker().await?) {
            break;
        }
        sleep_until(Instant::now() + ASK_EVERY).await;
    }
    Ok(())
}
