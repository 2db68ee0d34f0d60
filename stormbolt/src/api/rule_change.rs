//! A policy with one rule added, changed, moved or gone.

use std::sync::Arc;

use axum::http::StatusCode;
use stormbolt_control::policy::{MAX_OWN_RULES, Policy, Rule, RuleMatch};
use toml::{Table, Value};

use super::documents::RuleChange;
use super::edit::Edited;
use super::names::unknown;
use super::problem::ApiError;
use crate::config::edit::{Edit, KeyChange, RulePlace};
use crate::config::{self, Finding, PolicyError};

/// Keys of which one takes the place of the other.
const TAKES_PLACE: [(&str, &str); 2] = [("class", "action"), ("action", "class")];

/// Puts a new rule at its place, by default behind all others.
///
/// # Errors
///
/// It is no rule, its name is taken, its place is not there, or there are as many rules as may be.
pub(super) fn added(mut policy: Policy, change: &RuleChange) -> Result<Edited, ApiError> {
    let mut keys = Table::new();
    edit(&mut keys, change)?;
    let Some(Value::String(name)) = keys.get("name") else {
        let message = "a new rule needs a `name`";
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, message));
    };
    let name = name.clone();
    let refuse = |reason: &str| refused(&format!("rule `{name}` cannot be added"), reason);
    let rules = &policy.rules;
    if let Some(position) = rules.iter().position(|rule| rule.name == name) {
        let message = format!(
            "there is a rule `{name}` already, at position {}",
            position + 1
        );
        return Err(ApiError::new(StatusCode::CONFLICT, message));
    }
    if u32::try_from(rules.len()).map_or(true, |count| count >= MAX_OWN_RULES) {
        return Err(refuse(&format!(
            "there are {MAX_OWN_RULES} rules, no more fit"
        )));
    }
    let (rule, mut warnings) = read(&format!("rule `{name}` cannot be added"), &keys, &policy)?;
    let place = place(rules, &name, change)?.unwrap_or(rules.len());
    policy.rules.insert(place, rule);
    warnings.extend(unreachable(&policy.rules, place));
    let edit = text_edit(&name, (None, Some(place)), change);
    Ok(edited(policy, place, warnings, edit))
}

/// Changes the keys that `change` names in rule `name`, or its place, or both.
///
/// # Errors
///
/// There is no such rule, nothing is to be changed, what it becomes is no rule, or its place is not
/// there.
pub(super) fn changed(
    mut policy: Policy,
    name: &str,
    change: &RuleChange,
) -> Result<Edited, ApiError> {
    if *change == RuleChange::default() {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "the change names nothing to change",
        ));
    }
    let position = position(&policy.rules, name)?;
    let old = policy.rules.remove(position);
    let (mut new, mut warnings) = (Arc::clone(&old), Vec::new());
    if !change.rule.is_empty() {
        let mut keys: Table = config::rule_to_toml(&policy, &old)
            .parse()
            .map_err(|error| {
                let message = format!("the rule in force cannot be written as text: {error}");
                ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
            })?;
        edit(&mut keys, change)?;
        let what = format!("rule `{name}` cannot be changed so");
        (new, warnings) = read(&what, &keys, &policy)?;
        if policy.rules.iter().any(|rule| rule.name == new.name) {
            return Err(refused(&what, &format!("there is a rule `{}`", new.name)));
        }
    }
    let place = place(&policy.rules, name, change)?.unwrap_or(position);
    let is_same = place == position && new == old;
    policy.rules.insert(place, new);
    warnings.extend(unreachable(&policy.rules, place));
    Ok(Edited {
        policy: (!is_same).then_some(policy),
        edit: Some(text_edit(name, (Some(position), Some(place)), change)),
        rule_position: Some(place + 1),
        warnings,
        ..Edited::default()
    })
}

/// Takes rule `name` away.
///
/// # Errors
///
/// There is no such rule.
pub(super) fn removed(mut policy: Policy, name: &str) -> Result<Edited, ApiError> {
    let position = position(&policy.rules, name)?;
    policy.rules.remove(position);
    let edit = text_edit(name, (Some(position), None), &RuleChange::default());
    Ok(edited(policy, position, Vec::new(), edit))
}

/// How it is written into a policy file.
fn text_edit(
    name: &str,
    (before, after): (Option<usize>, Option<usize>),
    change: &RuleChange,
) -> Edit {
    let mut keys: Vec<KeyChange> = Vec::new();
    for (one, other) in TAKES_PLACE {
        if is_given(change, one) && !change.rule.contains_key(other) {
            keys.push((other.to_owned(), None));
        }
    }
    let given = change.rule.iter().map(|(key, value)| {
        let value = Some(as_in_files(key, value)).filter(|value| !value.is_null());
        (key.clone(), value)
    });
    keys.extend(given);
    // As people write it: what it is called first, what it does last.
    keys.sort_by_key(|(key, _)| match key.as_str() {
        "name" => 0,
        "class" | "action" => 2,
        _ => 1,
    });
    Edit::Rule {
        place: RulePlace {
            name: name.to_owned(),
            before,
            after,
        },
        keys,
    }
}

