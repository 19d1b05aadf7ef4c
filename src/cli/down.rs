//! `evenkeel down`.

use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::args::{Common, Down};
use super::daemon::{self, Purpose};
use super::{Exit, out};
use crate::api::client::{Client, ClientError};
use crate::domain::blueprint::Maker;
use crate::domain::desired::Rules;
use crate::domain::policy::{Level, Policy};
use crate::worker::{Ended, Goal, Inputs, Setting};

/// How often a daemon that goes down is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// Stops and removes everything of this worker but volumes.
pub async fn down(common: &Common, args: &Down) -> anyhow::Result<Exit> {
    let client = Client::of(&daemon::state_dir(common)?);
    let daemon = client.find().await?;
    let worker = &common.worker;
    if !args.yes {
        let running = if daemon.is_some() { ", and its daemon ends" } else { "" };
        let question = format!(
            "All containers and networks of worker {worker} are stopped and removed{running}; volumes stay. Go on?"
        );
        if !out::ask(&question)? {
            return Ok(Exit::Failed);
        }
    }
    let ended = match daemon {
        Some(_) => {
            tokio::time::timeout(args.timeout, ask(&client)).await.unwrap_or(Ok(Exit::Deadline))
        }
        None => {
            tokio::time::timeout(args.timeout, alone(common)).await.unwrap_or(Ok(Exit::Deadline))
        }
    }?;
    match ended {
        Exit::Ok => out::say(&format!("nothing of worker {worker} is left but its volumes")),
        _ => out::say(&format!(
            "not everything was removed in time; try again: {}",
            common.again("down")
        )),
    }
    Ok(ended)
}

/// Has the daemon do it.
async fn ask(client: &Client) -> anyhow::Result<Exit> {
    client.down().await?;
    loop {
        match client.worker().await {
            Err(ClientError::NoDaemon(_)) => return Ok(Exit::Ok),
            // It may be on its way out.
            Ok(_) | Err(_) => tokio::time::sleep(ASK_EVERY).await,
        }
    }
}

/// Does it where no daemon runs.
async fn alone(common: &Common) -> anyhow::Result<Exit> {
    let setting = Setting {
        maker: Maker { worker: common.worker.clone(), source: "/".to_owned() },
        policy: Policy { level: Level::Restricted, allowed_host_paths: Vec::new() },
        network_pool: "10.213.0.0/16".parse().context("the default pool")?,
    };
    let purpose = Purpose { setting, rules: Rules::default(), goal: Goal::Down };
    let (_none, snapshots) = daemon::snapshots();
    let ready = daemon::ready(common, purpose, (snapshots, watch::Sender::default())).await?;
    let (_questions, commands) = mpsc::channel(1);
    let stop = CancellationToken::new();
    Ok(match ready.worker.run(Inputs { commands, stop }).await.ended {
        Ended::Reached => Exit::Ok,
        Ended::Deadline => Exit::Deadline,
        Ended::Short | Ended::Stopped | Ended::Broken => Exit::Failed,
    })
}
