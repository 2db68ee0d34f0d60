//! TCP through a class of little burst: what one stream gets of the class's rate, and how evenly two share it.
//!
//! A policer has no queue. A stream that is too fast loses whole windows once the bucket is empty, and then
//! waits for its retransmission timer, ten times as long as a bucket of 20 ms needs to fill: so a plain
//! policer leaves it a tenth of the rate. The peers here have queues.
//!
//! What passed is what the receiver has read, counted as full frames: what came twice does not count. The
//! ends are as near to each other as two namespaces: the nearer, the harder.
//!
//! And what a stream leaves to UDP in the same class, a tenth of the rate.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Result, anyhow};
use stormbolt::lab::clock::{SECOND_NS, sleep_until};
use stormbolt::lab::traffic::{
    Pace, TcpStreamOptions, TcpStreams, UdpReceiver, UdpSender, UdpSenderOptions,
    packets_per_second,
};
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
/// Two streams go before each other in turns of some 0.3 s, whose order is chance.
const MEASURED_OF_TWO_NS: u64 = 15 * SECOND_NS;
const SENDER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));
const RECEIVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2));
const PORT: u16 = 5001;
const UDP_PORT: u16 = 5002;
const UDP_PAYLOAD_BYTES: usize = 958;

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
    /// Whether UDP is sent beside the streams.
    beside_udp: bool,
    passed: Vec<f64>,
    shares: Vec<f64>,
    losses: Vec<f64>,
}

/// What one way of sending is called, and what it is.
struct Way {
    suffix: &'static str,
    ecn: bool,
    streams: usize,
    beside_udp: bool,
}

/// One stream, as peers are asked for.
const ONE: Way = Way {
    suffix: "",
    ecn: false,
    streams: 1,
    beside_udp: false,
};
/// The same with UDP.
const BESIDE_UDP: Way = Way {
    suffix: "-beside-udp",
    beside_udp: true,
    ..ONE
};
/// Peers do not mark, and share by their queues.
const WAYS_OF_PEERS: [Way; 2] = [ONE, BESIDE_UDP];
const WAYS: [Way; 5] = [
    ONE,
    Way {
        suffix: "-ecn",
        ecn: true,
        ..ONE
    },
    Way {
        suffix: "-two",
        streams: 2,
        ..ONE
    },
    Way {
        suffix: "-ecn-two",
        ecn: true,
        streams: 2,
        ..ONE
    },
    BESIDE_UDP,
];

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
            if case.beside_udp {
                run.add(&case.name, "udp_loss", median(&case.losses), "ratio")?;
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
            let peer_name = peer.map_or_else(String::new, |peer| format!("peer-{}-", peer.name()));
            let ways: &[Way] = if peer.is_some() {
                &WAYS_OF_PEERS
            } else {
                &WAYS
            };
            cases.extend(ways.iter().map(|way| Case {
                name: format!("{peer_name}tcp-{rate}-{congestion_control}{}", way.suffix),
                peer,
                bits_per_second,
                congestion_control,
                ecn: way.ecn,
                streams: way.streams,
                beside_udp: way.beside_udp,
                passed: Vec::new(),
                shares: Vec::new(),
                losses: Vec::new(),
            }));
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
    /// Some seconds on a path of its own.
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
        let udp = if self.beside_udp {
            Some(self.start_udp(&path)?)
        } else {
            None
        };
        let (before, before_ns) = (received(), now_ns());
        let measured_ns = if self.streams > 1 {
            MEASURED_OF_TWO_NS
        } else {
            MEASURED_NS
        };
        sleep_until(before_ns + measured_ns);
        let (after, after_ns) = (received(), now_ns());
        if let Some((sender, receiver)) = udp {
            let sent = sender.finish().sent_packets;
            let arrived: u64 = receiver.finish().iter().map(|port| port.packets).sum();
            self.losses.push(1.0 - ratio(arrived, sent.max(1)));
        }
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

    /// UDP at a tenth of the rate.
    fn start_udp(&self, path: &Path) -> Result<(UdpSender, UdpReceiver)> {
        let receiver = UdpReceiver::start(&path.receiver, RECEIVER, &[UDP_PORT], None)?;
        let payload_bytes = u64::try_from(UDP_PAYLOAD_BYTES)?;
        let options = UdpSenderOptions {
            payload_bytes: UDP_PAYLOAD_BYTES,
            pace: Pace::PerSecond(packets_per_second(self.bits_per_second / 10, payload_bytes)),
            ..UdpSenderOptions::new(
                SocketAddr::new(SENDER, 0),
                SocketAddr::new(RECEIVER, UDP_PORT),
            )
        };
        Ok((UdpSender::start(&path.sender, &options)?, receiver))
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
