//! Every answer that is not a success.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::documents::{DOCUMENT_VERSION, Problem};
use crate::config::{Finding, PolicyError};
use crate::daemon::Unanswered;

/// A status and its [`Problem`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The status of the answer.
    pub status: StatusCode,
    /// Its body.
    pub problem: Problem,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self::with_findings(status, error, Vec::new())
    }

    pub(super) fn with_findings(
        status: StatusCode,
        error: impl Into<String>,
        findings: Vec<Finding>,
    ) -> Self {
        let problem = Problem {
            version: DOCUMENT_VERSION,
            error: error.into(),
            generation: None,
            findings,
        };
        Self { status, problem }
    }
}

impl ApiError {
    /// The policy in force is another one than the change was made for.
    pub(super) fn other_generation(wanted: u32, generation: u32) -> Self {
        let message = format!(
            "generation {generation} is in force, not {wanted}: somebody else has changed the policy"
        );
        let mut error = Self::new(StatusCode::PRECONDITION_FAILED, message);
        error.problem.generation = Some(generation);
        error
    }

    /// A policy waits to be confirmed, and nothing else is changed meanwhile.
    pub(super) fn unconfirmed(generation: u32) -> Self {
        let message = format!(
            "generation {generation} waits to be confirmed: `stormbolt confirm` or `stormbolt rollback` first"
        );
        let mut error = Self::new(StatusCode::CONFLICT, message);
        error.problem.generation = Some(generation);
        error
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.problem)).into_response()
    }
}

impl From<Unanswered> for ApiError {
    fn from(error: Unanswered) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl From<PolicyError> for ApiError {
    fn from(error: PolicyError) -> Self {
        let findings = error.findings();
        Self::with_findings(
            StatusCode::UNPROCESSABLE_ENTITY,
            error.to_string(),
            findings,
        )
    }
}
