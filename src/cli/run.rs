//! `evenkeel run`.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::FutureExt as _;
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::args::{Common, Run};
use super::daemon::{Held, Purpose};
use super::signals::Signals;
use super::{Exit, daemon, live, out, status};
use crate::api;
use crate::api::measure::Measures;
use crate::api::server::{self, Bound, Sources};
use crate::files;
use crate::status_dir::{Inputs as Told, StatusDir, Summary};
use crate::watch::{self as source, WatchHealth};
use crate::worker::command::Command;
use crate::worker::{Ended, Goal, Inputs};

/// How many questions wait for the worker at most.
const QUESTIONS: usize = 64;

/// How often it is tried again to begin where the disk is full or read-only.
const AGAIN: Duration = Duration::from_secs(5);

/// Keeps this host as a directory says, until stopped.
pub async fn run(common: &Common, args: &Run) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    let purpose = daemon::purpose(common, &args.make, Goal::Forever)?;
    let dir = purpose.setting.maker.source.clone();
    let policy = purpose.setting.policy.clone();
    let state_dir = daemon::state_dir(common)?;
    let status_path = status_path(args, &dir)?;
    let (snapshot_in, snapshot_out) = daemon::snapshots();
    let host_paths = watch::Sender::default();
    let mut watched = daemon::watching(&dir, &host_paths);
    watched.lock = true;
    let (held, listener) = tokio::select! {
        begun = begin(common, &purpose, &state_dir) => begun?,
        () = signals.next() => {
            info!("stopped before it began");
            return Ok(Exit::Ok);
        }
    };
    let ready = daemon::ready(common, purpose, (snapshot_out, host_paths), held)?;
    ready.state_lock.sign();
    let open = open(args).await?;
    let shown = match status_path {
        Some(path) => Some(StatusDir::open(path, ready.worker.known()).await?),
        None => None,
    };
    out::say(&format!(
        "evenkeel {}: worker {} keeps this host as {dir} says; stop with Ctrl-C, containers run on",
        env!("CARGO_PKG_VERSION"),
        common.worker,
    ));
    // From here on the watch has it, also where another directory comes into its place.
    drop(ready.source_lock);
    watched.saved = Arc::clone(&ready.metrics.saved);
    let stop = CancellationToken::new();
    let (commands_in, commands) = mpsc::channel(QUESTIONS);
    let (health_in, health) = watch::channel(WatchHealth::default());
    let watching =
        source::watch(watched, daemon::reader(&dir, &policy), snapshot_in, health_in, stop.clone());
    let (commands_watchdog, commands_live) = (commands_in.clone(), commands_in.clone());
    let measures =
        Measures::new(Arc::clone(&ready.metrics), ready.worker.usages(), &state_dir, &dir);
    let (db, health_told) = (ready.db.clone(), health.clone());
    let (commands_shown, summary) = (commands_in.clone(), summary(common));
    let told = Told { commands: commands_shown, health: health.clone(), summary };
    let showing = show(shown, told, stop.clone());
    let sources = Sources { commands: commands_in, db, health: health_told, measures };
    let measuring = api::open::serve(open, sources.clone(), stop.clone());
    let serving = server::serve(listener, sources, stop.clone());
    let (worker, stopped) = (ready.worker, stop.clone());
    let working = async move {
        let ended = worker.run(Inputs { commands, stop: stopped.clone() }).await.ended;
        stopped.cancel();
        Ok(ended)
    };
    notify(&[NotifyState::Ready, NotifyState::Status("")]);
    let all = async {
        tokio::try_join!(
            working,
            unasked(watching, &stop, "the watch of the source"),
            unasked(serving.map(Ok::<(), Infallible>), &stop, "the API"),
            unasked(measuring.map(Ok::<(), Infallible>), &stop, "what tells metrics"),
            unasked(showing.map(Ok::<(), Infallible>), &stop, "what writes status files"),
            stop_on(&mut signals, &stop),
            tell_health(health, &stop),
            feed_watchdog(commands_watchdog, &stop),
            live::watch(common, commands_live, &stop).map(Ok),
        )
    };
    let ended = Box::pin(all).await;
    stop.cancel();
    let (ended, ..) = ended?;
    tell_end(ended)?;
    let _gone = std::fs::remove_file(api::socket(&state_dir));
    Ok(Exit::Ok)
}

/// How the worker ended.
fn tell_end(ended: Ended) -> anyhow::Result<()> {
    match ended {
        Ended::Broken => {
            bail!("a part of the worker ended unasked; the log says which. Containers run on")
        }
        Ended::Reached => info!("`evenkeel down` asked for it: all but volumes is removed; ended"),
        Ended::Short => info!("`evenkeel down` asked for it: all that could be is removed; ended"),
        Ended::Stopped | Ended::Deadline => info!("stopped"),
    }
    Ok(())
}

