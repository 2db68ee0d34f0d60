//! What passes ahead of a class's rate, and that it is paid back.

use std::sync::atomic::AtomicU64;

use proptest::prelude::*;
use stormbolt_common::dropped::{DroppedRange, MOST_OWED, RANGES_PER_LINE};
use stormbolt_common::police::{COST_FRACTION_BITS, ClassRate, InterfaceRate, MARK_CONGESTION};
use stormbolt_ebpf::police::{
    Ahead, Bucket as _, Buckets, Claim, Held, Known, Noted, SharedLine, find, pass_ahead, police,
};
use stormbolt_tests::host_tables::{HostBucket, HostClock, HostLine};
use stormbolt_tests::policer::OnCpu;

/// A byte a microsecond: 8 Mbit/s.
const BYTE_NS: u64 = 1_000;
const BURST_NS: u64 = 20_000_000;
const AHEAD_US: u32 = 200_000;
/// What may be owed when a flow has passed that has had nothing of late, and what of a burst passes beside.
const MOST_OWED_NS: u64 = 300_000_000 + BURST_NS / 2;
const SECOND_NS: u64 = 1_000_000_000;
const FLOW: u32 = 77;

fn rate(ahead_us: u32) -> ClassRate {
    ClassRate {
        cost_per_byte: BYTE_NS << COST_FRACTION_BITS,
        burst_ns: BURST_NS,
        lease_ns: 1_000_000,
        treatment: MARK_CONGESTION,
        ahead_us,
        ..ClassRate::default()
    }
}

fn data(sequence: u32) -> Claim {
    Claim {
        flow: FLOW,
        sequence,
        is_bare: false,
        is_capable: false,
    }
}

/// No TCP, and no ECN either.
const OTHER: Claim = Claim {
    flow: 0,
    sequence: 0,
    is_bare: false,
    is_capable: false,
};

/// Takes note that a segment was dropped.
fn note_dropped(line: &HostLine, flow: u32, sequence: u32, jiffy: u16) {
    let mut found = find(line, flow, jiffy);
    found.note_dropped(flow, sequence, jiffy);
    found.keep(line);
}

/// Takes note that one has passed which was dropped before.
fn note_passed(line: &HostLine, flow: u32, sequence: u32, jiffy: u16) {
    let mut found = find(line, flow, jiffy);
    found.note_passed(Known::Again, sequence, jiffy);
    found.keep(line);
}

fn recall(line: &HostLine, flow: u32, sequence: u32, jiffy: u16) -> Known {
    find(line, flow, jiffy).recall(sequence, jiffy)
}

/// A class on one CPU.
struct Class {
    rate: ClassRate,
    bucket: HostBucket,
    on_cpu: OnCpu,
    beside: HostBucket,
    line: HostLine,
}

impl Class {
    fn new(ahead_us: u32) -> Self {
        Self {
            rate: rate(ahead_us),
            bucket: HostBucket::default(),
            on_cpu: OnCpu::default(),
            beside: HostBucket::default(),
            line: HostLine::default(),
        }
    }

    /// What becomes of a packet at a time.
    fn packet(&mut self, now_ns: u64, claim: Claim, bytes: u64) -> Ahead {
        let clock = HostClock::at(SECOND_NS + now_ns, 250);
        let buckets = Buckets {
            own: &self.bucket,
            ceil: &self.bucket,
            beside: &self.beside,
            shared: &self.bucket,
            interface: &InterfaceRate::LENDS_NOTHING,
            silent_from_ns: u64::MAX,
        };
        let OnCpu {
            lease,
            refusals,
            ahead,
        } = &mut self.on_cpu;
        let (rate, mut held) = (&self.rate, Held { lease, refusals });
        match police(rate, &mut held, &buckets, &clock, bytes) {
            Ok(()) => Ahead::Passed,
            Err(refusal) => {
                let mut noted = Noted {
                    counter: ahead,
                    refusals: held.refusals,
                    dropped: &self.line,
                };
                pass_ahead(rate, &mut noted, &buckets, &clock, (claim, refusal), bytes)
            }
        }
    }

    /// Takes note that a segment was dropped.
    fn note_dropped(&self, flow: u32, sequence: u32, jiffy: u16) {
        note_dropped(&self.line, flow, sequence, jiffy);
    }

    /// Takes note of all flows that they have had as much as is counted.
    fn has_had_its_share(&self) {
        for place in 0..RANGES_PER_LINE {
            let now = u16::try_from(SECOND_NS >> 20).expect("the first second");
            self.line.set_range(
                place,
                DroppedRange {
                    owes_until: now + MOST_OWED,
                    ..self.line.range(place)
                },
            );
        }
    }

