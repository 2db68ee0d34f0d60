//! The messages about laws and groups, word by word.

use super::{around, found, one};
use crate::config::parse;

/// What is found in `extra` where classes of it are used by rules, from line 8 on.
fn used(classes: &[&str], extra: &str) -> Vec<String> {
    let rules: Vec<String> = classes
        .iter()
        .map(|class| format!("[[rule]]\nprotocol = \"udp\"\nclass = \"{class}\"\n"))
        .collect();
    found(&around(&format!("{extra}{}", rules.concat())))
}

#[test]
fn the_law_is_one_of_three_words() {
    assert_eq!(
        one("[controller]\nlaw = \"fair\"\n"),
        "9:7: error: `law` cannot be `fair`; it is one of \"max-min\", \"strict\", \"proportional\" \
         [\"fair\"]"
    );
    assert_eq!(
        one("[controller]\nlaw = \"minmax\"\n"),
        "9:7: error: `law` cannot be `minmax`; it is one of \"max-min\", \"strict\", \
         \"proportional\" [\"minmax\"]"
    );
    assert_eq!(
        one("[controller]\nlaw = \"stric\"\n"),
        "9:7: error: `law` cannot be `stric`; did you mean `strict`? [\"stric\"]"
    );
    let law = |text: &str| parse("p", &around(text)).unwrap().policy.law.name();
    assert_eq!(law(""), "max-min");
    assert_eq!(
        law("[controller]\nlaw = \"proportional\"\n"),
        "proportional"
    );
}

#[test]
fn a_group_that_is_not_there_is_missed_and_one_close_to_it_named() {
    assert_eq!(
        used(&["a"], "[class.a]\ngroup = \"customers\"\n"),
        [
            "9:9: error: there is no group `customers`; define it: `[group.customers]` \
          [\"customers\"]"
        ]
    );
    assert_eq!(
        used(
            &["a"],
            "[group.customers]\n[class.a]\ngroup = \"customer\"\n"
        ),
        ["10:9: error: there is no group `customer`; did you mean `customers`? [\"customer\"]"]
    );
    assert_eq!(
        used(
            &["a"],
            "[group.all]\nparent = \"everything\"\n[class.a]\ngroup = \"all\"\n"
        ),
        [
            "9:10: error: there is no group `everything`; define it: `[group.everything]` \
          [\"everything\"]"
        ]
    );
}

#[test]
fn a_group_must_cover_what_its_members_are_guaranteed() {
    let extra = "[group.all]\nrate = \"50Mbit\"\n[group.g]\nparent = \"all\"\nrate = \"30Mbit\"\n\
                 [class.a]\ngroup = \"all\"\nrate = \"25Mbit\"\n[class.b]\ngroup = \"g\"\n";
    let text = around(&format!(
        "{extra}[[rule]]\nprotocol = \"udp\"\nclass = \"a\"\n[[rule]]\nprotocol = \"tcp\"\nclass = \"b\"\n"
    ));
    let error = parse("policy.toml", &text).unwrap_err();
    let expected = "\
policy.toml:9:8: error: the members of group `all` are guaranteed 55Mbit, but the group 50Mbit
    rate = \"50Mbit\"
           ^^^^^^^^ the group
policy.toml:15:8: note: 25Mbit for `a`
    rate = \"25Mbit\"
           ^^^^^^^^
policy.toml:12:8: note: 30Mbit for group `g`
    rate = \"30Mbit\"
           ^^^^^^^^
    help: the `rate` of a group must cover those of its members: write `rate = \"55Mbit\"`, or lower \
some of them
policy.toml: 1 error
";
    assert_eq!(crate::config::render(&error, false), expected);
    // Without a rate of its own a group has none to give.
    assert_eq!(
        used(
            &["a"],
            "[group.g]\n[class.a]\ngroup = \"g\"\nrate = \"1Mbit\"\n"
        ),
        [
            "8:8: error: the members of group `g` are guaranteed 1Mbit, but the group 0bit; the `rate` \
          of a group must cover those of its members: write `rate = \"1Mbit\"`, or lower some of \
          them [g]"
        ]
    );
}

