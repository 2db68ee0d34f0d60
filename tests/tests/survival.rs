//! The data path outlives the daemon: it is killed, restarted and upgraded under a flood, and no frame goes
//! unclassified meanwhile, nor at another rate.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::os::unix::process::ExitStatusExt;

use nix::sys::signal::Signal;
use stormbolt::datapath::{LeftOutcomes, Pins};
use stormbolt::lab::clock::{SECOND_NS, now_ns, sleep_until};
use stormbolt::lab::require_root;
use stormbolt_common::outcome::Outcome;
use stormbolt_tests::e2e::{Daemon, Family, FloodThread, Lab, Reading, policy, until};

const PORT: u16 = 7001;
const CEIL_BITS: u64 = 8_000_000;
/// A million frames a second and more: some are left out while others need the CPU.
const INTERVAL_NS: u32 = 450;
const FRAME_BYTES: usize = 60;
/// What is measured over, about: a second time its burst would show in it.
const WINDOW_NS: u64 = 4 * SECOND_NS;

/// Restarts that may be spoilt because the machine gives the flood no CPU for longer than a burst.
const ATTEMPTS: u32 = 4;

/// A class that is held to a rate and a burst so deep that little is lost while the machine gives the flood no CPU; a
/// rule with a name; and a class for the rest.
fn flooded() -> String {
    policy(&format!(
        "[class.measured]\nceil = \"8Mbit\"\nburst = \"200ms\"\n\n[class.rest]\npriority = 7\n\n\
         [[rule]]\nname = \"flood\"\nprotocol = \"udp\"\ndst-port = {PORT}\nclass = \"measured\"\n\n\
         [default]\nclass = \"rest\"\n"
    ))
}

fn wait(time_ns: u64) {
    sleep_until(now_ns() + time_ns);
}

/// What has become of all frames under one set of tables.
fn all(outcomes: &LeftOutcomes) -> u64 {
    let packets = Outcome::ALL.map(|outcome| outcomes.packets(0, outcome));
    packets.iter().sum()
}

/// Whether a class has passed its rate, to one in a hundred. More is always wrong; less may be the machine's doing.
fn is_held(from_ns: u64, to_ns: u64, bytes: u64) -> bool {
    let milliseconds = (to_ns - from_ns) / 1_000_000;
    let rate = bytes * 8 * 1000 / milliseconds;
    eprintln!("{rate} bit/s over {milliseconds} ms");
    assert!(rate <= CEIL_BITS / 100 * 101, "{rate} bit/s");
    rate >= CEIL_BITS / 100 * 99
}

/// Waits until the class is out of what it was allowed at once.
fn wait_until_held(daemon: &Daemon) {
    let dropped = daemon.class("measured").dropped_packets;
    until("the class is held to its rate", || {
        daemon.class("measured").dropped_packets > dropped + 200_000
    });
}

#[test]
fn killed_and_started_again_under_a_flood_it_counts_on_and_polices_on() {
    if require_root("killed_and_started_again_under_a_flood_it_counts_on_and_polices_on") {
        goes_on_under_a_flood(Signal::SIGKILL, &[]);
    }
}

#[test]
fn restarted_as_a_service_under_a_flood_it_counts_on_and_polices_on() {
    if require_root("restarted_as_a_service_under_a_flood_it_counts_on_and_polices_on") {
        goes_on_under_a_flood(Signal::SIGTERM, &["--keep-attached"]);
    }
}

