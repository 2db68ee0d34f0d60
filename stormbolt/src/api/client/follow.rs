//! Answers that go on: documents and events as they come.

use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt as _};
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::{Bytes, Incoming};
use serde::de::DeserializeOwned;
use sse_stream::{Sse, SseByteStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Client, ClientError};

/// How long nothing at all may come. The daemon sends a comment every 15 seconds.
const SILENCE: Duration = Duration::from_secs(45);

/// A stream of the API that is being read.
pub struct Followed {
    events: Pin<Box<dyn Stream<Item = Result<Sse, sse_stream::Error>>>>,
    gone: Box<dyn Fn() -> ClientError>,
    /// Ends with this.
    _connection: JoinSet<()>,
}

/// One of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// What it is called: `classes` for example.
    pub name: String,
    /// A JSON document.
    pub document: String,
}

impl Client {
    /// Opens the stream at `path`, `/v1/stream/classes` for example; within [`Self::block_on`].
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn follow(&self, path: &str) -> Result<Followed, ClientError> {
        let opened = self.open(Method::GET, path, String::new()).await?;
        let (answer, connection) = opened;
        let (path, silent) = (self.path.clone(), self.timed_out(SILENCE));
        let bytes = unfold((answer.into_body(), Some(silent)), |(body, silent)| {
            piece(body, silent)
        });
        Ok(Followed {
            events: Box::pin(SseByteStream::new(bytes)),
            gone: Box::new(move || ClientError::Gone { path: path.clone() }),
            _connection: connection,
        })
    }
}

type Unread = (Incoming, Option<ClientError>);

/// The next bytes of an answer; the error once, when nothing comes for too long.
async fn piece(
    mut body: Incoming,
    mut silent: Option<ClientError>,
) -> Option<(Result<Bytes, ClientError>, Unread)> {
    let piece = match timeout(SILENCE, body.frame()).await {
        // Trailers, if any, say nothing.
        Ok(frame) => frame?
            .map(|frame| frame.into_data().unwrap_or_default())
            .map_err(ClientError::BrokenOff),
        Err(_) => Err(silent.take()?),
    };
    Some((piece, (body, silent)))
}

impl Happened {
    /// What it tells.
    ///
    /// # Errors
    ///
    /// It is something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_str(&self.document).map_err(|error| ClientError::Answer(error.to_string()))
    }
}

impl Followed {
    /// Waits for the next event.
    ///
    /// # Errors
    ///
    /// The daemon has ended the stream, or has fallen silent.
    pub async fn next(&mut self) -> Result<Happened, ClientError> {
        loop {
            let event = match self.events.next().await {
                Some(Ok(event)) => event,
                Some(Err(sse_stream::Error::Body(error))) => {
                    let silent = error.downcast::<ClientError>().ok();
                    let silent =
                        silent.filter(|error| matches!(**error, ClientError::TimedOut { .. }));
                    return Err(silent.map_or_else(&self.gone, |error| *error));
                }
                Some(Err(error)) => return Err(ClientError::Answer(error.to_string())),
                None => return Err((self.gone)()),
            };
            if let (Some(name), Some(document)) = (event.event, event.data) {
                return Ok(Happened { name, document });
            }
        }
    }
}
