//! UDP frames of one sender that offers many times what passes, over a veth link: what passed, over what
//! should have.
//!
//! What passed is what the receiving host's IP has counted, for StormBolt and for its peers alike.

use std::any::Any;
use std::thread::Builder;

use anyhow::{Result, anyhow, bail, ensure};
use stormbolt::lab::clock::sleep_until;
use stormbolt_control::units::BitsPerSecond;
use xtask::rulesets::{IpVersion, prefixes};

use crate::harness::clock::now_ns;
use crate::harness::{Flood, Link, Loaded, Nft};
use crate::policies::{held_to, on};
use crate::run::{Run, in_round, preparing, skipped};
use crate::sources::inside;
use crate::stats::{median, ratio};

/// The CPU that receives; this thread, which sends, is on the last one.
const RECEIVING_CPU: usize = 0;
/// Small enough that a hundredth of a second at the lowest rate is more than one of them.
const SHORT_FRAME: usize = 64;
/// Large enough that one core sends more than 10 Gbit/s of them.
const LONG_FRAME: usize = 1514;
const SECOND_NS: u64 = 1_000_000_000;
const ETHERNET_HEADER: usize = 14;
/// Frames by which it is measured how fast they are sent.
const TRIAL_FRAMES: u32 = 400_000;
/// How long frames are sent, to be sure of two seconds; the next one is tried if it was too short.
const SENDING_NS: [f64; 3] = [4e9, 8e9, 16e9];
const PATIENCE_NS: u64 = 20 * SECOND_NS;
const SETTLING_NS: u64 = 500_000;
const WINDOW_NS: u64 = SECOND_NS / 10;

/// A rate, and the length of the frames that it is measured with.
#[derive(Clone, Copy)]
struct Rate {
    name: &'static str,
    bits_per_second: u64,
    frame_bytes: usize,
}

const RATES: [Rate; 5] = [
    Rate {
        name: "1m",
        bits_per_second: 1_000_000,
        frame_bytes: SHORT_FRAME,
    },
    Rate {
        name: "10m",
        bits_per_second: 10_000_000,
        frame_bytes: SHORT_FRAME,
    },
    Rate {
        name: "100m",
        bits_per_second: 100_000_000,
        frame_bytes: SHORT_FRAME,
    },
    Rate {
        name: "1g",
        bits_per_second: 1_000_000_000,
        frame_bytes: LONG_FRAME,
    },
    Rate {
        name: "10g",
        bits_per_second: 10_000_000_000,
        frame_bytes: LONG_FRAME,
    },
];

/// What holds the frames to the rate.
#[derive(Clone, Copy)]
enum Limiter {
    StormBolt,
    NftLimit,
}

impl Limiter {
    fn case(self, rate: Rate) -> String {
        let name = rate.name;
        match self {
            Self::StormBolt => format!("udp-{name}"),
            Self::NftLimit => format!("peer-nft-limit-{name}"),
        }
    }

    /// What of a frame it counts: nftables sees it without the Ethernet header.
    const fn counted_bytes(self, frame_bytes: usize) -> usize {
        match self {
            Self::StormBolt => frame_bytes,
            Self::NftLimit => frame_bytes - ETHERNET_HEADER,
        }
    }

    /// Puts it at a link's receiving end; none if it is not installed.
    fn start(self, rate: Rate, link: &Link) -> Result<Option<Box<dyn Any>>> {
        match self {
            Self::StormBolt => {
                let policy = held_to(BitsPerSecond(rate.bits_per_second));
                let policy = on(policy, link.name());
                let loaded = Loaded::start_in(link.host().clone(), policy)?;
                Ok(Some(held(loaded)))
            }
            Self::NftLimit => {
                let limit = Nft::limit(link, rate.bits_per_second / 8)?;
                Ok(limit.map(held))
            }
        }
    }
}

/// What is at work until it is dropped.
fn held(limiter: impl Any) -> Box<dyn Any> {
    Box::new(limiter)
}

pub(super) fn measure(run: &mut Run<'_, '_>) -> Result<()> {
    for rate in RATES {
        let mut wanted = Vec::new();
        for limiter in [Limiter::StormBolt, Limiter::NftLimit] {
            if run.wants(&limiter.case(rate)) {
                wanted.push((limiter, Vec::new()));
            }
        }
        if wanted.is_empty() {
            continue;
        }
        if run.cpus() < 2 {
            skipped("udp-", &anyhow!("sender and receiver need a CPU each"));
            return Ok(());
        }
        preparing(&format!("udp-{}", rate.name));
        for round in 1..=run.rounds() {
            in_round(round, run.rounds());
            for (limiter, seen) in &mut wanted {
                seen.extend(once(*limiter, rate, run.seed())?);
            }
        }
        for (limiter, seen) in &wanted {
            report(run, &limiter.case(rate), seen)?;
        }
    }
    Ok(())
}

/// What passed of what should have.
struct Seen {
    first_second: f64,
    second_second: f64,
    /// In each tenth of the second second.
    windows: Vec<f64>,
}

