//! A program of somebody else goes on with what passes: the daemon, real packets, restarts.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use nix::sys::signal::Signal;
use stormbolt::api::documents::Interfaces;
use stormbolt::datapath::Pins;
use stormbolt::lab::traffic::{Pace, UdpSenderOptions};
use stormbolt::lab::{VethOptions, connect, require_root, veth};
use stormbolt_tests::e2e::{
    Daemon, Family, FloodThread, Lab, LoadedAs, OtherProgram, SENDERS, policy_with, until,
};

/// What the other program drops, what StormBolt drops, and what nobody does.
const THEIRS: u16 = 7001;
const OURS: u16 = 7002;
const FREE: u16 = 7003;

const DROP: u8 = 1;
const PASS: u8 = 2;

const RULES: &str = "[class.all]\n\n[[rule]]\nprotocol = \"udp\"\ndst-port = 7002\naction = \"drop\"\n\n\
    [default]\nclass = \"all\"\n";

/// A policy that drops packets to one port; what passes goes on into the program that is pinned there.
fn policy_then(path: Option<&str>) -> String {
    let then = path.map(|path| format!("then = \"{path}\"\n"));
    let keys = format!("capacity = \"10Gbit\"\n{}", then.unwrap_or_default());
    policy_with(&keys, RULES)
}

fn apply(daemon: &Daemon, path: Option<&str>) {
    let file = daemon.folder().join("policy.toml");
    fs::write(&file, policy_then(path)).unwrap();
    daemon.cli(&["apply", file.to_str().unwrap()]).with_code(0);
}

/// Sends packets to a port until so many of them have ended in this outcome, and waits for the last one. How many of
/// them came through.
fn sent(daemon: &Daemon, lab: &Lab, port: u16, outcome: &str) -> u64 {
    let receiver = lab.receive(Family::V4, &[port]);
    let before = daemon.outcome(outcome);
    let sender = lab.send(Family::V4, port, 100, 500);
    until("packets are counted", || {
        daemon.outcome(outcome) >= before + 20
    });
    let sent = sender.finish().sent_packets;
    until("the last one is counted", || {
        daemon.outcome(outcome) >= before + sent
    });
    receiver.finish()[0].packets
}

#[test]
fn it_gets_what_passes_and_its_verdict_stands() {
    if !require_root("it_gets_what_passes_and_its_verdict_stands") {
        return;
    }
    let lab = Lab::quiet();
    let other = OtherProgram::load(THEIRS, DROP).pinned();
    let daemon = Daemon::start(&lab, &policy_then(Some(other.path())));

    let at_first = other.seen();
    assert_eq!(sent(&daemon, &lab, OURS, "rule_dropped"), 0);
    let seen = other.seen();
    assert_eq!((seen.other, seen.to_port), (at_first.other, 0), "{seen:?}");
    assert_eq!(sent(&daemon, &lab, THEIRS, "class_passed"), 0);
    assert!(other.seen().to_port >= 20);
    assert!(sent(&daemon, &lab, FREE, "class_passed") >= 20);
    assert!(other.seen().other >= at_first.other + 20);

    // Not StormBolt's to judge, and decided before the rules.
    let arp = other.seen().arp;
    let nobody = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 9, 0, 77)), FREE);
    let asking = lab.send_as(&UdpSenderOptions {
        pace: Pace::PerSecond(100),
        ..UdpSenderOptions::new(SocketAddr::new(SENDERS.0.into(), 0), nobody)
    });
    until("ARP gets there", || other.seen().arp > arp);
    drop(asking);

    // Packets that are shown to user space go on as well.
    let before = other.seen().to_port;
    let sender = lab.send(Family::V4, THEIRS, 100, 500);
    let shown = daemon.cli(&["capture", "--port", "7001", "-c", "20"]);
    shown.with_code(0);
    let receiver = lab.receive(Family::V4, &[THEIRS]);
    let shown = daemon.cli(&["capture", "--port", "7001", "-c", "20"]);
    shown.with_code(0);
    drop(sender);
    assert!(other.seen().to_port >= before + 40);
    assert_eq!(receiver.finish()[0].packets, 0);

    let table = daemon.cli(&["show", "interfaces"]).with_code(0).stdout;
    assert!(table.contains(other.path()), "{table}");
    let shown = daemon.eth0().then.unwrap();
    assert_eq!(shown.path, other.path());
    assert!(shown.program_id > 0 && shown.program_name == "somebody");
    let exported = daemon.cli(&["export"]).with_code(0).stdout;
    assert!(exported.contains(&format!("then = \"{}\"", other.path())));
}

