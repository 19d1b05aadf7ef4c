//! `sync` where a daemon keeps the directory: it does the work, this waits and shows.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::outcome::Outcome;
use crate::api::client::{Client, ClientError};
use crate::cli::Exit;
use crate::cli::asked::{Asked, TAKEN};
use crate::cli::following::{Following, Turn};
use crate::cli::reading::Standing;
use crate::domain::name::TaskName;
use crate::domain::source::Snapshot;
use crate::domain::status::{ConditionType, TaskStatus};
use crate::worker::command::Overview;
use crate::worker::tell;

/// How often a daemon is asked whether it has seen a file that is wrong: of that nothing is told.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Waits until the daemon has done what the directory says, or `timeout` has passed.
pub(super) async fn wait(
    client: &Client,
    found: &Overview,
    snapshot: &Snapshot,
    timeout: Duration,
) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let asked = Asked::of(snapshot);
    let known = client.tasks().await?.into_iter().map(|task| task.name);
    let names: BTreeSet<TaskName> = known.chain(asked.names().cloned()).collect();
    let mut following = Following::begin(client, &names, None, timeout).await?;
    // Where nothing may be begun, nothing is waited for.
    let is_stuck = found.source_changed.is_some() || found.engine_changed.is_some();
    let ended = if is_stuck || settled(&mut following, &names).await? {
        let late = timeout_at(begun + timeout, problems_told(client, &asked, begun)).await;
        late.map_or(Ok(Exit::Deadline), |told| told.map(|()| Exit::Ok))?
    } else {
        Exit::Deadline
    };
    let is_unread = |name: &&TaskName| matches!(following.standing(name), Standing::Unread);
    let unread = names.iter().filter(is_unread).filter(|_| !is_stuck).cloned().collect();
    let (overview, tasks) = (client.worker().await?, client.tasks().await?);
    Ok(Outcome { ended, overview, tasks, unread })
}

/// Waits until all is settled, and what the files say of `names` was read; whether it was in time.
/// What happens meanwhile is shown as if it had happened here.
async fn settled(
    following: &mut Following<'_>,
    names: &BTreeSet<TaskName>,
) -> anyhow::Result<bool> {
    loop {
        following.look(names).await?;
        let is_read = |name| !matches!(following.standing(name), Standing::Unread);
        if names.iter().all(is_read) && following.tasks.values().all(is_over) {
            return Ok(true);
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
