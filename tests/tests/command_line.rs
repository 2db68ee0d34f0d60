//! The `stormbolt` program as people and scripts meet it.

use serde_json::Value;
use stormbolt::lab::require_root;
use stormbolt_tests::e2e::{Daemon, Lab, policy, policy_file, run};

const CLASSES: &str = "[class.bulk]\nceil = \"40Mbit\"\n\n[[rule]]\nname = \"web\"\n\
    protocol = \"tcp\"\ndst-port = 80\nclass = \"bulk\"\n\n[default]\nclass = \"bulk\"\n";

#[test]
fn wrong_usage_ends_with_2_and_shows_the_way_to_help() {
    for arguments in [
        &[][..],
        &["--no-such-option"],
        &["no-such-command"],
        &["check"],
        &["show", "nothing"],
        &["show", "status", "-o", "xml"],
        &["class", "set", "bulk"],
        &["demo", "--duration", "1"],
    ] {
        let finished = run(arguments).with_code(2);
        assert!(
            finished.stderr.contains("--help"),
            "{arguments:?}: {finished:?}"
        );
        assert_eq!(finished.stdout, "", "{arguments:?}");
    }
}

#[test]
fn without_a_daemon_commands_end_with_69_and_name_the_socket() {
    let file = policy_file(&policy(CLASSES));
    let path = file.path().to_str().unwrap();
    for arguments in [
        &["show", "status"][..],
        &["show", "classes", "-o", "json"],
        &["apply", path],
        &["apply", "--dry-run", path],
        &["class", "set", "bulk", "--weight", "2"],
    ] {
        let finished = run(&[&["--socket", "/nonexistent/socket"], arguments].concat());
        let finished = finished.with_code(69);
        assert!(
            finished.stderr.contains("/nonexistent/socket"),
            "{finished:?}"
        );
        assert!(finished.stderr.contains("stormbolt run"), "{finished:?}");
        assert_eq!(finished.stdout, "", "{arguments:?}");
    }
}

#[test]
fn check_shows_file_line_column_and_the_text_of_every_mistake() {
    let text = policy(
        &CLASSES
            .replace("40Mbit", "40gbps")
            .replace("= 80", "= 80000"),
    );
    let file = policy_file(&text);
    let path = file.path().to_str().unwrap();
    let place = |what: &str| {
        let line = text.lines().position(|line| line.contains(what)).unwrap();
        let column = text.lines().nth(line).unwrap().find("= ").unwrap();
        (line + 1, column + 3)
    };

    let finished = run(&["check", path]).with_code(78);

    for (what, quoted) in [
        ("40gbps", "ceil = \"40gbps\""),
        ("80000", "dst-port = 80000"),
    ] {
        let (line, column) = place(what);
        let found = format!("{path}:{line}:{column}: error");
        assert!(
            finished.stdout.contains(&found),
            "{found} in {}",
            finished.stdout
        );
        assert!(
            finished.stdout.contains(quoted),
            "{quoted} in {}",
            finished.stdout
        );
    }

    let document = run(&["check", "-o", "json", path]).with_code(78).json();
    assert_eq!(
        (&document["version"], &document["valid"]),
        (&1.into(), &false.into())
    );
    let (line, column) = place("40gbps");
    let finding = &document["findings"][0];
    assert_eq!(
        (&finding["line"], &finding["column"]),
        (&line.into(), &column.into())
    );
}

#[test]
fn check_is_content_with_a_valid_policy_and_78_is_for_no_file_too() {
    let file = policy_file(&policy(CLASSES));
    let finished = run(&["check", file.path().to_str().unwrap()]).with_code(0);
    assert!(
        finished
            .stdout
            .ends_with(": valid: 1 interface, 1 class, 1 rule\n"),
        "{finished:?}"
    );

    let finished = run(&["check", "/nonexistent.toml"]).with_code(78);
    assert!(
        finished.stderr.contains("/nonexistent.toml"),
        "{finished:?}"
    );
}

