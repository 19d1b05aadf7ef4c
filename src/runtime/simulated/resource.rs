//! The engine's rules for networks, volumes and images.

use std::collections::BTreeMap;

use super::world::{Network, World, later};
use crate::domain::container::label;
use crate::domain::name::WorkerName;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::subnet::{Subnet, free_subnet};
use crate::domain::template::{ImageRef, PullPolicy};
use crate::runtime::{EngineEvent, Resource};

impl World {
    pub(super) fn make_network(
        &mut self,
        name: &str,
        labels: &BTreeMap<String, String>,
        pool: Subnet,
    ) -> Outcome {
        if let Some(network) = self.networks.get(name) {
            return judge(name, labels, &network.labels);
        }
        let taken: Vec<Subnet> =
            self.networks.values().filter_map(|network| network.subnet).collect();
        let Some(subnet) = free_subnet(pool, &taken) else {
            return later(Cause::Other, format!("no part of the network pool {pool} is free"));
        };
        let network = Network { labels: labels.clone(), subnet: Some(subnet) };
        self.networks.insert(name.to_owned(), network);
        Outcome::Done(())
    }

    pub(super) fn remove_network(&mut self, name: &str) -> Outcome {
        let mut alive = self.containers.values().filter(|body| body.process.is_alive());
        if alive.any(|body| body.details.networks.contains_key(name)) {
            return later(Cause::Busy, format!("network {name} has active endpoints"));
        }
        if self.networks.remove(name).is_some() {
            self.tell_where(|_| true, &EngineEvent::Resource);
        }
        Outcome::Done(())
    }

    pub(super) fn make_volume(&mut self, name: &str, labels: &BTreeMap<String, String>) -> Outcome {
        if let Some(has) = self.volumes.get(name) {
            return judge(name, labels, has);
        }
        self.volumes.insert(name.to_owned(), labels.clone());
        Outcome::Done(())
    }

    pub(super) fn resources(&self, worker: &WorkerName) -> Resource {
        let ours = |labels: &BTreeMap<String, String>| {
            labels.get(label::WORKER).map(String::as_str) == Some(worker.as_str())
        };
        let networks = self.networks.iter().filter(|(_, network)| ours(&network.labels));
        let volumes = self.volumes.iter().filter(|(_, labels)| ours(labels));
        Resource {
            networks: networks.map(|(name, _)| name.clone()).collect(),
            volumes: volumes.map(|(name, _)| name.clone()).collect(),
        }
    }

    pub(super) fn pull(&mut self, image: &ImageRef, policy: PullPolicy) -> Outcome<String> {
        let name = image.as_str();
        if let Some(id) = self.images.get(name).filter(|_| policy != PullPolicy::Always) {
            return Outcome::Done(id.clone());
        }
        if policy == PullPolicy::Never {
            return later(Cause::ImageMissing, format!("the engine has no image {name}"));
        }
        let Some(published) = self.registry.get_mut(name) else {
            return later(Cause::ImageMissing, format!("manifest for {name} not found"));
        };
        if let Some(failure) = published.failures.pop_front() {
            return Outcome::Rejected(failure);
        }
        let id = published.id.clone();
        self.images.insert(name.to_owned(), id.clone());
        Outcome::Done(id)
    }
}

fn judge(name: &str, wanted: &BTreeMap<String, String>, has: &BTreeMap<String, String>) -> Outcome {
    let worker = wanted.get(label::WORKER);
    if worker.is_some() && has.get(label::WORKER) == worker {
        return Outcome::Done(());
    }
    later(Cause::NotOurs, format!("{name} was made by someone else"))
}
