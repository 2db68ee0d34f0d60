//! Works out everything that a new policy needs, before anything is changed.

use std::hash::{DefaultHasher, Hash, Hasher};

use stormbolt_common::limits::{MAX_CLASSES, MAX_CPU_SETS, MAX_INTERFACES, MAX_RULES, cell};
use stormbolt_common::police::ClassRate;
use stormbolt_common::policy::{PolicyHeader, RuleEntry, VERDICT_DROP, VERDICT_PASS};
use stormbolt_control::compile::Input;
use stormbolt_control::controller::Controller;
use stormbolt_control::decide::class_rate;
use stormbolt_control::policy::{
    Accepts, Action, Addresses, CpuSet, Malformed, Policy, Rule, RuleMatch,
};
use stormbolt_control::units::BitsPerSecond;

use super::error::ApplyError;
use super::ids::Ids;
use super::memory::TableMemory;
use crate::datapath::PolicyTables;

/// The table numbers of everything in a policy.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    pub(super) interface_ids: Ids<String>,
    pub(super) class_ids: Ids<String>,
    pub(super) rule_ids: Ids<RuleKey>,
    cpu_set_ids: Ids<CpuSet>,
    /// By position in the policy.
    pub(super) interfaces: Vec<u32>,
    /// By position in the policy.
    pub(super) classes: Vec<u32>,
    /// By position in the policy.
    pub(super) rules: Vec<u32>,
    /// By position in the policy.
    pub(super) rule_keys: Vec<RuleKey>,
    /// By position in the controller's list.
    pub(super) cpu_sets: Vec<u32>,
}

/// What makes a rule the same rule in the next policy: its name and a hash of what it matches. Sets
/// and interfaces count by name, so that a rule stays itself while its sets change.
pub(super) type RuleKey = (String, u64);

fn rule_key(rule: &Rule, policy: &Policy) -> RuleKey {
    let RuleMatch {
        source,
        destination,
        interface,
        ..
    } = &rule.matches;
    let mut hasher = DefaultHasher::new();
    let own = RuleMatch {
        // Positions mean others in the next policy; the names follow.
        source: source.as_ref().map(without_sets),
        destination: destination.as_ref().map(without_sets),
        interface: interface.as_ref().map(|list| Accepts {
            negated: list.negated,
            any_of: Vec::new(),
        }),
        ..rule.matches.clone()
    };
    own.hash(&mut hasher);
    for side in [source, destination] {
        let positions = side.iter().flat_map(|addresses| &addresses.sets);
        let sets = positions.map(|&position| policy.sets.get(position));
        let names: Vec<_> = sets.map(|set| set.map(|set| &set.name)).collect();
        names.hash(&mut hasher);
    }
    let positions = interface.iter().flat_map(|list| &list.any_of);
    let interfaces = positions.map(|&position| policy.interfaces.get(position));
    let names: Vec<_> = interfaces.map(|one| one.map(|one| &one.name)).collect();
    names.hash(&mut hasher);
    (rule.name.clone(), hasher.finish())
}

fn without_sets(addresses: &Addresses) -> Addresses {
    Addresses {
        negated: addresses.negated,
        prefixes: addresses.prefixes.clone(),
        sets: Vec::new(),
    }
}

impl Numbers {
    pub(super) fn none() -> Self {
        Self {
            interface_ids: Ids::new("interfaces", MAX_INTERFACES),
            class_ids: Ids::new("classes", MAX_CLASSES),
            rule_ids: Ids::new("rules", MAX_RULES),
            cpu_set_ids: Ids::new("different CPU sets", MAX_CPU_SETS),
            interfaces: Vec::new(),
            classes: Vec::new(),
            rules: Vec::new(),
            rule_keys: Vec::new(),
            cpu_sets: Vec::new(),
        }
    }

    /// The numbers under `policy`.
    pub(super) fn under(&self, policy: &Policy, cpu_sets: &[CpuSet]) -> Result<Self, ApplyError> {
        let names: Vec<String> = policy
            .interfaces
            .iter()
            .map(|one| one.name.clone())
            .collect();
        let (interfaces, interface_ids) = self.interface_ids.assign(&names)?;
        let names: Vec<String> = policy.classes.iter().map(|one| one.name.clone()).collect();
        let (classes, class_ids) = self.class_ids.assign(&names)?;
        let keys = policy.rules.iter().map(|rule| rule_key(rule, policy));
        let rule_keys: Vec<RuleKey> = keys.collect();
        let (rules, rule_ids) = self.rule_ids.assign(&rule_keys)?;
        let (cpu_sets, cpu_set_ids) = self.cpu_set_ids.assign(cpu_sets)?;
        Ok(Self {
            interface_ids,
            class_ids,
            rule_ids,
            cpu_set_ids,
            interfaces,
            classes,
            rules,
            rule_keys,
            cpu_sets,
        })
    }

