//! Under what conditions a change is wanted: headers of the request.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};

use super::problem::ApiError;
use super::session::{SESSION, Session};

/// What a change depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// `if-match`: the generation that must be in force.
    pub(super) generation: Option<u32>,
    /// The session that must not be cut off.
    pub(super) session: Option<Session>,
}

impl<S: Sync> FromRequestParts<S> for Terms {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let headers = &parts.headers;
        let generation = read(headers, header::IF_MATCH.as_str(), |text| {
            text.trim_matches('"').parse().ok()
        })?;
        let session = read(headers, SESSION, |text| text.parse().ok())?;
        Ok(Self {
            generation,
            session,
        })
    }
}

fn read<T>(
    headers: &HeaderMap,
    name: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let read = value.to_str().ok().and_then(read);
    read.map(Some).ok_or_else(|| {
        let message = format!("the header `{name}` cannot be read");
        ApiError::new(StatusCode::BAD_REQUEST, message)
    })
}
