//! One rule: added, changed, moved or deleted.

use stormbolt_control::policy::Policy;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, Value};

use super::{KeyChange, put, set_keys};

/// Which rule, and where it stood and stands, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RulePlace {
    /// What it is called in messages.
    pub(crate) name: String,
    /// Where it stood; nothing: it is new.
    pub(crate) before: Option<usize>,
    /// Where it stands; nothing: it is gone.
    pub(crate) after: Option<usize>,
}

pub(super) fn edit(
    document: &mut DocumentMut,
    place: &RulePlace,
    keys: &[KeyChange],
    policy: &Policy,
) -> Result<(), String> {
    let rules = document
        .entry("rule")
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let Item::ArrayOfTables(rules) = rules else {
        return Err("its rules are not written as [[rule]]".to_owned());
    };
    let mut tables: Vec<Table> = rules.iter().cloned().collect();
    let mut rule = match place.before {
        None => Table::new(),
        Some(before) if before < tables.len() => tables.remove(before),
        Some(_) => return Err(format!("rule {} is not in it", place.name)),
    };
    match place.after {
        None => keep_paragraphs(&rule, place.before.and_then(|at| tables.get_mut(at))),
        Some(after) if after <= tables.len() => {
            set_keys(&mut rule, keys)?;
            tables.insert(after, rule);
        }
        Some(_) => return Err(format!("rule {} does not fit in", place.name)),
    }
    number(&mut tables, rules);
    name(&mut tables, policy)?;
    *rules = tables.into_iter().collect();
    Ok(())
}

/// What stands above a rule that goes, but for the paragraph that is about it, goes above the next.
fn keep_paragraphs(gone: &Table, next: Option<&mut Table>) {
    let above = |table: &Table| {
        let prefix = table.decor().prefix();
        prefix
            .and_then(|prefix| prefix.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let comments = above(gone);
    if let (Some(next), Some(end)) = (next, comments.trim_end().rfind("\n\n")) {
        let kept = comments.get(..=end).unwrap_or_default();
        let joined = format!("{kept}{}", above(next));
        next.decor_mut().set_prefix(joined);
    }
}

/// Gives the tables the places in the document that the old ones had, so that they stand there in order.
fn number(tables: &mut [Table], old: &ArrayOfTables) {
    let mut places: Vec<Option<isize>> = old.iter().map(Table::position).collect();
    places.sort_unstable();
    let last = places.iter().copied().flatten().next_back();
    let places = places.into_iter().chain(std::iter::repeat(last));
    for (table, place) in tables.iter_mut().zip(places) {
        table.set_position(place);
    }
}

/// Writes the names of rules that have got theirs from another place than they have now.
fn name(tables: &mut [Table], policy: &Policy) -> Result<(), String> {
    if tables.len() != policy.rules.len() {
        return Err("it has other rules".to_owned());
    }
    for (position, (table, rule)) in tables.iter_mut().zip(&policy.rules).enumerate() {
        let from_place = format!("rule {}", position + 1);
        let written = table.get("name").and_then(Item::as_str);
        if written.unwrap_or(&from_place) != rule.name {
            put(table, "name", Value::from(rule.name.as_str()));
        }
    }
    Ok(())
}
