//! Never lock the operator out: what passes whatever the rules and the default class say.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Accepts, Action, Addresses, Policy, Range, Rule, RuleMatch};

/// Name of the rule that is built in, which no rule of a policy may have.
pub const MANAGEMENT_RULE: &str = "management exemption";

const TCP: u8 = 6;
const SSH: u16 = 22;

/// What is exempt from the rules of a policy: TCP to some ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Management {
    /// Whether anything is.
    pub exempt: bool,
    /// From where; `None`: from anywhere.
    pub source: Option<Addresses>,
    /// To where; `None`: to anywhere.
    pub destination: Option<Addresses>,
    /// To which ports.
    pub ports: Accepts<Range<u16>>,
}

impl Default for Management {
    /// SSH, from anywhere to anywhere.
    fn default() -> Self {
        let ssh = Range {
            first: SSH,
            last: SSH,
        };
        Self {
            exempt: true,
            source: None,
            destination: None,
            ports: Accepts::any_of(vec![ssh]),
        }
    }
}

impl Management {
    /// The rule that stands before all others.
    pub fn rule(&self) -> Option<Rule> {
        self.exempt.then(|| Rule {
            name: MANAGEMENT_RULE.to_owned(),
            matches: RuleMatch {
                source: self.source.clone(),
                destination: self.destination.clone(),
                destination_port: Some(self.ports.clone()),
                protocol: Some(Accepts::any_of(vec![TCP])),
                ..RuleMatch::default()
            },
            action: Action::Pass,
        })
    }
}

/// The rules that a policy has in force: those that are built in, then its own.
///
/// Positions in a policy, in its documents and in its file are those of its own rules; only what looks packets up
/// counts those before them too.
#[derive(Clone, Debug, Default)]
pub struct RulesInForce {
    rules: Vec<Arc<Rule>>,
    built_in: usize,
}

impl RulesInForce {
    /// Those of `policy`.
    pub fn of(policy: &Policy) -> Self {
        let built_in: Vec<Arc<Rule>> = policy.management.rule().map(Arc::new).into_iter().collect();
        Self {
            built_in: built_in.len(),
            rules: built_in
                .into_iter()
                .chain(policy.rules.iter().map(Arc::clone))
                .collect(),
        }
    }

    /// All of them in the order in which packets meet them.
    pub fn all(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// How many of the first are built in.
    pub fn built_in(&self) -> usize {
        self.built_in
    }

    /// Position in the policy of the one at this position; `None` if it is built in.
    pub fn own_position(&self, position: usize) -> Option<usize> {
        position.checked_sub(self.built_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(management: Management) -> Policy {
        let own = Rule {
            name: "rule 1".to_owned(),
            matches: RuleMatch::default(),
            action: Action::Drop,
        };
        Policy {
            management,
            rules: vec![Arc::new(own)],
            ..Policy::empty()
        }
    }

    fn names(rules: &RulesInForce) -> Vec<&str> {
        rules.all().iter().map(|rule| rule.name.as_str()).collect()
    }

    #[test]
    fn what_is_built_in_stands_first_and_shifts_no_rule_of_the_policy() {
        let rules = RulesInForce::of(&policy(Management::default()));
        assert_eq!(names(&rules), [MANAGEMENT_RULE, "rule 1"]);
        assert_eq!(
            [rules.own_position(0), rules.own_position(1)],
            [None, Some(0)]
        );
    }

    #[test]
    fn the_switch_and_nothing_else_takes_it_away() {
        let switched_off = Management {
            exempt: false,
            ..Management::default()
        };
        let rules = RulesInForce::of(&policy(switched_off));
        assert_eq!(names(&rules), ["rule 1"]);
        assert_eq!(rules.own_position(0), Some(0));
        assert_eq!(RulesInForce::of(&Policy::empty()).all(), []);
    }
}