#[test]
fn a_policy_a_new_pin_and_an_interface_that_is_attached_again_change_what_follows() {
    if !require_root("a_policy_a_new_pin_and_an_interface_that_is_attached_again") {
        return;
    }
    // Not a quiet one: the link that is made anew has addresses of IPv6.
    let mut lab = Lab::new();
    let mut other = OtherProgram::load(THEIRS, DROP).pinned();
    let path = other.path().to_owned();
    let daemon = Daemon::start(&lab, &policy_then(None));
    let comes_through = |lab: &Lab| sent(&daemon, lab, THEIRS, "class_passed") > 0;
    assert!(comes_through(&lab));
    assert_eq!(daemon.eth0().then, None);

    apply(&daemon, Some(&path));
    assert!(!comes_through(&lab));
    let ifindex = daemon.eth0().ifindex;
    apply(&daemon, None);
    assert!(comes_through(&lab) && lab.is_attached());
    assert_eq!(daemon.eth0().then, None);
    apply(&daemon, Some(&path));
    assert!(!comes_through(&lab));
    assert_eq!(daemon.eth0().ifindex, ifindex);

    daemon.cli(&["detach", "eth0"]).with_code(0);
    daemon.cli(&["attach", "eth0"]).with_code(0);
    assert!(!comes_through(&lab));
    lab.eth0.clone().remove().unwrap();
    until("it is let go", || daemon.eth0().mode == "detached");
    lab.link_again();
    until("it is attached", || daemon.eth0().mode == "native");
    assert!(!comes_through(&lab));

    // What runs is the program that was opened, whatever becomes of its pin, until it is opened anew.
    other.unpin();
    daemon.cli(&["reload"]).with_code(0);
    assert!(!comes_through(&lab));
    let passing = OtherProgram::load(THEIRS, PASS).pinned_at(Path::new(&path));
    assert!(!comes_through(&lab));
    assert_eq!(passing.seen().to_port, 0);
    daemon.cli(&["reload"]).with_code(0);
    assert!(comes_through(&lab));
    assert!(passing.seen().to_port >= 20);
}

#[test]
fn packets_of_another_interface_do_not_get_there() {
    if !require_root("packets_of_another_interface_do_not_get_there") {
        return;
    }
    let lab = Lab::quiet();
    let options = VethOptions::default();
    let (near, far) = veth(&lab.senders, "uplink1", &lab.host, "eth1", options).unwrap();
    let address = |last: u8| IpAddr::V4(Ipv4Addr::new(10, 10, 0, last));
    connect(&near, &[(address(1), 24)], &far, &[(address(2), 24)]).unwrap();
    let other = OtherProgram::load(THEIRS, DROP).pinned();
    let both = format!(
        "{}\n[interface.eth1]\ncapacity = \"10Gbit\"\n",
        policy_then(Some(other.path()))
    );
    let daemon = Daemon::start(&lab, &both);
    let before = other.seen();
    let packets = || {
        let interfaces: Interfaces = daemon.client().get("/v1/interfaces").unwrap();
        let interfaces = interfaces.interfaces.iter();
        let of = |name: &str| interfaces.clone().find(|one| one.name == name).unwrap();
        assert!(of("eth0").then.is_some() && of("eth1").then.is_none());
        (of("eth0").received_packets, of("eth1").received_packets)
    };
    let at_first = packets();
    let source = SocketAddr::new(address(1), 0);
    let sender = lab.send_as(&UdpSenderOptions {
        pace: Pace::PerSecond(500),
        ..UdpSenderOptions::new(source, SocketAddr::new(address(2), THEIRS))
    });
    until("they arrive", || packets().1 > at_first.1 + 50);
    drop(sender);
    let seen = other.seen();
    assert_eq!((seen.other, seen.to_port), (before.other, before.to_port));
}

