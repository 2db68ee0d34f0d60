//! `stormbolt set` and `stormbolt rule`, from their arguments to the policy in force.

use serde_json::{Value, json};

use super::tests::{PLAIN, run};
use super::{Exit, exit};
use crate::api::test_server::Server;
use crate::config;
use crate::daemon::fake::POLICY;

fn with_set() -> Server {
    let server = Server::start();
    let set = "[set.blocked]\nprefixes = [\"10.0.0.0/8\"]\n\
               [[rule]]\nname = \"blocked\"\nsrc = \"@blocked\"\naction = \"drop\"\n[default]";
    let text = POLICY.replace("[default]", set);
    server.client().put_policy("x", text, false).unwrap();
    server
}

fn done(server: &Server, arguments: &[&str]) -> String {
    let socket = server.socket.to_str().unwrap();
    let (exit, text) = run(&[arguments, &["--socket", socket]].concat());
    assert_eq!(exit.unwrap(), Exit::Done);
    text
}

/// The exit code and what standard error shows.
fn failed(server: &Server, arguments: &[&str]) -> (u8, String) {
    let socket = server.socket.to_str().unwrap();
    let (exit, _) = run(&[arguments, &["--socket", socket]].concat());
    let error = exit.unwrap_err();
    (Exit::of(&error).code(), exit::explained(&error, PLAIN))
}

#[test]
fn prefixes_of_arguments_and_files_are_added_and_deleted_and_counted() {
    let server = with_set();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "# a feed\n192.0.2.0/24\n\n::1 # me\n").unwrap();
    let path = file.path().to_str().unwrap();
    let text = done(
        &server,
        &["set", "add", "blocked", "10.0.0.0/8", "--file", path],
    );
    let expected = "1 prefix was there already\nset blocked: 2 prefixes added, 0 removed\n\
                    applied, generation 3\n";
    assert_eq!(text, expected);
    let text = done(&server, &["set", "del", "blocked", "::1", "::2", "::3"]);
    let expected = "2 prefixes were not there\nset blocked: 0 prefixes added, 1 removed\n\
                    applied, generation 4\n";
    assert_eq!(text, expected);
    let text = done(&server, &["set", "del", "blocked", "::1"]);
    let expected = "1 prefix was not there\nnothing to change: generation 4 stays in force\n";
    assert_eq!(text, expected);
}

#[test]
fn a_bad_prefix_is_shown_where_it_stands() {
    let server = with_set();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "192.0.2.0/24\n192.0.2.0-9\n").unwrap();
    let path = file.path().to_str().unwrap();
    let (code, text) = failed(&server, &["set", "add", "blocked", "--file", path]);
    let expected = format!("{path}:2:1: error: `192.0.2.0-9` is not an address or a prefix\n");
    assert!(code == 78 && text.starts_with(&expected), "{code} {text}");
    let (code, text) = failed(&server, &["set", "add", "blocked", "::1", "x"]);
    let expected = "error: set `blocked` cannot be changed so: 1 error\n  \
                    error: prefix 2 to add: `x` is not an address or a prefix\n    help: write";
    assert!(code == 78 && text.starts_with(expected), "{code} {text}");
    let (code, text) = failed(
        &server,
        &["set", "add", "blocked", "--file", "/nonexistent"],
    );
    assert!(
        code == 1 && text.contains("cannot read `/nonexistent`"),
        "{code} {text}"
    );
}

#[test]
fn a_rule_lives_from_add_to_del() {
    let server = with_set();
    let add = [
        "rule",
        "add",
        "calls",
        "--before",
        "blocked",
        "src=!@blocked,!::1",
        "protocol=udp",
        "dst-port=5060",
        "dst-port=16384-32767",
        "class=gold",
    ];
    let text = done(&server, &add);
    assert_eq!(
        text,
        "rule calls added at position 2\napplied, generation 3\n"
    );
    let text = done(
        &server,
        &["rule", "set", "calls", "action=drop", "--unset", "src"],
    );
    assert_eq!(text, "rule calls is at position 2\napplied, generation 4\n");
    let policy = server.client().policy().unwrap();
    let expected = "[[rule]]\nname = \"calls\"\ndst-port = [5060, \"16384-32767\"]\n\
                    protocol = [\"udp\"]\naction = \"drop\"\n";
    assert!(policy.contains(expected), "{policy}");
    config::parse("whole", &policy).unwrap();
    let text = done(&server, &["rule", "move", "calls", "--after", "blocked"]);
    assert_eq!(text, "rule calls is at position 3\napplied, generation 5\n");
    let text = done(&server, &["rule", "del", "calls"]);
    assert_eq!(
        text,
        "rule calls deleted from position 3\napplied, generation 6\n"
    );
}

