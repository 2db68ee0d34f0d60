//! Interfaces that go and come back, get other names and other namespaces, or have a program already.

use std::fs;

use stormbolt::lab::{Namespace, require_root};
use stormbolt_tests::e2e::{Daemon, Family, Lab, policy, until};

const PORT: u16 = 7001;

fn bulk_at(ceil: &str) -> String {
    policy(&format!(
        "[class.bulk]\nceil = \"{ceil}\"\n\n[default]\nclass = \"bulk\"\n"
    ))
}

/// Waits until the daemon says that `eth0` is attached natively, or not at all.
fn until_attached(daemon: &Daemon, attached: bool) {
    let mode = if attached { "native" } else { "detached" };
    until(&format!("eth0 is {mode}"), || daemon.eth0().mode == mode);
    let says = daemon.status().notices.join("\n");
    assert_eq!(
        says.contains("interface eth0 is not attached"),
        !attached,
        "{says}"
    );
}

/// Makes sure that packets of `eth0` are counted.
fn assert_counts(daemon: &Daemon, lab: &Lab) {
    let before = daemon.class("bulk").passed_packets;
    let _receiver = lab.receive(Family::V4, &[PORT]);
    let _sender = lab.send(Family::V4, PORT, 100, 1000);
    until("its packets are counted", || {
        daemon.class("bulk").passed_packets > before + 100
    });
}

#[test]
fn an_interface_that_goes_is_attached_to_when_it_returns_and_policies_change_meanwhile() {
    if !require_root("an_interface_that_goes_is_attached_to_when_it_returns") {
        return;
    }
    let mut lab = Lab::new();
    let daemon = Daemon::start(&lab, &bulk_at("10Mbit"));
    assert_counts(&daemon, &lab);
    let counted = daemon.class("bulk").passed_packets;

    lab.eth0.clone().remove().unwrap();
    until_attached(&daemon, false);
    let file = daemon.folder().join("policy.toml");
    fs::write(&file, bulk_at("20Mbit")).unwrap();
    daemon.cli(&["apply", file.to_str().unwrap()]).with_code(0);
    until_attached(&daemon, false);

    lab.link_again();
    until_attached(&daemon, true);
    assert!(daemon.class("bulk").passed_packets >= counted);
    assert_eq!(daemon.class("bulk").ceil_bits_per_second.0, 20_000_000);
    assert_counts(&daemon, &lab);
}

#[test]
fn an_interface_of_another_name_or_namespace_is_let_go_and_taken_back() {
    if !require_root("an_interface_of_another_name_or_namespace_is_let_go") {
        return;
    }
    let mut lab = Lab::new();
    let daemon = Daemon::start(&lab, &bulk_at("10Mbit"));
    lab.eth0.rename("wan0").unwrap();
    until_attached(&daemon, false);
    assert!(!lab.is_attached());
    lab.eth0.rename("eth0").unwrap();
    until_attached(&daemon, true);
    assert!(lab.is_attached());

    let elsewhere = Namespace::new("elsewhere").unwrap();
    lab.eth0 = lab.eth0.clone().move_to(&elsewhere).unwrap();
    until_attached(&daemon, false);
    assert!(!lab.is_attached());
    lab.eth0 = lab.eth0.clone().move_to(&lab.host).unwrap();
    until_attached(&daemon, true);
}

#[test]
fn an_interface_that_cannot_run_the_program_is_attached_to_once_it_can() {
    if !require_root("an_interface_that_cannot_run_the_program_is_attached_to_once_it_can") {
        return;
    }
    let mut lab = Lab::new();
    let daemon = Daemon::start(&lab, &bulk_at("10Mbit"));
    lab.eth0.clone().remove().unwrap();
    until_attached(&daemon, false);
    // No page holds a frame of this size and what the program needs beside it.
    lab.link_again_with_mtu(9000);
    until("the refusal is told", || {
        let notices = daemon.status().notices.join("\n");
        notices.contains("cannot attach to `eth0` in native mode")
    });

    lab.uplink.set_mtu(1500).unwrap();
    lab.eth0.set_mtu(1500).unwrap();
    until_attached(&daemon, true);
    lab.eth0.set_mtu(1400).unwrap();
    assert_counts(&daemon, &lab);
}

#[test]
fn the_program_of_somebody_else_is_named_with_who_has_it() {
    if !require_root("the_program_of_somebody_else_is_named_with_who_has_it") {
        return;
    }
    let lab = Lab::new();
    let _other = lab.attach_another_program().unwrap();
    let refused = Daemon::run_in_vain(&lab, &bulk_at("10Mbit")).with_code(1);
    let process = format!("(process {})", std::process::id());
    for part in [
        "`eth0` already has an XDP program: program ",
        "`stormbolt`, tag ",
        &process,
    ] {
        assert!(refused.stderr.contains(part), "{part}: {refused:?}");
    }
}

#[test]
fn an_operator_takes_the_program_off_an_interface_and_puts_it_back() {
    if !require_root("an_operator_takes_the_program_off_an_interface") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &bulk_at("10Mbit"));
    let detached = daemon.cli(&["detach", "eth0"]).with_code(0);
    assert_eq!(detached.stdout, "eth0: detached\n");
    assert!(!lab.is_attached());
    let file = daemon.folder().join("policy.toml");
    daemon.cli(&["apply", file.to_str().unwrap()]).with_code(0);
    until_attached(&daemon, false);
    assert!(!lab.is_attached());

    let attached = daemon.cli(&["attach"]).with_code(0);
    assert_eq!(attached.stdout, "eth0: attached in native mode\n");
    assert!(lab.is_attached());
    assert_counts(&daemon, &lab);

    let unknown = daemon.cli(&["detach", "eth9"]).with_code(1);
    assert!(
        unknown
            .stderr
            .contains("the policy has no interface `eth9`"),
        "{unknown:?}"
    );
}
