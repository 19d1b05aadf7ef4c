//! `evenkeel suspend` and `evenkeel resume`.

use super::args::{Common, Resume, Suspend};
use super::pick::{all_named, short};
use super::{Exit, daemon, escape, out};
use crate::api::by_command::Asker;
use crate::api::client::{Client, ClientError};
use crate::domain::name::TaskName;
use crate::domain::status::{Kind, TaskStatus};
use crate::worker::command::task::Suspension;

/// Has tasks stopped, whatever their manifests say.
pub async fn suspend(common: &Common, args: &Suspend) -> anyhow::Result<Exit> {
    let client = Client::of(&daemon::state_dir(common)?);
    let tasks = client.tasks().await?;
    let Some(names) = all_named(&args.names, args.named.namespace.as_ref(), &tasks)? else {
        out::say("nothing was suspended");
        return Ok(Exit::Failed);
    };
    let mut failed = false;
    for name in names {
        let now = client.suspend(&name, &Asker { by: daemon::person() }).await;
        failed |= !told(now, |now| {
            out::line(&format!("task/{} suspended", short(&name)))?;
            out::say(&held(common, &name, now));
            if now.changed && tasks.iter().any(|task| task.name == name && is_running_job(task)) {
                out::say("the run of the job is stopped: it is not run again when it is resumed");
            }
            Ok(true)
        })?;
    }
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}

/// Has tasks be as their manifests say again.
pub async fn resume(common: &Common, args: &Resume) -> anyhow::Result<Exit> {
    let client = Client::of(&daemon::state_dir(common)?);
    let tasks = client.tasks().await?;
    let Some(names) = all_named(&args.names, args.named.namespace.as_ref(), &tasks)? else {
        out::say("nothing was resumed");
        return Ok(Exit::Failed);
    };
    let mut failed = false;
    for name in names {
        let now = client.resume(&name, &Asker { by: daemon::person() }).await;
        failed |= !told(now, |now| {
            let shown = short(&name);
            let Some(place) = &now.by_manifest else {
                let how = if now.changed { "resumed" } else { "was not suspended" };
                out::line(&format!("task/{shown} {how}"))?;
                return Ok(true);
            };
            let by = if now.changed { "no longer by command, but" } else { "not by command, but" };
            let place = escape::line(&place.to_string()).into_owned();
            out::say(&format!(
                "error: {shown} is suspended {by} by its manifest: take `suspend: true` out of {place}"
            ));
            Ok(false)
        })?;
    }
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}

/// Tells what came of one of several; whether it is as was asked.
fn told(
    now: Result<Suspension, ClientError>,
    tell: impl FnOnce(&Suspension) -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    match now {
        Ok(now) => tell(&now),
        Err(ClientError::Refused(why)) => {
            out::say(&format!("error: {}", escape::line(&why)));
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// For how long it is so.
fn held(common: &Common, name: &TaskName, now: &Suspension) -> String {
    let undo = common.again(&format!("resume {}", short(name)));
    match now.by_command.as_ref().filter(|_| !now.changed) {
        Some(before) => {
            let before = before.to_string();
            format!("it was suspended before, {}; undo with: {undo}", escape::line(&before))
        }
        None => format!("it stays so, whatever its manifest says, until: {undo}"),
    }
}

fn is_running_job(task: &TaskStatus) -> bool {
    task.kind == Kind::Job && task.instances.iter().any(|instance| !instance.state.is_end())
}
