//! The daemon's answers against the document that describes them.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use super::openapi;
use super::test_server::Server;
use crate::daemon::fake::POLICY;

/// The document, with every object closed: what it does not name may not be in an answer.
struct Document(Value);

impl Document {
    fn new() -> Self {
        let mut document = serde_json::to_value(openapi()).unwrap();
        for schema in document["components"]["schemas"]
            .as_object_mut()
            .unwrap()
            .values_mut()
        {
            close(schema);
        }
        Self(document)
    }

    /// All `METHOD path`.
    fn operations(&self) -> BTreeSet<String> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        paths
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().keys();
                methods.map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect()
    }

    fn operation(&self, operation: &str) -> &Value {
        let (method, path) = operation.split_once(' ').unwrap();
        &self.0["paths"][path][method.to_lowercase()]
    }

    /// Panics unless `value` is what `content`, of a body or of an answer, describes.
    fn check(&self, content: &Value, value: &Value, what: &str) {
        let mut schema = content["schema"].clone();
        schema["components"] = self.0["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{what}: {errors:#?} in {value:#}");
    }

    /// Opens every stream of documents and of events, and checks the first thing that comes.
    fn watch_all(&self, server: &Server) {
        let parameters = &self.operation("GET /v1/stream/{document}")["parameters"];
        let views = &parameters[0]["schema"]["enum"];
        for view in views.as_array().unwrap() {
            let name = view.as_str().unwrap();
            let document = &self.operation(&format!("GET /v1/{name}"))["responses"]["200"];
            let schema = &document["content"]["application/json"];
            let path = format!("/v1/stream/{name}?interval_milliseconds=100");
            self.watch(server, "GET /v1/stream/{document}", &path, schema);
        }
        let event = json!({"schema": {"$ref": "#/components/schemas/EventStatus"}});
        let operation = "GET /v1/stream/events";
        self.watch(server, operation, "/v1/stream/events?after=0", &event);
    }

    fn watch(&self, server: &Server, operation: &str, path: &str, data: &Value) {
        let (media_type, first) = first_event(server, path);
        let content = &self.operation(operation)["responses"]["200"]["content"];
        assert!(
            content[&media_type].is_object(),
            "{path}: {media_type} is not described"
        );
        self.check(data, &serde_json::from_str(&first).unwrap(), path);
    }

    /// Sends a request and checks it and its answer.
    fn ask(&self, server: &Server, operation: &str, path: &str, body: &str, expected: u16) {
        let described = self.operation(operation);
        let what = format!("{operation} as {path}, {body}");
        if let Some(content) = described["requestBody"]["content"].get("application/json")
            && expected == 200
        {
            self.check(content, &serde_json::from_str(body).unwrap(), &what);
        }
        let (method, _) = operation.split_once(' ').unwrap();
        let (status, media_type, answer) = exchange(server, method, path, body);
        assert_eq!(status, expected, "{what}: {answer}");
        let responses = &described["responses"];
        let response = responses
            .get(status.to_string())
            .unwrap_or(&responses["default"]);
        let content = &response["content"][&media_type];
        assert!(content.is_object(), "{what}: {media_type} is not described");
        let value = if media_type == "application/json" {
            serde_json::from_str(&answer).unwrap()
        } else {
            Value::String(answer)
        };
        self.check(content, &value, &what);
    }
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(keys) => {
            keys.values_mut().for_each(close);
            if keys.contains_key("properties") {
                keys.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn exchange(server: &Server, method: &str, path: &str, body: &str) -> (u16, String, String) {
    let mut stream = UnixStream::connect(&server.socket).unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A server that has not read everything resets the connection behind its answer.
    stream.read_to_end(&mut answer).unwrap_or(0);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let media_type = head
        .lines()
        .find_map(|line| line.strip_prefix("content-type: "))
        .and_then(|value| value.split(';').next())
        .unwrap();
    (status, media_type.to_owned(), body.to_owned())
}

/// Media type and data of the first event of a stream.
fn first_event(server: &Server, path: &str) -> (String, String) {
    let mut stream = UnixStream::connect(&server.socket).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut media_type = None;
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if let Some(value) = line.strip_prefix("content-type: ") {
            media_type = Some(value.to_owned());
        }
        if let Some(data) = line.strip_prefix("data: ") {
            return (media_type.unwrap(), data.to_owned());
        }
    }
    panic!("{path} has no event");
}

/// Requests of every kind in an order in which they succeed: operation, path, body.
fn requests() -> Vec<(&'static str, &'static str, String)> {
    let none = String::new;
    let with_set = format!("{POLICY}[set.blocked]\nprefixes = [\"192.0.2.0/24\"]\n");
    let all = json!({"interfaces": []}).to_string();
    let rule = json!({"rule": {"name": "web", "dst-port": [443, "8000-8100"], "class": "gold"}});
    let question = json!({"src": "192.0.2.1", "dst": "198.51.100.1", "dst_port": 443});
    vec![
        (
            "PUT /v1/policy",
            "/v1/policy?name=p&dry_run=true",
            with_set.clone(),
        ),
        ("PUT /v1/policy", "/v1/policy", with_set),
        ("POST /v1/rules", "/v1/rules", rule.to_string()),
        (
            "PATCH /v1/rules/{name}",
            "/v1/rules/web",
            json!({"position": 1}).to_string(),
        ),
        (
            "PATCH /v1/sets/{name}",
            "/v1/sets/blocked",
            json!({"add": ["2001:db8::/32"], "remove": ["192.0.2.0/24"]}).to_string(),
        ),
        (
            "PATCH /v1/classes/{name}",
            "/v1/classes/bulk",
            json!({"priority": 3, "ceil": "500Mbit"}).to_string(),
        ),
        ("POST /v1/explain", "/v1/explain", question.to_string()),
        ("GET /v1/status", "/v1/status", none()),
        ("GET /v1/interfaces", "/v1/interfaces", none()),
        ("GET /v1/classes", "/v1/classes", none()),
        ("GET /v1/rules", "/v1/rules", none()),
        ("GET /v1/sets", "/v1/sets", none()),
        ("GET /v1/cpus", "/v1/cpus", none()),
        ("GET /v1/sources", "/v1/sources", none()),
        ("GET /v1/flows", "/v1/flows?limit=3", none()),
        (
            "POST /v1/capture",
            "/v1/capture",
            json!({"dropped": true, "host": "192.0.2.0/24", "duration_milliseconds": 1})
                .to_string(),
        ),
        ("GET /v1/progress", "/v1/progress", none()),
        ("GET /metrics", "/metrics?series=1", none()),
        ("GET /v1/tables", "/v1/tables", none()),
        ("GET /v1/events", "/v1/events?after=1", none()),
        ("GET /v1/policy", "/v1/policy", none()),
        ("GET /v1/openapi.json", "/v1/openapi.json", none()),
        ("DELETE /v1/rules/{name}", "/v1/rules/web", none()),
        ("POST /v1/detach", "/v1/detach", all.clone()),
        ("POST /v1/attach", "/v1/attach", all),
        (
            "PUT /v1/policy",
            "/v1/policy?confirm_seconds=60",
            POLICY.to_owned(),
        ),
        ("POST /v1/confirm", "/v1/confirm", none()),
        ("POST /v1/rollback", "/v1/rollback", none()),
        ("POST /v1/reload", "/v1/reload", none()),
        ("GET /v1/history", "/v1/history", none()),
        ("GET /v1/history/{generation}", "/v1/history/1", none()),
    ]
}

#[test]
fn every_operation_answers_what_the_document_says() {
    let server = Server::start();
    let document = Document::new();
    let mut asked = BTreeSet::new();
    for (operation, path, body) in requests() {
        document.ask(&server, operation, path, &body, 200);
        asked.insert(operation.to_owned());
    }
    // These answers do not end.
    document.watch_all(&server);
    for stream in ["GET /v1/stream/{document}", "GET /v1/stream/events"] {
        asked.insert(stream.to_owned());
    }
    // A new route comes with a request here.
    assert_eq!(asked, document.operations());
}

#[test]
fn refusals_are_the_problems_that_the_document_describes() {
    let server = Server::start();
    let document = Document::new();
    let invalid = POLICY.replace("800Mbit", "800gbps");
    for (operation, path, body, status) in [
        ("PUT /v1/policy", "/v1/policy", invalid.as_str(), 422),
        ("PUT /v1/policy", "/v1/policy?nonsense=1", POLICY, 400),
        (
            "PATCH /v1/classes/{name}",
            "/v1/classes/gone",
            "{\"weight\":2}",
            404,
        ),
        ("POST /v1/rules", "/v1/rules", "{", 400),
        ("DELETE /v1/rules/{name}", "/v1/rules/gone", "", 404),
        ("POST /v1/explain", "/v1/explain", "{\"sorce\":1}", 400),
        ("GET /metrics", "/metrics?series=x", "", 400),
        ("GET /v1/events", "/v1/events?before=1", "", 400),
        (
            "GET /v1/stream/events",
            "/v1/stream/events?after=x",
            "",
            400,
        ),
        ("GET /v1/stream/{document}", "/v1/stream/nothing", "", 404),
        (
            "GET /v1/stream/{document}",
            "/v1/stream/rules?interval_milliseconds=1",
            "",
            400,
        ),
    ] {
        document.ask(&server, operation, path, body, status);
    }
}

#[test]
fn every_operation_says_what_it_does_and_how_it_fails() {
    let document = Document::new();
    for operation in document.operations() {
        let described = document.operation(&operation);
        assert!(described["summary"].is_string(), "{operation}");
        for response in described["responses"].as_object().unwrap().values() {
            assert!(response["description"].is_string(), "{operation}");
        }
        let problem = &described["responses"]["default"]["content"]["application/json"];
        assert_eq!(
            problem["schema"]["$ref"], "#/components/schemas/Problem",
            "{operation}"
        );
    }
    assert_eq!(document.0["openapi"], "3.1.0");
}
