//! Metrics, events and live views.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use futures_util::stream::unfold;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval};

use super::edit::{Editor, blocking};
use super::problem::ApiError;
use crate::daemon::{Running, Unanswered};
use crate::telemetry::documents::EventList;
use crate::telemetry::{CONTENT_TYPE, DEFAULT_SERIES_LIMIT, MAX_SERIES_LIMIT, openmetrics};

/// Streams at a time, fewer than there may be connections, so that others get their turn.
const MAX_STREAMS: usize = 16;
/// Milliseconds between two documents of a live view.
const PERIODS: std::ops::RangeInclusive<u64> = 100..=60_000;
/// Those that it has without a wish.
const PERIOD: u64 = 1_000;

/// The query of `GET /metrics`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricsOptions {
    /// Classes and rules that have series of their own.
    series: Option<usize>,
}

/// The query of `GET /v1/events` and of their stream.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsOptions {
    /// The event behind which they begin.
    #[serde(default)]
    after: u64,
}

/// The query of a live view.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LiveOptions {
    /// Time between two documents.
    interval_milliseconds: Option<u64>,
}

/// The routes.
pub(super) fn routes() -> Router<Editor> {
    let room = Arc::new(Semaphore::new(MAX_STREAMS));
    let live = Live(room);
    Router::new()
        .route("/metrics", get(get_metrics))
        .route("/v1/tables", document(|running| running.machine().tables()))
        .route("/v1/events", get(get_events))
        .route("/v1/stream/events", live.events())
        .route("/v1/stream/status", live.view("status", Running::status))
        .route(
            "/v1/stream/interfaces",
            live.view("interfaces", |running| running.machine().interfaces()),
        )
        .route(
            "/v1/stream/classes",
            live.view("classes", |running| running.machine().classes()),
        )
        .route(
            "/v1/stream/rules",
            live.view("rules", |running| running.machine().rules()),
        )
        .route(
            "/v1/stream/cpus",
            live.view("cpus", |running| running.machine().cpus()),
        )
        .route(
            "/v1/stream/sources",
            live.view("sources", |running| running.machine().sources()),
        )
        .route(
            "/v1/stream/tables",
            live.view("tables", |running| running.machine().tables()),
        )
}

/// Answers GET with what `read` finds on the machine's thread.
fn document<T>(read: fn(&Running) -> T) -> MethodRouter<Editor>
where
    T: Serialize + Send + 'static,
{
    get(move |State(editor): State<Editor>| async move {
        let found = editor.handle().ask(move |running| read(running)).await;
        found.map(Json).map_err(ApiError::from)
    })
}

