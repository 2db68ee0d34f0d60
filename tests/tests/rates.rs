//! A class gets its rate and no more, over all CPUs together, as counted and as received.

use stormbolt::lab::require_root;
use stormbolt::lab::traffic::{Pace, UdpSenderOptions};
use stormbolt_tests::e2e::{Daemon, Family, Lab, assert_rate_is_held, policy, until};

const SLOW_PORT: u16 = 7001;
const FAST_PORT: u16 = 7002;
const SLOW_BITS: u64 = 10_000_000;
const FAST_BITS: u64 = 100_000_000;
const PAYLOAD: usize = 1000;

fn two_rates() -> String {
    policy(
        r#"[class.slow]
rate = "10Mbit"
ceil = "10Mbit"
burst = "20ms"

[class.fast]
rate = "100Mbit"
ceil = "100Mbit"
burst = "20ms"

[class.rest]
priority = 7

[[rule]]
protocol = "udp"
dst-port = 7001
class = "slow"

[[rule]]
protocol = "udp"
dst-port = 7002
class = "fast"

[default]
class = "rest"
"#,
    )
}

/// Packets per second of a sender that offers `percent` of a rate.
fn pace(family: Family, percent: u64, bits_per_second: u64) -> u64 {
    bits_per_second * percent / 100 / (family.layer2_bytes(PAYLOAD) * 8)
}

fn rates_are_held(family: Family) {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &two_rates());
    let receiver = lab.receive(family, &[SLOW_PORT, FAST_PORT]);
    let slow = lab.send(family, SLOW_PORT, PAYLOAD, pace(family, 300, SLOW_BITS));
    let fast = lab.send(family, FAST_PORT, PAYLOAD, pace(family, 220, FAST_BITS));

    assert_rate_is_held(&daemon, "slow", SLOW_BITS, &[&slow]);
    assert_rate_is_held(&daemon, "fast", FAST_BITS, &[&fast]);

    assert_eq!((slow.finish().errors, fast.finish().errors), (0, 0));
    let classes = || ["slow", "fast"].map(|class| daemon.class(class));
    for class in classes() {
        assert_eq!(
            class.passed_bytes,
            class.passed_packets * family.layer2_bytes(PAYLOAD)
        );
    }
    let passed = || classes().map(|class| class.passed_packets);
    let arrived = || -> Vec<u64> {
        let ports = receiver.counters().into_iter();
        ports.map(|port| port.packets + port.overflowed).collect()
    };
    until("the receiver has got what the classes passed", || {
        arrived() == passed()
    });
}

#[test]
fn two_classes_of_ipv4_pass_their_rates_within_two_percent_and_all_of_it_arrives() {
    if require_root("rates over IPv4") {
        rates_are_held(Family::V4);
    }
}

#[test]
fn two_classes_of_ipv6_pass_their_rates_within_two_percent_and_all_of_it_arrives() {
    if require_root("rates over IPv6") {
        rates_are_held(Family::V6);
    }
}

#[test]
fn senders_on_two_cpus_share_one_rate() {
    if !require_root("senders_on_two_cpus_share_one_rate") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &two_rates());
    let _receiver = lab.receive(Family::V4, &[FAST_PORT]);
    let on = |cpu: usize| {
        lab.send_as(&UdpSenderOptions {
            payload_bytes: PAYLOAD,
            pace: Pace::PerSecond(pace(Family::V4, 130, FAST_BITS)),
            source_ports: 8,
            pin: Some(cpu),
            ..Lab::to_port(Family::V4, FAST_PORT)
        })
    };
    let (first, second) = (on(0), on(1));

    assert_rate_is_held(&daemon, "fast", FAST_BITS, &[&first, &second]);

    let received: Vec<u64> = daemon
        .cpus()
        .iter()
        .map(|cpu| cpu.received_packets)
        .collect();
    let all: u64 = received.iter().sum();
    assert!(
        received
            .iter()
            .filter(|&&packets| packets > all / 4)
            .count()
            >= 2,
        "{received:?}"
    );
}
