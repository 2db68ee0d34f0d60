//! Sockets that never block for long and leave nothing behind in the kernel.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::workers::{STOP_CHECK, StopFlag};
use crate::lab::{LabError, Namespace};

/// Receive buffer of UDP sockets: about 10 ms of small packets at full speed.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;

/// Binds a UDP socket in `namespace`, with a large receive buffer and a receive timeout.
pub(super) fn udp(namespace: &Namespace, address: SocketAddr) -> Result<UdpSocket, LabError> {
    let open = || -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(address)?;
        socket.set_read_timeout(Some(STOP_CHECK))?;
        socket.set_write_timeout(Some(STOP_CHECK))?;
        // The limit of /proc/sys/net/core/rmem_max does not hold for root.
        setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES)?;
        Ok(socket)
    };
    let failed = format!("bind UDP {address} in `{}`", namespace.label());
    namespace.run(open)?.map_err(LabError::io(failed))
}

/// Binds a UDP socket in `namespace` that sends to, and receives from, `remote` only.
pub(super) fn udp_connected(
    namespace: &Namespace,
    local: SocketAddr,
    remote: SocketAddr,
) -> Result<UdpSocket, LabError> {
    let socket = udp(namespace, local)?;
    let failed = format!("send from {local} to {remote} in `{}`", namespace.label());
    socket.connect(remote).map_err(LabError::io(failed))?;
    Ok(socket)
}

/// Listens in `namespace`; `accept` gives up after `timeout`.
pub(super) fn listener(
    namespace: &Namespace,
    address: SocketAddr,
    timeout: Duration,
) -> Result<TcpListener, LabError> {
    let open = || -> io::Result<TcpListener> {
        let listener = TcpListener::bind(address)?;
        setsockopt(&listener, sockopt::ReceiveTimeout, &time_value(timeout))?;
        Ok(listener)
    };
    let failed = format!("listen on {address} in `{}`", namespace.label());
    namespace.run(open)?.map_err(LabError::io(failed))
}

/// Connects from `local` (port 0: any) to `remote` in the calling thread's namespace.
pub(super) fn tcp(
    local: SocketAddr,
    remote: SocketAddr,
    timeout: Duration,
) -> io::Result<TcpStream> {
    let family = if remote.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let socket: OwnedFd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(local))?;
    // `connect` obeys it too.
    setsockopt(&socket, sockopt::SendTimeout, &time_value(timeout))?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(remote)).map_err(|error| {
        let timed_out = error == Errno::EINPROGRESS;
        if timed_out {
            io::ErrorKind::TimedOut.into()
        } else {
            io::Error::from(error)
        }
    })?;
    prepare_stream(TcpStream::from(socket))
}

/// Sets what all TCP sockets of the lab have in common.
pub(super) fn prepare_stream(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(STOP_CHECK))?;
    stream.set_write_timeout(Some(STOP_CHECK))?;
    // Closing resets the connection: a socket that goes on closing by itself would keep its
    // namespace alive for minutes.
    setsockopt(
        &stream,
        sockopt::Linger,
        &libc::linger {
            l_onoff: 1,
            l_linger: 0,
        },
    )?;
    Ok(stream)
}

/// Tells whether an error only means "not yet".
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// Fills `buffer`, until `give_up` says no or the thread shall stop. Returns whether it is full.
pub(super) fn read_full(
    mut stream: &TcpStream,
    buffer: &mut [u8],
    stop: &StopFlag,
    give_up: impl Fn() -> bool,
) -> io::Result<bool> {
    let mut rest = buffer;
    while !rest.is_empty() {
        match stream.read(rest) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => rest = rest.get_mut(count..).unwrap_or_default(),
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error),
        }
        if !rest.is_empty() && (stop.is_set() || give_up()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn time_value(duration: Duration) -> TimeVal {
    TimeVal::microseconds(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}
