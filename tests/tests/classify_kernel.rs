//! The loaded program's choice of rule against the rules' plain meaning.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use stormbolt::lab::require_root;
use stormbolt_common::outcome::Outcome;
use stormbolt_control::policy::Action;
use stormbolt_tests::counters::Watched;
use stormbolt_tests::policies::{CLASSES, INTERFACES, RuleList, rules};
use stormbolt_tests::random::Random;
use stormbolt_tests::reference;
use stormbolt_tests::samples::{Sample, aimed_at, rule_for};
use stormbolt_tests::side_by_side::{SideBySide, hex};
use stormbolt_tests::tables::{counter_of, of_rules};

const WATCHED: Watched = Watched {
    classes: 3,
    cpu_sets: 0,
};
const POLICIES: u32 = 200;
const PACKETS_A_POLICY: u32 = 200;
/// Test frames are held in one page, beside the kernel's own data.
const LONGEST_FRAME: usize = 3_000;

fn outcome_of(action: Action) -> Outcome {
    match action {
        Action::Class(_) => Outcome::ClassPassed,
        Action::Pass => Outcome::RulePassed,
        Action::Drop => Outcome::RuleDropped,
        Action::ShadowDrop => Outcome::RuleDropShadowed,
    }
}

/// Packets that come again, when their flow is known.
type Known = Vec<(Sample, Vec<u8>)>;

/// Sends a packet aimed at one of the rules, or one that was sent before, checks what becomes of it,
/// and says whether a rule matched.
fn check_one(
    both: &mut SideBySide,
    list: &RuleList,
    known: &mut Known,
    random: &mut Random,
) -> bool {
    if known.len() < 16 || random.chance(30) {
        known.truncate(15);
        let at = random.index(known.len() + 1);
        known.insert(at, aimed_at(list, random).frame(LONGEST_FRAME));
    }
    let (sample, frame) = known[random.index(known.len())].clone();
    both.arrive_on(Some(sample.arrival.interface));
    let (outcome, moved) = both.run("random packet", &frame);
    let expected = reference::first_match(list, &INTERFACES, &sample.headers, sample.arrival);
    let message = || format!("{sample:?}\n{}\n{list:#?}", hex(&frame));

    let matched: Vec<u32> = moved.rules.iter().map(|(rule, _)| *rule).collect();
    assert_eq!(
        matched,
        Vec::from_iter(expected.map(counter_of)),
        "{}",
        message()
    );
    let action = expected.map_or(Action::Class(0), |position| list.rules[position].action);
    assert_eq!(outcome, outcome_of(action), "{}", message());
    let class = match action {
        Action::Class(class) => u32::try_from(class).ok(),
        Action::Pass | Action::Drop | Action::ShadowDrop => None,
    };
    let cell = class.map(|class| stormbolt_common::limits::cell(sample.arrival.interface, class));
    let counted: Vec<u32> = moved.cells.iter().map(|(cell, _)| *cell).collect();
    assert_eq!(counted, Vec::from_iter(cell), "{}", message());
    expected.is_some()
}

#[test]
fn the_loaded_program_finds_the_first_matching_rule() {
    if !require_root("the_loaded_program_finds_the_first_matching_rule") {
        return;
    }
    assert_eq!(CLASSES, 3);
    let mut both = SideBySide::load(WATCHED);
    let mut runner = TestRunner::deterministic();
    let mut random = Random::of(5);
    let mut known = Vec::new();
    let (mut generation, mut packets, mut hits, mut longest) = (0, 0, 0, 0);
    while generation < POLICIES {
        let list = rules()
            .new_tree(&mut runner)
            .expect("the strategy rejects nothing")
            .current();
        let Ok(tables) = of_rules(&list, &INTERFACES, generation + 1) else {
            continue;
        };
        generation += 1;
        both.install(&tables);
        longest = longest.max(list.rules.len());
        // Those of the policy before may be known with other rules.
        known.truncate(8);
        for _ in 0..PACKETS_A_POLICY {
            hits += u32::from(check_one(&mut both, &list, &mut known, &mut random));
            packets += 1;
        }
    }
    eprintln!("{packets} packets, {hits} matched, longest policy {longest} rules");
    assert!(
        hits * 5 > packets && hits < packets,
        "the packets are not aimed well"
    );
}

#[test]
fn a_rule_with_exactly_a_packets_values_matches_it_in_the_loaded_program() {
    if !require_root("a_rule_with_exactly_a_packets_values_matches_it_in_the_loaded_program") {
        return;
    }
    let mut both = SideBySide::load(WATCHED);
    let mut random = Random::of(6);
    // As many as fit: each packet must find its own rule, the later ones behind a thousand others.
    for generation in 1..=8 {
        let packets: Vec<_> = (0..1024_u16)
            .map(|number| {
                let mut sample = aimed_at(&RuleList::default(), &mut random);
                // No two alike: a rule for an untagged packet takes a tagged one too.
                let [.., high, low] = &mut sample.headers.source;
                [*high, *low] = number.to_be_bytes();
                sample.frame(LONGEST_FRAME)
            })
            .collect();
        let rules = packets
            .iter()
            .map(|(sample, _)| rule_for(sample, Action::Drop))
            .collect();
        let tables =
            of_rules(&RuleList::of(rules), &INTERFACES, generation).expect("the rules fit");
        both.install(&tables);
        for (position, (sample, frame)) in packets.iter().enumerate() {
            both.arrive_on(Some(sample.arrival.interface));
            let (outcome, moved) = both.run("exact", frame);
            assert_eq!(outcome, Outcome::RuleDropped);
            let matched: Vec<u32> = moved.rules.iter().map(|(rule, _)| *rule).collect();
            assert_eq!(matched, [counter_of(position)], "{sample:?}");
        }
    }
}
