//! Requests at a steady pace over UDP, echoed by a server.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::pacer::Pacer;
use super::sockets::{is_timeout, udp, udp_connected};
use super::tally::{RequestSnapshot, RequestTotals, lock};
use super::workers::{StopFlag, Workers};
use crate::lab::clock::{MILLISECOND_NS, now_ns, sleep_until};
use crate::lab::{LabError, Namespace};

/// Sequence number and time of sending, eight bytes each.
const HEADER_BYTES: usize = 16;
/// Largest UDP payload.
const LARGEST_PAYLOAD: usize = 65_507;

/// What to request, from whom.
#[derive(Clone, Debug)]
pub struct UdpRequestOptions {
    /// Address of the client; port 0 takes a free one.
    pub client: SocketAddr,
    /// Address and port of the server.
    pub server: SocketAddr,
    /// Bytes in a request and in its reply, at least 16.
    pub payload_bytes: usize,
    /// Requests per second.
    pub per_second: u64,
    /// How long a reply may take before the request counts as lost.
    pub grace: Duration,
    /// CPU of the client's two threads.
    pub pin_client: Option<usize>,
    /// CPU of the server's thread.
    pub pin_server: Option<usize>,
}

impl UdpRequestOptions {
    /// Requests of 128 bytes, 3000 per second, lost after 200 ms.
    pub fn new(client: SocketAddr, server: SocketAddr) -> Self {
        Self {
            client,
            server,
            payload_bytes: 128,
            per_second: 3000,
            grace: Duration::from_millis(200),
            pin_client: None,
            pin_server: None,
        }
    }
}

/// A running client with its server.
///
/// The client sends on schedule whatever comes back, so a slow network does not slow it down.
/// A request belongs to the phase in which it was sent, also when its reply comes later.
#[derive(Debug)]
pub struct UdpRequests {
    sender: Workers,
    server: Workers,
    receiver: Workers,
    shared: Arc<Shared>,
    grace_ns: u64,
}

/// The end of a phase: made by [`UdpRequests::mark`], redeemed by [`UdpRequests::collect`].
#[derive(Debug)]
#[must_use = "a phase is counted until it is collected"]
pub struct PhaseEnd {
    number: u64,
    end_sequence: u64,
    marked_ns: u64,
}

#[derive(Debug)]
struct Shared {
    sent: AtomicU64,
    received: AtomicU64,
    replied: AtomicU64,
    skipped: AtomicU64,
    phases: Mutex<Vec<Phase>>,
}

/// Requests `first..end` and what came of them. Only the last phase of the list is open.
#[derive(Debug)]
struct Phase {
    number: u64,
    first: u64,
    end: u64,
    started_ns: u64,
    skipped_before: u64,
    outcome: RequestSnapshot,
}

impl UdpRequests {
    /// Starts a server in `server` and a client in `client`.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound, a CPU does not exist, or the payload is of no legal size.
    pub fn start(
        client: &Namespace,
        server: &Namespace,
        options: &UdpRequestOptions,
    ) -> Result<Self, LabError> {
        let size = options.payload_bytes;
        if !(HEADER_BYTES..=LARGEST_PAYLOAD).contains(&size) {
            let allowed = format!("{HEADER_BYTES} to {LARGEST_PAYLOAD}");
            return Err(LabError::Option(format!(
                "payload of {size} bytes: {allowed} possible"
            )));
        }
        let shared = Arc::new(Shared::new(now_ns()));
        let mut running = Self {
            sender: Workers::default(),
            server: Workers::default(),
            receiver: Workers::default(),
            shared: Arc::clone(&shared),
            grace_ns: u64::try_from(options.grace.as_nanos()).unwrap_or(u64::MAX),
        };
        let socket = udp(server, options.server)?;
        let count = Arc::clone(&shared);
        running
            .server
            .spawn(server, options.pin_server, move |stop| {
                echo(&socket, &count, stop);
            })?;

        let sending = Arc::new(udp_connected(client, options.client, options.server)?);
        let (receiving, count) = (Arc::clone(&sending), Arc::clone(&shared));
        let receive = move |stop: &StopFlag| receive_replies(&receiving, &count, stop);
        running
            .receiver
            .spawn(client, options.pin_client, receive)?;

        let per_second = options.per_second;
        let send = move |stop: &StopFlag| send_requests(&sending, size, per_second, &shared, stop);
        running.sender.spawn(client, options.pin_client, send)?;
        Ok(running)
    }

