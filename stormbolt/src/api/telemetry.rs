//! Metrics, events and tables.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edit::{Editor, blocking};
use super::problem::ApiError;
use crate::telemetry::documents::{EventList, Tables};
use crate::telemetry::{CONTENT_TYPE, DEFAULT_SERIES_LIMIT, MAX_SERIES_LIMIT, openmetrics};

/// The query of `GET /metrics`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct MetricsOptions {
    /// Classes and rules that have series of their own: 2000 of each without a wish.
    #[param(minimum = 0, maximum = 200_000)]
    series: Option<usize>,
}

/// The query of `GET /v1/events`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsOptions {
    /// The number of the event behind which they begin; without one, they begin with the first that is kept.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    pub(super) after: u64,
}

/// Their routes with what the API's document says of them.
pub(super) fn documented() -> OpenApiRouter<Editor> {
    OpenApiRouter::new()
        .routes(routes!(get_metrics))
        .routes(routes!(get_tables))
        .routes(routes!(get_events))
}

/// Metrics for Prometheus, in the `OpenMetrics` text format.
#[utoipa::path(
    get,
    path = "/metrics",
    params(MetricsOptions),
    responses(
        (
            status = 200,
            description = "The metrics.",
            body = String,
            content_type = "application/openmetrics-text"
        ),
        ApiError
    )
)]
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

/// How full the tables are.
#[utoipa::path(
    get,
    path = "/v1/tables",
    responses((status = 200, description = "What is found.", body = Tables), ApiError)
)]
async fn get_tables(State(editor): State<Editor>) -> Result<Json<Tables>, ApiError> {
    let tables = editor.handle().ask(|running| running.machine().tables());
    Ok(Json(tables.await?))
}

/// What has happened since the daemon started, the oldest first.
#[utoipa::path(
    get,
    path = "/v1/events",
    params(EventsOptions),
    responses((status = 200, description = "What is found.", body = EventList), ApiError)
)]
async fn get_events(
    State(editor): State<Editor>,
    options: Result<Query<EventsOptions>, QueryRejection>,
) -> Result<Json<EventList>, ApiError> {
    let after = asked(options)?.after;
    // The machine's thread is not asked: what keeps it busy may be what is looked for.
    Ok(Json(editor.handle().journal().list(after, usize::MAX)))
}

/// The query of a request.
pub(super) fn asked<T: DeserializeOwned>(
    options: Result<Query<T>, QueryRejection>,
) -> Result<T, ApiError> {
    match options {
        Ok(Query(options)) => Ok(options),
        Err(error) => Err(ApiError::new(StatusCode::BAD_REQUEST, error.body_text())),
    }
}
