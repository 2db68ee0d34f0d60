//! Requests and responses over lasting TCP connections.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::pacer::Pacer;
use super::sockets::{listener, prepare_stream, read_full, tcp};
use super::tally::{RequestSnapshot, RequestTotals, lock};
use super::workers::{STOP_CHECK, StopFlag, Workers};
use crate::lab::clock::{MILLISECOND_NS, SECOND_NS, now_ns, sleep_until};
use crate::lab::{LabError, Namespace};

/// How long the server keeps a silent connection, beyond twice the timeout. Clients send at least
/// once per second.
const IDLE_NS: u64 = 5 * SECOND_NS;

/// What to request, from whom.
#[derive(Clone, Debug)]
pub struct TcpRequestOptions {
    /// Address of the client; port 0 takes a free one for every connection.
    pub client: SocketAddr,
    /// Address and port of the server.
    pub server: SocketAddr,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// Requests per second on each connection. One that waits for a response skips requests.
    pub per_second: u64,
    /// Bytes of a request, at least 1.
    pub request_bytes: usize,
    /// Bytes of a response, at least 1.
    pub response_bytes: usize,
    /// How long a connection or a response may take before the connection is given up.
    pub timeout: Duration,
    /// CPU of the client's threads.
    pub pin_client: Option<usize>,
    /// CPU of the server's threads.
    pub pin_server: Option<usize>,
}

impl TcpRequestOptions {
    /// One connection with 200 requests per second, 128 bytes there and 1024 back.
    pub fn new(client: SocketAddr, server: SocketAddr) -> Self {
        Self {
            client,
            server,
            connections: 1,
            per_second: 200,
            request_bytes: 128,
            response_bytes: 1024,
            timeout: Duration::from_secs(1),
            pin_client: None,
            pin_server: None,
        }
    }
}

/// Running clients with their server.
///
/// A request counts in the phase in which it is answered or given up.
#[derive(Debug)]
pub struct TcpRequests {
    clients: Workers,
    server: Workers,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    totals: Totals,
    phase: Mutex<RequestSnapshot>,
    /// When the phase began; its `duration_ns` is only known at its end.
    phase_started_ns: AtomicU64,
}

#[derive(Debug, Default)]
struct Totals {
    sent: AtomicU64,
    received: AtomicU64,
    replied: AtomicU64,
    skipped: AtomicU64,
    broken: AtomicU64,
}

impl TcpRequests {
    /// Starts a server in `server` and the clients in `client`. They connect by themselves, again
    /// after every error, so an unreachable server shows in the counts.
    ///
    /// # Errors
    ///
    /// When the server's address cannot be bound, a size is zero or a CPU does not exist.
    pub fn start(
        client: &Namespace,
        server: &Namespace,
        options: &TcpRequestOptions,
    ) -> Result<Self, LabError> {
        if options.request_bytes == 0 || options.response_bytes == 0 {
            return Err(LabError::Option(
                "a request and a response need at least a byte".into(),
            ));
        }
        let shared = Arc::new(Shared {
            totals: Totals::default(),
            phase: Mutex::new(RequestSnapshot::empty()),
            phase_started_ns: AtomicU64::new(now_ns()),
        });
        let mut running = Self {
            clients: Workers::default(),
            server: Workers::default(),
            shared: Arc::clone(&shared),
        };
        let listener = listener(server, options.server, STOP_CHECK)?;
        let (settings, count) = (options.clone(), Arc::clone(&shared));
        let serve_all = move |stop: &StopFlag| accept(&listener, &settings, &count, stop);
        running
            .server
            .spawn(server, options.pin_server, serve_all)?;
        for _ in 0..options.connections {
            let (settings, count) = (options.clone(), Arc::clone(&shared));
            let request_all = move |stop: &StopFlag| request_all(&settings, &count, stop);
            running
                .clients
                .spawn(client, options.pin_client, request_all)?;
        }
        Ok(running)
    }

    /// Returns the counts since the start.
    pub fn totals(&self) -> RequestTotals {
        let totals = &self.shared.totals;
        RequestTotals {
            sent: totals.sent.load(Ordering::Relaxed),
            received: totals.received.load(Ordering::Relaxed),
            replied: totals.replied.load(Ordering::Relaxed),
            skipped: totals.skipped.load(Ordering::Relaxed),
            broken_connections: totals.broken.load(Ordering::Relaxed),
        }
    }

    /// Ends the phase that began with the last snapshot and returns what came of it.
    pub fn take_snapshot(&self) -> RequestSnapshot {
        let mut phase = lock(&self.shared.phase);
        let now = now_ns();
        let started = self.shared.phase_started_ns.swap(now, Ordering::Relaxed);
        phase.duration_ns = now.saturating_sub(started);
        std::mem::replace(&mut *phase, RequestSnapshot::empty())
    }

