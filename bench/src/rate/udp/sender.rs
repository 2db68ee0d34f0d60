//! Senders that offer more than passes, without a pause.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};

use anyhow::{Context as _, Result, anyhow};
use stormbolt::lab;
use stormbolt::lab::clock::{MILLISECOND_NS, SECOND_NS};
use stormbolt::lab::traffic::{UDP_OVERHEAD_BYTES, UdpSender, UdpSenderOptions};
use xtask::rulesets::{Header, IpVersion, prefixes};

use super::watch::Mark;
use crate::harness::clock::now_ns;
use crate::harness::{Flood, Link};
use crate::sources::inside;

/// Frames by which it is measured how fast they are sent.
const TRIAL_FRAMES: u32 = 400_000;
const UDP: u8 = 17;
const SENDING: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));
const RECEIVING: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2)), 5001);

/// What sends.
pub(super) enum Sender {
    /// The kernel makes frames and puts them on the link, on each of these CPUs.
    Frames(Vec<OnCpu>),
    /// A socket, which waits where a queue is full.
    Socket {
        options: UdpSenderOptions,
        /// Takes the packets, and is never read: nobody answers that nobody listens.
        _receiver: UdpSocket,
    },
}

/// Frames of one CPU.
pub(super) struct OnCpu {
    cpu: usize,
    flood: Flood,
    frames_per_second: u64,
}

impl Sender {
    /// Frames of 1,000 sources, made on these CPUs, which try how fast they are.
    pub(super) fn frames(
        link: &Link,
        frame_bytes: usize,
        cpus: Range<usize>,
        seed: u64,
    ) -> Result<Self> {
        let sources = prefixes(IpVersion::V4, 1000, seed);
        // All of them UDP: segments of TCP that come again may pass ahead of the rate.
        let headers: Vec<Header> = inside(&sources, IpVersion::V4, seed)
            .into_iter()
            .map(|header| Header {
                protocol: UDP,
                ..header
            })
            .collect();
        let mut all = Vec::new();
        for cpu in cpus {
            all.push(OnCpu {
                cpu,
                flood: Flood::load_padded(&headers, IpVersion::V4, frame_bytes)?,
                frames_per_second: 0,
            });
        }
        thread::scope(|scope| {
            let trial = |one| spawn(scope, move || OnCpu::try_out(one, link));
            let trials: Vec<_> = all.iter_mut().map(trial).collect();
            trials.into_iter().try_for_each(join)
        })?;
        Ok(Self::Frames(all))
    }

    /// A socket, and one that it sends to.
    pub(super) fn socket(link: &Link, frame_bytes: usize) -> Result<Self> {
        link.give_addresses(SENDING, RECEIVING.ip())?;
        let overhead = usize::try_from(UDP_OVERHEAD_BYTES)?;
        Ok(Self::Socket {
            options: UdpSenderOptions {
                payload_bytes: frame_bytes.saturating_sub(overhead),
                ..UdpSenderOptions::new(SocketAddr::new(SENDING, 0), RECEIVING)
            },
            _receiver: link.host().run(|| UdpSocket::bind(RECEIVING))??,
        })
    }

    /// Sends while `watch` watches; `None`: the sending was over before the watching.
    ///
    /// A pause between two calls would let buckets fill, so each CPU sends in one call the frames that take
    /// it `sending_ns`.
    pub(super) fn send(
        &mut self,
        link: &Link,
        sending_ns: u64,
        watch: impl FnOnce() -> Result<Vec<Mark>> + Send,
    ) -> Result<Option<Vec<Mark>>> {
        let is_over = &AtomicBool::new(false);
        let watch = move || {
            // It shares its CPU with a sender, which would keep it waiting for some milliseconds.
            lab::run_at_once().context("cannot go before other threads")?;
            let marks = watch()?;
            Ok((!is_over.load(Ordering::Relaxed)).then_some(marks))
        };
        thread::scope(|scope| {
            let watching = spawn(scope, watch);
            match self {
                Self::Frames(all) => {
                    let send = |one| {
                        spawn(scope, move || {
                            let sent = OnCpu::send_for(one, link, sending_ns);
                            is_over.store(true, Ordering::Relaxed);
                            sent
                        })
                    };
                    let sending: Vec<_> = all.iter_mut().map(send).collect();
                    sending.into_iter().try_for_each(join)?;
                    join(watching)
                }
                Self::Socket { options, .. } => {
                    let start = || {
                        lab::go_first().context("cannot go first")?;
                        Ok(UdpSender::start(link.senders(), options)?)
                    };
                    let sender = join(spawn(scope, start))?;
                    let marks = join(watching);
                    drop(sender);
                    marks
                }
            }
        })
    }
}

impl OnCpu {
    /// Finds out how many frames a second's worth is.
    fn try_out(&mut self, link: &Link) -> Result<()> {
        let before_ns = now_ns();
        self.send(link, TRIAL_FRAMES)?;
        let trial_ns = now_ns() - before_ns;
        self.frames_per_second = u64::from(TRIAL_FRAMES) * SECOND_NS / trial_ns.max(1);
        Ok(())
    }

    fn send_for(&mut self, link: &Link, sending_ns: u64) -> Result<()> {
        let milliseconds = sending_ns / MILLISECOND_NS;
        let frames = self.frames_per_second * milliseconds / 1000;
        self.send(link, u32::try_from(frames)?)
    }

    fn send(&mut self, link: &Link, frames: u32) -> Result<()> {
        lab::keep_to([self.cpu]).context("cannot stay on one CPU")?;
        // Any pause that is longer than the burst is seen as rate that was not used.
        lab::go_first().context("cannot go first")?;
        self.flood.send_frames(link, frames)
    }
}

fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> Result<T> + Send + 'scope,
) -> ScopedJoinHandle<'scope, Result<T>> {
    scope.spawn(work)
}

fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread ended"))?
}
