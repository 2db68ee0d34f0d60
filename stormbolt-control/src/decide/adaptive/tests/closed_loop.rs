//! Estimate and law in a closed loop with a link of unknown rate and a deep queue before it.

use proptest::prelude::*;

use super::*;
use crate::estimate::{Arrivals, LinkEstimator};
use crate::observe::{Echo, LinkSignals};

const MILLISECOND: u64 = 1_000_000;
/// Fluid moves in steps of this many milliseconds.
const STEP_MS: u64 = 10;
/// The path without a queue.
const PATH_MS: u64 = 20;
/// What the queue before the link holds.
const DEPTH_MS: u64 = 1_000;

/// Who sends.
#[derive(Clone, Copy, Debug)]
enum Sender {
    /// Sends what passes, and half of a change after 70 ms more.
    Follows,
    /// Sends so much in any case.
    Deaf(u64),
    /// Sends nothing.
    Idle,
}

/// The loop; rates in bit/s.
struct Loop {
    interface: Interface,
    estimator: LinkEstimator,
    adaptation: Adaptation,
    interval_ms: u64,
    now_ms: u64,
    link: u64,
    sends: u64,
    queued_bits: u64,
    arrived_bits: u64,
    echoes: Vec<Echo>,
    falls: u32,
}

/// What was seen in a while.
#[derive(Clone, Copy, Debug)]
struct Seen {
    least: u64,
    most: u64,
    mean: u64,
    longest_delay_ms: u64,
}

impl Loop {
    fn new(link: u64, interface: Interface, interval_ms: u64) -> Self {
        let adaptive = interface.adaptive.clone().unwrap();
        Self {
            estimator: LinkEstimator::new(&interface, &adaptive),
            adaptation: Adaptation::new(&interface),
            interface,
            interval_ms,
            now_ms: 0,
            link,
            sends: 0,
            queued_bits: 0,
            arrived_bits: 0,
            echoes: Vec::new(),
            falls: 0,
        }
    }

    fn capacity(&self) -> u64 {
        self.adaptation.capacity().0
    }

    fn queue_ms(&self) -> u64 {
        self.queued_bits * 1_000 / self.link
    }

    fn run(&mut self, seconds: u64, sender: Sender) -> Seen {
        let (mut least, mut most, mut sum, mut longest) = (u64::MAX, 0, 0, 0);
        let steps = seconds * 1_000 / STEP_MS;
        for _ in 0..steps {
            self.step(sender);
            least = least.min(self.capacity());
            most = most.max(self.capacity());
            sum += self.capacity();
            longest = longest.max(self.queue_ms());
        }
        Seen {
            least,
            most,
            mean: sum / steps,
            longest_delay_ms: longest,
        }
    }

    fn step(&mut self, sender: Sender) {
        self.now_ms += STEP_MS;
        let (capacity, sends) = (self.capacity(), self.sends);
        self.sends = match sender {
            Sender::Follows if capacity > sends => sends + (capacity - sends) / 10,
            Sender::Follows => sends - (sends - capacity) / 10,
            Sender::Deaf(rate) => rate,
            Sender::Idle => 0,
        };
        self.queued_bits += self.sends * STEP_MS / 1_000;
        self.queued_bits = self
            .queued_bits
            .min(self.link * (DEPTH_MS + STEP_MS) / 1_000);
        let leaves = self.queued_bits.min(self.link * STEP_MS / 1_000);
        self.queued_bits -= leaves;
        self.arrived_bits += leaves;
        if self.now_ms.is_multiple_of(100) {
            // A little more now and then, as on any machine.
            let chance = self.now_ms / 100 * 7 % 5;
            let round_trip = (PATH_MS + self.queue_ms() + chance) * MILLISECOND;
            self.echoes.push(Echo {
                probe: 0,
                round_trip: Some(Nanoseconds(round_trip)),
            });
        }
        if self.now_ms.is_multiple_of(self.interval_ms) {
            self.tick();
        }
    }

