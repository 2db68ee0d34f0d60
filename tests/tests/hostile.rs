//! Ten thousand requests and a thousand policy files that nobody should send: each is answered, none changes
//! anything.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use stormbolt::lab::require_root;
use stormbolt_tests::e2e::{Daemon, Lab, policy, policy_file};
use stormbolt_tests::random::Random;

const REQUESTS: u32 = 10_000;
const POLICIES: u32 = 1_000;

const REST: &str = r#"
[class.gold]
priority = 0
rate = "200Mbit"
cpus = "0"

[class.bulk]
priority = 7
ceil = "800Mbit"
per-source = "10Mbit"

[set.office]
prefixes = ["192.0.2.0/24", "2001:db8::/32"]

[[rule]]
name = "first"
src = "@office"
protocol = "udp"
dst-port = ["9000-9100", 12000]
class = "gold"

[default]
class = "bulk"
"#;

const METHODS: [&str; 10] = [
    "GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "FETCH",
];
const PATHS: [&str; 16] = [
    "/v1/status",
    "/v1/classes",
    "/v1/classes/gold",
    "/v1/classes/no-such",
    "/v1/classes/%00",
    "/v1/classes/..%2f..%2fetc%2fpasswd",
    "/v1/rules",
    "/v1/rules/no-such",
    "/v1/sets/office",
    "/v1/policy",
    "/v1/policy?dry_run=perhaps&name=%ff",
    "/v1/explain",
    "/v1/../../etc/passwd",
    "//",
    "*",
    "http://192.0.2.1/v1/status",
];
const BODIES: [&str; 12] = [
    "",
    "{",
    "null",
    "[]",
    "{\"ceil\":\"\u{0}\"}",
    "{\"ceil_bits_per_second\":-1}",
    "{\"rate\":1e999}",
    "{\"weight\":{\"weight\":{}}}",
    "{\"no-such-key\":1}",
    "version = 1\n[interface.\"",
    "\u{feff}{}",
    "{\"src\":\"999.0.0.1\",\"dst\":[]}",
];

/// A request that no client makes: well-formed ones with senseless bodies, broken ones, and noise.
fn request(random: &mut Random) -> Vec<u8> {
    if random.chance(10) {
        let mut noise = vec![0; random.index(600)];
        random.fill(&mut noise);
        return noise;
    }
    let body = random.one_of(&BODIES);
    let length = match random.below(8) {
        0 => "18446744073709551616".to_owned(),
        1 => "-1".to_owned(),
        2 => (body.len() + random.index(100)).to_string(),
        _ => body.len().to_string(),
    };
    let path = random.one_of(&PATHS);
    let method = random.one_of(&METHODS);
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
            .into_bytes();
    for _ in 0..random.below(4) {
        let place = random.index(request.len());
        match random.below(4) {
            0 => request[place] = random.byte(),
            1 => request.truncate(place + 1),
            2 => request.insert(place, random.byte()),
            _ => {
                let copy = request[place..].to_vec();
                request.extend(copy);
            }
        }
    }
    request
}

/// Sends it and hangs up; what the server says, which is nothing where it has hung up first.
fn answer(socket: &Path, request: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).expect("the daemon listens");
    // Longer than the server waits for anything.
    let patience = Some(Duration::from_mins(2));
    stream.set_read_timeout(patience).expect("it is not zero");
    let mut answer = Vec::new();
    if stream.write_all(request).is_ok() {
        drop(stream.shutdown(Shutdown::Write));
    }
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "{request:?}"),
    }
    answer
}

/// Whether a policy file is not one, by the command that only checks.
fn is_invalid(text: &str) -> bool {
    stormbolt::config::parse("mutated.toml", text).is_err()
}

#[test]
fn requests_and_policies_that_nobody_should_send_change_nothing() {
    if !require_root("requests_and_policies_that_nobody_should_send_change_nothing") {
        return;
    }
    let lab = Lab::new();
    let text = policy(REST);
    let daemon = Daemon::start(&lab, &text);
    let (generation, before) = (
        daemon.status().generation,
        daemon.client().policy().unwrap(),
    );
    let mut random = Random::of(5);

    let mut answered = 0;
    for _ in 0..REQUESTS {
        let request = request(&mut random);
        let answer = answer(&daemon.socket(), &request);
        if !answer.is_empty() {
            answered += 1;
            let line = String::from_utf8_lossy(&answer[..answer.len().min(12)]).into_owned();
            assert!(
                ["HTTP/1.1 2", "HTTP/1.1 4", "HTTP/1.0 4"]
                    .iter()
                    .any(|good| line.starts_with(good)),
                "{line}: {:?}",
                String::from_utf8_lossy(&request)
            );
        }
    }
    assert!(answered > REQUESTS / 2, "{answered}");

    let mut refused = 0;
    while refused < POLICIES {
        let mut mutated = text.clone().into_bytes();
        for _ in 0..=random.below(3) {
            let place = random.index(mutated.len());
            match random.below(3) {
                0 => mutated[place] = random.byte(),
                1 => mutated.truncate(place),
                _ => drop(mutated.drain(place..(place + 9).min(mutated.len()))),
            }
            mutated.push(b'\n');
        }
        let Ok(mutated) = String::from_utf8(mutated) else {
            continue;
        };
        if !is_invalid(&mutated) {
            continue;
        }
        refused += 1;
        let error = daemon
            .client()
            .put_policy("mutated.toml", mutated.clone(), false);
        let error = error.expect_err(&mutated).to_string();
        assert!(!error.is_empty(), "{mutated}");
    }
    // The command says where.
    let file = policy_file(&text.replace("800Mbit", "800mbps"));
    let said = daemon
        .cli(&["apply", file.path().to_str().unwrap()])
        .with_code(78);
    assert!(said.stderr.contains(":18:8: error"), "{said:?}");

    assert_eq!(daemon.status().generation, generation);
    assert_eq!(daemon.client().policy().unwrap(), before);
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}
