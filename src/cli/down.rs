//! `evenkeel down`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::args::{Common, Down};
use super::daemon::{self, ANSWER, Purpose};
use super::{Exit, escape, out};
use crate::api::client::{Client, ClientError};
use crate::domain::blueprint::Maker;
use crate::domain::container::Identity;
use crate::domain::desired::Rules;
use crate::domain::policy::{Level, Policy};
use crate::runtime::Runtime as _;
use crate::worker::{Ended, Goal, Inputs, Lock, LockError, Remains, Setting};

/// How often a daemon that goes down is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// How often it is looked whether a daemon that does not answer any more has let go of its state.
const UNLOCK_TRIES: u32 = 40;

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
    let all = async {
        if let Some(overview) = daemon {
            ask(&client, common, overview.pid).await?;
            if is_clear(common).await.unwrap_or(false) {
                return Ok(Remains::default());
            }
        }
        // What a daemon did not do, whatever ended it, is done here; what stays is found here.
        alone(common).await
    };
    match tokio::time::timeout(args.timeout, all).await {
        Ok(remains) => Ok(tell(common, &remains?)),
        Err(_) => {
            out::say(&format!(
                "not everything was removed in time; try again: {}",
                common.again("down")
            ));
            Ok(Exit::Deadline)
        }
    }
}

/// Says what stays.
fn tell(common: &Common, remains: &Remains) -> Exit {
    let worker = &common.worker;
    let Remains { let_go, refused } = remains;
    for (network, why) in refused {
        out::say(&format!(
            "network {network} stays, the engine did not remove it: {}; what is on it: docker \
             network inspect {network}",
            escape::line(why)
        ));
    }
    if !let_go.is_empty() {
        let names: Vec<&str> = let_go.iter().map(String::as_str).collect();
        out::say(&format!(
            "left as they are, as their manifests have evenkeel/prune: \"false\": {}",
            names.join(", ")
        ));
    }
    if !refused.is_empty() {
        out::say(&format!("when that is gone, try again: {}", common.again("down")));
        return Exit::Failed;
    }
    let nothing = if let_go.is_empty() { "nothing" } else { "nothing else" };
    out::say(&format!("{nothing} of worker {worker} is left but its volumes"));
    Exit::Ok
}

/// Has the daemon do it, and waits for its end.
async fn ask(client: &Client, common: &Common, pid: u32) -> anyhow::Result<()> {
    client.down().await?;
    loop {
        match client.worker().await {
            Err(ClientError::NoDaemon(_)) => break,
            Ok(overview) if overview.pid != pid => bail!(
                "the daemon (pid {pid}) ended, and another one (pid {}) was started in its place; \
                 stop what starts it, then: {}",
                overview.pid,
                common.again("down")
            ),
            // It may be on its way out.
            Ok(_) | Err(_) => tokio::time::sleep(ASK_EVERY).await,
        }
    }
    // A process that ends lets go of what it has one after the other.
    let dir = daemon::state_dir(common)?;
    for _ in 0..UNLOCK_TRIES {
        if !matches!(Lock::state(&dir, ANSWER).await, Err(LockError::Held(_))) {
            break;
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    Ok(())
}

/// Whether the engine has nothing of this worker any more, but volumes.
async fn is_clear(common: &Common) -> anyhow::Result<bool> {
    let docker = daemon::docker(common)?;
    let (containers, resources) =
        tokio::try_join!(docker.list(&common.worker), docker.list_resources(&common.worker))?;
    Ok(containers.is_empty() && resources.networks.is_empty())
}

/// Locks the source directories that containers of this worker were made from. One that is in use
/// has a daemon, of another state directory: what is removed would be made anew.
async fn lock_sources(common: &Common) -> anyhow::Result<Vec<Lock>> {
    let containers = daemon::docker(common)?.list(&common.worker).await?;
    let identities = containers.iter().filter_map(|it| Identity::from_labels(&it.labels));
    let sources: BTreeSet<String> = identities.map(|identity| identity.source).collect();
    let mut locks = Vec::new();
    for source in sources {
        match Lock::source(Path::new(&source), ANSWER).await {
            Ok(lock) => locks.extend(lock),
            // Nobody can read it, so nobody makes anything anew from it now.
            Err(error @ LockError::Silent(..)) => {
                out::say(&format!("whether another evenkeel keeps it is not known: {error}"));
            }
            Err(LockError::Held(_)) => bail!(
                "an evenkeel keeps {source}, with another --state-dir than {}: name that one",
                daemon::state_dir(common)?.display()
            ),
            Err(error @ LockError::Io(..)) => return Err(error.into()),
        }
    }
    Ok(locks)
}

/// Does it where no daemon runs. Tells what stays.
async fn alone(common: &Common) -> anyhow::Result<Remains> {
    // A daemon of this state directory is told of as such.
    drop(Lock::state(&daemon::state_dir(common)?, ANSWER).await?);
    let _locks = lock_sources(common).await?;
    let setting = Setting {
        maker: Maker { worker: common.worker.clone(), source: "/".to_owned() },
        policy: Policy { level: Level::Restricted, allowed_host_paths: Vec::new() },
        network_pool: "10.213.0.0/16".parse().context("the default pool")?,
    };
    let purpose = Purpose { setting, rules: Rules::default(), goal: Goal::Down };
    let (_none, snapshots) = daemon::snapshots();
    let held = daemon::hold(common, &purpose).await?;
    let ready = daemon::ready(common, purpose, (snapshots, watch::Sender::default()), held)?;
    let (_questions, commands) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let left = ready.worker.run(Inputs { commands, stop }).await;
    match left.ended {
        Ended::Reached | Ended::Short => Ok(left.remains),
        Ended::Deadline | Ended::Stopped | Ended::Broken => {
            bail!("it ended before everything was removed; try again: {}", common.again("down"))
        }
    }
}
