//! A policy with one class changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::StatusCode;
use stormbolt_control::policy::{
    Accepts, Action, FragmentMatch, Management, Policy, Rule, RuleMatch,
};
use toml::{Table, Value};

use super::documents::ClassChange;
use super::names::unknown;
use super::problem::ApiError;
use crate::config::edit::{Edit, KeyChange};
use crate::config::{self, Loaded, PolicyError};

/// Changes what `change` names in class `name`.
///
/// Values are read and checked exactly as if they stood in a policy file: the classes are written as
/// one, changed there and read again. Rules and sets take no part in that: there may be hundreds of
/// thousands.
///
/// # Errors
///
/// There is no such class, nothing is to be changed, or the changed policy is not valid.
pub(super) fn changed(
    policy: &Policy,
    name: &str,
    change: &ClassChange,
) -> Result<Loaded, ApiError> {
    if !policy.classes.iter().any(|class| class.name == name) {
        let names = policy.classes.iter().map(|class| class.name.as_str());
        return Err(unknown(("class", "classes"), name, names));
    }
    if *change == ClassChange::default() {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "the change names nothing to change",
        ));
    }
    let unwritable = |what: &str| {
        let message = format!("the policy in force cannot be written as a file: {what}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    };
    let mut document: Table = config::to_toml(&without_rules(policy))
        .parse()
        .map_err(|error| unwritable(&format!("{error}")))?;
    let class = document
        .get_mut("class")
        .and_then(|classes| classes.get_mut(name))
        .and_then(Value::as_table_mut)
        .ok_or_else(|| unwritable("the class is missing"))?;
    edit(class, change);
    let mut loaded = config::parse(&format!("class {name}"), &document.to_string())
        .map_err(|error| refused(name, &error))?;
    loaded.policy.sets.clone_from(&policy.sets);
    loaded.policy.rules.clone_from(&policy.rules);
    loaded.policy.management.clone_from(&policy.management);
    Ok(loaded)
}

/// How that is written into a policy file.
pub(super) fn edit_of(name: String, change: &ClassChange) -> Edit {
    let mut table = Table::new();
    let mut keys: Vec<KeyChange> = Vec::new();
    edit(&mut table, change);
    for (key, value) in table {
        keys.push((key, serde_json::to_value(value).ok()));
    }
    let removed = [
        ("rate", &change.rate),
        ("ceil", &change.ceil),
        ("burst", &change.burst),
        ("cpus", &change.cpus),
    ];
    for (key, value) in removed {
        if value.is_some() && !keys.iter().any(|(set, _)| set == key) {
            keys.push((key.to_owned(), None));
        }
    }
    Edit::Class { name, keys }
}

/// The policy without sets, and with one rule for every class that has any: no class seems less used
/// than it is.
fn without_rules(policy: &Policy) -> Policy {
    let used: BTreeSet<usize> = policy
        .rules
        .iter()
        .filter_map(|rule| match rule.action {
            Action::Class(class) => Some(class),
            Action::Pass | Action::Drop | Action::ShadowDrop => None,
        })
        .collect();
    // A rule that has a field does not make those behind it unreachable.
    let rule = |(index, class)| {
        Arc::new(Rule {
            name: format!("rule {}", index + 1),
            matches: RuleMatch {
                fragment: Some(Accepts::any_of(vec![FragmentMatch::Any])),
                ..RuleMatch::default()
            },
            action: Action::Class(class),
        })
    };
    Policy {
        interval: policy.interval,
        law: policy.law,
        failsafe: policy.failsafe,
        shadow: policy.shadow,
        tables: policy.tables,
        interfaces: policy.interfaces.clone(),
        classes: policy.classes.clone(),
        groups: policy.groups.clone(),
        sets: Vec::new(),
        // It may name sets.
        management: Management::default(),
        rules: used.into_iter().enumerate().map(rule).collect(),
        default_class: policy.default_class,
        malformed: policy.malformed,
    }
}

fn edit(class: &mut Table, change: &ClassChange) {
    let number = |number: u32| Value::Integer(number.into());
    let text = |text: &String| Value::String(text.clone());
    let mut set = |key: &str, value: Option<Value>, default: &str| match value {
        Some(Value::String(given)) if given == default => {
            class.remove(key);
        }
        Some(value) => {
            class.insert(key.to_owned(), value);
        }
        None => {}
    };
    // No key is empty in a policy file, so that no text but the word itself removes it.
    set(
        "priority",
        change.priority.map(|priority| number(priority.into())),
        "",
    );
    set("rate", change.rate.as_ref().map(text), "none");
    set("ceil", change.ceil.as_ref().map(text), "capacity");
    set("burst", change.burst.as_ref().map(text), "default");
    set("weight", change.weight.map(number), "");
    set("cpus", change.cpus.as_ref().map(text), "none");
}

fn refused(name: &str, error: &PolicyError) -> ApiError {
    let message = format!(
        "class `{name}` cannot be changed so: {}",
        error.report().summary()
    );
    ApiError::with_findings(StatusCode::UNPROCESSABLE_ENTITY, message, error.findings())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "version = 1\n[controller]\nlaw = \"strict\"\n[interface.eth0]\n\
        capacity = \"1Gbit\"\n[group.all]\nrate = \"100Mbit\"\n[group.some]\nparent = \"all\"\n\
        rate = \"60Mbit\"\n[class.a]\ngroup = \"some\"\nrate = \"50Mbit\"\n[default]\nclass = \"a\"\n";

    fn rate(policy: &Policy, rate: &str) -> Result<Loaded, ApiError> {
        let change = ClassChange {
            rate: Some(rate.to_owned()),
            ..ClassChange::default()
        };
        changed(policy, "a", &change)
    }

    #[test]
    fn a_changed_class_stays_in_its_groups_and_within_their_guarantees() {
        let policy = config::parse("p", POLICY).unwrap().policy;
        let loaded = rate(&policy, "60Mbit").unwrap();
        let mut expected = policy.clone();
        expected.classes[0].rate = stormbolt_control::units::BitsPerSecond(60_000_000);
        assert_eq!(loaded.policy, expected);
        assert!(rate(&policy, "61Mbit").is_err());
    }
}
