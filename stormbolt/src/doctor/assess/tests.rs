//! Machines that have one thing the matter, and what is said of them.

use std::path::PathBuf;

use stormbolt_common::LAYOUT_VERSION;
use stormbolt_control::policy::AttachMode;

use super::assess;
use crate::datapath::{AttachedMode, DeviceSeen, PinsSeen};
use crate::doctor::document::{Diagnosis, DoctorFinding, State};
use crate::doctor::facts::{
    Answer, Daemon, Facts, Folder, FolderState, Hardware, InterfaceFacts, Kernel, Load, Pinned,
    PolicyFile, PolicyState, Queues, ValidPolicy,
};

/// What drivers say that run programs and hand frames on.
const ALL: Option<u64> = Some(0x7f);

/// A machine on which everything is as it should be.
fn healthy() -> Facts {
    Facts {
        kernel: Kernel {
            release: "6.1.0-18-amd64".to_owned(),
            machine: "x86_64".to_owned(),
            has_btf: true,
            jit: Some(1),
            jit_harden: Some(0),
            unprivileged_bpf_disabled: Some(2),
            clock_source: Some("tsc".to_owned()),
        },
        missing_rights: Vec::new(),
        load: Load::Taken,
        cpus: 4,
        policy: PolicyFile {
            path: PathBuf::from("/p.toml"),
            state: PolicyState::Valid(ValidPolicy {
                interfaces: vec![("eth0".to_owned(), AttachMode::Auto)],
                ..ValidPolicy::default()
            }),
        },
        interfaces: vec![interface(AttachMode::Auto)],
        daemon: Daemon {
            socket: PathBuf::from("/s"),
            answer: Answer::Status {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                notices: Vec::new(),
            },
        },
        state: Folder {
            path: PathBuf::from("/state"),
            state: FolderState::Writable,
        },
        pins: Pinned {
            path: PathBuf::from("/pins"),
            seen: Some(Ok(PinsSeen {
                on_bpffs: true,
                in_use: true,
                links: 1,
                programs: vec![7],
                layouts: vec![Some(LAYOUT_VERSION)],
            })),
        },
    }
}

fn interface(wanted: AttachMode) -> InterfaceFacts {
    InterfaceFacts {
        name: "eth0".to_owned(),
        ours_are_known: false,
        wanted: Some(wanted),
        device: Some(DeviceSeen {
            ifindex: 3,
            name: "eth0".to_owned(),
            is_up: true,
            mtu: 1500,
            ..DeviceSeen::default()
        }),
        hardware: Hardware {
            xdp_features: ALL,
            queues: Some(Queues {
                kind: "combined",
                now: 4,
                most: 8,
            }),
            ring: Some((1024, 4096)),
            features: vec!["rx-gro".to_owned()],
        },
        ..InterfaceFacts::default()
    }
}

/// The finding of this name, once `change` has been made to a healthy machine.
fn found(check: &str, change: impl FnOnce(&mut Facts)) -> DoctorFinding {
    let mut facts = healthy();
    change(&mut facts);
    let findings = assess(&facts);
    let mut of_check = findings.iter().filter(|one| one.check == check);
    let found = of_check.next();
    let found = found.unwrap_or_else(|| panic!("no {check}: {findings:#?}"));
    assert_eq!(of_check.next(), None);
    found.clone()
}

/// How it stands, and what to do.
fn judged(check: &str, change: impl FnOnce(&mut Facts)) -> (State, String) {
    let found = found(check, change);
    (found.state, found.remedy.unwrap_or_default())
}

fn on_interface(check: &str, change: impl FnOnce(&mut InterfaceFacts)) -> (State, String) {
    judged(check, |facts| change(&mut facts.interfaces[0]))
}

