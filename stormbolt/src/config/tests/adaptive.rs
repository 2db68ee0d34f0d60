//! Capacities that follow their links: what is read, and the messages word by word.

use std::net::IpAddr;

use stormbolt_control::policy::{Adaptive, Policy};
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use super::found;
use crate::config::{parse, to_toml};

const BOUNDS: &str = "capacity-min = \"10Mbit\"\ncapacity-max = \"1Gbit\"\n";

/// A policy whose interface has `keys` from line 4 on beside a capacity of 100 Mbit/s.
fn with(keys: &str) -> String {
    format!(
        "version = 1\n[interface.eth0]\ncapacity = \"100Mbit\"\n{keys}[class.bulk]\n[default]\n\
         class = \"bulk\"\n"
    )
}

fn policy(keys: &str) -> Policy {
    parse("p", &with(keys)).unwrap().policy
}

fn adaptive(keys: &str) -> Option<Adaptive> {
    policy(keys).interfaces[0].adaptive.clone()
}

#[test]
fn bounds_make_a_capacity_follow_and_the_rest_has_defaults() {
    assert_eq!(adaptive(""), None);
    let given = adaptive(&format!("{BOUNDS}probe = \"192.0.2.1\"\n"));
    let mut expected = Adaptive {
        min: BitsPerSecond(10_000_000),
        max: BitsPerSecond(1_000_000_000),
        probes: vec![IpAddr::from([192, 0, 2, 1])],
        probe_interval: Nanoseconds::from_millis(100),
        delay_target: Nanoseconds::from_millis(15),
    };
    assert_eq!(given.as_ref(), Some(&expected));
    let given = adaptive(&format!(
        "{BOUNDS}probe = [\"192.0.2.1\", \"2001:db8::1\"]\nprobe-interval = \"50ms\"\n\
         delay-target = \"5ms\"\n"
    ));
    expected.probes.push("2001:db8::1".parse().unwrap());
    expected.probe_interval = Nanoseconds::from_millis(50);
    expected.delay_target = Nanoseconds::from_millis(5);
    assert_eq!(given, Some(expected));
}

#[test]
fn what_is_read_is_written_again() {
    let keys =
        format!("{BOUNDS}probe = [\"192.0.2.1\", \"2001:db8::1\"]\ndelay-target = \"5ms\"\n");
    let policy = policy(&keys);
    let written = to_toml(&policy);
    assert!(
        written.contains("probe = [\"192.0.2.1\", \"2001:db8::1\"]\n"),
        "{written}"
    );
    assert_eq!(parse("p", &written).unwrap().policy, policy);
}

#[test]
fn one_bound_alone_is_refused_and_so_are_probes_without_any() {
    assert_eq!(
        found(&with("capacity-min = \"10Mbit\"\n")),
        [
            "4:16: error: `capacity-min` without `capacity-max`; give both for a capacity that \
          follows the link, or neither for one that stays [\"10Mbit\"]"
        ]
    );
    assert_eq!(
        found(&with("capacity-max = \"1Gbit\"\nprobe = \"192.0.2.1\"\n")).len(),
        1
    );
    let help = "give the bounds that it moves between: `capacity-min`, `capacity-max`";
    assert_eq!(
        found(&with("probe = \"192.0.2.1\"\ndelay-target = \"5ms\"\n")),
        [
            format!(
                "4:9: error: `probe` is for a capacity that follows the link, and this one stays; \
                 {help} [\"192.0.2.1\"]"
            ),
            format!(
                "5:16: error: `delay-target` is for a capacity that follows the link, and this one \
                 stays; {help} [\"5ms\"]"
            ),
        ]
    );
}

#[test]
fn bounds_enclose_what_it_starts_with() {
    let probe = "probe = \"192.0.2.1\"\n";
    let bounds = "capacity-min = \"200Mbit\"\ncapacity-max = \"50Mbit\"\n";
    assert_eq!(
        found(&with(&format!("{bounds}{probe}"))),
        [
            "4:16: error: the `capacity-min` of 200Mbit is above the `capacity` of 100Mbit \
             [\"200Mbit\"]",
            "5:16: error: the `capacity-max` of 50Mbit is below the `capacity` of 100Mbit \
             [\"50Mbit\"]",
        ]
    );
    let equal = "capacity-min = \"100Mbit\"\ncapacity-max = \"100Mbit\"\n";
    assert_eq!(found(&with(&format!("{equal}{probe}"))), [""; 0]);
}