/// Numbers without quotes, as they stand in policy files.
fn as_in_files(key: &str, value: &serde_json::Value) -> serde_json::Value {
    if ["name", "class", "action"].contains(&key) {
        return value.clone();
    }
    match value {
        serde_json::Value::String(text) => match text.parse::<u16>() {
            Ok(number) => number.into(),
            Err(_) => value.clone(),
        },
        serde_json::Value::Array(list) => list.iter().map(|one| as_in_files(key, one)).collect(),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Object(_) => value.clone(),
    }
}

fn edited(policy: Policy, place: usize, warnings: Vec<Finding>, edit: Edit) -> Edited {
    Edited {
        policy: Some(policy),
        edit: Some(edit),
        rule_position: Some(place + 1),
        warnings,
        ..Edited::default()
    }
}

/// Sets and removes keys. A rule has a class or an action, so that one takes the place of the other.
fn edit(keys: &mut Table, change: &RuleChange) -> Result<(), ApiError> {
    for (one, other) in TAKES_PLACE {
        if is_given(change, one) && !change.rule.contains_key(other) {
            keys.remove(other);
        }
    }
    for (key, value) in &change.rule {
        if value.is_null() {
            keys.remove(key);
        } else {
            let value = Value::try_from(value).map_err(|error| {
                let message = format!("`{key}` is not a value of a policy file: {error}");
                ApiError::new(StatusCode::BAD_REQUEST, message)
            })?;
            keys.insert(key.clone(), value);
        }
    }
    Ok(())
}

fn is_given(change: &RuleChange, key: &str) -> bool {
    change.rule.get(key).is_some_and(|value| !value.is_null())
}

/// Reads a rule exactly as if it stood in the policy file.
fn read(what: &str, keys: &Table, policy: &Policy) -> Result<(Arc<Rule>, Vec<Finding>), ApiError> {
    let (rule, warnings) =
        config::parse_rule("rule", &keys.to_string(), policy).map_err(|error: PolicyError| {
            let message = format!("{what}: {}", error.report().summary());
            ApiError::with_findings(StatusCode::UNPROCESSABLE_ENTITY, message, error.findings())
        })?;
    Ok((rule, warnings.findings()))
}

fn position(rules: &[Arc<Rule>], name: &str) -> Result<usize, ApiError> {
    let names = rules.iter().map(|rule| rule.name.as_str());
    let found = names.clone().position(|known| known == name);
    found.ok_or_else(|| unknown(("rule", "rules"), name, names))
}

/// Where rule `name` is to stand among the others, from 0; `None` if `change` does not say.
fn place(others: &[Arc<Rule>], name: &str, change: &RuleChange) -> Result<Option<usize>, ApiError> {
    let beside = |other: &String| {
        if other == name {
            let reason = "it is to stand beside itself";
            return Err(refused(
                &format!("rule `{name}` cannot be placed so"),
                reason,
            ));
        }
        position(others, other)
    };
    match (&change.before, &change.after, change.position) {
        (None, None, None) => Ok(None),
        (Some(other), None, None) => beside(other).map(Some),
        (None, Some(other), None) => Ok(Some(beside(other)? + 1)),
        (None, None, Some(number)) if (1..=others.len() + 1).contains(&number) => {
            Ok(Some(number - 1))
        }
        (None, None, Some(number)) => {
            let last = others.len() + 1;
            let reason = format!("position {number} is not from 1 to {last}");
            Err(refused(
                &format!("rule `{name}` cannot be placed so"),
                &reason,
            ))
        }
        _ => Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "give one of `before`, `after` and `position`",
        )),
    }
}

/// The warning that no packet gets to the rule at `place`, or because of it to others.
fn unreachable(rules: &[Arc<Rule>], place: usize) -> Option<Finding> {
    let everything = RuleMatch::default();
    let catching = rules.iter().position(|rule| rule.matches == everything)?;
    let (taker, rule) = (rules.get(catching)?, rules.get(place)?);
    let behind = rules.len() - catching - 1;
    let message = if catching < place {
        let position = catching + 1;
        format!(
            "rule `{}` is unreachable: rule `{}` at position {position} takes every packet",
            rule.name, taker.name
        )
    } else if catching == place && behind > 0 {
        let name = &rule.name;
        format!("rule `{name}` has no match fields: no packet gets to the {behind} behind it")
    } else {
        return None;
    };
    let help = "a rule that takes every packet stands last";
    Some(Finding::warning(message, help))
}

fn refused(what: &str, reason: &str) -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        format!("{what}: {reason}"),
    )
}
