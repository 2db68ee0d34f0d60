//! TCP connections that carry data one way.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};

use super::pacer::Pacer;
use super::sockets::{is_timeout, listener, prepare_stream, tcp};
use super::workers::{StopFlag, Workers};
use crate::lab::clock::{MILLISECOND_NS, now_ns, sleep_until};
use crate::lab::{LabError, Namespace};

/// Time for a connection to be made, resent SYNs included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes per call of an unpaced stream, and at most of a paced one.
const LARGEST_CHUNK: u64 = 64 << 10;
/// Chunks per second of a paced stream, unless they would be smaller than a segment.
const CHUNKS_PER_SECOND: u64 = 500;
/// Payload of a full segment at an MTU of 1500.
const SEGMENT_BYTES: u64 = 1448;

/// What to send, where to.
#[derive(Clone, Debug)]
pub struct TcpStreamOptions {
    /// Address of the sender; port 0 takes a free one for every stream.
    pub client: SocketAddr,
    /// Address and port of the receiver.
    pub server: SocketAddr,
    /// Number of connections.
    pub streams: usize,
    /// Payload rate of each stream in bit/s that the sender keeps to; none: as much as TCP carries.
    pub bits_per_second: Option<u64>,
    /// Congestion control, such as `cubic`; none: the kernel's default.
    pub congestion_control: Option<String>,
    /// CPU of the sending threads.
    pub pin_client: Option<usize>,
    /// CPU of the receiving threads.
    pub pin_server: Option<usize>,
}

impl TcpStreamOptions {
    /// One stream, as fast as it goes.
    pub fn new(client: SocketAddr, server: SocketAddr) -> Self {
        Self {
            client,
            server,
            streams: 1,
            bits_per_second: None,
            congestion_control: None,
            pin_client: None,
            pin_server: None,
        }
    }
}

/// What one stream has carried since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamBytes {
    /// Bytes that the sender handed to its socket.
    pub written: u64,
    /// Bytes that the receiver read.
    pub received: u64,
    /// Whether the connection has failed.
    pub broken: bool,
}

/// Running streams.
#[derive(Debug)]
pub struct TcpStreams {
    workers: Workers,
    streams: Vec<Arc<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    received: AtomicU64,
    broken: AtomicBool,
}

impl TcpStreams {
    /// Connects all streams from `client` to `server` and starts to send.
    ///
    /// # Errors
    ///
    /// When a connection cannot be made within five seconds, the congestion control is not
    /// available, or a CPU does not exist.
    pub fn start(
        client: &Namespace,
        server: &Namespace,
        options: &TcpStreamOptions,
    ) -> Result<Self, LabError> {
        let listener = listener(server, options.server, CONNECT_TIMEOUT)?;
        let mut running = Self {
            workers: Workers::default(),
            streams: Vec::new(),
        };
        for _ in 0..options.streams {
            let (sending, receiving) = connect(client, &listener, options)?;
            let counts = Arc::new(Counts::default());
            running.streams.push(Arc::clone(&counts));
            let count = Arc::clone(&counts);
            let receive = move |stop: &StopFlag| receive_all(receiving, &count, stop);
            running.workers.spawn(server, options.pin_server, receive)?;
            let rate = options.bits_per_second;
            let send = move |stop: &StopFlag| send_all(sending, rate, &counts, stop);
            running.workers.spawn(client, options.pin_client, send)?;
        }
        Ok(running)
    }

    /// Returns the bytes that all receivers have read.
    pub fn received_bytes(&self) -> u64 {
        self.streams
            .iter()
            .map(|stream| stream.received.load(Ordering::Relaxed))
            .sum()
    }

    /// Returns the counts of every stream.
    pub fn streams(&self) -> Vec<StreamBytes> {
        self.streams.iter().map(|counts| counts.read()).collect()
    }

    /// Stops and returns the final counts.
    pub fn finish(mut self) -> Vec<StreamBytes> {
        self.workers.stop();
        self.streams()
    }
}

impl Counts {
    fn read(&self) -> StreamBytes {
        StreamBytes {
            written: self.written.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            broken: self.broken.load(Ordering::Relaxed),
        }
    }
}

/// Makes one connection: both its ends, the sending one first.
fn connect(
    client: &Namespace,
    listener: &TcpListener,
    options: &TcpStreamOptions,
) -> Result<(TcpStream, TcpStream), LabError> {
    let to = options.server;
    let sending = client
        .run(|| tcp(options.client, to, CONNECT_TIMEOUT))?
        .map_err(LabError::io(format!(
            "connect to {to} from `{}`",
            client.label()
        )))?;
    if let Some(name) = &options.congestion_control {
        setsockopt(&sending, sockopt::TcpCongestion, &OsString::from(name))
            .map_err(LabError::io(format!("use the congestion control `{name}`")))?;
    }
    let receiving = listener
        .accept()
        .and_then(|(stream, _)| prepare_stream(stream))
        .map_err(LabError::io(format!("accept on {to}")))?;
    Ok((sending, receiving))
}

fn send_all(mut stream: TcpStream, rate: Option<u64>, counts: &Counts, stop: &StopFlag) {
    let bytes_per_second = rate.map(|bits| (bits / 8).max(1));
    let chunk = bytes_per_second.map_or(LARGEST_CHUNK, |rate| {
        (rate / CHUNKS_PER_SECOND).clamp(SEGMENT_BYTES, LARGEST_CHUNK)
    });
    let data = vec![0; usize::try_from(chunk).unwrap_or_default()];
    // Paced in bytes: a socket that takes half a chunk has taken half a chunk.
    let mut pacer = bytes_per_second.map(|rate| Pacer::new(rate, now_ns()).with_backlog(2 * chunk));
    while !stop.is_set() {
        if let Some(pacer) = &mut pacer
            && pacer.due(now_ns()) < chunk
        {
            sleep_until(pacer.due_at_ns(chunk).min(now_ns() + 20 * MILLISECOND_NS));
            continue;
        }
        match stream.write(&data) {
            Ok(written) => {
                let written = u64::try_from(written).unwrap_or(0);
                counts.written.fetch_add(written, Ordering::Relaxed);
                if let Some(pacer) = &mut pacer {
                    pacer.sent(written);
                }
            }
            Err(error) if is_timeout(&error) => {}
            Err(_) => return counts.broken.store(true, Ordering::Relaxed),
        }
    }
}

fn receive_all(mut stream: TcpStream, counts: &Counts, stop: &StopFlag) {
    let mut buffer = vec![0; 128 << 10];
    while !stop.is_set() {
        match stream.read(&mut buffer) {
            // The end, but not ours to stop: the sender has given up.
            Ok(0) => return counts.broken.store(true, Ordering::Relaxed),
            Ok(size) => {
                counts
                    .received
                    .fetch_add(u64::try_from(size).unwrap_or(0), Ordering::Relaxed);
            }
            Err(error) if is_timeout(&error) => {}
            Err(_) => {
                // The sender of a stopping pair resets the connection first.
                return counts.broken.store(!stop.is_set(), Ordering::Relaxed);
            }
        }
    }
}
