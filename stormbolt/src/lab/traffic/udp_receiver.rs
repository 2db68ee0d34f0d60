//! Counts UDP packets by destination port.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv};

use super::UDP_OVERHEAD_BYTES;
use super::sockets::udp;
use super::workers::{StopFlag, Workers};
use crate::lab::{LabError, Namespace};

/// Packets read from one socket before the others get their turn.
const READS_PER_TURN: usize = 256;
/// Milliseconds in `poll` before the thread looks at its stop flag.
const POLL_MILLISECONDS: u8 = 50;

/// What one port has received since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounters {
    /// The destination port.
    pub port: u16,
    /// Packets read.
    pub packets: u64,
    /// Their payload, in bytes.
    pub payload_bytes: u64,
    /// Packets that arrived, but found the socket's buffer full. Not losses of the network.
    pub overflowed: u64,
}

impl PortCounters {
    /// Returns the bytes read at layer 2 without FCS, headers of IPv4 and UDP included.
    pub fn layer2_bytes(&self) -> u64 {
        self.payload_bytes + self.packets * UDP_OVERHEAD_BYTES
    }
}

/// A running receiver.
#[derive(Debug)]
pub struct UdpReceiver {
    workers: Workers,
    ports: Arc<Vec<Port>>,
}

#[derive(Debug)]
struct Port {
    number: u16,
    socket: UdpSocket,
    packets: AtomicU64,
    payload_bytes: AtomicU64,
}

impl UdpReceiver {
    /// Starts to receive at `address` on every one of `ports`, on one thread.
    ///
    /// # Errors
    ///
    /// When a port is taken or the CPU does not exist.
    pub fn start(
        namespace: &Namespace,
        address: IpAddr,
        ports: &[u16],
        pin: Option<usize>,
    ) -> Result<Self, LabError> {
        let open = |&number: &u16| {
            Ok(Port {
                number,
                socket: udp(namespace, SocketAddr::new(address, number))?,
                packets: AtomicU64::new(0),
                payload_bytes: AtomicU64::new(0),
            })
        };
        let ports = Arc::new(
            ports
                .iter()
                .map(open)
                .collect::<Result<Vec<_>, LabError>>()?,
        );
        let mut workers = Workers::default();
        let shared = Arc::clone(&ports);
        workers.spawn(namespace, pin, move |stop| receive_all(&shared, stop))?;
        Ok(Self { workers, ports })
    }

    /// Returns the counts of every port since the start.
    pub fn counters(&self) -> Vec<PortCounters> {
        self.ports.iter().map(Port::counters).collect()
    }

    /// Stops and returns the final counts.
    pub fn finish(mut self) -> Vec<PortCounters> {
        self.workers.stop();
        self.counters()
    }
}

impl Port {
    fn counters(&self) -> PortCounters {
        PortCounters {
            port: self.number,
            packets: self.packets.load(Ordering::Relaxed),
            payload_bytes: self.payload_bytes.load(Ordering::Relaxed),
            overflowed: overflowed(&self.socket),
        }
    }

    fn read_some(&self) {
        // The payload is not needed: one byte of it, and with MSG_TRUNC its whole length.
        let mut byte = [0];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        let (mut packets, mut bytes) = (0, 0);
        for _ in 0..READS_PER_TURN {
            let Ok(size) = recv(self.socket.as_raw_fd(), &mut byte, flags) else {
                break;
            };
            packets += 1;
            bytes += u64::try_from(size).unwrap_or(0);
        }
        self.packets.fetch_add(packets, Ordering::Relaxed);
        self.payload_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn receive_all(ports: &[Port], stop: &StopFlag) {
    let mut waiting: Vec<PollFd<'_>> = ports
        .iter()
        .map(|port| PollFd::new(port.socket.as_fd(), PollFlags::POLLIN))
        .collect();
    while !stop.is_set() {
        if poll(&mut waiting, PollTimeout::from(POLL_MILLISECONDS)).is_err() {
            continue;
        }
        for (port, _) in ports
            .iter()
            .zip(&waiting)
            .filter(|(_, fd)| fd.any().unwrap_or(true))
        {
            port.read_some();
        }
    }
}

/// Reads how many packets the socket's full buffer has cost (`SO_MEMINFO`, `sock_diag(7)`).
fn overflowed(socket: &UdpSocket) -> u64 {
    /// Index of `SK_MEMINFO_DROPS` among the nine values (`linux/sock_diag.h`).
    const DROPS: usize = 8;
    let mut values = [0_u32; DROPS + 1];
    let Ok(mut size) = libc::socklen_t::try_from(size_of_val(&values)) else {
        return 0;
    };
    // SAFETY: the kernel writes at most `size` bytes to `values`, which has as many, and any bytes
    // are valid numbers.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            values.as_mut_ptr().cast(),
            &raw mut size,
        )
    };
    if result == 0 {
        values.last().copied().map_or(0, u64::from)
    } else {
        0
    }
}
