//! Never lock the operator out: what `[management]` exempts passes, whatever the rules say.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::cell::Cell;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use stormbolt::api::documents::{RuleStatus, Rules};
use stormbolt::lab::require_root;
use stormbolt::lab::traffic::{TcpRequestOptions, TcpRequests};
use stormbolt_common::Address;
use stormbolt_control::compile::CompileError;
use stormbolt_control::policy::{Accepts, Addresses, Management, Policy, Range, RulesInForce};
use stormbolt_ebpf::classify::{classify, fill};
use stormbolt_ebpf::parse::Headers;
use stormbolt_ebpf::tables::Tables as _;
use stormbolt_tests::e2e::{Daemon, Family, Lab, policy, policy_file, until};
use stormbolt_tests::host_tables::HostTables;
use stormbolt_tests::policies::{INTERFACES, RuleList, rule, rules};
use stormbolt_tests::random::Random;
use stormbolt_tests::reference;
use stormbolt_tests::samples::{Sample, aimed_at};
use stormbolt_tests::tables::{counter_of, of_rules};

const TCP: u8 = 6;

/// Whether packets with these headers are exempt, as the documentation has it.
fn is_exempt(management: &Management, list: &RuleList, headers: &Headers) -> bool {
    let within = |given: &Option<Addresses>, address: &Address| {
        given.as_ref().is_none_or(|given| {
            let written = Ipv6Addr::from(*address);
            let address = written.to_canonical();
            // What is written inside of IPv6 is IPv4, prefixes too.
            let is_mapped = |prefix: &IpNet| address.is_ipv4() && prefix.prefix_len() >= 96;
            let found = given.all_prefixes(&list.sets).any(|prefix| {
                prefix.contains(&address)
                    || (is_mapped(&prefix) && prefix.contains(&IpAddr::V6(written)))
            });
            found != given.negated
        })
    };
    let to_port = headers.ports.is_some_and(|ports| {
        let given = management.ports.any_of.iter();
        given
            .clone()
            .any(|range| range.contains(&ports.destination))
    });
    headers.protocol == TCP
        && to_port
        && within(&management.source, &headers.source)
        && within(&management.destination, &headers.destination)
}

