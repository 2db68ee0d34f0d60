//! A policy's rules in the form that both data paths take.

use stormbolt::datapath::PolicyTables;
use stormbolt_common::limits::MAX_RULES;
use stormbolt_common::police::ClassRate;
use stormbolt_common::policy::{PolicyHeader, RuleEntry, VERDICT_DROP, VERDICT_PASS};
use stormbolt_control::compile::{CompileError, compile};
use stormbolt_control::policy::{Action, Rule};

/// The counter of the rule at `position`: another number, so that a mix-up of the two shows.
pub fn counter_of(position: usize) -> u32 {
    // 7 and 1,024 have no common divisor, so no two rules share a counter.
    (u32::try_from(position).unwrap() * 7 + 3) % MAX_RULES
}

/// The tables of `rules`: classes are numbered by their positions, class 0 is the default class,
/// malformed packets are dropped and every class is unlimited.
///
/// # Errors
/// The rules do not fit the tables.
pub fn of_rules(
    rules: &[Rule],
    interfaces: &[u32],
    generation: u32,
) -> Result<PolicyTables, CompileError> {
    let compiled = compile(rules, interfaces)?;
    let entry = |(position, rule): (usize, &Rule)| RuleEntry {
        verdict: match rule.action {
            Action::Class(class) => u32::try_from(class).unwrap(),
            Action::Pass => VERDICT_PASS,
            Action::Drop => VERDICT_DROP,
        },
        counter: counter_of(position),
    };
    Ok(PolicyTables {
        header: PolicyHeader {
            generation,
            default_class: 0,
            used_fields: compiled.used_fields,
            bitmap_words: compiled.bitmap_words,
            malformed_pass: 0,
            reserved: 0,
        },
        rules: rules.iter().enumerate().map(entry).collect(),
        rates: Vec::<(u32, ClassRate)>::new(),
        compiled,
    })
}
