//! What two containers can't have at once: host ports, and mounts that are written.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::container::volume_name;
use super::name::{Label, WorkerName};
use super::plan::StopFirst;
use super::policy::is_at_or_below;
use super::task::{Strategy, Task};
use super::template::{Mount, MountSource, Port, Protocol, Template};

/// What a mount that is not read-only writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Written {
    /// A volume, by the engine's name for it.
    Volume(String),
    /// A path of the host and all beneath it: absolute, without `.` and `..`.
    HostPath(String),
}

impl Written {
    /// What `mount` writes; `None` if nothing that another container could write too.
    #[must_use]
    pub fn by(worker: &WorkerName, namespace: &Label, mount: &Mount) -> Option<Self> {
        if mount.read_only {
            return None;
        }
        match &mount.source {
            MountSource::Volume(name) => Some(Self::Volume(volume_name(worker, namespace, name))),
            MountSource::EngineVolume(name) => Some(Self::Volume(name.clone())),
            MountSource::HostPath { path, .. } => Some(Self::HostPath(path.clone())),
            MountSource::Tmpfs { .. } => None,
        }
    }

    /// What both write, if anything: of two paths the one that lies beneath the other.
    #[must_use]
    pub fn overlap<'a>(&'a self, other: &'a Self) -> Option<&'a Self> {
        match (self, other) {
            (Self::HostPath(one), Self::HostPath(two)) if is_at_or_below(one, two) => Some(self),
            (Self::HostPath(one), Self::HostPath(two)) if is_at_or_below(two, one) => Some(other),
            (Self::Volume(one), Self::Volume(two)) if one == two => Some(self),
            _ => None,
        }
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume(name) => write!(f, "volume {name}"),
            Self::HostPath(path) => write!(f, "host path {path}"),
        }
    }
}

/// A container, as far as it shares the host with others: what it is made from, and once it is
/// made also what the engine says it can write ([`writes`]). A link on the way to a path may lead
/// elsewhere by now; what was mounted stays.
///
/// [`writes`]: super::container::Container::writes
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    task: &'a Task,
    writes: Option<&'a BTreeMap<String, Written>>,
}

impl<'a> Made<'a> {
    /// One that is not made, or of which the engine has said nothing yet: paths are as the manifest
    /// has them.
    #[must_use]
    pub fn of(task: &'a Task) -> Self {
        Self { task, writes: None }
    }

    /// One of which the engine has said what it can write, if it has.
    #[must_use]
    pub fn seen(task: &'a Task, writes: Option<&'a BTreeMap<String, Written>>) -> Self {
        Self { task, writes }
    }

    /// What it writes, and whether it lets others write it too.
    pub fn written(self, worker: &WorkerName) -> impl Iterator<Item = (Written, bool)> {
        self.task.template.mounts.iter().filter_map(move |mount| {
            let written = Written::by(worker, &self.task.name.namespace, mount)?;
            let resolved = self.writes.and_then(|writes| writes.get(&mount.path));
            Some((resolved.cloned().unwrap_or(written), mount.shared))
        })
    }
}

/// What two write of which not both let the other write it too.
#[must_use]
pub fn clash<'a>(one: &'a (Written, bool), other: &'a (Written, bool)) -> Option<&'a Written> {
    one.0.overlap(&other.0).filter(|_| !(one.1 && other.1))
}

/// A port of the host that a manifest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FixedPort {
    /// Its number, never 0.
    pub number: u16,
    /// Of which protocol.
    pub protocol: Protocol,
    /// At which address of the host; `None`: all of them.
    pub ip: Option<IpAddr>,
}

impl FixedPort {
    /// Where `port` is published, if the manifest says where.
    #[must_use]
    pub fn of(port: &Port) -> Option<Self> {
        let host = port.host.filter(|host| host.port != 0)?;
        let ip = host.ip.map(|ip| ip.to_canonical());
        Some(Self { number: host.port, protocol: port.protocol, ip })
    }

