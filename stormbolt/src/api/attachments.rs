//! `POST /v1/detach` and `/v1/attach`: takes the program off interfaces, and puts it back.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body;
use super::documents::Interfaces;
use super::edit::Editor;
use super::problem::ApiError;
use crate::apply::ApplyError;
use crate::causes::with_causes;
use crate::daemon::BoxedError;

/// The largest body, in bytes.
const MAX_BODY: usize = 64 << 10;

/// Which interfaces are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InterfaceChoice {
    /// Their names; empty: all of the policy.
    #[serde(default)]
    pub interfaces: Vec<String>,
}

/// Their routes with what the API's document says of them.
pub(super) fn documented() -> OpenApiRouter<Editor> {
    OpenApiRouter::new()
        .routes(routes!(post_detach))
        .routes(routes!(post_attach))
}

/// Takes the program off interfaces; packets on them go their way untouched.
#[utoipa::path(
    post,
    path = "/v1/detach",
    request_body = InterfaceChoice,
    responses((status = 200, description = "The interfaces as they are then.", body = Interfaces), ApiError)
)]
async fn post_detach(
    State(editor): State<Editor>,
    body: Body,
) -> Result<Json<Interfaces>, ApiError> {
    set_attached(&editor, body, false).await
}

/// Puts the program back onto interfaces.
#[utoipa::path(
    post,
    path = "/v1/attach",
    request_body = InterfaceChoice,
    responses((status = 200, description = "The interfaces as they are then.", body = Interfaces), ApiError)
)]
async fn post_attach(
    State(editor): State<Editor>,
    body: Body,
) -> Result<Json<Interfaces>, ApiError> {
    set_attached(&editor, body, true).await
}

async fn set_attached(
    editor: &Editor,
    body: Body,
    attached: bool,
) -> Result<Json<Interfaces>, ApiError> {
    let text = body::text(body, MAX_BODY).await?;
    // An object: a list of its values would do as well for serde, and an empty one would mean all interfaces.
    let choice = serde_json::from_str(&text).map(serde_json::Value::Object);
    let choice = choice.and_then(serde_json::from_value::<InterfaceChoice>);
    let choice = choice.map_err(|error| {
        let message = format!("the body is not a choice of interfaces: {error}");
        ApiError::new(StatusCode::BAD_REQUEST, message)
    })?;
    let done = editor.handle().ask(move |running| {
        running.set_attached(&choice.interfaces, attached)?;
        Ok(running.machine().interfaces())
    });
    done.await?.map(Json).map_err(refused)
}

fn refused(error: BoxedError) -> ApiError {
    let is_unknown = matches!(
        error.downcast_ref(),
        Some(ApplyError::NoSuchInterface { .. })
    );
    let status = if is_unknown {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::CONFLICT
    };
    ApiError::new(status, with_causes(error.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::client::ClientError;
    use crate::api::test_server::Server;
    use crate::api::tests::request;

    fn choice(names: &[&str]) -> InterfaceChoice {
        InterfaceChoice {
            interfaces: names.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn interfaces_are_detached_and_attached_by_name_or_all() {
        let server = Server::start();
        let client = server.client();
        for names in [&["eth0"][..], &[]] {
            let detached = client.set_attached(&choice(names), false).unwrap();
            assert_eq!(detached.interfaces[0].mode, "detached");
            let attached = client.set_attached(&choice(names), true).unwrap();
            assert_eq!(attached.interfaces[0].mode, "native");
        }
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        let server = Server::start();
        for body in ["[]", "null", "\"eth0\"", "{\"interface\":\"eth0\"}", ""] {
            let (status, _) = request(&server, "POST /v1/detach", body.as_bytes());
            assert_eq!(status, 400, "{body}");
        }
    }

    #[test]
    fn an_interface_that_the_policy_does_not_have_is_not_found() {
        let server = Server::start();
        let refused = server.client().set_attached(&choice(&["eth9"]), false);
        let Err(ClientError::Problem { status, problem }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(status, 404);
        assert!(
            problem.error.contains("no interface `eth9`"),
            "{}",
            problem.error
        );
    }
}
