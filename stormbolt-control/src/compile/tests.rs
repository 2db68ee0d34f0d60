//! What becomes of rules that do not fit, and of the memory of those that do.

use std::sync::Arc;

use stormbolt_common::policy::{RuleEntry, VERDICT_PASS};

use super::*;
use crate::policy::{Accepts, Action, Addresses, Range, Rule, RuleMatch};

/// Bytes that are enough.
const AMPLE: u64 = 64 << 20;

fn rule(number: usize, matches: RuleMatch) -> Arc<Rule> {
    Arc::new(Rule {
        name: format!("r{number}"),
        matches,
        action: Action::Pass,
    })
}

/// Rules for one network each.
fn networks(count: usize) -> Vec<Arc<Rule>> {
    let network = |number: usize| {
        let [.., high, low] = number.to_be_bytes();
        let matches = RuleMatch {
            source: Some(Addresses::within(vec![
                format!("10.{high}.{low}.0/24").parse().unwrap(),
            ])),
            ..RuleMatch::default()
        };
        rule(number, matches)
    };
    (0..count).map(network).collect()
}

fn compiled(
    compiler: &mut Compiler,
    rules: &[Arc<Rule>],
    watch: &mut dyn Watch,
) -> Result<CompiledRules, CompileError> {
    let entry = RuleEntry {
        verdict: VERDICT_PASS,
        counter: 0,
    };
    let input = Input {
        rules,
        entries: &vec![entry; rules.len()],
        sets: &[],
        interfaces: &[0],
        kept: None,
    };
    compiler.compile(input, watch)
}

fn compiler(budget: u64) -> Compiler {
    Compiler::new(Heap::new(1 << 20), budget)
}

#[test]
fn a_policy_takes_what_it_writes_and_gives_it_back_when_the_next_is_kept() {
    let mut compiler = compiler(AMPLE);
    let all = compiler.heap().free_words();
    for count in [1, 300, 5000, 0] {
        let tables = compiled(&mut compiler, &networks(count), &mut Patient).unwrap();
        let words: u64 = tables
            .image
            .pieces
            .iter()
            .map(|piece| u64::from(piece.words))
            .sum();
        assert_eq!(usize::try_from(words).unwrap(), tables.image.words.len());
        compiler.keep();
        assert_eq!(compiler.heap().free_words() + words, all);
    }
    assert_eq!(compiler.heap().free_words(), all);
}

#[test]
fn rules_that_are_discarded_take_nothing() {
    let mut compiler = compiler(AMPLE);
    let all = compiler.heap().free_words();
    compiled(&mut compiler, &networks(300), &mut Patient).unwrap();
    compiler.discard();
    assert_eq!(compiler.heap().free_words(), all);
}

#[test]
fn rules_over_the_budget_are_refused_with_what_they_need_and_take_nothing() {
    let mut compiler = compiler(8 << 10);
    let all = compiler.heap().free_words();
    let error = compiled(&mut compiler, &networks(5000), &mut Patient).unwrap_err();
    let CompileError::OverBudget {
        needed,
        budget,
        most,
    } = &error
    else {
        panic!("{error}");
    };
    assert!(
        needed > budget && *budget == 8 << 10 && most.len() == 3,
        "{error:?}"
    );
    assert!(error.to_string().contains("`r"), "{error}");
    assert_eq!(compiler.heap().free_words(), all);
}

#[test]
fn tables_that_are_full_are_an_error_and_keep_what_they_had() {
    let mut compiler = Compiler::new(Heap::new(64), AMPLE);
    let all = compiler.heap().free_words();
    let error = compiled(&mut compiler, &networks(5000), &mut Patient).unwrap_err();
    assert!(matches!(error, CompileError::OverBudget { .. }), "{error}");
    assert_eq!(compiler.heap().free_words(), all);
}

#[test]
fn a_compilation_that_nobody_waits_for_ends() {
    struct Impatient(u32);
    impl Watch for Impatient {
        fn interrupted(&mut self, _: Progress) -> bool {
            self.0 = self.0.saturating_sub(1);
            self.0 == 0
        }
    }
    let mut compiler = compiler(AMPLE);
    let all = compiler.heap().free_words();
    let error = compiled(&mut compiler, &networks(20_000), &mut Impatient(3)).unwrap_err();
    assert_eq!(error, CompileError::Interrupted);
    assert_eq!(compiler.heap().free_words(), all);
}

#[test]
fn rules_made_to_overlap_end_in_an_error_or_fit() {
    // Every rule's ranges begin and end somewhere else, and all of them overlap in the middle.
    let ports = |first: usize, last: usize| {
        let [first, last] = [first, last].map(|port| u16::try_from(port).unwrap());
        Some(Accepts::any_of(vec![Range { first, last }]))
    };
    let hostile = (0..3000).map(|number| {
        let matches = RuleMatch {
            source_port: ports(number * 7, 65_535 - number * 5),
            destination_port: ports(number * 3, 65_535 - number * 11),
            ..RuleMatch::default()
        };
        rule(number, matches)
    });
    let hostile: Vec<Arc<Rule>> = hostile.collect();
    let mut compiler = compiler(4 << 20);
    let all = compiler.heap().free_words();
    match compiled(&mut compiler, &hostile, &mut Patient) {
        Ok(tables) => assert!(tables.image.words.len() * 8 <= 4 << 20),
        Err(CompileError::OverBudget { .. } | CompileError::Entangled { .. }) => {
            assert_eq!(compiler.heap().free_words(), all);
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_long_list_in_thousands_of_combinations_is_refused() {
    let prefix = |text: String| text.parse::<ipnet::IpNet>().unwrap();
    let long = (0..2_000_u32).map(|number| {
        let [.., high, low] = number.to_be_bytes();
        prefix(format!("10.{high}.{low}.0/24"))
    });
    let set = Arc::new(crate::policy::Set::new("long", long.collect()));
    let rules = (0..5_000_u32).map(|number| {
        let [.., high, low] = number.to_be_bytes();
        let matches = RuleMatch {
            source: Some(Addresses {
                negated: false,
                prefixes: vec![prefix(format!("192.0.{high}.{low}/32"))],
                sets: vec![0],
            }),
            ..RuleMatch::default()
        };
        rule(usize::try_from(number).unwrap(), matches)
    });
    let rules: Vec<Arc<Rule>> = rules.collect();
    let entry = RuleEntry {
        verdict: VERDICT_PASS,
        counter: 0,
    };
    let input = Input {
        rules: &rules,
        entries: &vec![entry; rules.len()],
        sets: &[set],
        interfaces: &[0],
        kept: None,
    };
    let error = compiler(AMPLE).compile(input, &mut Patient).unwrap_err();
    let wanted = CompileError::TooManyListedPrefixes {
        prefixes: 5_000 * 2_001,
    };
    assert_eq!(error, wanted);
}
