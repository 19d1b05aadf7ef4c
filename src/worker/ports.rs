//! Whether something listens at a port of this host. The only place that names `socket2`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

use crate::domain::exclusive::FixedPort;
use crate::domain::template::Protocol;

/// Whether something listens where a container would be published.
pub(super) fn is_busy(port: FixedPort) -> bool {
    let kind = match port.protocol {
        Protocol::Tcp => Type::STREAM,
        Protocol::Udp => Type::DGRAM,
        Protocol::Sctp => return false,
    };
    // As the engine does it where no address is given: each family by itself.
    let both = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let addresses: Vec<IpAddr> = port.ip.map_or(both.to_vec(), |ip| vec![ip]);
    let taken = |ip| bind(kind, SocketAddr::new(ip, port.number)).err().map(|it| it.kind());
    addresses.into_iter().any(|ip| taken(ip) == Some(io::ErrorKind::AddrInUse))
}

fn bind(kind: Type, address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        // Connections that have ended keep nobody from listening.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    fn busy(ip: &str, number: u16, protocol: Protocol) -> bool {
        let ip = (!ip.is_empty()).then(|| ip.parse().unwrap());
        is_busy(FixedPort { number, protocol, ip })
    }

    #[test]
    fn a_stranger_must_be_met_by_protocol_and_address() {
        let stranger = TcpListener::bind("127.0.0.2:0").unwrap();
        let number = stranger.local_addr().unwrap().port();
        for ip in ["", "0.0.0.0", "127.0.0.2"] {
            assert!(busy(ip, number, Protocol::Tcp), "{ip}");
            assert!(!busy(ip, number, Protocol::Udp), "{ip}");
        }
        assert!(!busy("127.0.0.3", number, Protocol::Tcp));
        assert!(!busy("::", number, Protocol::Tcp), "of the other family");
        drop(stranger);
        assert!(!busy("", number, Protocol::Tcp));

        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        let number = stranger.local_addr().unwrap().port();
        assert!(busy("", number, Protocol::Udp) && !busy("", number, Protocol::Tcp));
    }

    #[test]
    fn a_stranger_of_the_other_family_must_be_met_where_no_address_is_asked_for() {
        // Some hosts have one family only.
        let Ok(stranger) = TcpListener::bind("[::1]:0") else { return };
        let number = stranger.local_addr().unwrap().port();
        assert!(busy("", number, Protocol::Tcp) && busy("::", number, Protocol::Tcp));
        assert!(!busy("0.0.0.0", number, Protocol::Tcp));
    }
}
