//! The policer against its promise, with a clock of ours and any number of CPUs on one bucket, on an interface that
//! lends nothing.
//!
//! All sums are in 2^-20 ns of time at the rate in force, in which the rate is one for one by definition, whatever it
//! changes to. Leases are kept in bytes, so what is left of one is worth something else at another rate.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use stormbolt_common::police::{
    BLOCKED, COST_FRACTION_BITS, CREDIT_FRACTION_BITS, ClassRate, FULL_FRAME_BYTES,
};
use stormbolt_control::decide::class_rate;
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};
use stormbolt_ebpf::police::Bucket;
use stormbolt_tests::host_tables::{HostBucket, HostClock};
use stormbolt_tests::policer::{OnCpu, police_alone as police};
use stormbolt_tests::random::Random;

const START_NS: u64 = 3_600_000_000_000;
const TICKS: [u64; 4] = [100, 250, 300, 1000];

/// One class on one interface, on many CPUs.
struct Machine {
    rate: ClassRate,
    /// Goes up with each change of the rate.
    epoch: u32,
    bucket: HostBucket,
    on_cpus: Vec<OnCpu>,
    now_ns: u64,
    ticks_per_second: u64,
    /// What has passed.
    spent: u128,
}

impl Machine {
    fn new(rate: ClassRate, cpus: usize, ticks_per_second: u64) -> Self {
        Self {
            rate,
            epoch: 0,
            bucket: HostBucket::default(),
            on_cpus: vec![OnCpu::default(); cpus],
            now_ns: START_NS,
            ticks_per_second,
            spent: 0,
        }
    }

    fn offer(&mut self, cpu: usize, bytes: u64) -> bool {
        let clock = HostClock::at(self.now_ns, self.ticks_per_second);
        self.on_cpus[cpu].learn(&self.rate, self.epoch);
        let passes = police(
            &self.rate,
            &mut self.on_cpus[cpu],
            &self.bucket,
            &clock,
            bytes,
        );
        if passes {
            self.spent += u128::from(bytes) * u128::from(self.rate.cost_per_byte);
        }
        passes
    }

    /// Tokens that were taken out of the bucket and not spent, and may be.
    fn held(&self) -> u128 {
        let held = self.on_cpus.iter().map(|one| one.may_pass(&self.rate));
        held.map(|credit| worth(credit, &self.rate)).sum()
    }

    /// Puts another rate into force, and returns by how much what CPUs hold is worth more then.
    fn change(&mut self, rate: ClassRate) -> i128 {
        let before = self.held();
        self.rate = rate;
        self.epoch += 1;
        signed(self.held()) - signed(before)
    }
}

/// What credit of a lease is worth at a rate.
fn worth(credit: u64, rate: &ClassRate) -> u128 {
    (u128::from(credit) * u128::from(rate.cost_per_byte)) >> CREDIT_FRACTION_BITS
}

fn units(ns: u64) -> u128 {
    u128::from(ns) << COST_FRACTION_BITS
}

fn signed(units: u128) -> i128 {
    i128::try_from(units).expect("far below 2^127")
}

/// Rates from 8 kbit/s to 400 Gbit/s, as the controller writes them.
fn rate(cpus: u32) -> impl Strategy<Value = ClassRate> {
    let bits = (3.9_f64..11.6).prop_map(|exponent| 10_f64.powf(exponent));
    (bits, 1..200_u64).prop_map(move |(bits, burst_ms)| {
        // Whole for certain: printed without a fraction.
        let bits: u64 = format!("{bits:.0}").parse().unwrap_or(8_000);
        class_rate(
            BitsPerSecond(bits),
            Nanoseconds::from_millis(burst_ms),
            cpus,
        )
    })
}

/// What happens next: packets of one CPU, at one moment some time later.
#[derive(Clone, Debug)]
struct Event {
    /// Thousandths of the time that one such packet takes at the rate.
    later: u64,
    cpu: usize,
    bytes: u64,
    packets: u64,
    /// Another rate from here on, one of a few.
    rate: Option<usize>,
}

