//! The API's description of itself, gathered from its routes and documents.

use std::collections::BTreeMap;

use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref,
    RefOr, Response, ResponseBuilder, ResponsesBuilder,
};
use utoipa::{IntoResponses, ToSchema as _};

use super::documents::{CaptureCourse, CaptureLine, CapturedIp, CapturedPacket, Problem};
use super::problem::ApiError;
use super::routes::documented;

/// The document that `GET /v1/openapi.json` answers with.
pub fn openapi() -> OpenApi {
    documented().into_openapi()
}

/// What it says beside routes and documents.
pub(super) fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("StormBolt")
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(
            LicenseBuilder::new()
                .name(env!("CARGO_PKG_LICENSE"))
                .identifier(Some(env!("CARGO_PKG_LICENSE")))
                .build(),
        ))
        .description(Some(
            "The control API of the StormBolt daemon: HTTP/1.1 over its unix socket, which is \
             /run/stormbolt/stormbolt.sock unless it is told another.",
        ));
    let components = ComponentsBuilder::new()
        .schema_from::<Problem>()
        .schema_from::<CaptureLine>()
        .schema_from::<CapturedPacket>()
        .schema_from::<CapturedIp>()
        .schema_from::<CaptureCourse>()
        .build();
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .build()
}

/// Every route answers so when it has not done what was asked.
impl IntoResponses for ApiError {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(Problem::name())))
            .build();
        let problem = ResponseBuilder::new()
            .description("What went wrong.")
            .content("application/json", content);
        ResponsesBuilder::new()
            .response("default", problem)
            .build()
            .into()
    }
}
