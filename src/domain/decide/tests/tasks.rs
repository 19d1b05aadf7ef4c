//! Tasks and refusals to make stories of.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::name::{Label, TaskName};
use crate::domain::outcome::{Cause, Rejection, Retry};
use crate::domain::probe::Probes;
use crate::domain::task::{Backoff, RestartPolicy, Task, Update};
use crate::domain::template::{
    HostPort, ImageRef, Limits, Logging, Mount, MountSource, Port, Protocol, PullPolicy, Resources,
    SecurityContext, Template,
};

/// A service of one replica.
pub fn service(name: &str, image: &str) -> Task {
    Task {
        name: TaskName::parse(name, &Label::default_namespace()).unwrap(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        replicas: 1,
        suspend: false,
        restart_policy: RestartPolicy::Always,
        backoff: Backoff::default(),
        update: Update::default(),
        termination_grace_period_seconds: 10,
        probes: Probes::default(),
        template: Template {
            image: ImageRef::checked(image),
            image_pull_policy: PullPolicy::IfNotPresent,
            command: Vec::new(),
            args: Vec::new(),
            working_dir: None,
            env: Vec::new(),
            ports: Vec::new(),
            mounts: Vec::new(),
            host_network: false,
            resources: Resources { limits: Limits::default(), ..Resources::default() },
            security_context: SecurityContext::default(),
            logging: Logging::default(),
            stop_signal: None,
            tty: false,
            stdin: false,
            init: false,
        },
    }
}

/// A job of one replica.
pub fn job(name: &str, image: &str, policy: RestartPolicy) -> Task {
    Task { restart_policy: policy, ..service(name, image) }
}

pub fn volume(name: &str) -> Mount {
    Mount {
        path: format!("/{name}"),
        read_only: false,
        shared: false,
        source: MountSource::Volume(Label::parse(name).unwrap()),
    }
}

/// A path of the host.
pub fn path(host: &str) -> Mount {
    let source = MountSource::HostPath { path: host.to_owned(), create: false };
    Mount { path: "/data".to_owned(), read_only: false, shared: false, source }
}

pub fn port(number: u16) -> Port {
    let host = Some(HostPort { ip: None, port: number });
    Port { name: None, container_port: number, host, protocol: Protocol::Tcp }
}

pub fn udp(number: u16) -> Port {
    Port { protocol: Protocol::Udp, ..port(number) }
}

pub fn at(ip: &str, number: u16) -> Port {
    Port { host: Some(HostPort { ip: ip.parse().ok(), port: number }), ..port(number) }
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A refusal of the engine that no try will change.
pub fn never(cause: Cause, message: &str) -> Rejection {
    Rejection { cause, retry: Retry::Never, message: message.to_owned() }
}

/// A refusal of the engine that may not be one the next time.
pub fn later(cause: Cause, message: &str) -> Rejection {
    Rejection { cause, retry: Retry::Later, message: message.to_owned() }
}
