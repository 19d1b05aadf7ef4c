//! Docker Engine.
//!
//! What the engine is told to do goes through bollard, the only place that does; what it tells is
//! read as plain JSON, because bollard refuses a whole answer for one word that it does not know.
//! Nothing here chooses, and no step is tried twice. The worker calls it, as a [`Runtime`].

mod ask;
mod attach;
mod body;
mod classify;
mod connect;
mod count;
mod create;
mod events;
mod exec;
mod login;
mod logs;
mod network;
mod observe;
mod portrait;
mod pull;
mod sees;
mod steps;
mod transport;
mod usage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::API_DEFAULT_VERSION;
use futures_util::stream::BoxStream;
use tokio::sync::{Mutex, watch};

pub use attach::{Input, Output, Program, Session, SessionError, SessionSpec, TerminalSize};
pub use connect::{ConnectError, ConnectOptions};
pub use portrait::{Portrait, Published};

use self::connect::{Address, Way};
use self::login::Logins;
use super::{EngineEvent, EngineInfo, Exec, LogChunk, LogQuery, Resource, Runtime, Unreachable};
use crate::domain::container::{Container, ContainerSpec, NetworkAttachment};
use crate::domain::instance::ContainerId;
use crate::domain::name::WorkerName;
use crate::domain::outcome::Outcome;
use crate::domain::pull::PullProgress;
use crate::domain::subnet::Subnet;
use crate::domain::template::{ImageRef, PullPolicy, Resources};
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;
use crate::metrics::EngineMetrics;

/// bollard's own deadline covers headers only, for all calls alike. Ours are shorter or, for a
/// stop with a long grace, longer; so its is out of the way.
const BOLLARD_DEADLINE_SECONDS: u64 = 366 * 24 * 60 * 60;

/// A Docker Engine, whether it is up or not.
#[derive(Debug)]
pub struct Docker {
    address: Address,
    engine: bollard::Docker,
    logins: Logins,
    /// Held while a network is made: two at once would find the same subnet free.
    networks: Mutex<()>,
}

impl Docker {
    /// Prepares to speak to the engine. It is not spoken to yet, and may come up later.
    ///
    /// The version of the API is the engine's own: requests name none.
    ///
    /// # Errors
    /// If the address is none.
    pub fn connect(options: ConnectOptions) -> Result<Self, ConnectError> {
        Self::counted(options, Arc::default())
    }

    /// The same, with what is asked of the engine counted there.
    ///
    /// # Errors
    /// If the address is none.
    pub fn counted(
        options: ConnectOptions,
        metrics: Arc<EngineMetrics>,
    ) -> Result<Self, ConnectError> {
        let address = Address { way: Way::parse(options.host.as_deref())?, metrics };
        let to = address.clone();
        let engine = bollard::Docker::connect_with_custom_transport(
            move |request| transport::send(to.clone(), request),
            Some("http://docker"),
            BOLLARD_DEADLINE_SECONDS,
            API_DEFAULT_VERSION,
        )
        .map_err(|error| ConnectError::Client {
            address: options.host.clone().unwrap_or_default(),
            message: error.to_string(),
        })?;
        Ok(Self {
            address,
            engine,
            logins: Logins::new(options.docker_config),
            networks: Mutex::new(()),
        })
    }

    /// Runs a program in a container, beside its process, and joins somebody to it.
    ///
    /// # Errors
    /// If it is not begun: the container does not run, is paused, or the engine can't be asked. A
    /// program that is not there is begun, says so, and ends with 126 or 127.
    pub async fn join(
        &self,
        container: &ContainerId,
        spec: SessionSpec,
    ) -> Result<Session, SessionError> {
        attach::begin(&self.address, &self.engine, container, spec).await
    }

    /// Whether it shares this host, as far as its address tells.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self.address.way, Way::Unix(_))
    }

    /// What it is like.
    ///
    /// # Errors
    /// If it can't be asked.
    pub async fn portrait(&self) -> Result<Portrait, Unreachable> {
        portrait::portrait(&self.address).await
    }

    /// What all containers that run have of its host's ports, strangers' too.
    ///
    /// # Errors
    /// If it can't be asked.
    pub async fn published(&self) -> Result<Vec<Published>, Unreachable> {
        portrait::published(&self.address).await
    }
}

