//! The daemon as a process: how it starts, reloads and ends, and what it leaves behind.

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

use nix::sys::signal::Signal;
use stormbolt::lab::require_root;
use stormbolt_tests::e2e::{
    Daemon, Family, Finished, Lab, assert_rate_is_held, copy_for_everybody, policy, until,
};

const PORT: u16 = 7001;

fn bulk_at(ceil: &str) -> String {
    policy(&format!(
        "[class.bulk]\nceil = \"{ceil}\"\nburst = \"20ms\"\n\n[default]\nclass = \"bulk\"\n"
    ))
}

#[test]
fn sigterm_and_sigint_end_it_with_0_and_leave_no_program_and_no_socket() {
    if !require_root("sigterm_and_sigint_end_it_with_0") {
        return;
    }
    let lab = Lab::new();
    assert!(!lab.is_attached());
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut daemon = Daemon::start(&lab, &bulk_at("10Mbit"));
        assert!(lab.is_attached());
        assert_eq!(daemon.eth0().mode, "native");

        daemon.signal(signal);
        assert_eq!(daemon.wait().code(), Some(0), "{signal}: {}", daemon.log());

        assert!(!lab.is_attached(), "{signal}");
        assert!(!daemon.socket().exists(), "{signal}");
        daemon.cli(&["show", "status"]).with_code(69);
    }
}

#[test]
fn after_kill_9_the_next_one_takes_over_the_socket_and_polices_again() {
    if !require_root("after_kill_9_the_next_one_polices_again") {
        return;
    }
    let lab = Lab::new();
    let mut daemon = Daemon::start(&lab, &bulk_at("20Mbit"));
    let _receiver = lab.receive(Family::V4, &[PORT]);
    let sender = lab.send(Family::V4, PORT, 1000, 6000);
    until("it polices", || daemon.class("bulk").dropped_packets > 0);

    daemon.signal(Signal::SIGKILL);
    assert_eq!(daemon.wait().signal(), Some(9));
    assert!(
        daemon.socket().exists(),
        "a killed daemon cannot remove its socket"
    );
    daemon.cli(&["show", "status"]).with_code(69);
    daemon.start_again(&lab);

    assert!(lab.is_attached());
    assert_rate_is_held(&daemon, "bulk", 20_000_000, &[&sender]);
}

#[test]
fn a_second_daemon_is_refused_and_the_first_goes_on() {
    if !require_root("a_second_daemon_is_refused") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &bulk_at("10Mbit"));

    let second: Finished = Daemon::command(&lab, daemon.folder())
        .output()
        .unwrap()
        .into();

    let second = second.with_code(1);
    assert!(
        second.stderr.contains("a daemon is already running"),
        "{second:?}"
    );
    assert_eq!(daemon.status().generation, 1);
    assert!(lab.is_attached());
}

#[test]
fn an_interface_with_another_xdp_program_is_refused_and_keeps_it() {
    if !require_root("an_interface_with_another_xdp_program_is_refused") {
        return;
    }
    let lab = Lab::new();
    let other = lab.attach_another_program().unwrap();

    for mode in ["native", "auto", "generic"] {
        let policy = bulk_at("10Mbit").replace("\"native\"", &format!("\"{mode}\""));
        let refused = Daemon::run_in_vain(&lab, &policy).with_code(1);
        assert!(
            refused.stderr.contains("`eth0` already has an XDP program"),
            "{refused:?}"
        );
        assert!(lab.is_attached());
    }

    drop(other);
    assert!(!lab.is_attached());
}

#[test]
fn a_start_that_cannot_succeed_says_why() {
    if !require_root("a_start_that_cannot_succeed_says_why") {
        return;
    }
    let lab = Lab::new();
    let refused =
        Daemon::run_in_vain(&lab, &bulk_at("10Mbit").replace("eth0", "eth7")).with_code(1);
    assert!(
        refused.stderr.contains("there is no interface `eth7`"),
        "{refused:?}"
    );

    let refused = Daemon::run_in_vain(&lab, &bulk_at("10mbps")).with_code(78);
    assert!(refused.stderr.contains("policy.toml:11:8"), "{refused:?}");

    let cpus = bulk_at("10Mbit").replace("burst", "cpus = \"900\"\nburst");
    let refused = Daemon::run_in_vain(&lab, &cpus).with_code(1);
    assert!(
        refused.stderr.contains("CPU 900 is not there"),
        "{refused:?}"
    );

    assert!(!lab.is_attached());
}

#[test]
fn sighup_reads_the_policy_again_and_keeps_the_old_one_when_it_is_not_valid() {
    if !require_root("sighup_reads_the_policy_again") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &bulk_at("10Mbit"));
    let generation = daemon.status().generation;
    let file = daemon.folder().join("policy.toml");
    let ceil = || daemon.class("bulk").ceil_bits_per_second.0;

    fs::write(&file, bulk_at("15Mbit")).unwrap();
    daemon.signal(Signal::SIGHUP);
    until("the new policy is in force", || ceil() == 15_000_000);
    assert_eq!(daemon.status().generation, generation + 1);

    fs::write(&file, bulk_at("15mbps")).unwrap();
    daemon.signal(Signal::SIGHUP);
    until("the refusal is logged", || {
        daemon.log().contains("the old policy stays in force")
    });
    assert!(
        daemon.log().contains("policy.toml:11:8"),
        "{}",
        daemon.log()
    );
    assert_eq!(
        (daemon.status().generation, ceil()),
        (generation + 1, 15_000_000)
    );
}

#[test]
fn not_root_is_told_so_with_77() {
    /// Nobody, by convention.
    const NOBODY: u32 = 65_534;
    if !require_root("not_root_is_told_so_with_77") {
        return;
    }
    let (folder, program) = copy_for_everybody();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, bulk_at("10Mbit")).unwrap();
    let socket = folder.path().join("socket");
    for arguments in [&["run", "--config"][..], &["demo", "--duration", "8"]] {
        let mut command = Command::new(&program);
        command
            .arg("--socket")
            .arg(&socket)
            .args(arguments)
            .uid(NOBODY)
            .gid(NOBODY);
        if arguments.first() == Some(&"run") {
            command.arg(&policy);
        }
        let refused = Finished::from(command.output().unwrap()).with_code(77);
        for word in ["CAP_", "root"] {
            assert!(refused.stderr.contains(word), "{arguments:?}: {refused:?}");
        }
    }
}

#[test]
fn the_log_of_a_quiet_life_has_no_warning() {
    if !require_root("the_log_of_a_quiet_life_has_no_warning") {
        return;
    }
    let lab = Lab::new();
    let mut daemon = Daemon::start(&lab, &bulk_at("10Mbit"));
    until("it ticks", || daemon.status().ticks > 5);
    daemon.signal(Signal::SIGTERM);
    daemon.wait();

    let log = daemon.log();
    assert!(log.contains("attached to eth0 in native mode"), "{log}");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}
