//! Networks of namespaces that have no task any more: removed, whoever left them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::engine::Finished;
use super::{Goal, Worker};
use crate::domain::container::network_name;
use crate::domain::name::Label;
use crate::domain::outcome::Outcome;
use crate::domain::time::Mono;
use crate::runtime::Runtime;

/// How long a network is left alone after its removal was refused: something of somebody else's is
/// on it. Doubled with each refusal, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// The engine did not remove a network.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    /// How often, one after the other.
    count: u32,
    /// It is not asked again before.
    not_before: Mono,
    /// What it said.
    message: String,
}

impl<R: Runtime> Worker<R> {
    /// Removes the network of a namespace that has no task any more.
    pub(super) fn remove_network(&mut self, namespace: &Label) {
        let network = network_name(&self.setting.maker.worker, namespace);
        let used = self.records.keys().any(|name| name.namespace == *namespace)
            || self.desired.tasks.keys().any(|name| name.namespace == *namespace);
        // What was let go goes on, and its network with it.
        let stays =
            |it: &Self| it.goal != Goal::Down && it.sightings.namespaces().contains(namespace);
        if !used && self.networks.contains(&network) && !stays(self) {
            self.begin_removal(network);
        }
    }

    /// Removes the networks of all namespaces that have no task: what a worker that died left.
    pub(super) fn remove_networks(&mut self) {
        let is_down = self.goal == Goal::Down;
        let may = self.desired.read_once && self.engine.source_changed.is_none();
        if !is_down && !may {
            return;
        }
        let worker = &self.setting.maker.worker;
        let names = self.records.keys().chain(self.desired.tasks.keys());
        let namespaces: BTreeSet<&Label> = names.map(|name| &name.namespace).collect();
        let names = |namespaces: BTreeSet<&Label>| -> BTreeSet<String> {
            namespaces.into_iter().map(|namespace| network_name(worker, namespace)).collect()
        };
        let used = names(namespaces);
        let mut unused: BTreeSet<String> = self.networks.difference(&used).cloned().collect();
        if !unused.is_empty() && !is_down {
            let there = names(self.sightings.namespaces());
            unused.retain(|network| !there.contains(network));
        }
        let now = self.clock.now().mono;
        let refused = &self.network_refusals;
        unused.retain(|name| refused.get(name).is_none_or(|it| it.not_before <= now));
        for network in unused {
            self.begin_removal(network);
        }
    }

    fn begin_removal(&mut self, network: String) {
        if self.leaving_networks.insert(network.clone()) {
            let (runtime, metrics) = (Arc::clone(&self.runtime), Arc::clone(&self.metrics));
            self.jobs.spawn(async move {
                let began = Instant::now();
                let outcome = runtime.remove_network(&network).await;
                let step = ("remove-network", "Cleanup");
                metrics.work.stepped(step, outcome.word(), began.elapsed());
                Finished::NetworkRemoved(network, outcome)
            });
        }
    }

    /// The removal of a network has ended.
    pub(super) fn on_network_removed(&mut self, name: &str, outcome: Outcome) {
        self.leaving_networks.remove(name);
        match outcome {
            Outcome::Done(()) => {
                self.networks.remove(name);
                self.resources_moved();
                self.network_refusals.remove(name);
            }
            Outcome::Rejected(rejection) => {
                let now = self.clock.now().mono;
                let refusal = self.network_refusals.entry(name.to_owned()).or_default();
                refusal.message.clone_from(&rejection.message);
                if refusal.count == 0 {
                    warn!(%name, %rejection, "network not removed; it is tried ever more seldom");
                }
                let wait = FIRST_WAIT * (1 << refusal.count.min(6));
                refusal.count = refusal.count.saturating_add(1);
                refusal.not_before = now + wait.min(LONGEST_WAIT);
            }
            // It is tried again after the next list.
            Outcome::Unknown(message) => warn!(%name, message, "network not removed"),
        }
    }
    /// The networks that are there and that the engine did not remove, with what it said.
    pub(super) fn refused_networks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.network_refusals.iter().filter_map(|(name, refusal)| {
            self.networks.contains(name).then_some((name.as_str(), refusal.message.as_str()))
        })
    }

    /// Whether of the networks that are there the engine has refused to remove each one.
    pub(super) fn only_refused_networks_stay(&self) -> bool {
        self.networks.iter().all(|name| self.network_refusals.contains_key(name))
    }
}