impl Runtime for Docker {
    async fn info(&self) -> Result<EngineInfo, Unreachable> {
        observe::info(&self.address).await
    }

    async fn started_at(&self) -> Result<Option<Timestamp>, Unreachable> {
        observe::started_at(&self.address).await
    }

    async fn sees(&self, path: &str) -> Result<Option<bool>, Unreachable> {
        sees::sees(&self.address, path).await
    }

    async fn list(&self, worker: &WorkerName) -> Result<Vec<Container>, Unreachable> {
        observe::list(&self.address, worker).await
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Option<Container>, Unreachable> {
        observe::inspect(&self.address, id).await
    }

    async fn usage(&self, id: &ContainerId) -> Result<Option<Usage>, Unreachable> {
        usage::usage(&self.address, id).await
    }

    async fn list_resources(&self, worker: &WorkerName) -> Result<Resource, Unreachable> {
        observe::list_resources(&self.address, worker).await
    }

    fn events(&self, worker: &WorkerName) -> BoxStream<'static, EngineEvent> {
        events::events(self.address.clone(), worker)
    }

    async fn pull(
        &self,
        image: &ImageRef,
        policy: PullPolicy,
        progress: &watch::Sender<PullProgress>,
    ) -> Outcome<String> {
        let from = (&self.engine, &self.logins);
        pull::pull(&self.address, from, (image, policy), progress).await
    }

    async fn make_network(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
        pool: Subnet,
    ) -> Outcome {
        let _alone = self.networks.lock().await;
        network::make_network(&self.address, name, labels, pool).await
    }

    async fn remove_network(&self, name: &str) -> Outcome {
        network::remove_network(&self.engine, name).await
    }

    async fn make_volume(&self, name: &str, labels: &BTreeMap<String, String>) -> Outcome {
        network::make_volume(&self.address, &self.engine, name, labels).await
    }

    async fn create(&self, spec: &ContainerSpec) -> Outcome<ContainerId> {
        create::create(&self.address, &self.engine, spec).await
    }

    async fn start(&self, id: &ContainerId) -> Outcome {
        steps::start(&self.engine, id).await
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Outcome {
        steps::stop(&self.engine, id, grace).await
    }

    async fn remove(&self, id: &ContainerId) -> Outcome {
        steps::remove(&self.address, &self.engine, id).await
    }

    async fn unpause(&self, id: &ContainerId) -> Outcome {
        steps::unpause(&self.engine, id).await
    }

    async fn rename(&self, id: &ContainerId, name: &str) -> Outcome {
        steps::rename(&self.address, &self.engine, id, name).await
    }

    async fn update(&self, id: &ContainerId, resources: &Resources) -> Outcome {
        steps::update(&self.engine, id, resources).await
    }

    async fn connect(&self, id: &ContainerId, network: &NetworkAttachment) -> Outcome {
        steps::connect(&self.engine, id, network).await
    }

    async fn exec(
        &self,
        id: &ContainerId,
        command: &[String],
        limit: Duration,
    ) -> Result<Exec, Unreachable> {
        exec::exec(&self.address, id, command, limit).await
    }

    async fn exec_runs(&self, exec: &str) -> Result<bool, Unreachable> {
        exec::is_running(&self.address, exec).await
    }

    fn logs(
        &self,
        id: &ContainerId,
        query: &LogQuery,
    ) -> BoxStream<'static, Result<LogChunk, Unreachable>> {
        logs::logs(self.address.clone(), id.clone(), query.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_engine_behind_a_socket_shares_this_host() {
        for (host, is_local) in [
            (None, true),
            (Some("unix:///run/docker.sock"), true),
            (Some("/run/docker.sock"), true),
            (Some("tcp://other:2375"), false),
            (Some("http://other:2375"), false),
        ] {
            let options = ConnectOptions { host: host.map(str::to_owned), docker_config: None };
            assert_eq!(Docker::connect(options).unwrap().is_local(), is_local, "{host:?}");
        }
    }
}
