//! The documents that are only shown: each is what the machine's thread finds when it is asked.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::documents::{Classes, Cpus, Interfaces, Rules, Sets, Sources, Status};
use super::edit::Editor;
use super::problem::ApiError;
use super::sets::sets;
use crate::daemon::Running;

type Answer<T> = Result<Json<T>, ApiError>;

/// Their routes with what the API's document says of them.
pub(super) fn documented() -> OpenApiRouter<Editor> {
    OpenApiRouter::new()
        .routes(routes!(get_status))
        .routes(routes!(get_interfaces))
        .routes(routes!(get_classes))
        .routes(routes!(get_rules))
        .routes(routes!(get_sets))
        .routes(routes!(get_cpus))
        .routes(routes!(get_sources))
}

async fn found<T>(editor: &Editor, read: fn(&Running) -> T) -> Answer<T>
where
    T: Serialize + Send + 'static,
{
    let found = editor.handle().ask(move |running| read(running)).await?;
    Ok(Json(found))
}

/// The daemon and the policy in force.
#[utoipa::path(
    get,
    path = "/v1/status",
    responses((status = 200, description = "What is found.", body = Status), ApiError)
)]
async fn get_status(State(editor): State<Editor>) -> Answer<Status> {
    found(&editor, Running::status).await
}

/// The interfaces and what became of the frames that arrived on them.
#[utoipa::path(
    get,
    path = "/v1/interfaces",
    responses((status = 200, description = "What is found.", body = Interfaces), ApiError)
)]
async fn get_interfaces(State(editor): State<Editor>) -> Answer<Interfaces> {
    found(&editor, |running| running.machine().interfaces()).await
}

/// The classes, their rates and their traffic.
#[utoipa::path(
    get,
    path = "/v1/classes",
    responses((status = 200, description = "What is found.", body = Classes), ApiError)
)]
async fn get_classes(State(editor): State<Editor>) -> Answer<Classes> {
    found(&editor, |running| running.machine().classes()).await
}

/// The rules and what they matched.
#[utoipa::path(
    get,
    path = "/v1/rules",
    responses((status = 200, description = "What is found.", body = Rules), ApiError)
)]
async fn get_rules(State(editor): State<Editor>) -> Answer<Rules> {
    found(&editor, |running| running.machine().rules()).await
}

/// The sets and the rules that refer to them.
#[utoipa::path(
    get,
    path = "/v1/sets",
    responses((status = 200, description = "What is found.", body = Sets), ApiError)
)]
async fn get_sets(State(editor): State<Editor>) -> Answer<Sets> {
    found(&editor, |running| sets(running.machine().policy())).await
}

/// The CPUs and their load.
#[utoipa::path(
    get,
    path = "/v1/cpus",
    responses((status = 200, description = "What is found.", body = Cpus), ApiError)
)]
async fn get_cpus(State(editor): State<Editor>) -> Answer<Cpus> {
    found(&editor, |running| running.machine().cpus()).await
}

/// The sources that were refused.
#[utoipa::path(
    get,
    path = "/v1/sources",
    responses((status = 200, description = "What is found.", body = Sources), ApiError)
)]
async fn get_sources(State(editor): State<Editor>) -> Answer<Sources> {
    found(&editor, |running| running.machine().sources()).await
}
