//! `stormbolt set` and `stormbolt rule`, from their arguments to the policy in force.

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
