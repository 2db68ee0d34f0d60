//! How long connections may take, with routes that take as long as they are let.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use futures_util::stream::unfold;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{Interval, interval};

use super::door::Door;
use super::server::{Endless, serve_within};
use crate::daemon::{Access, AccessOptions};

const LIMIT: Duration = Duration::from_millis(100);
/// Far more often than once in [`LIMIT`].
const PERIOD: Duration = Duration::from_millis(5);
/// So many of them take several times [`LIMIT`].
const LINES: usize = 100;

/// Serves `router` in the background, each connection for [`LIMIT`].
fn serve(router: Router) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(socket(directory.path())).unwrap();
    let access = Access::find(&AccessOptions::default()).unwrap();
    let door = Door::unix(listener, access);
    tokio::spawn(serve_within(
        LIMIT,
        door,
        router,
        std::future::pending::<()>(),
    ));
    directory
}

fn socket(directory: &Path) -> std::path::PathBuf {
    directory.join("socket")
}

async fn ask(directory: &TempDir) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(socket(directory.path())).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    BufReader::new(stream)
}

async fn tick(mut ticks: Interval) -> Option<(Result<Bytes, Infallible>, Interval)> {
    ticks.tick().await;
    Some((Ok(Bytes::from_static(b"again\n")), ticks))
}

fn ticking() -> Body {
    Body::from_stream(unfold(interval(PERIOD), tick))
}

/// Lines of `again` until the connection is closed.
async fn lines(stream: BufReader<UnixStream>, enough: usize) -> usize {
    let mut lines = stream.lines();
    let mut count = 0;
    while count < enough
        && let Ok(Some(line)) = lines.next_line().await
    {
        count += usize::from(line == "again");
    }
    count
}

#[tokio::test]
async fn a_stream_goes_on_as_long_as_its_client_reads() {
    async fn stream() -> Response {
        (Extension(Endless), ticking()).into_response()
    }
    let directory = serve(Router::new().route("/", get(stream)));
    assert_eq!(lines(ask(&directory).await, LINES).await, LINES);
}

#[tokio::test]
async fn other_answers_end_with_their_time_though_something_is_written_all_the_while() {
    async fn stream() -> Response {
        ticking().into_response()
    }
    let directory = serve(Router::new().route("/", get(stream)));
    // That this comes to an end is the point: without a bound it never does.
    assert!(lines(ask(&directory).await, usize::MAX).await > 0);
}

#[tokio::test]
async fn a_request_without_an_answer_ends_with_its_time() {
    let directory = serve(Router::new().route("/", get(std::future::pending::<Response>)));
    let mut answer = Vec::new();
    ask(&directory)
        .await
        .read_to_end(&mut answer)
        .await
        .unwrap_or(0);
    assert_eq!(answer, b"");
}

/// Tells when it goes.
struct Going(mpsc::UnboundedSender<()>);

impl Drop for Going {
    fn drop(&mut self) {
        self.0.send(()).unwrap_or(());
    }
}

#[tokio::test]
async fn a_stream_that_its_client_does_not_read_is_closed() {
    let (gone, mut told) = mpsc::unbounded_channel();
    let flood = move || {
        let going = Going(gone.clone());
        async move {
            let bytes = Bytes::from(vec![b'x'; 1 << 16]);
            let again =
                move |going| std::future::ready(Some((Ok::<_, Infallible>(bytes.clone()), going)));
            let body = Body::from_stream(unfold(going, again));
            (Extension(Endless), body).into_response()
        }
    };
    let directory = serve(Router::new().route("/", get(flood)));
    let unread = ask(&directory).await;
    assert_eq!(told.recv().await, Some(()));
    drop(unread);
}
