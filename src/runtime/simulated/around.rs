//! What is around the engine, as a test wants it: images, their registry, the host, and what strangers
//! have put there.

use std::collections::BTreeMap;

use super::Simulated;
use super::world::{Network, Published};
use crate::domain::exclusive::FixedPort;
use crate::domain::outcome::Rejection;

/// Images, registry, host.
impl Simulated {
    /// Puts an image of that name into the engine, a new one each time, and tells its id.
    pub fn add_image(&self, name: &str) -> String {
        self.change(|world, _| {
            let id = format!("sha256:{}", world.new_id());
            world.images.insert(name.to_owned(), id.clone());
            id
        })
    }

    /// Takes an image out of the engine.
    pub fn remove_image(&self, name: &str) {
        self.change(|world, _| world.images.remove(name));
    }

    /// Puts an image of that name into the registry, a new one each time, and tells its id.
    pub fn publish_image(&self, name: &str) -> String {
        self.change(|world, _| {
            let id = format!("sha256:{}", world.new_id());
            world.registry.entry(name.to_owned()).or_default().id.clone_from(&id);
            id
        })
    }

    /// Makes the next pulls of that image fail so, one after the other.
    pub fn fail_pulls(&self, name: &str, failures: impl IntoIterator<Item = Rejection>) {
        self.change(|world, _| {
            let id = format!("sha256:{}", world.new_id());
            let published = Published { id, ..Published::default() };
            let published = world.registry.entry(name.to_owned()).or_insert(published);
            published.failures.extend(failures);
        });
    }

    /// Something that is no container listens at that port of the host, or no longer.
    pub fn occupy_port(&self, port: FixedPort, occupied: bool) {
        self.change(|world, _| {
            if occupied {
                world.strangers_ports.insert(port)
            } else {
                world.strangers_ports.remove(&port)
            }
        });
    }

    /// A path of the host is not there, or is again. All others are.
    pub fn miss_path(&self, path: &str, missing: bool) {
        self.change(|world, _| {
            if missing {
                world.missing_paths.insert(path.to_owned())
            } else {
                world.missing_paths.remove(path)
            }
        });
    }

    /// The engine is on another host, or no longer: nothing that is here is there.
    pub fn move_elsewhere(&self, elsewhere: bool) {
        self.change(|world, _| world.elsewhere = elsewhere);
    }

    /// The host's kernel can limit no memory: such limits are taken and dropped, without a word.
    pub fn lack_memory_limits(&self, lack: bool) {
        self.change(|world, _| world.lacks_memory_limits = lack);
    }

    /// Puts a network there, as someone else would.
    pub fn add_network(&self, name: &str, labels: &BTreeMap<String, String>) {
        let network = Network { labels: labels.clone(), subnet: None };
        self.change(|world, _| world.networks.insert(name.to_owned(), network));
    }

    /// Puts a volume there, as someone else would.
    pub fn add_volume(&self, name: &str, labels: &BTreeMap<String, String>) {
        self.change(|world, _| world.volumes.insert(name.to_owned(), labels.clone()));
    }
}
