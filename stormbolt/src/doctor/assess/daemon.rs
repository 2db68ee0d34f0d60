//! The daemon, its folder, and what daemons have left.

use stormbolt_common::LAYOUT_VERSION;

use crate::datapath::PinsSeen;
use crate::doctor::document::DoctorFinding;
use crate::doctor::facts::{Answer, Daemon, Facts, Folder, FolderState, Pinned};

pub(super) fn assess(facts: &Facts) -> Vec<DoctorFinding> {
    let runs = match facts.daemon.answer {
        Answer::Status { .. } | Answer::NotPermitted { .. } => Some(true),
        Answer::Nobody => Some(false),
        Answer::Broken(_) => None,
    };
    let mut findings = asked(&facts.daemon);
    findings.push(folder(&facts.state));
    findings.extend(pins(&facts.pins, runs));
    findings
}

fn asked(daemon: &Daemon) -> Vec<DoctorFinding> {
    let check = "daemon";
    let socket = daemon.socket.display();
    let own = env!("CARGO_PKG_VERSION");
    match &daemon.answer {
        Answer::Nobody => {
            let message = format!(
                "no daemon listens at {socket}: nothing is adapted, and commands have nobody to ask"
            );
            vec![DoctorFinding::note(check, message).remedy("sudo systemctl start stormbolt")]
        }
        Answer::NotPermitted { group } => {
            let message = format!("a daemon listens at {socket}, and does not let this user ask");
            let remedy = match group {
                Some(group) => {
                    format!("sudo usermod -aG {group} $USER, and log in again; or use sudo")
                }
                None => "sudo stormbolt doctor".to_owned(),
            };
            vec![DoctorFinding::problem(check, message).remedy(remedy)]
        }
        Answer::Broken(reason) => {
            let message = format!("the daemon at {socket} does not answer as it should: {reason}");
            vec![DoctorFinding::problem(check, message).remedy("sudo systemctl restart stormbolt")]
        }
        Answer::Status { version, notices } => {
            let mut findings = vec![if version == own {
                DoctorFinding::ok(check, format!("the daemon answers, version {version}"))
            } else {
                let message = format!("the daemon is version {version}, this command is {own}");
                DoctorFinding::problem("version", message)
                    .remedy("sudo systemctl restart stormbolt: traffic is managed meanwhile")
            }];
            let notices = notices.iter();
            findings.extend(notices.map(|notice| DoctorFinding::note("notice", notice.clone())));
            findings
        }
    }
}

fn folder(folder: &Folder) -> DoctorFinding {
    let check = "state";
    let path = folder.path.display();
    match folder.state {
        FolderState::Writable => {
            DoctorFinding::ok(check, format!("policies that were in force are kept in {path}"))
        }
        FolderState::Missing => DoctorFinding::note(
            check,
            format!("{path}, where policies that were in force are kept, is not there yet: a daemon makes it"),
        ),
        FolderState::NotSeen => DoctorFinding::note(
            check,
            format!("whether {path} can be written is not to be seen by this user"),
        )
        .remedy("sudo stormbolt doctor"),
        FolderState::NotWritable => DoctorFinding::problem(
            check,
            format!("{path} cannot be written: `rollback` has nothing to go back to, and changes do not outlive the daemon"),
        )
        .remedy(format!(
            "look at `ls -ld {path}` and `findmnt --target {path}`, or name another folder with `stormbolt run --state`"
        )),
    }
}

fn pins(pinned: &Pinned, daemon_runs: Option<bool>) -> Vec<DoctorFinding> {
    let check = "pins";
    let path = pinned.path.display();
    let seen = match &pinned.seen {
        None => return Vec::new(),
        Some(Err(reason)) => {
            let message = format!("what is pinned at {path} is not to be seen: {reason}");
            return vec![DoctorFinding::note(check, message).remedy("sudo stormbolt doctor")];
        }
        Some(Ok(seen)) => seen,
    };
    if !seen.on_bpffs {
        let message = format!("{path} is not on a bpffs, so that nothing outlives the daemon");
        return vec![
            DoctorFinding::problem("bpffs", message).remedy("mount -t bpf bpf /sys/fs/bpf"),
        ];
    }
    let mut findings = vec![DoctorFinding::ok("bpffs", format!("{path} is on a bpffs"))];
    findings.extend(left(seen, &path.to_string(), daemon_runs));
    findings
}

fn left(seen: &PinsSeen, path: &str, daemon_runs: Option<bool>) -> Vec<DoctorFinding> {
    let check = "pins";
    let mut findings = Vec::new();
    let anything = seen.links > 0 || !seen.layouts.is_empty();
    if anything && !seen.in_use && daemon_runs != Some(true) {
        let message = format!(
            "a daemon has ended and left its program on {} (pins in {path}): rates stand still, nothing adapts",
            interfaces(seen.links)
        );
        findings.push(DoctorFinding::problem(check, message).remedy(
            "sudo systemctl start stormbolt, which goes on from there; or sudo stormbolt detach",
        ));
    }
    let others = seen.layouts.iter().flatten();
    if let Some(other) = others.copied().find(|layout| *layout != LAYOUT_VERSION) {
        let message = format!(
            "tables of another version are pinned in {path} (layout {other}, ours is {LAYOUT_VERSION}): the next daemon \
             takes the interfaces over without a gap, and counters begin anew"
        );
        findings.push(
            DoctorFinding::note("layout", message).remedy("sudo systemctl restart stormbolt"),
        );
    }
    if seen.layouts.len() > 1 {
        let message = format!(
            "{} daemons have left tables in {path}, of which one set at most is in use: the others only take memory",
            seen.layouts.len()
        );
        findings.push(
            DoctorFinding::note("leftovers", message)
                .remedy("sudo systemctl restart stormbolt, which removes them"),
        );
    }
    findings
}

fn interfaces(number: usize) -> String {
    match number {
        0 => "no interface".to_owned(),
        1 => "an interface".to_owned(),
        more => format!("{more} interfaces"),
    }
}
