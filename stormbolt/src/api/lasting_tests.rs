//! Policies that are confirmed, undone, brought back and kept, over a real socket.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use super::client::{Client, ClientError, HowToPut};
use super::documents::{Applied, ClassChange, History, Status};
use super::test_server::Server;
use crate::daemon::fake::POLICY;

fn problem<T: std::fmt::Debug>(result: Result<T, ClientError>) -> (u16, String, Option<u32>) {
    match result {
        Err(ClientError::Problem { status, problem }) => {
            (status, problem.error, problem.generation)
        }
        other => panic!("{other:?}"),
    }
}

fn put(client: &Client, text: &str, confirm: Option<u64>) -> Result<Applied, ClientError> {
    let how = HowToPut {
        dry_run: false,
        confirm: confirm.map(Duration::from_secs),
    };
    client.put_policy_watched("other.toml", text.to_owned(), how, |_| ())
}

fn ceil(client: &Client) -> String {
    let text = client.policy().unwrap();
    let line = text.lines().find(|line| line.starts_with("ceil = "));
    line.unwrap().to_owned()
}

fn with_ceil(ceil: &str) -> String {
    POLICY.replace(
        "ceil = \"800Mbit\"",
        &format!("ceil = \"{ceil}\" # by hand"),
    )
}

fn set_ceil(client: &Client, ceil: &str) -> Result<Applied, ClientError> {
    let change = ClassChange {
        ceil: Some(ceil.to_owned()),
        ..ClassChange::default()
    };
    client.patch_class("bulk", &change)
}

fn states(client: &Client) -> Vec<(u32, String)> {
    let history: History = client.get("/v1/history").unwrap();
    let policies = history.policies.into_iter();
    policies.map(|one| (one.generation, one.state)).collect()
}

