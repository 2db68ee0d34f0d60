//! Sockets for echo requests.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::echo::Framing;

/// Room for an answer: IPv4 header with options, ICMP header, payload; what is longer is not ours.
pub(super) const ANSWER_BYTES: usize = 256;

/// No socket, or it does not send.
#[derive(Debug, thiserror::Error)]
pub(super) enum SocketError {
    /// Neither kind of socket is permitted.
    #[error(
        "sockets for ICMP are not permitted: grant CAP_NET_RAW, or include the daemon's group in \
         net.ipv4.ping_group_range"
    )]
    NotPermitted,
    /// The kernel refuses.
    #[error("cannot {operation}")]
    Refused {
        operation: &'static str,
        source: io::Error,
    },
}

/// A socket to one address by one interface, which never blocks.
pub(super) struct EchoSocket {
    /// Not UDP; what is the same for all sockets of datagrams is all that is done with it.
    socket: UdpSocket,
    pub(super) framing: Framing,
}

impl EchoSocket {
    /// Opens a socket that sends to `address` by `interface` and hears from it alone.
    pub(super) fn open(interface: &str, address: IpAddr) -> Result<Self, SocketError> {
        let refused = |operation| move |source| SocketError::Refused { operation, source };
        let (socket, is_raw) = new_socket(address)?;
        let device = Some(interface.as_bytes());
        socket
            .bind_device(device)
            .map_err(refused("use the interface"))?;
        socket
            .connect(&peer(interface, address).into())
            .map_err(refused("reach the address"))?;
        socket
            .set_nonblocking(true)
            .map_err(refused("open a socket"))?;
        Ok(Self {
            socket: UdpSocket::from_std(socket.into()).map_err(refused("wait for answers"))?,
            framing: if is_raw && address.is_ipv4() {
                Framing::Ipv4
            } else {
                Framing::Icmp
            },
        })
    }

    /// Sends a request.
    pub(super) async fn send(&self, bytes: &[u8]) -> Result<(), SocketError> {
        let sent = self.socket.send(bytes).await;
        sent.map(drop).map_err(|source| SocketError::Refused {
            operation: "send",
            source,
        })
    }

    /// Waits for something to read, and reads it.
    pub(super) async fn receive(&self, buffer: &mut [u8; ANSWER_BYTES]) -> io::Result<usize> {
        self.socket.recv(buffer).await
    }
}

/// An unprivileged socket where that is permitted, else a raw one; says which.
fn new_socket(address: IpAddr) -> Result<(Socket, bool), SocketError> {
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    if let Ok(socket) = Socket::new(domain, Type::DGRAM, Some(protocol)) {
        return Ok((socket, false));
    }
    match Socket::new(domain, Type::RAW, Some(protocol)) {
        Ok(socket) => Ok((socket, true)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(SocketError::NotPermitted)
        }
        Err(source) => Err(SocketError::Refused {
            operation: "open a socket",
            source,
        }),
    }
}

/// The address as a peer; one of the link itself is one by this interface.
fn peer(interface: &str, address: IpAddr) -> SocketAddr {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            let scope = if_nametoindex(interface).unwrap_or(0);
            SocketAddrV6::new(v6, 0, 0, scope).into()
        }
        IpAddr::V4(_) | IpAddr::V6(_) => SocketAddr::new(address, 0),
    }
}
