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
            findings,
        };
        Self { status, problem }
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
