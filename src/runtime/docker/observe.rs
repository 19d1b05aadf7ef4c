//! What containers there are, and what is known of one.
//!
//! Reads and nothing else. What is missing or strange in one container makes that container's
//! status strange and harms no other.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ask::{encode, get, get_list, unanswered};
use super::classify::essence;
use super::connect::Address;
use crate::domain::container::{Container, Details, Endpoint, HealthCheck, Status, label};
use crate::domain::exclusive::Written;
use crate::domain::instance::ContainerId;
use crate::domain::name::WorkerName;
use crate::domain::probe::told_exit;
use crate::domain::template::{Limits, Reserved};
use crate::domain::time::Timestamp;
use crate::runtime::{EngineInfo, Resource, Unreachable};

/// What the engine says of itself.
pub(super) async fn info(address: &Address) -> Result<EngineInfo, Unreachable> {
    let (info, version) = tokio::join!(get(address, "/info"), get(address, "/version"));
    let missing = |path: &str| unanswered(path, "the engine knows of no such thing");
    let info = info?.ok_or_else(|| missing("/info"))?;
    let version = version?.ok_or_else(|| missing("/version"))?;
    Ok(EngineInfo {
        // An engine may have the same id with another data directory, and has nothing of before then.
        id: format!("{} ({})", text(&info["ID"]), text(&info["DockerRootDir"])),
        version: text(&version["Version"]),
        api_version: text(&version["ApiVersion"]),
        data_root: info["DockerRootDir"].as_str().map(str::to_owned),
    })
}

/// When the engine started; `None`: it has no such network.
pub(super) async fn started_at(address: &Address) -> Result<Option<Timestamp>, Unreachable> {
    // The engine makes this network anew at every start, and says nowhere else when that was. It
    // does not where it left containers running: for those it is as if it had never ended.
    let bridge = get(address, "/networks/bridge").await?;
    Ok(bridge.as_ref().and_then(|bridge| time(&bridge["Created"])))
}

/// All containers with the worker's label.
pub(super) async fn list(
    address: &Address,
    worker: &WorkerName,
) -> Result<Vec<Container>, Unreachable> {
    let path = format!("/containers/json?all=true&filters={}", worker_filter(worker));
    let items = get_list(address, &path).await?;
    Ok(items
        .iter()
        .filter_map(|item| {
            let container = listed(item);
            if container.is_none() {
                // Without an id there is nothing that anyone could do about it.
                tracing::warn!(names = %item["Names"], "the engine lists a container without an id");
            }
            container
        })
        .collect())
}

/// One container, as the engine's JSON; `None` if there is none.
pub(super) async fn inspect_raw(
    address: &Address,
    id: &ContainerId,
) -> Result<Option<Value>, Unreachable> {
    get(address, &format!("/containers/{id}/json")).await
}

/// One container; `None` if there is none.
pub(super) async fn inspect(
    address: &Address,
    id: &ContainerId,
) -> Result<Option<Container>, Unreachable> {
    let Some(raw) = inspect_raw(address, id).await? else { return Ok(None) };
    let container = inspected(&raw);
    match container {
        Some(container) if container.id == *id => Ok(Some(container)),
        Some(_) | None => Err(Unreachable(format!("the answer on {id} is on something else"))),
    }
}

/// The names of the networks and volumes with the worker's label.
pub(super) async fn list_resources(
    address: &Address,
    worker: &WorkerName,
) -> Result<Resource, Unreachable> {
    let filter = worker_filter(worker);
    let networks = get_list(address, &format!("/networks?filters={filter}")).await?;
    let volumes = get(address, &format!("/volumes?filters={filter}"))
        .await?
        .ok_or_else(|| Unreachable("the engine knows no volumes".to_owned()))?;
    let names = |items: &[Value]| items.iter().map(|item| text(&item["Name"])).collect();
    Ok(Resource {
        networks: names(&networks),
        volumes: names(volumes["Volumes"].as_array().map_or(&[], Vec::as_slice)),
    })
}

fn worker_filter(worker: &WorkerName) -> String {
    encode(&json!({ "label": [format!("{}={worker}", label::WORKER)] }).to_string())
}

