//! Code points, marks, shadow and overhead: the loaded program does what the stages do on the host, to the
//! byte.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::thread;

use stormbolt::lab::clock::now_ns;
use stormbolt::lab::{keep_to, require_root};
use stormbolt_common::limits::cell;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::police::{
    BLOCKED, COST_FRACTION_BITS, ClassRate, MARK_CONGESTION, NO_BORROWING, REWRITE_DSCP, SHADOW,
};
use stormbolt_common::policy::VERDICT_SHADOW_DROP;
use stormbolt_tests::cases;
use stormbolt_tests::counters::Watched;
use stormbolt_tests::packet::{Ipv4, Ipv6, tag, tcp};
use stormbolt_tests::side_by_side::SideBySide;

const TCP: u8 = 6;
const XDP_PASS: u32 = 2;
const WATCHED: Watched = Watched {
    classes: 8,
    cpu_sets: cases::CPU_SETS,
};
/// A second for a byte: nothing that is sent here is ever earned.
const SLOW: ClassRate = ClassRate {
    cost_per_byte: 1_000_000_000 << COST_FRACTION_BITS,
    ..ClassRate::UNLIMITED
};

/// Both data paths under the policy of the table of cases, whose default class has this rate.
fn under(rate: ClassRate) -> SideBySide {
    let mut both = SideBySide::load(WATCHED);
    let (mut tables, _) = cases::tables(1);
    tables.rates = vec![(cell(0, tables.header.default_class), rate)];
    both.install(&tables);
    both
}

/// TCP segments with payload, with this traffic class: in IPv4, IPv6 and behind a tag.
fn segments(class: u8) -> Vec<(&'static str, Vec<u8>)> {
    let mut segment = tcp(40_000, 50_000, 0x10);
    segment.extend([7; 100]);
    let mut ipv4 = Ipv4::of(TCP).frame(&segment);
    ipv4[15] = class;
    let mut ipv6 = Ipv6::of(TCP).frame(&segment);
    ipv6[14] |= class >> 4;
    ipv6[15] |= class << 4;
    vec![
        ("IPv4", ipv4.clone()),
        ("IPv6", ipv6),
        ("IPv4 behind a tag", tag(&ipv4, 5)),
    ]
}

/// Fails if `frame` is not the segment `name` with this traffic class, its checksum apart: the packets have
/// none to begin with.
fn assert_class(name: &str, mut frame: Vec<u8>, class: u8) {
    let checksum = match name {
        "IPv4" => 24..26,
        "IPv6" => 0..0,
        _ => 28..30,
    };
    frame[checksum].fill(0);
    let expected = segments(class);
    let expected = expected.iter().find(|(other, _)| *other == name);
    let expected = expected.expect("one of the names");
    assert_eq!(frame, expected.1, "{name}");
}

#[test]
fn packets_leave_with_the_code_point_of_their_class() {
    if !require_root("packets_leave_with_the_code_point_of_their_class") {
        return;
    }
    let mut both = under(ClassRate {
        treatment: REWRITE_DSCP,
        dscp: 46,
        ..ClassRate::UNLIMITED
    });
    for (name, frame) in segments(0x03) {
        let (outcome, _, changed) = both.run_changing(name, &frame);
        assert_eq!(outcome, Outcome::ClassPassed, "{name}");
        assert_class(name, changed, 46 << 2 | 0x03);
    }
}

#[test]
fn all_terms_of_a_class_change_when_other_rates_come_into_force() {
    if !require_root("all_terms_of_a_class_change_when_other_rates_come_into_force") {
        return;
    }
    let with = |dscp| ClassRate {
        treatment: REWRITE_DSCP,
        dscp,
        ..ClassRate::UNLIMITED
    };
    let mut both = under(with(46));
    let (name, frame) = segments(0x03).remove(0);
    let leaves_with = |both: &mut SideBySide, dscp: u8| {
        let (outcome, _, changed) = both.run_changing(name, &frame);
        assert_eq!(outcome, Outcome::ClassPassed);
        assert_class(name, changed, dscp << 2 | 3);
    };
    leaves_with(&mut both, 46);
    let of_default = cell(0, cases::tables(1).0.header.default_class);
    both.set_rate(of_default, with(10));
    // A CPU has its copy until then.
    leaves_with(&mut both, 46);
    both.put_rates_into_force();
    leaves_with(&mut both, 10);
    both.set_rate(
        of_default,
        ClassRate {
            cost_per_byte: BLOCKED,
            ..with(10)
        },
    );
    both.put_rates_into_force();
    let (outcome, _) = both.run(name, &frame);
    assert_eq!(outcome, Outcome::OverRate);
}

#[test]
fn what_a_cpu_has_leased_does_not_pass_when_the_class_is_blocked() {
    if !require_root("what_a_cpu_has_leased_does_not_pass_when_the_class_is_blocked") {
        return;
    }
    // A millisecond at 8 Gbit/s, of which one packet takes little.
    let fast = ClassRate {
        cost_per_byte: 1 << COST_FRACTION_BITS,
        burst_ns: 20_000_000,
        lease_ns: 1_000_000,
        reserve_ns: NO_BORROWING,
        ..ClassRate::UNLIMITED
    };
    let mut both = under(fast);
    let (name, frame) = &segments(0)[0];
    let (outcome, ..) = both.run_changing(name, frame);
    assert_eq!(outcome, Outcome::ClassPassed);
    let class = cell(0, cases::tables(1).0.header.default_class);
    assert!(both.kernel.leased_credit(class) > 0);
    let blocked = ClassRate {
        cost_per_byte: BLOCKED,
        ..fast
    };
    both.set_rate(class, blocked);
    both.put_rates_into_force();
    let (outcome, ..) = both.run_changing(name, frame);
    assert_eq!(outcome, Outcome::OverRate);
    assert_eq!(both.kernel.leased_credit(class), 0);
}