#[test]
fn a_healthy_machine_has_no_notes_and_no_problems() {
    let diagnosis = Diagnosis::of(assess(&healthy()));
    assert!(diagnosis.healthy);
    let odd: Vec<_> = diagnosis
        .findings
        .iter()
        .filter(|one| one.state != State::Ok)
        .collect();
    assert!(odd.is_empty(), "{odd:#?}");
    assert!(diagnosis.findings.len() > 10);
}

#[test]
fn what_was_not_seen_is_a_note_and_no_problem() {
    let facts = Facts {
        missing_rights: vec!["CAP_BPF".to_owned()],
        kernel: Kernel {
            jit: None,
            jit_harden: None,
            unprivileged_bpf_disabled: None,
            clock_source: None,
            ..healthy().kernel
        },
        load: Load::NotTried,
        state: Folder {
            state: FolderState::NotSeen,
            ..Folder::default()
        },
        pins: Pinned {
            seen: Some(Err("Permission denied".to_owned())),
            ..Pinned::default()
        },
        policy: PolicyFile {
            state: PolicyState::Unreadable("cannot read it".to_owned()),
            ..PolicyFile::default()
        },
        ..healthy()
    };
    let diagnosis = Diagnosis::of(assess(&facts));
    assert!(diagnosis.healthy, "{diagnosis:#?}");
    let notes = diagnosis.findings.iter();
    let notes = notes.filter(|one| one.state == State::Note);
    let notes: Vec<&str> = notes.map(|one| one.check.as_str()).collect();
    assert_eq!(
        notes,
        [
            "rights", "program", "jit", "clock", "policy", "state", "pins"
        ]
    );
}

#[test]
fn kernels_are_judged_by_version_machine_types_and_settings() {
    let kernel =
        |check: &str, change: fn(&mut Kernel)| judged(check, |facts| change(&mut facts.kernel));
    for (release, state) in [
        ("6.0.19", State::Problem),
        ("5.15.0-91-generic", State::Problem),
        ("6.1", State::Ok),
        ("10.0.0", State::Ok),
        ("odd", State::Note),
    ] {
        let found = found("kernel", |facts| facts.kernel.release = release.to_owned());
        assert_eq!(found.state, state, "{found:?}");
    }
    let arm = kernel("kernel", |kernel| kernel.machine = "aarch64".to_owned());
    assert_eq!(arm.0, State::Problem);
    assert_eq!(
        kernel("btf", |kernel| kernel.has_btf = false).0,
        State::Problem
    );
    let enable = "sysctl -w net.core.bpf_jit_enable=1".to_owned();
    assert_eq!(
        kernel("jit", |kernel| kernel.jit = Some(0)),
        (State::Problem, enable.clone())
    );
    assert_eq!(
        kernel("jit", |kernel| kernel.jit = Some(2)),
        (State::Note, enable)
    );
    assert_eq!(
        kernel("jit-harden", |kernel| kernel.jit_harden = Some(2)).0,
        State::Note
    );
    let open = kernel("unprivileged-bpf", |kernel| {
        kernel.unprivileged_bpf_disabled = Some(0);
    });
    assert_eq!(open.0, State::Note);
    let slow = kernel("clock", |kernel| {
        kernel.clock_source = Some("acpi_pm".to_owned());
    });
    assert_eq!(slow.0, State::Note);
    let refused = found("program", |facts| {
        facts.load = Load::Refused("the verifier says no".to_owned());
    });
    assert_eq!(refused.state, State::Problem);
    assert!(refused.message.ends_with("the verifier says no"));
}

