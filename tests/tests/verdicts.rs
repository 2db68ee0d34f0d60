//! The table of verdicts, through the loaded program and through the same stages on the host.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use stormbolt::lab::require_root;
use stormbolt_common::limits::SLOTS_PER_CPU_SET;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::steer::{STAY, entry_for_cpu};
use stormbolt_control::observe::CellCounters;
use stormbolt_ebpf::parse::{ParseError, parse};
use stormbolt_tests::cases::{self, CLASSES, CPU_SETS, Case, Slots};
use stormbolt_tests::counters::{Moved, Watched};
use stormbolt_tests::second_opinion;
use stormbolt_tests::side_by_side::SideBySide;
use stormbolt_tests::tables::counter_of;

const WATCHED: Watched = Watched {
    classes: 8,
    cpu_sets: CPU_SETS,
};

/// Both data paths under the policy of the table, and whether there is a CPU to steer to.
fn under_the_policy(malformed_pass: bool) -> (SideBySide, Vec<String>, bool) {
    let mut both = SideBySide::load(WATCHED);
    let (mut tables, rules) = cases::tables(1);
    tables.header.malformed_pass = u32::from(malformed_pass);
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
    (both, rules, another_cpu != STAY)
}

/// What must move when `frame` ends as the case says, apart from the outcome.
fn check_counters(case: &Case, outcome: Outcome, moved: &Moved, rules: &[String]) {
    let sentence = case.sentence;
    let bytes = u64::try_from(case.frame.len()).unwrap_or_default();
    assert_eq!(
        moved.outcomes[0].0,
        case.interface.unwrap_or(0),
        "{sentence}"
    );

    let rule = case.rule.map(|name| {
        let position = rules.iter().position(|rule| rule == name);
        counter_of(position.unwrap_or_else(|| panic!("no rule `{name}`")))
    });
    let matched: Vec<u32> = moved.rules.iter().map(|(rule, _)| *rule).collect();
    assert_eq!(matched, Vec::from_iter(rule), "{sentence}: rule");
    assert!(
        moved
            .rules
            .iter()
            .all(|(_, by)| by.packets == 1 && by.bytes == bytes),
        "{sentence}"
    );

    let class = case
        .class
        .map(|name| CLASSES.iter().position(|class| *class == name));
    let Some(class) = class else {
        assert_eq!(moved.cells, [], "{sentence}: class");
        assert_eq!(moved.slots, [], "{sentence}: slot");
        return;
    };
    let class = u32::try_from(class.unwrap_or(usize::MAX)).unwrap_or(u32::MAX);
    let cell = stormbolt_common::limits::cell(case.interface.unwrap_or(0), class);
    let mut counted = CellCounters::default();
    if outcome == Outcome::OverRate {
        (counted.dropped_packets, counted.dropped_bytes) = (1, bytes);
    } else {
        (counted.passed_packets, counted.passed_bytes) = (1, bytes);
    }
    assert_eq!(moved.cells, [(cell, counted)], "{sentence}: class");

    let steered = ["steered", "local", "resting", "queueless"];
    let set = steered.iter().position(|name| Some(*name) == case.class);
    let counted: Vec<(Option<usize>, u64)> = moved
        .slots
        .iter()
        .map(|(slot, packets)| (usize::try_from(slot / SLOTS_PER_CPU_SET).ok(), *packets))
        .collect();
    assert_eq!(
        counted,
        Vec::from_iter(set.map(|set| (Some(set), 1))),
        "{sentence}: slot"
    );
}

#[test]
fn every_packet_of_the_table_ends_as_it_says() {
    if !require_root("every_packet_of_the_table_ends_as_it_says") {
        return;
    }
    let (mut both, rules, can_steer) = under_the_policy(false);
    for case in cases::all() {
        both.arrive_on(case.interface);
        let (outcome, moved) = both.run(case.sentence, &case.frame);
        let nowhere_to_go = case.outcome == Outcome::ClassSteered && !can_steer;
        let expected = if nowhere_to_go {
            Outcome::ClassPassed
        } else {
            case.outcome
        };
        assert_eq!(outcome, expected, "{}", case.sentence);
        check_counters(&case, outcome, &moved, &rules);
    }
}