#[test]
fn what_groups_are_guaranteed_must_fit_the_link() {
    assert_eq!(
        used(
            &["a"],
            "[group.g]\nrate = \"700Mbit\"\n[class.a]\ngroup = \"g\"\nrate = \"600Mbit\"\n[class.b]\n\
             rate = \"400Mbit\"\n"
        ),
        [
            "3:12: error: the classes and groups are guaranteed 1.1Gbit, but `eth0` carries 1Gbit; the \
          guarantees of all classes and groups must fit each link: lower some of them [\"1Gbit\"]"
        ]
    );
    assert_eq!(
        used(
            &["a"],
            "[group.g]\nrate = \"2Gbit\"\n[class.a]\ngroup = \"g\"\n"
        ),
        ["9:8: error: group `g` is guaranteed 2Gbit, more than `eth0` carries [\"2Gbit\"]"]
    );
    assert_eq!(
        used(
            &["a"],
            "[group.g]\nrate = \"2Mbit\"\nceil = \"1Mbit\"\n[class.a]\ngroup = \"g\"\n"
        ),
        ["9:8: error: the guaranteed `rate` of 2Mbit is above the `ceil` of 1Mbit [\"2Mbit\"]"]
    );
}

#[test]
fn groups_are_no_deeper_than_there_are_levels_and_not_in_themselves() {
    let chain = "[group.a]\n[group.b]\nparent = \"a\"\n[group.c]\nparent = \"b\"\n";
    assert_eq!(
        used(&["x"], &format!("{chain}[class.x]\ngroup = \"c\"\n")),
        [""; 0]
    );
    assert_eq!(
        used(
            &["x"],
            &format!(
                "{chain}[group.d]\nparent = \"c\"\n[group.e]\nparent = \"d\"\n[class.x]\ngroup = \"e\"\n"
            )
        ),
        [
            "14:10: error: groups are too deep inside each other: `a` > `b` > `c` > `d`; there are at \
          most 4 levels below an interface: 3 of groups, and the classes [\"c\"]"
        ]
    );
    assert_eq!(
        used(
            &["x"],
            "[group.a]\nparent = \"b\"\n[group.b]\nparent = \"a\"\n[class.x]\ngroup = \"a\"\n"
        ),
        [
            "9:10: error: group `a` is in itself: `a` > `b` > `a`; leave out one `parent` of these \
          [\"b\"]"
        ]
    );
    assert_eq!(
        used(
            &["x"],
            "[group.a]\nparent = \"a\"\n[class.x]\ngroup = \"a\"\n"
        ),
        ["9:10: error: group `a` is in itself: `a` > `a`; leave out one `parent` of these [\"a\"]"]
    );
}

#[test]
fn what_a_group_makes_useless_is_warned_about() {
    assert_eq!(
        used(
            &["x"],
            "[group.a]\nceil = \"5Mbit\"\n[group.b]\nparent = \"a\"\nceil = \"6Mbit\"\n[class.x]\n\
             group = \"b\"\nceil = \"7Mbit\"\n"
        ),
        [
            "12:8: warning: the `ceil` of 6Mbit is above that of group `a`, 5Mbit; it limits \
             nothing [\"6Mbit\"]",
            "15:8: warning: the `ceil` of 7Mbit is above that of group `a`, 5Mbit; it limits \
             nothing [\"7Mbit\"]",
        ]
    );
    assert_eq!(
        used(&[], "[group.a]\n[group.b]\nparent = \"a\"\n"),
        [
            "8:8: warning: group `a` has no classes; put classes into it: `group = \"a\"` [a]",
            "9:8: warning: group `b` has no classes; put classes into it: `group = \"b\"` [b]",
        ]
    );
}

#[test]
fn names_and_keys_of_groups_are_checked_as_those_of_classes() {
    assert_eq!(
        one("[group.\"a b\"]\n"),
        "8:8: error: `a b` cannot be the name of a group; names have 1 to 63 of the characters \
         A-Z a-z 0-9 _ . - [\"a b\"]"
    );
    assert_eq!(
        one("[group.a]\nburst = \"1ms\"\n"),
        "9:1: error: unknown key `burst` in `[group.a]`; the keys here are priority, rate, ceil, \
         weight, parent [burst]"
    );
}

#[test]
fn of_many_guarantees_that_do_not_fit_the_largest_are_pointed_at() {
    let class = |number: usize| format!("[class.c{number}]\nrate = \"{number}Mbit\"\n");
    let classes: String = (100..200).map(class).collect();
    let problems = found(&around(&classes));
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}")
    };
    assert!(
        problem.contains("(68 smaller ones are not shown)"),
        "{problem}"
    );
}

#[test]
fn a_circle_of_very_many_groups_is_found_at_once_and_not_written_out() {
    let group = |number: usize| {
        let parent = (number + 1) % 50_000;
        format!("[group.g{number}]\nparent = \"g{parent}\"\n")
    };
    let groups: String = (0..50_000).map(group).collect();
    let problems = found(&around(&groups));
    assert!(
        problems[0].contains("group `g0` is in itself: `g0` > … > `g7` > `g6`"),
        "{}",
        problems[0]
    );
}
