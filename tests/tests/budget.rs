//! Policies that need more memory or time than there is: the one in force stays, and goes on.

use std::fmt::Write;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stormbolt::api::documents::{CompilingStatus, Progress};
use stormbolt::lab::require_root;
use stormbolt_tests::e2e::{
    Daemon, Family, Finished, Lab, policy, policy_file, stormbolt, until, until_some,
};

const PORT: u16 = 7001;

/// The least policy, and `rest` in front of its default class.
fn with(rest: &str) -> String {
    policy(&format!(
        "[class.bulk]\nceil = \"1Gbit\"\n\n{rest}\n[default]\nclass = \"bulk\"\n"
    ))
}

/// Rules whose boxes overlap in every field, so that they take long to cut apart: 60,000 of them some
/// seconds.
fn entangled(count: u32) -> String {
    // A fixed sequence that looks random (Knuth's MMIX generator).
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let prefix = |next: &mut dyn FnMut(u64) -> u64| {
        let length = u32::try_from(1 + next(12)).expect("a small number");
        let network = u32::try_from(next(1 << 12)).expect("a small number") >> (12 - length);
        format!(
            "{}/{length}",
            std::net::Ipv4Addr::from(network << (32 - length))
        )
    };
    let mut rules = String::new();
    for number in 0..count {
        let (source, destination) = (prefix(&mut next), prefix(&mut next));
        let (low, high) = (next(60_000), next(60_000));
        let (above, beyond) = (low + next(65_536 - low), high + next(65_536 - high));
        writeln!(
            rules,
            "[[rule]]\nname = \"r{number}\"\nsrc = \"{source}\"\ndst = \"{destination}\"\n\
             src-port = \"{low}-{above}\"\ndst-port = \"{high}-{beyond}\"\nclass = \"bulk\"",
        )
        .expect("a text grows");
    }
    rules
}

#[test]
fn a_policy_that_does_not_fit_is_refused_with_what_it_needs_and_the_old_one_goes_on() {
    if !require_root("a_policy_that_does_not_fit_is_refused") {
        return;
    }
    let lab = Lab::new();
    let before = with("[[rule]]\nname = \"udp\"\nprotocol = \"udp\"\nclass = \"bulk\"\n");
    let daemon = Daemon::start_with(&lab, &before, &["--table-memory", "64KiB"]);
    let _receiver = lab.receive(Family::V4, &[PORT]);
    let _sender = lab.send(Family::V4, PORT, 100, 100);
    until("the rule counts", || daemon.rules()[0].packets > 0);
    let generation = daemon.status().generation;

    let prefixes: Vec<_> = (0..20_000_u32)
        .map(|number| std::net::Ipv4Addr::from(number << 9).to_string())
        .collect();
    let set = format!(
        "[set.feed]\nprefixes = '''\n{}\n'''\n\n[[rule]]\nname = \"feed\"\nsrc = \"@feed\"\n\
         action = \"drop\"\n",
        prefixes.join("\n")
    );
    for (rest, most) in [(set, "set `feed` ("), (entangled(3_000), "rule `r")] {
        let counted = daemon.rules()[0].packets;
        let file = policy_file(&with(&rest));
        let refused = daemon.cli(&["apply", file.path().to_str().unwrap()]);
        let refused = refused.with_code(1);
        for said in [
            "the rules and sets need at least ",
            "but there are 64 KiB; most go to ",
            most,
        ] {
            assert!(refused.stderr.contains(said), "{said}: {refused:?}");
        }
        assert_eq!(daemon.status().generation, generation);
        assert_eq!(daemon.rules()[0].name, "udp");
        until("the rule counts on", || daemon.rules()[0].packets > counted);
    }

    let counted = daemon.rules()[0].packets;
    let file = policy_file(&before.replace("1Gbit", "2Gbit"));
    daemon
        .cli(&["apply", file.path().to_str().unwrap()])
        .with_code(0);
    assert_eq!(daemon.status().generation, generation + 1);
    assert!(daemon.rules()[0].packets >= counted, "the rule is the same");
}

/// Begins to apply a policy that takes seconds to compile, and waits until it is being compiled.
fn begin(daemon: &Daemon, file: &std::path::Path) -> (Child, CompilingStatus) {
    let mut command = Command::new(stormbolt());
    command.arg("--socket").arg(daemon.socket());
    command.arg("apply").arg(file);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("stormbolt runs");
    let compiling = until_some("it is being compiled", || {
        let progress: Progress = daemon
            .client()
            .get("/v1/progress")
            .expect("it says how far it is at any time");
        progress.compiling
    });
    (child, compiling)
}

#[test]
fn ctrl_c_of_apply_gives_the_compilation_up_and_the_old_policy_goes_on() {
    if !require_root("ctrl_c_of_apply_gives_the_compilation_up") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &with(""));
    let generation = daemon.status().generation;
    let file = policy_file(&with(&entangled(120_000)));

    let (child, compiling) = begin(&daemon, file.path());
    assert_eq!(compiling.rule_count, 120_000);
    let pid = i32::try_from(child.id()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
    let finished = Finished::from(child.wait_with_output().unwrap());
    assert_eq!(finished.code, None, "a signal ended it: {finished:?}");

    until("the daemon gives up", || {
        daemon.log().contains("refused, generation") && daemon.log().contains("given up")
    });
    assert_eq!(daemon.status().generation, generation);
    assert_eq!(daemon.status().rule_count, 0);
    daemon
        .cli(&["class", "set", "bulk", "--weight", "2"])
        .with_code(0);
    assert_eq!(daemon.status().generation, generation + 1);
}

#[test]
fn a_daemon_that_compiles_ends_when_it_is_told_to() {
    if !require_root("a_daemon_that_compiles_ends_when_it_is_told_to") {
        return;
    }
    let lab = Lab::new();
    let mut daemon = Daemon::start(&lab, &with(""));
    let file = policy_file(&with(&entangled(120_000)));
    let (child, _) = begin(&daemon, file.path());

    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());

    let finished = Finished::from(child.wait_with_output().unwrap()).with_code(1);
    assert!(
        finished.stderr.contains("the daemon is stopping"),
        "{finished:?}"
    );
    assert!(
        !daemon.log().contains("generation 2 in force"),
        "{}",
        daemon.log()
    );
    assert!(!lab.is_attached());
}