    /// The cell of a class on an interface, both by position.
    pub(super) fn cell(&self, interface: usize, class: usize) -> Option<u32> {
        Some(cell(
            *self.interfaces.get(interface)?,
            *self.classes.get(class)?,
        ))
    }
}

/// A class's rate on an interface as the policer reads it, steering included.
pub(super) fn rate_entry(
    policy: &Policy,
    controller: &Controller,
    numbers: &Numbers,
    class: usize,
    rate: BitsPerSecond,
    cpus: u32,
) -> ClassRate {
    let burst = policy
        .classes
        .get(class)
        .map(|class| class.burst)
        .unwrap_or_default();
    let set = controller
        .cpu_set_of(class)
        .and_then(|set| numbers.cpu_sets.get(set));
    ClassRate {
        cpu_set: set.map_or(0, |set| set + 1),
        ..class_rate(rate, burst, cpus)
    }
}

/// The tables of `policy` for generation `generation`.
pub(super) fn tables(
    policy: &Policy,
    controller: &Controller,
    numbers: &Numbers,
    generation: u32,
    cpus: u32,
    memory: &mut TableMemory,
) -> Result<PolicyTables, ApplyError> {
    let verdict = |action| match action {
        Action::Class(class) => numbers.classes.get(class).copied().unwrap_or(VERDICT_PASS),
        Action::Pass => VERDICT_PASS,
        Action::Drop => VERDICT_DROP,
    };
    let rules = policy.rules.iter().zip(&numbers.rules);
    let entries: Vec<_> = rules
        .map(|(rule, &counter)| RuleEntry {
            verdict: verdict(rule.action),
            counter,
        })
        .collect();
    let compiled = memory.compile(Input {
        rules: &policy.rules,
        entries: &entries,
        sets: &policy.sets,
        interfaces: &numbers.interfaces,
    })?;
    let mut rates = Vec::new();
    for (interface, of_interface) in controller.rates().iter().enumerate() {
        for (class, &rate) in of_interface.iter().enumerate() {
            if let Some(cell) = numbers.cell(interface, class) {
                rates.push((
                    cell,
                    rate_entry(policy, controller, numbers, class, rate, cpus),
                ));
            }
        }
    }
    Ok(PolicyTables {
        header: PolicyHeader {
            generation,
            default_class: verdict(Action::Class(policy.default_class)),
            malformed_pass: u32::from(policy.malformed == Malformed::Pass),
            used_sets: compiled.used_sets,
        },
        rates,
        compiled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of the rules in a policy with these sets and rules.
    fn keys(extra: &str) -> Vec<RuleKey> {
        let text = format!(
            "version = 1\n[interface.eth0]\ncapacity = \"1Gbit\"\n[class.bulk]\n[default]\n\
             class = \"bulk\"\n{extra}"
        );
        let policy = crate::config::parse("p", &text).unwrap().policy;
        let keys = policy.rules.iter().map(|rule| rule_key(rule, &policy));
        keys.collect()
    }

    #[test]
    fn a_rule_is_the_same_while_its_sets_change_and_another_with_other_sets() {
        let rule = |source: &str| {
            format!("[[rule]]\nname = \"r\"\nsrc = \"{source}\"\naction = \"drop\"\n")
        };
        let a = "[set.a]\nprefixes = [\"10.0.0.0/8\"]\n";
        let b = "[set.b]\nprefixes = [\"192.0.2.0/24\"]\n";
        let grown = "[set.a]\nprefixes = [\"10.0.0.0/8\", \"::/0\"]\n";
        let of_a = keys(&format!("{a}{b}{}", rule("@a")));
        assert_eq!(keys(&format!("{b}{grown}{}", rule("@a"))), of_a);
        assert_ne!(keys(&format!("{a}{b}{}", rule("@b"))), of_a);
        assert_ne!(keys(&format!("{a}{b}{}", rule("!@a"))), of_a);
    }
}
