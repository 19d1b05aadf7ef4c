//! `evenkeel sync`.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::args::{Common, Sync};
use super::{Exit, daemon, out};
use crate::watch::read_once;
use crate::worker::{Ended, Goal, Inputs};

/// Does what a directory says once.
pub async fn sync(common: &Common, args: &Sync) -> anyhow::Result<Exit> {
    let purpose = daemon::purpose(common, &args.make, Goal::Settled { deadline: args.timeout })?;
    let dir = purpose.setting.maker.source.clone();
    let reader = daemon::reader(&dir, &purpose.setting.policy);
    let (snapshot_in, snapshot_out) = daemon::snapshots();
    let host_paths = watch::Sender::default();
    let options = daemon::watching(&dir, &host_paths);
    let ready = daemon::ready(common, purpose, (snapshot_out, host_paths)).await?;
    let snapshot = tokio::task::spawn_blocking(move || read_once(&options, reader)).await?;
    snapshot_in.send_replace(Arc::new(snapshot));
    let (_questions, commands) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let ended = ready.worker.run(Inputs { commands, stop }).await;
    out::say("nothing watches the directory now; to keep it so: evenkeel run DIR");
    Ok(match ended {
        Ended::Reached => Exit::Ok,
        Ended::Deadline => Exit::Deadline,
        Ended::Stopped => Exit::Failed,
    })
}