    /// Makes the class owe so much.
    fn owe(&mut self, milliseconds: u32) {
        self.bucket = HostBucket(AtomicU64::new(
            SECOND_NS + u64::from(milliseconds) * 1_000_000,
        ));
    }

    /// Sends new data until some is dropped, and returns the first sequence number that was.
    fn until_dropped(&mut self, now_ns: u64) -> u32 {
        (0..)
            .step_by(1000)
            .find(|&sequence| self.packet(now_ns, data(sequence), 1000) == Ahead::Refused)
            .expect("no rate lasts for ever")
    }
}

#[test]
fn what_was_dropped_passes_when_it_comes_again_and_other_flows_do_not() {
    let mut class = Class::new(AHEAD_US);
    let first = class.until_dropped(0);
    assert!(
        (19_000..=20_000).contains(&first),
        "20 ms of a byte a microsecond: {first}"
    );
    assert_eq!(class.packet(0, data(first), 1000), Ahead::Passed);
    assert_eq!(class.on_cpu.ahead.packets, 1);
    let other_flow = Claim {
        flow: FLOW + 1,
        ..data(first)
    };
    assert_eq!(class.packet(0, other_flow, 1000), Ahead::Refused);
    assert_eq!(class.packet(0, OTHER, 1000), Ahead::Refused);
}

#[test]
fn all_of_a_flow_that_has_lost_something_passes_as_far_as_the_burst_once_more() {
    let mut class = Class::new(AHEAD_US);
    let first = class.until_dropped(0);
    for number in 1..20 {
        let segment = data(first + number * 1000);
        assert_eq!(class.packet(0, segment, 1000), Ahead::Passed, "{number}");
    }
}

/// Of a thousand segments of a flow that has lost something, how many would pass while so much is owed; `had`: the flow
/// has had its share.
fn passing_while_owed(owed_ms: u32, had: bool) -> usize {
    let passes = |number: &u32| {
        let mut class = Class::new(AHEAD_US);
        let first = class.until_dropped(0);
        class.owe(owed_ms);
        if had {
            class.has_had_its_share();
        }
        class.packet(0, data(first + number * 1448), 1000) == Ahead::Passed
    };
    (1..=1000).filter(passes).count()
}

#[test]
fn beyond_that_the_fewer_pass_the_more_is_owed() {
    let passing: Vec<usize> = [30, 100, 150, 190]
        .into_iter()
        .map(|owed_ms| passing_while_owed(owed_ms, true))
        .collect();
    assert!(
        passing
            .iter()
            .is_sorted_by(|fewer_owed, more| fewer_owed > more),
        "{passing:?}"
    );
    assert!(
        passing.first().is_some_and(|&most| most > 900)
            && passing.last().is_some_and(|&least| least < 100),
        "{passing:?}"
    );
}

#[test]
fn of_a_flow_that_has_had_little_a_third_as_many_are_dropped() {
    for owed_ms in [60, 100, 150] {
        let [much, little] = [true, false].map(|had| 1000 - passing_while_owed(owed_ms, had));
        // Its marks begin where the others do, and go on to the half as far again three times over.
        let third = much * 180 / 840;
        assert!(little.abs_diff(third) <= 20, "{little} beside {much}");
    }
    assert_eq!(passing_while_owed(300, false), 0);
}

#[test]
fn one_segment_after_a_pause_passes_whatever_it_is() {
    for number in 1..100 {
        let mut class = Class::new(AHEAD_US);
        let first = class.until_dropped(0);
        let pause_ns = 8_100_000;
        class.owe(290);
        let probe = data(first + number * 1448);
        assert_eq!(class.packet(pause_ns, probe, 1000), Ahead::Passed);
    }
}

#[test]
fn a_flow_that_has_had_much_of_late_leaves_the_last_third_to_others() {
    let mut class = Class::new(AHEAD_US);
    let first = class.until_dropped(0);
    // The same segment over and over, as far as anybody can tell.
    let again = |class: &mut Class, flow, now_ns: u64| {
        let claim = Claim {
            flow,
            ..data(first)
        };
        let jiffy = u16::try_from((SECOND_NS + now_ns) / 4_000_000).expect("a few seconds");
        class.note_dropped(flow, first, jiffy);
        class.packet(now_ns, claim, 1000)
    };
    // Ten seconds of twice the rate.
    let halves_of_milliseconds: u64 = 20_000;
    for half in 0..halves_of_milliseconds {
        again(&mut class, FLOW, half * 500_000);
    }
    let now_ns = halves_of_milliseconds * 500_000;
    while again(&mut class, FLOW, now_ns) == Ahead::Passed {}
    for number in 0..70 {
        let became = again(&mut class, FLOW + 1, now_ns);
        assert_eq!(became, Ahead::Passed, "{number}");
    }
}

