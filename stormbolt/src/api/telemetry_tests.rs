//! Metrics, events and live views over a real socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use super::client::{Client, ClientError};
use super::documents::Classes;
use super::test_server::Server;
use crate::daemon::fake::{self, POLICY};
use crate::telemetry::documents::{EventList, EventStatus};
use crate::telemetry::samples;

/// An answer that is read line by line.
struct Stream(BufReader<UnixStream>);

impl Stream {
    fn open(server: &Server, path: &str, header: &str) -> Self {
        let mut stream = UnixStream::connect(&server.socket).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n{header}\r\n").unwrap();
        Self(BufReader::new(stream))
    }

    /// The next line that begins so, without its beginning; `None` at the end of the stream.
    fn next(&mut self, beginning: &str) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(rest) = line.trim_end().strip_prefix(beginning) {
                return Some(rest.to_owned());
            }
        }
    }

    fn event(&mut self) -> EventStatus {
        serde_json::from_str(&self.next("data: ").unwrap()).unwrap()
    }
}

fn events(client: &Client, after: u64) -> EventList {
    client.get(&format!("/v1/events?after={after}")).unwrap()
}

fn kinds(list: &EventList) -> Vec<&str> {
    list.events
        .iter()
        .map(|event| event.kind.as_str())
        .collect()
}

