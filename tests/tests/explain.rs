//! `stormbolt explain` against a daemon that runs: what it answers, and that it leaves no trace.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use serde_json::Value;
use stormbolt::api::documents::{Classes, InterfaceStatus};
use stormbolt::lab::require_root;
use stormbolt_tests::e2e::{Daemon, Family, Lab, policy, policy_file, until};

const PORT: u16 = 7001;

/// Rules by addresses, a set, ports, VLAN and family; the interval is so long that the controller
/// changes nothing between two looks.
fn rules() -> String {
    policy(
        "[class.bulk]\nceil = \"100Mbit\"\nburst = \"10s\"\n\n\
         [class.voice]\nrate = \"1Gbit\"\npriority = 0\ncpus = \"0\"\n\n\
         [set.office]\nprefixes = [\"10.9.0.0/24\", \"fd00:9::/64\"]\n\n\
         [[rule]]\nname = \"cameras\"\nvlan = \"100-199\"\nprotocol = \"udp\"\nclass = \"voice\"\n\n\
         [[rule]]\nname = \"sip\"\nsrc = \"@office\"\nprotocol = \"udp\"\n\
         dst-port = \"5060-5070\"\nclass = \"voice\"\n\n\
         [[rule]]\nname = \"telnet\"\nprotocol = \"tcp\"\ndst-port = 23\naction = \"drop\"\n\n\
         [[rule]]\nname = \"echo\"\nprotocol = \"icmpv6\"\nicmp-type = \"echo-request\"\n\
         action = \"pass\"\n\n\
         [default]\nclass = \"bulk\"\n",
    )
    .replace("100ms", "10s")
}

/// Asks; the words are options.
fn explain(daemon: &Daemon, options: &str) -> Value {
    let words = options.split_whitespace();
    let arguments: Vec<&str> = ["explain", "-o", "json"].into_iter().chain(words).collect();
    let answer = daemon.cli(&arguments).with_code(0).json();
    assert_eq!(answer["disagreement"], Value::Null, "{answer}");
    answer
}

/// The names of the rules that came close, each with the fields that failed.
fn near_misses(answer: &Value) -> Vec<String> {
    let misses = answer["near_misses"].as_array().expect("a list");
    let one = |miss: &Value| {
        let failed = miss["failed"].as_array().expect("a list").iter();
        let failed = failed.map(|failed| {
            let text = |key: &str| failed[key].as_str().expect("text").to_owned();
            format!("{} {} not {}", text("field"), text("wants"), text("has"))
        });
        let name = miss["name"].as_str().expect("text");
        format!("{name}: {}", failed.collect::<Vec<_>>().join(", "))
    };
    misses.iter().map(one).collect()
}

fn assert_rule(answer: &Value, position: u64, name: &str) {
    assert_eq!(answer["decided_by"], "rule", "{answer}");
    assert_eq!(
        (&answer["rule"]["position"], &answer["rule"]["name"]),
        (&position.into(), &name.into()),
        "{answer}"
    );
}

#[test]
fn rules_classes_and_reasons_are_told_for_both_families_tags_sets_and_ranges() {
    if !require_root("rules_classes_and_reasons_are_told_for_both_families") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &rules());

    let answer = explain(
        &daemon,
        "--src 10.9.0.7 --dst 10.9.0.2 --protocol udp --dst-port 5065",
    );
    assert_rule(&answer, 2, "sip");
    assert_eq!(answer["class"], "voice");
    assert_eq!(answer["interface"], "eth0");
    assert_eq!(near_misses(&answer), ["cameras: vlan 100-199 not none"]);
    assert_eq!(answer["rules_before"], 1);
    assert_eq!(answer["steering"]["cpu"], 0);
    assert_eq!(answer["headroom"]["passes_now"], true);

    let answer = explain(
        &daemon,
        "--src fd00:9::7 --dst fd00:9::2 --protocol udp --dst-port 5071",
    );
    assert_eq!(
        (&answer["decided_by"], &answer["class"]),
        (&"default".into(), &"bulk".into())
    );
    assert_eq!(answer["rule"], Value::Null);
    assert_eq!(
        near_misses(&answer),
        [
            "cameras: vlan 100-199 not none",
            "sip: dst-port 5060-5070 not 5071",
            "telnet: protocol tcp not udp, dst-port 23 not 5071",
            "echo: protocol icmpv6 not udp, icmp-type 128 not none",
        ]
    );
    assert_eq!(answer["steering"]["cpu"], Value::Null);

    let tagged = "--src 192.0.2.1 --dst 192.0.2.2 --protocol udp --dst-port 1";
    let answer = explain(&daemon, &format!("{tagged} --vlan 150"));
    assert_rule(&answer, 1, "cameras");
    let answer = explain(&daemon, &format!("{tagged} --vlan 99 --limit 1"));
    assert_eq!(near_misses(&answer), ["cameras: vlan 100-199 not 99"]);
    assert_eq!(
        answer["others"],
        serde_json::json!([{"field": "src", "rules": 1}, {"field": "protocol", "rules": 2}])
    );

    let answer = explain(&daemon, "--src 192.0.2.1 --dst 192.0.2.2 --dst-port 23");
    assert_rule(&answer, 3, "telnet");
    assert_eq!(answer["action"], "drop");
    let answer = explain(
        &daemon,
        "--src 2001:db8::1 --dst fd00:9::2 --icmp-type echo-request",
    );
    assert_rule(&answer, 4, "echo");
    assert_eq!(answer["action"], "pass");
    assert_eq!(answer["headroom"], Value::Null);
}