    /// Returns the counts since the start.
    pub fn totals(&self) -> RequestTotals {
        RequestTotals {
            sent: self.shared.sent.load(Ordering::Relaxed),
            received: self.shared.received.load(Ordering::Relaxed),
            replied: self.shared.replied.load(Ordering::Relaxed),
            skipped: self.shared.skipped.load(Ordering::Relaxed),
            broken_connections: 0,
        }
    }

    /// Ends a phase now and begins the next one, without waiting for replies.
    pub fn mark(&self) -> PhaseEnd {
        self.shared.mark(now_ns())
    }

    /// Returns what came of a phase, once all of it is answered or the grace time has passed since
    /// its end.
    pub fn collect(&self, phase: PhaseEnd) -> RequestSnapshot {
        let deadline_ns = phase.marked_ns.saturating_add(self.grace_ns);
        while now_ns() < deadline_ns && !self.shared.all_answered(&phase) {
            sleep_until(deadline_ns.min(now_ns() + 5 * MILLISECOND_NS));
        }
        self.shared.collect(&phase)
    }

    /// Ends the phase that began with the last snapshot, waits for its replies at most the grace
    /// time, and returns what came of it. The client goes on meanwhile.
    pub fn take_snapshot(&self) -> RequestSnapshot {
        let phase = self.mark();
        self.collect(phase)
    }

    /// Stops the server only: from now on requests are lost.
    pub fn stop_server(&mut self) {
        self.server.stop();
    }

    /// Stops sending and returns what came of the last phase.
    pub fn finish(mut self) -> RequestSnapshot {
        self.sender.stop();
        self.take_snapshot()
    }
}

impl Shared {
    fn new(now_ns: u64) -> Self {
        Self {
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            replied: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            phases: Mutex::new(vec![Phase::new(0, 0, now_ns, 0)]),
        }
    }

    fn mark(&self, now_ns: u64) -> PhaseEnd {
        let mut phases = lock(&self.phases);
        let end = self.sent.load(Ordering::Acquire);
        let skipped = self.skipped.load(Ordering::Relaxed);
        let number = phases.last_mut().map_or(0, |open| {
            open.end = end;
            open.outcome.skipped = skipped.saturating_sub(open.skipped_before);
            open.number
        });
        phases.push(Phase::new(number + 1, end, now_ns, skipped));
        PhaseEnd {
            number,
            end_sequence: end,
            marked_ns: now_ns,
        }
    }

    /// Changes the counts of the phase that request `sequence` belongs to, if still of interest.
    fn update(&self, sequence: u64, change: impl FnOnce(&mut Phase)) {
        let mut phases = lock(&self.phases);
        if let Some(phase) = phases
            .iter_mut()
            .rev()
            .find(|phase| phase.contains(sequence))
        {
            change(phase);
        }
    }

    fn all_answered(&self, end: &PhaseEnd) -> bool {
        let phases = lock(&self.phases);
        let phase = phases.iter().find(|phase| phase.number == end.number);
        phase.is_none_or(|phase| phase.outcome.replied >= phase.end - phase.first)
    }

    fn collect(&self, end: &PhaseEnd) -> RequestSnapshot {
        let mut phases = lock(&self.phases);
        let position = phases.iter().position(|phase| phase.number == end.number);
        let phase = position.map_or_else(
            || Phase::new(end.number, end.end_sequence, end.marked_ns, 0),
            |position| phases.remove(position),
        );
        RequestSnapshot {
            duration_ns: end.marked_ns.saturating_sub(phase.started_ns),
            sent: end.end_sequence - phase.first,
            ..phase.outcome
        }
    }
}

