//! Changes of rules over a real socket, with a machine without a kernel.

use serde_json::json;
use stormbolt_control::policy::Policy;

use super::client::{Client, ClientError};
use super::documents::{Applied, Problem, RuleChange};
use super::test_server::Server;
use crate::config;
use crate::daemon::fake::POLICY;

const RULES: &str = "[set.office]\nprefixes = [\"10.0.0.0/8\"]\n\
    [[rule]]\nname = \"web\"\nsrc = \"@office\"\nprotocol = \"tcp\"\ndst-port = [80, 443]\nclass = \"bulk\"\n\
    [[rule]]\nprotocol = \"icmp\"\nicmp-type = \"echo-request\"\naction = \"pass\"\n";

/// Rules `rule 1`, `web` and `rule 3`.
fn with_rules() -> (Server, Client) {
    let server = Server::start();
    let client = server.client();
    let text = POLICY.replace("[default]", &format!("{RULES}[default]"));
    client.put_policy("x", text, false).unwrap();
    (server, client)
}

fn in_force(client: &Client) -> Policy {
    let text = client.policy().unwrap();
    config::parse("got", &text).unwrap().policy
}

fn names(client: &Client) -> Vec<String> {
    let policy = in_force(client);
    policy.rules.iter().map(|rule| rule.name.clone()).collect()
}

fn change(document: serde_json::Value) -> RuleChange {
    serde_json::from_value(document).unwrap()
}

fn refused(result: Result<Applied, ClientError>) -> (u16, Problem) {
    match result {
        Err(ClientError::Problem { status, problem }) => (status, problem),
        other => panic!("{other:?}"),
    }
}

/// Status, error and first finding.
fn said(result: Result<Applied, ClientError>) -> (u16, String) {
    let (status, problem) = refused(result);
    let finding = problem.findings.first();
    let finding = finding.map_or_else(String::new, |one| {
        format!(
            "; {}; {}",
            one.message,
            one.help.as_deref().unwrap_or_default()
        )
    });
    (status, problem.error + &finding)
}

#[test]
fn a_rule_comes_to_the_place_that_was_named_and_means_what_it_would_in_a_file() {
    let (_server, client) = with_rules();
    let rule = |name: &str| json!({"name": name, "src": ["!@office", "!::1"], "dst-port": "7-9", "action": "drop"});
    let added = [
        (json!({"rule": rule("last")}), 4),
        (json!({"rule": rule("first"), "position": 1}), 1),
        (json!({"rule": rule("before"), "before": "web"}), 3),
        (json!({"rule": rule("after"), "after": "web"}), 5),
        (json!({"rule": rule("end"), "position": 8}), 8),
    ];
    for (document, position) in added {
        let applied = client.post_rule(&change(document)).unwrap();
        assert_eq!(applied.rule_position, Some(position));
    }
    let expected = [
        "first", "rule 1", "before", "web", "after", "rule 3", "last", "end",
    ];
    assert_eq!(names(&client), expected);
    let text = format!(
        "{}[[rule]]\nname = \"last\"\nsrc = [\"!@office\", \"!::1\"]\ndst-port = \"7-9\"\naction = \"drop\"\n",
        POLICY.replace("[default]", &format!("{RULES}[default]"))
    );
    let expected = config::parse("expected", &text).unwrap().policy;
    assert_eq!(in_force(&client).rules[6], expected.rules[3]);
}

#[test]
fn keys_that_are_not_named_stay_and_a_class_takes_the_place_of_an_action() {
    let (_server, client) = with_rules();
    let document = json!({"rule": {"dst-port": [8080], "src": null, "action": "drop"}});
    let applied = client.patch_rule("web", &change(document)).unwrap();
    assert_eq!((applied.generation, applied.rule_position), (3, Some(2)));
    let text = client.policy().unwrap();
    let expected =
        "[[rule]]\nname = \"web\"\ndst-port = [8080]\nprotocol = [\"tcp\"]\naction = \"drop\"\n";
    assert!(text.contains(expected), "{text}");

    let same = json!({"rule": {"protocol": "tcp"}});
    let applied = client.patch_rule("web", &change(same)).unwrap();
    assert_eq!(applied.generation, 3, "nothing changed");

    let document = json!({"rule": {"class": "gold", "name": "a/b c"}, "position": 1});
    let applied = client.patch_rule("web", &change(document)).unwrap();
    assert_eq!((applied.generation, applied.rule_position), (4, Some(1)));
    assert_eq!(names(&client), ["a/b c", "rule 1", "rule 3"]);
    client.delete_rule("a/b c").unwrap();
    assert_eq!(names(&client), ["rule 1", "rule 3"]);
}

