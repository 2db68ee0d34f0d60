//! Policies that outlive the daemon, come back by themselves, and never half: with real processes and traffic.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use stormbolt::api::client::Client;
use stormbolt::api::documents::{Applied, ClassChange};
use stormbolt::lab::require_root;
use stormbolt::lab::traffic::UdpReceiver;
use stormbolt_tests::e2e::{Daemon, Family, Lab, assert_rate_is_held, policy, policy_file, until};

const PORT: u16 = 7003;

/// A policy with remarks that no other has.
fn bulk_at(ceil: &str) -> String {
    policy(&format!(
        "# Agreed with Ada.\n[class.bulk]\nceil = \"{ceil}\" # for now\nburst = \"20ms\"\n\n[default]\nclass = \"bulk\"\n"
    ))
}

/// The same, but for a rule that drops what the lab sends.
fn cut_off(ceil: &str) -> String {
    let rule = format!("[[rule]]\nprotocol = \"udp\"\ndst-port = {PORT}\naction = \"drop\"\n\n");
    bulk_at(ceil).replace("[default]", &format!("{rule}[default]"))
}

fn file(daemon: &Daemon) -> PathBuf {
    daemon.folder().join("policy.toml")
}

fn text(daemon: &Daemon) -> String {
    fs::read_to_string(file(daemon)).expect("the policy file is there")
}

fn received(receiver: &UdpReceiver) -> u64 {
    receiver.counters().iter().map(|one| one.packets).sum()
}

/// Waits until more packets arrive.
fn until_it_arrives(receiver: &UdpReceiver) {
    let before = received(receiver);
    until("packets arrive", || received(receiver) > before + 100);
}

#[test]
fn who_cut_himself_off_is_let_in_again_by_doing_nothing() {
    if !require_root("who_cut_himself_off_is_let_in_again") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &bulk_at("20Mbit"));
    let receiver = lab.receive(Family::V4, &[PORT]);
    let sender = lab.send(Family::V4, PORT, 1000, 4000);
    until_it_arrives(&receiver);
    let new = policy_file(&cut_off("20Mbit"));
    let path = new.path().to_str().unwrap();

    let applied = daemon.cli(&["apply", "--confirm", "3s", path]).with_code(0);
    assert!(
        applied.stdout.starts_with("applied, generation 2\n"),
        "{applied:?}"
    );
    assert!(applied.stdout.contains("stormbolt confirm"), "{applied:?}");
    until("the rule drops", || {
        daemon
            .rules()
            .first()
            .is_some_and(|rule| rule.packets > 100)
    });

    until("the old policy is back", || daemon.rules().is_empty());
    until_it_arrives(&receiver);
    assert_eq!(daemon.status().generation, 3);
    assert_eq!(text(&daemon), bulk_at("20Mbit"));
    assert_rate_is_held(&daemon, "bulk", 20_000_000, &[&sender]);

    daemon
        .cli(&["apply", "--confirm", "60s", path])
        .with_code(0);
    daemon
        .cli(&["class", "set", "bulk", "--ceil", "1Mbit"])
        .with_code(1);
    daemon.cli(&["confirm"]).with_code(0);
    assert_eq!(text(&daemon), cut_off("20Mbit"));
    daemon.cli(&["rollback"]).with_code(0);
    until_it_arrives(&receiver);
    assert_eq!(text(&daemon), bulk_at("20Mbit"));

    // It is known some seconds after the policy came into force.
    let narrow = policy_file(&bulk_at("10Mbit"));
    let dry = ["apply", "--dry-run", narrow.path().to_str().unwrap()];
    until("the dry run says what of the traffic would go", || {
        let shown = daemon.cli(&dry).with_code(0).stdout;
        shown.contains("  class bulk on eth0: ") && shown.contains("Mbit of it above its new ceil")
    });
}

#[test]
fn a_restart_comes_up_with_what_was_confirmed_last() {
    if !require_root("a_restart_comes_up_with_what_was_confirmed_last") {
        return;
    }
    let lab = Lab::new();
    let mut daemon = Daemon::start(&lab, &bulk_at("20Mbit"));
    let _receiver = lab.receive(Family::V4, &[PORT]);
    let sender = lab.send(Family::V4, PORT, 1000, 6000);
    daemon
        .cli(&["class", "set", "bulk", "--ceil", "10Mbit"])
        .with_code(0);
    assert_eq!(text(&daemon), bulk_at("10Mbit"));
    // The policy file itself, as one does it.
    fs::write(file(&daemon), cut_off("10Mbit")).unwrap();
    let path = file(&daemon);
    let path = path.to_str().unwrap();
    daemon
        .cli(&["apply", "--confirm", "600s", path])
        .with_code(0);
    until("the rule drops", || daemon.rules()[0].packets > 0);

    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    daemon.start_again(&lab);

    let status = daemon.status();
    assert_eq!((status.generation, status.rule_count), (2, 0));
    assert!(
        daemon.log().contains("which was not confirmed"),
        "{}",
        daemon.log()
    );
    assert_rate_is_held(&daemon, "bulk", 10_000_000, &[&sender]);
    let history = daemon.cli(&["show", "history"]).with_code(0).stdout;
    assert!(
        history.contains("not-confirmed") && history.contains("in-force"),
        "{history}"
    );
    daemon.cli(&["diff", path]).with_code(1);

    // Half a file is no reason to be without a policy.
    daemon.signal(Signal::SIGTERM);
    daemon.wait();
    fs::write(path, &cut_off("10Mbit")[..90]).unwrap();
    daemon.start_again(&lab);
    assert_eq!(daemon.class("bulk").ceil_bits_per_second.0, 10_000_000);
    assert_eq!(daemon.status().generation, 2);
}

