//! `evenkeel sync`.

mod outcome;
mod through_daemon;

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::args::{Common, Sync};
use super::{Exit, daemon, out};
use crate::api::client::Client;
use crate::domain::source::Snapshot;
use crate::watch::read_once;
use crate::worker::{Ended, Goal, Inputs};
use outcome::Outcome;

/// Does what a directory says once.
pub async fn sync(common: &Common, args: &Sync) -> anyhow::Result<Exit> {
    let purpose = daemon::purpose(common, &args.make, Goal::Settled { deadline: args.timeout })?;
    let dir = purpose.setting.maker.source.clone();
    let reader = daemon::reader(&dir, &purpose.setting.policy);
    let host_paths = watch::Sender::default();
    let options = daemon::watching(&dir, &host_paths);
    let snapshot = tokio::task::spawn_blocking(move || read_once(&options, reader)).await?;
    snapshot_in.send_replace(Arc::new(snapshot));
    let (_questions, commands) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let ended = ready.worker.run(Inputs { commands, stop }).await;
    if ended == Ended::Short {
        out::say("not everything is as the directory says: see the warnings above");
    }
    out::say("nothing watches the directory now; to keep it so: evenkeel run DIR");
    Ok(match ended {
        Ended::Reached => Exit::Ok,
        Ended::Deadline => Exit::Deadline,
        Ended::Short | Ended::Stopped => Exit::Failed,
    })
}
