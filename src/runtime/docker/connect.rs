//! Where the engine is, and where registry logins are.
//!
//! Nothing here speaks to the engine: it may come up later.

use std::path::PathBuf;
use std::sync::Arc;

use crate::metrics::EngineMetrics;

/// Where Docker listens unless it is told otherwise.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// How to reach the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    /// `unix:///path`, a plain absolute path, or `tcp://host:port`; `None`:
    /// `/var/run/docker.sock`.
    pub host: Option<String>,
    /// The directory of Docker's `config.json`, with the registry logins; `None`: none are used.
    pub docker_config: Option<PathBuf>,
}

impl ConnectOptions {
    /// The directory of registry logins as Docker's own command line finds it: `DOCKER_CONFIG`,
    /// else `~/.docker`.
    #[must_use]
    pub fn docker_config_from_env() -> Option<PathBuf> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        set("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".docker")))
    }
}

/// Why an engine can't be reached as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The address is of a kind that is not spoken.
    #[error(
        "{0:?} is no address of a Docker Engine: write unix:///path/to/socket, an absolute path, or tcp://host:port"
    )]
    BadAddress(String),
    /// The client could not be set up.
    #[error("the client for {address} could not be set up: {message}")]
    Client {
        /// Where the engine is.
        address: String,
        /// What was wrong.
        message: String,
    },
}

/// The engine, as every request to it finds it.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// Where it listens.
    pub(super) way: Way,
    /// Where requests are counted.
    pub(super) metrics: Arc<EngineMetrics>,
}

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// A socket on this host.
    Unix(PathBuf),
    /// `host:port`, without TLS.
    Tcp(String),
}

impl Way {
    /// Reads what `--docker-host` and `DOCKER_HOST` say.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, ConnectError> {
        let text = text.unwrap_or(DEFAULT_SOCKET);
        let bad = || ConnectError::BadAddress(text.to_owned());
        if let Some(host) = text.strip_prefix("tcp://").or_else(|| text.strip_prefix("http://")) {
            let host = host.trim_end_matches('/');
            let (name, port) = host.rsplit_once(':').ok_or_else(bad)?;
            let plain = !name.is_empty() && !name.contains(['/', '@', '?', '#']);
            return match port.parse::<u16>() {
                Ok(_) if plain => Ok(Self::Tcp(host.to_owned())),
                Ok(_) | Err(_) => Err(bad()),
            };
        }
        let path = text.strip_prefix("unix://").unwrap_or(text);
        if path.starts_with('/') { Ok(Self::Unix(path.into())) } else { Err(bad()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_socket_or_a_host_with_its_port() {
        let unix = |path: &str| Ok(Way::Unix(path.into()));
        assert_eq!(Way::parse(None), unix("/var/run/docker.sock"));
        assert_eq!(Way::parse(Some("unix:///run/d.sock")), unix("/run/d.sock"));
        assert_eq!(Way::parse(Some("/run/d.sock")), unix("/run/d.sock"));
        assert_eq!(Way::parse(Some("tcp://h:2375")), Ok(Way::Tcp("h:2375".into())));
        for bad in ["", "d.sock", "unix://d.sock", "tcp://h", "tcp://:1", "tcp://h:x", "ssh://h"] {
            assert_eq!(Way::parse(Some(bad)), Err(ConnectError::BadAddress(bad.into())));
        }
    }
}
