//! Every packet is counted once: in its class, its rule and its outcome.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use stormbolt::api::documents::InterfaceStatus;
use stormbolt::lab::require_root;
use stormbolt_tests::e2e::{Daemon, Family, HOST, Lab, policy, until};

/// A second address of the senders, in the prefix that a rule looks for.
const OFFICE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 65));
/// Expedited forwarding (RFC 3246), as the whole TOS byte.
const EXPEDITED: u8 = 46 << 2;
const PAYLOAD: usize = 100;

const RULES: &str = r#"[class.voice]
[class.office]
[class.game]
[class.rest]

[set.office]
prefixes = ["10.9.0.64/26"]

[[rule]]
name = "by dscp"
dscp = "ef"
class = "voice"

[[rule]]
name = "by prefix"
src = ["@office"]
class = "office"

[[rule]]
name = "by port"
protocol = "udp"
dst-port = ["9000-9009"]
class = "game"

[[rule]]
name = "refused"
protocol = "udp"
dst-port = 9100
action = "drop"

[[rule]]
name = "untouched"
protocol = "udp"
dst-port = 9200
action = "pass"

[default]
class = "rest"
"#;

/// Packets to one port, and what they are sent as.
struct Batch {
    source: IpAddr,
    port: u16,
    tos: u8,
    packets: u64,
}

fn send(lab: &Lab, batch: &Batch) -> anyhow::Result<()> {
    let open = || UdpSocket::bind(SocketAddr::new(batch.source, 0));
    let socket = lab.senders.run(open)??;
    setsockopt(&socket, sockopt::Ipv4Tos, &i32::from(batch.tos))?;
    for packet in 0..batch.packets {
        socket.send_to(&[0; PAYLOAD], (HOST.0, batch.port))?;
        // Below the length of the link's queue.
        if packet % 64 == 63 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

fn assert_classes_and_rules_have_counted(daemon: &Daemon) {
    for (class, packets) in [("voice", 300), ("office", 500), ("game", 700)] {
        let counted = daemon.class(class);
        assert_eq!(
            (counted.passed_packets, counted.dropped_packets),
            (packets, 0),
            "{class}"
        );
        let bytes = packets * Family::V4.layer2_bytes(PAYLOAD);
        assert_eq!(counted.passed_bytes, bytes, "{class}");
    }
    let rules: Vec<_> = daemon
        .rules()
        .into_iter()
        .map(|rule| (rule.name, rule.packets))
        .collect();
    let expected = [
        ("by dscp", 300),
        ("by prefix", 500),
        ("by port", 700),
        ("refused", 1100),
        ("untouched", 1300),
    ];
    assert_eq!(
        rules,
        expected.map(|(name, packets)| (name.to_owned(), packets))
    );
}

/// Frames by outcome.
fn outcomes_since(daemon: &Daemon, before: &InterfaceStatus) -> Vec<(String, u64)> {
    let pairs = before.outcomes.iter().zip(daemon.eth0().outcomes);
    pairs
        .map(|(old, new)| (new.outcome, new.packets - old.packets))
        .collect()
}

#[test]
fn packets_are_counted_in_their_class_rule_and_outcome_and_nowhere_else() {
    if !require_root("packets_are_counted_in_their_class_rule_and_outcome") {
        return;
    }
    let lab = Lab::new();
    lab.uplink.add_address(OFFICE, 24).unwrap();
    let daemon = Daemon::start(&lab, &policy(RULES));
    let sink = lab.receive(Family::V4, &[9000, 9100, 9200, 9300]);
    let device_before = lab.eth0.counters().unwrap();
    let before = daemon.eth0();
    let senders = Family::V4.sender();
    for (source, port, tos, packets) in [
        (OFFICE, 9000, EXPEDITED, 300),
        (OFFICE, 9000, 0, 500),
        (senders, 9000, 0, 700),
        (senders, 9100, 0, 1100),
        (senders, 9200, 0, 1300),
        (senders, 9300, 0, 1700),
    ] {
        send(
            &lab,
            &Batch {
                source,
                port,
                tos,
                packets,
            },
        )
        .unwrap();
    }
    until("the program has seen the last packet", || {
        daemon.class("rest").passed_packets >= 1700
    });

    assert_classes_and_rules_have_counted(&daemon);
    let received =
        || lab.eth0.counters().unwrap().received_packets - device_before.received_packets;
    until("each frame is in one outcome", || {
        let outcomes = outcomes_since(&daemon, &before);
        outcomes.iter().map(|(_, packets)| packets).sum::<u64>() == received()
    });
    for (outcome, packets) in outcomes_since(&daemon, &before) {
        let expected = match outcome.as_str() {
            "rule_dropped" => 1100..=1100,
            "rule_passed" => 1300..=1300,
            // IPv6 may have sent something of its own meanwhile (RFC 3810, RFC 4861).
            "class_passed" => 3200..=3220,
            "neighbor_discovery" => 0..=20,
            _ => 0..=0,
        };
        assert!(expected.contains(&packets), "{outcome}: {packets}");
    }
    let arrived = || {
        sink.counters()
            .iter()
            .map(|port| port.packets)
            .collect::<Vec<_>>()
    };
    until("what passed arrives", || arrived() == [1500, 0, 1300, 1700]);
}