impl Phase {
    fn new(number: u64, first: u64, started_ns: u64, skipped_before: u64) -> Self {
        Self {
            number,
            first,
            end: u64::MAX,
            started_ns,
            skipped_before,
            outcome: RequestSnapshot::empty(),
        }
    }

    fn contains(&self, sequence: u64) -> bool {
        (self.first..self.end).contains(&sequence)
    }
}

fn send_requests(
    socket: &UdpSocket,
    size: usize,
    per_second: u64,
    shared: &Shared,
    stop: &StopFlag,
) {
    let mut pacer = Pacer::new(per_second, now_ns());
    let mut payload = vec![0; size];
    while !stop.is_set() {
        if pacer.due(now_ns()) == 0 {
            sleep_until(pacer.next_ns().min(now_ns() + 20 * MILLISECOND_NS));
            continue;
        }
        shared.skipped.store(pacer.skipped(), Ordering::Relaxed);
        // Counted before it is sent, or the reply could be faster than the count.
        let sequence = shared.sent.fetch_add(1, Ordering::AcqRel);
        write_header(&mut payload, sequence, now_ns());
        // An error is either the queue's (then this request is lost, as it should count), or the
        // news that an earlier one found no server, which sends nothing: hence the second try.
        if socket.send(&payload).is_err() {
            drop(socket.send(&payload));
        }
        pacer.sent(1);
    }
}

fn receive_replies(socket: &UdpSocket, shared: &Shared, stop: &StopFlag) {
    let mut buffer = vec![0; LARGEST_PAYLOAD];
    while !stop.is_set() {
        let Some((sequence, sent_ns)) = receive(socket, &mut buffer).and_then(read_header) else {
            continue;
        };
        let round_trip_ns = now_ns().saturating_sub(sent_ns);
        shared.replied.fetch_add(1, Ordering::Relaxed);
        shared.update(sequence, |phase| {
            phase.outcome.replied += 1;
            phase.outcome.round_trip_ns.saturating_record(round_trip_ns);
        });
    }
}

fn echo(socket: &UdpSocket, shared: &Shared, stop: &StopFlag) {
    let mut buffer = vec![0; LARGEST_PAYLOAD];
    while !stop.is_set() {
        let Ok((size, client)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let Some(request) = buffer.get(..size) else {
            continue;
        };
        // Counted before the reply, or the phase could be over before the count.
        if let Some((sequence, _)) = read_header(request) {
            shared.received.fetch_add(1, Ordering::Relaxed);
            shared.update(sequence, |phase| phase.outcome.received += 1);
        }
        // A reply that the kernel refuses is a lost reply; the client counts it.
        drop(socket.send_to(request, client));
    }
}

fn receive<'a>(socket: &UdpSocket, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    match socket.recv(buffer) {
        Ok(size) => buffer.get(..size),
        Err(error) => {
            // "Connection refused" comes once per lost request; anything else may come back at once.
            if !is_timeout(&error) {
                sleep_until(now_ns() + MILLISECOND_NS / 10);
            }
            None
        }
    }
}

fn write_header(payload: &mut [u8], sequence: u64, sent_ns: u64) {
    let header = sequence
        .to_be_bytes()
        .into_iter()
        .chain(sent_ns.to_be_bytes());
    for (byte, value) in payload.iter_mut().zip(header) {
        *byte = value;
    }
}

fn read_header(payload: &[u8]) -> Option<(u64, u64)> {
    let (sequence, rest) = payload.split_first_chunk()?;
    let (sent_ns, _) = rest.split_first_chunk()?;
    Some((u64::from_be_bytes(*sequence), u64::from_be_bytes(*sent_ns)))
}
