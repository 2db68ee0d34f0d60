//! Prefixes of one set: a list, or a text with one a line.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ipnet::IpNet;
use toml_edit::{Array, Decor, DocumentMut, Item, RawString, Value};

use super::table;
use crate::config::prefixes::parse;

pub(super) fn edit(
    document: &mut DocumentMut,
    name: &str,
    add: &[String],
    remove: &[String],
) -> Result<(), String> {
    let set = table(document, "set", name)?;
    if set.contains_key("file") {
        return Err(format!(
            "the prefixes of set {name} stand in a file of their own"
        ));
    }
    let Some(Item::Value(prefixes)) = set.get_mut("prefixes") else {
        return Err(format!("set {name} has no `prefixes`"));
    };
    let remove: BTreeSet<IpNet> = remove.iter().filter_map(|text| network(text)).collect();
    match prefixes {
        Value::Array(list) => edit_list(list, add, &remove),
        Value::String(text) => {
            let changed = edit_text(text.value(), add, &remove);
            let mut value = as_lines(&changed)?;
            *value.decor_mut() = text.decor().clone();
            *prefixes = value;
        }
        Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::InlineTable(_) => return Err(format!("`prefixes` of set {name} is no list")),
    }
    Ok(())
}

fn network(text: &str) -> Option<IpNet> {
    parse(text).ok().map(|net| net.trunc())
}

fn edit_text(text: &str, add: &[String], remove: &BTreeSet<IpNet>) -> String {
    let mut there = BTreeSet::new();
    let mut changed = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let given = line.split('#').next().unwrap_or_default().trim();
        let net = network(given);
        if net.is_some_and(|net| remove.contains(&net)) {
            continue;
        }
        there.extend(net);
        changed.push_str(line);
    }
    if !changed.is_empty() && !changed.ends_with('\n') {
        changed.push('\n');
    }
    for prefix in new(add, &mut there) {
        // A string takes whatever is written.
        writeln!(changed, "{prefix}").unwrap_or(());
    }
    changed
}

/// Those of `add` that are not there.
fn new(add: &[String], there: &mut BTreeSet<IpNet>) -> Vec<IpNet> {
    let add = add.iter().filter_map(|text| network(text));
    add.filter(|net| there.insert(*net)).collect()
}

fn as_lines(text: &str) -> Result<Value, String> {
    if text.contains("'''") {
        return Ok(Value::from(text));
    }
    format!("'''\n{text}'''")
        .parse()
        .map_err(|error: toml_edit::TomlError| error.message().to_owned())
}

fn edit_list(list: &mut Array, add: &[String], remove: &BTreeSet<IpNet>) {
    let mut there = BTreeSet::new();
    let mut position = 0;
    while let Some(value) = list.get(position) {
        let net = value.as_str().and_then(network);
        if net.is_some_and(|net| remove.contains(&net)) {
            take_out(list, position);
        } else {
            there.extend(net);
            position += 1;
        }
    }
    for net in new(add, &mut there) {
        append(list, net);
    }
}

/// Takes an element out, and what is said about it; what is said behind the comma before it stays.
fn take_out(list: &mut Array, position: usize) {
    let value = list.remove(position);
    let about_previous = first_line(&prefix(value.decor())).to_owned();
    let join = |next: &str| format!("{about_previous}{}", behind_first_line(next));
    if let Some(next) = list.get_mut(position) {
        let joined = join(&prefix(next.decor()));
        next.decor_mut().set_prefix(joined);
        return;
    }
    let joined = join(raw(list.trailing()));
    // A list on one line ends right behind its last element.
    let is_long = joined.contains('\n');
    list.set_trailing(if is_long { joined } else { String::new() });
}

fn append(list: &mut Array, net: IpNet) {
    let trailing = raw(list.trailing()).to_owned();
    let first = list.get(0).map(|value| prefix(value.decor()));
    let mut value = Value::from(net.to_string());
    let indent = match first
        .as_deref()
        .and_then(|first| first.rfind('\n').map(|at| (first, at)))
    {
        Some((first, at)) => first.get(at..).unwrap_or("\n").to_owned(),
        // On one line.
        None if !trailing.contains('\n') => {
            list.push(net.to_string());
            return;
        }
        None => "\n    ".to_owned(),
    };
    let said = trailing.trim_end();
    *value.decor_mut() = Decor::new(format!("{said}{indent}"), "");
    list.push_formatted(value);
    list.set_trailing("\n");
    list.set_trailing_comma(true);
}

fn prefix(decor: &Decor) -> String {
    decor.prefix().map(raw).unwrap_or_default().to_owned()
}

fn raw(text: &RawString) -> &str {
    text.as_str().unwrap_or_default()
}

/// Up to the line break, or all.
fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

/// From the line break on.
fn behind_first_line(text: &str) -> &str {
    text.find('\n')
        .and_then(|at| text.get(at..))
        .unwrap_or_default()
}
