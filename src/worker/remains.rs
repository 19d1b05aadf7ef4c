//! What stays of a worker after everything of it was to go.

use std::collections::{BTreeMap, BTreeSet};

use super::Worker;
use crate::domain::container::network_name;
use crate::runtime::Runtime;

/// What stays, besides volumes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains {
    /// Containers that their manifests let go, and the networks that those are on.
    pub let_go: BTreeSet<String>,
    /// Networks that the engine did not remove, each with what it said.
    pub refused: BTreeMap<String, String>,
}

impl<R: Runtime> Worker<R> {
    /// What stays, as far as the engine has told.
    pub(super) fn remains(&self) -> Remains {
        let worker = &self.setting.maker.worker;
        let last = |id| self.sightings.last(id).map(|container| container.name.clone());
        let mut let_go: BTreeSet<String> = self.let_go.iter().filter_map(last).collect();
        let namespaces = self.sightings.namespaces();
        let lived_in: BTreeSet<String> =
            namespaces.into_iter().map(|namespace| network_name(worker, namespace)).collect();
        let mut refused = BTreeMap::new();
        for (network, said) in self.refused_networks() {
            if lived_in.contains(network) {
                let_go.insert(network.to_owned());
            } else {
                refused.insert(network.to_owned(), said.to_owned());
            }
        }
        Remains { let_go, refused }
    }
}
