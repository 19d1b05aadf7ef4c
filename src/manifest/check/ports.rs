//! Ports of one task.

use std::net::IpAddr;

use super::Findings;
use crate::domain::exclusive::FixedPort;
use crate::domain::name::Label;
use crate::domain::template::{HostPort, Port, Protocol};
use crate::manifest::raw;
use crate::manifest::words::shorten;

pub(super) fn check(spec: &raw::Spec, findings: &mut Findings) -> Vec<Port> {
    let ports: Vec<Port> = spec
        .ports
        .iter()
        .enumerate()
        .map(|(index, port)| port_of(&format!("/spec/ports/{index}"), port, findings))
        .collect();
    for (index, port) in ports.iter().enumerate() {
        let pointer = format!("/spec/ports/{index}");
        check_against(&ports[..index], port, &pointer, findings);
        check_host(spec, port, &pointer, findings);
    }
    ports
}

fn port_of(pointer: &str, raw: &raw::Port, findings: &mut Findings) -> Port {
    let ip = raw.host_ip.as_deref().and_then(|text| {
        let parsed = text.parse::<IpAddr>();
        if parsed.is_err() {
            let message = format!("`{}` is no IP address", shorten(text));
            findings.value(format!("{pointer}/hostIP"), message, "write `hostIP: 127.0.0.1`");
        }
        parsed.ok()
    });
    if raw.host_ip.is_some() && raw.host_port.is_none() {
        let message = "`hostIP` says nothing without a `hostPort`";
        findings.key(format!("{pointer}/hostIP"), message, "add `hostPort`, or remove `hostIP`");
    }
    Port {
        name: raw.name.as_deref().and_then(|name| Label::parse(name).ok()),
        container_port: raw.container_port,
        host: raw.host_port.map(|port| HostPort { ip, port }),
        protocol: match raw.protocol {
            raw::Protocol::Tcp => Protocol::Tcp,
            raw::Protocol::Udp => Protocol::Udp,
            raw::Protocol::Sctp => Protocol::Sctp,
        },
    }
}

fn check_against(others: &[Port], port: &Port, pointer: &str, findings: &mut Findings) {
    let key = |port: &Port| (port.container_port, port.protocol);
    if let Some(index) = others.iter().position(|other| key(other) == key(port)) {
        findings.value(
            format!("{pointer}/containerPort"),
            format!(
                "{}/{} stands here twice, first in `ports[{index}]`",
                port.container_port,
                port.protocol.lower()
            ),
            "keep one of the two",
        );
    }
    if let Some(name) = &port.name
        && let Some(index) = others.iter().position(|other| other.name.as_ref() == Some(name))
    {
        findings.value(
            format!("{pointer}/name"),
            format!("`{name}` is the name of `ports[{index}]` already"),
            "choose another name",
        );
    }
    let place = FixedPort::of(port);
    let meets = |other: &Port| place.zip(FixedPort::of(other)).is_some_and(|(a, b)| a.meets(b));
    if let Some(index) = others.iter().position(meets) {
        findings.value(
            format!("{pointer}/hostPort"),
            format!("`ports[{index}]` takes this host port already"),
            "choose another one, or `hostPort: 0` for any that is free",
        );
    }
}

fn check_host(spec: &raw::Spec, port: &Port, pointer: &str, findings: &mut Findings) {
    let Some(host) = port.host else { return };
    if spec.host_network {
        findings.key(
            format!("{pointer}/hostPort"),
            "with `hostNetwork` the process listens on the host itself; nothing is published",
            "remove `hostPort`, or `hostNetwork`",
        );
    } else if spec.replicas > 1 && host.port != 0 {
        findings.value(
            format!("{pointer}/hostPort"),
            format!("{} instances can't all have host port {}", spec.replicas, host.port),
            "write `hostPort: 0` for any free port each, or `replicas: 1`",
        );
    }
}