/// Whenever it is: times are remembered modulo 2^16 units of 2^20 ns, 69 seconds.
#[test]
fn a_flow_that_is_new_has_had_nothing() {
    for second in 0..140 {
        let mut class = Class::new(AHEAD_US);
        let now_ns = second * SECOND_NS;
        let first = class.until_dropped(now_ns);
        class.bucket = HostBucket(AtomicU64::new(SECOND_NS + now_ns + 290_000_000));
        let became = class.packet(now_ns, data(first), 1000);
        assert_eq!(became, Ahead::Passed, "after {second} s");
    }
}

#[test]
fn what_passed_ahead_is_paid_back_before_a_lease_is_taken() {
    let mut class = Class::new(AHEAD_US);
    let first = class.until_dropped(0);
    for _ in 0..30 {
        // The same one over and over, as far as anybody can tell.
        class.note_dropped(FLOW, first, 250);
        assert_eq!(class.packet(0, data(first), 1000), Ahead::Passed);
    }
    // 30 ms are owed.
    assert_eq!(class.packet(30_000_000, OTHER, 1000), Ahead::Refused);
    let counted = class.on_cpu.ahead.packets;
    assert_eq!(class.packet(35_000_000, OTHER, 1000), Ahead::Passed);
    assert_eq!(class.on_cpu.ahead.packets, counted, "a lease paid for it");
}

#[test]
fn packets_are_marked_where_their_senders_understand_it() {
    let mut class = Class::new(AHEAD_US);
    class.until_dropped(0);
    // Not in the jiffy in which packets are refused unseen.
    let capable = Claim {
        is_capable: true,
        ..OTHER
    };
    let at = 4_100_000;
    while class.packet(at, OTHER, 1000) == Ahead::Passed {}
    let later = at + 500_000;
    class.on_cpu.refusals.left = 0;
    assert_eq!(class.packet(later, capable, 1000), Ahead::Marked);
    assert_eq!(class.on_cpu.ahead.marked_packets, 1);
    class.rate.treatment = 0;
    class.on_cpu.refusals.left = 0;
    // Not that one, but as any packet beside what has passed ahead.
    assert_eq!(class.packet(later, capable, 1000), Ahead::Passed);
}

/// Of a packet a millisecond for half a second, how many pass.
fn passing_of_the_whole_rate(class: &mut Class, claim: Claim) -> usize {
    let became = |millisecond: u64| class.packet(millisecond * 1_000_000, claim, 1000);
    (0..500)
        .map(became)
        .filter(|one| *one != Ahead::Refused)
        .count()
}

#[test]
fn other_packets_have_half_of_the_rate_while_the_class_owes() {
    let mut class = Class::new(AHEAD_US);
    class.owe(1000);
    let passing = passing_of_the_whole_rate(&mut class, OTHER);
    // Half of the burst, and half of the rate.
    let most = 10 + 250;
    assert!((most - 5..=most).contains(&passing), "{passing}");
    // And the class owes that as well.
    let owed_ns = class.bucket.spent_until_ns() - SECOND_NS;
    let added = u64::try_from(passing).expect("hundreds");
    assert_eq!(owed_ns / 1_000_000, 1000 + added);
}

#[test]
fn a_flow_that_begins_while_the_class_owes_has_its_part_of_that() {
    let mut class = Class::new(AHEAD_US);
    class.owe(1000);
    let first = class.until_dropped(0);
    assert!(
        (9_000..=10_000).contains(&first),
        "half of the burst: {first}"
    );
}

#[test]
fn nothing_passes_beside_where_nothing_is_owed_or_nothing_may_pass_ahead() {
    let flood = |class: &mut Class| {
        let became = |tenth: u64| class.packet(tenth * 100_000, OTHER, 1000);
        (0..5000)
            .map(became)
            .filter(|one| *one != Ahead::Refused)
            .count()
    };
    let mut class = Class::new(AHEAD_US);
    let passing = flood(&mut class);
    assert!(
        (510..=521).contains(&passing),
        "the rate and the burst: {passing}"
    );
    let mut class = Class::new(0);
    class.owe(1000);
    assert_eq!(flood(&mut class), 0);
}

