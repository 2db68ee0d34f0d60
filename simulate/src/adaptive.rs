//! A capacity that follows its link, in a closed loop: the real controller, a bottleneck with a queue before
//! the interface, and senders that slow down when something is lost.

use stormbolt::config::{PolicyError, parse};
use stormbolt_control::controller::{Command, Controller};
use stormbolt_control::observe::{CellCounters, Echo, LinkSignals, Observation};
use stormbolt_control::policy::Policy;
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use crate::link::Link;

const MEGABIT: u64 = 1_000_000;
/// Length of a sample.
const SAMPLE_MS: u64 = 10;
const INTERVAL_MS: u64 = 100;
/// How long it is.
const SECONDS: u64 = 90;
/// The path without a queue.
const PATH_MS: u64 = 20;
/// What the queue holds.
const DEPTH_MS: u64 = 400;
/// What `calls` send.
const CALLS: u64 = 2 * MEGABIT;

const POLICY: &str = r#"
version = 1
[interface.wwan0]
capacity = "100Mbit"
capacity-min = "5Mbit"
capacity-max = "200Mbit"
probe = "192.0.2.1"
[class.calls]
priority = 0
rate = "4Mbit"
[class.bulk]
priority = 7
[[rule]]
dscp = "ef"
class = "calls"
[default]
class = "bulk"
"#;

/// One sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkSample {
    /// What the link carries, in bit/s.
    pub link: u64,
    /// The capacity in force, in bit/s.
    pub capacity: u64,
    /// What has come out of the queue and passed, in bit/s.
    pub passed: u64,
    /// How long packets wait in the queue, in µs.
    pub delay_us: u64,
}

/// A run with a capacity that follows, and one without anything.
#[derive(Clone, Debug, Default)]
pub struct FollowedLink {
    /// With.
    pub with: Vec<LinkSample>,
    /// Without: everything passes.
    pub without: Vec<LinkSample>,
}

/// Length of a sample, in s.
pub(crate) const SAMPLE_SECONDS: f64 = 0.01;

/// What the link carries in each of three parts, and when these begin, in s.
pub const PARTS: [(u64, u64); 3] = [(0, 40 * MEGABIT), (30, 20 * MEGABIT), (60, 60 * MEGABIT)];

/// After how long it is expected to have settled, in s.
pub const SETTLED_AFTER: u64 = 20;

/// Runs it.
///
/// # Errors
/// Its policy is not valid, which a test rules out.
pub fn follow_link() -> Result<FollowedLink, PolicyError> {
    let policy = parse("adaptive", POLICY)?.policy;
    let run = |is_held| {
        let mut model = Model::new(&policy, is_held);
        let samples = 0..SECONDS * 1_000 / SAMPLE_MS;
        samples.map(|number| model.sample(number)).collect()
    };
    Ok(FollowedLink {
        with: run(true),
        without: run(false),
    })
}

/// What is going on; rates in bit/s.
struct Model {
    controller: Controller,
    rates: Vec<BitsPerSecond>,
    is_held: bool,
    /// What `bulk` sends.
    sends: u64,
    queued_bits: u64,
    /// Bits passed and dropped of each class.
    counted: [(u64, u64); 2],
    echoes: Vec<Echo>,
}

impl Model {
    fn new(policy: &Policy, is_held: bool) -> Self {
        let controller = Controller::new(policy);
        Self {
            rates: controller.rates().first().cloned().unwrap_or_default(),
            controller,
            is_held,
            sends: MEGABIT,
            queued_bits: 0,
            counted: [(0, 0); 2],
            echoes: Vec::new(),
        }
    }

    fn sample(&mut self, number: u64) -> LinkSample {
        let now_ms = number * SAMPLE_MS;
        if now_ms.is_multiple_of(INTERVAL_MS) {
            self.tick(now_ms);
        }
        let link = PARTS.iter().rev().find(|(at, _)| at * 1_000 <= now_ms);
        let link = link.map_or(0, |(_, link)| *link);
        let (arrived, is_full) = self.queue(link);
        let passed = if self.is_held {
            Link::new(self.controller.standing()).pass(&arrived, &self.rates)
        } else {
            arrived.to_vec()
        };
        for ((counted, arrived), passed) in self.counted.iter_mut().zip(arrived).zip(&passed) {
            counted.0 += passed * SAMPLE_MS / 1_000;
            counted.1 += arrived.saturating_sub(*passed) * SAMPLE_MS / 1_000;
        }
        let [_, bulk] = arrived;
        let bulk_passed = passed.get(1).copied().unwrap_or(0);
        // What is lost slows the sender down to what passes and a little less; else it sends half as much again
        // in a second.
        if is_full || bulk_passed < bulk {
            self.sends = self.sends.min(bulk_passed / 100 * 98).max(MEGABIT);
        } else {
            self.sends += self.sends / 200;
        }
        LinkSample {
            link,
            capacity: self.capacity(),
            passed: passed.iter().sum(),
            delay_us: self.queued_bits * 1_000_000 / link.max(1),
        }
    }

    /// What comes out of the queue of each class, and whether the queue is full.
    fn queue(&mut self, link: u64) -> ([u64; 2], bool) {
        let sent = CALLS + self.sends;
        self.queued_bits += sent * SAMPLE_MS / 1_000;
        let out = self.queued_bits.min(link * SAMPLE_MS / 1_000);
        self.queued_bits -= out;
        let depth = link * DEPTH_MS / 1_000;
        let is_full = self.queued_bits > depth;
        self.queued_bits = self.queued_bits.min(depth);
        let rate = out * 1_000 / SAMPLE_MS;
        let calls = rate * CALLS / sent;
        ([calls, rate - calls], is_full)
    }

    fn capacity(&self) -> u64 {
        let interface = self.controller.standing().interfaces.first();
        interface.map_or(0, |interface| interface.capacity.0)
    }

    fn tick(&mut self, now_ms: u64) {
        let link = PARTS.iter().rev().find(|(at, _)| at * 1_000 <= now_ms);
        let link = link.map_or(1, |(_, link)| *link);
        let queued_ns = self.queued_bits * 1_000 / (link / MEGABIT).max(1);
        self.echoes.push(Echo {
            probe: 0,
            round_trip: Some(Nanoseconds(PATH_MS * 1_000_000 + queued_ns)),
        });
        let cells = self.counted.map(|(passed, dropped)| CellCounters {
            passed_bytes: passed / 8,
            dropped_bytes: dropped / 8,
            passed_packets: passed / 12_000,
            dropped_packets: dropped / 12_000,
        });
        let observation = Observation {
            now: Nanoseconds::from_millis(now_ms),
            cells: vec![cells.to_vec()],
            links: vec![LinkSignals {
                missed_frames: None,
                echoes: std::mem::take(&mut self.echoes),
            }],
            ..Observation::default()
        };
        for command in self.controller.tick(&observation) {
            match command {
                Command::SetRate { class, rate, .. } => {
                    if let Some(in_force) = self.rates.get_mut(class) {
                        *in_force = rate;
                    }
                }
                // Is in the controller's policy already.
                Command::SetCapacity { .. } | Command::MoveSlot { .. } => {}
            }
        }
    }
}
