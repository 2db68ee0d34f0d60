//! Packets that user space sees: which, and what is said of them.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use stormbolt::datapath::Samples;
use stormbolt::lab::require_root;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::policy::{VERDICT_DROP, VERDICT_PASS, VERDICT_SHADOW_DROP};
use stormbolt_common::sample::{
    NO_RULE, NOT_CLASSIFIED, SAMPLE_BYTES, SAMPLE_RING_BYTES, Sample, Sampling,
};
use stormbolt_common::steer::{STAY, entry_for_cpu};
use stormbolt_tests::cases::{self, CLASSES, CPU_SETS, Case, Slots};
use stormbolt_tests::counters::Watched;
use stormbolt_tests::packet::{Ipv4, tcp, udp};
use stormbolt_tests::side_by_side::SideBySide;
use stormbolt_tests::tables::counter_of;

const WATCHED: Watched = Watched {
    classes: 8,
    cpu_sets: CPU_SETS,
};

const ALL: Sampling = Sampling {
    packet_mask: 0,
    per_jiffy: u32::MAX,
    ..Sampling::OFF
};

fn under_the_policy() -> (SideBySide, Samples, Vec<String>) {
    let mut both = SideBySide::load(WATCHED);
    let (tables, rules) = cases::tables(1);
    both.install(&tables);
    let another_cpu = both.entry_of_another_cpu();
    for (set, slots) in (0..).zip(Slots::OF_SETS) {
        let entry = match slots {
            Slots::AnotherCpu => another_cpu,
            Slots::ThisCpu => entry_for_cpu(both.host.cpu),
            Slots::Stay => STAY,
            Slots::NoQueue => entry_for_cpu(both.kernel.cpus() + 7),
        };
        both.set_slots(set, entry);
    }
    let samples = both.kernel.samples().unwrap();
    (both, samples, rules)
}

fn taken(samples: &mut Samples) -> Vec<Sample> {
    std::iter::from_fn(|| samples.take()).collect()
}

/// What a sample of the case must say of rules.
fn verdict_of(case: &Case, outcome: Outcome) -> u32 {
    let class = CLASSES.iter().position(|class| case.class == Some(class));
    let by_action = [
        (Outcome::RulePassed, VERDICT_PASS),
        (Outcome::RuleDropped, VERDICT_DROP),
        (Outcome::RuleDropShadowed, VERDICT_SHADOW_DROP),
    ];
    let action = by_action.into_iter().find(|(one, _)| *one == outcome);
    let class = class.map_or(NOT_CLASSIFIED, |class| u32::try_from(class).unwrap());
    action.map_or(class, |(_, verdict)| verdict)
}

#[test]
fn every_packet_of_the_table_is_shown_with_what_became_of_it() {
    if !require_root("every_packet_of_the_table_is_shown_with_what_became_of_it") {
        return;
    }
    let (mut both, mut samples, rules) = under_the_policy();
    samples.choose(ALL);
    let mut before = 0;
    for case in cases::all() {
        both.arrive_on(case.interface);
        let (outcome, _, changed) = both.run_changing(case.sentence, &case.frame);
        let shown = taken(&mut samples);
        let [sample] = &shown[..] else {
            panic!("{}: {} samples", case.sentence, shown.len());
        };
        let head = sample.head;
        let rule = case.rule.map_or(NO_RULE, |name| {
            counter_of(rules.iter().position(|rule| rule == name).unwrap())
        });
        let what = (
            head.outcome,
            head.verdict,
            head.rule,
            head.ifindex,
            head.cpu,
        );
        let expected = (
            outcome.index(),
            verdict_of(&case, outcome),
            rule,
            1,
            both.host.cpu,
        );
        assert_eq!(what, expected, "{}", case.sentence);
        let length = changed.len();
        assert_eq!(usize::try_from(head.frame_bytes).unwrap(), length);
        assert_eq!(head.generation, 1, "{}", case.sentence);
        let beginning = length.min(SAMPLE_BYTES);
        assert_eq!(usize::try_from(head.taken_bytes).unwrap(), beginning);
        assert!(
            sample.bytes.starts_with(&changed[..beginning]),
            "{}",
            case.sentence
        );
        assert_eq!((head.stands_for_halves, head.is_watched), (2, 0));
        assert!(head.time_ns > before);
        before = head.time_ns;
    }
}

