//! Questions about packets, out of bodies that anybody may have sent.

use axum::http::StatusCode;

use super::explanation::{DEFAULT_LIMIT, MAX_LIMIT, Question};
use super::problem::ApiError;
use crate::apply::{Asked, ExplainError};
use crate::causes::with_causes;
use crate::explain::frame_of;

/// What the body asks.
///
/// # Errors
/// It is no question, or one that contradicts itself.
pub(super) fn asked(body: &str) -> Result<Asked, ApiError> {
    let refused = |message: String| ApiError::new(StatusCode::BAD_REQUEST, message);
    let question: Question = serde_json::from_str(body)
        .map_err(|error| refused(format!("the body is not a question: {error}")))?;
    let frame = frame_of(&question).map_err(|error| refused(error.to_string()))?;
    let limit = question.limit.unwrap_or(DEFAULT_LIMIT);
    if limit > MAX_LIMIT {
        return Err(refused(format!("`limit`: {MAX_LIMIT} is the highest")));
    }
    Ok(Asked {
        interface: question.interface,
        frame,
        limit,
    })
}

/// The answer where there is none.
pub(super) fn unexplained(error: ExplainError) -> ApiError {
    let status = match &error {
        ExplainError::NoInterface { .. } => StatusCode::NOT_FOUND,
        ExplainError::WhichInterface { .. } => StatusCode::BAD_REQUEST,
        ExplainError::NotAttached { .. } => StatusCode::CONFLICT,
        ExplainError::Datapath(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    ApiError::new(status, with_causes(&error))
}