fn states_are(client: &Client, expected: &[(u32, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(n, state)| (*n, (*state).to_owned()))
        .collect();
    assert_eq!(states(client), expected);
}

#[test]
fn an_unconfirmed_policy_is_undone_by_itself_and_a_confirmed_one_stays() {
    let server = Server::start();
    let client = server.client();
    let applied = put(&client, &with_ceil("600Mbit"), Some(1)).unwrap();
    assert_eq!(
        (applied.generation, applied.confirm_within_seconds),
        (2, Some(1))
    );
    assert_eq!(ceil(&client), "ceil = \"600Mbit\"");
    states_are(&client, &[(1, "past"), (2, "unconfirmed")]);
    while client.get::<Status>("/v1/status").unwrap().generation == 2 {
        sleep(Duration::from_millis(10));
    }
    assert_eq!(ceil(&client), "ceil = \"800Mbit\"");
    assert_eq!(fs::read_to_string(server.config()).unwrap(), POLICY);
    states_are(
        &client,
        &[(1, "past"), (2, "not-confirmed"), (3, "in-force")],
    );

    put(&client, &with_ceil("500Mbit"), Some(600)).unwrap();
    let status: Status = client.get("/v1/status").unwrap();
    assert!(status.confirm_within_seconds.unwrap() > 500);
    assert_eq!(client.post("/v1/confirm").unwrap().generation, 4);
    assert_eq!(
        fs::read_to_string(server.config()).unwrap(),
        with_ceil("500Mbit")
    );
    assert_eq!(problem(client.post("/v1/confirm")).0, 409);
    let status: Status = client.get("/v1/status").unwrap();
    assert_eq!(
        (status.generation, status.confirm_within_seconds),
        (4, None)
    );
}

#[test]
fn nothing_else_is_changed_while_a_policy_waits_to_be_confirmed() {
    let server = Server::start();
    let client = server.client();
    put(&client, &with_ceil("600Mbit"), Some(600)).unwrap();
    for refused in [
        set_ceil(&client, "10Mbit"),
        put(&client, POLICY, None),
        put(&client, POLICY, Some(9)),
        client.post("/v1/reload"),
    ] {
        let (status, error, generation) = problem(refused);
        assert_eq!((status, generation), (409, Some(2)), "{error}");
        assert!(error.contains("stormbolt confirm"), "{error}");
    }
    assert_eq!(client.post("/v1/rollback").unwrap().generation, 3);
    assert_eq!(ceil(&client), "ceil = \"800Mbit\"");
    set_ceil(&client, "10Mbit").unwrap();
}

#[test]
fn a_change_that_was_made_for_another_generation_is_refused_and_names_the_one_in_force() {
    let server = Server::start();
    let of = |generation| server.client().for_generation(Some(generation));
    assert_eq!(set_ceil(&of(1), "10Mbit").unwrap().generation, 2);
    for refused in [
        set_ceil(&of(1), "20Mbit"),
        put(&of(1), POLICY, None),
        of(3).post("/v1/rollback"),
        of(1).post("/v1/reload"),
    ] {
        let (status, error, generation) = problem(refused);
        assert_eq!((status, generation), (412, Some(2)), "{error}");
    }
    assert_eq!(ceil(&server.client()), "ceil = \"10Mbit\"");
}

#[test]
fn edits_are_written_into_the_policy_file_with_its_comments() {
    let server = Server::start();
    let client = server.client();
    fs::write(server.config(), with_ceil("700Mbit")).unwrap();
    client.post("/v1/reload").unwrap();
    assert_eq!(set_ceil(&client, "600Mbit").unwrap().warnings, []);
    assert_eq!(
        fs::read_to_string(server.config()).unwrap(),
        with_ceil("600Mbit")
    );
    set_ceil(&client, "capacity").unwrap();
    let expected = POLICY.replace("ceil = \"800Mbit\"\n", "");
    assert_eq!(fs::read_to_string(server.config()).unwrap(), expected);

    let by_hand = with_ceil("50Mbit");
    fs::write(server.config(), &by_hand).unwrap();
    let warnings = set_ceil(&client, "40Mbit").unwrap().warnings;
    assert!(
        warnings[0].message.contains("changed by hand"),
        "{warnings:?}"
    );
    assert_eq!(fs::read_to_string(server.config()).unwrap(), by_hand);
    assert_eq!(ceil(&client), "ceil = \"40Mbit\"");
}

#[test]
fn rollbacks_bring_back_any_policy_of_the_history() {
    let server = Server::start();
    let client = server.client();
    for number in 2..=4 {
        set_ceil(&client, &format!("{number}Mbit")).unwrap();
    }
    assert_eq!(client.post("/v1/rollback?to=2").unwrap().generation, 5);
    assert_eq!(ceil(&client), "ceil = \"2Mbit\"");
    client.post("/v1/rollback").unwrap();
    assert_eq!(ceil(&client), "ceil = \"800Mbit\"");
    assert_eq!(fs::read_to_string(server.config()).unwrap(), POLICY);
    assert_eq!(problem(client.post("/v1/rollback")).0, 409);
    assert_eq!(problem(client.post("/v1/rollback?to=77")).0, 404);
    assert_eq!(client.text("/v1/history/1").unwrap(), POLICY);
    assert_eq!(problem(client.text("/v1/history/77")).0, 404);
    assert_eq!(problem(client.text("/v1/history/x")).0, 400);
}

#[test]
fn a_dry_run_names_every_difference_and_changes_nothing() {
    let server = Server::start();
    let client = server.client();
    let text = with_ceil("600Mbit") + "[[rule]]\nname = \"new\"\nvlan = 5\naction = \"drop\"\n";
    let applied = client.put_policy("x", text, true).unwrap();
    let shown: Vec<_> = applied
        .changes
        .iter()
        .map(|one| (one.name.as_str(), one.change.as_str(), one.after.as_deref()))
        .collect();
    let expected = [
        ("bulk", "changed", Some("600Mbit")),
        ("new", "added", Some("vlan = [5], action = \"drop\"")),
    ];
    assert_eq!(shown, expected);
    assert_eq!(applied.generation, 1);
    let same = client.put_policy("x", POLICY.to_owned(), true).unwrap();
    assert_eq!(same.changes, []);
}

#[test]
fn nobody_locks_out_the_session_that_a_change_comes_from() {
    let server = Server::start();
    let session = |text: &str| server.client().in_session(Some(text.to_owned()));
    let ssh = session("192.0.2.7 50000 198.51.100.1 22");
    let rule =
        "[[rule]]\nname = \"no-ssh\"\nprotocol = \"tcp\"\ndst-port = 22\naction = \"drop\"\n";
    // A rule alone does not.
    put(&ssh, &format!("{POLICY}{rule}"), None).unwrap();
    let text = format!("{POLICY}{rule}[management]\nexempt = false\n");
    let (status, error, _) = problem(put(&ssh, &text, None));
    assert_eq!(status, 409);
    assert!(
        error.contains("`no-ssh`") && error.contains("--confirm"),
        "{error}"
    );
    let dry = ssh.put_policy("x", text.clone(), true).unwrap();
    assert!(
        dry.warnings
            .iter()
            .any(|one| one.message.contains("cut off")),
        "{dry:?}"
    );

    put(&ssh, &text, Some(600)).unwrap();
    ssh.post("/v1/rollback").unwrap();
    put(&session("192.0.2.7 50000 198.51.100.1 2222"), &text, None).unwrap();
    assert_eq!(problem(put(&session("nonsense"), POLICY, None)).0, 400);
}
