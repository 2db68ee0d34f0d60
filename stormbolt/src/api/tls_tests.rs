//! Callers with a token, over TLS.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::test_server::Server;
use crate::daemon::TlsOptions;

const LOOKS: &str = "0123456789abcdef0123456789abcdef";
const CHANGES: &str = "fedcba9876543210fedcba9876543210";
/// A class of the test server's policy, as it is already.
const CHANGE: &str = r#"{"weight":1}"#;

/// A server with TLS, and a client that knows its certificate.
struct Tls {
    server: Server,
    address: SocketAddr,
    config: Arc<ClientConfig>,
    _directory: tempfile::TempDir,
}

impl Tls {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (options, certificate) = options(directory.path());
        let address = options.address;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            server: Server::start_with(Some(options)),
            address,
            config: Arc::new(config),
            _directory: directory,
        }
    }

    /// The status of the answer to a request with this header.
    fn status(&self, line: &str, authorization: &str, body: &str) -> u16 {
        self.answer(line, authorization, body).expect("an answer")
    }

    /// Likewise; `None`: the server has closed the connection.
    fn answer(&self, line: &str, authorization: &str, body: &str) -> Option<u16> {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::clone(&self.config), name).unwrap();
        let tcp = TcpStream::connect(self.address).unwrap();
        let mut stream = StreamOwned::new(connection, tcp);
        write!(
            stream,
            "{line} HTTP/1.1\r\nhost: localhost\r\n{authorization}content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
        let mut answer = Vec::new();
        // The server closes the connection after its answer, not always with a goodbye.
        stream.read_to_end(&mut answer).unwrap_or(0);
        let answer = String::from_utf8(answer).unwrap();
        answer.split(' ').nth(1)?.parse().ok()
    }
}

/// Files for a server, and its certificate.
fn options(directory: &Path) -> (TlsOptions, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = |name| directory.join(name);
    fs::write(path("certificate"), made.cert.pem()).unwrap();
    fs::write(path("key"), made.signing_key.serialize_pem()).unwrap();
    let tokens = format!("read-only {LOOKS}\nread-write {CHANGES}\n");
    fs::write(path("tokens"), tokens).unwrap();
    fs::set_permissions(path("tokens"), fs::Permissions::from_mode(0o600)).unwrap();
    // Free a moment ago.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let options = TlsOptions {
        address: free.local_addr().unwrap(),
        certificate: path("certificate"),
        key: path("key"),
        tokens: path("tokens"),
    };
    (options, made.cert.into())
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

#[test]
fn a_token_is_asked_for_and_gives_its_right() {
    let tls = Tls::start();
    let get = |authorization: &str| tls.status("GET /v1/status", authorization, "");
    assert_eq!(get(""), 401);
    assert_eq!(get(&bearer("0123456789abcdef0123456789abcdee")), 401);
    assert_eq!(get(&bearer(LOOKS)), 200);
    assert_eq!(get(&bearer(CHANGES)), 200);
    let change = |token| tls.status("PATCH /v1/classes/bulk", &bearer(token), CHANGE);
    assert_eq!(change(LOOKS), 403);
    assert_eq!(change(CHANGES), 200);
    assert_eq!(
        tls.status("GET /v1/no-such", "", ""),
        401,
        "nothing is told"
    );
}

#[test]
fn without_tls_and_with_rubbish_nothing_is_answered_and_others_are() {
    let tls = Tls::start();
    for bytes in [
        &b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n"[..],
        &[0x16, 0x03, 0x01, 0xff, 0xff, 0x01],
        &[0; 4096],
        b"",
    ] {
        let mut stream = TcpStream::connect(tls.address).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap_or(0);
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    assert_eq!(tls.status("GET /v1/status", &bearer(LOOKS), ""), 200);
    tls.server
        .client()
        .get::<super::documents::Status>("/v1/status")
        .unwrap();
}

#[test]
fn callers_that_hold_connections_open_keep_nobody_else_out() {
    let tls = Tls::start();
    let idle: Vec<_> = (0..40)
        .map(|_| TcpStream::connect(tls.address).unwrap())
        .collect();
    // Sixteen of them are waited for; the others were closed at once, and users of this machine have another door.
    tls.server
        .client()
        .get::<super::documents::Status>("/v1/status")
        .unwrap();
    drop(idle);
    // Once the server has seen that they are gone.
    while tls.answer("GET /v1/status", &bearer(LOOKS), "") != Some(200) {
        std::thread::yield_now();
    }
}