#[test]
fn what_is_not_classified_is_told_by_its_outcome() {
    if !require_root("what_is_not_classified_is_told_by_its_outcome") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &rules());
    let discovery = explain(
        &daemon,
        "--src fe80::1 --dst fe80::2 --icmp-type neighbor-solicitation",
    );
    assert_eq!(discovery["action"], "pass");
    assert_eq!(discovery["not_classified"]["outcome"], "neighbor_discovery");

    let ask_about = |frame: &str| {
        let file = policy_file(frame);
        explain(&daemon, &format!("--frame {}", file.path().display()))
    };
    let addresses = "020000000002 020000000001";
    let arp = ask_about(&format!("{addresses} 0806 {}", "00".repeat(46)));
    assert_eq!(arp["not_classified"]["outcome"], "not_ip");
    assert_eq!(arp["action"], "pass");
    let truncated = ask_about(&format!("{addresses} 0800 45"));
    assert_eq!(truncated["not_classified"]["outcome"], "truncated");
    assert_eq!(truncated["action"], "drop");
    assert_eq!(truncated["decided_by"], "none");
    assert_eq!(truncated["packet"], Value::Null);

    // The same frame from its answer.
    let asked = explain(&daemon, "--src 10.9.0.7 --dst 10.9.0.2 --dst-port 23");
    let again = ask_about(asked["frame"].as_str().expect("text"));
    assert_eq!(again, asked);
}

#[test]
fn asking_changes_no_counter_and_takes_no_token() {
    if !require_root("asking_changes_no_counter_and_takes_no_token") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &rules());
    let _receiver = lab.receive(Family::V4, &[PORT]);
    let sender = lab.send(Family::V4, PORT, 1000, 2000);
    until("traffic is counted", || {
        daemon.class("bulk").passed_packets > 100
    });
    drop(sender);
    // Apart from stragglers of the kernel's own, which are told apart by the second look.
    let state = |daemon: &Daemon| -> (InterfaceStatus, Classes, Vec<u64>) {
        let classes = daemon.client().get("/v1/classes").expect("the classes");
        let rules = daemon.rules().iter().map(|rule| rule.packets).collect();
        (daemon.eth0(), classes, rules)
    };
    let leased = |answer: &Value| answer["headroom"]["leased_bytes"].clone();
    let bulk = "--src 10.9.0.1 --dst 10.9.0.2 --protocol udp --dst-port 7001 --length 1000";
    until(
        "a round of questions stands between two equal looks",
        || {
            let before = state(&daemon);
            let first = explain(&daemon, bulk);
            assert_eq!(first["class"], "bulk");
            for options in [bulk, "--src 10.9.0.1 --dst 10.9.0.2 --dst-port 23"] {
                for _ in 0..5 {
                    explain(&daemon, options);
                }
            }
            let last = explain(&daemon, bulk);
            before == state(&daemon) && leased(&first) == leased(&last)
        },
    );
}

#[test]
fn a_class_that_is_out_of_tokens_says_that_the_packet_would_be_dropped() {
    if !require_root("a_class_that_is_out_of_tokens_says_so") {
        return;
    }
    let slow =
        policy("[class.slow]\nceil = \"8kbit\"\nburst = \"1s\"\n\n[default]\nclass = \"slow\"\n");
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &slow);
    let question = "--src 10.9.0.1 --dst 10.9.0.2 --dst-port 443 --length 1500";
    let passes = |daemon: &Daemon| explain(daemon, question)["headroom"]["passes_now"].clone();
    assert_eq!(passes(&daemon), true);
    let _receiver = lab.receive(Family::V4, &[PORT]);
    let _sender = lab.send(Family::V4, PORT, 1000, 2000);
    until("packets are dropped", || {
        daemon.class("slow").dropped_packets > 0
    });
    assert_eq!(passes(&daemon), false);
}

#[test]
fn wrong_questions_end_with_2_and_unanswerable_ones_with_1() {
    if !require_root("wrong_questions_end_with_2_and_unanswerable_ones_with_1") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &rules());
    let base = ["explain", "--src", "10.9.0.7", "--dst", "10.9.0.2"];
    for (options, message) in [
        (&["--protocol", "icmp", "--dst-port", "5"][..], "--dst-port"),
        (&["--dst-port", "5", "--length", "20"], "--length"),
        (&["--dst-port", "5", "--frame", "-"], "--frame"),
        (&[], "--dst-port"),
    ] {
        let finished = daemon.cli(&[&base[..], options].concat()).with_code(2);
        assert!(finished.stderr.contains(message), "{finished:?}");
        assert!(finished.stderr.contains("--help"), "{finished:?}");
    }
    let options = ["--dst-port", "5", "--interface", "eth7"];
    let finished = daemon.cli(&[&base[..], &options].concat()).with_code(1);
    assert!(finished.stderr.contains("it has `eth0`"), "{finished:?}");
}

#[test]
fn the_table_begins_with_rule_and_class() {
    if !require_root("the_table_begins_with_rule_and_class") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &rules());
    let options = "explain --src 10.9.0.7 --dst 10.9.0.2 --protocol udp --dst-port 5060";
    let arguments: Vec<&str> = options.split_whitespace().collect();
    let finished = daemon.cli(&arguments).with_code(0);
    assert!(
        finished.stdout.starts_with("rule 2 `sip` → class voice\n"),
        "{finished:?}"
    );
    assert!(!finished.stdout.contains('\u{1b}'), "{finished:?}");
    for part in ["cameras", "100-199", "headroom", "cpu       0, of 0"] {
        assert!(finished.stdout.contains(part), "{part}: {finished:?}");
    }
}