    fn tick(&mut self) {
        let times = (
            Nanoseconds::from_millis(self.now_ms),
            Nanoseconds::from_millis(self.interval_ms),
        );
        let arrivals = Arrivals {
            packets: self.arrived_bits / 12_000,
            bytes: self.arrived_bits / 8,
        };
        self.arrived_bits = 0;
        let signals = LinkSignals {
            missed_frames: None,
            echoes: std::mem::take(&mut self.echoes),
        };
        let estimate = self.estimator.observe(times, arrivals, &signals);
        let adaptive = self.interface.adaptive.as_ref().unwrap();
        self.adaptation = self
            .adaptation
            .after(&estimate, &self.interface, adaptive, times);
        self.falls += u32::from(self.adaptation.reason() == Reason::Bufferbloat);
    }
}

fn assert_settled(seen: Seen, link: u64) {
    assert!(seen.least >= link / 100 * 93, "{seen:?} at {link}");
    assert!(seen.most <= link / 100 * 105, "{seen:?} at {link}");
    assert!(seen.mean >= link / 100 * 97, "{seen:?} at {link}");
    assert!(seen.longest_delay_ms <= 40, "{seen:?} at {link}");
}

#[test]
fn a_capacity_that_starts_above_the_link_comes_down_and_one_below_comes_up() {
    for start in [100, 11] {
        let interface = interface(start * MEGABIT, 10 * MEGABIT, 200 * MEGABIT);
        let mut looped = Loop::new(40 * MEGABIT, interface, 100);
        looped.run(30, Sender::Follows);
        assert_settled(looped.run(120, Sender::Follows), looped.link);
    }
}

#[test]
fn a_link_that_changes_is_followed() {
    let mut looped = Loop::new(
        80 * MEGABIT,
        interface(100 * MEGABIT, 10 * MEGABIT, 200 * MEGABIT),
        100,
    );
    looped.run(30, Sender::Follows);
    looped.link = 30 * MEGABIT;
    looped.falls = 0;
    looped.run(10, Sender::Follows);
    assert!(looped.falls <= 2, "{} falls", looped.falls);
    assert_settled(looped.run(30, Sender::Follows), looped.link);
    looped.link = 60 * MEGABIT;
    let rise = looped.run(25, Sender::Follows);
    assert!(rise.longest_delay_ms < 60, "{rise:?}");
    assert_settled(looped.run(60, Sender::Follows), looped.link);
}

#[test]
fn senders_that_do_not_slow_down_do_not_push_the_capacity_to_its_bound() {
    let mut looped = Loop::new(
        40 * MEGABIT,
        interface(100 * MEGABIT, 5 * MEGABIT, 200 * MEGABIT),
        100,
    );
    looped.run(5, Sender::Deaf(60 * MEGABIT));
    let seen = looped.run(30, Sender::Deaf(60 * MEGABIT));
    assert_eq!((seen.least, seen.most), (30 * MEGABIT, 30 * MEGABIT));
}

#[test]
fn after_a_pause_the_link_is_found_again() {
    let mut looped = Loop::new(
        40 * MEGABIT,
        interface(100 * MEGABIT, 10 * MEGABIT, 200 * MEGABIT),
        100,
    );
    looped.run(30, Sender::Follows);
    looped.run(120, Sender::Idle);
    assert_eq!(looped.capacity(), 100 * MEGABIT);
    looped.run(15, Sender::Follows);
    assert_settled(looped.run(60, Sender::Follows), looped.link);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_link_is_found_and_followed_from_any_start(
        start in 10..=1_000_u64,
        links in prop::array::uniform2(12..900_u64),
        interval_ms in prop::sample::select(vec![10_u64, 50, 100, 200, 500]),
    ) {
        let interface = interface(start * MEGABIT, 10 * MEGABIT, 1_000 * MEGABIT);
        let mut looped = Loop::new(links[0] * MEGABIT, interface, interval_ms);
        for link in links {
            looped.link = link * MEGABIT;
            looped.run(80, Sender::Follows);
            let seen = looped.run(60, Sender::Follows);
            prop_assert!(seen.least >= looped.link / 100 * 90, "{:?}", seen);
            prop_assert!(seen.most <= looped.link / 100 * 107, "{:?}", seen);
            prop_assert!(seen.mean >= looped.link / 100 * 96, "{:?}", seen);
            prop_assert!(seen.longest_delay_ms <= 60, "{:?}", seen);
        }
    }
}
