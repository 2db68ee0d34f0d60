//! Policies for the benchmarks: the one place that knows how a policy is put together.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ipnet::IpNet;
use stormbolt_common::policy::{RuleEntry, VERDICT_PASS};
use stormbolt_control::compile::{Compiler, Heap, Input, Patient};
use stormbolt_control::policy::{
    Accepts, Action, Addresses, AttachMode, Class, CpuSet, Interface, Policy, Range, Rule,
    RuleMatch, Set, Treatment,
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
    /// They put it into such a class, whose flows are spread over this many CPUs.
    Steer(usize),
    /// They drop it.
    Drop,
}

impl Then {
    /// The CPUs that the class's flows are spread over, if they are.
    fn cpus(self) -> Option<CpuSet> {
        let Self::Steer(count) = self else {
            return None;
        };
        Some(CpuSet((0..).take(count).collect()))
    }

    const fn action(self) -> Action {
        match self {
            Self::Pass => Action::Pass,
            Self::Police | Self::Steer(_) => Action::Class(0),
            Self::Drop => Action::Drop,
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

/// One rule for the sources in a set of `prefixes`, and one for `others`.
pub(crate) fn of_set(prefixes: &[IpNet], then: Then, others: Then) -> Policy {
    let inside = RuleMatch {
        source: Some(Addresses {
            sets: vec![0],
            ..Addresses::default()
        }),
        ..RuleMatch::default()
    };
    let set = Set::new("measured", prefixes.to_vec());
    let matches = vec![inside, RuleMatch::default()];
    let mut policy = policy(matches, vec![Arc::new(set)], then);
    if let Some(last) = policy.rules.last_mut() {
        Arc::make_mut(last).action = others.action();
    }
    policy
}

/// One rule for the sources in each of the prefixes, in order.
pub(crate) fn of_sources(prefixes: &[IpNet], then: Then) -> Policy {
    let rules = prefixes.iter().map(|&prefix| RuleMatch {
        source: addresses(prefix),
        ..RuleMatch::default()
    });
    policy(rules.collect(), Vec::new(), then)
}

/// All packets in one class, whose guarantee is its ceil, with a burst of 5 ms.
pub(crate) fn held_to(rate: BitsPerSecond) -> Policy {
    held_to_with_burst(rate, Nanoseconds::from_millis(5))
}

/// The same with another burst.
pub(crate) fn held_to_with_burst(rate: BitsPerSecond, burst: Nanoseconds) -> Policy {
    let mut policy = policy(Vec::new(), Vec::new(), Then::Police);
    for class in &mut policy.classes {
        class.rate = rate;
        class.ceil = Some(rate);
        class.burst = burst;
    }
    policy
}

/// A class of the highest priority with half of the capacity, for UDP to `port`, and one of the lowest for all
/// else.
pub(crate) fn with_priority_for(port: u16, capacity: BitsPerSecond) -> Policy {
    const UDP: u8 = 17;
    let wanted = RuleMatch {
        protocol: Some(Accepts::any_of(vec![UDP])),
        destination_port: ports(&(port..=port)),
        ..RuleMatch::default()
    };
    let mut policy = policy(vec![wanted], Vec::new(), Then::Police);
    for interface in &mut policy.interfaces {
        interface.capacity = capacity;
    }
    policy.classes = classes(&policy, 2);
    if let [first, last] = policy.classes.as_mut_slice() {
        first.rate = BitsPerSecond(capacity.0 / 2);
        last.priority = 7;
    }
    policy.default_class = 1;
    policy
}

/// So many classes of one priority that share an interface, of all weights, some with a guarantee, spread over
/// this many CPUs. No rule leads to them.
pub(crate) fn with_classes_that_compete(
    count: u32,
    capacity: u64,
    interval: Nanoseconds,
    cpus: usize,
) -> Policy {
    let mut policy = policy(Vec::new(), Vec::new(), Then::Steer(cpus));
    for interface in &mut policy.interfaces {
        interface.capacity = BitsPerSecond(capacity);
    }
    policy.interval = interval;
    policy.classes = classes(&policy, count);
    for (number, class) in (0..).zip(&mut policy.classes) {
        class.weight = 1 + number % 7;
        class.rate = BitsPerSecond(if number.is_multiple_of(4) {
            capacity / 8 / u64::from(count)
        } else {
            0
        });
    }
    policy
}

/// One rule for the sources in each of the prefixes, each of which puts packets into one of so many classes
/// with nothing like an order, which are spread over this many CPUs.
///
/// The capacity is such that each of the classes has a rate of its own that nothing here reaches, the same
/// however many there are.
pub(crate) fn of_subscribers(prefixes: &[IpNet], count: u32, cpus: usize) -> Policy {
    const EACH: u64 = 1_000_000_000;
    let mut policy = of_sources(prefixes, Then::Steer(cpus));
    for interface in &mut policy.interfaces {
        interface.capacity = BitsPerSecond(u64::from(count) * EACH);
    }
    policy.classes = classes(&policy, count);
    for (number, rule) in (0_u64..).zip(&mut policy.rules) {
        // The middle of a product is what is most like random.
        let class = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % u64::from(count.max(1));
        Arc::make_mut(rule).action = Action::Class(usize::try_from(class).unwrap_or(0));
    }
    policy
}

/// So many classes like those of `policy`.
fn classes(policy: &Policy, count: u32) -> Vec<Class> {
    let like = policy.classes.iter().cycle();
    let classes = (1..=count).zip(like).map(|(number, like)| Class {
        name: format!("class-{number}"),
        ..like.clone()
    });
    classes.collect()
}

/// `policy` on another interface, in native mode.
pub(crate) fn on(mut policy: Policy, interface: &str) -> Policy {
    for one in &mut policy.interfaces {
        interface.clone_into(&mut one.name);
        one.mode = AttachMode::Native;
    }
    policy
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

/// `policy` with ten other prefixes in its set; `variant` says which.
pub(crate) fn with_ten_prefixes_changed(policy: &Policy, variant: u8) -> Policy {
    let mut changed = policy.clone();
    for set in &mut changed.sets {
        let mut prefixes = set.prefixes.clone();
        let step = (prefixes.len() / 10).max(1);
        for (prefix, last) in prefixes.iter_mut().step_by(step).zip(0_u8..) {
            *prefix = IpAddr::from([203, 0, variant, last]).into();
        }
        *set = Arc::new(Set::new(set.name.clone(), prefixes));
    }
    changed
}

/// Compiles the policy's rules as the engine does, and returns the bytes of the tables.
///
/// # Errors
/// The rules do not fit.
pub(crate) fn compile_only(policy: &Policy) -> anyhow::Result<u64> {
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
    let tables = compiler.compile(input, &mut Patient)?;
    Ok(u64::try_from(tables.image.words.len() * size_of::<u64>())?)
}

fn policy(matches: Vec<RuleMatch>, sets: Vec<Arc<Set>>, then: Then) -> Policy {
    let rules = matches.into_iter().enumerate();
    Policy {
        interfaces: vec![Interface {
            name: "lo".to_owned(),
            capacity: BitsPerSecond(400_000_000_000),
            mode: AttachMode::Generic,
            overhead: 0,
            adaptive: None,
            then: None,
        }],
        classes: vec![Class {
            name: "measured".to_owned(),
            priority: 0,
            rate: BitsPerSecond(0),
            ceil: None,
            group: None,
            per_source: None,
            burst: Nanoseconds(20_000_000),
            weight: 100,
            cpus: then.cpus(),
            treatment: Treatment::default(),
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
        ..Policy::empty()
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