fn listed(item: &Value) -> Option<Container> {
    // A link gives a container further names, with more than one slash.
    let name = item["Names"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str()?.strip_prefix('/'))
        .find(|name| !name.contains('/'));
    Some(Container {
        id: ContainerId::parse(item["Id"].as_str()?)?,
        name: name.unwrap_or_default().to_owned(),
        labels: labels(&item["Labels"]),
        image_id: text(&item["ImageID"]),
        status: status(&item["State"]),
        writes: writes(&item["Mounts"]),
        details: None,
    })
}

fn inspected(raw: &Value) -> Option<Container> {
    let name = text(&raw["Name"]);
    Some(Container {
        id: ContainerId::parse(raw["Id"].as_str()?)?,
        name: name.strip_prefix('/').unwrap_or(&name).to_owned(),
        labels: labels(&raw["Config"]["Labels"]),
        image_id: text(&raw["Image"]),
        status: status(&raw["State"]["Status"]),
        writes: writes(&raw["Mounts"]),
        details: Some(details(raw)),
    })
}

fn details(raw: &Value) -> Details {
    let state = &raw["State"];
    let host = &raw["HostConfig"];
    let networks = raw["NetworkSettings"]["Networks"].as_object();
    Details {
        started_at: time(&state["StartedAt"]),
        finished_at: time(&state["FinishedAt"]),
        exit_code: state["ExitCode"].as_i64().unwrap_or(-1),
        oom_killed: state["OOMKilled"].as_bool().unwrap_or(false),
        error: essence(&text(&state["Error"])).to_owned(),
        limits: Limits {
            nano_cpus: limit(&host["NanoCpus"]),
            memory: limit(&host["Memory"]),
            pids: limit(&host["PidsLimit"]).and_then(|pids| u32::try_from(pids).ok()),
        },
        reserved: Reserved {
            cpu_shares: limit(&host["CpuShares"]),
            memory: limit(&host["MemoryReservation"]),
        },
        restarts: restarts(&host["RestartPolicy"]["Name"]),
        networks: networks.into_iter().flatten().map(endpoint).collect(),
        health: health(&state["Health"]),
        published: published(&raw["NetworkSettings"]["Ports"]),
    }
}

/// A network that a container is on.
fn endpoint((name, raw): (&String, &Value)) -> (String, Endpoint) {
    let address = raw["IPAddress"].as_str().and_then(|text| text.parse().ok());
    (name.clone(), Endpoint { address })
}

/// What the health check of an image says; its last words, if it does not say that all is well.
fn health(raw: &Value) -> Option<HealthCheck> {
    match raw["Status"].as_str()? {
        "starting" => Some(HealthCheck::Starting),
        "healthy" => Some(HealthCheck::Healthy),
        "unhealthy" => {
            let last = raw["Log"].as_array().and_then(|log| log.last());
            let code = last.and_then(|last| last["ExitCode"].as_i64()).unwrap_or(1);
            let output = last.map(|last| text(&last["Output"])).unwrap_or_default();
            Some(HealthCheck::Unhealthy(told_exit(code, output.as_bytes())))
        }
        // "none": it was switched off.
        _ => None,
    }
}

/// The engine writes "none" as `no`, and some as nothing.
fn restarts(policy: &Value) -> Option<String> {
    let policy = policy.as_str().filter(|policy| !matches!(*policy, "" | "no"));
    policy.map(str::to_owned)
}

/// The volumes and binds that can be written. The paths are those that we gave, with links resolved.
fn writes(mounts: &Value) -> BTreeMap<String, Written> {
    let mounts = mounts.as_array().into_iter().flatten().filter(|it| it["RW"] == true);
    let written = mounts.filter_map(|it| {
        let what = match it["Type"].as_str()? {
            "bind" => Written::HostPath(text(&it["Source"])),
            "volume" => Written::Volume(text(&it["Name"])),
            _ => return None,
        };
        Some((text(&it["Destination"]), what))
    });
    written.collect()
}

/// Where each port is published; those that are not are left out.
fn published(ports: &Value) -> BTreeMap<String, Vec<String>> {
    let mut published = BTreeMap::new();
    for (port, bindings) in ports.as_object().into_iter().flatten() {
        let places: Vec<String> = bindings
            .as_array()
            .into_iter()
            .flatten()
            .map(|binding| {
                let (ip, port) = (text(&binding["HostIp"]), text(&binding["HostPort"]));
                if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
            })
            .collect();
        if !places.is_empty() {
            published.insert(port.clone(), places);
        }
    }
    published
}