#[test]
fn malformed_packets_pass_and_are_counted_as_such_where_the_policy_says_so() {
    if !require_root("malformed_packets_pass_and_are_counted_as_such_where_the_policy_says_so") {
        return;
    }
    let (mut both, ..) = under_the_policy(true);
    let parsed =
        |case: &Case| matches!(parse(&case.frame[..]), Err(error) if error.outcome().is_drop());
    let malformed: Vec<Case> = cases::all()
        .into_iter()
        .filter(|case| parsed(case) && case.interface.is_some())
        .collect();
    assert!(malformed.len() > 30);
    for case in malformed {
        let (outcome, moved) = both.run(case.sentence, &case.frame);
        assert_eq!(outcome, Outcome::MalformedPassed, "{}", case.sentence);
        assert_eq!(
            (moved.rules, moved.cells, moved.slots),
            (vec![], vec![], vec![])
        );
    }
}

#[test]
fn without_a_policy_every_packet_passes_unconfigured() {
    if !require_root("without_a_policy_every_packet_passes_unconfigured") {
        return;
    }
    let mut both = SideBySide::load(WATCHED);
    for case in cases::all() {
        let (outcome, moved) = both.run(case.sentence, &case.frame);
        assert_eq!(outcome, Outcome::Unconfigured, "{}", case.sentence);
        assert_eq!(
            (moved.rules, moved.cells, moved.slots),
            (vec![], vec![], vec![])
        );
    }
}

#[test]
fn kernel_and_host_agree_on_every_frame_cut_at_every_length() {
    if !require_root("kernel_and_host_agree_on_every_frame_cut_at_every_length") {
        return;
    }
    let (mut both, ..) = under_the_policy(false);
    let mut frames = 0;
    for case in cases::all() {
        for length in 14..case.frame.len() {
            both.run(case.sentence, &case.frame[..length]);
            frames += 1;
        }
    }
    eprintln!("{frames} cut frames");
    assert!(frames > 5000);
}

#[test]
fn frames_of_fewer_than_14_bytes_are_truncated() {
    for length in 0..14 {
        let outcome = parse(&vec![8; length][..]).map_err(ParseError::outcome);
        assert_eq!(outcome, Err(Outcome::Truncated));
    }
}

#[test]
fn headers_are_read_as_another_parser_reads_them() {
    let (mut addresses, mut ports, mut flags, mut types) = (0, 0, 0, 0);
    for case in cases::all() {
        let Ok(ours) = parse(&case.frame[..]) else {
            continue;
        };
        let Some(theirs) = second_opinion::of(&case.frame) else {
            continue;
        };
        assert_eq!(theirs.of_ours(&ours), theirs, "{}", case.sentence);
        addresses += 1;
        ports += usize::from(theirs.ports.is_some());
        flags += usize::from(theirs.tcp_flags.is_some());
        types += usize::from(theirs.icmp_type.is_some());
    }
    eprintln!("compared: {addresses} packets, {ports} with ports, {flags} TCP, {types} ICMP");
    assert!(addresses > 90 && ports > 40 && flags > 5 && types > 5);
}

#[test]
fn the_table_is_large_and_names_every_outcome_and_every_rule() {
    let table = cases::all();
    eprintln!("{} packets", table.len());
    assert!(table.len() >= 80);
    let mut sentences: Vec<&str> = table.iter().map(|case| case.sentence).collect();
    sentences.sort_unstable();
    sentences.dedup();
    assert_eq!(
        sentences.len(),
        table.len(),
        "two cases have the same sentence"
    );
    for outcome in Outcome::ALL {
        let is_there = table.iter().any(|case| case.outcome == outcome);
        // They take another policy: tests of their own, here and in `treatment.rs`.
        let is_elsewhere = matches!(
            outcome,
            Outcome::MalformedPassed
                | Outcome::OverRateShadowed
                | Outcome::RuleDropShadowed
                // The first packet of a source always passes; `sources.rs` sends more.
                | Outcome::OverSourceRate
        );
        assert!(is_there || is_elsewhere, "{outcome:?}");
    }
    for rule in cases::tables(1).1 {
        assert!(
            table.iter().any(|case| case.rule == Some(&rule)),
            "rule `{rule}`"
        );
    }
}