/// What may pass at once: what a bucket holds, which is its burst or the longest packet offered where that is more, and a
/// full frame beyond that where two of them are more than the burst.
fn depth(rate: &ClassRate) -> u64 {
    let packet = (9000 * rate.cost_per_byte) >> COST_FRACTION_BITS;
    rate.burst_ns.max(packet + 1) + overdraft(rate)
}

fn overdraft(rate: &ClassRate) -> u64 {
    let two_frames = (2 * FULL_FRAME_BYTES * rate.cost_per_byte) >> COST_FRACTION_BITS;
    if rate.burst_ns < two_frames {
        two_frames / 2
    } else {
        0
    }
}

fn event() -> impl Strategy<Value = Event> {
    let later = prop_oneof![6 => 0_u64..3000, 1 => 0_u64..200_000, 1 => 0_u64..10_000_000];
    let bytes = prop_oneof![Just(60_u64), Just(1514), 14_u64..9000];
    let rate = proptest::option::weighted(0.05, 0..3_usize);
    (later, 0..64_usize, bytes, 1..6_u64, rate).prop_map(|(later, cpu, bytes, packets, rate)| {
        Event {
            later,
            cpu,
            bytes,
            packets,
            rate,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_window_passes_more_than_its_time_the_burst_and_what_was_held_before(
        cpus in 1..64_u32,
        rates in (rate(8), rate(8), rate(8)),
        ticks in proptest::sample::select(&TICKS[..]),
        events in proptest::collection::vec(event(), 1..400),
    ) {
        let rates = [rates.0, rates.1, rates.2];
        let burst = rates.iter().map(depth).max().unwrap_or(0);
        // A lease of less than a nanosecond is rounded up to one.
        let lease = rates.iter().map(|rate| rate.lease_ns).max().unwrap_or(0).max(1);
        let cpus = usize::try_from(cpus).expect("a small number");
        let mut machine = Machine::new(rates[0], cpus, ticks);
        // What may have passed at a moment less the time until then, by the tightest window.
        let mut tightest = i128::MAX;
        for event in events {
            if let Some(rate) = event.rate {
                tightest = tightest.saturating_add(machine.change(rates[rate]));
            }
            let cost_ns = (event.bytes * machine.rate.cost_per_byte) >> COST_FRACTION_BITS;
            // In two steps, or the slowest rates overflow.
            machine.now_ns += cost_ns / 1000 * event.later + cost_ns % 1000 * event.later / 1000;
            // The window that begins now.
            let begins = machine.spent + machine.held() + units(burst);
            tightest = tightest.min(signed(begins) - signed(units(machine.now_ns)));
            for _ in 0..event.packets {
                machine.offer(event.cpu % cpus, event.bytes);
                let allowed = tightest + signed(units(machine.now_ns));
                prop_assert!(signed(machine.spent) <= allowed, "{} of {allowed}", machine.spent);
            }
            let knowing = machine.on_cpus.iter().filter(|one| one.lease.epoch == machine.epoch);
            let mut held = knowing.map(|one| worth(one.lease.credit.into(), &machine.rate));
            prop_assert!(held.all(|held| held <= units(lease.into())));
        }
    }

    #[test]
    fn from_an_empty_start_no_more_than_time_and_burst_passes(
        cpus in 1..64_usize,
        rate in rate(8),
        events in proptest::collection::vec(event(), 1..400),
    ) {
        let mut machine = Machine::new(rate, cpus, 250);
        for event in events {
            machine.now_ns += event.later * 1000;
            for _ in 0..event.packets {
                machine.offer(event.cpu % cpus, event.bytes);
            }
            let allowed = units(machine.now_ns - START_NS) + units(depth(&rate));
            prop_assert!(machine.spent + machine.held() <= allowed);
        }
    }

    #[test]
    fn under_saturation_the_rate_is_held_within_one_percent(
        cpus in prop_oneof![Just(1_u32), Just(2), 1_u32..64],
        bits in prop_oneof![100_000_u64..10_000_000, 10_000_000..100_000_000_000_u64],
        burst_ms in 1..200_u64,
        bytes in prop_oneof![Just(1514_u64), Just(60), 60_u64..1514],
        percent in prop_oneof![105_u64..130, 130_u64..1000],
        ticks in proptest::sample::select(&TICKS[..]),
        seed: u64,
    ) {
        let burst = Nanoseconds::from_millis(burst_ms);
        let rate = class_rate(BitsPerSecond(bits), burst, cpus);
        let mut random = Random::of(seed);
        let cpus = usize::try_from(cpus).expect("a small number");
        let mut machine = Machine::new(rate, cpus, ticks);
        let gap_units = u128::from(bytes * rate.cost_per_byte) * 100 / u128::from(percent);
        // The first packets empty the bucket; then each CPU holds a lease at most.
        let drain = units(rate.burst_ns) / (gap_units * u128::from(percent - 100) / 100) + 100;
        let mut offer = |from: u128, packets: u128, machine: &mut Machine| {
            for number in from..from + packets {
                let now = (number * gap_units) >> COST_FRACTION_BITS;
                machine.now_ns = START_NS + u64::try_from(now).expect("some seconds");
                machine.offer(random.index(cpus), bytes);
            }
        };
        prop_assume!(drain < 60_000);
        offer(0, drain, &mut machine);
        let (spent, held, since) = (machine.spent, machine.held(), machine.now_ns);
        offer(drain, 20_000, &mut machine);
        let span = units(machine.now_ns - since);
        let passed = machine.spent - spent;
        // What the CPUs and the bucket held before or after, or owed, belongs to no moment of the span: a
        // bucket that is not empty holds what gathered since the last look, a tick at most.
        let slack = units(1_000_000_000 / ticks) + gap_units * 16 * u128::try_from(cpus).unwrap_or(0);
        let slack = slack.min(units(rate.burst_ns)) + units(overdraft(&rate)) + held.max(machine.held());
        prop_assert!(passed + span / 100 + slack >= span, "{passed} of {span}, slack {slack}");
        prop_assert!(passed <= span + slack, "{passed} of {span}, slack {slack}");
    }

    #[test]
    fn an_unlimited_class_passes_and_a_blocked_one_does_not(
        bytes: u32, burst_ns: u64, lease_ns: u32, now_ns: u64,
    ) {
        let rate = ClassRate { burst_ns, lease_ns, ..ClassRate::default() };
        let clock = HostClock::at(now_ns, 250);
        let bucket = HostBucket::default();
        let mut lease = OnCpu::default();
        prop_assert!(police(&rate, &mut lease, &bucket, &clock, bytes.into()));
        let rate = ClassRate { cost_per_byte: BLOCKED, ..rate };
        prop_assert!(!police(&rate, &mut lease, &bucket, &clock, bytes.into()));
        prop_assert_eq!(lease, OnCpu::default());
        prop_assert_eq!(bucket.spent_until_ns(), 0);
    }

    #[test]
    fn a_packet_longer_than_the_bucket_passes_when_its_time_has_come(
        bits in 8_000_u64..10_000_000,
        bytes in 3_200..65_536_u64,
    ) {
        let rate = class_rate(BitsPerSecond(bits), Nanoseconds::from_millis(1), 1);
        let mut machine = Machine::new(rate, 1, 250);
        let packet_ns = ((bytes * rate.cost_per_byte) >> COST_FRACTION_BITS) + 1;
        for _ in 0..3 {
            machine.now_ns += packet_ns + 10_000_000;
            let before = machine.spent;
            machine.offer(0, bytes);
            prop_assert!(machine.spent > before, "{rate:?}");
        }
    }

    #[test]
    fn costs_up_to_the_top_of_64_bits_pass_nothing_for_free(
        bits in prop_oneof![1_u64..100, 1_u64..20_000],
        bytes in 14..65_536_u64,
        idle_ns in 0..u64::MAX / 8,
    ) {
        let rate = class_rate(BitsPerSecond(bits), Nanoseconds::from_millis(20), 8);
        prop_assert!(rate.cost_per_byte == BLOCKED || bytes.checked_mul(rate.cost_per_byte).is_some());
        let mut machine = Machine::new(rate, 1, 250);
        machine.now_ns = START_NS.saturating_add(idle_ns);
        for _ in 0..64 {
            machine.offer(0, bytes);
            let packet = bytes.saturating_mul(rate.cost_per_byte) >> COST_FRACTION_BITS;
            let allowed = units(rate.burst_ns.max(packet + 1));
            prop_assert!(machine.spent + machine.held() <= allowed, "{rate:?}");
        }
    }
}

/// A bucket that another CPU takes a lease out of whenever the first one has read it.
struct Contended<'a> {
    bucket: &'a HostBucket,
    rate: ClassRate,
    clock: HostClock,
    others: &'a RefCell<Machine>,
    interruptions: &'a Cell<u32>,
}

impl Bucket for Contended<'_> {
    fn spent_until_ns(&self) -> u64 {
        let read = self.bucket.spent_until_ns();
        if self.interruptions.get() > 0 {
            self.interruptions.set(self.interruptions.get() - 1);
            let mut others = self.others.borrow_mut();
            let passes = police(
                &self.rate,
                &mut others.on_cpus[0],
                self.bucket,
                &self.clock,
                9000,
            );
            let cost = 9000 * u128::from(self.rate.cost_per_byte);
            others.spent += if passes { cost } else { 0 };
        }
        read
    }

    fn advance(&self, current: u64, new: u64) -> bool {
        self.bucket.advance(current, new)
    }
}

#[test]
fn a_lease_is_not_given_twice_when_another_cpu_gets_in_between() {
    let rate = class_rate(BitsPerSecond(100_000_000), Nanoseconds::from_millis(20), 2);
    for interruptions in 0..8 {
        let clock = HostClock::at(START_NS, 250);
        let (bucket, mut lease) = (HostBucket::default(), OnCpu::default());
        let others = RefCell::new(Machine::new(rate, 1, 250));
        let left = Cell::new(interruptions);
        let mut spent = 0;
        for _ in 0..1000 {
            let contended = Contended {
                bucket: &bucket,
                rate,
                clock,
                others: &others,
                interruptions: &left,
            };
            if police(&rate, &mut lease, &contended, &clock, 1514) {
                spent += 1514 * u128::from(rate.cost_per_byte);
            }
            left.set(interruptions);
        }
        let others = others.borrow();
        let held = worth(lease.lease.credit.into(), &rate) + others.held();
        let taken = spent + others.spent + held;
        // The clock stands, so both together share one full bucket, and leave less than a packet.
        assert!(taken <= units(rate.burst_ns), "{interruptions}: {taken}");
        assert!(taken + 9000 * u128::from(rate.cost_per_byte) >= units(rate.burst_ns));
    }
}

#[test]
fn long_packets_of_a_slow_class_pass_beside_short_ones() {
    // 250 bytes of burst, and short packets that leave nine tenths of the rate.
    let rate = class_rate(BitsPerSecond(100_000), Nanoseconds::from_millis(20), 1);
    let mut machine = Machine::new(rate, 1, 250);
    let mut passed = 0;
    for number in 0..1_000 {
        machine.now_ns += 10_000_000;
        machine.offer(0, 12);
        if number % 20 == 0 {
            passed += u32::from(machine.offer(0, 1514));
        }
    }
    // A long one every 200 ms, which takes 121 of them.
    assert_eq!(passed, 50);
}

#[test]
fn long_packets_of_a_shallow_bucket_pass_beside_short_ones() {
    // 1,250 bytes, less than a full frame, and short packets that leave half of the rate.
    let rate = class_rate(BitsPerSecond(1_000_000), Nanoseconds::from_millis(10), 1);
    let mut machine = Machine::new(rate, 1, 250);
    let (mut short, mut long) = (0, 0);
    for number in 0..10_000 {
        machine.now_ns += 1_000_000;
        short += u32::from(machine.offer(0, 62));
        if number % 40 == 20 {
            long += u32::from(machine.offer(0, 1514));
        }
    }
    // A long one every 40 ms takes 12.1 of them; what comes while the class owes the rest of it is refused.
    assert_eq!(long, 250);
    assert!(short >= 9_000, "{short} of 10,000");
}

#[test]
fn a_full_bucket_passes_its_burst_and_what_a_packet_is_longer() {
    for (bits, burst_ms) in [
        (1_000_000, 5),
        (1_000_000, 20),
        (10_000_000, 5),
        (10_000_000, 1),
    ] {
        for bytes in [64, 1000, 1514] {
            let rate = class_rate(BitsPerSecond(bits), Nanoseconds::from_millis(burst_ms), 1);
            let mut machine = Machine::new(rate, 1, 250);
            while machine.offer(0, bytes) {}
            let packet = units(1) * u128::from(bytes) * 8_000_000_000 / u128::from(bits);
            let burst = units(burst_ms * 1_000_000);
            let passed = machine.spent;
            assert!(passed <= burst.max(packet) + packet, "{rate:?}: {passed}");
            assert!(passed + packet >= burst, "{rate:?}: {passed}");
        }
    }
}

#[test]
fn what_was_taken_at_a_high_rate_does_not_pass_at_a_low_one() {
    let burst = Nanoseconds::from_millis(20);
    let [high, low] =
        [100_000_000_000, 1_000_000].map(|bits| class_rate(BitsPerSecond(bits), burst, 2));
    let mut machine = Machine::new(high, 2, 250);
    assert!(machine.offer(0, 1514) && machine.offer(1, 1514));
    let held = machine.on_cpus.iter().map(|one| one.lease.credit);
    assert!(
        held.min() > Some(10_000_000 << CREDIT_FRACTION_BITS),
        "a millisecond each"
    );
    machine.change(low);
    // A millisecond at the low rate is less than a frame, so both CPUs have to ask the bucket.
    let mut passed = 0;
    for number in 0..1_000 {
        machine.now_ns += 1_000_000;
        passed += u64::from(machine.offer(number % 2, 1514)) * 1514;
    }
    let second_and_burst = (1_000_000_000 + low.burst_ns) / 8_000 + FULL_FRAME_BYTES;
    assert!(passed <= second_and_burst, "{passed} of {second_and_burst}");
    assert!(passed >= 1_000_000 / 8 - 2 * 1514, "{passed}");
}

#[test]
fn threads_on_one_bucket_pass_no_more_than_the_burst_and_the_time() {
    const THREADS: u64 = 4;
    const STEP_NS: u64 = 500;
    const PACKETS: u64 = 100_000;
    let rate = class_rate(
        BitsPerSecond(10_000_000_000),
        Nanoseconds::from_millis(1),
        4,
    );
    let (bucket, time) = (HostBucket::default(), AtomicU64::new(START_NS));
    let run = || {
        let (mut lease, mut spent) = (OnCpu::default(), 0);
        for _ in 0..PACKETS {
            let now = time.fetch_add(STEP_NS, Ordering::SeqCst);
            if police(&rate, &mut lease, &bucket, &HostClock::at(now, 250), 1514) {
                spent += 1514 * u128::from(rate.cost_per_byte);
            }
        }
        spent + worth(lease.lease.credit.into(), &rate)
    };
    let taken: u128 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no thread fails"))
            .sum()
    });
    let span = units(THREADS * PACKETS * STEP_NS);
    assert!(taken <= span + units(rate.burst_ns));
    assert!(taken + span / 100 >= span, "{taken} of {span}");
}

#[test]
fn a_slow_class_under_saturation_gets_its_rate_with_slow_timer_ticks() {
    // 1,514 bytes take 10 ms; a tick takes 10 ms, too, and the bucket holds two packets.
    let rate = class_rate(BitsPerSecond(1_211_200), Nanoseconds::from_millis(20), 1);
    for percent in [101, 105, 110, 150, 300] {
        let mut machine = Machine::new(rate, 1, 100);
        let gap_ns = 10_000_000 * 100 / percent;
        for number in 0..20_000 {
            machine.now_ns = START_NS + number * gap_ns;
            machine.offer(0, 1514);
        }
        let span = units(20_000 * gap_ns);
        eprintln!(
            "offered {percent} %: passed {} of 1000",
            machine.spent * 1000 / span
        );
        assert!(machine.spent * 100 >= span * 99, "offered {percent} %");
    }
}
