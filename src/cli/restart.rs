//! `evenkeel restart`.

use std::collections::BTreeMap;

use super::args::{Common, Restart, WaitFor};
use super::pick::{all_named, short};
use super::{Exit, daemon, escape, out, wait};
use crate::api::by_command::Asker;
use crate::api::client::{Client, ClientError};
use crate::domain::name::TaskName;

/// Has all instances of services replaced.
pub async fn restart(common: &Common, args: &Restart) -> anyhow::Result<Exit> {
    let client = Client::of(&daemon::state_dir(common)?);
    let tasks = client.tasks().await?;
    let Some(names) = all_named(&args.names, args.named.namespace.as_ref(), &tasks)? else {
        out::say("nothing was restarted");
        return Ok(Exit::Failed);
    };
    let asker = Asker { by: daemon::person() };
    let mut failed = false;
    let mut goals = BTreeMap::new();
    for name in names {
        match client.restart(&name, &asker).await {
            Ok(restart) if args.wait => {
                goals.insert(name, WaitFor::Restarted(restart.asked.at));
            }
            Ok(_) => drop(out::line(&format!("task/{} restarted", short(&name)))?),
            Err(ClientError::Refused(why)) => {
                failed = true;
                out::say(&format!("error: {}", escape::line(&why)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let told = |name: &TaskName, _| format!("task/{} restarted", short(name));
    let waited = wait::all(&client, goals, args.timeout, &told).await?;
    Ok(if failed { Exit::Failed } else { waited })
}
