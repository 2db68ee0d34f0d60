//! The policy changes under traffic: as a whole, at once, and not at all when it is not valid.

use stormbolt::lab::require_root;
use stormbolt_tests::e2e::{Daemon, Family, Lab, assert_rate_is_held, policy, policy_file, until};

const PORT: u16 = 7001;
const PAYLOAD: usize = 1000;

fn bulk_at(ceil: &str) -> String {
    policy(&format!(
        "[class.bulk]\nceil = \"{ceil}\"\nburst = \"20ms\"\n\n[default]\nclass = \"bulk\"\n"
    ))
}

#[test]
fn rates_follow_the_policy_under_traffic_and_no_packet_is_without_one() {
    if !require_root("rates_follow_the_policy_under_traffic") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &bulk_at("40Mbit"));
    let _receiver = lab.receive(Family::V4, &[PORT]);
    let unconfigured = daemon.outcome("unconfigured");
    let sender = lab.send(Family::V4, PORT, PAYLOAD, 12_000);
    assert_rate_is_held(&daemon, "bulk", 40_000_000, &[&sender]);
    let generation = daemon.status().generation;

    let half = policy_file(&bulk_at("20Mbit"));
    let applied = daemon
        .cli(&["apply", half.path().to_str().unwrap()])
        .with_code(0);
    assert_eq!(
        applied.stdout,
        format!("applied, generation {}\n", generation + 1)
    );
    assert_rate_is_held(&daemon, "bulk", 20_000_000, &[&sender]);

    daemon
        .cli(&["class", "set", "bulk", "--ceil", "30Mbit"])
        .with_code(0);
    assert_rate_is_held(&daemon, "bulk", 30_000_000, &[&sender]);

    assert_eq!(daemon.status().generation, generation + 2);
    assert_eq!(daemon.outcome("unconfigured"), unconfigured);
}

#[test]
fn one_rule_and_one_prefix_change_what_happens_to_traffic_that_flows() {
    if !require_root("one_rule_and_one_prefix_change_what_happens") {
        return;
    }
    let lab = Lab::new();
    let rest = "[class.bulk]\n\n[set.blocked]\nprefixes = [\"192.0.2.0/24\"]\n\n\
                [[rule]]\nname = \"blocked\"\nsrc = \"@blocked\"\naction = \"drop\"\n\n\
                [default]\nclass = \"bulk\"\n";
    let daemon = Daemon::start(&lab, &policy(rest));
    let _receiver = lab.receive(Family::V4, &[PORT]);
    let _sender = lab.send(Family::V4, PORT, 100, 1000);
    let packets = |name: &str| {
        let rules = daemon.rules();
        let found = rules.iter().find(|rule| rule.name == name);
        found.map_or(0, |rule| rule.packets)
    };
    let edit = |arguments: &[&str]| daemon.cli(arguments).with_code(0).stdout;
    until("traffic flows", || daemon.class("bulk").passed_packets > 0);
    assert_eq!(packets("blocked"), 0);

    edit(&["set", "add", "blocked", "0.0.0.0/0"]);
    until("the set drops it", || packets("blocked") > 0);

    let port = format!("dst-port={PORT}");
    let text = edit(&[
        "rule",
        "add",
        "ours",
        "--before",
        "blocked",
        &port,
        "action=pass",
    ]);
    assert!(
        text.starts_with("rule ours added at position 1\n"),
        "{text}"
    );
    until("the rule passes it", || packets("ours") > 0);
    let (ours, blocked) = (packets("ours"), packets("blocked"));

    edit(&["rule", "move", "ours", "--after", "blocked"]);
    until("the set drops it again", || packets("blocked") > blocked);
    assert!(
        packets("ours") >= ours,
        "a rule that moves keeps its counter"
    );
    edit(&["rule", "del", "blocked"]);
    until("the rule passes it again", || packets("ours") > ours);

    edit(&["rule", "set", "ours", "dst-port=1"]);
    let passed = daemon.class("bulk").passed_packets;
    until("no rule has it", || {
        daemon.class("bulk").passed_packets > passed
    });
    assert_eq!(packets("ours"), 0, "it matches something else now");
}

#[test]
fn counters_of_a_class_and_its_outcomes_survive_many_changes_under_traffic() {
    const CHANGES: u32 = 50;
    if !require_root("counters_survive_many_changes_under_traffic") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &bulk_at("1Gbit"));
    let receiver = lab.receive(Family::V4, &[PORT]);
    let generation = daemon.status().generation;
    let unconfigured = daemon.outcome("unconfigured");
    let sender = lab.send(Family::V4, PORT, 100, 5000);
    for change in 0..CHANGES {
        let other = if change % 2 == 0 { "2Gbit" } else { "1Gbit" };
        daemon
            .client()
            .put_policy("test", bulk_at(other), false)
            .unwrap();
    }
    until("enough has come", || sender.totals().sent_packets > 2000);
    let sent = sender.finish().sent_packets;

    until("all packets arrive", || {
        receiver.counters()[0].packets == sent
    });
    assert_eq!(daemon.status().generation, generation + CHANGES);
    let class = daemon.class("bulk");
    // What IPv6 sends of its own is in the class too.
    assert!(
        (sent..sent + 20).contains(&class.passed_packets),
        "{sent} sent: {class:?}"
    );
    assert_eq!(class.dropped_packets, 0);
    assert_eq!(daemon.outcome("unconfigured"), unconfigured);
}

#[test]
fn what_is_not_valid_or_only_tried_changes_nothing() {
    if !require_root("what_is_not_valid_or_only_tried_changes_nothing") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &bulk_at("40Mbit"));
    let (before, text) = (daemon.status(), daemon.client().policy().unwrap());

    let invalid = policy_file(&bulk_at("40mbps"));
    let refused = daemon
        .cli(&["apply", invalid.path().to_str().unwrap()])
        .with_code(78);
    assert!(refused.stderr.contains("ceil = \"40mbps\""), "{refused:?}");

    let absent = policy_file(&bulk_at("20Mbit").replace("eth0", "eth7"));
    let refused = daemon
        .cli(&["apply", absent.path().to_str().unwrap()])
        .with_code(1);
    assert!(
        refused.stderr.contains("there is no interface `eth7`"),
        "{refused:?}"
    );

    let valid = policy_file(&bulk_at("20Mbit"));
    let tried = daemon
        .cli(&["apply", "--dry-run", valid.path().to_str().unwrap()])
        .with_code(0);
    assert!(tried.stdout.contains("nothing applied"), "{tried:?}");

    let refused = daemon
        .cli(&["class", "set", "bulk", "--ceil", "4mbps"])
        .with_code(78);
    assert!(
        refused.stderr.contains("`mbps` is not a unit"),
        "{refused:?}"
    );
    let refused = daemon
        .cli(&["class", "set", "blk", "--ceil", "1Mbit"])
        .with_code(1);
    assert!(
        refused.stderr.contains("did you mean `bulk`"),
        "{refused:?}"
    );

    let after = daemon.status();
    assert_eq!(after.generation, before.generation);
    assert_eq!(after.policy_source, before.policy_source);
    assert_eq!(daemon.client().policy().unwrap(), text);
    assert_eq!(daemon.class("bulk").ceil_bits_per_second.0, 40_000_000);
}
