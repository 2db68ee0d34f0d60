//! UDP at a given rate or at full speed.

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, sendmmsg};

use super::UDP_OVERHEAD_BYTES;
use super::pacer::{Pace, Pacer};
use super::sockets::udp_connected;
use super::workers::{StopFlag, Workers};
use crate::lab::clock::{MILLISECOND_NS, now_ns, sleep_until};
use crate::lab::{LabError, Namespace};

/// Packets per system call at most.
const BATCH: usize = 32;
/// Shortest sleep. What falls due meanwhile goes out in one call.
const SHORTEST_SLEEP_NS: u64 = 50_000;

/// What to send, where to.
#[derive(Clone, Debug)]
pub struct UdpSenderOptions {
    /// Address of the sender; port 0 takes a free one, another is the first of `source_ports`.
    pub source: SocketAddr,
    /// Where to send.
    pub destination: SocketAddr,
    /// Bytes of payload in a packet.
    pub payload_bytes: usize,
    /// How fast.
    pub pace: Pace,
    /// Number of source ports, that is of flows, used in turn.
    pub source_ports: u16,
    /// CPU of the sending thread.
    pub pin: Option<usize>,
}

impl UdpSenderOptions {
    /// Full speed with 18 bytes of payload (a 60-byte frame, the smallest) in one flow.
    pub fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        Self {
            source,
            destination,
            payload_bytes: 18,
            pace: Pace::Unlimited,
            source_ports: 1,
            pin: None,
        }
    }
}

/// Live counts of a sender since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpSenderTotals {
    /// Packets handed to the kernel.
    pub sent_packets: u64,
    /// Their payload.
    pub sent_bytes: u64,
    /// Packets not sent because the sender was late.
    pub skipped: u64,
    /// System calls that the kernel refused.
    pub errors: u64,
}

/// A running sender.
#[derive(Debug)]
pub struct UdpSender {
    workers: Workers,
    counts: Arc<Counts>,
    payload_bytes: u64,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    skipped: AtomicU64,
    errors: AtomicU64,
}

impl UdpSender {
    /// Starts to send from `namespace`.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound, there is no route, or the CPU does not exist.
    pub fn start(namespace: &Namespace, options: &UdpSenderOptions) -> Result<Self, LabError> {
        let sockets = (0..options.source_ports.max(1))
            .map(|flow| {
                let mut source = options.source;
                if source.port() != 0 {
                    source.set_port(source.port().saturating_add(flow));
                }
                udp_connected(namespace, source, options.destination)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let counts = Arc::new(Counts::default());
        let mut workers = Workers::default();
        let (shared, size, pace) = (Arc::clone(&counts), options.payload_bytes, options.pace);
        let send = move |stop: &StopFlag| send_all(&sockets, size, pace, &shared, stop);
        workers.spawn(namespace, options.pin, send)?;
        let payload_bytes = u64::try_from(size).unwrap_or(u64::MAX);
        Ok(Self {
            workers,
            counts,
            payload_bytes,
        })
    }

    /// Returns the counts since the start.
    pub fn totals(&self) -> UdpSenderTotals {
        let sent_packets = self.counts.sent.load(Ordering::Relaxed);
        UdpSenderTotals {
            sent_packets,
            sent_bytes: sent_packets.saturating_mul(self.payload_bytes),
            skipped: self.counts.skipped.load(Ordering::Relaxed),
            errors: self.counts.errors.load(Ordering::Relaxed),
        }
    }

    /// Stops and returns the final counts.
    pub fn finish(mut self) -> UdpSenderTotals {
        self.workers.stop();
        self.totals()
    }
}

/// Returns how many packets with `payload_bytes` make a rate in bit/s at layer 2 (IPv4).
pub fn packets_per_second(bits_per_second: u64, payload_bytes: u64) -> u64 {
    bits_per_second / ((payload_bytes + UDP_OVERHEAD_BYTES) * 8)
}

fn send_all(sockets: &[UdpSocket], size: usize, pace: Pace, counts: &Counts, stop: &StopFlag) {
    let payload = vec![0_u8; size];
    let messages = [[IoSlice::new(&payload)]; BATCH];
    let mut pacer = match pace {
        Pace::Unlimited => None,
        Pace::PerSecond(rate) => Some(Pacer::new(rate, now_ns())),
    };
    for socket in sockets.iter().cycle() {
        if stop.is_set() {
            return;
        }
        let batch = match &mut pacer {
            None => BATCH,
            Some(pacer) => wait_for_due(pacer, sockets.len(), stop),
        };
        let batch = messages.get(..batch).unwrap_or(&messages);
        let Ok(sent) = send_batch(socket, batch) else {
            counts.errors.fetch_add(1, Ordering::Relaxed);
            // An error that stays, such as a link that is gone, must not take a CPU.
            sleep_until(now_ns() + SHORTEST_SLEEP_NS);
            continue;
        };
        counts.sent.fetch_add(sent, Ordering::Relaxed);
        if let Some(pacer) = &mut pacer {
            pacer.sent(sent);
            counts.skipped.store(pacer.skipped(), Ordering::Relaxed);
        }
    }
}

/// Sleeps until something is due, and returns how much of it to send through one socket.
fn wait_for_due(pacer: &mut Pacer, flows: usize, stop: &StopFlag) -> usize {
    while !stop.is_set() {
        let due = usize::try_from(pacer.due(now_ns())).unwrap_or(BATCH);
        if due > 0 {
            // Shared out over the flows, so that all of them carry some at any rate.
            return due.div_ceil(flows.max(1)).min(BATCH);
        }
        let now = now_ns();
        let wake = pacer.next_ns().max(now + SHORTEST_SLEEP_NS);
        sleep_until(wake.min(now + 20 * MILLISECOND_NS));
    }
    0
}

/// Sends the messages in one call, and returns how many the kernel took.
fn send_batch(socket: &UdpSocket, messages: &[[IoSlice<'_>; 1]]) -> Result<u64, Errno> {
    let mut headers = MultiHeaders::<()>::preallocate(messages.len(), None);
    let no_addresses = [None; BATCH];
    let fd = socket.as_raw_fd();
    let sent = sendmmsg(
        fd,
        &mut headers,
        messages,
        no_addresses,
        [],
        MsgFlags::empty(),
    )?;
    Ok(u64::try_from(sent.count()).unwrap_or(0))
}
