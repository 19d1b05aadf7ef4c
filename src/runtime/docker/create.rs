//! Making a container, and whose it is if there is one of that name.
//!
//! The engine keeps names unique, so a create that was sent twice makes one container.

use std::time::Duration;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::CreateContainerOptionsBuilder;
use tokio::time::Instant;

use super::ask::within;
use super::body::{create_body, dropped};
use super::classify::Failure;
use super::connect::Address;
use super::observe::{inspect, inspect_raw};
use crate::domain::container::{Container, ContainerSpec, label};
use crate::domain::instance::ContainerId;
use crate::domain::outcome::{Cause, Outcome, Rejection, Retry};
use crate::runtime::Unreachable;

/// How long the engine may take.
const CREATE_DEADLINE: Duration = Duration::from_secs(60);
/// How long the holder of a name may be in the making, and how often we look.
const HOLDER_DEADLINE: Duration = Duration::from_secs(5);
const HOLDER_POLL: Duration = Duration::from_millis(20);

/// Makes a container; one of that name with the same instance on its labels is it.
pub(super) async fn create(
    address: &Address,
    engine: &bollard::Docker,
    spec: &ContainerSpec,
) -> Outcome<ContainerId> {
    let body = match create_body(spec) {
        Ok(body) => body,
        Err(message) => {
            let (cause, retry) = (Cause::Invalid, Retry::Never);
            return Outcome::Rejected(Rejection { cause, retry, message });
        }
    };
    let options = CreateContainerOptionsBuilder::new().name(&spec.name).build();
    let call = engine.create_container(Some(options), body.clone());
    match within(CREATE_DEADLINE, "create", call).await {
        Ok(made) => match ContainerId::parse(&made.id) {
            Some(id) => {
                for warning in &made.warnings {
                    tracing::warn!(container = %spec.name, "the engine warns: {}", clean(warning));
                }
                warn_of_dropped(address, &id, &body, spec).await;
                Outcome::Done(id)
            }
            None => {
                Outcome::Unknown(format!("the engine made a container of the id {:?}", made.id))
            }
        },
        Err(Failure::Refused { status: 409, message }) => match holder(&message) {
            Some(id) => judge_holder(address, spec, id, message).await,
            None => Failure::Refused { status: 409, message }.outcome(),
        },
        Err(failure) => failure.outcome(),
    }
}

/// What a name conflict means, by the labels of who holds the name.
async fn judge_holder(
    address: &Address,
    spec: &ContainerSpec,
    id: ContainerId,
    message: String,
) -> Outcome<ContainerId> {
    let rejected = |cause| Outcome::Rejected(Rejection { cause, retry: Retry::Later, message });
    match await_holder(address, &id).await {
        Err(unreachable) => Outcome::Unknown(unreachable.0),
        // It went meanwhile, or is one of the engine's ghosts.
        Ok(None) => rejected(Cause::NameTaken),
        Ok(Some(container)) => {
            let same = |key| {
                let wanted = spec.labels.get(key);
                wanted.is_some() && container.labels.get(key) == wanted
            };
            if same(label::WORKER) && same(label::INSTANCE) {
                Outcome::Done(id)
            } else if same(label::WORKER) {
                rejected(Cause::NameTaken)
            } else {
                rejected(Cause::NotOurs)
            }
        }
    }
}

/// A name is taken some time before its container can be inspected: one that is not there may be
/// being made, by a call of ours that nobody waits for any more.
async fn await_holder(
    address: &Address,
    id: &ContainerId,
) -> Result<Option<Container>, Unreachable> {
    let deadline = Instant::now() + HOLDER_DEADLINE;
    loop {
        let container = inspect(address, id).await?;
        if container.is_some() || Instant::now() >= deadline {
            return Ok(container);
        }
        tokio::time::sleep(HOLDER_POLL).await;
    }
}

/// The id of the container that a conflict's message names: 64 digits between quotes.
pub(super) fn holder(message: &str) -> Option<ContainerId> {
    message.split(['"', ' ', '.']).find_map(ContainerId::parse)
}

/// Compares what was made with what was asked for. Only a warning: the container is made.
async fn warn_of_dropped(
    address: &Address,
    id: &ContainerId,
    body: &ContainerCreateBody,
    spec: &ContainerSpec,
) {
    if let Ok(Some(inspected)) = inspect_raw(address, id).await {
        let fields = dropped(body, &inspected);
        if !fields.is_empty() {
            let fields = fields.join(", ");
            tracing::warn!(container = %spec.name, "the engine ignored {fields}: too old, perhaps");
        }
    }
}

/// Text of the engine's without what would move a terminal's cursor.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_name_is_in_the_message() {
        let id = "0a".repeat(32);
        let message = format!(
            r#"Conflict. The container name "/x" is already in use by container "{id}". You have to remove (or rename) that container to be able to reuse that name."#
        );
        assert_eq!(holder(&message).unwrap().as_str(), id);
        assert_eq!(holder(&message.replace('"', "")).unwrap().as_str(), id);
        assert_eq!(holder("Conflict. in use by container 0a0a0a."), None);
    }
}
