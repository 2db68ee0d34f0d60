//! A CPU that is taken out of service while it polices: what it has leased is lost, and nothing else.

use std::fs;

use stormbolt::lab::require_root;
use stormbolt::lab::traffic::{Pace, UdpSenderOptions};
use stormbolt_tests::e2e::{Daemon, Family, Lab, assert_rate_is_held, policy, until};

const PORT: u16 = 7001;
const BITS_PER_SECOND: u64 = 100_000_000;
const PAYLOAD: usize = 1000;
const SWITCH: &str = "/sys/devices/system/cpu/cpu1/online";

/// CPU 1, out of service until this is dropped.
struct Offline;

impl Offline {
    /// `None`: this machine has no such CPU, or does not let go of it.
    fn take() -> Option<Self> {
        match fs::write(SWITCH, "0") {
            Ok(()) => Some(Self),
            Err(error) => {
                eprintln!("skipped: {SWITCH}: {error}");
                None
            }
        }
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        if let Err(error) = fs::write(SWITCH, "1") {
            eprintln!("CPU 1 stays out of service: {SWITCH}: {error}");
        }
    }
}

#[test]
fn the_rate_is_held_when_a_cpu_goes_and_when_it_comes_back() {
    if !require_root("the_rate_is_held_when_a_cpu_goes") {
        return;
    }
    let rules = "[class.fast]\nrate = \"100Mbit\"\nceil = \"100Mbit\"\nburst = \"20ms\"\n\n\
                 [default]\nclass = \"fast\"\n";
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &policy(rules));
    let _receiver = lab.receive(Family::V4, &[PORT]);
    let on = |cpu: usize| {
        let bits = Family::V4.layer2_bytes(PAYLOAD) * 8;
        lab.send_as(&UdpSenderOptions {
            payload_bytes: PAYLOAD,
            pace: Pace::PerSecond(BITS_PER_SECOND * 130 / 100 / bits),
            source_ports: 8,
            pin: Some(cpu),
            ..Lab::to_port(Family::V4, PORT)
        })
    };
    let (first, second) = (on(0), on(1));
    let senders = [&first, &second];
    assert_rate_is_held(&daemon, "fast", BITS_PER_SECOND, &senders);
    let Some(offline) = Offline::take() else {
        return;
    };
    // The kernel moves the sender of that CPU to the other one, and its packets arrive there.
    assert_rate_is_held(&daemon, "fast", BITS_PER_SECOND, &senders);
    drop(offline);
    assert_rate_is_held(&daemon, "fast", BITS_PER_SECOND, &senders);
    let sent = first.finish().sent_packets + second.finish().sent_packets;
    until(
        "what was counted on the CPU that had gone is still there",
        || {
            let counted = daemon.class("fast");
            counted.passed_packets + counted.dropped_packets >= sent
        },
    );
}
