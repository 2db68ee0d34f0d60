//! TCP through a class of little burst: what one stream gets of the class's rate, and how evenly two share it.
//!
//! A policer has no queue. A stream that is too fast loses whole windows once the bucket is empty, and then
//! waits for its retransmission timer, ten times as long as a bucket of 20 ms needs to fill: so a plain
//! policer leaves it a tenth of the rate. The peers here have queues.
//!
//! What passed is what the receiver has read, counted as full frames: what came twice does not count. The
//! ends are as near to each other as two namespaces: the nearer, the harder.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Result, anyhow};
use stormbolt::lab::clock::{SECOND_NS, sleep_until};
use stormbolt::lab::traffic::{TcpStreamOptions, TcpStreams};
use stormbolt::lab::{Interface, Namespace, VethOptions, connect, veth};
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use crate::harness::clock::now_ns;
use crate::harness::{Loaded, Shaper};
use crate::policies::{held_to_with_burst, on};
use crate::run::{Run, in_round, preparing, skipped};
use crate::stats::{median, ratio};

/// Payload of a full segment, with timestamps.
const SEGMENT_BYTES: u64 = 1448;
/// Its frame.
const FRAME_BYTES: u64 = 1514;
/// Depth of the class's bucket. A flow that has lost something passes as far ahead once more, which makes 20 ms.
const BURST: Nanoseconds = Nanoseconds::from_millis(10);
/// Depth of the peers' buckets in ns.
const PEERS_BURST_NS: u64 = 20_000_000;
const SETTLING_NS: u64 = SECOND_NS;
const MEASURED_NS: u64 = 5 * SECOND_NS;
const SENDER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));
const RECEIVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2));
const PORT: u16 = 5001;

const RATES: [(&str, u64); 3] = [
    ("10m", 10_000_000),
    ("100m", 100_000_000),
    ("1g", 1_000_000_000),
];

/// One case.
struct Case {
    name: String,
    /// `None`: StormBolt.
    peer: Option<Shaper>,
    bits_per_second: u64,
    congestion_control: &'static str,
    ecn: bool,
    streams: usize,
    passed: Vec<f64>,
    shares: Vec<f64>,
}

pub(super) fn measure(run: &mut Run<'_, '_>) -> Result<()> {
    for rate in RATES {
        let mut wanted = cases(rate);
        wanted.retain(|case| run.wants(&case.name));
        if wanted.is_empty() {
            continue;
        }
        preparing(&format!("tcp-{}", rate.0));
        for round in 1..=run.rounds() {
            in_round(round, run.rounds());
            for case in &mut wanted {
                case.once()?;
            }
        }
        for case in &wanted {
            if case.passed.is_empty() {
                skipped(&case.name, &anyhow!("tc is not installed"));
                continue;
            }
            run.add(
                &case.name,
                "passed_over_target",
                median(&case.passed),
                "ratio",
            )?;
            if case.streams > 1 {
                run.add(
                    &case.name,
                    "smaller_over_larger",
                    median(&case.shares),
                    "ratio",
                )?;
            }
        }
    }
    Ok(())
}

/// The cases of a rate, StormBolt's first.
fn cases((rate, bits_per_second): (&'static str, u64)) -> Vec<Case> {
    let mut cases = Vec::new();
    for peer in [None, Some(Shaper::Htb), Some(Shaper::Tbf)] {
        for congestion_control in ["cubic", "bbr"] {
            // Peers do not mark, and share by their queues.
            let ways: &[(bool, usize)] = match peer {
                None => &[(false, 1), (true, 1), (false, 2), (true, 2)],
                Some(_) => &[(false, 1)],
            };
            for &(ecn, streams) in ways {
                let peer_name =
                    peer.map_or_else(String::new, |peer| format!("peer-{}-", peer.name()));
                let ecn_name = if ecn { "-ecn" } else { "" };
                let count = if streams > 1 { "-two" } else { "" };
                cases.push(Case {
                    name: format!("{peer_name}tcp-{rate}-{congestion_control}{ecn_name}{count}"),
                    peer,
                    bits_per_second,
                    congestion_control,
                    ecn,
                    streams,
                    passed: Vec::new(),
                    shares: Vec::new(),
                });
            }
        }
    }
    cases
}

/// Two namespaces and what holds the traffic between them to a rate.
struct Path {
    sender: Namespace,
    receiver: Namespace,
    limiter: Limiter,
}

/// What is at work for as long as it is kept.
enum Limiter {
    StormBolt { _loaded: Box<Loaded> },
    Peer,
    NotInstalled,
}

impl Case {
    /// Five seconds on a path of its own.
    fn once(&mut self) -> Result<()> {
        let path = self.path()?;
        if matches!(path.limiter, Limiter::NotInstalled) {
            return Ok(());
        }
        let options = TcpStreamOptions {
            streams: self.streams,
            congestion_control: Some(self.congestion_control.to_owned()),
            ..TcpStreamOptions::new(SocketAddr::new(SENDER, 0), SocketAddr::new(RECEIVER, PORT))
        };
        let running = TcpStreams::start(&path.sender, &path.receiver, &options)?;
        let received = || {
            running
                .streams()
                .iter()
                .map(|one| one.received)
                .collect::<Vec<u64>>()
        };
        sleep_until(now_ns() + SETTLING_NS);
        let (before, before_ns) = (received(), now_ns());
        sleep_until(before_ns + MEASURED_NS);
        let (after, after_ns) = (received(), now_ns());
        let read: Vec<u64> = before
            .iter()
            .zip(&after)
            .map(|(from, to)| to - from)
            .collect();
        let bits = read.iter().sum::<u64>() * FRAME_BYTES * 8 / SEGMENT_BYTES;
        let passed = ratio(bits, after_ns - before_ns) * 1e9 / ratio(self.bits_per_second, 1);
        self.passed.push(passed);
        let (least, most) = (read.iter().min(), read.iter().max());
        if let (Some(&least), Some(&most)) = (least, most) {
            self.shares.push(ratio(least, most.max(1)));
        }
        Ok(())
    }

    fn path(&self) -> Result<Path> {
        let (sender, receiver) = (Namespace::new("sender")?, Namespace::new("receiver")?);
        let options = VethOptions {
            queues: 1,
            ..VethOptions::default()
        };
        let (uplink, eth0) = veth(&sender, "uplink", &receiver, "eth0", options)?;
        connect(&uplink, &[(SENDER, 24)], &eth0, &[(RECEIVER, 24)])?;
        for end in [&sender, &receiver] {
            end.sysctl("net.ipv4.tcp_ecn", if self.ecn { "1" } else { "0" })?;
        }
        let limiter = self.limit(&uplink, &eth0)?;
        Ok(Path {
            sender,
            receiver,
            limiter,
        })
    }

    /// Starts what holds the traffic to the rate.
    fn limit(&self, uplink: &Interface, eth0: &Interface) -> Result<Limiter> {
        if let Some(peer) = self.peer {
            let burst = self.bits_per_second / 8 * PEERS_BURST_NS / SECOND_NS;
            let started = peer.start(uplink, self.bits_per_second, burst)?;
            return Ok(if started {
                Limiter::Peer
            } else {
                Limiter::NotInstalled
            });
        }
        let policy = held_to_with_burst(BitsPerSecond(self.bits_per_second), BURST);
        let loaded = Loaded::start_in(eth0.namespace().clone(), on(policy, eth0.name()))?;
        Ok(Limiter::StormBolt {
            _loaded: Box::new(loaded),
        })
    }
}
