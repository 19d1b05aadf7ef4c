//! A status for each phase and each reason.
#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

mod phases;
mod reasons;

use std::collections::BTreeMap;

use super::{Condition, ConditionType, Phase, StatusInputs, TaskStatus, Truth, status};
use crate::domain::container::{Container, Identity};
use crate::domain::decide::tests::play::*;
use crate::domain::desired::{Presence, Validity};
use crate::domain::diagnostic::{Diagnostic, InvalidReason};
use crate::domain::instance::Seat;
use crate::domain::outcome::Cause;
use crate::domain::policy::Level;
use crate::domain::task::RestartPolicy::{Never, OnFailure};
use crate::domain::world::Engine;

/// What else a status is made from.
struct Around {
    validity: Validity,
    held: Option<&'static str>,
    source: Option<&'static str>,
    engine: Engine,
}

impl Default for Around {
    fn default() -> Self {
        Self { validity: Validity::Valid, held: None, source: None, engine: Engine::default() }
    }
}

fn with(play: &Play, around: &Around, previous: Option<&TaskStatus>) -> TaskStatus {
    let actor = play.actors.values().next().unwrap();
    let containers: BTreeMap<Seat, &Container> = play
        .engine
        .containers
        .values()
        .filter_map(|held| {
            let who = Identity::from_labels(&held.container.labels)?;
            (who.task == actor.record.head.name).then_some((who.seat, &held.container))
        })
        .collect();
    let inputs = StatusInputs {
        now: play.engine.time(),
        worker: &play.maker.worker,
        record: &actor.record,
        plan: &actor.plan,
        presence: actor.presence,
        going_down: false,
        validity: &around.validity,
        held: around.held,
        source_unavailable: around.source,
        containers,
        engine: &around.engine,
    };
    status(&inputs, previous)
}

fn of(play: &Play) -> TaskStatus {
    with(play, &Around::default(), None)
}

/// Phase, counts and conditions, a line each.
fn told(status: &TaskStatus) -> String {
    let conditions = status.conditions.iter().map(|it| {
        let Condition { type_, status, reason, message, .. } = it;
        format!("{type_}={status} {reason}: {message}\n")
    });
    let counts = format!(
        "{} {}/{} ready, {} updated, {} restarts\n",
        status.phase,
        status.ready_replicas,
        status.replicas,
        status.updated_replicas,
        status.restarts
    );
    counts + &conditions.collect::<String>()
}

fn exits(play: &mut Play, image: &str, after: u64, code: i64) {
    let ends = Behaviour::Exits { after: secs(after), code };
    play.engine.behaviours.insert(image.into(), ends);
}

fn reason(status: &TaskStatus, type_: ConditionType) -> (Truth, &str) {
    let condition = status.condition(type_).unwrap();
    (condition.status, &condition.reason)
}
