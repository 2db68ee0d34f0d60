//! UDP frames of a sender that offers more than passes, over a veth link: what passed, over what should have.
//!
//! What passed is what the receiving host's IP has counted, for StormBolt and for its peers alike.

mod limiter;
mod sender;
mod watch;

use anyhow::{Result, anyhow, bail, ensure};

use stormbolt::lab::clock::SECOND_NS;

use self::limiter::{Limiter, Started};
use self::sender::Sender;
use self::watch::{Mark, Passed, watch};
use crate::harness::Link;
use crate::run::{Run, in_round, preparing, skipped};
use crate::stats::{median, ratio};

/// The CPU that receives where one does; senders run on the last one.
const RECEIVING_CPU: usize = 0;
/// Small enough that a hundredth of a second at the lowest rate is more than one of them.
const SHORT_FRAME: usize = 64;
/// Large enough that one core sends more than 10 Gbit/s of them.
const LONG_FRAME: usize = 1514;
/// More packets than a CPU has that polices none of the frames.
const A_FEW: u64 = 1000;
/// How long frames are sent, to be sure of two seconds; the next one is tried if it was too short.
const SENDING_NS: [u64; 3] = [4 * SECOND_NS, 8 * SECOND_NS, 16 * SECOND_NS];

/// A rate, and the length of the frames that it is measured with.
#[derive(Clone, Copy)]
struct Rate {
    name: &'static str,
    bits_per_second: u64,
    frame_bytes: usize,
}

impl Rate {
    const fn new(name: &'static str, bits_per_second: u64, frame_bytes: usize) -> Self {
        Self {
            name,
            bits_per_second,
            frame_bytes,
        }
    }
}

const RATES: [Rate; 5] = [
    Rate::new("1m", 1_000_000, SHORT_FRAME),
    Rate::new("10m", 10_000_000, SHORT_FRAME),
    Rate::new("100m", 100_000_000, SHORT_FRAME),
    Rate::new("1g", 1_000_000_000, LONG_FRAME),
    Rate::new("10g", 10_000_000_000, LONG_FRAME),
];

pub(super) fn measure(run: &mut Run<'_, '_>) -> Result<()> {
    for rate in RATES {
        let mut wanted = Vec::new();
        for limiter in Limiter::ALL {
            let name = limiter.case(rate.name);
            if run.wants(&name) {
                wanted.push(Case {
                    name,
                    rate,
                    limiter,
                    seen: Vec::new(),
                });
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
            for case in &mut wanted {
                let seen = case.once(run.seed(), run.cpus())?;
                case.seen.extend(seen);
            }
        }
        for case in &wanted {
            case.report(run)?;
        }
    }
    Ok(())
}

/// A limiter at a rate, and what was seen of it.
struct Case {
    name: String,
    rate: Rate,
    limiter: Limiter,
    seen: Vec<Seen>,
}

/// What passed of what should have.
struct Seen {
    first_second: f64,
    second_second: f64,
    /// In each tenth of the second second.
    windows: Vec<f64>,
}

/// How an attempt ended.
enum Attempt {
    Seen(Seen),
    NotInstalled,
    /// Before two seconds had passed.
    SenderDone,
}

impl Case {
    fn report(&self, run: &mut Run<'_, '_>) -> Result<()> {
        let seen = &self.seen;
        if seen.is_empty() {
            skipped(&self.name, &anyhow!("it is not installed"));
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
            run.add(&self.name, metric, value, "ratio")?;
        }
        Ok(())
    }

    /// Two seconds, again if the sender was done before that: how fast it is changes with what else the
    /// machine does.
    fn once(&self, seed: u64, cpus: usize) -> Result<Option<Seen>> {
        for sending_ns in SENDING_NS {
            match self.attempt(seed, cpus, sending_ns)? {
                Attempt::Seen(measured) => return Ok(Some(measured)),
                Attempt::NotInstalled => return Ok(None),
                Attempt::SenderDone => {}
            }
        }
        bail!("{}: the sender is now slow, now fast", self.name)
    }

    /// Two seconds on a link of its own, so that every round has a first second. As many frames are sent as
    /// take `sending_ns` at first.
    fn attempt(&self, seed: u64, cpus: usize, sending_ns: u64) -> Result<Attempt> {
        let (limiter, frame_bytes) = (self.limiter, self.rate.frame_bytes);
        let senders = limiter.sending_cpus();
        let link = if senders > 1 {
            Link::received_by_senders(cpus)?
        } else {
            Link::new(RECEIVING_CPU)?
        };
        let mut sender = if limiter.is_where_packets_leave() {
            Sender::socket(&link, frame_bytes)?
        } else {
            Sender::frames(&link, frame_bytes, cpus - senders..cpus, seed)?
        };
        let mut started = limiter.start(self.rate.bits_per_second, &link)?;
        if matches!(started, Started::NotInstalled) {
            return Ok(Attempt::NotInstalled);
        }
        let before = Mark::now(&link)?;
        let Some(marks) = sender.send(&link, sending_ns, || watch(&link, before))? else {
            return Ok(Attempt::SenderDone);
        };
        if let Started::StormBolt(engine) = &mut started {
            let received = engine.received_by_cpu();
            let policing = received.iter().filter(|&&packets| packets > A_FEW).count();
            ensure!(
                policing == senders,
                "{}: {policing} CPUs have policed, not {senders}",
                self.name
            );
        }
        self.seen(&marks).map(Attempt::Seen)
    }

    /// What the marks say.
    fn seen(&self, marks: &[Mark]) -> Result<Seen> {
        let counted = u64::try_from(self.limiter.counted_bytes(self.rate.frame_bytes))?;
        let passed = |passed: Passed| {
            let bits = passed.frames * counted * 8;
            ratio(bits, passed.in_ns) * 1e9 / ratio(self.rate.bits_per_second, 1)
        };
        let between = |from: usize, to: usize| {
            let mark = |number| marks.get(number).copied().unwrap_or_default();
            mark(to).since(mark(from))
        };
        ensure!(
            between(0, watch::WINDOWS).frames > 0,
            "{}: nothing has passed",
            self.name
        );
        let second = watch::WINDOWS / 2;
        let windows = (second..watch::WINDOWS).map(|window| passed(between(window, window + 1)));
        Ok(Seen {
            first_second: passed(between(0, second)),
            second_second: passed(between(second, watch::WINDOWS)),
            windows: windows.collect(),
        })
    }
}
