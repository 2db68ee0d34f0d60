//! Commands from their arguments to their text.

use std::io;
use std::path::Path;

use clap::{CommandFactory, Parser};

use super::show::Shown;
use super::{Cli, Exit, Output, Style, execute};
use crate::api::client::ClientError;
use crate::api::documents::{Classes, DOCUMENT_VERSION, Problem, Status};
use crate::api::test_server::Server;
use crate::config;
use crate::daemon::fake::{self, POLICY};
use crate::daemon::{RunError, SocketError};
use crate::datapath::DatapathError;
use crate::telemetry::samples;

pub(super) const PLAIN: Style = Style { colour: false };

/// Runs a command line; returns what it wrote.
pub(super) fn run(arguments: &[&str]) -> (anyhow::Result<Exit>, String) {
    let cli = Cli::try_parse_from(["stormbolt"].iter().chain(arguments)).unwrap();
    let mut written = Vec::new();
    let mut output = Output::new(Box::new(&mut written), PLAIN, false);
    let exit = execute(&cli, &mut output);
    drop(output);
    (exit, String::from_utf8(written).unwrap())
}

fn policy_file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn wrong_usage_is_refused() {
    for arguments in [
        &["show"][..],
        &["show", "nothing"],
        &["show", "classes", "--watch", "0"],
        &["show", "classes", "--watch", "NaN"],
        &["show", "classes", "-o", "xml"],
        &["class", "set", "bulk"],
        &["class", "set", "bulk", "--priority", "256"],
        &["apply"],
        &["set", "add", "blocked"],
        &["rule", "add", "web"],
        &["rule", "add", "web", "dst-port"],
        &[
            "rule",
            "add",
            "web",
            "dst-port=80",
            "--before",
            "a",
            "--after",
            "b",
        ],
        &["rule", "set", "web"],
        &["rule", "move", "web"],
        &["demo", "--duration", "0"],
    ] {
        let parsed = Cli::try_parse_from(["stormbolt"].iter().chain(arguments));
        assert_eq!(parsed.unwrap_err().exit_code(), 2, "{arguments:?}");
    }
    for arguments in [
        &["show", "classes", "--watch"][..],
        &[
            "show", "classes", "--watch", "0.5", "-o", "json", "--socket", "/x",
        ],
        &[
            "--socket", "/x", "class", "set", "bulk", "--cpus", "0-1", "--rate", "5Mbit",
        ],
    ] {
        assert!(Cli::try_parse_from(["stormbolt"].iter().chain(arguments)).is_ok());
    }
}

#[test]
fn check_says_that_a_valid_policy_is_valid() {
    let file = policy_file(POLICY);
    let (exit, text) = run(&["check", file.path().to_str().unwrap()]);
    assert_eq!(exit.unwrap(), Exit::Done);
    let expected = format!(
        "{}: valid: 1 interface, 2 classes, 1 rule\n",
        file.path().display()
    );
    assert_eq!(text, expected);
}

#[test]
fn check_shows_the_place_of_an_error_and_ends_with_78() {
    let file = policy_file(&POLICY.replace("800Mbit", "800gbps"));
    let path = file.path().to_str().unwrap();
    let (exit, text) = run(&["check", path]);
    assert_eq!(exit.unwrap().code(), 78);
    assert!(
        text.starts_with(&format!("{path}:13:8: error: `gbps` is not a unit")),
        "{text}"
    );

    let (exit, text) = run(&["check", "-o", "json", path]);
    assert_eq!(exit.unwrap().code(), 78);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["valid"], false);
    assert_eq!(document["findings"][0]["line"], 13);
}

#[test]
fn check_shows_what_is_wrong_with_the_sizes_of_the_tables() {
    let file = policy_file(&format!("{POLICY}[tables]\nflows = 1000\n"));
    let path = file.path().to_str().unwrap();
    let (exit, text) = run(&["check", path]);
    assert_eq!(exit.unwrap().code(), 78);
    let line = POLICY.lines().count() + 2;
    let start = format!(
        "{path}:{line}:9: error: `flows` must be 0 or a power of two from 256 to 1048576\n"
    );
    assert!(text.starts_with(&start), "{text}");
    assert!(text.contains("help: write 512 or 1024\n"), "{text}");
}

