//! What distinguishes two policies, key by key; sets are counted elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use stormbolt_control::policy::{Policy, Rule, Set};
use toml::{Table, Value};

use super::export::{rule_to_toml, to_toml};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// `setting`, `interface`, `class`, `group` or `rule`.
    pub(crate) kind: &'static str,
    /// Which one.
    pub(crate) name: String,
    /// What became of it.
    pub(crate) change: Changed,
}

/// What became of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// It is new; its keys on one line, and its position from 1 if it is a rule.
    Added(String, Option<usize>),
    /// It is gone, likewise.
    Removed(String, Option<usize>),
    /// A key has another value, or has one now, or none any more.
    Key(String, Option<String>, Option<String>),
    /// A rule stands elsewhere, from 1.
    Moved(usize, usize),
}

/// What is different in `new`, in the order of a policy file.
pub(crate) fn differences(old: &Policy, new: &Policy) -> Vec<Difference> {
    let mut found = Vec::new();
    let (old_rest, new_rest) = (without_sets_and_rules(old), without_sets_and_rules(new));
    if old_rest != new_rest {
        rest(&written(&old_rest), &written(&new_rest), &mut found);
    }
    rules(old, new, &mut found);
    found
}

/// Whatever is neither set nor rule.
fn rest(old: &Table, new: &Table, found: &mut Vec<Difference>) {
    let settings = |table: &Table| -> Table {
        let own = table.iter().filter(|(_, value)| !value.is_table());
        own.map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    keys("setting", "", &settings(old), &settings(new), found);
    for section in ["controller", "tables", "management", "default"] {
        let of = |rest: &Table| rest.get(section).and_then(Value::as_table).cloned();
        let (old, new) = (of(old).unwrap_or_default(), of(new).unwrap_or_default());
        keys("setting", section, &old, &new, found);
    }
    for kind in ["interface", "class", "group"] {
        tables(kind, old, new, found);
    }
}

/// Without what is in sets; their names stay, since other things refer to them.
fn without_sets_and_rules(policy: &Policy) -> Policy {
    let named = |set: &Arc<Set>| Arc::new(Set::new(set.name.clone(), Vec::new()));
    Policy {
        sets: policy.sets.iter().map(named).collect(),
        rules: Vec::new(),
        ..policy.clone()
    }
}

/// A policy file.
fn written(policy: &Policy) -> Table {
    // What is written is TOML: it is read again wherever a policy is.
    to_toml(policy).parse().unwrap_or_default()
}

fn keys(kind: &'static str, name: &str, old: &Table, new: &Table, found: &mut Vec<Difference>) {
    let all = new
        .keys()
        .chain(old.keys().filter(|key| !new.contains_key(*key)));
    for key in all {
        let (before, after) = (old.get(key), new.get(key));
        if before != after {
            found.push(Difference {
                kind,
                name: name.to_owned(),
                change: Changed::Key(key.clone(), before.map(plain), after.map(plain)),
            });
        }
    }
}

fn tables(kind: &'static str, old: &Table, new: &Table, found: &mut Vec<Difference>) {
    let of = |rest: &Table| {
        rest.get(kind)
            .and_then(Value::as_table)
            .cloned()
            .unwrap_or_default()
    };
    let (old, new) = (of(old), of(new));
    let whole = |value: &Value| value.as_table().map(on_one_line).unwrap_or_default();
    for (name, value) in &old {
        if !new.contains_key(name) {
            found.push(Difference {
                kind,
                name: name.clone(),
                change: Changed::Removed(whole(value), None),
            });
        }
    }
    for (name, value) in &new {
        match (old.get(name).and_then(Value::as_table), value.as_table()) {
            (Some(before), Some(after)) => keys(kind, name, before, after, found),
            _ => found.push(Difference {
                kind,
                name: name.clone(),
                change: Changed::Added(whole(value), None),
            }),
        }
    }
}

fn rules(old: &Policy, new: &Policy, found: &mut Vec<Difference>) {
    let same_names = names(old) == names(new);
    let (old_places, new_places) = if same_names {
        not_shared(old, new)
    } else {
        (0..old.rules.len(), 0..new.rules.len())
    };
    let old_keys = rule_keys(old, &old_places);
    let new_keys = rule_keys(new, &new_places);
    let by_key: HashMap<&Key, usize> = old_keys.iter().zip(old_places.clone()).collect();
    let mut kept = vec![false; old.rules.len()];
    let mut common = Vec::new();
    // A rule that has its name from its place in a file keeps that name wherever it is moved.
    let shared: HashMap<*const Rule, usize> = if same_names {
        let rules = old.rules.iter().map(Arc::as_ptr).zip(0..);
        rules.take(old_places.end).skip(old_places.start).collect()
    } else {
        HashMap::new()
    };
    for (position, key) in new_places.clone().zip(&new_keys) {
        let rule = new.rules.get(position).map(Arc::as_ptr);
        let before = rule.and_then(|rule| shared.get(&rule));
        if let Some(&before) = before.or_else(|| by_key.get(key))
            && let Some(kept) = kept.get_mut(before).filter(|kept| !**kept)
        {
            *kept = true;
            common.push((before, position));
        }
    }
    let difference = |rule: &Arc<Rule>, change| Difference {
        kind: "rule",
        name: rule.name.clone(),
        change,
    };
    let gone = old.rules.iter().enumerate().zip(&kept);
    let gone = gone
        .take(old_places.end)
        .skip(old_places.start)
        .filter(|(_, kept)| !**kept);
    for ((position, rule), _) in gone {
        let text = on_one_line(&table(old, rule));
        found.push(difference(rule, Changed::Removed(text, Some(position + 1))));
    }
    let mut stayed = longest_increasing(&common).into_iter().peekable();
    let mut common = common.into_iter().peekable();
    let rules = new.rules.iter().enumerate();
    for (position, rule) in rules.take(new_places.end).skip(new_places.start) {
        let Some((before, _)) = common.next_if(|(_, at)| *at == position) else {
            let text = on_one_line(&table(new, rule));
            found.push(difference(rule, Changed::Added(text, Some(position + 1))));
            continue;
        };
        if stayed.next_if_eq(&before).is_none() {
            found.push(difference(rule, Changed::Moved(before + 1, position + 1)));
        }
        if let Some(before) = old.rules.get(before)
            && !(same_names && before.matches == rule.matches && before.action == rule.action)
        {
            let (mut before, mut after) = (table(old, before), table(new, rule));
            before.remove("name");
            after.remove("name");
            keys("rule", &rule.name, &before, &after, found);
        }
    }
}

/// Where the rules are that a policy does not share with one that was made out of it by a small change: between those
/// that both begin and end with.
fn not_shared(old: &Policy, new: &Policy) -> (Range<usize>, Range<usize>) {
    let is_shared = |(old, new): &(&Arc<Rule>, &Arc<Rule>)| Arc::ptr_eq(old, new);
    let both = old.rules.iter().zip(&new.rules);
    let first = both.take_while(is_shared).count();
    let most = old.rules.len().min(new.rules.len()) - first;
    let both = old.rules.iter().rev().zip(new.rules.iter().rev());
    let last = both.take(most).take_while(is_shared).count();
    (first..old.rules.len() - last, first..new.rules.len() - last)
}

/// What a rule is known by: its name, or what it says if it has its name from its place; and which one of those
/// that say the same.
type Key = (String, usize);

fn rule_keys(policy: &Policy, places: &Range<usize>) -> Vec<Key> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let rules = policy.rules.iter().enumerate();
    rules
        .take(places.end)
        .skip(places.start)
        .map(|(position, rule)| {
            let key = if rule.name == format!("rule {}", position + 1) {
                let mut table = table(policy, rule);
                table.remove("name");
                // No name has a line break.
                format!("\n{}", on_one_line(&table))
            } else {
                rule.name.clone()
            };
            let count = seen.entry(key.clone()).or_default();
            *count += 1;
            (key, *count)
        })
        .collect()
}

