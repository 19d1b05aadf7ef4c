//! What an engine is like, and what its containers have of the host: for who looks whether all is
//! well. Nothing is decided by it.

use std::net::IpAddr;

use serde_json::Value;

use super::ask::{get, get_list};
use super::connect::Address;
use super::observe::{labels, text, time};
use crate::domain::container::label;
use crate::domain::exclusive::FixedPort;
use crate::domain::template::Protocol;
use crate::domain::time::Timestamp;
use crate::runtime::Unreachable;

/// What an engine says of itself and of its host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Portrait {
    /// Its release, such as `20.10.24`.
    pub version: String,
    /// The version of its API that is spoken.
    pub api_version: String,
    /// The kind of its host: `linux`.
    pub os: String,
    /// How it stores images and containers.
    pub storage: String,
    /// Limits that its host can't set, each by the field of a manifest.
    pub lacks: Vec<&'static str>,
    /// Its isolation, such as `name=seccomp,profile=default`.
    pub security: Vec<String>,
    /// Containers survive its restart.
    pub live_restore: bool,
    /// What it warns of itself.
    pub warnings: Vec<String>,
    /// Where it keeps images, volumes and logs, on its host.
    pub data_root: Option<String>,
    /// Its clock, when it was asked.
    pub clock: Option<Timestamp>,
}

/// What a container has of the host's ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its name.
    pub container: String,
    /// The worker that it is of, by its label.
    pub worker: Option<String>,
    /// Where it is published.
    pub ports: Vec<FixedPort>,
}

/// What the engine is like.
pub(super) async fn portrait(address: &Address) -> Result<Portrait, Unreachable> {
    let missing = |path: &str| Unreachable(format!("GET {path}: the engine knows no such thing"));
    let version = get(address, "/version").await?.ok_or_else(|| missing("/version"))?;
    let info = get(address, "/info").await?.ok_or_else(|| missing("/info"))?;
    Ok(read(&info, &version))
}

fn read(info: &Value, version: &Value) -> Portrait {
    // What it says nothing of it need not lack.
    let lacks = |key: &str| info[key] == false;
    let limits = [
        ("MemoryLimit", "resources.limits.memory"),
        ("CpuCfsQuota", "resources.limits.cpu"),
        ("PidsLimit", "resources.limits.pids"),
    ];
    let texts =
        |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<String>>();
    Portrait {
        version: text(&version["Version"]),
        api_version: text(&version["ApiVersion"]),
        os: text(&info["OSType"]),
        storage: text(&info["Driver"]),
        lacks: limits.into_iter().filter(|(key, _)| lacks(key)).map(|(_, field)| field).collect(),
        security: texts(&info["SecurityOptions"]),
        live_restore: info["LiveRestoreEnabled"] == true,
        warnings: texts(&info["Warnings"]),
        data_root: info["DockerRootDir"].as_str().map(str::to_owned),
        clock: time(&info["SystemTime"]),
    }
}

/// What all containers that run have of the host's ports, strangers' too.
pub(super) async fn published(address: &Address) -> Result<Vec<Published>, Unreachable> {
    let items = get_list(address, "/containers/json").await?;
    Ok(items.iter().map(publishes).filter(|it| !it.ports.is_empty()).collect())
}

fn publishes(item: &Value) -> Published {
    let name = item["Names"].as_array().and_then(|names| names.first()).map(text);
    let ports = item["Ports"].as_array().into_iter().flatten();
    Published {
        container: name.unwrap_or_default().trim_start_matches('/').to_owned(),
        worker: labels(&item["Labels"]).remove(label::WORKER),
        ports: ports.filter_map(port).collect(),
    }
}

fn port(value: &Value) -> Option<FixedPort> {
    let number = value["PublicPort"].as_u64().and_then(|it| u16::try_from(it).ok())?;
    let protocol = match value["Type"].as_str()? {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return None,
    };
    let ip = value["IP"].as_str().and_then(|ip| ip.parse::<IpAddr>().ok());
    Some(FixedPort { number, protocol, ip: ip.map(|ip| ip.to_canonical()) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_engine_is_read_whatever_it_does_not_say() {
        let info = json!({
            "OSType": "linux", "Driver": "overlay2", "MemoryLimit": true, "PidsLimit": false,
            "SecurityOptions": ["name=rootless"], "LiveRestoreEnabled": true, "Warnings": null,
            "DockerRootDir": "/data", "SystemTime": "2026-01-31T09:30:00.5Z",
        });
        let version = json!({ "Version": "29.1", "ApiVersion": "1.52" });
        let found = read(&info, &version);
        assert_eq!(found.lacks, ["resources.limits.pids"]);
        assert_eq!(found.clock.unwrap().to_string(), "2026-01-31T09:30:00.500Z");
        assert!(found.live_restore && found.warnings.is_empty());
        assert_eq!(read(&json!({}), &json!({})), Portrait::default());
    }

    #[test]
    fn what_a_container_publishes_is_read() {
        let found = publishes(&json!({
            "Names": ["/web"], "Labels": { "evenkeel.worker": "w" },
            "Ports": [
                { "IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp" },
                { "IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp" },
                { "PrivatePort": 81, "Type": "tcp" },
            ],
        }));
        assert_eq!((&*found.container, found.worker.as_deref()), ("web", Some("w")));
        let shown: Vec<String> = found.ports.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["0.0.0.0:8080/tcp", "[::]:8080/tcp"]);
    }
}
