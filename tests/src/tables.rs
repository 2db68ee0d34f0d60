//! A policy's rules in the form that both data paths take.

use stormbolt::datapath::{PolicyTables, TableSizes};
use stormbolt_common::limits::{CellLayout, MAX_RULES};
use stormbolt_common::policy::{
    PolicyHeader, RuleEntry, VERDICT_DROP, VERDICT_PASS, VERDICT_SHADOW_DROP, policy_slot,
};
use stormbolt_control::compile::{CompileError, CompiledRules, Compiler, Heap, Input, Patient};
use stormbolt_control::policy::{Action, Rule};

use crate::policies::RuleList;

/// Bytes of the tables, and how many of them one policy may take.
pub const TABLE_BYTES: u64 = 128 << 20;
const BUDGET: u64 = TABLE_BYTES / 2;
/// Table sizes of the data path in the kernel.
pub const TABLE_SIZES: TableSizes = TableSizes {
    cpus: 0,
    bytes: TABLE_BYTES,
    flows: 64,
    // Not the one that the object comes with.
    cells: CellLayout::with_room_for(64, 16),
    sources: 512,
};

/// The counter of the rule at `position`: another number, so that a mix-up of the two shows.
pub fn counter_of(position: usize) -> u32 {
    // 7 and 1,024 have no common divisor, so no two rules share a counter.
    (u32::try_from(position).unwrap() * 7 + 3) % MAX_RULES
}

/// Places for compiled rules, for policies that stand side by side.
pub fn compiler() -> Compiler {
    let blocks = u32::try_from(TABLE_BYTES / 64).unwrap();
    Compiler::new(Heap::new(blocks), BUDGET)
}

/// What a rule does whose counter is `counter`: classes are numbered by their positions.
pub fn entry(rule: &Rule, counter: u32) -> RuleEntry {
    RuleEntry {
        verdict: match rule.action {
            Action::Class(class) => u32::try_from(class).unwrap(),
            Action::Pass => VERDICT_PASS,
            Action::Drop => VERDICT_DROP,
            Action::ShadowDrop => VERDICT_SHADOW_DROP,
        },
        counter,
    }
}

/// The tables of these rules: classes are numbered by their positions, class 0 is the default class,
/// malformed packets are dropped and every class is unlimited.
///
/// # Errors
/// The rules do not fit the tables.
pub fn of_rules(
    list: &RuleList,
    interfaces: &[u32],
    generation: u32,
) -> Result<PolicyTables, CompileError> {
    let numbered = list.rules.iter().enumerate();
    let entries: Vec<_> = numbered
        .map(|(position, rule)| entry(rule, counter_of(position)))
        .collect();
    let input = Input {
        rules: &list.rules,
        entries: &entries,
        sets: &list.sets,
        interfaces,
        kept: None,
    };
    // Policies side by side have a half each.
    let mut heap = Heap::new(u32::try_from(TABLE_BYTES / 64).unwrap());
    if policy_slot(generation) == 1 {
        heap.take(heap.capacity() / 2, 8).unwrap();
    }
    let compiled = Compiler::new(heap, BUDGET).compile(input, &mut Patient)?;
    Ok(with_rules(compiled, generation))
}

/// A policy of compiled rules: class 0 is the default class, malformed packets are dropped and every
/// class is unlimited. Flows are remembered, however few rules there are.
pub fn with_rules(mut compiled: CompiledRules, generation: u32) -> PolicyTables {
    compiled.remembers_flows = true;
    PolicyTables {
        header: PolicyHeader {
            generation,
            default_class: 0,
            malformed_pass: 0,
            used_sets: compiled.used_sets,
        },
        rates: Vec::new(),
        interface_rates: Vec::new(),
        source_limits: Vec::new(),
        compiled,
    }
}