/// Sets the ceiling to one number after the other, and notes the last that was acknowledged.
fn set_ceilings(client: &Client, from: u32, done: &AtomicU32, stop: &AtomicBool) {
    for megabits in from.. {
        let change = ClassChange {
            ceil: Some(format!("{megabits}Mbit")),
            ..ClassChange::default()
        };
        let answer: Result<Applied, _> = client.patch_class("bulk", &change);
        match answer {
            Ok(answer) => assert_eq!(answer.warnings, []),
            Err(_) => return,
        }
        done.store(megabits, Ordering::SeqCst);
        if stop.load(Ordering::SeqCst) {
            return;
        }
    }
}

#[test]
fn no_kill_loses_a_change_that_was_acknowledged_or_leaves_half_of_one() {
    const KILLS: u32 = 12;
    if !require_root("no_kill_loses_a_change_that_was_acknowledged") {
        return;
    }
    let lab = Lab::new();
    let mut daemon = Daemon::start(&lab, &bulk_at("100Mbit"));
    let mut from = 101;
    for kill in 0..KILLS {
        let (done, stop) = (AtomicU32::new(from - 1), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let client = Client::new(&daemon.socket()).unwrap();
            let (done, stop) = (&done, &stop);
            scope.spawn(move || set_ceilings(&client, from, done, stop));
            until("some changes are done", || {
                done.load(Ordering::SeqCst) >= from + 2
            });
            // At another place in a change each time.
            std::thread::sleep(Duration::from_micros(u64::from(kill) * 700));
            daemon.signal(Signal::SIGKILL);
            daemon.wait();
            stop.store(true, Ordering::SeqCst);
        });
        let acknowledged = done.load(Ordering::SeqCst);
        let megabits = [acknowledged, acknowledged + 1];
        let whole = megabits.map(|megabits| bulk_at(&format!("{megabits}Mbit")));
        assert!(
            whole.contains(&text(&daemon)),
            "{acknowledged}: {}",
            text(&daemon)
        );

        daemon.start_again(&lab);

        let ceil = daemon.class("bulk").ceil_bits_per_second.0;
        let allowed = megabits.map(|megabits| u64::from(megabits) * 1_000_000);
        assert!(
            allowed.contains(&ceil),
            "kill {kill}: {ceil}, {acknowledged} was acknowledged"
        );
        from = acknowledged + 2;
    }
    assert!(
        !daemon.log().contains("not what was written"),
        "{}",
        daemon.log()
    );
}

#[test]
fn commands_say_what_differs_and_refuse_what_was_meant_for_another_policy() {
    if !require_root("commands_say_what_differs") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &bulk_at("20Mbit"));
    let new = policy_file(&cut_off("30Mbit"));
    let path = new.path().to_str().unwrap();
    let differs = daemon.cli(&["diff", path]).with_code(1);
    assert_eq!(differs.stdout.lines().count(), 2, "{differs:?}");
    assert!(
        differs
            .stdout
            .starts_with("~ class bulk: ceil 20Mbit → 30Mbit\n+ rule rule 1 at position 1: ")
    );
    let document = daemon
        .cli(&["diff", path, "-o", "json"])
        .with_code(1)
        .json();
    assert_eq!(document["changes"][0]["after"], "30Mbit");
    let dry = daemon.cli(&["apply", "--dry-run", path]).with_code(0);
    assert!(dry.stdout.starts_with(&differs.stdout), "{dry:?}");

    let stale = daemon
        .cli(&["apply", "--if-generation", "9", path])
        .with_code(1);
    assert!(
        stale.stderr.contains("generation 1 is in force, not 9"),
        "{stale:?}"
    );
    daemon
        .cli(&["apply", "--if-generation", "1", path])
        .with_code(0);
    let same = daemon.cli(&["diff", path]).with_code(0);
    assert_eq!(same.stdout, "no difference to generation 2\n");
    let rule = ["rule", "del", "rule 1", "--if-generation", "1"];
    daemon.cli(&rule).with_code(1);

    // What is exported can be applied, and an earlier policy comes as it was written.
    let exported = policy_file(&daemon.cli(&["export"]).with_code(0).stdout);
    daemon
        .cli(&["diff", exported.path().to_str().unwrap()])
        .with_code(0);
    let first = daemon.cli(&["export", "1"]).with_code(0);
    assert_eq!(first.stdout, bulk_at("20Mbit"));

    let ssh = format!("10.9.0.1 5 10.9.0.2 {PORT}");
    let tcp = policy_file(&cut_off("30Mbit").replace("\"udp\"", "\"tcp\""));
    let path = tcp.path().to_str().unwrap();
    let text = fs::read_to_string(path).unwrap();
    let client = Client::new(&daemon.socket()).unwrap().in_session(Some(ssh));
    let refused = client
        .put_policy(path, text, false)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("would cut off the session"), "{refused}");
    assert!(refused.contains("on eth0"), "{refused}");
}