#[test]
fn apply_shows_the_text_of_an_invalid_policy_without_a_daemon() {
    let file = policy_file(&POLICY.replace("800Mbit", "800gbps"));
    let arguments = [
        "apply",
        file.path().to_str().unwrap(),
        "--socket",
        "/nonexistent",
    ];
    let (exit, text) = run(&arguments);
    let error = exit.unwrap_err();
    assert_eq!((Exit::of(&error), text.as_str()), (Exit::Invalid, ""));
    let explained = super::exit::explained(&error, PLAIN);
    assert!(
        explained.contains("    ceil = \"800gbps\"\n           ^^^^^^^^^"),
        "{explained}"
    );
}

#[test]
fn commands_without_a_daemon_end_with_69_and_say_how_to_start_it() {
    for arguments in [
        &["show", "status"][..],
        &["class", "set", "x", "--weight", "2"],
    ] {
        let (exit, _) = run(&[&["--socket", "/nonexistent"], arguments].concat());
        let error = exit.unwrap_err();
        assert_eq!(Exit::of(&error).code(), 69);
        assert_eq!(
            super::exit::explained(&error, PLAIN),
            "error: the daemon is not reachable at /nonexistent: No such file or directory (os \
             error 2)\n    help: is it running? Start it with: sudo stormbolt run --socket \
             /nonexistent\n"
        );
    }
}

#[test]
fn every_kind_of_error_has_its_exit_code() {
    let path = || Path::new("/socket").to_owned();
    let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
    let problem = |status| {
        let problem = Problem {
            version: DOCUMENT_VERSION,
            error: "no".to_owned(),
            generation: None,
            findings: Vec::new(),
        };
        ClientError::Problem { status, problem }
    };
    let code = |error: anyhow::Error| Exit::of(&error).code();

    assert_eq!(
        code(
            ClientError::NotReachable {
                path: path(),
                source: denied()
            }
            .into()
        ),
        69
    );
    assert_eq!(
        code(
            ClientError::NotPermitted {
                path: path(),
                source: denied()
            }
            .into()
        ),
        77
    );
    assert_eq!(
        code(
            ClientError::TimedOut {
                path: path(),
                seconds: 1
            }
            .into()
        ),
        124
    );
    assert_eq!(code(problem(422).into()), 78);
    assert_eq!(code(problem(409).into()), 1);
    assert_eq!(code(problem(503).into()), 1);

    assert_eq!(
        code(
            RunError::NotPermitted {
                missing: "X".to_owned()
            }
            .into()
        ),
        77
    );
    assert_eq!(code(RunError::Start("no".into()).into()), 1);
    assert_eq!(
        code(RunError::Start(Box::new(DatapathError::NotPermitted)).into()),
        77
    );
    let refused = crate::apply::ApplyError::from(DatapathError::NotPermitted);
    assert_eq!(code(RunError::Start(Box::new(refused)).into()), 77);
    assert_eq!(code(RunError::Panicked.into()), 1);
    assert_eq!(
        code(RunError::Socket(SocketError::InUse { path: path() }).into()),
        1
    );
    let socket = SocketError::Io {
        operation: "make",
        path: path(),
        source: denied(),
    };
    assert_eq!(code(RunError::Socket(socket).into()), 77);

    let invalid = || config::parse("x", "").unwrap_err();
    assert_eq!(code(invalid().into()), 78);
    assert_eq!(code(RunError::Policy(invalid().into()).into()), 78);
    let missing = config::load(Path::new("/nonexistent")).unwrap_err();
    assert_eq!(code(missing.into()), 78);

    assert_eq!(code(io::Error::from(io::ErrorKind::BrokenPipe).into()), 0);
    assert_eq!(code(denied().into()), 1);
    assert_eq!(code(anyhow::anyhow!("anything")), 1);
}