#[test]
fn what_is_wrong_with_a_rule_is_explained() {
    let server = with_set();
    let (code, text) = failed(
        &server,
        &["rule", "add", "new", "dst-port=80000", "class=gold"],
    );
    let expected = "error: rule `new` cannot be added: 1 error\n  \
                    error: port `80000` is not an integer from 0 to 65535\n";
    assert_eq!((code, text.as_str()), (78, expected));
    let (code, text) = failed(&server, &["rule", "del", "bloked"]);
    let expected = "error: there is no rule `bloked`; did you mean `blocked`?\n";
    assert_eq!((code, text.as_str()), (1, expected));
}

#[test]
fn a_policy_that_asks_for_more_memory_than_was_allocated_is_applied_with_a_warning() {
    let server = with_set();
    let file = tempfile::NamedTempFile::new().unwrap();
    let asks = |memory: &str| format!("{POLICY}[tables]\nmemory = \"{memory}\"\n");
    std::fs::write(file.path(), asks("1.5MiB")).unwrap();
    let path = file.path().to_str().unwrap();
    let warning = "  warning: the policy asks for 1536KiB of table memory, but has 1MiB: that was \
                   allocated when the daemon started\n    help: start the daemon again with \
                   --table-memory 1536KiB, or with this policy in its own file and without that option\n";
    let text = done(&server, &["apply", "--dry-run", path]);
    assert!(text.starts_with(warning), "{text}");
    let text = done(&server, &["apply", path]);
    assert!(text.starts_with(warning), "{text}");
    assert!(text.ends_with("applied, generation 3\n"), "{text}");
    done(&server, &["class", "set", "bulk", "--weight", "7"]);
    let policy = server.client().policy().unwrap();
    assert!(
        policy.contains("[tables]\nmemory = \"1536KiB\"\n"),
        "{policy}"
    );
    std::fs::write(file.path(), asks("1MiB")).unwrap();
    assert!(!done(&server, &["apply", path]).contains("warning"));
}

#[test]
fn a_policy_that_asks_for_another_number_of_flows_is_applied_with_a_warning() {
    let server = with_set();
    let file = tempfile::NamedTempFile::new().unwrap();
    let asks = |flows: u32| format!("{POLICY}[tables]\nflows = {flows}\n");
    let path = file.path().to_str().unwrap();
    // More, fewer and none.
    for (generation, flows) in [(3, 1024), (4, 256), (5, 0)] {
        std::fs::write(file.path(), asks(flows)).unwrap();
        let warning = format!(
            "  warning: the policy asks that each CPU remembers {flows} flows, but it remembers 512: \
             that was fixed when the daemon started\n    help: start the daemon again with this policy \
             in its own file\n"
        );
        let text = done(&server, &["apply", "--dry-run", path]);
        assert!(text.starts_with(&warning), "{text}");
        let text = done(&server, &["apply", path]);
        assert!(text.starts_with(&warning), "{text}");
        let end = format!("applied, generation {generation}\n");
        assert!(text.ends_with(&end), "{text}");
    }
    done(&server, &["class", "set", "bulk", "--weight", "7"]);
    let policy = server.client().policy().unwrap();
    assert!(policy.contains("[tables]\nflows = 0\n"), "{policy}");
    std::fs::write(file.path(), asks(512)).unwrap();
    assert!(!done(&server, &["apply", path]).contains("warning"));
    std::fs::write(file.path(), POLICY).unwrap();
    assert!(!done(&server, &["apply", path]).contains("warning"));
}

