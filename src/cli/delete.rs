//! `evenkeel delete`.

use std::collections::{BTreeMap, BTreeSet};

use super::args::{Common, Delete, WaitFor};
use super::pick::{are_there, named, short};
use super::send::{self, Gathered};
use super::{Exit, daemon, escape, out, wait};
use crate::api::client::{Client, ClientError};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::name::TaskName;
use crate::manifest::Context;
use crate::manifest::incoming::{Sent, check};

/// Has the daemon remove manifests, and their tasks with them.
pub async fn delete(common: &Common, args: &Delete) -> anyhow::Result<Exit> {
    let client = Client::of(&daemon::state_dir(common)?);
    let names = match names(args)? {
        Ok(names) => names,
        Err(problems) => {
            return Ok(send::refused(
                &problems,
                "nothing was deleted; a task can be named instead",
            ));
        }
    };
    // Before any is deleted, all are known to be there.
    let tasks = client.tasks().await?;
    if !are_there(&names, &tasks) {
        out::say("nothing was deleted");
        return Ok(Exit::Failed);
    }
    let mut failed = false;
    let mut goals = BTreeMap::new();
    for name in names {
        match client.delete(&name, args.dry_run).await {
            Ok(receipt) if args.dry_run || args.no_wait => send::tell(&receipt, args.dry_run)?,
            Ok(_) => drop(goals.insert(name, WaitFor::Deleted)),
            Err(ClientError::Invalid(problem)) => {
                failed = true;
                send::refused(&problem.problems, &problem.message);
            }
            Err(ClientError::Refused(message)) => {
                failed = true;
                out::say(&format!("error: {}", escape::line(&message)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let told = |name: &TaskName, _| format!("task/{} deleted", short(name));
    let waited = wait::all(&client, goals, args.timeout, &told).await?;
    Ok(if failed { Exit::Failed } else { waited })
}

/// The tasks that are meant, each once; or what is wrong with the files that declare them.
fn names(args: &Delete) -> anyhow::Result<Result<BTreeSet<TaskName>, Vec<Diagnostic>>> {
    let within = args.named.namespace.as_ref();
    let mut names = BTreeSet::new();
    for text in &args.names {
        names.insert(named(text, within)?);
    }
    let Gathered { sent, mut problems, .. } = send::gather(&args.files)?;
    let context = Context { source: "/", policy: &send::ANYTHING };
    for sent in sent {
        // Where its paths lead is no matter, nor what else wants the same port.
        let sent = Sent { folder: Some("/".to_owned()), ..sent };
        match check(&[sent], within, &context) {
            Ok(arrivals) => names.extend(arrivals.into_iter().map(|it| it.task.name)),
            Err(found) => problems.extend(found),
        }
    }
    Ok(if problems.is_empty() { Ok(names) } else { Err(problems) })
}