#[test]
fn without_a_probe_it_is_said_what_is_not_seen() {
    assert_eq!(
        found(&with(&format!("{BOUNDS}delay-target = \"5ms\"\n"))),
        [
            "2:12: warning: the capacity of `eth0` follows the link without a `probe`; only frames \
             that the device itself loses lower it; to see queues elsewhere, name an address beyond \
             the bottleneck that answers echo requests [eth0]",
            "6:16: warning: `delay-target` means nothing without `probe` [\"5ms\"]",
        ]
    );
}

#[test]
fn a_probe_is_one_machine_elsewhere() {
    let of = |given: &str| {
        let found = found(&with(&format!("{BOUNDS}probe = {given}\n")));
        assert_eq!(found.len(), 1, "{found:#?}");
        found[0].clone()
    };
    assert_eq!(
        of("\"example.net\""),
        "6:9: error: `example.net` is not an address; write one like `192.0.2.1` or `2001:db8::1`; \
         names are not looked up [\"example.net\"]"
    );
    assert_eq!(
        of("[\"192.0.2.1\", \"224.0.0.1\"]"),
        "6:23: error: `224.0.0.1` is not the address of one machine; a probe asks one machine \
         beyond the bottleneck [\"224.0.0.1\"]"
    );
    for nobody in ["0.0.0.0", "255.255.255.255", "::", "ff02::1"] {
        assert!(of(&format!("\"{nobody}\"")).contains("is not the address of one machine"));
    }
    for own in ["127.0.0.1", "::1"] {
        assert!(of(&format!("\"{own}\"")).contains("is this machine itself"));
    }
    assert_eq!(
        of("\"::ffff:192.0.2.1\""),
        "6:9: error: `::ffff:192.0.2.1` is an IPv4 address in IPv6 form; write `192.0.2.1` \
         [\"::ffff:192.0.2.1\"]"
    );
    assert_eq!(
        of("[\"192.0.2.1\", \"192.0.2.1\"]"),
        "6:23: error: `192.0.2.1` is there twice [\"192.0.2.1\"]"
    );
    assert_eq!(
        of("[]"),
        "6:9: error: the list is empty, so nobody would be asked; name an address, or leave the \
         key out [[]]"
    );
    let nine: Vec<String> = (1..10).map(|last| format!("\"192.0.2.{last}\"")).collect();
    assert_eq!(
        of(&format!("[{}]", nine.join(", "))),
        "6:114: error: 9 probes, but at most 8 are asked [\"192.0.2.9\"]"
    );
}

#[test]
fn times_are_within_bounds() {
    let keys =
        format!("{BOUNDS}probe = \"192.0.2.1\"\nprobe-interval = \"5ms\"\ndelay-target = \"2s\"\n");
    assert_eq!(
        found(&with(&keys)),
        [
            "7:18: error: probe-interval `5ms` is out of bounds; it is from 20ms to 1s [\"5ms\"]",
            "8:16: error: delay-target `2s` is out of bounds; it is from 1ms to 1s [\"2s\"]",
        ]
    );
}

#[test]
fn guarantees_fit_the_lowest_capacity_and_ceils_the_highest() {
    let policy = |classes: &str| {
        format!(
            "version = 1\n[interface.eth0]\ncapacity = \"100Mbit\"\n{BOUNDS}probe = \"192.0.2.1\"\n\
             {classes}[default]\nclass = \"a\"\n[[rule]]\nprotocol = \"udp\"\nclass = \"b\"\n"
        )
    };
    assert_eq!(
        found(&policy(
            "[class.a]\nrate = \"6Mbit\"\n[class.b]\nrate = \"5Mbit\"\n"
        )),
        [
            "4:16: error: the classes are guaranteed 11Mbit, but `eth0` carries 10Mbit at its \
          lowest; the guarantees of all classes must fit each link: lower some of them \
          [\"10Mbit\"]"
        ]
    );
    assert_eq!(
        found(&policy("[class.a]\nrate = \"20Mbit\"\n[class.b]\n")),
        [
            "8:8: error: class `a` is guaranteed 20Mbit, more than `eth0` carries at its lowest \
          [\"20Mbit\"]"
        ]
    );
    let ceils = "[class.a]\nrate = \"6Mbit\"\nceil = \"900Mbit\"\n[class.b]\nceil = \"2Gbit\"\n";
    let warnings = found(&policy(ceils));
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].starts_with("11:8: warning"), "{warnings:?}");
}
