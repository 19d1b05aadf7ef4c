//! What is asked for from time to time, whatever happens: all containers; and with each turn one
//! thing more, so that a worker at rest asks for no more in one minute than in another.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::observe::LIST_EVERY;
use super::{Afresh, Worker, engine};
use crate::domain::instance::ContainerId;
use crate::domain::time::Mono;
use crate::runtime::{Resource, Runtime, Unreachable};

/// How often one thing is asked for in its turn: a container, which only an inspect tells all of.
/// With the list, and two questions at the end of a minute, no minute has more than ten.
const TURN_EVERY: Duration = Duration::from_secs(12);

/// How often it is the turn of networks and volumes. They have two, for they are two questions.
const RESOURCES_EVERY: Duration = Duration::from_secs(5 * 60);

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// When the next one is.
    pub at: Mono,
    /// The container that had the last one.
    last: Option<ContainerId>,
    /// From when on the next one is that of networks and volumes.
    resources_at: Mono,
}

impl<R: Runtime> Worker<R> {
    /// What is asked for from time to time.
    pub(super) fn observe_by_time(&mut self, now: Mono) {
        if now >= self.relisting.at && !self.relisting.under_way {
            self.relist(Afresh::Containers);
            self.ask_all();
        } else if now >= self.relisting.at {
            self.relisting.at = now + self.jittered(LIST_EVERY);
        }
        self.ask_again(now);
        if now >= self.turns.at {
            self.turns.at = now + self.jittered(TURN_EVERY);
            if self.engine.unavailable.is_none() {
                self.take_turn(now);
            }
        }
    }

    fn take_turn(&mut self, now: Mono) {
        if self.resources_known && now >= self.turns.resources_at {
            self.turns.at = self.turns.at + self.jittered(TURN_EVERY);
            self.turns.resources_at = now + self.jittered(RESOURCES_EVERY);
            let (runtime, worker) = (Arc::clone(&self.runtime), self.setting.maker.worker.clone());
            self.jobs.spawn(engine::resources(runtime, worker, now));
        } else if let Some(id) = self.sightings.turn(self.turns.last.as_ref()) {
            self.inspect(&id);
            self.turns.last = Some(id);
        }
    }

    pub(super) fn on_resources(&mut self, asked: Mono, answer: Result<Resource, Unreachable>) {
        match answer {
            Ok(resources) => {
                self.take_resources(resources, asked);
                self.remove_networks();
            }
            // What was known of them holds.
            Err(error) => {
                warn!(%error, "the engine does not say which networks and volumes are there");
            }
        }
    }

    /// What the engine says of networks and volumes.
    pub(super) fn take_resources(&mut self, resources: Resource, asked: Mono) {
        if self.resources_moved_at.is_some_and(|at| asked <= at) {
            self.turns.resources_at = asked;
            return;
        }
        // The label alone does not make a network ours.
        let prefix = format!("evenkeel.{}.", self.setting.maker.worker);
        let ours = resources.networks.into_iter().filter(|name| name.starts_with(&prefix));
        self.networks = ours.collect();
        self.volumes = resources.volumes.into_iter().collect();
        self.resources_known = true;
        self.turns.resources_at = self.clock.now().mono + self.jittered(RESOURCES_EVERY);
    }

    /// A network or a volume was made or removed.
    pub(super) fn resources_moved(&mut self) {
        self.resources_moved_at = Some(self.clock.now().mono);
    }
}
