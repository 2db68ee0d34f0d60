//! Table numbers of rules: a rule that stays in the policy keeps its number, and with it its counter.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use stormbolt_common::counters::PacketCounter;
use stormbolt_common::limits::MAX_RULES;
use stormbolt_control::policy::{Policy, Rule, RuleMatch};

use super::error::ApplyError;
use crate::datapath::NumberedRule;

/// The table numbers of a policy's rules, by position.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleNumbers {
    pub(super) numbers: Vec<u32>,
    /// The position in the policy before, of rules that go on from there.
    pub(super) before: Vec<Option<u32>>,
    /// Those of the daemon before, until the first policy is in force.
    pub(super) inherited: InheritedRules,
    /// How counters of rules stood that go on from there, by number.
    pub(super) continued: BTreeMap<u32, PacketCounter>,
}

/// Rules that have their numbers from another process, by what they are known by.
#[derive(Clone, Debug, Default)]
pub(super) struct InheritedRules(BTreeMap<u64, NumberedRule>);

impl InheritedRules {
    pub(super) fn of(rules: &[NumberedRule]) -> Self {
        Self(rules.iter().map(|rule| (rule.key, *rule)).collect())
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.0.values().map(|rule| rule.number)
    }
}

impl RuleNumbers {
    /// The numbers under `new`, a policy and the rules in force with it, where these are those under `old`; `kept` has the rules that are equal
    /// in both ([`stormbolt_control::policy::kept_rules`]). Others that are still the same rule keep
    /// their numbers too.
    ///
    /// Until the new policy is in force, packets still use the numbers that are given up, so those
    /// are given out again at once only when no others are left.
    pub(super) fn under(
        &self,
        old: (&Policy, &[Arc<Rule>]),
        new: (&Policy, &[Arc<Rule>]),
        kept: &[Option<u32>],
    ) -> Result<Self, ApplyError> {
        let before = continued(old, new, kept);
        let number_of = |position: &Option<u32>| {
            let position = usize::try_from((*position)?).ok()?;
            self.numbers.get(position).copied()
        };
        let mut numbers: Vec<Option<u32>> = before.iter().map(number_of).collect();
        let continued = self.go_on(new, &mut numbers);
        let mut taken = vec![false; index(MAX_RULES)];
        for number in numbers.iter().flatten() {
            if let Some(taken) = taken.get_mut(index(*number)) {
                *taken = true;
            }
        }
        let is_free = |number: &u32| !taken.get(index(*number)).copied().unwrap_or(true);
        let before_now = self.numbers.iter().copied().chain(self.inherited.numbers());
        let given_up: BTreeSet<u32> = before_now.filter(is_free).collect();
        let rested = |number: &u32| is_free(number) && !given_up.contains(number);
        let mut free = (0..MAX_RULES)
            .filter(rested)
            .chain(given_up.iter().copied());
        for slot in numbers.iter_mut().filter(|slot| slot.is_none()) {
            *slot = free.next();
        }
        let numbers = numbers.into_iter().collect::<Option<_>>();
        Ok(Self {
            numbers: numbers.ok_or(ApplyError::TooMany {
                kind: "rules",
                limit: MAX_RULES,
            })?,
            before,
            inherited: InheritedRules::default(),
            continued,
        })
    }

    /// Gives rules the numbers that they had in the process before, each once; returns how their counters stood then.
    fn go_on(
        &self,
        (policy, rules): (&Policy, &[Arc<Rule>]),
        numbers: &mut [Option<u32>],
    ) -> BTreeMap<u32, PacketCounter> {
        let mut left = self.inherited.0.clone();
        let mut continued = BTreeMap::new();
        if left.is_empty() {
            return continued;
        }
        for (slot, rule) in numbers.iter_mut().zip(rules) {
            if slot.is_none()
                && let Some(found) = left.remove(&rule_number_key(rule, policy))
            {
                *slot = Some(found.number);
                continued.insert(found.number, found.base);
            }
        }
        continued
    }
}

/// The same as a number that is never zero, for tables. Another build may give another one: then the rule's
/// counter begins anew after the upgrade.
pub(super) fn rule_number_key(rule: &Rule, policy: &Policy) -> u64 {
    let mut hasher = DefaultHasher::new();
    rule_key(rule, policy).hash(&mut hasher);
    hasher.finish().max(1)
}

/// What makes a rule the same rule in the next policy: its name and a hash of what it matches. Sets
/// and interfaces count by name, so that a rule stays itself while its sets change.
type RuleKey<'p> = (&'p str, u64);