fn status(value: &Value) -> Status {
    match value.as_str() {
        Some("created") => Status::Created,
        Some("running") => Status::Running,
        Some("paused") => Status::Paused,
        Some("exited") => Status::Exited,
        Some("removing" | "dead") => Status::Removing,
        Some(other) => Status::Other(other.to_owned()),
        None => Status::Other(value.to_string()),
    }
}

pub(super) fn labels(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The engine writes "never" as the year 1, and some answers leave it empty.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    Timestamp::parse(value.as_str()?).ok().filter(|time| time.millis() > 0)
}

/// The engine writes "none" as 0, -1 or null.
fn limit(value: &Value) -> Option<u64> {
    value.as_u64().filter(|limit| *limit > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> String {
        "ab".repeat(32)
    }

    #[test]
    fn a_listed_container_is_read_whatever_else_is_said() {
        let item = json!({
            "Id": id(), "Names": ["/other/alias", "/web"], "ImageID": "sha256:1",
            "Labels": { "evenkeel.worker": "w", "odd": 5 }, "State": "running", "New": [{}],
        });
        let container = listed(&item).unwrap();
        assert_eq!(container.name, "web");
        assert_eq!(container.status, Status::Running);
        assert_eq!(container.labels, [("evenkeel.worker".to_owned(), "w".to_owned())].into());
        assert_eq!(container.details, None);
    }

    #[test]
    fn a_strange_container_is_strange_and_not_left_out() {
        let container = listed(&json!({ "Id": id(), "State": "hibernating" })).unwrap();
        assert_eq!(container.status, Status::Other("hibernating".into()));
        let container = listed(&json!({ "Id": id(), "Labels": null, "Names": null })).unwrap();
        assert_eq!(container.status, Status::Other("null".into()));
        assert_eq!(listed(&json!({ "Id": "short" })), None);
    }

    #[test]
    fn an_inspect_tells_details() {
        let raw = json!({
            "Id": id(), "Name": "/web", "Image": "sha256:1",
            "Config": { "Labels": { "a": "b" } },
            "State": {
                "Status": "exited", "ExitCode": 137, "OOMKilled": true, "Error": "",
                "StartedAt": "2026-01-31T09:30:00.5Z", "FinishedAt": "0001-01-01T00:00:00Z",
            },
            "HostConfig": {
                "Memory": 64, "NanoCpus": 0, "PidsLimit": null,
                "CpuShares": 512, "MemoryReservation": -1,
                "RestartPolicy": { "Name": "always", "MaximumRetryCount": 0 },
            },
            "NetworkSettings": {
                "Networks": { "n": { "IPAddress": "10.213.0.2" }, "off": { "IPAddress": "" } },
                "Ports": { "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "1" },
                                      { "HostIp": "::", "HostPort": "1" }], "81/tcp": null },
            },
        });
        let details = inspected(&raw).unwrap().details.unwrap();
        assert_eq!(details.started_at.unwrap().to_string(), "2026-01-31T09:30:00.500Z");
        assert_eq!(details.finished_at, None);
        assert_eq!((details.exit_code, details.oom_killed), (137, true));
        assert_eq!(details.limits, Limits { memory: Some(64), ..Limits::default() });
        assert_eq!(details.reserved, Reserved { cpu_shares: Some(512), memory: None });
        assert_eq!(details.restarts, Some("always".to_owned()));
        assert_eq!(
            restarts(&json!("no")).or(restarts(&json!(""))).or(restarts(&json!(null))),
            None
        );
        let address = |network: &str| details.networks[network].address.map(|it| it.to_string());
        assert_eq!((address("n"), address("off")), (Some("10.213.0.2".to_owned()), None));
        assert_eq!(details.health, None);
        let check = |raw| health(&raw);
        assert_eq!(check(json!({ "Status": "starting" })), Some(HealthCheck::Starting));
        assert_eq!(check(json!({ "Status": "healthy" })), Some(HealthCheck::Healthy));
        assert_eq!(check(json!({ "Status": "none" })), None);
        let log = json!([{ "ExitCode": 0, "Output": "" }, { "ExitCode": 7, "Output": "down\n" }]);
        assert_eq!(
            check(json!({ "Status": "unhealthy", "Log": log })),
            Some(HealthCheck::Unhealthy("exit code 7: down".to_owned()))
        );
        let places = vec!["0.0.0.0:1".to_owned(), "[::]:1".to_owned()];
        assert_eq!(details.published, [("80/tcp".to_owned(), places)].into());
    }
}
