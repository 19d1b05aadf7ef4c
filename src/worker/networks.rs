//! Networks of namespaces that have no task any more: removed, whoever left them.

use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::warn;

use super::engine::Finished;
use super::{Goal, Worker};
use crate::domain::container::network_name;
use crate::domain::name::Label;
use crate::domain::outcome::Outcome;
use crate::runtime::Runtime;

impl<R: Runtime> Worker<R> {
    /// Removes the network of a namespace that has no task any more.
    pub(super) fn remove_network(&mut self, namespace: &Label) {
        let network = network_name(&self.setting.maker.worker, namespace);
        let used = self.records.keys().any(|name| name.namespace == *namespace)
            || self.desired.tasks.keys().any(|name| name.namespace == *namespace);
        if !used && self.networks.contains(&network) {
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
        let used: BTreeSet<String> =
            namespaces.into_iter().map(|namespace| network_name(worker, namespace)).collect();
        for network in self.networks.difference(&used).cloned().collect::<Vec<_>>() {
            self.begin_removal(network);
        }
    }

    fn begin_removal(&mut self, network: String) {
        if self.leaving_networks.insert(network.clone()) {
            let runtime = Arc::clone(&self.runtime);
            self.jobs.spawn(async move {
                let outcome = runtime.remove_network(&network).await;
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
            }
            Outcome::Rejected(rejection) => {
                warn!(%name, %rejection, "network not removed");
                if self.goal == Goal::Down {
                    // Something that stays is on it: so does the network.
                    self.networks.remove(name);
                }
            }
            // It is tried again after the next list.
            Outcome::Unknown(message) => warn!(%name, message, "network not removed"),
        }
    }
}
