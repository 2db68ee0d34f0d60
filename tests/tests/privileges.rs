//! What a daemon may do that was started by root.

use std::fs;
use std::os::unix::fs::chown;

use nix::sys::signal::Signal;
use stormbolt::lab::require_root;
use stormbolt_tests::e2e::{Daemon, Lab, policy, until};

/// `CAP_NET_ADMIN`, `CAP_NET_RAW`, `CAP_PERFMON` and `CAP_BPF` (linux/capability.h).
const NEEDED: u64 = 1 << 12 | 1 << 13 | 1 << 38 | 1 << 39;
const DAC_OVERRIDE: u64 = 1 << 1;
const NOBODY: u32 = 65_534;

fn everything() -> String {
    policy("[class.everything]\n\n[default]\nclass = \"everything\"\n")
}

/// A number in `/proc/PID/status`.
#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn status(daemon: &Daemon, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.status().pid)).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let value = line.unwrap().trim_start_matches(':').trim();
    u64::from_str_radix(value, 16).unwrap()
}

fn assert_capabilities(daemon: &Daemon, expected: u64) {
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        let found = status(daemon, set);
        assert_eq!(found, expected, "{set}: {found:x} instead of {expected:x}");
    }
    assert_eq!(status(daemon, "CapAmb") | status(daemon, "CapInh"), 0);
    assert_eq!(status(daemon, "NoNewPrivs"), 1);
}

#[test]
fn root_gives_up_all_but_what_the_daemon_needs_and_it_works() {
    if !require_root("root_gives_up_all_but_what_the_daemon_needs") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &everything());
    assert!(lab.is_attached());
    assert_capabilities(&daemon, NEEDED);

    daemon
        .cli(&["class", "set", "everything", "--ceil", "50Mbit"])
        .with_code(0);
    assert_eq!(daemon.status().generation, 2);
}

#[test]
fn root_goes_on_to_read_the_policy_in_somebody_elses_directory() {
    if !require_root("root_goes_on_to_read_the_policy") {
        return;
    }
    let lab = Lab::new();
    let mut daemon = Daemon::start(&lab, &everything());
    daemon.signal(Signal::SIGTERM);
    daemon.wait();
    // As made for the test, the directory is for its owner alone.
    chown(daemon.folder(), Some(NOBODY), None).unwrap();
    daemon.start_again(&lab);
    assert_capabilities(&daemon, NEEDED | DAC_OVERRIDE);
    assert!(
        daemon.log().contains("keeping CAP_DAC_OVERRIDE"),
        "{}",
        daemon.log()
    );

    daemon.signal(Signal::SIGHUP);
    until("the policy is read again", || {
        daemon.status().generation == 2
    });
}