#[test]
fn what_is_exempt_meets_no_rule_and_all_else_the_rule_that_it_met_before() {
    let mut runner = TestRunner::new(Config {
        cases: 200,
        ..Config::default()
    });
    let ports = (any::<u16>(), any::<u16>()).prop_map(|(one, other)| Range {
        first: one.min(other),
        last: one.max(other),
    });
    let management = (rule(), vec(ports, 1..3)).prop_map(|(addresses, ports)| Management {
        exempt: true,
        source: addresses.matches.source,
        destination: addresses.matches.destination,
        ports: Accepts::any_of(ports),
    });
    let (exempted, matched) = (Cell::new(0), Cell::new(0));
    let given = (rules(), management, any::<u64>());
    let result = runner.run(&given, |(list, management, seed)| {
        let policy = Policy {
            management: management.clone(),
            rules: list.rules.clone(),
            ..Policy::empty()
        };
        let in_force = RuleList {
            rules: RulesInForce::of(&policy).all().to_vec(),
            sets: list.sets.clone(),
        };
        let tables = match of_rules(&in_force, &INTERFACES, 2) {
            Ok(tables) => tables,
            Err(CompileError::OverBudget { .. } | CompileError::Entangled { .. }) => {
                return Err(TestCaseError::reject("the rules do not fit"));
            }
            Err(error) => panic!("{error}"),
        };
        let mut host = HostTables::new(0, 0);
        host.install(tables);
        let header = host.policy().expect("a policy is installed");
        let mut random = Random::of(seed);
        for _ in 0..300 {
            let Sample { headers, arrival } = aimed_at(&in_force, &mut random);
            let exempt = is_exempt(&management, &list, &headers);
            let expected = if exempt {
                Some(0)
            } else {
                reference::first_match(&list, &INTERFACES, &headers, arrival).map(|own| own + 1)
            };
            fill(&mut host, &(&headers).into(), arrival);
            let found = classify(&header, &mut host).expect("no table is missing");
            let found = found.map(|rule| rule.counter);
            prop_assert_eq!(found, expected.map(counter_of), "{:?}", headers);
            exempted.set(exempted.get() + u64::from(exempt));
            matched.set(matched.get() + u64::from(!exempt && expected.is_some()));
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(
        exempted.get() > 100 && matched.get() > 100,
        "{exempted:?} {matched:?}"
    );
}

/// A policy whose only rule drops everything.
fn drops_everything(management: &str) -> String {
    policy(&format!(
        "[class.a]\n{management}[[rule]]\nname = \"all\"\naction = \"drop\"\n[default]\nclass = \"a\"\n"
    ))
}

fn requests(lab: &Lab, family: Family, port: u16) -> TcpRequests {
    let client = SocketAddr::new(family.sender(), 0);
    let server = SocketAddr::new(family.host(), port);
    TcpRequests::start(
        &lab.senders,
        &lab.host,
        &TcpRequestOptions::new(client, server),
    )
    .expect("the lab can bind it")
}

fn built_in(daemon: &Daemon) -> Vec<RuleStatus> {
    let rules: Rules = daemon
        .client()
        .get("/v1/rules")
        .expect("the daemon answers");
    rules.built_in
}

fn dropped(daemon: &Daemon) -> u64 {
    daemon.rules()[0].packets
}

#[test]
fn a_policy_that_drops_everything_leaves_ssh_open_until_the_switch_is_thrown() {
    if !require_root("a_policy_that_drops_everything_leaves_ssh_open") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &drops_everything(""));
    let ssh = Family::BOTH.map(|family| requests(&lab, family, 22));
    let telnet = requests(&lab, Family::V4, 23);
    for requests in &ssh {
        until("ssh is answered", || requests.totals().received > 10);
    }
    let before = dropped(&daemon);
    until("telnet is tried", || dropped(&daemon) > before + 2);
    assert_eq!(telnet.totals().received, 0);
    let exemption = &built_in(&daemon)[0];
    assert_eq!(
        (exemption.position, exemption.name.as_str()),
        (0, "management exemption")
    );
    assert!(exemption.packets > 20, "{exemption:?}");

    let off = policy_file(&drops_everything("[management]\nexempt = false\n"));
    daemon
        .cli(&["apply", off.path().to_str().unwrap()])
        .with_code(0);
    assert_eq!(built_in(&daemon), []);
    // What was on its way when the policy changed has arrived.
    let since = dropped(&daemon);
    until("ssh is dropped", || dropped(&daemon) > since + 5);
    let answered = ssh.each_ref().map(|requests| requests.totals().received);
    let since = dropped(&daemon);
    until("ssh is dropped again", || dropped(&daemon) > since + 5);
    assert_eq!(
        ssh.each_ref().map(|requests| requests.totals().received),
        answered
    );

    let elsewhere = "[management]\nsrc = [\"10.9.0.0/24\", \"192.0.2.0/24\"]\nports = [22, 23]\n";
    let on = policy_file(&drops_everything(elsewhere));
    daemon
        .cli(&["apply", on.path().to_str().unwrap()])
        .with_code(0);
    until("telnet is answered", || telnet.totals().received > 10);
    let [over_ipv4, over_ipv6] = ssh;
    until("ssh is answered", || {
        over_ipv4.totals().received > answered[0] + 10
    });
    assert_eq!(over_ipv6.totals().received, answered[1], "from elsewhere");
}

#[test]
fn the_exemption_is_shown_and_explained_and_shifts_no_rule() {
    if !require_root("the_exemption_is_shown_and_explained") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(
        &lab,
        &drops_everything("[management]\nsrc = \"10.9.0.0/24\"\n"),
    );
    let explain = |words: &str| {
        let words = words.split_whitespace();
        let arguments: Vec<&str> = ["explain"].into_iter().chain(words).collect();
        daemon.cli(&arguments).with_code(0)
    };
    let ssh = "--dst 10.9.0.2 --dst-port 22";
    let answer = explain(&format!("--src 10.9.0.7 {ssh} -o json")).json();
    assert_eq!(
        [
            &answer["decided_by"],
            &answer["action"],
            &answer["rule"]["name"]
        ],
        ["built-in", "pass", "management exemption"],
        "{answer}"
    );
    assert_eq!(answer["disagreement"], serde_json::Value::Null);
    let text = explain(&format!("--src 10.9.0.7 {ssh}")).stdout;
    assert!(
        text.starts_with("built in: management exemption → passed, in no class\n"),
        "{text}"
    );
    assert!(text.contains("`[management]`"), "{text}");

    // From elsewhere: the rule of the policy is number 1, and it is said why the exemption does not hold.
    let answer = explain(&format!("--src 192.0.2.1 {ssh} -o json")).json();
    assert_eq!(
        [&answer["rule"]["position"], &answer["rules_before"]],
        [&1.into(), &serde_json::Value::from(0)]
    );
    let near = &answer["near_misses"][0];
    assert_eq!(
        [&near["name"], &near["failed"][0]["field"]],
        ["management exemption", "src"],
        "{answer}"
    );
    // Whoever asks about something else does not hear of it.
    let answer = explain("--src 192.0.2.1 --dst 10.9.0.2 --dst-port 80 -o json").json();
    assert_eq!(answer["near_misses"], serde_json::json!([]));

    let shown = daemon.cli(&["show", "rules"]).with_code(0).stdout;
    let words: Vec<Vec<&str>> = shown
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(words[1][..3], ["-", "management", "exemption"], "{shown}");
    assert_eq!(words[2][..3], ["1", "all", "any"], "{shown}");

    // What it takes away or puts first, it cannot remove it.
    daemon
        .cli(&[
            "rule",
            "add",
            "ssh",
            "--position",
            "1",
            "protocol=tcp",
            "dst-port=22",
            "action=drop",
        ])
        .with_code(0);
    let answer = explain(&format!("--src 10.9.0.7 {ssh} -o json")).json();
    assert_eq!(answer["decided_by"], "built-in");
    daemon
        .cli(&["rule", "del", "management exemption"])
        .with_code(1);
    let answer = explain(&format!("--src 192.0.2.1 {ssh} -o json")).json();
    assert_eq!(answer["rule"]["name"], "ssh");
}
