//! Changes of sets over a real socket, with a machine without a kernel.

use stormbolt_control::policy::Policy;

use super::client::{Client, ClientError};
use super::documents::{Applied, ChangedSet, Problem, SetChange};
use super::test_server::Server;
use crate::config;
use crate::daemon::fake::POLICY;

const SETS: &str = "[set.blocked]\nprefixes = [\"10.0.0.0/8\", \"2001:db8::/32\"]\n\
    [set.other]\nprefixes = [\"192.0.2.0/24\"]\n\
    [[rule]]\nsrc = [\"@blocked\", \"@other\"]\naction = \"drop\"\n";

fn with_sets() -> (Server, Client) {
    let server = Server::start();
    let client = server.client();
    let text = POLICY.replace("[default]", &format!("{SETS}[default]"));
    client.put_policy("x", text, false).unwrap();
    (server, client)
}

fn change(add: &[&str], remove: &[&str]) -> SetChange {
    let list = |given: &[&str]| given.iter().map(|text| (*text).to_owned()).collect();
    SetChange {
        add: list(add),
        remove: list(remove),
    }
}

fn in_force(client: &Client) -> Policy {
    let text = client.policy().unwrap();
    config::parse("got", &text).unwrap().policy
}

fn prefixes(client: &Client) -> Vec<String> {
    let policy = in_force(client);
    policy.sets[0]
        .prefixes
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn refused(result: Result<Applied, ClientError>) -> (u16, Problem) {
    match result {
        Err(ClientError::Problem { status, problem }) => (status, problem),
        other => panic!("{other:?}"),
    }
}

#[test]
fn prefixes_are_added_and_removed_and_nothing_else_changes() {
    let (_server, client) = with_sets();
    let before = in_force(&client);
    let added = change(
        &["192.0.2.1", "10.0.0.0/8", "::1", "192.0.2.1/32"],
        &["2001:db8::/32"],
    );
    let applied = client.patch_set("blocked", &added).unwrap();
    let changed = ChangedSet {
        name: "blocked".to_owned(),
        change: "changed".to_owned(),
        added_prefixes: 2,
        removed_prefixes: 1,
    };
    assert_eq!(applied.changed_sets, [changed]);
    assert_eq!(
        (applied.generation, applied.unchanged_prefixes),
        (3, Some(1))
    );
    assert_eq!(prefixes(&client), ["10.0.0.0/8", "192.0.2.1/32", "::1/128"]);
    let after = in_force(&client);
    assert_eq!(
        (&after.rules, &after.sets[1]),
        (&before.rules, &before.sets[1])
    );
}

#[test]
fn a_change_that_changes_nothing_makes_no_new_generation() {
    let (_server, client) = with_sets();
    let nothing = change(&["10.0.0.0/8"], &["10.1.0.0/16"]);
    let applied = client.patch_set("blocked", &nothing).unwrap();
    assert_eq!(
        (applied.generation, applied.unchanged_prefixes),
        (2, Some(2))
    );
    assert_eq!(applied.changed_sets, []);
}

#[test]
fn host_bits_are_cleared_and_an_empty_set_is_possible_with_a_warning() {
    let (_server, client) = with_sets();
    let applied = client
        .patch_set("other", &change(&["10.9.9.9/16"], &["192.0.2.0/24"]))
        .unwrap();
    let message = "prefix 1 to add: prefix `10.9.9.9/16` has host bits set";
    assert_eq!(applied.warnings[0].message, message);
    let applied = client
        .patch_set("other", &change(&[], &["10.9.0.0/16"]))
        .unwrap();
    assert_eq!(applied.warnings[0].message, "set `other` is empty now");
    assert!(in_force(&client).sets[1].prefixes.is_empty());
}

#[test]
fn one_bad_prefix_refuses_the_whole_change_and_is_named_by_its_place() {
    let (_server, client) = with_sets();
    let bad = change(&["192.0.2.1", "a\nb", "192.0.2.0/33", "#x"], &[]);
    let (status, problem) = refused(client.patch_set("blocked", &bad));
    assert_eq!(status, 422);
    assert_eq!(
        problem.error,
        "set `blocked` cannot be changed so: 3 errors"
    );
    let messages: Vec<_> = problem
        .findings
        .iter()
        .map(|one| one.message.as_str())
        .collect();
    assert_eq!(
        messages,
        [
            "prefix 2 to add: `a\\nb` is not an address or a prefix",
            "prefix 3 to add: `192.0.2.0/33` is not an address or a prefix",
            "prefix 4 to add: `#x` is not an address or a prefix",
        ]
    );
    let twice = change(&["10.0.0.0/16"], &["10.0.0.1/16"]);
    let (status, problem) = refused(client.patch_set("blocked", &twice));
    let expected =
        "set `blocked` cannot be changed so: `10.0.0.0/16` is both to be added and to be removed";
    assert_eq!((status, problem.error.as_str()), (422, expected));
    assert_eq!(
        refused(client.patch_set("blocked", &change(&[], &[]))).0,
        400
    );
    assert_eq!(prefixes(&client), ["10.0.0.0/8", "2001:db8::/32"]);
}

#[test]
fn an_unknown_set_names_the_one_that_was_meant() {
    let (_server, client) = with_sets();
    let one = change(&["::1"], &[]);
    let (status, problem) = refused(client.patch_set("bloked", &one));
    let expected = "there is no set `bloked`; did you mean `blocked`?";
    assert_eq!((status, problem.error.as_str()), (404, expected));
    let (_, problem) = refused(client.patch_set("x", &one));
    assert_eq!(
        problem.error,
        "there is no set `x`; the sets are `blocked`, `other`"
    );
}

#[test]
fn a_set_beyond_its_limit_is_refused() {
    let (_server, client) = with_sets();
    let addresses = |range: std::ops::Range<u32>| SetChange {
        add: range
            .map(|number| std::net::Ipv4Addr::from(number).to_string())
            .collect(),
        remove: Vec::new(),
    };
    // There are two already.
    client.patch_set("blocked", &addresses(0..999_998)).unwrap();
    let (status, problem) = refused(client.patch_set("blocked", &addresses(999_998..999_999)));
    let expected = "set `blocked` cannot be changed so: it would have 1000001 prefixes, and at most \
                    1000000 fit";
    assert_eq!((status, problem.error.as_str()), (422, expected));
    assert_eq!(in_force(&client).sets[0].prefixes.len(), 1_000_000);
}