/// Ends the daemon by a signal and starts it again, while a flood goes on.
fn goes_on_under_a_flood(end: Signal, arguments: &[&str]) {
    let lab = Lab::quiet();
    let mut daemon = Daemon::start_with(&lab, &flooded(), arguments);
    let at_first = daemon.eth0().received_packets;
    let flood = FloodThread::start(&lab, PORT, FRAME_BYTES, INTERVAL_NS);
    let mut restarts = 0;
    let mut restarted = || {
        wait_until_held(&daemon);
        let before = Reading::take(&daemon, "measured");
        daemon.signal(end);
        let ended = daemon.wait();
        assert!(
            ended.code() == Some(0) || ended.signal() == Some(9),
            "{ended}"
        );
        assert!(lab.is_attached());
        wait(WINDOW_NS / 4);
        daemon.start_again_with(&lab, arguments);
        wait(WINDOW_NS / 2);
        restarts += 1;
        let after = Reading::take(&daemon, "measured");
        assert!(after.class.dropped_packets > before.class.dropped_packets);
        let bytes = after.class.passed_bytes - before.class.passed_bytes;
        is_held(before.at_ns, after.at_ns, bytes)
    };
    assert!((0..ATTEMPTS).any(|_| restarted()));

    // The same policy has the same number.
    assert_eq!(daemon.status().generation, 1);
    let arrived = flood.stop(&lab);
    let eth0 = daemon.eth0();
    assert_eq!(eth0.received_packets - at_first, arrived, "{eth0:?}");
    assert_eq!(daemon.outcome("unconfigured"), 0);
    let rule = daemon.rules().into_iter().find(|rule| rule.name == "flood");
    assert_eq!(rule.unwrap().packets, arrived);
    let tables = Pins::tables(&daemon.bpffs()).unwrap();
    let last = format!("tables-{restarts}");
    assert!(tables.ends_with(last), "{}", tables.display());
}

#[test]
fn upgraded_under_a_flood_to_another_layout_it_polices_on() {
    if !require_root("upgraded_under_a_flood_to_another_layout_it_polices_on") {
        return;
    }
    let lab = Lab::quiet();
    let mut daemon = Daemon::start_with(&lab, &flooded(), &["--keep-attached"]);
    let at_first = daemon.eth0().received_packets;
    let flood = FloodThread::start(&lab, PORT, FRAME_BYTES, INTERVAL_NS);
    let mut counted_before = 0;
    let mut upgraded = || {
        wait_until_held(&daemon);
        let before = Reading::take(&daemon, "measured");
        let left = LeftOutcomes::open(&daemon.bpffs()).unwrap();
        daemon.signal(Signal::SIGTERM);
        assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
        assert!(lab.is_attached());
        daemon.pretend_another_layout();
        wait(WINDOW_NS / 4);
        daemon.start_again_with(&lab, &["--keep-attached"]);
        wait(WINDOW_NS / 2);
        let after = Reading::take(&daemon, "measured");
        counted_before += all(&left);
        assert_eq!(left.packets(0, Outcome::Unconfigured), 0);
        let frame = u64::try_from(FRAME_BYTES).unwrap();
        let passed_then = before.class.passed_packets;
        let passed = left.packets(0, Outcome::ClassPassed) - passed_then;
        let bytes = passed * frame + after.class.passed_bytes;
        is_held(before.at_ns, after.at_ns, bytes)
    };
    assert!((0..ATTEMPTS).any(|_| upgraded()));

    let arrived = flood.stop(&lab);
    let eth0 = daemon.eth0();
    let counted = counted_before + eth0.received_packets - at_first;
    assert_eq!(counted, arrived, "{eth0:?}");
    assert!(eth0.received_packets > 0 && counted_before > 0);
    assert_eq!(daemon.outcome("unconfigured"), 0);
    assert!(
        daemon.log().contains("are not like ours"),
        "{}",
        daemon.log()
    );
}

#[test]
fn stopped_as_a_service_it_stays_attached_until_detached() {
    if !require_root("stopped_as_a_service_it_stays_attached_until_detached") {
        return;
    }
    let lab = Lab::new();
    let mut daemon = Daemon::start_with(&lab, &flooded(), &["--keep-attached"]);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    assert!(lab.is_attached());
    assert!(!daemon.socket().exists());

    let bpffs = daemon.bpffs();
    let detach = ["detach", "--bpffs", bpffs.to_str().unwrap()];
    let detached = daemon.cli(&detach).with_code(0);
    assert!(
        detached.stdout.contains("detached from 1 interface"),
        "{detached:?}"
    );
    assert!(!lab.is_attached());
    assert!(!bpffs.exists());
    let again = daemon.cli(&detach).with_code(0);
    assert!(again.stdout.contains("nothing is attached"), "{again:?}");
}

