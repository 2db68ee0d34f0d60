//! Classes use what their interface has left without waiting for the controller, as counted in the kernel.

use std::fmt::Write as _;

use stormbolt::lab::require_root;
use stormbolt_tests::e2e::{Daemon, Family, Lab, assert_rate_is_held};

const WIDE_PORT: u16 = 7001;
const NARROW_PORT: u16 = 7002;
const PAYLOAD: usize = 1000;
const CAPACITY_BITS: u64 = 100_000_000;
const CEIL_BITS: u64 = 30_000_000;

/// A controller that looks every ten seconds only, and ten classes among which the capacity stands divided
/// until then.
fn ten_classes() -> String {
    let mut text = String::from(
        r#"version = 1

[controller]
interval = "10s"

[interface.eth0]
capacity = "100Mbit"
mode = "native"

[class.wide]
priority = 7

[class.narrow]
priority = 6
ceil = "30Mbit"

[[rule]]
protocol = "udp"
dst-port = 7001
class = "wide"

[[rule]]
protocol = "udp"
dst-port = 7002
class = "narrow"

[default]
class = "idle-0"
"#,
    );
    for number in 0..8 {
        let class = format!("\n[class.idle-{number}]\npriority = {number}\n");
        text.write_str(&class).expect("a string takes everything");
    }
    text
}

/// Packets per second of a sender that offers `percent` of a rate.
fn pace(percent: u64, bits_per_second: u64) -> u64 {
    bits_per_second * percent / 100 / (Family::V4.layer2_bytes(PAYLOAD) * 8)
}

#[test]
fn a_class_has_the_whole_capacity_at_once_when_nobody_else_sends() {
    if !require_root("a_class_has_the_whole_capacity_at_once_when_nobody_else_sends") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &ten_classes());
    let _receiver = lab.receive(Family::V4, &[WIDE_PORT]);
    let sender = lab.send(Family::V4, WIDE_PORT, PAYLOAD, pace(200, CAPACITY_BITS));
    assert_rate_is_held(&daemon, "wide", CAPACITY_BITS, &[&sender]);
}

#[test]
fn what_is_borrowed_counts_for_the_ceil() {
    if !require_root("what_is_borrowed_counts_for_the_ceil") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &ten_classes());
    let _receiver = lab.receive(Family::V4, &[NARROW_PORT]);
    let sender = lab.send(Family::V4, NARROW_PORT, PAYLOAD, pace(200, CEIL_BITS));
    assert_rate_is_held(&daemon, "narrow", CEIL_BITS, &[&sender]);
}

#[test]
fn a_higher_priority_takes_back_what_a_lower_one_has_borrowed() {
    if !require_root("a_higher_priority_takes_back_what_a_lower_one_has_borrowed") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &ten_classes());
    let _receiver = lab.receive(Family::V4, &[WIDE_PORT, NARROW_PORT]);
    let flood = lab.send(Family::V4, WIDE_PORT, PAYLOAD, pace(300, CAPACITY_BITS));
    let sender = lab.send(Family::V4, NARROW_PORT, PAYLOAD, pace(150, CEIL_BITS));
    assert_rate_is_held(&daemon, "narrow", CEIL_BITS, &[&sender]);
    assert_rate_is_held(
        &daemon,
        "wide",
        CAPACITY_BITS - CEIL_BITS,
        &[&flood, &sender],
    );
}