#[test]
fn rules_keep_their_names_when_others_go_or_move() {
    let (_server, client) = with_rules();
    let moves = |name: &str, document| client.patch_rule(name, &change(document)).unwrap();
    moves("rule 3", json!({"before": "rule 1"}));
    assert_eq!(names(&client), ["rule 3", "rule 1", "web"]);
    moves("rule 3", json!({"after": "rule 1"}));
    assert_eq!(names(&client), ["rule 1", "rule 3", "web"]);
    assert_eq!(
        moves("rule 3", json!({"position": 2})).generation,
        4,
        "it stands there"
    );
    assert_eq!(client.delete_rule("rule 1").unwrap().rule_position, Some(1));
    assert_eq!(names(&client), ["rule 3", "web"]);
}

#[test]
fn a_rule_that_is_none_is_refused_like_in_a_file() {
    let (_server, client) = with_rules();
    let before = in_force(&client);
    let add = |rule| said(client.post_rule(&change(json!({ "rule": rule }))));
    let refused = "rule `new` cannot be added: 1 error; ";
    for (rule, message) in [
        (
            json!({"dstport": 80, "class": "gold"}),
            "unknown key `dstport` in `[[rule]]`; did you mean `dst-port`?",
        ),
        (
            json!({"dst-port": 80, "class": "gld"}),
            "there is no class `gld`; did you mean `gold`?",
        ),
        (
            json!({"src": "@ofice", "class": "gold"}),
            "there is no set `ofice`; did you mean `office`?",
        ),
        (
            json!({"src": "10.0.0.0/33", "class": "gold"}),
            "`10.0.0.0/33` is not an address or a prefix; `33` is not a prefix length from 0 to 32",
        ),
        (
            json!({"dst-port": 80}),
            "the rule does nothing; give it `class = \"NAME\"` or `action = \"pass\"` or \"drop\"",
        ),
        (
            json!({"src": {"a": 1}, "class": "gold"}),
            "`src` cannot be a table; ",
        ),
    ] {
        let mut rule = rule;
        rule["name"] = "new".into();
        assert_eq!(add(rule), (422, format!("{refused}{message}")));
    }
    assert_eq!(
        add(json!({"class": "gold"})),
        (422, "a new rule needs a `name`".to_owned())
    );
    let taken = "there is a rule `web` already, at position 2";
    assert_eq!(
        add(json!({"name": "web", "class": "gold"})),
        (409, taken.to_owned())
    );

    let patch = |name: &str, document| said(client.patch_rule(name, &change(document)));
    let message = "there is no rule `wbe`; did you mean `web`?";
    assert_eq!(
        patch("wbe", json!({"position": 1})),
        (404, message.to_owned())
    );
    assert_eq!(said(client.delete_rule("wbe")), (404, message.to_owned()));
    for (document, status, message) in [
        (json!({}), 400, "the change names nothing to change"),
        (
            json!({"before": "web"}),
            422,
            "rule `web` cannot be placed so: it is to stand beside itself",
        ),
        (
            json!({"position": 0}),
            422,
            "rule `web` cannot be placed so: position 0 is not from 1 to 3",
        ),
        (
            json!({"position": 4}),
            422,
            "rule `web` cannot be placed so: position 4 is not from 1 to 3",
        ),
        (
            json!({"before": "rule 1", "after": "rule 1"}),
            400,
            "give one of `before`, `after` and `position`",
        ),
        (
            json!({"rule": {"name": "rule 3"}}),
            422,
            "rule `web` cannot be changed so: there is a rule `rule 3`",
        ),
        (
            json!({"rule": {"class": null}}),
            422,
            "rule `web` cannot be changed so: 1 error; the rule does nothing; give it `class = \"NAME\"` or `action = \"pass\"` or \"drop\"",
        ),
    ] {
        assert_eq!(patch("web", document), (status, message.to_owned()));
    }
    assert_eq!(in_force(&client), before);
}

#[test]
fn a_rule_that_no_packet_gets_to_is_warned_about() {
    let (_server, client) = with_rules();
    let warned = |applied: Applied| applied.warnings.into_iter().map(|one| one.message).next();
    let all = json!({"rule": {"name": "all", "action": "pass"}});
    assert_eq!(warned(client.post_rule(&change(all)).unwrap()), None);
    let applied = client
        .patch_rule("web", &change(json!({"position": 4})))
        .unwrap();
    let message = "rule `web` is unreachable: rule `all` at position 3 takes every packet";
    assert_eq!(warned(applied).as_deref(), Some(message));
    let applied = client
        .patch_rule("all", &change(json!({"position": 1})))
        .unwrap();
    let message = "rule `all` has no match fields: no packet gets to the 3 behind it";
    assert_eq!(warned(applied).as_deref(), Some(message));
}