#[test]
fn metrics_are_openmetrics_text_and_are_bounded() {
    let server = Server::start();
    let mut scrape = Stream::open(&server, "/metrics", "");
    assert_eq!(scrape.next("HTTP/1.1 "), Some("200 OK".to_owned()));
    let media_type = scrape.next("content-type: ").unwrap();
    assert_eq!(
        media_type,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let text = server.client().text("/metrics?series=1").unwrap();
    assert!(text.contains("stormbolt_series_omitted{kind=\"class\"} 1\n"));
    assert!(text.contains("class=\"gold\"") && !text.contains("class=\"bulk\"} 1012345"));
    for query in ["series=x", "series=-1", "series=200001", "limit=3"] {
        let refused = server.client().text(&format!("/metrics?{query}"));
        let error = refused.unwrap_err();
        assert!(
            matches!(error, ClientError::Problem { status: 400, .. }),
            "{query}: {error:?}"
        );
    }
}

#[test]
fn tables_are_a_document() {
    let server = Server::start();
    let tables = server.client().get("/v1/tables");
    assert_eq!(tables.ok(), Some(samples::tables()));
}

#[test]
fn what_happens_to_policies_is_an_event() {
    let server = Server::start();
    let client = server.client();
    let first = events(&client, 0);
    let expected = ["daemon_started", "policy_applied", "attached", "notice"];
    assert_eq!(kinds(&first), expected);
    assert_eq!((first.last_sequence, first.missed_events), (4, 0));

    let absent = POLICY.replace("eth0", "absent");
    client.put_policy("other.toml", absent, false).unwrap_err();
    client
        .put_policy("other.toml", POLICY.to_owned(), true)
        .unwrap();
    client
        .put_policy("other.toml", POLICY.to_owned(), false)
        .unwrap();
    let list = events(&client, 4);
    assert_eq!(kinds(&list), ["policy_refused", "policy_applied"]);
    let messages: Vec<_> = list.events.iter().map(|event| &event.message).collect();
    assert_eq!(
        messages[0],
        "policy from other.toml refused, generation 1 stays in force: there is no interface `absent`"
    );
    assert_eq!(messages[1], "generation 2 in force, from other.toml");
    let metrics = client.text("/metrics").unwrap();
    assert!(metrics.contains("stormbolt_policy_changes_total{result=\"refused\"} 1\n"));
    assert!(metrics.contains("stormbolt_events_total{kind=\"policy_applied\"} 2\n"));
}

#[test]
fn a_policy_file_that_is_refused_when_it_is_read_again_is_an_event() {
    let server = Server::start();
    let client = server.client();
    std::fs::write(server.config(), POLICY.replace("800Mbit", "800gbps")).unwrap();
    client.post("/v1/reload").unwrap_err();
    let list = events(&client, 4);
    assert_eq!(kinds(&list), ["policy_refused"]);
    let message = &list.events[0].message;
    assert!(
        message.contains("policy.toml not loaded, the old policy stays in force: "),
        "{message}"
    );
}

#[test]
fn a_stream_has_the_events_that_were_and_each_that_comes() {
    let server = Server::start();
    let client = server.client();
    let mut stream = Stream::open(&server, "/v1/stream/events?after=3", "");
    assert_eq!(stream.event().sequence, 4);
    client.put_policy("x", POLICY.to_owned(), false).unwrap();
    let next = stream.event();
    assert_eq!((next.sequence, next.kind.as_str()), (5, "policy_applied"));

    // A browser that connects again goes on where it was, and one that knew another daemon begins anew.
    let mut again = Stream::open(&server, "/v1/stream/events", "last-event-id: 4\r\n");
    assert_eq!(again.event().sequence, 5);
    let mut other = Stream::open(&server, "/v1/stream/events", "last-event-id: 900\r\n");
    assert_eq!(other.event().sequence, 1);
}

#[test]
fn a_live_view_has_the_document_again_and_again() {
    let server = Server::start();
    let path = "/v1/stream/classes?interval_milliseconds=100";
    let mut stream = Stream::open(&server, path, "");
    assert_eq!(stream.next("content-type: ").unwrap(), "text/event-stream");
    for _ in 0..2 {
        assert_eq!(stream.next("event: ").unwrap(), "classes");
        let document: Classes = serde_json::from_str(&stream.next("data: ").unwrap()).unwrap();
        assert_eq!(document, fake::classes());
    }
    for milliseconds in ["0", "99", "3600001", "x"] {
        let path = format!("/v1/stream/classes?interval_milliseconds={milliseconds}");
        let mut refused = Stream::open(&server, &path, "");
        assert!(
            refused.next("HTTP/1.1 ").unwrap().starts_with("400"),
            "{path}"
        );
    }
}

#[test]
fn streams_leave_room_for_others_and_end_with_the_daemon() {
    let server = Server::start();
    let open = || {
        let mut stream = Stream::open(&server, "/v1/stream/events", "");
        let status = stream.next("HTTP/1.1 ").unwrap();
        (stream, status)
    };
    let mut streams: Vec<_> = (0..16).map(|_| open()).collect();
    assert!(streams.iter().all(|(_, status)| status == "200 OK"));
    assert_eq!(open().1, "503 Service Unavailable");
    assert_eq!(events(&server.client(), 0).last_sequence, 4);
    drop(streams.pop());
    while open().1 != "200 OK" {}

    drop(server);
    for (mut stream, _) in streams {
        assert_eq!(stream.next("nothing"), None);
    }
}

#[test]
fn the_client_follows_a_stream_until_the_daemon_ends() {
    let server = Server::start();
    let client = server.client();
    let path = "/v1/stream/classes?interval_milliseconds=100";
    let mut stream = client.block_on(client.follow(path)).unwrap();
    for _ in 0..2 {
        let happened = client.block_on(stream.next()).unwrap();
        assert_eq!(happened.name, "classes");
        assert_eq!(happened.read::<Classes>().unwrap(), fake::classes());
    }
    drop(server);
    let end = client.block_on(async {
        while stream.next().await.is_ok() {}
        stream.next().await
    });
    assert!(matches!(end, Err(ClientError::Gone { .. })), "{end:?}");
}

#[test]
fn the_client_tells_why_there_is_no_stream() {
    let server = Server::start();
    let client = server.client();
    let refused = |path: &str| match client.block_on(client.follow(path)) {
        Err(ClientError::Problem { status, problem }) => (status, problem.error),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("{path} is a stream"),
    };
    let (status, error) = refused("/v1/stream/nothing");
    assert!(status == 404 && error.contains("no such stream"), "{error}");
    assert_eq!(refused("/v1/stream/events?after=x").0, 400);
}
