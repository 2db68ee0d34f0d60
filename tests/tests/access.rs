//! Who may use the API of a running daemon, by the users and groups of the machine.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use stormbolt::lab::require_root;
use stormbolt_tests::e2e::{Daemon, Finished, Lab, copy_for_everybody, policy};

/// Users and groups that no machine has.
const LOOKER: u32 = 61_001;
const CHANGER: u32 = 61_002;
const STRANGER: u32 = 61_003;
const GROUP: u32 = 61_004;

#[test]
fn the_group_may_look_who_is_named_may_change_and_nobody_else_gets_in() {
    if !require_root("the_group_may_look_who_is_named_may_change_and_nobody_else_gets_in") {
        return;
    }
    let lab = Lab::new();
    let group = GROUP.to_string();
    let changer = format!("user:{CHANGER}");
    let policy = policy("[class.bulk]\n\n[default]\nclass = \"bulk\"\n");
    let daemon = Daemon::start_with(
        &lab,
        &policy,
        &["--group", &group, "--read-write", &changer],
    );
    let socket = fs::metadata(daemon.socket()).unwrap();
    assert_eq!((socket.mode() & 0o777, socket.gid()), (0o660, GROUP));
    // The folder of a test is its owner's alone.
    fs::set_permissions(daemon.folder(), fs::Permissions::from_mode(0o711)).unwrap();

    let (_copy, program) = copy_for_everybody();
    let run = |uid: u32, gid: u32, arguments: &[&str]| -> Finished {
        let mut command = Command::new(&program);
        command.arg("--socket").arg(daemon.socket()).args(arguments);
        command.uid(uid).gid(gid).output().unwrap().into()
    };
    let change = ["class", "set", "bulk", "--ceil", "1Gbit"];

    let strange = run(STRANGER, STRANGER, &["show", "status"]).with_code(77);
    assert!(strange.stderr.contains("group"), "{strange:?}");

    run(LOOKER, GROUP, &["show", "classes"]).with_code(0);
    run(
        LOOKER,
        GROUP,
        &[
            "explain",
            "--src",
            "192.0.2.1",
            "--dst",
            "192.0.2.2",
            "--dst-port",
            "443",
        ],
    )
    .with_code(0);
    let refused = run(LOOKER, GROUP, &change).with_code(77);
    assert!(refused.stderr.contains("--read-write"), "{refused:?}");
    let generation = daemon.status().generation;

    run(CHANGER, GROUP, &change).with_code(0);
    assert_eq!(daemon.status().generation, generation + 1);
    assert_eq!(daemon.class("bulk").ceil_bits_per_second.0, 1_000_000_000);
    daemon
        .cli(&["class", "set", "bulk", "--ceil", "2Gbit"])
        .with_code(0);
}

#[test]
fn a_user_that_does_not_exist_is_named_before_anything_is_attached() {
    if !require_root("a_user_that_does_not_exist_is_named_before_anything_is_attached") {
        return;
    }
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let text = policy("[class.bulk]\n\n[default]\nclass = \"bulk\"\n");
    fs::write(folder.path().join("policy.toml"), text).unwrap();
    let mut command = Daemon::command(&lab, folder.path());
    command.args(["--read-write", "user:no-such-user-here"]);
    let finished = Finished::from(command.output().unwrap()).with_code(78);
    let expected = "there is no user `no-such-user-here` on this machine";
    assert!(finished.stderr.contains(expected), "{finished:?}");
    assert!(!lab.is_attached());
}
