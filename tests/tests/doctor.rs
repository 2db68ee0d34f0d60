//! `stormbolt doctor` on a machine that has what it complains about.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::Value;
use stormbolt::lab::require_root;
use stormbolt_tests::e2e::{Daemon, Finished, Lab, policy, policy_file, stormbolt};
use tempfile::TempDir;

/// Asks in the lab's host, about a folder that has `policy.toml`, `socket` and `state`, and about pins.
fn doctor(lab: &Lab, folder: &Path, bpffs: &Path) -> Finished {
    let mut command = lab.host.command(stormbolt());
    command.arg("--socket").arg(folder.join("socket"));
    command.args(["doctor", "-o", "json"]);
    command.arg("--config").arg(folder.join("policy.toml"));
    command.arg("--state").arg(folder.join("state"));
    command.arg("--bpffs").arg(bpffs);
    command.output().expect("the command runs").into()
}

/// The same about a machine without a daemon, and with this policy.
fn doctor_of(lab: &Lab, policy: &str) -> Finished {
    let folder = TempDir::with_prefix("stormbolt-tests-").expect("a folder");
    std::fs::write(folder.path().join("policy.toml"), policy).expect("it is written");
    doctor(lab, folder.path(), &nowhere())
}

/// On a bpffs, where nothing is pinned.
fn nowhere() -> PathBuf {
    PathBuf::from("/sys/fs/bpf/stormbolt-tests-nowhere")
}

/// The finding of a check, about `eth0` where it is about an interface.
fn found(finished: &Finished, check: &str) -> Option<Value> {
    let diagnosis = finished.json();
    let findings = diagnosis["findings"].as_array().expect("a list");
    let found = findings.iter().find(|one| one["check"] == check)?;
    let interface = &found["interface"];
    assert!(interface.is_null() || *interface == "eth0", "{found}");
    Some(found.clone())
}

fn state(finished: &Finished, check: &str) -> String {
    let found = found(finished, check);
    let found = found.unwrap_or_else(|| panic!("no {check}: {finished:?}"));
    found["state"].as_str().expect("text").to_owned()
}

/// A policy that wants the driver.
fn native() -> String {
    policy("[class.a]\n[management]\nsrc = \"10.9.0.0/24\"\n[default]\nclass = \"a\"\n")
}

#[test]
fn doctor_and_the_kernel_agree_on_the_largest_packets_in_a_driver() {
    if !require_root("doctor_and_the_kernel_agree_on_the_largest_packets") {
        return;
    }
    let lab = Lab::new();
    for (mtu, fits) in [(1500, true), (3506, true), (3507, false), (9000, false)] {
        for end in [&lab.uplink, &lab.eth0] {
            end.set_mtu(mtu).unwrap();
        }
        let finished = doctor_of(&lab, &native());
        assert_eq!(state(&finished, "mode"), "ok", "{finished:?}");
        let attached = lab.attach_another_program();
        assert_eq!(attached.is_ok(), fits, "{mtu}: {:?}", attached.err());
        if fits {
            assert_eq!(found(&finished, "mtu"), None, "{mtu}");
        } else {
            let finished = finished.with_code(1);
            assert_eq!(finished.json()["healthy"], false);
            let found = found(&finished, "mtu").unwrap();
            assert_eq!(found["state"], "problem", "{mtu}");
            let message = found["message"].as_str().unwrap();
            assert!(message.contains(&mtu.to_string()), "{message}");
            let remedy = found["remedy"].as_str().unwrap();
            assert!(remedy.contains("ip link set eth0 mtu 3506"), "{remedy}");
        }
    }
}

#[test]
fn somebody_elses_program_is_named_with_its_owner() {
    if !require_root("somebody_elses_program_is_named_with_its_owner") {
        return;
    }
    let lab = Lab::new();
    assert_eq!(state(&doctor_of(&lab, &native()), "xdp"), "ok");
    let _program = lab.attach_another_program().unwrap();
    let finished = doctor_of(&lab, &native()).with_code(1);
    let found = found(&finished, "xdp").unwrap();
    assert_eq!(found["state"], "problem", "{found}");
    let message = found["message"].as_str().unwrap();
    let owner = format!("(process {})", std::process::id());
    assert!(message.contains(&owner), "{message}");
}

#[test]
fn a_daemon_that_runs_is_well_and_one_that_was_killed_has_left_something() {
    if !require_root("a_daemon_that_runs_is_well_and_one_that_was_killed") {
        return;
    }
    let lab = Lab::new();
    let mut daemon = Daemon::start(&lab, &native());
    let bpffs = daemon.bpffs();
    let finished = doctor(&lab, daemon.folder(), &bpffs);
    for check in [
        "kernel", "btf", "rights", "program", "policy", "xdp", "mode", "daemon", "state", "bpffs",
    ] {
        assert_eq!(state(&finished, check), "ok", "{check}: {finished:?}");
    }
    assert_eq!(found(&finished, "pins"), None, "{finished:?}");
    assert_eq!(found(&finished, "management"), None, "{finished:?}");
    let seen = found(&finished, "xdp").unwrap();
    assert_eq!(seen["message"], "StormBolt's program runs there");

    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    let finished = doctor(&lab, daemon.folder(), &bpffs).with_code(1);
    assert_eq!(state(&finished, "daemon"), "note");
    assert_eq!(state(&finished, "pins"), "problem");
    // It is still ours that runs there, and whoever asked has changed nothing.
    assert_eq!(state(&finished, "xdp"), "ok");
    daemon.start_again(&lab);
    let finished = doctor(&lab, daemon.folder(), &bpffs);
    assert_eq!(found(&finished, "pins"), None, "{finished:?}");
}

#[test]
fn mistakes_in_the_policy_are_told_and_what_can_be_done() {
    if !require_root("mistakes_in_the_policy_are_told") {
        return;
    }
    let lab = Lab::new();
    let finished = doctor_of(&lab, "version = 1\n[class.a]\n").with_code(1);
    assert_eq!(state(&finished, "policy"), "problem");
    let elsewhere = native().replace("eth0", "eth7");
    let finished = doctor_of(&lab, &elsewhere).with_code(1);
    let diagnosis = finished.json();
    let findings = diagnosis["findings"].as_array().unwrap();
    let about: Vec<&Value> = findings
        .iter()
        .filter(|one| one["interface"] == "eth7")
        .collect();
    assert_eq!(about.len(), 1, "{diagnosis}");
    assert_eq!(
        [&about[0]["check"], &about[0]["state"]],
        ["interface", "problem"]
    );

    let file = policy_file(&native());
    let mut command = lab.host.command(stormbolt());
    command.args(["--socket", "/nonexistent", "doctor", "--bpffs"]);
    command.arg(nowhere()).arg("--config").arg(file.path());
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let note = "note     no daemon listens at /nonexistent";
    assert!(text.contains(note), "{text}");
    assert!(
        text.contains("\n           → sudo systemctl start stormbolt\n"),
        "{text}"
    );
}
