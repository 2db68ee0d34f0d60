//! Answers that are a document a line, as long as they go on.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use http_body_util::BodyExt as _;
use hyper::Method;
use hyper::body::{Bytes, Incoming};
use tokio::io::{AsyncBufReadExt as _, Lines};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::io::StreamReader;

use super::{Client, ClientError};
use crate::api::documents::{CaptureLine, CaptureRequest};

/// How long nothing at all may come. The daemon says every second how far it is.
const SILENCE: Duration = Duration::from_secs(45);

type Pieces =
    std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<Bytes, std::io::Error>> + Send>>;

/// A capture that goes on; it ends when this is dropped.
pub struct Capturing {
    lines: Lines<StreamReader<Pieces, Bytes>>,
    path: PathBuf,
    /// Ends with this.
    _connection: JoinSet<()>,
}

impl Client {
    /// Begins a capture; within [`Self::block_on`].
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn capture(&self, request: &CaptureRequest) -> Result<Capturing, ClientError> {
        let body = serde_json::to_string(request)
            .map_err(|error| ClientError::Answer(error.to_string()))?;
        let opened = self.open(Method::POST, "/v1/capture", body).await?;
        let (answer, connection) = opened;
        Ok(Capturing {
            lines: StreamReader::new(pieces(answer.into_body())).lines(),
            path: self.path.clone(),
            _connection: connection,
        })
    }
}

fn pieces(body: Incoming) -> Pieces {
    Box::pin(body.into_data_stream().map_err(std::io::Error::other))
}

impl Capturing {
    /// Waits for the next line.
    ///
    /// # Errors
    ///
    /// The daemon has gone, or has fallen silent.
    pub async fn next(&mut self) -> Result<CaptureLine, ClientError> {
        let Ok(line) = timeout(SILENCE, self.lines.next_line()).await else {
            return Err(ClientError::TimedOut {
                path: self.path.clone(),
                seconds: SILENCE.as_secs(),
            });
        };
        // Broken off or ended: there is a last line, and it has not come.
        let Ok(Some(line)) = line else {
            return Err(ClientError::Gone {
                path: self.path.clone(),
            });
        };
        serde_json::from_str(&line).map_err(|error| ClientError::Answer(error.to_string()))
    }
}
