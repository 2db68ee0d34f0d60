//! A flood of small UDP frames to the host, from a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use stormbolt::datapath::{Flood, FloodFrames};
use stormbolt::lab::clock::{MILLISECOND_NS, now_ns, sleep_until};
use stormbolt_common::generator::GeneratorSettings;

use super::lab::{HOST, Lab, SENDERS};
use super::waiting::until_some;

/// Source ports, so that it is this many flows.
const FLOWS: u32 = 256;
/// Frames in one system call: a tenth of a second's worth.
const ROUND: u32 = 100_000;
/// Until the next: the kernel hands out no memory to the daemon that starts while a CPU is never left.
const PAUSE_NS: u64 = 2 * MILLISECOND_NS;

/// A flood that goes on until it is stopped.
#[derive(Debug)]
pub struct FloodThread {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
    before: (u64, u64),
    from_ns: u64,
}

impl FloodThread {
    /// Sends frames of `bytes` bytes to a UDP port of the host, one every `interval_ns`.
    ///
    /// # Panics
    ///
    /// When the generator cannot be loaded.
    pub fn start(lab: &Lab, port: u16, bytes: usize, interval_ns: u32) -> Self {
        let frames = FloodFrames {
            template: frame(lab, port, bytes),
            settings: GeneratorSettings {
                flows: FLOWS,
                first_port: 20_000,
                port_offset: 34,
                interval_ns,
                ..GeneratorSettings::default()
            },
        };
        let mut flood = Flood::load(lab.uplink.ifindex(), &frames).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let namespace = lab.senders.clone();
        let work = move || {
            let send = || {
                while !stopped.load(Ordering::Relaxed) {
                    flood.send(ROUND).unwrap();
                    sleep_until(now_ns() + PAUSE_NS);
                }
            };
            namespace.run(send).unwrap();
            flood.report().frames
        };
        Self {
            stop,
            before: counters(lab),
            from_ns: now_ns(),
            thread: Some(std::thread::spawn(work)),
        }
    }

    /// Ends it; returns how many of its frames have arrived at the host.
    ///
    /// # Panics
    ///
    /// When frames are neither there nor counted as lost by the device.
    pub fn stop(mut self, lab: &Lab) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.thread.take().unwrap().join().unwrap();
        let arrived = until_some("every frame has arrived or is lost", || {
            let (received, lost) = counters(lab);
            let (received, lost) = (received - self.before.0, lost - self.before.1);
            (received + lost == sent).then_some(received)
        });
        let milliseconds = (now_ns() - self.from_ns) / MILLISECOND_NS;
        let rate = sent * 1000 / milliseconds.max(1);
        eprintln!("{arrived} of {sent} frames arrived, {rate} a second");
        arrived
    }
}

/// Frames that have arrived, and that the link had no room for.
fn counters(lab: &Lab) -> (u64, u64) {
    let received = lab.eth0.counters().unwrap().received_packets;
    (received, lab.uplink.counters().unwrap().sent_dropped)
}

impl Drop for FloodThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Without checksums of UDP (RFC 768: none).
fn frame(lab: &Lab, port: u16, bytes: usize) -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ethernet2(lab.uplink.mac().0, lab.eth0.mac().0)
        .ipv4(SENDERS.0.octets(), HOST.0.octets(), 64)
        .udp(20_000, port);
    let payload = vec![0xa5; bytes - builder.size(0)];
    let mut frame = Vec::with_capacity(bytes);
    builder.write(&mut frame, &payload).unwrap();
    if let Some(checksum) = frame.get_mut(40..42) {
        checksum.fill(0);
    }
    frame
}
