//! `[management]`: what it means, what is refused and what is warned about.

use super::{around, found, one};
use crate::config::difference::{Changed, differences};
use crate::config::{parse, to_toml};
use stormbolt_control::policy::{Accepts, Management, Policy, Range};

fn policy(extra: &str) -> Policy {
    parse("p", &around(extra)).unwrap().policy
}

#[test]
fn ssh_is_exempt_from_anywhere_until_the_section_says_otherwise() {
    assert_eq!(policy("").management, Management::default());
    assert_eq!(policy("[management]\n").management, Management::default());
    let set = "[set.office]\nprefixes = [\"192.0.2.0/24\"]\n";
    let narrowed = policy(&format!(
        "{set}[management]\nsrc = [\"@office\", \"2001:db8::/32\"]\ndst = \"198.51.100.1\"\nports = [22, \"8000-8010\"]\n"
    ));
    let Management {
        exempt,
        source,
        destination,
        ports,
    } = &narrowed.management;
    let range = |first, last| Range { first, last };
    assert!(exempt);
    assert_eq!(source.as_ref().unwrap().sets, [0]);
    assert_eq!(destination.as_ref().unwrap().prefixes.len(), 1);
    assert_eq!(
        *ports,
        Accepts::any_of(vec![range(22, 22), range(8000, 8010)])
    );
    // A set that only the exemption names is used, and the exported policy is the same.
    assert_eq!(found(&to_toml(&narrowed)), [""; 0]);
    assert_eq!(
        parse("again", &to_toml(&narrowed)).unwrap().policy,
        narrowed
    );
    assert!(!policy("[management]\nexempt = false\n").management.exempt);
}

#[test]
fn values_that_mean_nothing_or_too_much_are_refused() {
    let refused = |keys: &str| one(&format!("[management]\n{keys}\n"));
    assert_eq!(
        refused("exempt = \"no\""),
        "9:10: error: `exempt` must be true or false, without quotes [\"no\"]"
    );
    assert_eq!(
        refused("port = 22"),
        "9:1: error: unknown key `port` in `[management]`; did you mean `ports`? [port]"
    );
    assert_eq!(
        refused("ports = \"!22\""),
        "9:9: error: `ports` cannot begin with `!` here; everything but some ports would be out of reach of every \
         rule and rate; name those that you manage the machine by [\"!22\"]"
    );
    assert!(refused("src = []").starts_with("9:7: error: the list is empty"));
    assert!(refused("src = \"@office\"").starts_with("9:7: error: there is no set `office`"));
    let name = "[[rule]]\nname = \"management exemption\"\naction = \"pass\"\n";
    assert_eq!(
        one(name),
        "9:8: error: `management exemption` is the name of the rule that is built in; take another; `[management]` says \
         what that one exempts [\"management exemption\"]"
    );
}

#[test]
fn a_rule_that_matches_only_what_is_exempt_is_warned_about() {
    let rule = |keys: &str| format!("[[rule]]\n{keys}\naction = \"drop\"\n");
    let ssh = rule("protocol = \"tcp\"\ndst-port = 22");
    let warning = one(&ssh);
    assert!(
        warning.starts_with(
            "8:1: warning: rule `rule 1` matches nothing: such packets are exempt from the rules; "
        ),
        "{warning}"
    );
    let warning = one(&format!("{ssh}{ssh}"));
    assert!(warning.contains("rule `rule 1` and another one match nothing"));
    for reached in [
        rule("protocol = \"tcp\"\ndst-port = [22, 23]"),
        rule("protocol = \"udp\"\ndst-port = 22"),
        rule("dst-port = 22"),
        rule("protocol = \"tcp\"\ndst-port = \"!22\""),
        format!("[management]\nexempt = false\n{ssh}"),
        format!("[management]\nsrc = \"192.0.2.0/24\"\n{ssh}"),
        format!("[management]\nports = 2222\n{ssh}"),
    ] {
        assert_eq!(found(&around(&reached)), [""; 0], "{reached}");
    }
}

#[test]
fn what_becomes_of_the_exemption_is_told_key_by_key_with_the_names_of_sets() {
    let set = "[set.office]\nprefixes = [\"192.0.2.0/24\"]\n";
    let old = policy(&format!("{set}[management]\nsrc = \"@office\"\n"));
    let new = policy(&format!(
        "{set}[management]\nexempt = false\n[[rule]]\nsrc = \"@office\"\naction = \"pass\"\n"
    ));
    let told = differences(&old, &new).into_iter();
    let told = told.filter(|one| one.name == "management");
    let told: Vec<Changed> = told.map(|one| one.change).collect();
    let key = |key: &str, before: &str, after: Option<&str>| {
        Changed::Key(
            key.to_owned(),
            Some(before.to_owned()),
            after.map(str::to_owned),
        )
    };
    assert_eq!(
        told,
        [
            key("exempt", "true", Some("false")),
            key("src", "[\"@office\"]", None)
        ]
    );
}