#[test]
fn an_interface_that_is_not_there_or_has_another_program_is_a_problem() {
    assert_eq!(
        on_interface("interface", |one| one.device = None).0,
        State::Problem
    );
    let foreign = found("xdp", |facts| {
        facts.interfaces[0].foreign = Some("program 7 `other`".to_owned());
        facts.interfaces[0].ours_are_known = true;
    });
    let anybodys = on_interface("xdp", |one| one.foreign = Some("program 7".to_owned()));
    assert_eq!(anybodys, (State::Note, "run this as root".to_owned()));
    assert_eq!(foreign.state, State::Problem);
    assert_eq!(foreign.interface.as_deref(), Some("eth0"));
    assert!(foreign.message.contains("program 7 `other`"), "{foreign:?}");
    assert!(
        foreign
            .remedy
            .unwrap()
            .contains("ip link set dev eth0 xdp off")
    );
    let down = on_interface("link", |one| one.device.as_mut().unwrap().is_up = false);
    assert_eq!(down, (State::Note, "ip link set eth0 up".to_owned()));
}

#[test]
fn what_keeps_the_program_out_of_the_driver_is_a_problem_where_the_policy_wants_it_there() {
    let cannot: fn(&mut InterfaceFacts) = |one| one.hardware.xdp_features = Some(0);
    let no_redirect: fn(&mut InterfaceFacts) = |one| one.hardware.xdp_features = Some(1);
    let jumbo: fn(&mut InterfaceFacts) = |one| one.device.as_mut().unwrap().mtu = 9000;
    let merging: fn(&mut InterfaceFacts) =
        |one| one.hardware.features = vec!["rx-lro".to_owned(), "rx-gro-hw".to_owned()];
    for (check, change) in [
        ("mode", cannot),
        ("mode", no_redirect),
        ("mtu", jumbo),
        ("merging", merging),
    ] {
        let with = |mode| {
            on_interface(check, |one| {
                *one = interface(mode);
                change(one);
            })
        };
        assert_eq!(with(AttachMode::Native).0, State::Problem, "{check}");
        assert_eq!(with(AttachMode::Auto).0, State::Note, "{check}");
    }
    let (_, remedy) = on_interface("merging", merging);
    assert_eq!(remedy, "ethtool -K eth0 rx-lro off rx-gro-hw off");
    let (_, remedy) = on_interface("mtu", jumbo);
    assert!(remedy.starts_with("ip link set eth0 mtu 3506"), "{remedy}");

    // In the stack none of that matters, and in the driver it evidently does not.
    let mut facts = healthy();
    let one = &mut facts.interfaces[0];
    *one = interface(AttachMode::Generic);
    cannot(one);
    jumbo(one);
    merging(one);
    assert!(
        Diagnosis::of(assess(&facts))
            .findings
            .iter()
            .all(|one| one.state == State::Ok)
    );
    let one = &mut facts.interfaces[0];
    one.wanted = Some(AttachMode::Native);
    one.ours = Some(AttachedMode::Native);
    assert!(
        Diagnosis::of(assess(&facts))
            .findings
            .iter()
            .all(|one| one.state == State::Ok)
    );
    one_is_a_note_in_generic_mode();
}

fn one_is_a_note_in_generic_mode() {
    let fallback = on_interface("mode", |one| one.ours = Some(AttachedMode::Generic));
    assert_eq!(fallback.0, State::Note);
    let old = on_interface("mode", |one| one.hardware.xdp_features = None);
    assert_eq!(old.0, State::Note);
}

#[test]
fn too_few_queues_and_short_rings_are_noted_as_far_as_the_card_has_more() {
    let queues = |now, most| {
        let kind = "combined";
        let queues = Queues { kind, now, most };
        on_interface("queues", |one| one.hardware.queues = Some(queues))
    };
    assert_eq!(
        queues(1, 8),
        (State::Note, "ethtool -L eth0 combined 4".to_owned())
    );
    assert_eq!(queues(2, 3).1, "ethtool -L eth0 combined 3");
    assert_eq!(queues(2, 2).0, State::Ok);
    let single = queues(1, 1);
    assert_eq!(single.0, State::Note);
    assert!(single.1.contains("`cpus`"), "{single:?}");
    let ring = |now, most| on_interface("ring", |one| one.hardware.ring = Some((now, most)));
    assert_eq!(
        ring(256, 4096),
        (State::Note, "ethtool -G eth0 rx 1024".to_owned())
    );
    assert_eq!(ring(512, 512).0, State::Ok);
}

