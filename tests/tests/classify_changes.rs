//! Rules that change one by one, against their plain meaning, on the host.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::IpNet;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use stormbolt_control::compile::{CompileError, Compiler, Input, Patient};
use stormbolt_control::policy::{
    Accepts, Action, Addresses, Range, Rule, RuleMatch, Set, kept_rules,
};
use stormbolt_ebpf::classify::{classify_flow, fill};
use stormbolt_ebpf::tables::Tables as _;
use stormbolt_tests::host_tables::HostTables;
use stormbolt_tests::policies::{INTERFACES, RuleList, rules};
use stormbolt_tests::random::Random;
use stormbolt_tests::reference;
use stormbolt_tests::samples::{Sample, aimed_at};
use stormbolt_tests::tables::{compiler, entry, with_rules};

const PACKETS: usize = 60;

/// A compiler, the tables that it fills, and what is in them.
struct Scene {
    compiler: Compiler,
    host: HostTables,
    generation: u32,
    list: RuleList,
    /// Counters by the name of a rule.
    counters: HashMap<String, u32>,
}

impl Scene {
    fn new() -> Self {
        Self {
            compiler: compiler(),
            host: HostTables::new(0, 0),
            generation: 0,
            list: RuleList::default(),
            counters: HashMap::new(),
        }
    }

    /// Puts `list` into force; names of rules are unique.
    fn change_to(&mut self, list: RuleList) -> Result<(), CompileError> {
        for rule in &list.rules {
            let next = self.counters.len();
            let next = u32::try_from(next).expect("few rules");
            self.counters.entry(rule.name.clone()).or_insert(next);
        }
        let of_rule = |rule: &Arc<Rule>| entry(rule, self.counter(rule).expect("it has one"));
        let entries: Vec<_> = list.rules.iter().map(of_rule).collect();
        let kept = kept_rules(&self.list.rules, &list.rules);
        let input = Input {
            rules: &list.rules,
            entries: &entries,
            sets: &list.sets,
            interfaces: &INTERFACES,
            kept: Some(&kept),
        };
        let compiled = self.compiler.compile(input, &mut Patient)?;
        self.generation += 1;
        self.host.install(with_rules(compiled, self.generation));
        self.compiler.keep();
        self.list = list;
        Ok(())
    }

    fn counter(&self, rule: &Rule) -> Option<u32> {
        self.counters.get(&rule.name).copied()
    }

    /// Every packet meets the rule that a linear search finds, and the memory is what it should be.
    fn check(&mut self, random: &mut Random) {
        let header = self.host.policy().expect("a policy is installed");
        for _ in 0..PACKETS {
            let Sample { headers, arrival } = aimed_at(&self.list, random);
            let wanted = reference::first_match(&self.list, &INTERFACES, &headers, arrival);
            let wanted = wanted.and_then(|position| self.counter(self.list.rules.get(position)?));
            // The second time the flow is known.
            for _ in 0..2 {
                fill(&mut self.host, &(&headers).into(), arrival);
                let found = classify_flow(&header, &mut self.host).expect("no table is missing");
                assert_eq!(found.map(|rule| rule.counter), wanted, "{headers:?}");
            }
        }
        let heap = self.compiler.heap();
        let used = u64::from(heap.capacity()) - heap.free_words();
        assert_eq!(used * 8, self.compiler.used_bytes());
    }
}

/// A rule that nobody else has the name of.
fn named(rule: &Rule, number: &mut u32) -> Arc<Rule> {
    *number += 1;
    Arc::new(Rule {
        name: format!("r{number}"),
        ..rule.clone()
    })
}

/// `list` with something changed.
fn changed(list: &RuleList, other: &RuleList, random: &mut Random, number: &mut u32) -> RuleList {
    let mut next = list.clone();
    let place = |random: &mut Random, length: usize| random.index(length.max(1));
    let pick = |random: &mut Random| other.rules.get(random.index(other.rules.len().max(1)));
    match random.below(6) {
        0 => {
            if !next.rules.is_empty() {
                let at = place(random, next.rules.len());
                next.rules.remove(at);
            }
        }
        1 | 2 => {
            let at = place(random, next.rules.len() + 1);
            if let Some(rule) = pick(random) {
                next.rules.insert(at, named(rule, number));
            }
        }
        3 => {
            if !next.rules.is_empty() {
                let (from, to) = (
                    place(random, next.rules.len()),
                    place(random, next.rules.len()),
                );
                let rule = next.rules.remove(from);
                next.rules.insert(to, rule);
            }
        }
        4 => {
            let at = place(random, next.rules.len());
            if let (Some(slot), Some(rule)) = (next.rules.get_mut(at), pick(random)) {
                *slot = named(rule, number);
            }
        }
        _ => {
            let at = place(random, next.sets.len());
            let from = other.sets.get(at).map(|set| set.prefixes.clone());
            if let (Some(set), Some(other)) = (next.sets.get_mut(at), from) {
                *set = Arc::new(exchanged(set, &other, random));
            }
        }
    }
    next
}