#[test]
fn what_cannot_follow_is_refused_with_the_remedy_and_the_old_policy_stays() {
    if !require_root("what_cannot_follow_is_refused_with_the_remedy") {
        return;
    }
    let lab = Lab::quiet();
    let other = OtherProgram::load(THEIRS, DROP).pinned();
    let daemon = Daemon::start(&lab, &policy_then(Some(other.path())));
    let generation = daemon.status().generation;
    let missing = format!("{}-missing", other.path());
    let map = OtherProgram::load(THEIRS, DROP);
    let map = map.with_counters_pinned_at(Path::new(&format!("{}-map", other.path())));
    let filter = OtherProgram::load_as(LoadedAs::SocketFilter, THEIRS, DROP).pinned();
    let pieces = OtherProgram::load_as(LoadedAs::XdpWithFragments, THEIRS, DROP).pinned();
    let own = Pins::tables(&daemon.bpffs()).unwrap().join("stormbolt");
    let file = daemon.folder().join("not-a-pin");
    fs::write(&file, "").unwrap();
    let faults = [
        (missing.as_str(), "nothing is pinned there"),
        (map.path(), "what is pinned there is no program"),
        (filter.path(), "but no XDP program"),
        (pieces.path(), "`xdp.frags`"),
        (own.to_str().unwrap(), "StormBolt's own program"),
        (file.to_str().unwrap(), "it is not on a bpffs"),
    ];
    let wanted = daemon.folder().join("wanted.toml");
    for (path, reason) in faults {
        fs::write(&wanted, policy_then(Some(path))).unwrap();
        let refused = daemon
            .cli(&["apply", wanted.to_str().unwrap()])
            .with_code(1);
        for part in ["`eth0`", path, reason] {
            assert!(refused.stderr.contains(part), "{part}: {refused:?}");
        }
        assert_eq!(daemon.status().generation, generation, "{path}");
    }
    assert_eq!(sent(&daemon, &lab, THEIRS, "class_passed"), 0);
    assert_eq!(daemon.eth0().then.unwrap().path, other.path());

    drop(daemon);
    let refused = Daemon::run_in_vain(&lab, &policy_then(Some(&missing))).with_code(1);
    assert!(refused.stderr.contains(&missing), "{refused:?}");
    assert!(!lab.is_attached());
}

#[test]
fn killed_upgraded_and_changed_under_a_flood_not_one_packet_goes_by() {
    if !require_root("killed_upgraded_and_changed_under_a_flood_not_one_packet_goes_by") {
        return;
    }
    let lab = Lab::quiet();
    let first = OtherProgram::load(THEIRS, DROP).pinned();
    let second = OtherProgram::load(THEIRS, DROP).pinned();
    let mut daemon = Daemon::start(&lab, &policy_then(Some(first.path())));
    let flood = FloodThread::start(&lab, THEIRS, 60, 5_000);
    let grows = |what: &str, program: &OtherProgram| {
        let before = program.seen().to_port;
        until(what, || program.seen().to_port > before + 10_000);
    };
    grows("the first has packets", &first);
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    grows("it goes on without a daemon", &first);
    daemon.start_again(&lab);
    grows("and with another one", &first);
    apply(&daemon, Some(second.path()));
    let of_first = first.seen().to_port;
    grows("the second has packets", &second);
    assert_eq!(first.seen().to_port, of_first);

    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    daemon.pretend_another_layout();
    daemon.start_again(&lab);
    grows("after an upgrade too", &second);
    let arrived = flood.stop(&lab);
    assert_eq!(first.seen().to_port + second.seen().to_port, arrived);
}

#[test]
fn a_pin_beside_those_of_the_daemon_outlives_them() {
    if !require_root("a_pin_beside_those_of_the_daemon_outlives_them") {
        return;
    }
    let lab = Lab::quiet();
    let mut daemon = Daemon::start(&lab, &policy_then(None));
    let pin = daemon.bpffs().join("other");
    let other = OtherProgram::load(THEIRS, DROP).pinned_at(&pin);
    apply(&daemon, Some(other.path()));
    assert_eq!(sent(&daemon, &lab, THEIRS, "class_passed"), 0);

    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    assert!(lab.is_attached());
    let bpffs = daemon.bpffs();
    daemon
        .cli(&["detach", "--bpffs", bpffs.to_str().unwrap()])
        .with_code(0);
    assert!(!lab.is_attached());
    assert!(pin.exists() && fs::read_dir(&bpffs).unwrap().count() == 1);
    daemon.start_again(&lab);
    assert_eq!(sent(&daemon, &lab, THEIRS, "class_passed"), 0);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    assert!(!lab.is_attached());
    assert!(pin.exists() && fs::read_dir(&bpffs).unwrap().count() == 1);
    drop(other);
    fs::remove_dir(&bpffs).unwrap();
}

#[test]
fn the_refusal_of_another_program_says_how_to_chain_it() {
    if !require_root("the_refusal_of_another_program_says_how_to_chain_it") {
        return;
    }
    let lab = Lab::new();
    let _other = lab.attach_another_program().unwrap();
    let refused = Daemon::run_in_vain(&lab, &policy_then(None)).with_code(1);
    for part in [
        "`bpftool prog pin id ",
        "`then = \"/sys/fs/bpf/stormbolt/NAME\"`",
    ] {
        assert!(refused.stderr.contains(part), "{part}: {refused:?}");
    }
}
