//! Limits on each source: the rate of each is exact, others do not matter, and floods of random sources do no harm.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

use std::collections::HashMap;

use proptest::prelude::*;
use stormbolt::lab::require_root;
use stormbolt_common::classifier::lane;
use stormbolt_common::limits::cell;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::police::{COST_FRACTION_BITS, ClassRate, SHADOW};
use stormbolt_common::source::{
    Offender, OffenderSet, SOURCES_PER_LINE, SourceLimit, TIME_BITS, TIME_UNIT_BITS,
};
use stormbolt_ebpf::police::{
    Source, SourceVerdict, SourceWord, note_offender, police_source, source_time,
};
use stormbolt_ebpf::tables::Rules as _;
use stormbolt_tests::cases;
use stormbolt_tests::counters::Watched;
use stormbolt_tests::host_tables::{HostBucket, HostTables};
use stormbolt_tests::packet::{Ipv4, Ipv6, udp};
use stormbolt_tests::side_by_side::SideBySide;

const TICK_NS: u64 = 4_000_000;
const SECOND_TICKS: u64 = 250;
const UDP: u8 = 17;

/// The buckets of a table of sources, and what passed of each source.
struct Sources {
    lines: Vec<[HostBucket; SOURCES_PER_LINE]>,
    limit: SourceLimit,
    packets: u64,
    passed: HashMap<u64, u64>,
    displaced: u64,
}

impl Sources {
    /// `bits_per_second` for each, and a burst of 200 ms.
    fn held_to(bits_per_second: u64, lines: usize) -> Self {
        Self {
            lines: (0..lines).map(|_| Default::default()).collect(),
            limit: SourceLimit {
                cost_per_byte: (8_000_000_000 << COST_FRACTION_BITS) / bits_per_second,
                burst_ns: 200_000_000,
                ..SourceLimit::default()
            },
            packets: 0,
            passed: HashMap::new(),
            displaced: 0,
        }
    }

    /// Whether a packet of `bytes` bytes of source `number` passes in this jiffy.
    fn send(&mut self, number: u64, jiffy: u64, bytes: u64) -> bool {
        let source = Source {
            halves: [0, number],
            // Any that spreads.
            hash: (number + 1)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(32)
                .wrapping_mul(0xd6e8_feb8_6659_fd93),
        };
        let place = usize::try_from(source.line()).unwrap() % self.lines.len();
        self.packets += 1;
        let now = source_time(jiffy, TICK_NS);
        let line = &self.lines[place];
        let verdict = police_source(line, &self.limit, &source, now, bytes, self.packets);
        let passes = verdict != SourceVerdict::Over;
        self.displaced += u64::from(verdict == SourceVerdict::Displacing);
        if passes {
            *self.passed.entry(number).or_default() += bytes;
        }
        passes
    }
}

/// Fails if a source that sends twice as many bytes as it may in packets of `bytes` bytes, for so many jiffies, gets
/// another rate than its own, the burst apart.
fn assert_exact(bits_per_second: u64, bytes: u64, ticks: u64, start: u64) {
    let mut sources = Sources::held_to(bits_per_second, 1);
    // Bytes at the rate.
    let budget = |nanoseconds: u64| {
        let bits = u128::from(bits_per_second) * u128::from(nanoseconds) / 1_000_000_000;
        u64::try_from(bits / 8).unwrap()
    };
    let mut due = 0;
    for tick in 0..ticks {
        due += budget(2 * TICK_NS);
        while due >= bytes {
            sources.send(1, start.wrapping_add(tick), bytes);
            due -= bytes;
        }
    }
    let passed = sources.passed.get(&1).copied().unwrap_or(0);
    let expected = budget((ticks - 1) * TICK_NS + sources.limit.burst_ns);
    let slack = bytes + expected / 200;
    assert!(passed.abs_diff(expected) <= slack, "{passed} of {expected}");
}

#[test]
fn packets_that_cost_less_than_a_unit_of_time_are_held_exactly() {
    // 60 bytes take 48 ns.
    assert_exact(10_000_000_000, 60, SECOND_TICKS / 2, 0);
}