fn report(run: &mut Run<'_, '_>, case: &str, seen: &[Seen]) -> Result<()> {
    if seen.is_empty() {
        skipped(case, &anyhow!("it is not installed"));
        return Ok(());
    }
    let of = |value: fn(&Seen) -> f64| median(&seen.iter().map(value).collect::<Vec<_>>());
    let least = |one: &Seen| one.windows.iter().copied().fold(f64::INFINITY, f64::min);
    let most = |one: &Seen| one.windows.iter().copied().fold(0.0, f64::max);
    let values = [
        ("passed_over_target", of(|one| one.second_second)),
        (
            "passed_over_target_first_second",
            of(|one| one.first_second),
        ),
        ("passed_over_target_least_100ms", of(least)),
        ("passed_over_target_most_100ms", of(most)),
    ];
    for (metric, value) in values {
        run.add(case, metric, value, "ratio")?;
    }
    Ok(())
}

/// Two seconds, again if the sender was done before that: how fast it is changes with what else the machine
/// does.
fn once(limiter: Limiter, rate: Rate, seed: u64) -> Result<Option<Seen>> {
    for sending_ns in SENDING_NS {
        match attempt(limiter, rate, seed, sending_ns)? {
            Attempt::Seen(measured) => return Ok(Some(measured)),
            Attempt::NotInstalled => return Ok(None),
            Attempt::SenderDone => {}
        }
    }
    bail!("{}: the sender is now slow, now fast", limiter.case(rate))
}

/// How an attempt ended.
enum Attempt {
    Seen(Seen),
    NotInstalled,
    /// Before two seconds had passed.
    SenderDone,
}

/// Two seconds on a link of its own, so that every round has a first second. As many frames are sent as
/// take `sending_ns` at first.
fn attempt(limiter: Limiter, rate: Rate, seed: u64, sending_ns: f64) -> Result<Attempt> {
    let link = Link::new(RECEIVING_CPU)?;
    let sources = prefixes(IpVersion::V4, 1000, seed);
    let mut flood = Flood::load_padded(
        &inside(&sources, IpVersion::V4, seed),
        IpVersion::V4,
        rate.frame_bytes,
    )?;
    // How many frames a second's worth is; a pause between two calls would let buckets fill.
    let before_ns = now_ns();
    flood.send_frames(&link, TRIAL_FRAMES)?;
    let trial_ns = now_ns() - before_ns;
    let enough = ratio(u64::from(TRIAL_FRAMES), trial_ns) * sending_ns;
    let counted = u64::try_from(limiter.counted_bytes(rate.frame_bytes))?;
    let passed = |from: Mark, to: Mark| {
        let bits = (to.by_ip - from.by_ip) * counted * 8;
        ratio(bits, to.at_ns - from.at_ns) * 1e9 / ratio(rate.bits_per_second, 1)
    };
    let Some(_limiter) = limiter.start(rate, &link)? else {
        return Ok(Attempt::NotInstalled);
    };
    let marks = std::thread::scope(|scope| -> Result<Option<Vec<Mark>>> {
        let sender =
            Builder::new().spawn_scoped(scope, || flood.send_frames(&link, frames(enough)))?;
        let mut marks = vec![first_to_arrive(&link)?];
        let begin_ns = marks.first().map_or(0, |mark| mark.at_ns);
        for number in 1..=20 {
            sleep_until(begin_ns + number * WINDOW_NS);
            marks.push(mark(&link)?);
        }
        let in_time = !sender.is_finished();
        sender.join().map_err(|_| anyhow!("the sender ended"))??;
        Ok(in_time.then_some(marks))
    })?;
    let Some(marks) = marks else {
        return Ok(Attempt::SenderDone);
    };
    let at = |number: usize| marks.get(number).copied().unwrap_or_default();
    let (begin, first, last) = (at(0), at(10), at(20));
    ensure!(
        last.by_ip > begin.by_ip,
        "{}: nothing has passed",
        limiter.case(rate)
    );
    let windows = marks.iter().zip(marks.iter().skip(1)).skip(10);
    Ok(Attempt::Seen(Seen {
        first_second: passed(begin, first),
        second_second: passed(first, last),
        windows: windows.map(|(from, to)| passed(*from, *to)).collect(),
    }))
}

/// What had passed at a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    at_ns: u64,
    by_ip: u64,
}

fn mark(link: &Link) -> Result<Mark> {
    // The middle of the time that it takes to read.
    let before_ns = now_ns();
    let by_ip = link.received_by_ip()?;
    let after_ns = now_ns();
    Ok(Mark {
        at_ns: before_ns + (after_ns - before_ns) / 2,
        by_ip,
    })
}

/// The moment when the first frames have come through; what came before the sender began does not count.
fn first_to_arrive(link: &Link) -> Result<Mark> {
    let before = mark(link)?;
    let deadline_ns = before.at_ns + PATIENCE_NS;
    loop {
        let now = mark(link)?;
        if now.by_ip > before.by_ip {
            return Ok(Mark {
                by_ip: before.by_ip,
                ..now
            });
        }
        ensure!(now.at_ns < deadline_ns, "no frames arrive");
        sleep_until(now_ns() + SETTLING_NS);
    }
}

/// A number of frames that the kernel takes.
fn frames(wanted: f64) -> u32 {
    // Printed without a fraction, since floats are not converted to integers otherwise.
    format!("{wanted:.0}").parse().unwrap_or(TRIAL_FRAMES)
}