#[test]
fn the_help_of_every_command_has_an_example() {
    for command in [
        &["run"][..],
        &["check"],
        &["apply"],
        &["show"],
        &["show", "status"],
        &["show", "interfaces"],
        &["show", "classes"],
        &["show", "rules"],
        &["show", "cpus"],
        &["class"],
        &["class", "set"],
        &["demo"],
    ] {
        let help = run(&[command, &["--help"]].concat()).with_code(0).stdout;
        assert!(help.contains("Example:\n"), "{command:?}: {help}");
        let example = format!("stormbolt {}", command.join(" "));
        assert!(
            help.matches(&example).count() >= 2,
            "`{example}` and usage in {help}"
        );
    }
    let help = run(&["--help"]).with_code(0).stdout;
    for line in ["sudo stormbolt demo", "Exit codes: 0 done"] {
        assert!(help.contains(line), "{help}");
    }
    let version = run(&["--version"]).with_code(0).stdout;
    assert_eq!(
        version,
        format!("stormbolt {}\n", env!("CARGO_PKG_VERSION"))
    );
}

/// The keys of an object, in any order.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| &**key)
        .collect();
    keys.sort_unstable();
    keys
}

fn sorted(text: &str) -> Vec<&str> {
    let mut words: Vec<_> = text.split_whitespace().collect();
    words.sort_unstable();
    words
}

#[test]
fn json_documents_have_the_documented_keys() {
    if !require_root("json_documents_have_the_documented_keys") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &policy(CLASSES));
    let show = |subject| {
        let document = daemon
            .cli(&["show", subject, "-o", "json"])
            .with_code(0)
            .json();
        assert_eq!(document["version"], 1, "{document}");
        document
    };

    let status = show("status");
    let expected = "version daemon_version pid uptime_seconds generation policy_source \
        interval_milliseconds ticks last_tick_microseconds interface_count class_count rule_count \
        notices";
    assert_eq!(keys(&status), sorted(expected));
    assert_eq!(
        (&status["generation"], &status["rule_count"]),
        (&1.into(), &1.into())
    );

    let interfaces = show("interfaces");
    assert_eq!(keys(&interfaces), ["interfaces", "version"]);
    let expected = "name ifindex mode capacity_bits_per_second received_packets received_bytes \
        outcomes";
    assert_eq!(keys(&interfaces["interfaces"][0]), sorted(expected));
    assert_eq!(interfaces["interfaces"][0]["ifindex"], lab.eth0.ifindex());
    let outcome = &interfaces["interfaces"][0]["outcomes"][0];
    assert_eq!(keys(outcome), ["bytes", "dropped", "outcome", "packets"]);

    let classes = show("classes");
    assert_eq!(keys(&classes), ["classes", "version"]);
    let expected = "name interface priority guarantee_bits_per_second ceil_bits_per_second \
        rate_bits_per_second offered_bits_per_second passed_bits_per_second passed_packets \
        passed_bytes dropped_packets dropped_bytes cpus";
    assert_eq!(keys(&classes["classes"][0]), sorted(expected));
    assert_eq!(classes["classes"][0]["ceil_bits_per_second"], 40_000_000);

    let rules = show("rules");
    assert_eq!(keys(&rules), ["rules", "version"]);
    assert_eq!(
        keys(&rules["rules"][0]),
        sorted("position name matches action packets bytes")
    );
    assert_eq!(rules["rules"][0]["name"], "web");

    let cpus = show("cpus");
    assert_eq!(keys(&cpus), ["cpus", "version"]);
    let expected = "cpu received_packets received_packets_per_second slots \
        steered_packets_per_second";
    assert_eq!(keys(&cpus["cpus"][0]), sorted(expected));
}

#[test]
fn tables_have_the_names_of_what_they_show_and_no_colour_in_a_pipe() {
    if !require_root("tables_have_the_names_of_what_they_show") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &policy(CLASSES));
    for (subject, words) in [
        ("status", &["generation 1", "1 rule"][..]),
        ("interfaces", &["eth0", "native", "10Gbit"]),
        ("classes", &["bulk", "40Mbit"]),
        ("rules", &["web", "tcp", "80"]),
        ("cpus", &["0", "1"]),
    ] {
        let shown = daemon.cli(&["show", subject]).with_code(0).stdout;
        for word in words {
            assert!(shown.contains(word), "{word} in {shown}");
        }
        assert!(!shown.contains('\x1b'), "{shown}");
    }
}