#[test]
fn steering_behind_a_veth_is_noted() {
    let found = found("checksums", |facts| {
        facts.interfaces[0].device.as_mut().unwrap().kind = "veth".to_owned();
        let PolicyState::Valid(policy) = &mut facts.policy.state else {
            panic!("it is valid");
        };
        policy.steers = true;
    });
    assert_eq!(found.state, State::Note);
}

#[test]
fn policies_are_judged_by_what_a_reader_makes_of_them() {
    let policy = |state| judged("policy", |facts| facts.policy.state = state);
    assert_eq!(policy(PolicyState::Missing).0, State::Note);
    let invalid = policy(PolicyState::Invalid("1 error".to_owned()));
    assert_eq!(
        invalid,
        (State::Problem, "stormbolt check /p.toml".to_owned())
    );
    let warned = policy(PolicyState::Valid(ValidPolicy {
        warnings: 2,
        ..ValidPolicy::default()
    }));
    assert_eq!(warned.0, State::Note);
    let open = judged("management", |facts| {
        facts.policy.state = PolicyState::Valid(ValidPolicy {
            interfaces: vec![("eth0".to_owned(), AttachMode::Auto)],
            exempt_from_anywhere: true,
            ..ValidPolicy::default()
        });
    });
    assert_eq!(open.0, State::Note);
    assert!(open.1.contains("`src`"), "{open:?}");
}

#[test]
fn daemons_are_judged_by_what_they_answer() {
    let daemon = |check: &str, answer| judged(check, |facts| facts.daemon.answer = answer);
    let start = "sudo systemctl start stormbolt".to_owned();
    assert_eq!(daemon("daemon", Answer::Nobody), (State::Note, start));
    let refused = daemon(
        "daemon",
        Answer::NotPermitted {
            group: Some("stormbolt".to_owned()),
        },
    );
    assert_eq!(refused.0, State::Problem);
    assert!(refused.1.contains("usermod -aG stormbolt"), "{refused:?}");
    let broken = Answer::Broken("no document".to_owned());
    assert_eq!(daemon("daemon", broken).0, State::Problem);
    let other = Answer::Status {
        version: "0.0.0".to_owned(),
        notices: Vec::new(),
    };
    assert_eq!(daemon("version", other).0, State::Problem);
    let noticed = Answer::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        notices: vec!["eth0 runs in generic mode".to_owned()],
    };
    assert_eq!(daemon("notice", noticed).0, State::Note);
}

#[test]
fn what_daemons_have_left_is_a_problem_while_none_runs() {
    let pins = |check: &str, change: fn(&mut PinsSeen), runs: bool| {
        judged(check, |facts| {
            if !runs {
                facts.daemon.answer = Answer::Nobody;
            }
            let Some(Ok(seen)) = &mut facts.pins.seen else {
                panic!("it is seen");
            };
            change(seen);
        })
    };
    let (state, remedy) = pins("pins", |seen| seen.in_use = false, false);
    assert_eq!(state, State::Problem);
    assert!(remedy.contains("stormbolt detach"), "{remedy}");
    let layout = pins(
        "layout",
        |seen| seen.layouts = vec![Some(LAYOUT_VERSION + 1)],
        true,
    );
    assert_eq!(layout.0, State::Note);
    let several = pins("leftovers", |seen| seen.layouts.push(None), true);
    assert_eq!(several.0, State::Note);
    let elsewhere = pins("bpffs", |seen| seen.on_bpffs = false, true);
    assert_eq!(
        elsewhere,
        (State::Problem, "mount -t bpf bpf /sys/fs/bpf".to_owned())
    );
    let locked = judged("state", |facts| {
        facts.state.state = FolderState::NotWritable;
    });
    assert_eq!(locked.0, State::Problem);
}
