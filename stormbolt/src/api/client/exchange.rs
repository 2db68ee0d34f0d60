//! Requests and answers over a connection of their own.

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::{Client, ClientError};
use crate::api::documents::{DOCUMENT_VERSION, Problem};
use crate::api::session::SESSION;

/// The largest answer that is read, in bytes: a policy with all its prefixes written out.
const MAX_ANSWER: usize = 256 << 20;

type Sender = http1::SendRequest<Full<Bytes>>;
type Connection = http1::Connection<TokioIo<UnixStream>, Full<Bytes>>;

impl Client {
    /// Asks, and waits for the whole answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: String,
        limit: Duration,
    ) -> Result<Bytes, ClientError> {
        match tokio::time::timeout(limit, self.exchange(method, path, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.timed_out(limit)),
        }
    }

    /// Asks for an answer that goes on, which is read as long as the second is there.
    pub(super) async fn open(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(Response<Incoming>, JoinSet<()>), ClientError> {
        let opening = async {
            let (mut sender, connection) = self.connect().await?;
            let mut driven = JoinSet::new();
            // How it ends, the reader of the body sees.
            driven.spawn(async { drop(connection.await) });
            let request = self.request(method, path, body)?;
            let answer = sender.send_request(request).await;
            Ok((answer.map_err(ClientError::BrokenOff)?, driven))
        };
        let (answer, driven) = match tokio::time::timeout(self.timeout, opening).await {
            Ok(opened) => opened?,
            Err(_) => return Err(self.timed_out(self.timeout)),
        };
        if answer.status().is_success() {
            return Ok((answer, driven));
        }
        Err(match whole(answer).await {
            Ok(_) => ClientError::Answer("it does not go on".to_owned()),
            Err(error) => error,
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<Bytes, ClientError> {
        let (mut sender, connection) = self.connect().await?;
        let request = self.request(method, path, body)?;
        let answer = async {
            let answer = sender
                .send_request(request)
                .await
                .map_err(ClientError::BrokenOff)?;
            whole(answer).await
        };
        // The connection is driven here and dropped with the answer.
        tokio::select! {
            biased;
            answer = answer => answer,
            Err(error) = connection => Err(ClientError::BrokenOff(error)),
        }
    }

    async fn connect(&self) -> Result<(Sender, Connection), ClientError> {
        let stream = UnixStream::connect(&self.path)
            .await
            .map_err(|error| self.not_connected(error))?;
        http1::handshake(TokioIo::new(stream))
            .await
            .map_err(ClientError::BrokenOff)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "stormbolt");
        if let Some(generation) = self.generation {
            request = request.header(header::IF_MATCH, format!("\"{generation}\""));
        }
        if let Some(session) = &self.session {
            request = request.header(SESSION, session);
        }
        request
            .body(Full::from(body))
            .map_err(|error| ClientError::Answer(error.to_string()))
    }

    pub(super) fn timed_out(&self, limit: Duration) -> ClientError {
        ClientError::TimedOut {
            path: self.path.clone(),
            seconds: limit.as_secs(),
        }
    }

    fn not_connected(&self, source: io::Error) -> ClientError {
        let path = self.path.clone();
        if source.kind() == io::ErrorKind::PermissionDenied {
            ClientError::NotPermitted { path, source }
        } else {
            ClientError::NotReachable { path, source }
        }
    }
}

/// Reads an answer to its end, and turns a refusal into an error.
async fn whole(answer: Response<Incoming>) -> Result<Bytes, ClientError> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, MAX_ANSWER)
        .collect()
        .await
        .map_err(|error| ClientError::Answer(error.to_string()))?;
    checked(head.status, body.to_bytes())
}

fn checked(status: StatusCode, body: Bytes) -> Result<Bytes, ClientError> {
    if status.is_success() {
        return Ok(body);
    }
    // Requests that are no HTTP at all are answered without a document.
    let problem = serde_json::from_slice(&body).unwrap_or_else(|_| Problem {
        version: DOCUMENT_VERSION,
        error: format!("the daemon answered {status}"),
        generation: None,
        findings: Vec::new(),
    });
    Err(ClientError::Problem {
        status: status.as_u16(),
        problem,
    })
}
