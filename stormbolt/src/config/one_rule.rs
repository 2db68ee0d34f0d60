//! A rule on its own: the keys that stand below `[[rule]]` in a policy file.

use std::sync::Arc;

use stormbolt_control::policy::{Policy, Rule};

use super::check;
use super::diagnostic::{PolicyError, Problems, Report};
use super::document::RuleEntry;

/// Reads the keys of one rule, as they stand below `[[rule]]`; what they name is in `policy`. `name`
/// stands for the text in messages. A rule without a name is called `rule 1`.
///
/// # Errors
///
/// When the text is not TOML, or no rule of that policy.
pub fn parse_rule(
    name: &str,
    text: &str,
    policy: &Policy,
) -> Result<(Arc<Rule>, Report), PolicyError> {
    let mut problems = Problems::default();
    let rule = RuleEntry::alone(text, &mut problems)
        .and_then(|entry| check::one_rule(entry, policy, &mut problems))
        .filter(|_| !problems.failed());
    match rule {
        Some(rule) => Ok((rule, problems.into_report(name, text))),
        None => Err(problems.into_error(name, text)),
    }
}
