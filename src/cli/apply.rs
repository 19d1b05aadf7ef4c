//! `evenkeel apply`.

use std::collections::BTreeMap;

use super::args::{Apply, Common, WaitFor};
use super::pick::short;
use super::{Exit, daemon, out, send, wait};
use crate::api::client::{Client, ClientError};
use crate::api::work;
use crate::domain::status::{Kind, Phase};
use crate::worker::receive::Receipt;

/// Sends manifests to the daemon.
pub async fn apply(common: &Common, args: &Apply) -> anyhow::Result<Exit> {
    let client = Client::of(&daemon::state_dir(common)?);
    let gathered = send::gather(&args.files)?;
    if !gathered.problems.is_empty() {
        return Ok(send::refused(&gathered.problems, "nothing was changed"));
    }
    let (namespace, dry_run) = (args.within.namespace.clone(), args.dry_run);
    let wanted = work::Apply { sent: gathered.sent, namespace, dry_run };
    let receipt = match client.apply(&wanted).await {
        Ok(receipt) => receipt,
        Err(ClientError::Invalid(problem)) => {
            return Ok(send::refused(&problem.problems, &problem.message));
        }
        Err(error) => return Err(error.into()),
    };
    if receipt.tasks.is_empty() {
        out::say("error: there are no manifests in what was named");
        return Ok(Exit::Failed);
    }
    send::tell(&receipt, dry_run)?;
    if !receipt.taken {
        out::say(&format!(
            "it is written, but the daemon does not go by it yet; see {}",
            common.again("status")
        ));
        return Ok(if args.wait { Exit::Deadline } else { Exit::Ok });
    }
    if args.wait { until_up(&client, &receipt, args).await } else { Ok(Exit::Ok) }
}

/// Waits until services are ready and jobs done.
async fn until_up(client: &Client, receipt: &Receipt, args: &Apply) -> anyhow::Result<Exit> {
    let tasks = client.tasks().await?;
    let mut goals = BTreeMap::new();
    for received in &receipt.tasks {
        let task = tasks.iter().find(|task| task.name == received.name);
        let goal = match task {
            Some(task) if task.phase == Phase::Suspended || task.replicas == 0 => {
                out::say(&format!("{} is to run nothing", short(&task.name)));
                continue;
            }
            Some(task) if task.kind == Kind::Job => WaitFor::Completed,
            Some(_) | None => WaitFor::Ready,
        };
        goals.insert(received.name.clone(), goal);
    }
    wait::all(client, goals, args.timeout, &wait::is_so).await
}
