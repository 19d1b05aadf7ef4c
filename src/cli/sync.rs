//! `evenkeel sync`.

mod outcome;
mod through_daemon;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use anyhow::bail;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::args::{Common, Sync};
use super::asked::Asked;
use super::signals::Signals;
use super::{Exit, daemon, live, out};
use crate::api::client::Client;
use crate::domain::name::TaskName;
use crate::domain::source::Snapshot;
use crate::domain::status::TaskStatus;
use crate::watch::look;
use crate::worker::{Ended, Goal, Inputs};
use outcome::Outcome;

/// Does what a directory says once.
pub async fn sync(common: &Common, args: &Sync) -> anyhow::Result<Exit> {
    let purpose = daemon::purpose(common, &args.make, Goal::Settled { deadline: args.timeout })?;
    let dir = purpose.setting.maker.source.clone();
    let client = Client::of(&daemon::state_dir(common)?);
    let overview = client.find().await?;
    if let Some(overview) = &overview
        && !daemon::is_same_dir(&overview.source, &dir).await?
    {
        bail!(
            "the daemon of worker {} keeps this host as {} says, not {dir}; \
             for another directory use another --worker",
            common.worker,
            overview.source
        );
    }
    // Under the name that the daemon knows it by: paths of the host are made with it.
    let known_as = overview.as_ref().map_or(&dir, |overview| &overview.source);
    let reader = daemon::reader(known_as, &purpose.setting.policy);
    let host_paths = watch::Sender::default();
    let options = daemon::watching(known_as, &host_paths);
    let snapshot = look(options, reader).await;
    if let Snapshot::Unavailable { message } = &snapshot {
        bail!("{message}; nothing was changed");
    }
    let (outcome, is_kept) = if let Some(overview) = overview {
        out::say(&format!("a daemon (pid {}) does it; waiting for it", overview.pid));
        let wait = through_daemon::wait(common, &client, (&overview, &snapshot), args.timeout);
        (wait.await?, true)
    } else {
        let (snapshot_in, snapshot_out) = daemon::snapshots();
        let held = daemon::hold(common, &purpose).await?;
        let ready = daemon::ready(common, purpose, (snapshot_out, host_paths), held)?;
        let snapshot = Arc::new(snapshot);
        snapshot_in.send_replace(Arc::clone(&snapshot));
        let (questions, commands) = mpsc::channel(1);
        let (signals, stop) = (Signals::listen()?, CancellationToken::new());
        let running = ready.worker.run(Inputs { commands, stop: stop.clone() });
        let shown = async {
            live::watch(common, questions, &stop).await;
            std::future::pending::<Infallible>().await
        };
        let left = tokio::select! {
            left = Box::pin(running) => left,
            never = stop_on(signals, &stop) => match never {},
            never = shown => match never {},
        };
        let ended = match left.ended {
            Ended::Reached => Exit::Ok,
            Ended::Deadline => Exit::Deadline,
            Ended::Short | Ended::Stopped | Ended::Broken => Exit::Failed,
        };
        let unread = not_begun(&Asked::of(&snapshot), &left.tasks);
        (Outcome { ended, overview: left.overview, tasks: left.tasks, unread }, false)
    };
    let exit = outcome.tell(common, &args.make.dir)?;
    if !is_kept {
        out::say(&format!(
            "nothing watches the directory now; to keep it so: {}",
            common.again(&format!("run {}", args.make.dir.display()))
        ));
    }
    Ok(exit)
}

/// What is asked for and was not taken up.
fn not_begun(asked: &Asked<'_>, tasks: &[TaskStatus]) -> BTreeSet<TaskName> {
    let is_there = |name: &TaskName| tasks.iter().any(|task| task.name == *name);
    asked.tasks().filter(|name| !is_there(name)).cloned().collect()
}

/// Tells the worker to stop at the first signal; never ends.
async fn stop_on(mut signals: Signals, stop: &CancellationToken) -> Infallible {
    signals.next().await;
    stop.cancel();
    // The worker ends what it has begun.
    std::future::pending().await
}
