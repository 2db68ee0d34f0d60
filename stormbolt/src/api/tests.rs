//! Server and client over a real socket, with a machine without a kernel.

use std::sync::Arc;

use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;

use ipnet::IpNet;
use stormbolt_control::policy::{Addresses, Set};

use super::client::{Client, ClientError};
use super::documents::{
    ChangedSet, ClassChange, Classes, Cpus, Interfaces, Problem, Rules, SetStatus, Sets, Sources,
    Status,
};
use super::test_server::Server;
use crate::config;
use crate::daemon::fake::{self, POLICY};

/// Sends bytes as they are; returns the status and the problem.
fn raw(server: &Server, head: &str, body: &[u8]) -> (u16, Problem) {
    let mut stream = UnixStream::connect(&server.socket).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    // A server that has not read everything resets the connection behind its answer.
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap_or(0);
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, document) = answer.split_once("\r\n\r\n").unwrap();
    (status, serde_json::from_str(document).expect(&answer))
}

pub(super) fn request(server: &Server, line: &str, body: &[u8]) -> (u16, Problem) {
    let head = format!(
        "{line} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    raw(server, &head, body)
}

fn problem<T: std::fmt::Debug>(result: Result<T, ClientError>) -> (u16, Problem) {
    match result {
        Err(ClientError::Problem { status, problem }) => (status, problem),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_document_comes_over_the_socket_unchanged() {
    let server = Server::start();
    let client = server.client();
    assert_eq!(
        client.get::<Interfaces>("/v1/interfaces").unwrap(),
        fake::interfaces()
    );
    assert_eq!(
        client.get::<Classes>("/v1/classes").unwrap(),
        fake::classes()
    );
    assert_eq!(client.get::<Rules>("/v1/rules").unwrap(), fake::rules());
    assert_eq!(client.get::<Cpus>("/v1/cpus").unwrap(), fake::cpus());
    assert_eq!(
        client.get::<Sources>("/v1/sources").unwrap(),
        fake::sources()
    );
    let status: Status = client.get("/v1/status").unwrap();
    assert_eq!((status.generation, status.pid), (1, std::process::id()));
    assert_eq!(
        (
            status.interface_count,
            status.class_count,
            status.rule_count
        ),
        (1, 2, 1)
    );
}

#[test]
fn the_policy_that_is_got_is_the_policy_that_was_put() {
    let server = Server::start();
    let client = server.client();
    let text = POLICY.replace("200Mbit", "300Mbit");
    let applied = client
        .put_policy("/etc/some policy.toml", text.clone(), false)
        .unwrap();
    assert_eq!(applied.generation, 2);
    let got = config::parse("got", &client.policy().unwrap())
        .unwrap()
        .policy;
    assert_eq!(got, config::parse("put", &text).unwrap().policy);
    let status: Status = client.get("/v1/status").unwrap();
    assert_eq!(status.policy_source, "/etc/some policy.toml");
}

#[test]
fn a_dry_run_checks_and_changes_nothing() {
    let server = Server::start();
    let client = server.client();
    let before = client.policy().unwrap();
    let text = POLICY.replace("protocol = \"udp\"\nclass = \"gold\"", "action = \"drop\"");
    let applied = client.put_policy("x", text, true).unwrap();
    assert_eq!((applied.generation, applied.warnings.len()), (1, 1));
    assert_eq!(client.policy().unwrap(), before);
}

#[test]
fn an_invalid_policy_is_refused_with_its_findings() {
    let server = Server::start();
    let text = POLICY.replace("800Mbit", "800gbps");
    let (status, problem) = problem(server.client().put_policy("my.toml", text, false));
    assert_eq!(status, 422);
    assert_eq!(problem.error, "invalid policy `my.toml`: 1 error");
    assert_eq!(
        (problem.findings[0].line, problem.findings[0].column),
        (13, 8)
    );
    assert_eq!(
        server
            .client()
            .get::<Status>("/v1/status")
            .unwrap()
            .generation,
        1
    );
}

#[test]
fn a_policy_that_the_machine_cannot_run_is_a_conflict() {
    let server = Server::start();
    let text = POLICY.replace("eth0", "absent");
    let (status, problem) = problem(server.client().put_policy("x", text, false));
    assert_eq!(status, 409);
    let expected = "this machine cannot run the policy: there is no interface `absent`";
    assert_eq!(problem.error, expected);
    let status: Status = server.client().get("/v1/status").unwrap();
    assert_eq!(status.generation, 1);
    assert!(status.policy_source.ends_with("policy.toml"));
}

#[test]
fn a_class_changes_in_what_is_named_and_in_nothing_else() {
    let server = Server::start();
    let client = server.client();
    let mut policy = config::parse("before", POLICY).unwrap().policy;
    let set = |text: &str| Some(text.to_owned());
    let change = ClassChange {
        rate: set("100Mbit"),
        ceil: set("capacity"),
        priority: Some(6),
        weight: Some(3),
        cpus: set("0"),
        burst: set("20ms"),
    };
    let applied = client.patch_class("bulk", &change).unwrap();
    assert_eq!((applied.generation, applied.warnings), (2, Vec::new()));
    let change = ClassChange {
        cpus: set("none"),
        ..ClassChange::default()
    };
    assert_eq!(client.patch_class("gold", &change).unwrap().generation, 3);

    let expected = POLICY
        .replace(
            "priority = 7\nceil = \"800Mbit\"",
            "priority = 6\nrate = \"100Mbit\"\nweight = 3\nburst = \"20ms\"\ncpus = \"0\"",
        )
        .replace("cpus = \"0-1\"\n", "");
    policy.classes = config::parse("after", &expected).unwrap().policy.classes;
    let got = config::parse("got", &client.policy().unwrap())
        .unwrap()
        .policy;
    assert_eq!(got, policy);
}

/// The policy with a set of the first `count` addresses, written as the command line sends it.
fn with_set(count: u32) -> String {
    let addresses = (0..count).map(|number| IpNet::from(IpAddr::from(number.to_be_bytes())));
    let mut policy = config::parse("p", POLICY).unwrap().policy;
    policy.sets = vec![Arc::new(Set::new("many", addresses.collect()))];
    Arc::make_mut(&mut policy.rules[0]).matches.source = Some(Addresses {
        negated: true,
        prefixes: Vec::new(),
        sets: vec![0],
    });
    config::to_toml(&policy)
}

#[test]
fn a_set_of_a_million_prefixes_comes_through_whole() {
    let server = Server::start();
    let client = server.client();
    let text = with_set(1_000_000);
    let applied = client.put_policy("x", text.clone(), false).unwrap();
    assert_eq!(applied.generation, 2);
    let change = ClassChange {
        weight: Some(9),
        ..ClassChange::default()
    };
    assert_eq!(client.patch_class("bulk", &change).unwrap().generation, 3);
    let got = config::parse("got", &client.policy().unwrap())
        .unwrap()
        .policy;
    let mut expected = config::parse("put", &text).unwrap().policy;
    expected.classes[1].weight = 9;
    assert!(got == expected, "another policy than was put");
}

#[test]
fn sets_are_listed_and_their_changes_counted() {
    let server = Server::start();
    let client = server.client();
    assert_eq!(client.get::<Sets>("/v1/sets").unwrap().sets, []);
    let changed = |change: &str, added_prefixes, removed_prefixes| {
        vec![ChangedSet {
            name: "many".to_owned(),
            change: change.to_owned(),
            added_prefixes,
            removed_prefixes,
        }]
    };
    let put = |text: String, dry_run| client.put_policy("x", text, dry_run).unwrap().changed_sets;
    assert_eq!(put(with_set(10), true), changed("defined", 10, 0));
    assert_eq!(put(with_set(10), false), changed("defined", 10, 0));
    assert_eq!(put(with_set(7), false), changed("changed", 0, 3));
    assert_eq!(put(with_set(7), false), []);
    let sets = client.get::<Sets>("/v1/sets").unwrap().sets;
    let expected = SetStatus {
        name: "many".to_owned(),
        ipv4_prefixes: 7,
        ipv6_prefixes: 0,
        rules: vec!["rule 1".to_owned()],
    };
    assert_eq!(sets, [expected]);
    assert_eq!(put(POLICY.to_owned(), false), changed("deleted", 0, 7));
}

#[test]
fn no_file_is_opened_for_a_client() {
    let server = Server::start();
    let text = format!("{POLICY}[set.a]\nfile = \"/etc/hostname\"\n");
    let (status, problem) = problem(server.client().put_policy("x", text, true));
    assert_eq!(status, 422);
    let finding = &problem.findings[0];
    assert_eq!(finding.message, "the file of a set cannot be read here");
}

#[test]
fn a_change_of_an_unknown_class_names_the_one_that_was_meant() {
    let server = Server::start();
    let change = ClassChange {
        weight: Some(2),
        ..ClassChange::default()
    };
    let (status, found) = problem(server.client().patch_class("blk", &change));
    assert_eq!(
        (status, found.error.as_str()),
        (404, "there is no class `blk`; did you mean `bulk`?")
    );
    let (status, found) = problem(server.client().patch_class("a/b c%", &change));
    let expected = "there is no class `a/b c%`; the classes are `gold`, `bulk`";
    assert_eq!((status, found.error.as_str()), (404, expected));
}

#[test]
fn a_change_that_breaks_the_policy_is_refused_as_a_whole() {
    let server = Server::start();
    let client = server.client();
    let before = client.policy().unwrap();
    let change = |rate: &str| ClassChange {
        rate: Some(rate.to_owned()),
        weight: Some(9),
        ..ClassChange::default()
    };
    for rate in ["10gbps", "2Gbit", "", "\"\n[class.evil]"] {
        let (status, problem) = problem(client.patch_class("gold", &change(rate)));
        assert_eq!(status, 422, "{problem:?}");
        assert!(!problem.findings.is_empty());
    }
    let (status, _) = problem(client.patch_class("gold", &ClassChange::default()));
    assert_eq!(status, 400);
    assert_eq!(client.policy().unwrap(), before);
}

#[test]
fn what_is_not_there_is_a_problem_document_too() {
    let server = Server::start();
    let refused = |line: &str| request(&server, line, b"").0;
    assert_eq!(refused("GET /"), 404);
    assert_eq!(refused("GET /v1/nothing"), 404);
    assert_eq!(refused("DELETE /v1/policy"), 405);
    assert_eq!(refused("POST /v1/status"), 405);
    assert_eq!(refused("GET /v1/classes/gold"), 405);
    assert_eq!(refused("PUT /v1/policy?dry_run=maybe"), 400);
    assert_eq!(refused("PUT /v1/policy?nmae=x"), 400);
    assert_eq!(refused("PATCH /v1/classes/%ff"), 400);
}

#[test]
fn hostile_bodies_are_refused_and_the_server_lives_on() {
    let server = Server::start();
    let (status, problem) = request(&server, "PUT /v1/policy", b"version = 1\n\xff");
    assert_eq!(status, 400);
    assert_eq!(
        problem.error,
        "the body is not UTF-8 text: first bad byte in line 2"
    );

    let deep = format!("x = {}", "[".repeat(100_000));
    assert_eq!(request(&server, "PUT /v1/policy", deep.as_bytes()).0, 422);
    assert_eq!(request(&server, "PUT /v1/policy", b"").0, 422);

    let patch = "PATCH /v1/classes/gold";
    for body in [
        b"".as_slice(),
        b"[]",
        b"{\"weight\": \"2\"}",
        b"{\"weight\": -1}",
        b"{\"priority\": 256}",
        b"{\"rate\": 5}",
        b"{\"colour\": 1}",
        b"\xc3\x28",
        "[".repeat(60_000).as_bytes(),
    ] {
        assert_eq!(request(&server, patch, body).0, 400, "{:?}", body.get(..20));
    }
    assert_eq!(request(&server, patch, b"{\"weight\": 100000}").0, 422);
    assert_eq!(
        server
            .client()
            .get::<Status>("/v1/status")
            .unwrap()
            .generation,
        1
    );
}

#[test]
fn bodies_beyond_the_limit_are_refused_before_they_are_read() {
    let server = Server::start();
    let head = "PUT /v1/policy HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999999\r\n\r\n";
    assert_eq!(raw(&server, head, b"").0, 413);
    let head = "PATCH /v1/classes/gold HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("10001\r\n{}\r\n", " ".repeat(0x10001));
    assert_eq!(raw(&server, head, chunk.as_bytes()).0, 413);
}

#[test]
fn silent_clients_do_not_keep_others_from_being_served() {
    let server = Server::start();
    let silent: Vec<_> = (0..40)
        .map(|_| UnixStream::connect(&server.socket).unwrap())
        .collect();
    server.client().get::<Status>("/v1/status").unwrap();
    drop(silent);
}

#[test]
fn a_client_says_when_nobody_listens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let error = Client::new(&path)
        .unwrap()
        .get::<Status>("/v1/status")
        .unwrap_err();
    assert!(
        matches!(error, ClientError::NotReachable { .. }),
        "{error:?}"
    );
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let error = Client::new(&path)
        .unwrap()
        .get::<Status>("/v1/status")
        .unwrap_err();
    assert!(
        matches!(error, ClientError::NotReachable { .. }),
        "{error:?}"
    );
}

#[test]
fn a_client_gives_up_on_a_daemon_that_does_not_answer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let client = Client::new(&path)
        .unwrap()
        .with_timeout(std::time::Duration::from_millis(20));
    let error = client.get::<Status>("/v1/status").unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error:?}");
}

#[test]
fn a_client_does_not_take_another_program_for_the_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let answers = [
        "220 mail.example ESMTP\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 500 Oops\r\ncontent-length: 3\r\n\r\n<p>",
        "",
    ];
    let thread = std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).unwrap() > 0);
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let client = Client::new(&path).unwrap();
    let ask = || client.get::<Status>("/v1/status").unwrap_err();
    assert!(matches!(ask(), ClientError::BrokenOff(_)));
    assert!(matches!(ask(), ClientError::Answer(_)));
    assert!(matches!(ask(), ClientError::Problem { status: 500, .. }));
    assert!(matches!(ask(), ClientError::BrokenOff(_)));
    thread.join().unwrap();
}