    /// Whether two can't be had at once.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        self.overlap(other).is_some()
    }

    /// What both take of the host, if anything. An unspecified address (`0.0.0.0`, `::`) is
    /// all of its family, none is all of both.
    #[must_use]
    pub fn overlap(self, other: Self) -> Option<Self> {
        let ip = match (self.ip, other.ip) {
            (None, ip) | (ip, None) => ip,
            (Some(a), Some(b)) if a.is_ipv4() != b.is_ipv4() => return None,
            (Some(a), Some(b)) if a == b || b.is_unspecified() => Some(a),
            (Some(a), Some(b)) if a.is_unspecified() => Some(b),
            (Some(_), Some(_)) => return None,
        };
        let same = (self.number, self.protocol) == (other.number, other.protocol);
        same.then_some(Self { ip, ..self })
    }
}

impl fmt::Display for FixedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(IpAddr::V4(ip)) => write!(f, "{ip}:")?,
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:")?,
            None => {}
        }
        write!(f, "{}/{}", self.number, self.protocol.lower())
    }
}

/// The ports of the host that a template names.
pub fn fixed_ports(template: &Template) -> impl Iterator<Item = FixedPort> {
    template.ports.iter().filter_map(FixedPort::of)
}

/// Why an instance made from `old` has to stop before one made from `new` can start, if it has to.
#[must_use]
pub fn stop_first(worker: &WorkerName, old: Made, new: Made) -> Option<StopFirst> {
    let before: Vec<_> = old.written(worker).collect();
    let after: Vec<_> = new.written(worker).collect();
    let (old, new) = (old.task, new.task);
    if new.is_job() {
        return Some(StopFirst::Job);
    }
    if new.update.strategy == Strategy::Recreate {
        return Some(StopFirst::Recreate);
    }
    // In the host's network the old one may listen at any port.
    let takes_port = fixed_ports(&new.template).next().is_some();
    if new.template.host_network || (old.template.host_network && takes_port) {
        return Some(StopFirst::HostNetwork);
    }
    let mut both = after.iter().flat_map(|it| before.iter().filter_map(move |old| clash(it, old)));
    if let Some(mount) = both.next() {
        return Some(StopFirst::Mount(mount.clone()));
    }
    let mut both = fixed_ports(&new.template)
        .flat_map(|port| fixed_ports(&old.template).filter_map(move |held| held.overlap(port)));
    if let Some(port) = both.next() {
        return Some(StopFirst::HostPort(port));
    }
    (new.update.max_surge == 0).then_some(StopFirst::NoSurge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::template::HostPort;

    fn at(ip: &str, protocol: Protocol) -> FixedPort {
        let ip = (!ip.is_empty()).then(|| ip.parse().unwrap());
        let host = Some(HostPort { ip, port: 53 });
        FixedPort::of(&Port { name: None, container_port: 1, host, protocol }).unwrap()
    }

    /// As Docker Engine 20.10 lets two containers publish them, or not.
    #[test]
    fn ports_must_meet_by_protocol_and_address() {
        let meets = [
            ("", "", "53/tcp"),
            ("", "0.0.0.0", "0.0.0.0:53/tcp"),
            ("", "::", "[::]:53/tcp"),
            ("", "127.0.0.1", "127.0.0.1:53/tcp"),
            ("", "::1", "[::1]:53/tcp"),
            ("0.0.0.0", "127.0.0.2", "127.0.0.2:53/tcp"),
            ("::", "::1", "[::1]:53/tcp"),
            ("127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1:53/tcp"),
        ];
        for (one, other, both) in meets {
            let (one, other) = (at(one, Protocol::Tcp), at(other, Protocol::Tcp));
            for overlap in [one.overlap(other), other.overlap(one)] {
                assert_eq!(overlap.map(|it| it.to_string()).as_deref(), Some(both));
            }
        }
        let apart = [("127.0.0.1", "127.0.0.2"), ("0.0.0.0", "::"), ("::", "127.0.0.1")];
        for (one, other) in apart {
            let (one, other) = (at(one, Protocol::Tcp), at(other, Protocol::Tcp));
            assert_eq!((one.overlap(other), other.overlap(one)), (None, None), "{one} {other}");
        }
        assert_eq!(at("", Protocol::Tcp).overlap(at("", Protocol::Udp)), None);
        let next = FixedPort { number: 54, ..at("", Protocol::Tcp) };
        assert_eq!(at("", Protocol::Tcp).overlap(next), None);
    }
}
