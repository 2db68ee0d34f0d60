//! Texts before and after a change.

use serde_json::json;

use super::*;
use crate::config;

const TEXT: &str = r#"# The office's gateway.
version = 1   # of the format

[interface.eth0]
capacity = "1Gbit" # as ordered

# Everything else.
[class.bulk]
priority = 7      # last
ceil = "800Mbit"  # until the contract changes

[class.gold]
rate = "100Mbit"

[set.blocked]
# Ask Ada before you delete one.
prefixes = [
    "192.0.2.0/24",   # scanners
    # since 2023
    "198.51.100.7",   # spam
    "203.0.113.0/24", # more scanners
]

[set.inline]
prefixes = ["192.0.2.1", "192.0.2.2"]

[set.long]
prefixes = '''
192.0.2.0/25  # a comment
192.0.2.128/25
'''

# The rules, in order.

# Web first.
[[rule]]
name = "web"
protocol = "tcp"
dst-port = [80, 443]  # and no other
class = "gold"

# Nobody needs telnet.
[[rule]]
protocol = "tcp"
dst-port = 23
action = "drop"

[[rule]]
src = ["@blocked", "@inline", "@long"]
action = "drop"

[default]
class = "bulk" # everything else
"#;

/// The text after an edit, which must read as the policy that `expected` makes of this one.
fn edited(edit: &Edit, expected: impl FnOnce(&mut Policy)) -> String {
    let mut policy = config::parse("before", TEXT).unwrap().policy;
    expected(&mut policy);
    let text = edit.in_text(TEXT, &policy).unwrap();
    let read = config::parse("after", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(read.policy == policy, "another policy:\n{text}");
    text
}

/// The lines that only one of the texts has.
fn changes(text: &str) -> (Vec<&str>, Vec<&str>) {
    let only = |one: &'static str, other: &str| -> Vec<&'static str> {
        one.lines()
            .filter(|line| !other.lines().any(|o| o == *line))
            .collect()
    };
    let gone = only(TEXT, text);
    let new = text
        .lines()
        .filter(|line| !TEXT.lines().any(|old| old == *line));
    (gone, new.collect())
}

#[test]
fn a_class_changes_in_its_line_and_keeps_what_is_said_there() {
    let edit = Edit::Class {
        name: "bulk".to_owned(),
        keys: vec![
            ("ceil".to_owned(), Some(json!("600Mbit"))),
            ("weight".to_owned(), Some(json!(3))),
        ],
    };
    let text = edited(&edit, |policy| {
        policy.classes[0].ceil = Some(stormbolt_control::units::BitsPerSecond(600_000_000));
        policy.classes[0].weight = 3;
    });
    let (gone, new) = changes(&text);
    assert_eq!(gone, ["ceil = \"800Mbit\"  # until the contract changes"]);
    assert_eq!(
        new,
        [
            "ceil = \"600Mbit\"  # until the contract changes",
            "weight = 3"
        ]
    );
}

fn set_edit(name: &str, add: &[&str], remove: &[&str]) -> String {
    let owned = |list: &[&str]| list.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
    let edit = Edit::Set {
        name: name.to_owned(),
        add: owned(add),
        remove: owned(remove),
    };
    let nets = |list: &[&str]| -> Vec<ipnet::IpNet> {
        let mut nets: Vec<_> = list
            .iter()
            .map(|one| config::prefixes::parse(one).ok().unwrap())
            .collect();
        nets.sort();
        nets
    };
    edited(&edit, |policy| {
        let set = policy.sets.iter_mut().find(|set| set.name == name).unwrap();
        *set = std::sync::Arc::new(set.edited(&nets(add), &nets(remove)).set);
    })
}

#[test]
fn a_list_of_prefixes_changes_by_lines_and_keeps_the_remarks_of_the_others() {
    let text = set_edit("blocked", &["2001:db8::/32"], &["198.51.100.7"]);
    let (gone, new) = changes(&text);
    assert_eq!(gone, ["    # since 2023", "    \"198.51.100.7\",   # spam"]);
    assert_eq!(new, ["    \"2001:db8::/32\","]);

    let text = set_edit("blocked", &["10.0.0.1"], &["203.0.113.0/24"]);
    let (gone, new) = changes(&text);
    assert_eq!(gone, ["    \"203.0.113.0/24\", # more scanners"]);
    assert_eq!(new, ["    \"10.0.0.1/32\","]);
}

#[test]
fn a_list_on_one_line_stays_there() {
    let text = set_edit("inline", &["192.0.2.3"], &["192.0.2.1"]);
    let (_, new) = changes(&text);
    assert_eq!(new, ["prefixes = [\"192.0.2.2\", \"192.0.2.3/32\"]"]);
    set_edit("inline", &[], &["192.0.2.1", "192.0.2.2"]);
    set_edit("inline", &["192.0.2.1"], &["192.0.2.2"]);
}

#[test]
fn a_text_of_prefixes_changes_by_lines() {
    let text = set_edit("long", &["10.0.0.0/8", "192.0.2.0/25"], &["192.0.2.128/25"]);
    let (gone, new) = changes(&text);
    assert_eq!((gone, new), (vec!["192.0.2.128/25"], vec!["10.0.0.0/8"]));
}

fn rule_edit(place: (Option<usize>, Option<usize>), keys: &[KeyChange]) -> String {
    let edit = Edit::Rule {
        place: RulePlace {
            name: "r".to_owned(),
            before: place.0,
            after: place.1,
        },
        keys: keys.to_owned(),
    };
    edited(&edit, |policy| {
        let rule = match place.0 {
            Some(before) => policy.rules.remove(before),
            None => {
                config::parse_rule(
                    "r",
                    "name = \"r\"\nprotocol = \"udp\"\nclass = \"gold\"",
                    policy,
                )
                .unwrap()
                .0
            }
        };
        if let Some(after) = place.1 {
            policy.rules.insert(after, rule);
        }
    })
}

#[test]
fn a_new_rule_stands_at_its_place_and_the_others_keep_their_names() {
    let keys = [
        ("name".to_owned(), Some(json!("r"))),
        ("protocol".to_owned(), Some(json!("udp"))),
        ("class".to_owned(), Some(json!("gold"))),
    ];
    for place in 0..=3 {
        let text = rule_edit((None, Some(place)), &keys);
        let (gone, new) = changes(&text);
        assert_eq!(gone, Vec::<&str>::new(), "{text}");
        let named = new
            .iter()
            .filter(|line| line.starts_with("name = \"rule "))
            .count();
        assert_eq!(named, 3_usize.saturating_sub(place).min(2), "{text}");
    }
}

#[test]
fn a_rule_that_moves_takes_its_remarks_along() {
    for from in 0..3 {
        for to in 0..3 {
            let text = rule_edit((Some(from), Some(to)), &[]);
            let (gone, _) = changes(&text);
            assert_eq!(gone, Vec::<&str>::new());
            let telnet = text.find("# Nobody needs telnet.").unwrap();
            let rest = &text[telnet..];
            assert!(
                rest.starts_with("# Nobody needs telnet.\n[[rule]]\n"),
                "{text}"
            );
        }
    }
}

#[test]
fn a_rule_that_goes_takes_its_own_remark_along_and_leaves_the_others() {
    let text = rule_edit((Some(0), None), &[]);
    assert!(!text.contains("# Web first."), "{text}");
    assert!(text.contains("# The rules, in order."), "{text}");
    let text = rule_edit((Some(1), None), &[]);
    assert!(
        !text.contains("telnet") && text.contains("# Web first."),
        "{text}"
    );
    rule_edit((Some(2), None), &[]);
}

#[test]
fn the_first_rule_of_a_policy_is_written_behind_all_else() {
    let text = "version = 1\n[interface.eth0]\ncapacity = \"1Gbit\"\n[class.a]\n[default]\nclass = \"a\"\n";
    let mut policy = config::parse("p", text).unwrap().policy;
    let (rule, _) = config::parse_rule(
        "r",
        "name = \"r\"\naction = \"drop\"\nprotocol = 6",
        &policy,
    )
    .unwrap();
    policy.rules.push(rule);
    let edit = Edit::Rule {
        place: RulePlace {
            name: "r".to_owned(),
            before: None,
            after: Some(0),
        },
        keys: vec![
            ("name".to_owned(), Some(json!("r"))),
            ("action".to_owned(), Some(json!("drop"))),
            ("protocol".to_owned(), Some(json!(6))),
        ],
    };
    let changed = edit.in_text(text, &policy).unwrap();
    assert!(changed.starts_with(text), "{changed}");
    assert_eq!(config::parse("p", &changed).unwrap().policy, policy);
}

#[test]
fn what_stands_elsewhere_is_refused_with_the_reason() {
    let edit = Edit::Set {
        name: "a".to_owned(),
        add: vec!["10.0.0.1".to_owned()],
        remove: Vec::new(),
    };
    let reason = edit
        .in_text("[set.a]\nfile = \"a.txt\"\n", &Policy::empty())
        .unwrap_err();
    assert_eq!(reason, "the prefixes of set a stand in a file of their own");
    let reason = edit.in_text("[set.b]\n", &Policy::empty()).unwrap_err();
    assert_eq!(reason, "there is no [set.a] in it");
}