#[test]
fn one_packet_now_and_then_stands_for_those_between() {
    const PACKETS: u32 = 200_000;
    if !require_root("one_packet_now_and_then_stands_for_those_between") {
        return;
    }
    let (mut both, mut samples, _) = under_the_policy();
    samples.choose(Sampling {
        packet_mask: 127,
        ..ALL
    });
    let frame = Ipv4::of(17).frame(&udp(5, 6, 0));
    both.kernel.test_run(&frame, PACKETS).unwrap();
    let shown = taken(&mut samples);
    let packets: u32 = shown.iter().map(|one| one.head.stands_for_halves).sum();
    // 3,100 gaps of 1 to 128: the sum is off by more than 5 % once in some ten million runs.
    let packets = packets / 2;
    assert!(
        (PACKETS * 95 / 100..PACKETS * 105 / 100).contains(&packets),
        "{packets} by {} samples",
        shown.len()
    );
}

#[test]
fn no_more_are_shown_than_a_jiffy_may_have_nor_than_there_is_room_for() {
    if !require_root("no_more_are_shown_than_a_jiffy_may_have_nor_than_there_is_room_for") {
        return;
    }
    let (mut both, mut samples, _) = under_the_policy();
    let frame = Ipv4::of(17).frame(&udp(5, 6, 0));
    samples.choose(Sampling {
        per_jiffy: 3,
        ..ALL
    });
    both.kernel.test_run(&frame, 100_000).unwrap();
    let shown = taken(&mut samples);
    // A jiffy has a millisecond at least; the first and the last one are not whole.
    let times = |one: Option<&Sample>| one.unwrap().head.time_ns;
    let jiffies = (times(shown.last()) - times(shown.first())) / 1_000_000 + 2;
    assert!(u64::try_from(shown.len()).unwrap() <= 3 * jiffies);
    let over = shown.last().unwrap().head.over_limit;
    assert!(over > 0 && usize::try_from(over).unwrap() + shown.len() <= 100_000);

    samples.choose(ALL);
    // The pause after the last one that was too many ends in between.
    both.kernel.test_run(&frame, 600).unwrap();
    let over = taken(&mut samples).last().unwrap().head.over_limit;
    both.kernel.test_run(&frame, 20_000).unwrap();
    let shown = taken(&mut samples).len();
    let room = usize::try_from(SAMPLE_RING_BYTES).unwrap() / size_of::<Sample>();
    assert!((room / 2..=room).contains(&shown), "{shown}");
    // Some more are let go, for the last one was.
    both.kernel.test_run(&frame, 1_000).unwrap();
    let more = taken(&mut samples);
    let last = more.last().unwrap().head;
    let let_go = usize::try_from(last.no_room + last.over_limit - over).unwrap();
    assert!(last.no_room > 0 && more.len() > 700, "{}", more.len());
    assert_eq!(shown + more.len() + let_go, 21_000);
}

#[test]
fn all_packets_of_watched_connections_are_shown_in_both_directions_and_no_others() {
    if !require_root(
        "all_packets_of_watched_connections_are_shown_in_both_directions_and_no_others",
    ) {
        return;
    }
    let (mut both, mut samples, _) = under_the_policy();
    samples.choose(Sampling {
        flow_mask: 0xff,
        flow_mark: 0x21,
        per_jiffy: u32::MAX,
        ..Sampling::OFF
    });
    let (ours, theirs) = (0x9c40_u16, 0x9c40_u16 ^ 0x7721);
    let mut frames = vec![
        Ipv4::of(6).frame(&tcp(ours, theirs, 0x02)),
        Ipv4::of(6).frame(&tcp(theirs, ours, 0x12)),
    ];
    frames.push(Ipv4::of(6).frame(&tcp(ours, theirs ^ 1, 0x02)));
    frames.push(Ipv4::of(17).frame(&udp(ours, theirs, 0)));
    for frame in &frames {
        both.run("watched", frame);
    }
    let shown = taken(&mut samples);
    let starts: Vec<&[u8]> = shown
        .iter()
        .map(|one| &one.bytes[..usize::try_from(one.head.taken_bytes).unwrap()])
        .collect();
    assert_eq!(starts, [&frames[0][..], &frames[1][..]]);
    assert!(
        shown
            .iter()
            .all(|one| (one.head.stands_for_halves, one.head.is_watched) == (0, 1))
    );
}

#[test]
fn nothing_is_shown_unless_it_is_asked_for() {
    if !require_root("nothing_is_shown_unless_it_is_asked_for") {
        return;
    }
    let (mut both, mut samples, _) = under_the_policy();
    let frame = Ipv4::of(17).frame(&udp(5, 6, 0));
    both.kernel.test_run(&frame, 100_000).unwrap();
    assert!(samples.take().is_none());
}