#[test]
fn packets_are_marked_instead_of_dropped_where_their_senders_understand_it() {
    if !require_root("packets_are_marked_instead_of_dropped_where_their_senders_understand_it") {
        return;
    }
    // Deeply in debt at once, so that neither the time between two packets nor the clock matters.
    let rate = ClassRate {
        cost_per_byte: 1 << COST_FRACTION_BITS,
        ahead_us: 1_000_000,
        treatment: MARK_CONGESTION,
        ..ClassRate::UNLIMITED
    };
    for (capable, outcome) in [(2, Outcome::ClassPassed), (0, Outcome::OverRate)] {
        for (name, frame) in segments(capable) {
            let mut both = under(rate);
            let (ended, moved, changed) = both.run_changing(name, &frame);
            assert_eq!(ended, outcome, "{name}");
            let (_, counted) = moved.cells[0];
            let passed = u64::from(outcome == Outcome::ClassPassed);
            assert_eq!(
                (counted.passed_packets, counted.dropped_packets),
                (passed, 1 - passed)
            );
            let marked = if capable == 0 { 0 } else { 3 };
            assert_class(name, changed, marked);
        }
    }
}

#[test]
fn a_segment_that_was_dropped_on_one_cpu_passes_on_another_one_when_it_comes_again() {
    if !require_root("a_segment_that_was_dropped_on_one_cpu_passes_on_another_one") {
        return;
    }
    let mut both = under(ClassRate {
        ahead_us: 1_000_000_000,
        ..SLOW
    });
    // One that is in service and that we may use, or there is nothing to be seen.
    let mut cpus = (0..both.kernel.cpus()).filter(|cpu| *cpu != both.host.cpu);
    let may_use = |cpu: &u32| {
        let cpu = usize::try_from(*cpu).unwrap();
        thread::scope(|scope| scope.spawn(|| keep_to([cpu]).is_ok()).join().unwrap())
    };
    let Some(other) = cpus.find(may_use) else {
        eprintln!("skipped: there is one CPU that we may use");
        return;
    };
    for (name, frame) in segments(0).into_iter().take(2) {
        let (dropped, _) = both.run_uncounted(name, &frame);
        assert_eq!(dropped, Outcome::OverRate, "{name}");
        let again = || {
            keep_to([usize::try_from(other).unwrap()]).unwrap();
            both.kernel.test_run_in_place(&mut frame.clone()).unwrap()
        };
        let passed = thread::scope(|scope| scope.spawn(again).join().unwrap());
        assert_eq!(passed.verdict, XDP_PASS, "{name}");
    }
}

#[test]
fn what_is_over_the_rate_of_a_class_in_shadow_is_counted_as_dropped_and_passes() {
    if !require_root("what_is_over_the_rate_of_a_class_in_shadow_passes") {
        return;
    }
    for (treatment, outcome) in [(SHADOW, Outcome::OverRateShadowed), (0, Outcome::OverRate)] {
        let mut both = under(ClassRate { treatment, ..SLOW });
        let (name, frame) = &segments(0)[0];
        let (ended, moved, _) = both.run_changing(name, frame);
        assert_eq!(ended, outcome);
        let (_, counted) = moved.cells[0];
        assert_eq!((counted.passed_packets, counted.dropped_packets), (0, 1));
    }
}

#[test]
fn what_a_rule_in_shadow_would_drop_passes() {
    if !require_root("what_a_rule_in_shadow_would_drop_passes") {
        return;
    }
    let mut both = SideBySide::load(WATCHED);
    let (mut tables, _) = cases::tables(1);
    tables.header.default_class = VERDICT_SHADOW_DROP;
    both.install(&tables);
    let (name, frame) = &segments(0)[0];
    let (ended, moved, _) = both.run_changing(name, frame);
    assert_eq!(ended, Outcome::RuleDropShadowed);
    assert_eq!(moved.cells, []);
}

#[test]
fn a_packet_is_counted_longer_by_the_overhead_of_the_link() {
    if !require_root("a_packet_is_counted_longer_by_the_overhead_of_the_link") {
        return;
    }
    let (name, frame) = &segments(0)[0];
    let bytes = u64::try_from(frame.len()).unwrap();
    // A byte takes ten milliseconds, and the bucket holds two such frames.
    for overhead in [0, 24, -20] {
        let rate = ClassRate {
            cost_per_byte: 10_000_000 << COST_FRACTION_BITS,
            burst_ns: 10_000_000 * 2 * bytes,
            lease_ns: 1,
            overhead,
            ..ClassRate::UNLIMITED
        };
        let mut both = under(rate);
        let (ended, ..) = both.run_changing(name, frame);
        assert_eq!(ended, Outcome::ClassPassed);
        let class = cell(0, cases::tables(1).0.header.default_class);
        let held_ns = now_ns() - both.kernel.bucket(class).unwrap().spent_until_ns;
        let spent_bytes = 2 * bytes - held_ns.min(rate.burst_ns) / 10_000_000;
        let expected = bytes.checked_add_signed(overhead.into()).unwrap();
        // What has come in since, at a byte every ten milliseconds.
        let filled = expected - 20..=expected + 1;
        assert!(
            filled.contains(&spent_bytes),
            "{overhead}: {spent_bytes} of {expected}"
        );
    }
}