/// For every rule of `new` the position of the same one in `old`.
fn continued(
    (old, old_rules): (&Policy, &[Arc<Rule>]),
    (new, new_rules): (&Policy, &[Arc<Rule>]),
    kept: &[Option<u32>],
) -> Vec<Option<u32>> {
    let mut is_kept = vec![false; old_rules.len()];
    for position in kept.iter().flatten() {
        if let Some(is_kept) = is_kept.get_mut(index(*position)) {
            *is_kept = true;
        }
    }
    // The same positions mean the same sets and interfaces only if the lists of names are the same.
    let same_names = old
        .sets
        .iter()
        .map(|set| &set.name)
        .eq(new.sets.iter().map(|set| &set.name))
        && old
            .interfaces
            .iter()
            .map(|interface| &interface.name)
            .eq(new.interfaces.iter().map(|interface| &interface.name));
    let gone = (0_u32..).zip(old_rules).zip(&is_kept);
    let gone = gone.filter(|(_, is_kept)| !same_names || !**is_kept);
    let mut gone: BTreeMap<RuleKey<'_>, u32> = gone
        .map(|((position, rule), _)| (rule_key(rule, old), position))
        .collect();
    let pairs = kept.iter().zip(new_rules);
    pairs
        .map(|(kept, rule)| match kept {
            Some(position) if same_names => Some(*position),
            _ => gone.remove(&rule_key(rule, new)),
        })
        .collect()
}

fn rule_key<'p>(rule: &'p Rule, policy: &Policy) -> RuleKey<'p> {
    let RuleMatch {
        source,
        destination,
        source_port,
        destination_port,
        protocol,
        dscp,
        vlan,
        tcp_flags,
        fragment,
        icmp_type,
        length,
        interface,
    } = &rule.matches;
    let mut hasher = DefaultHasher::new();
    (source_port, destination_port, protocol, dscp, vlan).hash(&mut hasher);
    (tcp_flags, fragment, icmp_type, length).hash(&mut hasher);
    // Positions mean others in the next policy, so names stand for them.
    for side in [source, destination] {
        let own = side.as_ref().map(|one| (one.negated, &one.prefixes));
        own.hash(&mut hasher);
        for &position in side.iter().flat_map(|addresses| &addresses.sets) {
            let set = policy.sets.get(position);
            set.map(|set| &set.name).hash(&mut hasher);
        }
    }
    interface
        .as_ref()
        .map(|list| list.negated)
        .hash(&mut hasher);
    for &position in interface.iter().flat_map(|list| &list.any_of) {
        let interface = policy.interfaces.get(position);
        interface.map(|one| &one.name).hash(&mut hasher);
    }
    (&rule.name, hasher.finish())
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use stormbolt_control::policy::kept_rules;

    use super::*;

    fn policy(extra: &str) -> Policy {
        let text = format!(
            "version = 1\n[interface.eth0]\ncapacity = \"1Gbit\"\n[class.bulk]\n[default]\n\
             class = \"bulk\"\n{extra}"
        );
        crate::config::parse("p", &text).unwrap().policy
    }

    fn rule(name: &str, source: &str, action: &str) -> String {
        format!("[[rule]]\nname = \"{name}\"\nsrc = \"{source}\"\naction = \"{action}\"\n")
    }

    /// The numbers under each policy, after those before it.
    fn numbers(policies: &[String]) -> Vec<Vec<u32>> {
        let mut old = (policy(""), RuleNumbers::default());
        let mut all = Vec::new();
        for text in policies {
            let new = policy(text);
            let kept = kept_rules(&old.0.rules, &new.rules);
            let rules = (&old.0.rules[..], &new.rules[..]);
            let numbers = old
                .1
                .under((&old.0, rules.0), (&new, rules.1), &kept)
                .unwrap();
            all.push(numbers.numbers.clone());
            old = (new, numbers);
        }
        all
    }

    #[test]
    fn a_rule_is_the_same_while_its_sets_change_and_another_with_other_sets() {
        let a = "[set.a]\nprefixes = [\"10.0.0.0/8\"]\n";
        let b = "[set.b]\nprefixes = [\"192.0.2.0/24\"]\n";
        let grown = "[set.a]\nprefixes = [\"10.0.0.0/8\", \"::/0\"]\n";
        let of = |sets: &str, source: &str| format!("{sets}{}", rule("r", source, "drop"));
        let first = of(&format!("{a}{b}"), "@a");
        let second = |next: String| numbers(&[first.clone(), next])[1][0];
        assert_eq!(second(of(&format!("{b}{grown}"), "@a")), 0);
        assert_eq!(second(of(&format!("{a}{b}"), "@b")), 1);
        assert_eq!(second(of(&format!("{b}{a}"), "@b")), 1);
        assert_eq!(second(of(&format!("{a}{b}"), "!@a")), 1);
    }

    #[test]
    fn a_rule_that_moves_or_does_something_else_keeps_its_number() {
        let [one, two] = ["1", "2"].map(|name| rule(name, "10.0.0.0/8", "drop"));
        let passes = rule("2", "10.0.0.0/8", "pass");
        let found = numbers(&[
            format!("{one}{two}"),
            format!("{two}{one}"),
            format!("{one}{passes}"),
        ]);
        assert_eq!(found, [[0, 1], [1, 0], [0, 1]]);
    }

    #[test]
    fn a_number_given_up_is_not_taken_again_at_once() {
        let [one, two] = ["1", "2"].map(|name| rule(name, "10.0.0.0/8", "drop"));
        assert_eq!(numbers(&[one.clone(), two, one]), [[0], [1], [0]]);
    }
}
