//! A policy with some prefixes of one set changed.

use std::sync::Arc;

use axum::http::StatusCode;
use ipnet::IpNet;
use stormbolt_control::policy::{EditedSet, MAX_SET_PREFIXES, MAX_SETS_PREFIXES, Policy};

use super::documents::SetChange;
use super::edit::Edited;
use super::names::unknown;
use super::problem::ApiError;
use crate::config::edit::Edit;
use crate::config::{self, Finding};

/// Adds and removes what `change` names in set `name`. Nothing is copied but that set.
///
/// # Errors
///
/// There is no such set, something is no prefix, is to be both added and removed, or does not fit:
/// then nothing changes.
pub(super) fn changed(
    mut policy: Policy,
    name: &str,
    change: &SetChange,
) -> Result<Edited, ApiError> {
    let total: usize = policy.sets.iter().map(|set| set.prefixes.len()).sum();
    let Some(set) = policy.sets.iter_mut().find(|set| set.name == name) else {
        let names = policy.sets.iter().map(|set| set.name.as_str());
        return Err(unknown(("set", "sets"), name, names));
    };
    if change.add.is_empty() && change.remove.is_empty() {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "the change names no prefixes",
        ));
    }
    let (add, mut warnings) = prefixes(name, "to add", &change.add)?;
    let (remove, more) = prefixes(name, "to remove", &change.remove)?;
    warnings.extend(more);
    if let Some(both) = add.iter().find(|one| remove.binary_search(one).is_ok()) {
        return Err(refused(
            name,
            &format!("`{both}` is both to be added and to be removed"),
        ));
    }
    let EditedSet {
        set: edited,
        added,
        removed,
        unchanged,
    } = set.edited(&add, &remove);
    let count = edited.prefixes.len();
    if count > MAX_SET_PREFIXES {
        let reason = format!("it would have {count} prefixes, and at most {MAX_SET_PREFIXES} fit");
        return Err(refused(name, &reason));
    }
    let total = total + added - removed;
    if total > MAX_SETS_PREFIXES {
        let reason = format!(
            "the sets would have {total} prefixes together, and at most {MAX_SETS_PREFIXES} fit"
        );
        return Err(refused(name, &reason));
    }
    if count == 0 && removed > 0 {
        warnings.push(empty(name));
    }
    let differs = added + removed > 0;
    if differs {
        *set = Arc::new(edited);
    }
    Ok(Edited {
        policy: differs.then_some(policy),
        warnings,
        unchanged_prefixes: Some(unchanged),
        edit: Some(Edit::Set {
            name: name.to_owned(),
            add: change.add.clone(),
            remove: change.remove.clone(),
        }),
        ..Edited::default()
    })
}

/// The prefixes of one list in order, and what is suspicious about them.
fn prefixes(
    set: &str,
    list: &str,
    given: &[String],
) -> Result<(Vec<IpNet>, Vec<Finding>), ApiError> {
    let (prefixes, report) = config::parse_prefixes(list, set, given).map_err(|error| {
        let findings = placed(list, error.findings());
        let message = format!(
            "set `{set}` cannot be changed so: {}",
            error.report().summary()
        );
        ApiError::with_findings(StatusCode::UNPROCESSABLE_ENTITY, message, findings)
    })?;
    Ok((prefixes, placed(list, report.findings())))
}

/// Says which one of the list each finding is about: there may be a million.
fn placed(list: &str, mut findings: Vec<Finding>) -> Vec<Finding> {
    for finding in &mut findings {
        let place = format!("prefix {} {list}: ", finding.line);
        finding.message.insert_str(0, &place);
    }
    findings
}

fn refused(name: &str, reason: &str) -> ApiError {
    let message = format!("set `{name}` cannot be changed so: {reason}");
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, message)
}

fn empty(name: &str) -> Finding {
    let message = format!("set `{name}` is empty now");
    Finding::warning(message, "rules that refer to it alone match nothing")
}
