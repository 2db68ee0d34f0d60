//! Bodies of requests, which come from anybody who may open the socket.

use std::error::Error;
use std::time::Duration;

use axum::body::{Body, HttpBody, to_bytes};
use axum::http::StatusCode;
use http_body_util::LengthLimitError;

use super::problem::ApiError;

/// How long a body may take.
const MAX_TIME: Duration = Duration::from_secs(20);

/// Reads a body of at most `limit` bytes that is UTF-8 text.
pub(super) async fn text(body: Body, limit: usize) -> Result<String, ApiError> {
    // A stated length is believed; others show on reading.
    let stated = body.size_hint().lower();
    if usize::try_from(stated).map_or(true, |stated| stated > limit) {
        return Err(too_large(limit));
    }
    let bytes = tokio::time::timeout(MAX_TIME, to_bytes(body, limit))
        .await
        .map_err(|_| {
            let seconds = MAX_TIME.as_secs();
            let message = format!("the body did not arrive within {seconds} seconds");
            ApiError::new(StatusCode::REQUEST_TIMEOUT, message)
        })?
        .map_err(|error| unreadable(&error, limit))?;
    String::from_utf8(bytes.into()).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        let message = format!("the body is not UTF-8 text: first bad byte in line {line}");
        ApiError::new(StatusCode::BAD_REQUEST, message)
    })
}

fn too_large(limit: usize) -> ApiError {
    let message = format!("the body is larger than {} KiB", limit >> 10);
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}

fn unreadable(error: &axum::Error, limit: usize) -> ApiError {
    if error
        .source()
        .is_some_and(<dyn Error>::is::<LengthLimitError>)
    {
        return too_large(limit);
    }
    ApiError::new(
        StatusCode::BAD_REQUEST,
        format!("cannot read the body: {error}"),
    )
}
