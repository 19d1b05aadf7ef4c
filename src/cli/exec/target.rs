//! Which container a program is run in.

use std::cmp::Reverse;

use anyhow::bail;

use crate::api::client::{Client, ClientError};
use crate::cli::args::{Common, Exec};
use crate::cli::pick::{named, short};
use crate::cli::{daemon, health, pick};
use crate::domain::container::{Container, Identity, Status, container_name};
use crate::domain::instance::{ContainerId, State};
use crate::domain::name::TaskName;
use crate::domain::status::TaskStatus;
use crate::runtime::Runtime;
use crate::runtime::docker::Docker;

/// A container of the task that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Running {
    slot: u16,
    attempt: u32,
    /// It was told to end.
    leaves: bool,
    container: ContainerId,
}

/// The container that is meant: as the daemon knows it, or where none runs, as its labels say.
///
/// # Errors
/// If there is no such task, or nothing of it runs.
pub async fn container(
    common: &Common,
    args: &Exec,
    docker: &Docker,
) -> anyhow::Result<ContainerId> {
    let name = named(&args.name, args.named.namespace.as_ref())?;
    let client = Client::of(&daemon::state_dir(common)?);
    let shown = short(&name);
    let running = match client.tasks().await {
        Ok(tasks) => {
            let Some(task) = tasks.iter().find(|task| task.name == name) else {
                bail!("{}", pick::unknown(&name, &tasks));
            };
            let running = of_status(task);
            if running.is_empty() {
                let why = health::trouble(task);
                let why = why.map_or_else(String::new, |(_, why)| format!(": {why}"));
                bail!("nothing of {shown} runs: it is {}{why}", health::word(task));
            }
            running
        }
        Err(error @ ClientError::NoDaemon(_)) => {
            let all = docker.list(&common.worker).await;
            let all = all.map_err(|error| anyhow::anyhow!("the engine can't be asked: {error}"))?;
            let running = of_labels(&name, &all);
            if running.is_empty() {
                let context = format!("no container of {shown} runs");
                return Err(anyhow::Error::from(error).context(context));
            }
            running
        }
        Err(error) => return Err(error.into()),
    };
    let Some(chosen) = choose(&running, args.slot) else {
        let mut slots: Vec<String> = running.iter().map(|it| it.slot.to_string()).collect();
        slots.sort();
        slots.dedup();
        let slot = args.slot.unwrap_or_default();
        bail!("slot {slot} of {shown} does not run; these do: {}", slots.join(", "));
    };
    Ok(chosen.container.clone())
}

/// The one in that slot, or in the lowest that runs; of two the one that stays, or came last.
fn choose(running: &[Running], slot: Option<u16>) -> Option<&Running> {
    let meant = running.iter().filter(|it| slot.is_none_or(|slot| slot == it.slot));
    meant.min_by_key(|it| (it.slot, it.leaves, Reverse(it.attempt)))
}

fn of_status(task: &TaskStatus) -> Vec<Running> {
    let running = task.instances.iter().filter(|it| it.state == State::Running);
    let running = running.filter_map(|it| {
        Some(Running {
            slot: it.slot,
            attempt: it.attempt,
            leaves: !it.ready,
            container: it.container_id.clone()?,
        })
    });
    running.collect()
}

fn of_labels(name: &TaskName, all: &[Container]) -> Vec<Running> {
    let running = all.iter().filter(|it| it.status == Status::Running);
    let running = running.filter_map(|it| {
        let who = Identity::from_labels(&it.labels)?;
        let is_meant = who.task == *name
            // Labels alone prove nothing: `docker commit` copies them.
            && it.name == container_name(&who.worker, &who.task, who.seat);
        is_meant.then(|| Running {
            slot: who.seat.slot,
            attempt: who.seat.attempt,
            leaves: false,
            container: it.id.clone(),
        })
    });
    running.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_slot_is_meant_and_of_two_in_it_the_one_that_stays_or_came_last() {
        let container = ContainerId::parse(&"a".repeat(64)).unwrap();
        let one =
            |slot, attempt, leaves| Running { slot, attempt, leaves, container: container.clone() };
        let all = [one(2, 1, false), one(1, 4, true), one(1, 3, false), one(1, 2, false)];
        let chosen = |slot| choose(&all, slot).map(|it| (it.slot, it.attempt));
        assert_eq!(chosen(None), Some((1, 3)));
        assert_eq!(chosen(Some(2)), Some((2, 1)));
        assert_eq!(chosen(Some(0)), None);
        assert_eq!(choose(&[], None), None);
    }
}