/// Takes what only one may have, and listens at the socket. While the disk is full or read-only it
/// waits: what runs runs on, and nothing new could be written down.
async fn begin(
    common: &Common,
    purpose: &Purpose,
    state_dir: &Path,
) -> anyhow::Result<(Held, Bound)> {
    let socket = api::socket(state_dir);
    let mut told = String::new();
    loop {
        let held = daemon::hold(common, purpose).await;
        match held.and_then(|held| Ok((held, Bound::listen(&socket)?))) {
            Err(error) if daemon::lacks_disk(&error) => {
                let why = format!("{error:#}");
                if why != told {
                    error!(
                        "{why}; nothing is begun until it can be, which is tried every {} s; \
                         containers run on",
                        AGAIN.as_secs()
                    );
                }
                let patience = u32::try_from(AGAIN.as_micros() * 3).unwrap_or(u32::MAX);
                notify(&[NotifyState::ExtendTimeoutUsec(patience), NotifyState::Status(&why)]);
                told = why;
                tokio::time::sleep(AGAIN).await;
            }
            begun => return begun,
        }
    }
}

/// Listens where metrics are to be told, if they are to be.
async fn open(args: &Run) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = args.metrics_listen else { return Ok(None) };
    let listener = api::open::listen(address).await?;
    info!("metrics are told at http://{}{}", listener.local_addr()?, api::METRICS);
    Ok(Some(listener))
}

/// Where status files are to be kept, if they are to be. In the source they would be taken for
/// manifests.
fn status_path(args: &Run, source: &str) -> anyhow::Result<Option<PathBuf>> {
    let Some(path) = &args.status_dir else { return Ok(None) };
    let path = daemon::absolute(path).context("--status-dir")?;
    let real = files::lead(&path);
    for (path, source) in [(&path, source), (&real, &files::lead(source))] {
        if Path::new(path).starts_with(source) {
            bail!(
                "--status-dir: {path} lies in {source}, where every *.json is a manifest; name a \
                 directory outside"
            );
        }
    }
    Ok(Some(path.into()))
}

/// What the status file of the worker tells: the same as `status -o json`.
fn summary(common: &Common) -> Summary {
    let common = common.clone();
    Box::new(move |worker, tasks| status::Told::of(&common, worker, tasks).json())
}

/// Keeps the status files, if they are to be kept, until `stop`.
async fn show(shown: Option<StatusDir>, told: Told, stop: CancellationToken) {
    match shown {
        Some(shown) => shown.keep(told, stop).await,
        None => stop.cancelled().await,
    }
}

/// What must not end before it is told to.
async fn unasked<E: std::error::Error + Send + Sync + 'static>(
    part: impl Future<Output = Result<(), E>>,
    stop: &CancellationToken,
    what: &'static str,
) -> anyhow::Result<()> {
    part.await.context(what)?;
    if !stop.is_cancelled() {
        bail!("{what} ended unasked");
    }
    Ok(())
}

/// Waits for a signal to stop, or for the worker to end, and tells systemd: what has begun may take
/// a while to end.
async fn stop_on(signals: &mut Signals, stop: &CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        () = signals.next() => {}
        () = stop.cancelled() => {}
    }
    notify(&[NotifyState::Stopping]);
    stop.cancel();
    Ok(())
}

/// Says when the watch is less than it should be.
async fn tell_health(
    mut health: watch::Receiver<WatchHealth>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut degraded = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = health.changed() => if changed.is_err() { return Ok(()) },
        }
        let now = health.borrow_and_update().degraded.clone();
        if now != degraded {
            if let Some(why) = &now {
                warn!(why, "WatchDegraded: changes are found by reading everything again");
            } else {
                info!("the source is watched by events again");
            }
            degraded = now;
        }
    }
}

/// Tells systemd that the worker still answers, as often as it wants to hear it.
async fn feed_watchdog(
    commands: mpsc::Sender<Command>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let Some(every) = sd_notify::watchdog_enabled() else {
        stop.cancelled().await;
        return Ok(());
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(every / 3) => {}
        }
        let (reply, answer) = oneshot::channel();
        if commands.send(Command::Ping(reply)).await.is_ok() && answer.await.is_ok() {
            notify(&[NotifyState::Watchdog]);
        }
    }
}

/// Tells systemd, where there is one.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd can't be told");
    }
}
