//! Which programs run on this host, and who listens at its ports.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use procfs::ProcResult;
use procfs::net::{TcpState, UdpState};
use procfs::process::{FDTarget, Process, all_processes};

use crate::domain::exclusive::FixedPort;
use crate::domain::template::Protocol;

/// A program that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its process.
    pub pid: i32,
    /// The words of its command line, the program's own name first.
    pub words: Vec<String>,
    /// Its environment at its start; empty where this user may not see it.
    pub environment: BTreeMap<String, String>,
}

/// Something that listens at a port of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub port: FixedPort,
    /// The socket, by the kernel's number.
    socket: u64,
}

/// The programs of that name that run, as far as this user may see.
#[must_use]
pub fn running(name: &str) -> Vec<Running> {
    let all = all_processes().into_iter().flatten().flatten();
    let of_name = all.filter(|it| it.stat().is_ok_and(|stat| stat.comm == name));
    let told = of_name.filter_map(|process| {
        let words = process.cmdline().ok()?;
        let environment = process.environ().unwrap_or_default().into_iter();
        let text = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((key.into_string().ok()?, value.into_string().ok()?))
        };
        Some(Running {
            pid: process.pid(),
            words,
            environment: environment.filter_map(text).collect(),
        })
    });
    told.collect()
}

/// Everything that listens at a port of this host.
#[must_use]
pub fn listeners() -> Vec<Listener> {
    let mut found = Vec::new();
    for entry in entries(procfs::net::tcp()).chain(entries(procfs::net::tcp6())) {
        if entry.state == TcpState::Listen {
            found.push(listener(entry.local_address, Protocol::Tcp, entry.inode));
        }
    }
    for entry in entries(procfs::net::udp()).chain(entries(procfs::net::udp6())) {
        // One that speaks to a single other is in nobody's way.
        if entry.state == UdpState::Close {
            found.push(listener(entry.local_address, Protocol::Udp, entry.inode));
        }
    }
    found
}

/// There are kernels without the one or the other family.
fn entries<T>(told: ProcResult<Vec<T>>) -> impl Iterator<Item = T> {
    told.unwrap_or_default().into_iter()
}

fn listener(at: SocketAddr, protocol: Protocol, socket: u64) -> Listener {
    // At all addresses of IPv6 mostly means at those of IPv4 too.
    let ip = Some(at.ip().to_canonical()).filter(|ip| *ip != IpAddr::from([0_u16; 8]));
    Listener { port: FixedPort { number: at.port(), protocol, ip }, socket }
}

/// The program that a listener is of, such as `nginx (pid 12)`; `None`: this user may not see it.
#[must_use]
pub fn owner(listener: &Listener) -> Option<String> {
    let has = |process: &Process| {
        let files = process.fd().into_iter().flatten().flatten();
        let sockets: BTreeSet<u64> = files
            .filter_map(|file| match file.target {
                FDTarget::Socket(inode) => Some(inode),
                _ => None,
            })
            .collect();
        sockets.contains(&listener.socket)
    };
    let owner = all_processes().ok()?.flatten().find(has)?;
    Some(format!("{} (pid {})", owner.stat().ok()?.comm, owner.pid()))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn who_listens_must_be_found_with_its_program() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let found = listeners();
        for (at, protocol) in [(tcp.local_addr(), Protocol::Tcp), (udp.local_addr(), Protocol::Udp)]
        {
            let at = at.unwrap();
            let port = FixedPort { number: at.port(), protocol, ip: Some(at.ip()) };
            let found = found.iter().find(|it| it.port == port).unwrap_or_else(|| panic!("{port}"));
            let owner = owner(found).unwrap();
            assert!(owner.ends_with(&format!("(pid {})", std::process::id())), "{owner}");
        }
        let number = tcp.local_addr().unwrap().port();
        drop(tcp);
        assert!(!listeners().iter().any(|it| it.port.number == number));
        // At all addresses is at all addresses.
        let all = listener("[::]:80".parse().unwrap(), Protocol::Tcp, 1).port;
        assert_eq!(all, FixedPort { number: 80, protocol: Protocol::Tcp, ip: None });
    }

    #[test]
    fn a_program_that_runs_must_be_found_by_its_name() {
        let own = std::fs::read_to_string("/proc/self/comm").unwrap();
        let found = running(own.trim());
        let found = found.iter().find(|it| it.pid.unsigned_abs() == std::process::id()).unwrap();
        assert_eq!(found.words, std::env::args().collect::<Vec<_>>());
        assert!(found.environment.contains_key("PATH"));
    }
}