/// The document that a command prints.
fn document(server: &Server, arguments: &[&str]) -> Value {
    let text = done(server, &[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn with_json_every_change_prints_generation_what_changed_and_warnings() {
    let server = with_set();
    let kind = |document: &Value| document["changes"][0]["change"].clone();
    let added = document(
        &server,
        &["rule", "add", "web", "dst-port=80", "class=gold"],
    );
    let expected = json!({
        "version": 1,
        "generation": 3,
        "changes": [{
            "kind": "rule",
            "name": "web",
            "change": "added",
            "after": "dst-port = [80], class = \"gold\"",
            "position_after": 3,
        }],
        "rule_position": 3,
        "warnings": [],
    });
    assert_eq!(added, expected);
    // Only one of the rules that stand elsewhere now has moved.
    let moved = document(&server, &["rule", "move", "web", "--position", "1"]);
    let expected = json!([{
        "kind": "rule",
        "name": "web",
        "change": "moved",
        "position_before": 3,
        "position_after": 1,
    }]);
    assert_eq!(moved["changes"], expected);
    let set = document(&server, &["rule", "set", "web", "class=bulk"]);
    assert_eq!(
        (&set["generation"], kind(&set)),
        (&5.into(), "changed".into())
    );
    assert_eq!(kind(&document(&server, &["rule", "del", "web"])), "removed");

    let set = document(&server, &["class", "set", "bulk", "--ceil", "500Mbit"]);
    let expected = json!([{
        "kind": "class",
        "name": "bulk",
        "change": "changed",
        "key": "ceil",
        "before": "800Mbit",
        "after": "500Mbit",
    }]);
    assert_eq!(set["changes"], expected);
    let set = document(
        &server,
        &["set", "add", "blocked", "192.0.2.0/24", "10.0.0.0/8"],
    );
    assert_eq!(set["changed_sets"][0]["added_prefixes"], 1);
    assert_eq!(set["unchanged_prefixes"], 1);
    let set = document(&server, &["set", "del", "blocked", "192.0.2.0/24"]);
    assert_eq!(set["changed_sets"][0]["removed_prefixes"], 1);

    let back = document(&server, &["rollback"]);
    assert_eq!(back["changed_sets"][0]["added_prefixes"], 1);
    let back = document(&server, &["rollback", "3"]);
    assert_eq!(back["changes"][0]["key"], "ceil");
    let reloaded = document(&server, &["reload"]);
    assert_eq!(reloaded["generation"], 12);
    assert!(reloaded["warnings"].is_array());
}

#[test]
fn warnings_of_a_file_of_prefixes_are_in_the_document_and_not_before_it() {
    let server = with_set();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "192.0.2.1/24\n").unwrap();
    let path = file.path().to_str().unwrap();
    let added = document(&server, &["set", "add", "blocked", "--file", path]);
    let warning = &added["warnings"][0];
    assert_eq!(warning["line"], 1, "{added}");
    assert!(warning["message"].as_str().unwrap().contains("192.0.2."));
}

#[test]
fn what_waits_to_be_confirmed_is_confirmed_with_a_document() {
    let server = with_set();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), POLICY).unwrap();
    let path = file.path().to_str().unwrap();
    let applied = document(&server, &["apply", "--confirm", "60s", path]);
    assert_eq!(applied["confirm_within_seconds"], 60);
    let expected = json!({"version": 1, "generation": applied["generation"], "warnings": []});
    assert_eq!(document(&server, &["confirm"]), expected);
}

#[test]
fn what_is_wrong_with_the_policy_file_is_shown_with_its_place_when_it_is_read_again() {
    let server = Server::start();
    let config = server.config();
    std::fs::write(&config, POLICY.replace("800Mbit", "800gbps")).unwrap();
    let (code, text) = failed(&server, &["reload"]);
    let config = config.display();
    let expected = format!(
        "error: invalid policy `{config}`: 1 error\n  {config}:13:8: error: `gbps` is not a unit of rates\n    help: "
    );
    assert!(code == 78 && text.starts_with(&expected), "{code} {text}");
}
