//! What is asked of instances to tell how they are.

use super::Findings;
use crate::domain::probe::{Action, HttpGet, Probe, Probes, Scheme};
use crate::domain::template::Port;
use crate::manifest::raw;
use crate::manifest::words::shorten;

pub(super) fn check(spec: &raw::Spec, ports: &[Port], findings: &mut Findings) -> Probes {
    let mut of = |field: &str, raw: Option<&raw::Probe>| {
        let pointer = format!("/spec/{field}");
        let probe = probe(raw?, &pointer, ports, findings)?;
        if probe.success_threshold != 1 && field != "readinessProbe" {
            findings.value(
                format!("{pointer}/successThreshold"),
                format!("one success is enough for a `{field}`"),
                "write `successThreshold: 1`, or leave it out",
            );
        }
        Some(probe)
    };
    Probes {
        startup: of("startupProbe", spec.startup_probe.as_ref()),
        readiness: of("readinessProbe", spec.readiness_probe.as_ref()),
        liveness: of("livenessProbe", spec.liveness_probe.as_ref()),
    }
}

fn probe(
    raw: &raw::Probe,
    pointer: &str,
    ports: &[Port],
    findings: &mut Findings,
) -> Option<Probe> {
    let action = match (&raw.exec, &raw.http_get, &raw.tcp_socket) {
        (Some(exec), None, None) => Some(Action::Exec(exec.command.clone())),
        (None, Some(get), None) => {
            let pointer = format!("{pointer}/httpGet");
            http_get(get, &pointer, ports, findings).map(Action::HttpGet)
        }
        (None, None, Some(socket)) => {
            let pointer = format!("{pointer}/tcpSocket/port");
            port(&socket.port, &pointer, ports, findings).map(Action::TcpSocket)
        }
        (None, None, None) => {
            findings.key(
                pointer,
                "this probe does not say what to ask",
                "add one of `exec`, `httpGet` and `tcpSocket`, such as `tcpSocket: {port: 8080}`",
            );
            None
        }
        _ => {
            findings.key(
                pointer,
                "this probe asks more than one thing",
                "keep one of `exec`, `httpGet` and `tcpSocket`",
            );
            None
        }
    };
    Some(Probe {
        action: action?,
        initial_delay_seconds: raw.initial_delay_seconds,
        period_seconds: raw.period_seconds,
        timeout_seconds: raw.timeout_seconds,
        success_threshold: raw.success_threshold,
        failure_threshold: raw.failure_threshold,
    })
}

fn http_get(
    raw: &raw::HttpGet,
    pointer: &str,
    ports: &[Port],
    findings: &mut Findings,
) -> Option<HttpGet> {
    let headers = raw.http_headers.iter().map(|it| (it.name.clone(), it.value.clone()));
    Some(HttpGet {
        path: raw.path.clone(),
        port: port(&raw.port, &format!("{pointer}/port"), ports, findings)?,
        scheme: match raw.scheme {
            raw::Scheme::Http => Scheme::Http,
            raw::Scheme::Https => Scheme::Https,
        },
        host: raw.host.clone(),
        headers: headers.collect(),
    })
}

fn port(raw: &raw::PortRef, pointer: &str, ports: &[Port], findings: &mut Findings) -> Option<u16> {
    let name = match raw {
        raw::PortRef::Number(number) => return Some(*number),
        raw::PortRef::Name(name) => name,
    };
    let named = |port: &&Port| port.name.as_ref().is_some_and(|it| it.as_str() == name);
    let found = ports.iter().find(named).map(|port| port.container_port);
    if found.is_none() {
        let help = match name.parse::<u16>() {
            Ok(number) => format!("write `port: {number}`, without quotes"),
            Err(_) => "give the port that name in `ports`, or write its number".to_owned(),
        };
        findings.value(pointer, format!("no port is called `{}`", shorten(name)), help);
    }
    found
}