async fn get_metrics(
    State(editor): State<Editor>,
    options: Result<Query<MetricsOptions>, QueryRejection>,
) -> Result<Response, ApiError> {
    let limit = asked(options)?.series.unwrap_or(DEFAULT_SERIES_LIMIT);
    if limit > MAX_SERIES_LIMIT {
        let message = format!("`series` is at most {MAX_SERIES_LIMIT}");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, message));
    }
    let snapshot = editor.handle().ask(move |running| running.snapshot(limit));
    let snapshot = snapshot.await?;
    let text = blocking(move || openmetrics(snapshot)).await;
    let text = text.map_err(|error| {
        let message = format!("the metrics cannot be written: {error}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    })?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}

/// Does not ask the machine's thread: what keeps it busy may be what is looked for.
async fn get_events(
    State(editor): State<Editor>,
    options: Result<Query<EventsOptions>, QueryRejection>,
) -> Result<Json<EventList>, ApiError> {
    let after = asked(options)?.after;
    Ok(Json(editor.handle().journal().list(after, usize::MAX)))
}

/// Answers that go on until the client has seen enough, as server-sent events.
struct Live(Arc<Semaphore>);

impl Live {
    /// A document again and again.
    fn view<T>(&self, name: &'static str, read: fn(&Running) -> T) -> MethodRouter<Editor>
    where
        T: Serialize + Send + 'static,
    {
        let room = Arc::clone(&self.0);
        get(
            move |State(editor): State<Editor>,
                  options: Result<Query<LiveOptions>, QueryRejection>| {
                let room = Arc::clone(&room);
                async move { view(editor, name, read, &asked(options)?, room) }
            },
        )
    }

    /// The events as they happen, behind the one that the client has seen last.
    fn events(&self) -> MethodRouter<Editor> {
        let room = Arc::clone(&self.0);
        get(
            move |State(editor): State<Editor>,
                  headers: HeaderMap,
                  options: Result<Query<EventsOptions>, QueryRejection>| {
                let room = Arc::clone(&room);
                async move { events(&editor, &headers, &asked(options)?, room) }
            },
        )
    }
}

fn view<T>(
    editor: Editor,
    name: &'static str,
    read: fn(&Running) -> T,
    options: &LiveOptions,
    room: Arc<Semaphore>,
) -> Result<Response, ApiError>
where
    T: Serialize + Send + 'static,
{
    let period = options.interval_milliseconds.unwrap_or(PERIOD);
    if !PERIODS.contains(&period) {
        let (first, last) = (PERIODS.start(), PERIODS.end());
        let message = format!("`interval_milliseconds` is from {first} to {last}");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, message));
    }
    let permit = permitted(room)?;
    let mut ticks = interval(Duration::from_millis(period));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stream = unfold(
        (editor, ticks, permit),
        move |(editor, mut ticks, permit)| async move {
            let journal = editor.handle().journal().clone();
            tokio::select! {
                () = journal.closed() => return None,
                _ = ticks.tick() => {}
            }
            let found = editor.handle().ask(move |running| read(running)).await;
            let event = match found {
                Ok(found) => Event::default().event(name).json_data(found),
                Err(Unanswered::Busy) => Ok(Event::default().comment("busy")),
                Err(Unanswered::Stopping) => return None,
            };
            Some((event, (editor, ticks, permit)))
        },
    );
    Ok(Sse::new(stream)
        .keep_alive(KeepAlive::default())
        .into_response())
}

fn events(
    editor: &Editor,
    headers: &HeaderMap,
    options: &EventsOptions,
    room: Arc<Semaphore>,
) -> Result<Response, ApiError> {
    // What browsers send when they connect again.
    let seen = headers.get("last-event-id");
    let seen = seen.and_then(|number| number.to_str().ok()?.parse().ok());
    let permit = permitted(room)?;
    let journal = editor.handle().journal().clone();
    // A number of a daemon before this one means nothing here.
    let after = seen.unwrap_or(options.after);
    let after = if after > journal.list(after, 0).last_sequence {
        0
    } else {
        after
    };
    let stream = unfold(
        (journal, after, permit),
        |(journal, after, permit)| async move {
            if !journal.wait(after).await {
                return None;
            }
            let list = journal.list(after, 1);
            let next = list.events.into_iter().next()?;
            if list.missed_events > 0 {
                let missed = serde_json::json!({ "missed_events": list.missed_events });
                let event = Event::default().event("missed").json_data(missed);
                return Some((event, (journal, next.sequence - 1, permit)));
            }
            let sequence = next.sequence;
            let event = Event::default().id(sequence.to_string()).event("event");
            Some((event.json_data(next), (journal, sequence, permit)))
        },
    );
    Ok(Sse::new(stream)
        .keep_alive(KeepAlive::default())
        .into_response())
}

fn permitted(room: Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ApiError> {
    room.try_acquire_owned().map_err(|_| {
        let message = format!("there are {MAX_STREAMS} streams already: close one, or try again");
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message)
    })
}

fn asked<T: DeserializeOwned>(options: Result<Query<T>, QueryRejection>) -> Result<T, ApiError> {
    match options {
        Ok(Query(options)) => Ok(options),
        Err(error) => Err(ApiError::new(StatusCode::BAD_REQUEST, error.body_text())),
    }
}
