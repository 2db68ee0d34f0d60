//! What holds while the daemon does not run: it is stopped by a signal, real packets go on.

use std::time::Duration;

use nix::sys::signal::Signal;
use stormbolt::lab::clock::now_ns;
use stormbolt::lab::require_root;
use stormbolt::lab::traffic::UdpReceiver;
use stormbolt_tests::e2e::{Daemon, Family, Lab, assert_rate_is_held};

const PORT: u16 = 7001;
const PAYLOAD: usize = 1000;
const GUARANTEE_BITS: u64 = 20_000_000;
const CEIL_BITS: u64 = 40_000_000;
const OFFERED_BITS: u64 = 80_000_000;
/// Longer than the silence that the policy waits for.
const SETTLING: Duration = Duration::from_millis(800);
const WINDOW: Duration = Duration::from_secs(2);
const WINDOWS: u32 = 4;

fn policy(failsafe: &str) -> String {
    format!(
        r#"version = 1

[controller]
interval = "50ms"
failsafe = "{failsafe}"
failsafe-after = "300ms"

[interface.eth0]
capacity = "100Mbit"
mode = "native"

[class.measured]
rate = "20Mbit"
ceil = "40Mbit"
burst = "20ms"

[class.rest]
priority = 7

[[rule]]
protocol = "udp"
dst-port = {PORT}
class = "measured"

[default]
class = "rest"
"#
    )
}

/// Bits per second at layer 2 that arrive from now on.
fn arriving(receiver: &UdpReceiver) -> u64 {
    let packets = || -> u64 {
        let ports = receiver.counters().into_iter();
        ports.map(|port| port.packets + port.overflowed).sum()
    };
    std::thread::sleep(SETTLING);
    let (before, start) = (packets(), now_ns());
    std::thread::sleep(WINDOW);
    let bits = u128::from(packets() - before) * u128::from(Family::V4.layer2_bytes(PAYLOAD)) * 8;
    u64::try_from(bits * 1_000_000_000 / u128::from(now_ns() - start)).expect("a rate")
}

/// Holds `failsafe` to what it says while the daemon is stopped, and its rates before and after that.
fn check(failsafe: &str, expected: u64) {
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &policy(failsafe));
    let receiver = lab.receive(Family::V4, &[PORT]);
    let pace = OFFERED_BITS / 8 / Family::V4.layer2_bytes(PAYLOAD);
    let sender = lab.send(Family::V4, PORT, PAYLOAD, pace);
    assert_rate_is_held(&daemon, "measured", CEIL_BITS, &[&sender]);

    daemon.signal(Signal::SIGSTOP);
    // The receiver and the sender get their CPU time now and then only, so a window may count what belongs to
    // another.
    let near = (0..WINDOWS).any(|_| {
        let bits = arriving(&receiver);
        eprintln!("stopped, {failsafe}: {bits} of {expected} bit/s");
        bits.abs_diff(expected) <= expected / 20
    });
    assert!(near, "{failsafe}");

    daemon.signal(Signal::SIGCONT);
    assert_rate_is_held(&daemon, "measured", CEIL_BITS, &[&sender]);
}

#[test]
fn a_policy_that_holds_keeps_its_rates() {
    if require_root("a_policy_that_holds_keeps_its_rates") {
        check("hold", CEIL_BITS);
    }
}

#[test]
fn a_policy_that_falls_back_to_guarantees_holds_them() {
    if require_root("a_policy_that_falls_back_to_guarantees_holds_them") {
        check("guaranteed", GUARANTEE_BITS);
    }
}

#[test]
fn a_policy_that_opens_passes_everything() {
    if require_root("a_policy_that_opens_passes_everything") {
        check("open", OFFERED_BITS);
    }
}