/// A set with some prefixes less, and some of another.
fn exchanged(set: &Set, other: &[IpNet], random: &mut Random) -> Set {
    let mut prefixes = set.prefixes.clone();
    for _ in 0..random.below(4) {
        if !prefixes.is_empty() {
            let gone = random.index(prefixes.len());
            prefixes.remove(gone);
        }
        if !other.is_empty() {
            prefixes.extend(other.get(random.index(other.len())));
        }
    }
    Set::new(set.name.clone(), prefixes)
}

#[test]
fn rules_and_sets_that_change_mean_what_they_say() {
    let mut runner = TestRunner::deterministic();
    let (mut steps, mut number) = (0, 0);
    for seed in 0..60 {
        let mut random = Random::of(seed);
        let mut list = || rules().new_tree(&mut runner).unwrap().current();
        let (first, other) = (list(), list());
        let mut scene = Scene::new();
        let start = RuleList {
            rules: first
                .rules
                .iter()
                .map(|rule| named(rule, &mut number))
                .collect(),
            sets: first.sets,
        };
        if scene.change_to(start).is_err() {
            continue;
        }
        for _ in 0..40 {
            let next = changed(&scene.list, &other, &mut random, &mut number);
            match scene.change_to(next) {
                Ok(()) => steps += 1,
                Err(CompileError::OverBudget { .. } | CompileError::Entangled { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            scene.check(&mut random);
        }
        scene.change_to(RuleList::default()).unwrap();
        scene.change_to(RuleList::default()).unwrap();
        assert_eq!(
            scene.compiler.heap().free_words(),
            u64::from(scene.compiler.heap().capacity())
        );
    }
    assert!(steps > 1_500, "{steps} changes");
}

/// Rules for one host each, and rules for one port each.
fn hosts_and_ports(hosts: usize, ports: usize) -> RuleList {
    let rule = |name: String, matches: RuleMatch| Rule {
        name,
        matches,
        action: Action::Pass,
    };
    let host = |number: usize| {
        let [.., high, low] = number.to_be_bytes();
        let address = IpAddr::from([10, 0, high, low]);
        let matches = RuleMatch {
            destination: Some(Addresses::within(vec![address.into()])),
            ..RuleMatch::default()
        };
        rule(format!("h{number}"), matches)
    };
    let port = |number: usize| {
        let number = u16::try_from(number).expect("a port");
        let range = Range {
            first: number,
            last: number + 7,
        };
        let matches = RuleMatch {
            destination_port: Some(Accepts::any_of(vec![range])),
            ..RuleMatch::default()
        };
        rule(format!("p{number}"), matches)
    };
    let rules = (0..hosts).map(host).chain((0..ports).map(port));
    RuleList::of(rules.collect())
}

#[test]
fn rules_for_everything_that_come_among_rules_for_hosts_mean_what_they_say() {
    let mut random = Random::of(7);
    let mut scene = Scene::new();
    for (hosts, ports) in [
        (3_000, 0),
        (3_000, 3),
        (3_000, 600),
        (3_000, 3_000),
        (50, 600),
    ] {
        let mut list = hosts_and_ports(hosts, ports);
        list.rules.reverse();
        scene.change_to(list).expect("the rules fit");
        scene.check(&mut random);
    }
}

#[test]
fn a_set_whose_prefixes_are_all_others_means_what_it_says() {
    let mut random = Random::of(8);
    let mut scene = Scene::new();
    let prefixes = |count: u32, seed: u64| {
        let mut random = Random::of(seed);
        let net = |_| {
            let address = Ipv4Addr::from(0x0a00_0000 | u32::from(random.word()));
            IpNet::new(address.into(), 32).expect("a length")
        };
        (0..count).map(net).collect::<Vec<_>>()
    };
    for (count, seed) in [(9_000, 1), (9_000, 2), (12_000, 3), (40, 3), (3, 4)] {
        let mut list = RuleList::of(vec![Rule {
            name: "inside".to_owned(),
            matches: RuleMatch {
                source: Some(Addresses {
                    negated: false,
                    prefixes: Vec::new(),
                    sets: vec![0],
                }),
                ..RuleMatch::default()
            },
            action: Action::Pass,
        }]);
        list.sets = vec![Arc::new(Set::new("hosts", prefixes(count, seed)))];
        scene.change_to(list).expect("the set fits");
        scene.check(&mut random);
    }
}