/// What rules refer to by position.
fn names(policy: &Policy) -> [Vec<&str>; 3] {
    [
        policy
            .classes
            .iter()
            .map(|class| class.name.as_str())
            .collect(),
        policy.sets.iter().map(|set| set.name.as_str()).collect(),
        policy
            .interfaces
            .iter()
            .map(|interface| interface.name.as_str())
            .collect(),
    ]
}

/// Old positions of as many rules as can be without one that stands before another that it stood behind.
fn longest_increasing(common: &[(usize, usize)]) -> Vec<usize> {
    // Patience sorting: the last element of the best chain of each length, and what comes before each.
    let old = |index: usize| common.get(index).map_or(usize::MAX, |(old, _)| *old);
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(common.len());
    for index in 0..common.len() {
        let length = ends.partition_point(|end| old(*end) < old(index));
        before.push(
            length
                .checked_sub(1)
                .and_then(|last| ends.get(last).copied()),
        );
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut chain = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(index) = next {
        chain.push(old(index));
        next = before.get(index).copied().flatten();
    }
    chain.reverse();
    chain
}

fn table(policy: &Policy, rule: &Rule) -> Table {
    rule_to_toml(policy, rule).parse().unwrap_or_default()
}

fn on_one_line(table: &Table) -> String {
    let keys = table.iter().filter(|(key, _)| *key != "name");
    let keys: Vec<String> = keys
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    keys.join(", ")
}

/// A value without quotes.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const OLD: &str = "version = 1\n[interface.eth0]\ncapacity = \"1Gbit\"\n[class.a]\n[class.b]\nceil = \"5Mbit\"\n\
        [set.s]\nprefixes = []\n[[rule]]\nname = \"x\"\nprotocol = 6\nclass = \"b\"\n[[rule]]\nsrc = \"@s\"\nclass = \"b\"\n\
        [[rule]]\nname = \"y\"\nvlan = 5\nclass = \"a\"\n[default]\nclass = \"a\"\n";

    fn shown(new: &str) -> Vec<String> {
        let policy = |text: &str| config::parse("p", text).unwrap().policy;
        let found = differences(&policy(OLD), &policy(new));
        let shown = found.into_iter().map(|one| {
            let (kind, name) = (one.kind, one.name);
            match one.change {
                Changed::Added(text, at) => format!("+{kind} {name} {at:?} {text}"),
                Changed::Removed(text, at) => format!("-{kind} {name} {at:?} {text}"),
                Changed::Key(key, before, after) => {
                    let text = |value: Option<String>| value.unwrap_or("-".to_owned());
                    format!("{kind} {name} {key} {} {}", text(before), text(after))
                }
                Changed::Moved(before, after) => format!("{kind} {name} {before} {after}"),
            }
        });
        shown.collect()
    }

    #[test]
    fn the_same_policy_has_no_differences_however_it_is_written() {
        assert_eq!(
            shown(&OLD.replace("5Mbit", "5000kbit")),
            Vec::<String>::new()
        );
    }

    #[test]
    fn keys_are_compared_with_their_values() {
        let new = OLD
            .replace("5Mbit", "6Mbit")
            .replace("[class.a]\n", "[class.a]\nper-source = \"1Mbit\"\n")
            .replace("\"1Gbit\"\n", "\"1Gbit\"\nthen = \"/sys/fs/bpf/other\"\n")
            .replace(
                "version = 1\n",
                "version = 1\nshadow = true\n[controller]\nlaw = \"strict\"\n",
            );
        let shown = shown(&new);
        for expected in [
            "setting  shadow - true",
            "setting controller law max-min strict",
            "interface eth0 then - /sys/fs/bpf/other",
            "class b ceil 5Mbit 6Mbit",
            "class a per-source - 1Mbit",
        ] {
            assert!(
                shown.contains(&expected.to_owned()),
                "{expected}: {shown:?}"
            );
        }
    }

    #[test]
    fn a_rule_in_front_changes_no_other_and_a_class_in_front_changes_no_rule() {
        let new = OLD.replace("[class.a]", "[class.0]\n[class.a]").replacen(
            "[[rule]]",
            "[[rule]]\nname = \"new\"\nprotocol = 17\naction = \"drop\"\n[[rule]]",
            1,
        );
        let shown = shown(&new);
        assert_eq!(shown.len(), 2, "{shown:?}");
        assert!(shown[0].starts_with("+class 0 None "), "{shown:?}");
        let text = "+rule new Some(1) protocol = [\"udp\"], action = \"drop\"";
        assert_eq!(shown[1], text);
    }

    #[test]
    fn rules_go_move_and_change() {
        let y = "[[rule]]\nname = \"y\"\nvlan = 5\nclass = \"a\"\n";
        let moved = OLD
            .replace(y, "")
            .replacen("[[rule]]", &format!("{y}[[rule]]"), 1);
        assert_eq!(shown(&moved), ["rule y 3 1"]);
        assert_eq!(
            shown(&OLD.replace(y, "")),
            ["-rule y Some(3) vlan = [5], class = \"a\""]
        );
        let changed = OLD.replace("vlan = 5\nclass = \"a\"", "vlan = [5, 6]\nclass = \"b\"");
        assert_eq!(
            shown(&changed),
            ["rule y vlan [5] [5, 6]", "rule y class a b"]
        );
    }
}
