//! `evenkeel approve`.

use super::args::{Approval, Approve, Common};
use super::pick::short;
use super::{Exit, daemon, escape, health, out};
use crate::api::client::Client;
use crate::api::{ApproveEngine, ApprovePrune, ApproveSource};

/// Allows what the daemon held back.
pub async fn approve(common: &Common, args: &Approve) -> anyhow::Result<Exit> {
    let client = Client::of(&daemon::state_dir(common)?);
    match args.what {
        Approval::Prune { yes } => prune(&client, yes).await,
        Approval::Source { yes } => source(&client, yes).await,
        Approval::Engine { yes } => engine(&client, yes).await,
    }
}

async fn prune(client: &Client, yes: bool) -> anyhow::Result<Exit> {
    let Some(held) = client.worker().await?.prune_held else {
        out::say("no removal is held: there is nothing to approve");
        return Ok(Exit::Ok);
    };
    let count = held.tasks.len();
    out::say(&format!(
        "These tasks have no manifest any more ({}):",
        escape::line(health::held(&held))
    ));
    for task in &held.tasks {
        out::say(&format!("  {}", short(task)));
    }
    let tasks = if count == 1 { "this task".to_owned() } else { format!("these {count} tasks") };
    let question = format!("Stop and remove {tasks}? Volumes stay.");
    if !yes && !out::ask(&question)? {
        out::say("nothing was changed");
        return Ok(Exit::Failed);
    }
    client.approve_prune(&ApprovePrune { tasks: held.tasks }).await?;
    out::say(&format!(
        "{count} {} being removed",
        if count == 1 { "task is" } else { "tasks are" }
    ));
    Ok(Exit::Ok)
}

async fn source(client: &Client, yes: bool) -> anyhow::Result<Exit> {
    let worker = client.worker().await?;
    let Some(source) = worker.source_changed else {
        out::say(
            "all containers of this worker were made from its directory: there is nothing to approve",
        );
        return Ok(Exit::Ok);
    };
    out::say(&format!(
        "Containers of worker {} were made from {};\nthe daemon keeps the host as {} says. \
         What that does not ask for is stopped and removed then.",
        escape::line(&worker.worker),
        escape::line(&source),
        escape::line(&worker.source),
    ));
    if !yes && !out::ask("Take them over?")? {
        out::say("nothing was changed");
        return Ok(Exit::Failed);
    }
    client.approve_source(&ApproveSource { source }).await?;
    out::say("they are taken over");
    Ok(Exit::Ok)
}

async fn engine(client: &Client, yes: bool) -> anyhow::Result<Exit> {
    let worker = client.worker().await?;
    let Some(change) = worker.engine_changed else {
        out::say("the engine is the one that is known: there is nothing to approve");
        return Ok(Exit::Ok);
    };
    out::say(&format!(
        "The engine is another one: {}.\nContainers of worker {} are on it that this daemon did not \
         make. What of them {} does not ask for is stopped and removed then.",
        escape::line(&change.to_string()),
        escape::line(&worker.worker),
        escape::line(&worker.source),
    ));
    if !yes && !out::ask("Keep it from now on?")? {
        out::say("nothing was changed");
        return Ok(Exit::Failed);
    }
    client.approve_engine(&ApproveEngine { engine: change.now }).await?;
    out::say("it is kept from now on");
    Ok(Exit::Ok)
}
