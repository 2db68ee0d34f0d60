//! A policy with one class changed.

use std::sync::Arc;

use axum::http::StatusCode;
use stormbolt_control::policy::{Policy, Set};
use toml::{Table, Value};

use super::documents::ClassChange;
use super::problem::ApiError;
use crate::config::{self, Loaded, PolicyError};

/// Changes what `change` names in class `name`.
///
/// Values are read and the whole is checked exactly as if they stood in a policy file: the policy is
/// written as one, changed there and read again. Prefixes of sets take no part in that: there may be
/// millions of them.
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
        return Err(unknown_class(policy, name));
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
    let mut document: Table = config::to_toml(&with_small_sets(policy))
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
    for set in &mut loaded.policy.sets {
        if let Some(whole) = policy.sets.iter().find(|whole| whole.name == set.name) {
            *set = Arc::clone(whole);
        }
    }
    Ok(loaded)
}

/// The policy with at most one prefix in each set: one that has any stays so.
fn with_small_sets(policy: &Policy) -> Policy {
    let sets = policy.sets.iter().map(|set| {
        Arc::new(Set {
            name: set.name.clone(),
            prefixes: set.prefixes.iter().take(1).copied().collect(),
        })
    });
    Policy {
        interval: policy.interval,
        interfaces: policy.interfaces.clone(),
        classes: policy.classes.clone(),
        sets: sets.collect(),
        rules: policy.rules.clone(),
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

fn unknown_class(policy: &Policy, name: &str) -> ApiError {
    let shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
    let names = policy.classes.iter().map(|class| class.name.as_str());
    // Distances are quadratic in the length, and no name is longer.
    let nearest = (name.len() <= 64)
        .then(|| {
            names
                .clone()
                .map(|known| (strsim::damerau_levenshtein(name, known), known))
                .filter(|(distance, known)| *distance <= (known.len().max(name.len()) / 3).max(1))
                .min()
        })
        .flatten();
    let hint = match nearest {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None => format!("the classes are {}", listed(names)),
    };
    ApiError::new(
        StatusCode::NOT_FOUND,
        format!("there is no class `{shown}`; {hint}"),
    )
}

/// The first few names.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        names.truncate(SHOWN);
        names.push("…".to_owned());
    }
    names.join(", ")
}
