//! Policies for the benchmarks: the one place that knows how a policy is put together.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ipnet::IpNet;
use stormbolt_common::policy::{RuleEntry, VERDICT_PASS};
use stormbolt_control::compile::{Compiler, Heap, Input, Patient};
use stormbolt_control::policy::{
    Accepts, Action, Addresses, AttachMode, Class, Interface, Malformed, Policy, Range, Rule,
    RuleMatch, Set,
};
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};
use xtask::rulesets::Filter;

/// Blocks of the tables that rules are compiled into: as many as anything here needs.
const TABLE_BLOCKS: u32 = 1 << 24;

/// What the rules of a policy do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// They pass the packet, which skips policing and steering.
    Pass,
    /// They put it into a class whose rate nothing here reaches.
    Police,
}

impl Then {
    const fn action(self) -> Action {
        match self {
            Self::Pass => Action::Pass,
            Self::Police => Action::Class(0),
        }
    }
}

/// One rule for each filter, in order.
pub(crate) fn of_filters(filters: &[Filter], then: Then) -> Policy {
    let rules = filters.iter().map(|filter| RuleMatch {
        source: addresses(filter.source),
        destination: addresses(filter.destination),
        source_port: ports(&filter.source_port),
        destination_port: ports(&filter.destination_port),
        protocol: filter
            .protocol
            .map(|protocol| Accepts::any_of(vec![protocol])),
        ..RuleMatch::default()
    });
    policy(rules.collect(), Vec::new(), then)
}

/// One rule for the sources in a set of `prefixes`, and one for all others.
pub(crate) fn of_set(prefixes: &[IpNet], then: Then) -> Policy {
    let inside = RuleMatch {
        source: Some(Addresses {
            sets: vec![0],
            ..Addresses::default()
        }),
        ..RuleMatch::default()
    };
    let set = Set::new("measured", prefixes.to_vec());
    policy(
        vec![inside, RuleMatch::default()],
        vec![Arc::new(set)],
        then,
    )
}

/// `policy` with another destination in one rule in the middle; `variant` says which.
pub(crate) fn with_one_rule_changed(policy: &Policy, variant: u8) -> Policy {
    let mut changed = policy.clone();
    let middle = changed.rules.len() / 2;
    if let Some(rule) = changed.rules.get_mut(middle) {
        let address = IpAddr::from([203, 0, 113, variant]);
        Arc::make_mut(rule).matches.destination = Some(Addresses::within(vec![address.into()]));
    }
    changed
}

/// Compiles the policy's rules as the engine does, and throws the tables away.
///
/// # Errors
/// The rules do not fit.
pub(crate) fn compile_only(policy: &Policy) -> anyhow::Result<()> {
    let entry = RuleEntry {
        verdict: VERDICT_PASS,
        counter: 0,
    };
    let input = Input {
        rules: &policy.rules,
        entries: &vec![entry; policy.rules.len()],
        sets: &policy.sets,
        interfaces: &[0],
        kept: None,
    };
    let mut compiler = Compiler::new(Heap::new(TABLE_BLOCKS), u64::MAX);
    drop(compiler.compile(input, &mut Patient)?);
    Ok(())
}

fn policy(matches: Vec<RuleMatch>, sets: Vec<Arc<Set>>, then: Then) -> Policy {
    let rules = matches.into_iter().enumerate();
    Policy {
        interval: Nanoseconds(100_000_000),
        interfaces: vec![Interface {
            name: "lo".to_owned(),
            capacity: BitsPerSecond(400_000_000_000),
            mode: AttachMode::Generic,
        }],
        classes: vec![Class {
            name: "measured".to_owned(),
            priority: 0,
            rate: BitsPerSecond(0),
            ceil: None,
            burst: Nanoseconds(20_000_000),
            weight: 100,
            cpus: None,
        }],
        sets,
        rules: rules
            .map(|(number, matches)| {
                Arc::new(Rule {
                    name: format!("rule {}", number + 1),
                    matches,
                    action: then.action(),
                })
            })
            .collect(),
        default_class: 0,
        malformed: Malformed::Drop,
    }
}

/// The whole address space of one version is no condition: all headers are of that version.
fn addresses(net: IpNet) -> Option<Addresses> {
    (net.prefix_len() > 0).then(|| Addresses::within(vec![net]))
}

fn ports(range: &RangeInclusive<u16>) -> Option<Accepts<Range<u16>>> {
    (*range != (0..=u16::MAX)).then(|| {
        Accepts::any_of(vec![Range {
            first: *range.start(),
            last: *range.end(),
        }])
    })
}
