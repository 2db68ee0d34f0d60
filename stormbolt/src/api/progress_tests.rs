//! Changes that take long, over a real socket, with a machine that compiles until it is given up.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::client::Client;
use super::client::HowToPut;
use super::documents::{Progress, Status};
use super::test_server::Server;
use crate::daemon::fake::POLICY;

fn progress(client: &Client) -> Progress {
    client.get("/v1/progress").unwrap()
}

/// Sends a policy that takes for ever, and waits until it is being compiled.
fn begin(server: &Server, client: &Client) -> UnixStream {
    let body = POLICY.replace("eth0", "slow");
    let mut stream = UnixStream::connect(&server.socket).unwrap();
    let length = body.len();
    let head = format!("PUT /v1/policy HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all((head + &body).as_bytes()).unwrap();
    while progress(client).compiling.is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    stream
}

#[test]
fn who_closes_the_connection_gives_the_change_up_and_the_old_policy_stays() {
    let server = Server::start();
    let client = server.client();
    let stream = begin(&server, &client);
    let first = progress(&client).compiling.unwrap();
    assert_eq!((first.rule_count, first.table_limit_bytes), (1, 1 << 20));
    while progress(&client).compiling.unwrap().table_bytes <= first.table_bytes {}

    drop(stream);
    while progress(&client).compiling.is_some() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(client.get::<Status>("/v1/status").unwrap().generation, 1);
    let applied = client.put_policy("x", POLICY.to_owned(), false).unwrap();
    assert_eq!(applied.generation, 2, "the next change is not given up");
}

#[test]
fn a_daemon_that_is_stopped_gives_up_what_it_compiles_and_says_so() {
    let server = Server::start();
    let client = server.client();
    let text = POLICY.replace("eth0", "slow");
    let waiting = std::thread::spawn(move || client.put_policy("x", text, false));
    while progress(&server.client()).compiling.is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(server);
    let error = waiting.join().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the daemon is stopping");
}

#[test]
fn a_client_sees_how_far_a_policy_is_that_takes_over_a_second() {
    let server = Server::start();
    let client = server.client();
    let text = POLICY.replace("eth0", "slow");
    let (seen, is_seen) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        client.put_policy_watched("x", text, HowToPut::default(), |compiling| {
            seen.send(compiling.table_bytes).unwrap_or(());
        })
    });
    let (first, second) = (is_seen.recv().unwrap(), is_seen.recv().unwrap());
    assert!(first < second, "{first} {second}");
    drop(server);
    waiting.join().unwrap().unwrap_err();
}
