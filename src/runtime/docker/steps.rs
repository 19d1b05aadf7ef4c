//! The steps on a container that exists: one call each, and what came of it.
//!
//! What is so already counts as done. Nothing is tried twice.

use std::time::Duration;

use bollard::Docker as Engine;
use bollard::models::NetworkConnectRequest;
use bollard::query_parameters::{
    RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder, StopContainerOptionsBuilder,
};
use tokio::time::Instant;

use super::ask::within;
use super::body::{endpoint, update_body};
use super::classify::Failure;
use super::connect::Address;
use super::create::holder;
use super::observe::inspect;
use crate::domain::container::{NetworkAttachment, label};
use crate::domain::instance::ContainerId;
use crate::domain::outcome::{Cause, Outcome, Rejection, Retry};
use crate::domain::template::Resources;
use crate::runtime::Unreachable;

const START_DEADLINE: Duration = Duration::from_secs(90);
/// What a stop may take beyond the grace.
const STOP_MARGIN: Duration = Duration::from_secs(30);
const REMOVE_DEADLINE: Duration = Duration::from_secs(60);
/// For what only changes the engine's own books, or a cgroup.
const SHORT_DEADLINE: Duration = Duration::from_secs(30);
/// How long a removal that someone else began may take, and how soon we look; ever more seldom then.
const REMOVAL_DEADLINE: Duration = Duration::from_secs(30);
const REMOVAL_POLL: Duration = Duration::from_millis(50);

fn done_or_failed(result: Result<(), Failure>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done(()),
        Err(failure) => failure.outcome(),
    }
}

pub(super) async fn start(engine: &Engine, id: &ContainerId) -> Outcome {
    let call = engine.start_container(id.as_str(), None);
    done_or_failed(within(START_DEADLINE, "start", call).await)
}

pub(super) async fn stop(engine: &Engine, id: &ContainerId, grace: Duration) -> Outcome {
    // The engine counts whole seconds; less than asked for would be no grace.
    let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
    let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
    let options = StopContainerOptionsBuilder::new().t(seconds).build();
    let call = engine.stop_container(id.as_str(), Some(options));
    match within(grace.saturating_add(STOP_MARGIN), "stop", call).await {
        Err(failure) if failure.is_no_container() => Outcome::Done(()),
        result => done_or_failed(result),
    }
}

pub(super) async fn remove(address: &Address, engine: &Engine, id: &ContainerId) -> Outcome {
    let options = RemoveContainerOptionsBuilder::new().v(false).force(false).build();
    let call = engine.remove_container(id.as_str(), Some(options));
    match within(REMOVE_DEADLINE, "removal", call).await {
        Err(failure) if failure.is_no_container() => Outcome::Done(()),
        Err(failure) if failure.says(409, "already in progress") => {
            await_removal(address, id, failure).await
        }
        result => done_or_failed(result),
    }
}

/// Someone else is removing it: waits until it is gone, but not for ever.
async fn await_removal(address: &Address, id: &ContainerId, failure: Failure) -> Outcome {
    let deadline = Instant::now() + REMOVAL_DEADLINE;
    let mut wait = REMOVAL_POLL;
    loop {
        match inspect(address, id).await {
            Ok(None) => return Outcome::Done(()),
            Ok(Some(_)) if Instant::now() >= deadline => return failure.outcome(),
            Ok(Some(_)) => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            Err(unreachable) => return Outcome::Unknown(unreachable.0),
        }
    }
}

pub(super) async fn unpause(engine: &Engine, id: &ContainerId) -> Outcome {
    let call = engine.unpause_container(id.as_str());
    match within(SHORT_DEADLINE, "unpause", call).await {
        Err(Failure::Refused { message, .. })
            if message.contains("is not paused") || message.contains("is not running") =>
        {
            Outcome::Done(())
        }
        result => done_or_failed(result),
    }
}

pub(super) async fn rename(
    address: &Address,
    engine: &Engine,
    id: &ContainerId,
    name: &str,
) -> Outcome {
    let options = RenameContainerOptionsBuilder::new().name(name).build();
    let call = engine.rename_container(id.as_str(), options);
    match within(SHORT_DEADLINE, "rename", call).await {
        Err(Failure::Refused { message, .. })
            if message.contains("same name as its current name") =>
        {
            Outcome::Done(())
        }
        Err(Failure::Refused { status: 409, message }) => match holder(&message) {
            Some(other) if other == *id => Outcome::Done(()),
            Some(other) => name_taken(address, id, &other, message).await,
            None => Failure::Refused { status: 409, message }.outcome(),
        },
        result => done_or_failed(result),
    }
}

/// Whether the other container that has the name is of the same worker.
async fn name_taken(
    address: &Address,
    id: &ContainerId,
    other: &ContainerId,
    message: String,
) -> Outcome {
    let cause = match (worker_of(address, id).await, worker_of(address, other).await) {
        (Err(unreachable), _) | (_, Err(unreachable)) => return Outcome::Unknown(unreachable.0),
        (Ok(mine), Ok(theirs)) if mine.is_some() && mine == theirs => Cause::NameTaken,
        (Ok(_), Ok(_)) => Cause::NotOurs,
    };
    Outcome::Rejected(Rejection { cause, retry: Retry::Later, message })
}

async fn worker_of(address: &Address, id: &ContainerId) -> Result<Option<String>, Unreachable> {
    let container = inspect(address, id).await?;
    Ok(container.and_then(|mut container| container.labels.remove(label::WORKER)))
}

pub(super) async fn update(engine: &Engine, id: &ContainerId, resources: &Resources) -> Outcome {
    let call = engine.update_container(id.as_str(), update_body(resources));
    done_or_failed(within(SHORT_DEADLINE, "update", call).await)
}

pub(super) async fn connect(
    engine: &Engine,
    id: &ContainerId,
    network: &NetworkAttachment,
) -> Outcome {
    let request = NetworkConnectRequest {
        container: id.to_string(),
        endpoint_config: Some(endpoint(network)),
    };
    let call = engine.connect_network(&network.network, request);
    match within(SHORT_DEADLINE, "connection to a network", call).await {
        Err(failure) if failure.says(403, "already exists in network") => Outcome::Done(()),
        result => done_or_failed(result),
    }
}
