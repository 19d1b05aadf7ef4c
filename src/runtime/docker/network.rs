//! Networks and volumes: had there, ours or nobody's.
//!
//! The engine takes any network or volume of a name for the one that was meant, so labels are
//! looked at first. No volume is ever removed.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use bollard::Docker as Engine;
use bollard::models::VolumeCreateRequest;
use hyper::Method;
use serde_json::{Value, json};

use super::ask::{encode, exchange, get, get_list, within};
use super::body::hash_map;
use super::classify::Failure;
use super::connect::{Address, Way};
use super::observe::labels as labels_of;
use crate::domain::container::label;
use crate::domain::outcome::{Cause, Outcome, Rejection, Retry};
use crate::domain::subnet::{Subnet, free_subnet};

const MAKE_DEADLINE: Duration = Duration::from_secs(30);
/// How many subnets are tried that the engine finds taken though it lists nothing there.
const SUBNETS_TRIED: usize = 16;
const ROUTES: &str = "/proc/net/route";

/// Has a bridge network of that name there, on a free part of `pool`.
pub(super) async fn make_network(
    address: &Address,
    name: &str,
    labels: &BTreeMap<String, String>,
    pool: Subnet,
) -> Outcome {
    let mut taken = host_routes(address).await;
    for _ in 0..SUBNETS_TRIED {
        let networks = match get_list(address, "/networks").await {
            Ok(networks) => networks,
            Err(unreachable) => return Outcome::Unknown(unreachable.0),
        };
        let same_name: Vec<_> =
            networks.iter().filter(|network| network["Name"].as_str() == Some(name)).collect();
        if !same_name.is_empty() {
            return judge("network", name, labels, &same_name);
        }
        taken.extend(networks.iter().flat_map(subnets));
        let Some(subnet) = free_subnet(pool, &taken) else {
            return rejected(Cause::Other, format!("no part of the network pool {pool} is free"));
        };
        let body = json!({
            "Name": name,
            // Without it, older engines make a second network of the same name.
            "CheckDuplicate": true,
            "Driver": "bridge",
            "IPAM": { "Config": [{ "Subnet": subnet.to_string() }] },
            "Labels": labels,
        });
        let call = exchange(address, Method::POST, "/networks/create", Some(&body));
        match within(MAKE_DEADLINE, "making of a network", call).await {
            Ok(_) => return Outcome::Done(()),
            Err(failure) if is_overlap(&failure) => taken.push(subnet),
            // Made meanwhile: the next round sees whose it is.
            Err(failure) if failure.says(409, "already exists") => {}
            Err(failure) => return failure.outcome(),
        }
    }
    rejected(Cause::Busy, format!("no part of the network pool {pool} was found free"))
}

pub(super) async fn remove_network(engine: &Engine, name: &str) -> Outcome {
    match within(MAKE_DEADLINE, "removal of a network", engine.remove_network(name)).await {
        Err(failure) if failure.says(404, "network") => Outcome::Done(()),
        Ok(()) => Outcome::Done(()),
        Err(failure) => failure.outcome(),
    }
}

/// Has a volume of that name there.
pub(super) async fn make_volume(
    address: &Address,
    engine: &Engine,
    name: &str,
    labels: &BTreeMap<String, String>,
) -> Outcome {
    let path = format!("/volumes/{}", encode(name));
    match get(address, &path).await {
        Ok(Some(volume)) => return judge("volume", name, labels, &[&volume]),
        Ok(None) => {}
        Err(unreachable) => return Outcome::Unknown(unreachable.0),
    }
    let request = VolumeCreateRequest {
        name: Some(name.to_owned()),
        labels: Some(hash_map(labels)),
        ..VolumeCreateRequest::default()
    };
    if let Err(failure) =
        within(MAKE_DEADLINE, "making of a volume", engine.create_volume(request)).await
    {
        return failure.outcome();
    }
    // The engine answers the same if someone else made it in between.
    match get(address, &path).await {
        Ok(Some(volume)) => judge("volume", name, labels, &[&volume]),
        Ok(None) => Outcome::Unknown(format!("the volume {name} went while it was made")),
        Err(unreachable) => Outcome::Unknown(unreachable.0),
    }
}

/// Done if all that are there carry the worker's label.
fn judge(kind: &str, name: &str, labels: &BTreeMap<String, String>, found: &[&Value]) -> Outcome {
    let wanted = labels.get(label::WORKER);
    let ours = |found: &Value| {
        wanted.is_some() && labels_of(&found["Labels"]).get(label::WORKER) == wanted
    };
    if found.iter().all(|found| ours(found)) {
        return Outcome::Done(());
    }
    rejected(Cause::NotOurs, format!("the {kind} {name} was made by someone else"))
}

fn rejected(cause: Cause, message: String) -> Outcome {
    Outcome::Rejected(Rejection { cause, retry: Retry::Later, message })
}

fn is_overlap(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused { message, .. }
        if message.to_ascii_lowercase().contains("overlap"))
}

fn subnets(network: &Value) -> Vec<Subnet> {
    let configs = network["IPAM"]["Config"].as_array().into_iter().flatten();
    configs.filter_map(|config| config["Subnet"].as_str()?.parse().ok()).collect()
}

/// Where this host sends packets, if the engine is on it; not the default route.
async fn host_routes(address: &Address) -> Vec<Subnet> {
    if !matches!(address.way, Way::Unix(_)) {
        return Vec::new();
    }
    tokio::fs::read_to_string(ROUTES).await.map_or_else(|_| Vec::new(), |table| routes(&table))
}

/// Reads the kernel's table: addresses are hexadecimal, in the order of this machine's memory.
fn routes(table: &str) -> Vec<Subnet> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |text: &&str| u32::from_str_radix(text, 16).ok();
        let base = Ipv4Addr::from(number(fields.get(1)?)?.to_ne_bytes());
        let mask = number(fields.get(7)?)?.count_ones();
        Subnet::around(base, u8::try_from(mask).ok()?).filter(|subnet| subnet.prefix > 0)
    };
    table.lines().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_routes_are_read_but_for_the_default_one() {
        let base = |text: &str| {
            format!("{:08X}", u32::from_ne_bytes(text.parse::<Ipv4Addr>().unwrap().octets()))
        };
        let line = |to: &str, mask: &str| {
            format!("eth0\t{}\t00000000\t0001\t0\t0\t0\t{}\t0\t0\t0\n", base(to), base(mask))
        };
        let table = [
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n",
            &line("0.0.0.0", "0.0.0.0"),
            &line("172.17.0.0", "255.255.0.0"),
        ]
        .concat();
        assert_eq!(routes(&table), ["172.17.0.0/16".parse().unwrap()]);
    }

    #[test]
    fn one_without_our_label_is_not_ours() {
        let labels: BTreeMap<_, _> = [(label::WORKER.to_owned(), "w".to_owned())].into();
        let ours = json!({ "Labels": { "evenkeel.worker": "w" } });
        let others = [json!({ "Labels": null }), json!({ "Labels": { "evenkeel.worker": "v" } })];
        assert_eq!(judge("volume", "v", &labels, &[&ours]), Outcome::Done(()));
        for other in &others {
            let outcome = judge("volume", "v", &labels, &[&ours, other]);
            assert!(matches!(outcome, Outcome::Rejected(r) if r.cause == Cause::NotOurs));
        }
    }
}