#[test]
fn interrupted_it_leaves_nothing_even_where_a_service_would() {
    if !require_root("interrupted_it_leaves_nothing_even_where_a_service_would") {
        return;
    }
    let lab = Lab::new();
    let mut daemon = Daemon::start_with(&lab, &flooded(), &["--keep-attached"]);
    daemon.signal(Signal::SIGINT);
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    assert!(!lab.is_attached());
    assert!(!daemon.bpffs().exists());
}

#[test]
fn a_start_that_fails_leaves_what_runs() {
    if !require_root("a_start_that_fails_leaves_what_runs") {
        return;
    }
    let lab = Lab::new();
    let mut daemon = Daemon::start(&lab, &flooded());
    let bpffs = daemon.bpffs();
    let tables = Pins::tables(&bpffs).unwrap();
    daemon.signal(Signal::SIGKILL);
    daemon.wait();

    let file = daemon.folder().join("policy.toml");
    let right = std::fs::read_to_string(&file).unwrap();
    let wrong = right.replace("[class.rest]", "[class.rest]\ncpus = \"900\"");
    std::fs::write(&file, wrong).unwrap();
    let refused = Daemon::command(&lab, daemon.folder()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");

    assert!(lab.is_attached());
    assert_eq!(Pins::tables(&bpffs).unwrap(), tables);
    std::fs::write(&file, right).unwrap();
    daemon.start_again(&lab);
    // The same policy has the same number.
    assert_eq!(daemon.status().generation, 1);
}

#[test]
fn a_second_daemon_with_the_same_pins_is_refused() {
    if !require_root("a_second_daemon_with_the_same_pins_is_refused") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &flooded());
    let mut second = lab.host.command(stormbolt_tests::e2e::stormbolt());
    second.arg("--socket").arg(daemon.folder().join("another"));
    second.args(["run", "--config"]);
    second.arg(daemon.folder().join("policy.toml"));
    second.arg("--bpffs").arg(daemon.bpffs());
    let refused = second.output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("another daemon keeps its pins in"), "{text}");
    assert!(lab.is_attached());
}

#[test]
fn under_another_policy_file_everything_that_keeps_its_name_keeps_its_counters() {
    if !require_root("under_another_policy_file_everything_that_keeps_its_name") {
        return;
    }
    let lab = Lab::quiet();
    let mut daemon = Daemon::start(&lab, &flooded());
    let receiver = lab.receive(Family::V4, &[PORT]);
    let sender = lab.send(Family::V4, PORT, 100, 1000);
    until("its packets are counted", || {
        daemon.class("measured").passed_packets > 200
    });
    drop(sender);
    drop(receiver);
    // The last packet is on its way for less than this.
    wait(SECOND_NS / 2);
    let (class, eth0) = (daemon.class("measured"), daemon.eth0());
    let rule = |daemon: &Daemon, name: &str| {
        let found = daemon.rules().into_iter().find(|rule| rule.name == name);
        found.map(|rule| rule.packets)
    };
    assert_eq!(rule(&daemon, "flood"), Some(class.passed_packets));

    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    let other = policy(&format!(
        "[class.new]\npriority = 3\n\n[class.measured]\npriority = 1\n\n[[rule]]\nname = \"new\"\n\
         protocol = \"tcp\"\nclass = \"new\"\n\n[[rule]]\nname = \"flood\"\nprotocol = \"udp\"\n\
         dst-port = {PORT}\nclass = \"measured\"\n\n[default]\nclass = \"measured\"\n"
    ));
    std::fs::write(daemon.folder().join("policy.toml"), other).unwrap();
    daemon.start_again(&lab);

    let after = daemon.class("measured");
    assert_eq!(
        (after.passed_packets, after.passed_bytes),
        (class.passed_packets, class.passed_bytes)
    );
    assert_eq!(daemon.eth0().outcomes, eth0.outcomes);
    assert_eq!(rule(&daemon, "flood"), Some(class.passed_packets));
    assert_eq!(rule(&daemon, "new"), Some(0));
    assert_eq!(daemon.class("new").passed_packets, 0);
}
