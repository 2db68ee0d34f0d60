//! Changes of one thing in the text of a policy file; all else stays as it is written, comments too.
//!
//! Whoever uses this reads the changed text again and compares: the text is the operator's, and there are more
//! ways to write a policy than are thought of here.

mod class;
mod rule;
mod set;
#[cfg(test)]
mod tests;

use stormbolt_control::policy::Policy;
use toml_edit::{DocumentMut, Item, TableLike, Value};

pub(crate) use rule::RulePlace;

/// A key that is given a value; nothing: it is taken away.
pub(crate) type KeyChange = (String, Option<serde_json::Value>);

/// A change of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Keys of a class.
    Class { name: String, keys: Vec<KeyChange> },
    /// Prefixes of a set.
    Set {
        name: String,
        add: Vec<String>,
        remove: Vec<String>,
    },
    /// A rule that was added, changed, moved or deleted.
    Rule {
        place: RulePlace,
        keys: Vec<KeyChange>,
    },
}

impl Edit {
    /// What was changed, in a few words.
    pub(crate) fn summary(&self) -> String {
        match self {
            Self::Class { name, .. } => format!("class {name} changed"),
            Self::Set { name, .. } => format!("set {name} changed"),
            Self::Rule { place, .. } => match (place.before, place.after) {
                (None, _) => format!("rule {} added", place.name),
                (_, None) => format!("rule {} deleted", place.name),
                _ => format!("rule {} changed", place.name),
            },
        }
    }

    /// The text with the change in it. `policy` is the one that the change leads to.
    ///
    /// # Errors
    ///
    /// Why that cannot be written, in a few words.
    pub(crate) fn in_text(&self, text: &str, policy: &Policy) -> Result<String, String> {
        let mut document: DocumentMut = text
            .parse()
            .map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
        match self {
            Self::Class { name, keys } => class::edit(&mut document, name, keys)?,
            Self::Set { name, add, remove } => set::edit(&mut document, name, add, remove)?,
            Self::Rule { place, keys } => rule::edit(&mut document, place, keys, policy)?,
        }
        Ok(document.to_string())
    }
}

/// The table below two keys, as in `[class.bulk]`.
fn table<'d>(
    document: &'d mut DocumentMut,
    kind: &str,
    name: &str,
) -> Result<&'d mut dyn TableLike, String> {
    let kinds = document.get_mut(kind).and_then(Item::as_table_like_mut);
    let found = kinds.and_then(|kinds| kinds.get_mut(name)?.as_table_like_mut());
    found.ok_or_else(|| format!("there is no [{kind}.{name}] in it"))
}

/// Gives keys their values, and takes keys away.
fn set_keys(table: &mut dyn TableLike, keys: &[KeyChange]) -> Result<(), String> {
    for (key, value) in keys {
        match value {
            None => {
                table.remove(key);
            }
            Some(value) => put(table, key, written(key, value)?),
        }
    }
    Ok(())
}

/// Gives a key a value; what stands around the old one stays.
fn put(table: &mut dyn TableLike, key: &str, mut value: Value) {
    if let Some(Item::Value(old)) = table.get_mut(key) {
        *value.decor_mut() = old.decor().clone();
        *old = value;
    } else {
        table.insert(key, Item::Value(value));
    }
}

fn written(key: &str, value: &serde_json::Value) -> Result<Value, String> {
    let whole = |number: &serde_json::Number| number.as_i64().map(Value::from);
    let value = match value {
        serde_json::Value::String(text) => Some(text.as_str().into()),
        serde_json::Value::Bool(flag) => Some((*flag).into()),
        serde_json::Value::Number(number) => whole(number),
        serde_json::Value::Array(list) => {
            let list: Result<toml_edit::Array, String> =
                list.iter().map(|one| written(key, one)).collect();
            Some(list?.into())
        }
        serde_json::Value::Null | serde_json::Value::Object(_) => None,
    };
    value.ok_or_else(|| format!("`{key}` has a value that cannot be written"))
}
