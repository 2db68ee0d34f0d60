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
        &["explain", "--src", "10.0.0.1"],
        &["set", "add", "blocked"],
        &["rule", "add", "web", "dst-port"],
        &["rule", "move", "web"],
        &["rollback", "web"],
        &["apply", "--confirm", "0s", "web.toml"],
        &["apply", "--confirm", "9s", "--dry-run", "web.toml"],
        &["run", "--table-memory", "1B"],
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
        &["explain", "--src", "::1", "--dst", "::2", "--dst-port", "5"],
        &["set", "del", "blocked", "::1"],
        &["rule", "del", "web"],
        &["diff", path],
        &["confirm"],
        &["rollback"],
        &["rollback", "3"],
        &["reload"],
        &["export"],
        &["show", "history"],
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

/// A policy with a set out of a file that rules negate, and the folder that it is in.
fn with_set_file(prefixes: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("bogons.txt"), prefixes).expect("the file is written");
    let path = folder.path().join("policy.toml");
    let text = policy(CLASSES).replace("protocol = ", "src = \"!@bogons\"\nprotocol = ");
    std::fs::write(
        &path,
        format!("{text}\n[set.bogons]\nfile = \"bogons.txt\"\n"),
    )
    .expect("the file is written");
    let path = path.to_str().expect("the path is text").to_owned();
    (folder, path)
}

#[test]
fn check_shows_the_file_of_a_set_with_line_and_column_of_a_mistake() {
    let (folder, path) = with_set_file("10.0.0.0/8\n\n  10.0.0.0/33 # too long\n");
    let file = folder.path().join("bogons.txt");
    let finished = run(&["check", &path]).with_code(78);
    let place = format!("{}:3:3: error: `10.0.0.0/33` is not", file.display());
    assert!(finished.stdout.contains(&place), "{finished:?}");

    let document = run(&["check", "-o", "json", &path]).with_code(78).json();
    let finding = &document["findings"][0];
    assert_eq!(finding["file"], file.to_str().unwrap());
    assert_eq!(
        (&finding["line"], &finding["column"]),
        (&3.into(), &3.into())
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
        &["show", "sets"],
        &["show", "cpus"],
        &["class"],
        &["class", "set"],
        &["explain"],
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
        passed_bytes dropped_packets dropped_bytes ahead_packets marked_packets cpus";
    assert_eq!(keys(&classes["classes"][0]), sorted(expected));
    assert_eq!(classes["classes"][0]["ceil_bits_per_second"], 40_000_000);

    let sources = show("sources");
    assert_eq!(keys(&sources), ["classes", "sources", "version"]);

    let rules = show("rules");
    assert_eq!(keys(&rules), ["built_in", "rules", "version"]);
    for rules in [&rules["rules"], &rules["built_in"]] {
        assert_eq!(
            keys(&rules[0]),
            sorted("position name matches action packets bytes")
        );
    }
    assert_eq!(rules["rules"][0]["name"], "web");

    let question = "explain -o json --src ::1 --dst ::2 --dst-port 80";
    let question: Vec<&str> = question.split_whitespace().collect();
    let answer = daemon.cli(&question).with_code(0).json();
    let expected = "version generation interface frame packet decided_by rule action class \
        not_classified rules_before near_misses others headroom per_source_bits_per_second steering \
        disagreement";
    assert_eq!(keys(&answer), sorted(expected));
    let expected = "src dst protocol src_port dst_port dscp vlan tcp_flags icmp_type fragment \
        length_bytes";
    assert_eq!(keys(&answer["packet"]), sorted(expected));
    let expected = "rate_bits_per_second passed_bits_per_second left_bits_per_second bucket_bytes \
        burst_bytes leased_bytes passes_now";
    assert_eq!(keys(&answer["headroom"]), sorted(expected));
    assert_eq!(keys(&answer["steering"]), ["cpu", "cpus"]);

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

#[test]
fn a_set_out_of_a_file_is_applied_listed_and_exported_and_only_its_changes_are_told() {
    if !require_root("a_set_out_of_a_file_is_applied_listed_and_exported") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &policy(CLASSES));
    let (folder, path) = with_set_file("10.0.0.0/8\n192.0.2.1\n2001:db8::/32\n");
    let applied = daemon.cli(&["apply", &path]).with_code(0).stdout;
    assert_eq!(
        applied,
        "set bogons: defined with 3 prefixes\napplied, generation 2\n"
    );
    std::fs::write(folder.path().join("bogons.txt"), "10.0.0.0/8\n::1\n::2\n").unwrap();
    let dry_run = daemon
        .cli(&["apply", "--dry-run", &path])
        .with_code(0)
        .stdout;
    let changes = "set bogons: 2 prefixes would be added, 2 would be removed\n";
    assert!(dry_run.starts_with(changes), "{dry_run}");

    let sets = daemon
        .cli(&["show", "sets", "-o", "json"])
        .with_code(0)
        .json();
    assert_eq!(keys(&sets), ["sets", "version"]);
    let set = &sets["sets"][0];
    assert_eq!(keys(set), sorted("name ipv4_prefixes ipv6_prefixes rules"));
    assert_eq!(
        (&set["ipv4_prefixes"], &set["ipv6_prefixes"]),
        (&2.into(), &1.into())
    );
    assert_eq!(set["rules"][0], "web");
    let rules = daemon.cli(&["show", "rules"]).with_code(0).stdout;
    assert!(rules.contains("src=!@bogons"), "{rules}");
    let exported = daemon.client().policy().unwrap();
    assert!(
        exported.contains("[set.bogons]\nprefixes = [\"10.0.0.0/8\","),
        "{exported}"
    );
}

#[test]
fn the_daemon_reads_the_files_of_sets_beside_its_own_policy_file() {
    if !require_root("the_daemon_reads_the_files_of_sets") {
        return;
    }
    let lab = Lab::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "10.0.0.0/8\n").unwrap();
    let set = format!("[set.a]\nfile = \"{}\"\n", file.path().display());
    let daemon = Daemon::start(&lab, &policy(&format!("{CLASSES}{set}")));
    let sets = daemon.cli(&["show", "sets"]).with_code(0).stdout;
    assert!(
        sets.lines()
            .any(|line| line.split_whitespace().eq(["a", "1", "0", "-"])),
        "{sets}"
    );
}
