//! A rule on its own, for a policy that is in force.

use std::sync::Arc;

use stormbolt_control::policy::{Policy, Rule};

use super::management::warn_exempt;
use super::rules::{Names, rules};
use super::sets::Sets;
use crate::config::diagnostic::Problems;
use crate::config::document::RuleEntry;

/// Gives a rule its meaning in `policy`. It is one only if `problems` has no errors.
pub(in crate::config) fn one_rule(
    entry: RuleEntry,
    policy: &Policy,
    problems: &mut Problems,
) -> Option<Arc<Rule>> {
    let mut sets = Sets::known(&policy.sets);
    let mut names = Names::new(&policy.interfaces, &policy.classes, &mut sets);
    let entries = [entry];
    let mut read = rules(&entries, &mut names, problems);
    warn_exempt(&entries, &read, &policy.management, problems);
    read.pop()
}
