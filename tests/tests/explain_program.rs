//! The explaining program: it says what the attached one does, and leaves everything as it is.

use stormbolt::datapath::{DatapathError, EXPLAINED_FRAME_BYTES};
use stormbolt::lab::require_root;
use stormbolt_common::explain::{BY_DEFAULT, BY_RULE};
use stormbolt_common::outcome::Outcome;
use stormbolt_common::police::ClassRate;
use stormbolt_common::policy::{VERDICT_DROP, VERDICT_PASS};
use stormbolt_tests::cases::{self, CLASSES, CPU_SETS};
use stormbolt_tests::counters::Watched;
use stormbolt_tests::side_by_side::SideBySide;
use stormbolt_tests::tables::counter_of;

const WATCHED: Watched = Watched {
    classes: 8,
    cpu_sets: CPU_SETS,
};

#[test]
fn it_names_the_rule_and_the_verdict_of_every_packet_of_the_table_and_moves_no_counter() {
    if !require_root(
        "it_names_the_rule_and_the_verdict_of_every_packet_of_the_table_and_moves_no_counter",
    ) {
        return;
    }
    let mut both = SideBySide::load(WATCHED);
    let (tables, rules) = cases::tables(1);
    both.install(&tables);
    let (mut by_rule, mut by_default, mut neither) = (0, 0, 0);
    for case in cases::all() {
        both.arrive_on(case.interface);
        let explained = both.explain(case.sentence, &case.frame);
        let sentence = case.sentence;
        let class = case
            .class
            .and_then(|name| CLASSES.iter().position(|class| *class == name));
        let verdict = match (case.outcome, class) {
            (Outcome::RulePassed, _) => VERDICT_PASS,
            (Outcome::RuleDropped, _) => VERDICT_DROP,
            (_, Some(class)) => u32::try_from(class).unwrap(),
            (outcome, None) => {
                assert_eq!(explained.outcome(), Some(outcome), "{sentence}");
                assert_eq!((explained.verdict, explained.counter), (0, 0), "{sentence}");
                neither += 1;
                continue;
            }
        };
        assert_eq!(explained.outcome(), None, "{sentence}");
        assert_eq!(explained.generation, 1, "{sentence}");
        assert_eq!(explained.verdict, verdict, "{sentence}");
        if let Some(name) = case.rule {
            let position = rules.iter().position(|rule| rule == name).unwrap();
            assert_eq!(explained.reason, BY_RULE, "{sentence}");
            assert_eq!(explained.counter, counter_of(position), "{sentence}");
            by_rule += 1;
        } else {
            assert_eq!(explained.reason, BY_DEFAULT, "{sentence}");
            by_default += 1;
        }
    }
    eprintln!("{by_rule} by rules, {by_default} by default, {neither} not classified");
    assert!(by_rule > 20 && by_default > 20 && neither > 30);
}

#[test]
fn without_a_policy_nothing_is_classified() {
    if !require_root("without_a_policy_nothing_is_classified") {
        return;
    }
    let mut both = SideBySide::load(WATCHED);
    let explained = both.explain("any", &cases::all()[0].frame);
    assert_eq!(explained.outcome(), Some(Outcome::Unconfigured));
    assert_eq!(explained.generation, 0);
}

#[test]
fn it_takes_no_tokens_where_the_attached_program_does() {
    if !require_root("it_takes_no_tokens_where_the_attached_program_does") {
        return;
    }
    let mut both = SideBySide::load(WATCHED);
    let (mut tables, _) = cases::tables(1);
    let case = cases::all()
        .into_iter()
        .find(|case| case.class == Some("plain") && case.interface == Some(0));
    let frame = case.expect("a packet of the default class").frame;
    let class = tables.header.default_class;
    let cell = stormbolt_common::limits::cell(0, class);
    let rate = ClassRate {
        cost_per_byte: 1 << 20,
        burst_ns: 1_000_000_000,
        lease_ns: 1_000_000,
        ..ClassRate::default()
    };
    tables.rates = vec![(cell, rate)];
    both.kernel.install(&tables).unwrap();
    let state = |both: &SideBySide| {
        (
            both.kernel.bucket(cell).unwrap(),
            both.kernel.leased_credit(cell),
        )
    };
    // A first packet, so that there is a lease that could be spent.
    both.kernel.test_run(&frame, 1).unwrap();
    let before = state(&both);
    assert!(before.0.spent_until_ns > 0 && before.1 > 0, "{before:?}");
    for _ in 0..100 {
        both.kernel.explain(&frame, 1).unwrap();
    }
    assert_eq!(state(&both), before);
    both.kernel.test_run(&frame, 1).unwrap();
    assert_ne!(state(&both), before);
}

#[test]
fn what_the_kernel_cannot_run_is_an_error_and_leaves_no_answer() {
    if !require_root("what_the_kernel_cannot_run_is_an_error_and_leaves_no_answer") {
        return;
    }
    let mut both = SideBySide::load(WATCHED);
    let ask = |both: &mut SideBySide, length: usize, ifindex: u32| {
        both.kernel.explain(&vec![0; length], ifindex)
    };
    let (shortest, longest) = (EXPLAINED_FRAME_BYTES.start(), EXPLAINED_FRAME_BYTES.end());
    for length in [*shortest, *longest] {
        assert!(ask(&mut both, length, 1).is_ok(), "{length}");
    }
    for (length, ifindex) in [(shortest - 1, 1), (200_000, 1), (100, 65_535)] {
        let error = ask(&mut both, length, ifindex).unwrap_err();
        assert!(
            matches!(error, DatapathError::Program { .. }),
            "{length} {ifindex}: {error}"
        );
    }
}