proptest! {
    #[test]
    fn a_source_that_sends_too_much_gets_its_rate(
        packets_per_second in 50..50_000_u64, bytes in 60..1_514_u64, start in any::<u64>(),
    ) {
        assert_exact(packets_per_second * bytes * 8, bytes, 4 * SECOND_TICKS, start);
    }

    #[test]
    fn a_source_that_is_in_debt_is_so_for_a_cpu_that_has_not_seen_the_tick(
        start in any::<u32>(), lag in 1..100_u64,
    ) {
        let mut sources = Sources::held_to(1_000_000, 1);
        let now = u64::from(start) + lag;
        while sources.send(7, now, 1_000) {}
        prop_assert!(!sources.send(7, now - lag, 1_000));
    }

    /// As many sources as there are buckets in the line, all within their limit.
    #[test]
    fn sources_within_their_limit_lose_nothing(rounds in 1..200_u64, start in any::<u64>()) {
        let mut sources = Sources::held_to(1_000_000, 1);
        for round in 0..rounds {
            for source in 0..8 {
                // 500 bytes every 4 ms are 1 Mbit/s.
                prop_assert!(sources.send(source, start.wrapping_add(round), 500));
            }
        }
    }

    #[test]
    fn a_source_that_has_been_silent_for_years_has_its_burst(
        jiffies in any::<u32>(), silence in 1..1_000_u64,
    ) {
        let mut sources = Sources::held_to(1_000_000, 1);
        let start = u64::from(jiffies);
        while sources.send(7, start, 1_000) {}
        prop_assert!(!sources.send(7, start, 1_000));
        // Any number of weeks and what fills the bucket, but for the moments when the times repeat.
        let weeks = silence * 7 * 86_400 * SECOND_TICKS + 50;
        let repeats = (1_u64 << (TIME_BITS + TIME_UNIT_BITS)) / TICK_NS;
        prop_assume!((50..repeats - 300).contains(&(weeks % repeats)));
        prop_assert!(sources.send(7, start + weeks, 25_000));
    }

    #[test]
    fn who_is_refused_more_than_a_fifth_of_the_time_is_remembered(
        others in prop::collection::vec(prop_oneof![any::<u64>(), 0..6_u64], 100..400), every in 1..4_usize,
    ) {
        let mut set = OffenderSet::default();
        for (position, other) in others.iter().enumerate() {
            if position % every == 0 {
                note_offender(&mut set, [0xbad, 0], 3, 100, 9);
            }
            note_offender(&mut set, [1, *other], 3, 100, 9);
        }
        let bad = set.offenders.iter().find(|one| one.halves == [0xbad, 0]);
        prop_assert!(bad.is_some_and(|one| one.packets > 0 && one.bytes == one.packets * 100), "{set:?}");
    }
}

#[test]
fn sources_of_an_attack_that_is_over_do_not_hide_those_of_the_next_one() {
    let mut set = OffenderSet::default();
    for round in 0..100_000 {
        note_offender(&mut set, [1, round % 4], 3, 100, 9);
    }
    for round in 0..10 {
        note_offender(&mut set, [2, 2], 3, 100, 100_000 + round);
    }
    let is_next = |one: &Offender| one.halves == [2, 2] && one.packets == 10;
    assert!(set.offenders.iter().any(is_next), "{set:?}");
}

/// No matter what the seed is: an attacker would know of them.
#[test]
fn sources_that_differ_in_a_few_bits_have_different_hashes() {
    let mut tables = HostTables::new(0, 0);
    let limit = SourceLimit {
        ipv6_mask: [u64::MAX; 2],
        ..SourceLimit::default()
    };
    let mut hash_of = |address: u128, seed: u64| {
        for (word, lane) in (0..4).rev().zip(lane::SOURCE..) {
            let low = (address >> (32 * word)) & u128::from(u32::MAX);
            tables.set_lane(lane, u32::try_from(low).unwrap());
        }
        Source::in_lanes(&tables, &limit, 5, seed).hash
    };
    let first = 0x2001_0db8_u128 << 96 | 1;
    for seed in [0, 1, 0x5eed, u64::MAX, 0x1234_5678_9abc_def1] {
        let hash = hash_of(first, seed);
        for (one, two) in (0..128).flat_map(|one| (0..128).map(move |two| (one, two))) {
            for three in [0, 31, 32, 63, 95, 127] {
                let other = first ^ (1 << one) ^ (1 << two) ^ (1 << three);
                assert!(
                    other == first || hash_of(other, seed) != hash,
                    "{one} {two} {three}"
                );
            }
        }
    }
}

/// A flood from sources that never come again, in as many lines as there are by default, for two seconds.
#[test]
fn neither_limits_nor_well_behaved_sources_suffer_from_a_flood_of_random_sources() {
    let mut sources = Sources::held_to(1_000_000, 8192);
    let mut random = 1_u64 << 40;
    let (mut lost, mut sent) = (0, 0);
    for tick in 0..2 * SECOND_TICKS {
        // 2 M packets/s.
        for _ in 0..8_000 {
            random += 1;
            assert!(sources.send(random, tick, 60), "it has sent nothing before");
        }
        for well_behaved in 0..100 {
            sent += 1;
            lost += u64::from(!sources.send(well_behaved, tick, 490));
        }
        for offender in 1_000..1_020 {
            for _ in 0..4 {
                sources.send(offender, tick, 500);
            }
        }
    }
    assert_eq!(lost, 0, "of {sent}");
    for offender in 1_000..1_020 {
        // Two seconds and the burst: 275,000 bytes.
        let passed = sources.passed[&offender];
        assert!(
            (270_000..=280_000).contains(&passed),
            "{offender}: {passed}"
        );
    }
}

#[test]
fn of_more_busy_sources_than_there_are_buckets_some_are_forgotten_and_counted() {
    let mut sources = Sources::held_to(1_000_000, 1);
    for tick in 0..50 {
        for source in 0..20 {
            sources.send(source, tick, 500);
        }
    }
    assert!(sources.displaced > 0);
}

