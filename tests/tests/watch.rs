//! `stormbolt show --watch`: what comes while it watches, and how it ends.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use stormbolt::lab::{require_root, spawn_for_process_lifetime};
use stormbolt_tests::e2e::{Daemon, Lab, policy, stormbolt, until_some};

const CLASSES: &str = "[class.bulk]\nceil = \"40Mbit\"\n\n[default]\nclass = \"bulk\"\n";

/// A command whose output is read while it runs.
struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watching {
    fn start(daemon: &Daemon, arguments: &[&str]) -> Self {
        let mut command = Command::new(stormbolt());
        command.arg("--socket").arg(daemon.socket());
        command.arg("show").args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = spawn_for_process_lifetime(command).unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("another line").unwrap()
    }

    fn json(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        until_some("it ends", || self.child.try_wait().unwrap())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn json_documents_come_a_line_each_until_ctrl_c() {
    if !require_root("json_documents_come_a_line_each_until_ctrl_c") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &policy(CLASSES));
    for subject in [
        "status",
        "interfaces",
        "classes",
        "rules",
        "sets",
        "cpus",
        "sources",
        "tables",
        "history",
    ] {
        let mut watching = Watching::start(&daemon, &[subject, "-o", "json", "--watch", "0.1"]);
        for _ in 0..2 {
            assert_eq!(watching.json()["version"], 1, "{subject}");
        }
        watching.signal(Signal::SIGINT);
        assert_eq!(watching.ended().code(), Some(0), "{subject}");
    }
}

#[test]
fn tables_follow_each_other_where_there_is_no_terminal() {
    if !require_root("tables_follow_each_other_where_there_is_no_terminal") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &policy(CLASSES));
    let mut watching = Watching::start(&daemon, &["classes", "--watch", "0.1"]);
    for _ in 0..2 {
        assert!(watching.line().starts_with("class "));
        assert!(watching.line().starts_with("bulk "));
        assert_eq!(watching.line(), "");
    }
    watching.signal(Signal::SIGTERM);
    assert_eq!(watching.ended().code(), Some(0));
}

#[test]
fn events_come_as_they_happen() {
    if !require_root("events_come_as_they_happen") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &policy(CLASSES));
    let mut watching = Watching::start(&daemon, &["events", "-o", "json", "--watch"]);
    let mut next = |kind: &str| loop {
        let event = watching.json();
        if event["kind"] == kind {
            return event["message"].as_str().unwrap().to_owned();
        }
    };
    assert!(next("policy_applied").contains("generation 1"));
    let set = ["class", "set", "bulk", "--ceil", "30Mbit"];
    daemon.cli(&set).with_code(0);
    assert!(next("policy_applied").contains("generation 2"));
    watching.signal(Signal::SIGINT);
    assert_eq!(watching.ended().code(), Some(0));
}

#[test]
fn it_ends_with_69_when_the_daemon_does() {
    if !require_root("it_ends_with_69_when_the_daemon_does") {
        return;
    }
    let lab = Lab::new();
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let mut daemon = Daemon::start(&lab, &policy(CLASSES));
        let mut watching = Watching::start(&daemon, &["status", "-o", "json", "--watch", "0.1"]);
        watching.json();
        daemon.signal(signal);
        daemon.wait();
        assert_eq!(watching.ended().code(), Some(69), "{signal}");
    }
}
