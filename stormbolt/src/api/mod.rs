//! The control API: HTTP/1.1 with JSON documents over a unix socket.
//!
//! Who may open the socket may look: it belongs to the daemon's user and a group (0660). Who may change things is
//! decided by the credentials of the peer ([`access`]); over TLS, where the operator asks for it, by a token.
//!
//! | | | |
//! |---|---|---|
//! | GET | `/v1/status`, `/v1/interfaces`, `/v1/classes`, `/v1/rules`, `/v1/sets`, `/v1/cpus`, `/v1/progress` | [`documents`] |
//! | GET | `/metrics?series=N` | [`crate::telemetry::catalogue`], as OpenMetrics text |
//! | GET | `/v1/tables`, `/v1/events?after=N` | [`crate::telemetry::documents`] |
//! | GET | `/v1/stream/events?after=N`, `/v1/stream/classes?interval_milliseconds=N` and so on for most documents | the same again and again, as server-sent events |
//! | GET | `/v1/policy` | the policy in force as TOML |
//! | PUT | `/v1/policy?name=FILE&dry_run=true&confirm_seconds=30` | a policy file → [`documents::Applied`] |
//! | POST | `/v1/confirm`, `/v1/rollback?to=N`, `/v1/reload` | nothing → [`documents::Applied`] |
//! | GET | `/v1/history` | [`documents::History`] |
//! | GET | `/v1/history/{generation}` | an earlier policy as TOML |
//! | PATCH | `/v1/classes/{name}` | [`documents::ClassChange`] → [`documents::Applied`] |
//! | POST | `/v1/explain` | [`explanation::Question`] → [`explanation::Explanation`]; changes nothing |
//! | POST | `/v1/rules` | [`documents::RuleChange`] → [`documents::Applied`] |
//! | PATCH, DELETE | `/v1/rules/{name}` | [`documents::RuleChange`], nothing → [`documents::Applied`] |
//! | GET | `/v1/flows?limit=N` | [`documents::Flows`] |
//! | POST | `/v1/capture` | [`documents::CaptureRequest`] → [`documents::CaptureLine`], one a line |
//! | GET | `/v1/openapi.json` | all of this as an OpenAPI document, out of [`openapi()`] |
//! | PATCH | `/v1/sets/{name}` | [`documents::SetChange`] → [`documents::Applied`] |
//! | POST | `/v1/detach`, `/v1/attach` | [`attachments::InterfaceChoice`] → [`documents::Interfaces`] |
//!
//! A policy is complete: the daemon opens no file that a client names. `stormbolt apply` puts the files
//! of sets into the text that it sends.
//!
//! A change that is made for one generation names it in the header `if-match`; when another one is in force, it is
//! refused with 412. Whoever is logged in over SSH says so in the header [`SESSION`]: a change that
//! would drop what the session sends is refused with 409, unless it is to be confirmed.
//!
//! Whoever closes the connection before the answer gives the change up: what is still being compiled
//! then does not come into force.
//!
//! Every other answer is a [`documents::Problem`]: 400 for what cannot be read, 404 and 405 for what
//! is not there, 401 and 403 for callers that may not, 429 for those that ask too often, 408 and 413 for bodies that
//! are too slow or too large, 409 for a policy that this machine cannot run and while another one waits to be confirmed,
//! 412 for the wrong generation, 422 for an invalid one, 503 when the daemon has too much to do.

mod access;
pub mod attachments;
mod body;
mod book;
mod captured;
mod class_change;
pub mod client;
pub mod documents;
mod door;
mod edit;
mod effects;
pub mod explanation;
mod force;
mod lasting;
mod names;
mod openapi;
mod problem;
mod question;
#[cfg(test)]
mod question_tests;
mod read_only;
mod routes;
mod rule_change;
mod sampled;
mod server;
mod session;
mod set_change;
mod sets;
mod stream;
mod telemetry;
mod terms;
mod tokens;

#[cfg(test)]
mod lasting_tests;
#[cfg(test)]
mod openapi_tests;
#[cfg(test)]
mod progress_tests;
#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod set_tests;
#[cfg(test)]
mod telemetry_tests;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

pub use access::{Key, Right};
pub use door::{Door, TlsError};
pub use edit::{Editor, ReloadError};
pub use openapi::openapi;
pub use problem::ApiError;
pub use routes::router;
pub use server::{ServerError, serve_connections};
pub use session::SESSION;