#[test]
fn a_bucket_is_one_word_that_is_never_torn_between_cpus() {
    let sources = Sources::held_to(8_000_000, 1);
    let source = Source {
        halves: [1, 2],
        hash: 0x1234_5678_9abc_def0,
    };
    let now = source_time(1_000_000, TICK_NS);
    // 200 ms of a megabyte per second in packets of a hundred bytes.
    let passed: u64 = std::thread::scope(|scope| {
        let cpu = || {
            let line = &sources.lines[0];
            (0..4_000)
                .map(|odd| police_source(line, &sources.limit, &source, now, 100, odd))
                .filter(|verdict| *verdict != SourceVerdict::Over)
                .count()
        };
        let cpus = [scope.spawn(cpu), scope.spawn(cpu)];
        cpus.into_iter()
            .map(|cpu| u64::try_from(cpu.join().unwrap()).unwrap())
            .sum()
    });
    assert!((1_990..=2_010).contains(&passed), "{passed}");
    let used = sources.lines[0]
        .iter()
        .filter(|word| word.read() != 0)
        .count();
    assert_eq!(used, 1);
}

const WATCHED: Watched = Watched {
    classes: 8,
    cpu_sets: cases::CPU_SETS,
};

/// Both data paths, where each source of the default class earns a byte in a second, and has a bucket for one packet.
fn both_held(treatment: u8) -> (SideBySide, u32) {
    let mut both = SideBySide::load(WATCHED);
    let (mut tables, _) = cases::tables(1);
    let class = tables.header.default_class;
    let rate = ClassRate {
        source_limit: 2,
        treatment,
        ..ClassRate::UNLIMITED
    };
    tables.rates = vec![(cell(0, class), rate)];
    let other = SourceLimit::default();
    let limit = SourceLimit {
        cost_per_byte: 1_000_000_000 << COST_FRACTION_BITS,
        burst_ns: 0,
        ipv6_mask: [u64::MAX, 0],
        ipv4_mask: 0xffff_ff00,
        reserved: 0,
    };
    tables.source_limits = vec![other, limit];
    both.install(&tables);
    (both, cell(0, class))
}

/// UDP from these ends of addresses in IPv4 and IPv6.
fn from(ipv4: [u8; 4], ipv6: [u8; 16]) -> [Vec<u8>; 2] {
    let datagram = udp(40_000, 50_000, 20);
    let mut four = Ipv4::of(UDP);
    four.source = ipv4;
    let mut six = Ipv6::of(UDP);
    six.source = ipv6;
    [four.frame(&datagram), six.frame(&datagram)]
}

fn ipv6(network: u8, host: u8) -> [u8; 16] {
    let mut address = [0; 16];
    address[0] = 0x20;
    address[7] = network;
    address[15] = host;
    address
}

#[test]
fn the_loaded_program_tells_sources_apart_as_the_stages_on_the_host_do() {
    if !require_root("the_loaded_program_tells_sources_apart_as_the_stages_on_the_host_do") {
        return;
    }
    let (mut both, class) = both_held(0);
    let packets = [
        ("first", [198, 51, 100, 1], ipv6(1, 1), Outcome::ClassPassed),
        (
            "same prefix",
            [198, 51, 100, 2],
            ipv6(1, 2),
            Outcome::OverSourceRate,
        ),
        (
            "same again",
            [198, 51, 100, 1],
            ipv6(1, 1),
            Outcome::OverSourceRate,
        ),
        (
            "another",
            [198, 51, 101, 1],
            ipv6(2, 1),
            Outcome::ClassPassed,
        ),
    ];
    for (name, ipv4, ipv6, expected) in packets {
        for frame in from(ipv4, ipv6) {
            let (outcome, moved) = both.run(name, &frame);
            assert_eq!(outcome, expected, "{name}");
            assert_eq!(
                moved.cells.len(),
                usize::from(expected == Outcome::ClassPassed),
                "{name}"
            );
        }
    }
    let refused = both.kernel.source_counters(class);
    assert_eq!(refused, both.host.source_counters(class));
    assert_eq!((refused.refused_packets, refused.displaced), (4, 0));
    let mut offenders = both.kernel.offenders();
    offenders.sort_by_key(|one| one.halves);
    let halves: Vec<_> = offenders
        .iter()
        .map(|one| (one.halves, one.packets, one.cell))
        .collect();
    let four = [0, 0xffff_c633_6400];
    let six = [0x2000_0000_0000_0001, 0];
    assert_eq!(halves, [(four, 2, class), (six, 2, class)]);
    both.kernel.forget_offenders();
    assert_eq!(both.kernel.offenders(), []);
}

#[test]
fn what_is_over_the_limit_of_a_source_in_shadow_passes() {
    if !require_root("what_is_over_the_limit_of_a_source_in_shadow_passes") {
        return;
    }
    let (mut both, class) = both_held(SHADOW);
    let [frame, _] = from([198, 51, 100, 1], ipv6(1, 1));
    assert_eq!(both.run("first", &frame).0, Outcome::ClassPassed);
    assert_eq!(both.run("second", &frame).0, Outcome::OverRateShadowed);
    assert_eq!(both.kernel.source_counters(class).refused_packets, 1);
}
