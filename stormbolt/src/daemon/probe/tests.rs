//! The prober between two namespaces, in which one answers.

use std::net::IpAddr;
use std::time::Duration;

use stormbolt_control::policy::{Interface, Policy};

use super::*;
use crate::config::parse;
use crate::lab::{Namespace, VethOptions, connect, require_root, veth};

const HERE: ([u8; 4], &str) = ([10, 9, 0, 2], "fd00:9::2");
const THERE: ([u8; 4], &str) = ([10, 9, 0, 1], "fd00:9::1");

fn addresses((v4, v6): ([u8; 4], &str)) -> [(IpAddr, u8); 2] {
    [(IpAddr::from(v4), 24), (v6.parse().unwrap(), 64)]
}

fn policy(probes: &str) -> Policy {
    let text = format!(
        "version = 1\n[interface.other]\ncapacity = \"1Gbit\"\n[interface.eth0]\ncapacity = \
         \"1Gbit\"\ncapacity-min = \"1Mbit\"\ncapacity-max = \"2Gbit\"\nprobe = {probes}\n\
         probe-interval = \"20ms\"\n[class.all]\n[default]\nclass = \"all\"\n"
    );
    parse("p", &text).unwrap().policy
}

/// What has come of requests to each probe when `enough` says so.
fn until(prober: &Prober, enough: impl Fn(&[(u32, u32)]) -> bool) -> Vec<(u32, u32)> {
    let mut heard = vec![(0, 0); 8];
    for _ in 0..1_000 {
        let signals = prober.take();
        assert_eq!(signals.len(), 2);
        assert_eq!(signals[0], LinkSignals::default());
        for echo in &signals[1].echoes {
            let (answered, lost) = &mut heard[echo.probe];
            match echo.round_trip {
                Some(_) => *answered += 1,
                None => *lost += 1,
            }
        }
        if enough(&heard) {
            return heard;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{heard:?}, {:?}", prober.notices());
}

#[test]
fn addresses_that_answer_are_heard_and_the_others_given_up() {
    if !require_root("addresses_that_answer_are_heard_and_the_others_given_up") {
        return;
    }
    let (far, near) = (
        Namespace::new("far").unwrap(),
        Namespace::new("near").unwrap(),
    );
    let (uplink, eth0) = veth(&far, "uplink", &near, "eth0", VethOptions::default()).unwrap();
    connect(&uplink, &addresses(THERE), &eth0, &addresses(HERE)).unwrap();
    let silent = IpAddr::from([10, 9, 0, 77]);
    let unreachable: IpAddr = "2001:db8::1".parse().unwrap();
    let asked = format!("[\"10.9.0.1\", \"fd00:9::1\", \"{silent}\", \"{unreachable}\"]");
    // Unprivileged sockets, then raw ones.
    for range in ["0 0", "1 0"] {
        near.sysctl("net.ipv4.ping_group_range", range).unwrap();
        let mut prober = Prober::default();
        near.run(|| prober.follow(&policy(&asked))).unwrap();
        let heard = until(&prober, |heard| {
            heard[0].0 >= 5 && heard[1].0 >= 5 && heard[2].1 >= 1
        });
        // Of what could not be sent nobody expects an answer.
        assert_eq!((heard[2].0, heard[3]), (0, (0, 0)), "{heard:?}");
        let notices = prober.notices();
        let expected = "interface eth0: cannot ask probe 2001:db8::1: cannot reach the address";
        assert!(
            notices.iter().any(|one| one.starts_with(expected)),
            "{notices:?}"
        );
        assert!(prober.take()[1].missed_frames.is_some());
        // Another policy, without anything to find out.
        let mut policy = policy(&asked);
        policy.interfaces.iter_mut().for_each(stays);
        prober.follow(&policy);
        assert!(!prober.is_wanted() && prober.notices().is_empty());
    }
}

fn stays(interface: &mut Interface) {
    interface.adaptive = None;
}

#[test]
fn an_interface_that_is_not_there_is_said_and_ends_nothing() {
    if !require_root("an_interface_that_is_not_there_is_said_and_ends_nothing") {
        return;
    }
    let nowhere = Namespace::new("nowhere").unwrap();
    let mut prober = Prober::default();
    nowhere
        .run(|| prober.follow(&policy("\"192.0.2.1\"")))
        .unwrap();
    let mut notices = Vec::new();
    for _ in 0..500 {
        notices = prober.notices();
        if !notices.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(
        notices,
        [
            "interface eth0: cannot ask probe 192.0.2.1: cannot use the interface: No such device \
             (os error 19)"
        ]
    );
    assert_eq!(prober.take()[1], LinkSignals::default());
}
