//! Logs that go on: of the instances that are there, and of those that come after them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream, SelectAll};
use tokio::time::MissedTickBehavior;

use super::printer::Printer;
use super::{chosen, query};
use crate::api::client::ClientError;
use crate::cli::args::Logs;
use crate::cli::pick::short;
use crate::cli::view::{Teller, View};
use crate::cli::{Exit, escape, out};
use crate::domain::instance::InstanceId;
use crate::domain::status::{InstanceStatus, Phase, TaskStatus};
use crate::domain::time::Timestamp;
use crate::runtime::docker::Docker;
use crate::runtime::{LogChunk, LogQuery, Runtime};
use crate::worker::Clock;

/// How often it is asked which instances there are.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// A piece of a log, or its end.
struct Piece {
    instance: InstanceId,
    slot: u16,
    what: What,
}

enum What {
    Chunk(LogChunk),
    /// An error, if it broke off.
    End(Option<String>),
}

/// All that is followed.
struct Followed<'a> {
    docker: &'a Docker,
    streams: SelectAll<BoxStream<'static, Piece>>,
    /// The last attempt of each slot that was begun to be read.
    last: BTreeMap<u16, u32>,
    /// Logs that broke off, and when.
    broken: BTreeMap<InstanceId, Timestamp>,
}

/// Goes on until Ctrl-C, or until nothing more can come.
pub(super) async fn follow(
    (view, docker): (&View, &Docker),
    task: &TaskStatus,
    args: &Logs,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let mut followed = Followed {
        docker,
        streams: SelectAll::new(),
        last: BTreeMap::new(),
        broken: BTreeMap::new(),
    };
    let first = chosen(task, args);
    let slots = if args.slot.is_some() { 1 } else { usize::from(task.replicas) };
    printer.expect(first.keys().copied());
    if slots > 1 {
        printer.expect(0..task.replicas);
    }
    for instance in first.values() {
        followed.begin(instance, &query(args));
    }
    // Only what comes from now on follows.
    for instance in task.instances.iter().filter(|it| it.container_id.is_some()) {
        if let Some(last) = followed.last.get_mut(&instance.slot) {
            *last = instance.attempt.max(*last);
        }
    }
    if first.is_empty() {
        out::say(&super::none(task, args));
    }
    let mut task = Some(task.clone());
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    let mut ticks = tokio::time::interval(ASK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if followed.streams.is_empty() {
            match &task {
                _ if !view.is_live() => return Ok(Exit::Ok),
                None => {
                    out::say("the task was removed");
                    return Ok(Exit::Ok);
                }
                Some(task) if is_over(task) => return Ok(Exit::Ok),
                Some(_) => {}
            }
        }
        tokio::select! {
            _ = &mut stop => return Ok(Exit::Ok),
            Some(piece) = followed.streams.next(), if !followed.streams.is_empty() => {
                followed.take(piece, printer)?;
            }
            _ = ticks.tick(), if view.is_live() => {
                task = now(view, task).await?;
                if let Some(task) = &task {
                    followed.look(task, args, printer);
                }
            }
        }
    }
}

/// Whether no instance will follow by itself.
fn is_over(task: &TaskStatus) -> bool {
    matches!(task.phase, Phase::Completed | Phase::Failed) && task.is_settled()
}

/// How the task is now; as before, while the daemon does not answer: it may be restarting.
async fn now(view: &View, before: Option<TaskStatus>) -> anyhow::Result<Option<TaskStatus>> {
    let (Teller::Daemon(client), Some(before)) = (&view.teller, before) else { return Ok(None) };
    match client.tasks().await {
        Ok(tasks) => Ok(tasks.into_iter().find(|task| task.name == before.name)),
        Err(ClientError::NoDaemon(_) | ClientError::NoSocket(..) | ClientError::Http(_)) => {
            Ok(Some(before))
        }
        Err(error) => Err(error.into()),
    }
}

impl Followed<'_> {
    fn begin(&mut self, instance: &InstanceStatus, query: &LogQuery) {
        self.last.insert(instance.slot, instance.attempt);
        let Some(container) = &instance.container_id else { return };
        let (id, slot) = (instance.id, instance.slot);
        let piece = move |what| Piece { instance: id, slot, what };
        let chunks = self.docker.logs(container, query).map(move |item| {
            piece(match item {
                Ok(chunk) => What::Chunk(chunk),
                Err(error) => What::End(Some(error.to_string())),
            })
        });
        let end = stream::once(async move { piece(What::End(None)) });
        self.streams.push(chunks.chain(end).boxed());
    }

    fn take(&mut self, piece: Piece, printer: &mut Printer) -> anyhow::Result<()> {
        match piece.what {
            What::Chunk(chunk) => printer.chunk(piece.slot, &chunk)?,
            What::End(None) => printer.end(piece.slot)?,
            What::End(Some(error)) => {
                out::say(&format!("slot {}: {}", piece.slot, escape::line(&error)));
                self.broken.insert(piece.instance, Clock::begin().now().wall);
            }
        }
        Ok(())
    }

    /// Begins with what is new, and again with what broke off and still runs.
    fn look(&mut self, task: &TaskStatus, args: &Logs, printer: &mut Printer) {
        let meant = |it: &&InstanceStatus| args.slot.is_none_or(|slot| slot == it.slot);
        for instance in task.instances.iter().filter(meant) {
            let from_start =
                LogQuery { follow: true, timestamps: args.timestamps, ..LogQuery::default() };
            let last = self.last.get(&instance.slot).copied();
            if last.is_none_or(|last| instance.attempt > last) {
                if instance.container_id.is_none() {
                    continue;
                }
                printer.expect([instance.slot]);
                if let Some(last) = last {
                    let (name, slot) = (short(&task.name), instance.slot);
                    out::say(&format!("{name} {slot}.{} follows {slot}.{last}", instance.attempt));
                }
                self.begin(instance, &from_start);
            } else if !instance.state.is_end()
                && let Some(at) = self.broken.remove(&instance.id)
            {
                self.begin(instance, &LogQuery { since: Some(at), ..from_start });
            }
        }
    }
}