#[test]
fn nothing_passes_ahead_where_nothing_may() {
    let mut class = Class::new(0);
    let first = class.until_dropped(0);
    assert_eq!(class.packet(0, data(first), 1000), Ahead::Refused);
}

#[test]
fn a_flow_is_forgotten_when_four_others_have_taken_its_line() {
    let line = HostLine::default();
    for (flow, jiffy) in (1..=5).zip(1..) {
        note_dropped(&line, flow, 9, jiffy);
    }
    assert_eq!(recall(&line, 1, 9, 6), Known::Not);
    for flow in 2..=5 {
        assert_eq!(recall(&line, flow, 9, 6), Known::Again);
    }
}

#[test]
fn what_another_cpu_noted_in_the_next_jiffy_is_no_pause() {
    let line = HostLine::default();
    note_dropped(&line, FLOW, 9, 7);
    assert_eq!(recall(&line, FLOW, 8, 6), Known::Outside);
    note_dropped(&line, FLOW, 9, 0);
    assert_eq!(recall(&line, FLOW, 8, u16::MAX), Known::Outside);
}

#[test]
fn a_range_that_cannot_be_is_forgotten() {
    let line = HostLine::default();
    note_dropped(&line, FLOW, 9, 7);
    for place in 0..RANGES_PER_LINE {
        let (low, high) = (9, 8);
        line.set_range(
            place,
            DroppedRange {
                low,
                high,
                ..line.range(place)
            },
        );
    }
    assert_eq!(recall(&line, FLOW, 9, 7), Known::Not);
}

#[test]
fn a_range_shrinks_as_its_first_segments_come_again() {
    let line = HostLine::default();
    for sequence in [100, 200, 300] {
        note_dropped(&line, FLOW, sequence, 1);
    }
    note_passed(&line, FLOW, 100, 1);
    assert_eq!(recall(&line, FLOW, 100, 1), Known::Outside);
    assert_eq!(recall(&line, FLOW, 200, 1), Known::Again);
    note_dropped(&line, FLOW, 300, 1);
    note_passed(&line, FLOW, 200, 1);
    note_passed(&line, FLOW, 300, 1);
    assert_eq!(recall(&line, FLOW, 301, 2), Known::Outside);
    assert_eq!(recall(&line, FLOW, 301, 3), Known::AfterPause);
}

proptest! {
    /// Wherever sequence numbers wrap.
    #[test]
    fn segments_among_the_dropped_ones_are_known(
        begin: u32,
        lengths in prop::collection::vec(1..100_000_u32, 1..50),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..50),
    ) {
        let line = HostLine::default();
        let mut at = begin;
        let mut sequences = Vec::new();
        for length in lengths {
            sequences.push(at);
            at = at.wrapping_add(length);
        }
        let dropped: Vec<u32> = order.iter().map(|index| *index.get(&sequences)).collect();
        for &sequence in &dropped {
            note_dropped(&line, FLOW, sequence, 5);
        }
        for &sequence in &dropped {
            prop_assert_eq!(recall(&line, FLOW, sequence, 5), Known::Again);
        }
        // What comes behind all of them, and what came before, is not.
        prop_assert_eq!(recall(&line, FLOW, at, 5), Known::Outside);
        prop_assert_eq!(recall(&line, FLOW, begin.wrapping_sub(1), 5), Known::Outside);
        prop_assert_eq!(recall(&line, FLOW, begin.wrapping_sub(1), 7), Known::AfterPause);
        prop_assert_eq!(recall(&line, FLOW + 1, begin, 5), Known::Not);
    }

    /// Whatever packets say for themselves, and whenever they come.
    #[test]
    fn the_rate_holds_up_to_the_burst_and_what_may_be_owed(
        packets in prop::collection::vec(
            (0..3_000_000_u64, 60..1514_u64, any::<u8>(), any::<bool>(), any::<bool>(), 0..3_u32),
            1..2000,
        ),
    ) {
        let mut class = Class::new(AHEAD_US);
        let (mut now, mut passed) = (0, 0);
        for (pause, bytes, sequence, is_bare, is_capable, flow) in packets {
            now += pause;
            let claim = Claim { flow, sequence: sequence.into(), is_bare, is_capable };
            let became = class.packet(now, claim, bytes);
            if became != Ahead::Refused {
                passed += bytes;
            }
            if became == Ahead::Marked {
                prop_assert!(is_capable);
            }
            // A packet as such, and what a lease is rounded up by.
            let most = (now + BURST_NS + MOST_OWED_NS) / BYTE_NS + 1514 + 2;
            prop_assert!(passed <= most, "{passed} of {most} after {now} ns");
        }
    }
}
