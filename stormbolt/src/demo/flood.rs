//! The flood: live frames out of the senders' end of the link, from a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use stormbolt_common::generator::GeneratorSettings;

use super::policies::BULK_PORT;
use super::scene::{HOST_ADDRESS, SENDERS_ADDRESS};
use crate::datapath::{Flood, FloodFrames, FloodReport};
use crate::lab::{Interface, keep_to, prefer};

/// Length of a flood frame in bytes, FCS excluded: the shortest that Ethernet carries.
pub(super) const FRAME_BYTES: usize = 60;
/// Time between two frames: 2.9 M/s while the flood has its CPU, which it shares with the senders,
/// the servers and the daemon.
const INTERVAL_NS: u32 = 340;
/// Frames per round: a second's worth, which is also how long the end of a flood takes. Rounds
/// have a pause of 25 ms between them, in which the kernel sets up the next.
const FRAMES_PER_ROUND: u32 = 2_000_000;
/// Source ports, so that the flood is this many flows.
const FLOWS: u32 = 1024;

/// A flood that can be switched on and off.
pub(super) struct FloodThread {
    active: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    frames: Box<dyn Fn() -> FloodReport>,
    thread: Option<JoinHandle<()>>,
}

impl FloodThread {
    /// Prepares a flood from `from` to the link's other end, `to`, sent by `cpu`.
    pub(super) fn start(from: &Interface, to: &Interface, cpu: usize) -> anyhow::Result<Self> {
        let frames = FloodFrames {
            template: frame(from, to),
            settings: GeneratorSettings {
                flows: FLOWS,
                first_port: 20_000,
                port_offset: 34,
                interval_ns: INTERVAL_NS,
                ..GeneratorSettings::default()
            },
        };
        let mut flood = Flood::load(from.ifindex(), &frames).context("cannot load the flood")?;
        let report = flood
            .reporter()
            .context("cannot read the flood's counters")?;
        let active = Arc::new(AtomicBool::new(false));
        let stop = Arc::new(AtomicBool::new(false));
        let (is_active, is_stopped) = (Arc::clone(&active), Arc::clone(&stop));
        let namespace = from.namespace().clone();
        let work = move || {
            let sent = namespace.run(|| {
                if let Err(error) = keep_to([cpu]).map_err(Into::into).and_then(|()| prefer()) {
                    tracing::debug!("the flood is weaker than it could be: {error}");
                }
                while !is_stopped.load(Ordering::Relaxed) {
                    if !is_active.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(5));
                    } else if let Err(error) = flood.send(FRAMES_PER_ROUND) {
                        tracing::warn!("the flood stops: {error:#}");
                        return;
                    }
                }
            });
            if let Err(error) = sent {
                tracing::warn!("the flood stops: {error:#}");
            }
        };
        let thread = std::thread::Builder::new()
            .name("flood".to_owned())
            .spawn(work)?;
        Ok(Self {
            active,
            stop,
            frames: Box::new(report),
            thread: Some(thread),
        })
    }

    /// Switches the flood on or off, within a second.
    pub(super) fn switch(&self, on: bool) {
        self.active.store(on, Ordering::Relaxed);
    }

    /// Frames sent so far.
    pub(super) fn frames(&self) -> u64 {
        (self.frames)().frames
    }
}

impl Drop for FloodThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the flood is no reason for another one.
            drop(thread.join());
        }
    }
}

/// A UDP frame to the bulk port, checksum zero (RFC 768: none).
fn frame(from: &Interface, to: &Interface) -> Vec<u8> {
    let ip_bytes = FRAME_BYTES - 14;
    let ip_length = u16::try_from(ip_bytes).unwrap_or(u16::MAX).to_be_bytes();
    let udp_length = u16::try_from(ip_bytes - 20)
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    let mut ip = vec![
        0x45,
        0,
        ip_length[0],
        ip_length[1],
        0,
        0,
        0,
        0,
        64,
        17,
        0,
        0,
    ];
    ip.extend(SENDERS_ADDRESS.octets());
    ip.extend(HOST_ADDRESS.octets());
    let checksum = internet_checksum(&ip).to_be_bytes();
    let mut frame = Vec::with_capacity(FRAME_BYTES);
    frame.extend(to.mac().0);
    frame.extend(from.mac().0);
    frame.extend([0x08, 0x00]);
    for (position, byte) in ip.into_iter().enumerate() {
        frame.push(match position {
            10 => checksum[0],
            11 => checksum[1],
            _ => byte,
        });
    }
    frame.extend(20_000_u16.to_be_bytes());
    frame.extend(BULK_PORT.to_be_bytes());
    frame.extend(udp_length);
    frame.resize(FRAME_BYTES, 0);
    frame
}

/// RFC 1071, over a header whose checksum field is zero.
fn internet_checksum(header: &[u8]) -> u16 {
    let words = header.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_rfc_1071_example() {
        let header = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(internet_checksum(&header), !0xddf2);
    }
}
