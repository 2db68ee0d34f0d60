//! Answers that go on until the client has seen enough, as server-sent events.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edit::Editor;
use super::problem::ApiError;
use super::sampled::{SHOWN, flows};
use super::server::Endless;
use super::sets::sets;
use super::telemetry::{EventsOptions, asked};
use crate::daemon::{Running, Unanswered};

/// Streams at a time, fewer than there may be connections, so that others get their turn.
const MAX_STREAMS: usize = 16;
/// Milliseconds between two documents of a live view.
const PERIODS: RangeInclusive<u64> = 100..=3_600_000;
/// Those that it has without a wish.
const PERIOD: u64 = 1_000;

/// Room for streams.
#[derive(Clone)]
struct Room(Arc<Semaphore>);

/// The query of a live view.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct LiveOptions {
    /// Time between two documents: 1000 without a wish.
    #[param(minimum = 100, maximum = 3_600_000)]
    interval_milliseconds: Option<u64>,
}

/// A document that there is a live view of, by the last word of its path.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum View {
    Status,
    Interfaces,
    Classes,
    Rules,
    Sets,
    Cpus,
    Sources,
    Flows,
    Tables,
    History,
}

/// The routes with what the API's document says of them.
pub(super) fn documented() -> OpenApiRouter<Editor> {
    OpenApiRouter::new()
        .routes(routes!(stream_events))
        .routes(routes!(stream_documents))
        .layer(Extension(Room(Arc::new(Semaphore::new(MAX_STREAMS)))))
}

/// The events that there were and then each that comes, without an end.
///
/// Each is an event `event` whose data is as one of `GET /v1/events`; where some are no longer kept, there is an event
/// `missed` whose data says how many.
#[utoipa::path(
    get,
    path = "/v1/stream/events",
    params(
        EventsOptions,
        (
            "last-event-id" = Option<u64>,
            Header,
            description = "The event that was seen last, as browsers say it when they connect again."
        )
    ),
    responses(
        (
            status = 200,
            description = "Server-sent events.",
            body = String,
            content_type = "text/event-stream"
        ),
        ApiError
    )
)]
async fn stream_events(
    State(editor): State<Editor>,
    Extension(room): Extension<Room>,
    headers: HeaderMap,
    options: Result<Query<EventsOptions>, QueryRejection>,
) -> Result<Response, ApiError> {
    let options = asked(options)?;
    let seen = headers.get("last-event-id");
    let seen = seen.and_then(|number| number.to_str().ok()?.parse().ok());
    let permit = room.permit()?;
    let journal = editor.handle().journal().clone();
    // A number of a daemon before this one means nothing here.
    let after = seen.unwrap_or(options.after);
    let after = if after > journal.list(after, 0).last_sequence {
        0
    } else {
        after
    };
    Ok(endless(unfold(
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
    )))
}

/// A document again and again, without an end.
///
/// Each is an event with the document's name whose data is what `GET /v1/{document}` answers.
#[utoipa::path(
    get,
    path = "/v1/stream/{document}",
    params(("document" = inline(View), Path, description = "Which."), LiveOptions),
    responses(
        (
            status = 200,
            description = "Server-sent events.",
            body = String,
            content_type = "text/event-stream"
        ),
        ApiError
    )
)]
async fn stream_documents(
    State(editor): State<Editor>,
    Extension(room): Extension<Room>,
    view: Result<Path<View>, PathRejection>,
    options: Result<Query<LiveOptions>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Path(view) = view.map_err(|error| {
        let message = format!("there is no such stream: {}", error.body_text());
        ApiError::new(StatusCode::NOT_FOUND, message)
    })?;
    let period = asked(options)?.interval_milliseconds.unwrap_or(PERIOD);
    if !PERIODS.contains(&period) {
        let (first, last) = (PERIODS.start(), PERIODS.end());
        let message = format!("`interval_milliseconds` is from {first} to {last}");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, message));
    }
    let permit = room.permit()?;
    let mut ticks = interval(Duration::from_millis(period));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Ok(endless(unfold(
        (editor, ticks, permit),
        move |(editor, mut ticks, permit)| async move {
            let journal = editor.handle().journal();
            let event = tokio::select! {
                biased;
                () = journal.closed() => return None,
                event = async {
                    ticks.tick().await;
                    view.look(&editor).await
                } => event,
            };
            let event = match event {
                Ok(event) => event,
                Err(Unanswered::Busy) => Ok(Event::default().comment("busy")),
                Err(Unanswered::Stopping) => return None,
            };
            Some((event, (editor, ticks, permit)))
        },
    )))
}

type Looked = Result<Result<Event, axum::Error>, Unanswered>;

impl View {
    async fn look(self, editor: &Editor) -> Looked {
        match self {
            Self::Status => look(editor, "status", Running::status).await,
            Self::Interfaces => look(editor, "interfaces", |of| of.machine().interfaces()).await,
            Self::Classes => look(editor, "classes", |of| of.machine().classes()).await,
            Self::Rules => look(editor, "rules", |of| of.machine().rules()).await,
            Self::Sets => look(editor, "sets", |of| sets(of.machine().policy())).await,
            Self::Cpus => look(editor, "cpus", |of| of.machine().cpus()).await,
            Self::Sources => look(editor, "sources", |of| of.machine().sources()).await,
            Self::Flows => look(editor, "flows", |of| flows(of, SHOWN)).await,
            Self::Tables => look(editor, "tables", |of| of.machine().tables()).await,
            Self::History => Ok(named("history", editor.history().await)),
        }
    }
}

async fn look<T>(editor: &Editor, name: &'static str, read: fn(&Running) -> T) -> Looked
where
    T: Serialize + Send + 'static,
{
    let found = editor.handle().ask(move |running| read(running)).await?;
    Ok(named(name, found))
}

fn named(name: &'static str, document: impl Serialize) -> Result<Event, axum::Error> {
    Event::default().event(name).json_data(document)
}

/// Comments in between tell a client of a quiet stream that there still is somebody.
fn endless(stream: impl Stream<Item = Result<Event, axum::Error>> + Send + 'static) -> Response {
    let events = Sse::new(stream).keep_alive(KeepAlive::default());
    (Extension(Endless), events).into_response()
}

impl Room {
    fn permit(self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.0.try_acquire_owned().map_err(|_| {
            let message =
                format!("there are {MAX_STREAMS} streams already: close one, or try again");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message)
        })
    }
}