#[test]
fn a_reader_that_has_seen_enough_ends_a_command_quietly() {
    struct Closed;
    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let file = policy_file(POLICY);
    let path = file.path().to_str().unwrap();
    for arguments in [
        &["stormbolt", "check", path][..],
        &["stormbolt", "check", path, "-o", "json"],
    ] {
        let cli = Cli::try_parse_from(arguments).unwrap();
        let mut output = Output::new(Box::new(Closed), PLAIN, false);
        assert_eq!(
            Exit::of(&execute(&cli, &mut output).unwrap_err()),
            Exit::Done
        );
    }
}

#[test]
fn a_refused_change_is_explained_without_places_that_the_user_has_not_written() {
    let error = config::parse("x", "version = 1\n[class.a]\nrate = \"1gbps\"\n").unwrap_err();
    let finding = error
        .findings()
        .into_iter()
        .find(|finding| finding.message.contains("gbps"))
        .unwrap();
    let problem = Problem {
        version: DOCUMENT_VERSION,
        error: "class `a` cannot be changed so: 1 error".to_owned(),
        generation: None,
        findings: vec![finding],
    };
    let error = ClientError::Problem {
        status: 422,
        problem,
    }
    .into();
    assert_eq!(
        super::exit::explained(&error, PLAIN),
        "error: class `a` cannot be changed so: 1 error\n  error: `gbps` is not a unit of rates\n\
         \x20   help: tc means bytes by `bps`, others mean bits: write `1Gbit`\n"
    );
}

#[test]
fn commands_change_what_the_next_ones_show() {
    let server = Server::start();
    let socket = server.socket.to_str().unwrap();
    let on_server = |arguments: &[&str]| {
        let (exit, text) = run(&[arguments, &["--socket", socket]].concat());
        (exit.unwrap(), text)
    };

    let (_, text) = on_server(&["show", "classes"]);
    assert_eq!(text, fake::classes().table(PLAIN));
    let (_, text) = on_server(&["show", "classes", "-o", "json"]);
    assert_eq!(
        serde_json::from_str::<Classes>(&text).unwrap(),
        fake::classes()
    );

    let done = on_server(&["class", "set", "bulk", "--ceil", "700Mbit", "--weight", "5"]);
    assert_eq!(done, (Exit::Done, "applied, generation 2\n".to_owned()));
    let text = server.client().policy().unwrap();
    assert!(
        text.contains("ceil = \"700Mbit\"") && text.contains("weight = 5"),
        "{text}"
    );

    let file = policy_file(POLICY);
    let path = file.path().to_str().unwrap();
    let done = on_server(&["apply", "--dry-run", path]);
    let expected = "~ class bulk: ceil 700Mbit → 800Mbit\n~ class bulk: weight 5 → 1\n\
        valid, nothing applied: generation 2 stays in force\n";
    assert_eq!(done, (Exit::Done, expected.to_owned()));
    let done = on_server(&["apply", path]);
    assert_eq!(done, (Exit::Done, "applied, generation 3\n".to_owned()));
    let (_, text) = on_server(&["show", "status"]);
    assert!(
        text.contains(&format!("policy  generation 3 from {path}: 1 interface")),
        "{text}"
    );

    let (exit, _) = run(&["class", "set", "blk", "--weight", "5", "--socket", socket]);
    let error = exit.unwrap_err();
    assert_eq!(Exit::of(&error).code(), 1);
    let expected = "error: there is no class `blk`; did you mean `bulk`?\n";
    assert_eq!(super::exit::explained(&error, PLAIN), expected);
}

pub(super) fn status() -> Status {
    Status {
        notices: vec!["interface eth0 runs in generic \x1b[2Jmode".to_owned()],
        ..samples::status()
    }
}
