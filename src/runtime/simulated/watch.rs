//! The engine's streams: events and logs.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::Simulated;
use super::fault::Operation;
use super::world::World;
use crate::domain::instance::ContainerId;
use crate::domain::name::WorkerName;
use crate::domain::time::Timestamp;
use crate::runtime::inbox::Inbox;
use crate::runtime::{EngineEvent, LogChunk, LogQuery, Unreachable};

pub(super) fn events(engine: Simulated, worker: &WorkerName) -> BoxStream<'static, EngineEvent> {
    let inbox = Arc::new(Inbox::default());
    engine.change(|world, _| world.subscribe(worker.clone(), &inbox));
    stream::unfold((engine, inbox), |(engine, inbox)| async move {
        let event = engine.wait_for(|_| inbox.try_take()).await;
        Some((event, (engine, inbox)))
    })
    .boxed()
}

pub(super) fn logs(
    engine: Simulated,
    id: ContainerId,
    query: LogQuery,
) -> BoxStream<'static, Result<LogChunk, Unreachable>> {
    let opened = async move {
        if let Err(unreachable) = engine.admit(Operation::Logs).await {
            return stream::iter([Err(unreachable)]).boxed();
        }
        let Some(total) = engine.look(|world, _| Some(world.containers.get(&id)?.log.len())) else {
            let error = Unreachable(format!("no such container: {id}"));
            return stream::iter([Err(error)]).boxed();
        };
        let past = engine.look(|world, _| read(world, &id, &query, 0));
        let past = stream::iter(past.into_iter().map(Ok));
        if !query.follow {
            return past.boxed();
        }
        // Of what is written from now on, no tail is cut.
        let query = LogQuery { tail: None, ..query };
        past.chain(follow(engine, id, query, total)).boxed()
    };
    stream::once(opened).flatten().boxed()
}

fn follow(
    engine: Simulated,
    id: ContainerId,
    query: LogQuery,
    from: usize,
) -> BoxStream<'static, Result<LogChunk, Unreachable>> {
    stream::unfold((engine, id, query, from), |(engine, id, query, from)| async move {
        let more = engine
            .wait_for(|world| {
                let Some(body) = world.containers.get(&id) else { return Some(None) };
                let (written, alive) = (body.log.len(), body.process.is_alive());
                if written > from {
                    return Some(Some((written, read(world, &id, &query, from))));
                }
                (!alive).then_some(None)
            })
            .await;
        let (written, chunks) = more?;
        let chunks = stream::iter(chunks.into_iter().map(Ok));
        Some((chunks, (engine, id, query, written)))
    })
    .flatten()
    .boxed()
}

/// What was written from the piece of that number on, as the query wants it.
fn read(world: &World, id: &ContainerId, query: &LogQuery, from: usize) -> Vec<LogChunk> {
    let Some(body) = world.containers.get(id) else { return Vec::new() };
    let wanted = |at: Timestamp| query.since.is_none_or(|since| at >= since);
    let lines: Vec<LogChunk> = body
        .log
        .iter()
        .skip(from)
        .filter(|(at, _)| wanted(*at))
        .flat_map(|(at, chunk)| {
            chunk.bytes.split_inclusive(|byte| *byte == b'\n').map(move |line| {
                let stamp =
                    if query.timestamps { format!("{at} ").into_bytes() } else { Vec::new() };
                LogChunk { stderr: chunk.stderr, bytes: [&stamp, line].concat() }
            })
        })
        .collect();
    let tail = query.tail.and_then(|tail| usize::try_from(tail).ok()).unwrap_or(usize::MAX);
    let skipped = lines.len().saturating_sub(tail);
    lines.into_iter().skip(skipped).collect()
}