    /// Stops and returns what came of the last phase.
    pub fn finish(mut self) -> RequestSnapshot {
        self.clients.stop();
        self.take_snapshot()
    }
}

impl Shared {
    fn add_skipped(&self, count: u64) {
        self.totals.skipped.fetch_add(count, Ordering::Relaxed);
        lock(&self.phase).skipped += count;
    }

    fn add_received(&self) {
        self.totals.received.fetch_add(1, Ordering::Relaxed);
        lock(&self.phase).received += 1;
    }

    fn add_reply(&self, round_trip_ns: u64) {
        self.totals.replied.fetch_add(1, Ordering::Relaxed);
        let mut phase = lock(&self.phase);
        phase.sent += 1;
        phase.replied += 1;
        phase.round_trip_ns.saturating_record(round_trip_ns);
    }

    fn add_broken(&self, request_lost: bool) {
        self.totals.broken.fetch_add(1, Ordering::Relaxed);
        let mut phase = lock(&self.phase);
        phase.broken_connections += 1;
        phase.sent += u64::from(request_lost);
    }
}

/// Sends requests on schedule over one connection at a time.
fn request_all(options: &TcpRequestOptions, shared: &Shared, stop: &StopFlag) {
    let mut pacer = Pacer::new(options.per_second, now_ns());
    let mut connection = None;
    while !stop.is_set() {
        let skipped_before = pacer.skipped();
        if pacer.due(now_ns()) == 0 {
            sleep_until(pacer.next_ns().min(now_ns() + 20 * MILLISECOND_NS));
            continue;
        }
        shared.add_skipped(pacer.skipped() - skipped_before);
        pacer.sent(1);
        let Some(stream) = connection.take().or_else(|| connect(options, shared)) else {
            continue;
        };
        shared.totals.sent.fetch_add(1, Ordering::Relaxed);
        let sent_ns = now_ns();
        match exchange(&stream, options, sent_ns, stop) {
            Ok(true) => {
                shared.add_reply(now_ns().saturating_sub(sent_ns));
                connection = Some(stream);
            }
            Ok(false) if stop.is_set() => {}
            Ok(false) | Err(_) => shared.add_broken(true),
        }
    }
}

fn connect(options: &TcpRequestOptions, shared: &Shared) -> Option<TcpStream> {
    let connection = tcp(options.client, options.server, options.timeout).ok();
    if connection.is_none() {
        shared.add_broken(false);
        // A refusal comes back at once.
        sleep_until(now_ns() + 10 * MILLISECOND_NS);
    }
    connection
}

/// Sends one request and waits for its response. Returns whether it came in time.
fn exchange(
    mut stream: &TcpStream,
    options: &TcpRequestOptions,
    sent_ns: u64,
    stop: &StopFlag,
) -> io::Result<bool> {
    let timeout_ns = u64::try_from(options.timeout.as_nanos()).unwrap_or(u64::MAX);
    let deadline_ns = sent_ns.saturating_add(timeout_ns);
    stream.write_all(&vec![0; options.request_bytes])?;
    let mut response = vec![0; options.response_bytes];
    read_full(stream, &mut response, stop, || now_ns() >= deadline_ns)
}

/// Serves every connection on a thread of its own until told to stop.
fn accept(listener: &TcpListener, options: &TcpRequestOptions, shared: &Shared, stop: &StopFlag) {
    std::thread::scope(|scope| {
        while !stop.is_set() {
            let accepted = listener
                .accept()
                .and_then(|(stream, _)| prepare_stream(stream));
            if let Ok(stream) = accepted {
                scope.spawn(move || serve(&stream, options, shared, stop));
            }
        }
    });
}

fn serve(mut stream: &TcpStream, options: &TcpRequestOptions, shared: &Shared, stop: &StopFlag) {
    let mut request = vec![0; options.request_bytes];
    let response = vec![0; options.response_bytes];
    // A client that gave up may have lost its reset on the way.
    let idle_ns = IDLE_NS + 2 * u64::try_from(options.timeout.as_nanos()).unwrap_or(IDLE_NS);
    let mut last_ns = now_ns();
    while let Ok(true) = read_full(stream, &mut request, stop, || {
        now_ns().saturating_sub(last_ns) > idle_ns
    }) {
        last_ns = now_ns();
        shared.add_received();
        if stream.write_all(&response).is_err() {
            // The client is gone, or does not read: it counts the loss.
            return;
        }
    }
}
