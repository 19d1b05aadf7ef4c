//! `evenkeel down`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::args::{Common, Down};
use super::daemon::{self, Purpose};
use super::{Exit, out};
use crate::api::client::{Client, ClientError};
use crate::domain::blueprint::Maker;
use crate::domain::container::Identity;
use crate::domain::desired::Rules;
use crate::domain::policy::{Level, Policy};
use crate::runtime::Runtime as _;
use crate::worker::{Ended, Goal, Inputs, Lock, LockError, Setting};

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

/// Locks the source directories that containers of this worker were made from. One that is in use
/// has a daemon, of another state directory: what is removed would be made anew.
async fn lock_sources(common: &Common) -> anyhow::Result<Vec<Lock>> {
    let containers = daemon::docker(common)?.list(&common.worker).await?;
    let identities = containers.iter().filter_map(|it| Identity::from_labels(&it.labels));
    let sources: BTreeSet<String> = identities.map(|identity| identity.source).collect();
    let mut locks = Vec::new();
    for source in sources {
        match Lock::source(Path::new(&source)) {
            Ok(lock) => locks.extend(lock),
            Err(LockError::Held(_)) => bail!(
                "an evenkeel keeps {source}, with another --state-dir than {}: name that one",
                daemon::state_dir(common)?.display()
            ),
            Err(error @ LockError::Io(..)) => return Err(error.into()),
        }
    }
    Ok(locks)
}

/// Does it where no daemon runs.
async fn alone(common: &Common) -> anyhow::Result<Exit> {
    let _locks = lock_sources(common).await?;
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
