//! What the API answers.

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::attachments;
use super::body;
use super::documents::{
    Applied, ClassChange, CompilingStatus, DOCUMENT_VERSION, Progress, RuleChange, SetChange,
};
use super::edit::{Editor, blocking};
use super::explanation::{Explanation, Question};
use super::openapi::{frame, openapi};
use super::problem::ApiError;
use super::question::{asked, unexplained};
use super::{read_only, rule_change, set_change};
use crate::config::{MAX_FILE_BYTES, to_toml};

/// The largest body that is no policy, in bytes.
const MAX_BODY: usize = 64 << 10;

/// The query of `PUT /v1/policy`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PutOptions {
    /// What the policy is called in messages.
    name: Option<String>,
    /// Only check it.
    #[serde(default)]
    dry_run: bool,
}

/// The routes of the API over the machine that `editor` changes.
pub fn router(editor: Editor) -> Router {
    let (router, _document) = documented().split_for_parts();
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(editor)
}

/// The routes with what the API's document says of them.
pub(super) fn documented() -> OpenApiRouter<Editor> {
    OpenApiRouter::with_openapi(frame())
        .merge(read_only::documented())
        .merge(attachments::documented())
        .routes(routes!(get_progress))
        .routes(routes!(get_policy, put_policy))
        .routes(routes!(patch_class))
        .routes(routes!(post_rule))
        .routes(routes!(patch_rule, delete_rule))
        .routes(routes!(patch_set))
        .routes(routes!(explain))
        .routes(routes!(get_openapi))
}

/// The policy that is being compiled, at once even when the daemon is too busy for all else.
#[utoipa::path(
    get,
    path = "/v1/progress",
    responses((status = 200, description = "What is found.", body = Progress), ApiError)
)]
async fn get_progress(State(editor): State<Editor>) -> Json<Progress> {
    // The machine's thread is not asked: it is busy when there is something to tell.
    let compiling = editor.handle().activity().compiling();
    Json(Progress {
        version: DOCUMENT_VERSION,
        compiling: compiling.map(|compiling| CompilingStatus {
            elapsed_milliseconds: compiling.milliseconds,
            rule_count: compiling.rules,
            table_bytes: compiling.bytes,
            table_limit_bytes: compiling.budget,
        }),
    })
}

/// The policy in force, as a policy file.
#[utoipa::path(
    get,
    path = "/v1/policy",
    responses((status = 200, description = "A policy file.", body = String, content_type = "text/plain"), ApiError)
)]
async fn get_policy(State(editor): State<Editor>) -> Result<Response, ApiError> {
    let policy = editor
        .handle()
        .ask(|running| running.machine().policy().clone())
        .await?;
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    let text = blocking(move || to_toml(&policy)).await;
    Ok((plain, text).into_response())
}

/// Puts a policy file into force as a whole, or only checks it.
#[utoipa::path(
    put,
    path = "/v1/policy",
    params(PutOptions),
    request_body(content = String, content_type = "text/plain"),
    responses((status = 200, description = "What is in force now.", body = Applied), ApiError)
)]
async fn put_policy(
    State(editor): State<Editor>,
    options: Result<Query<PutOptions>, QueryRejection>,
    body: Body,
) -> Result<Json<Applied>, ApiError> {
    let Query(options) =
        options.map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    // Before the body is read: only one at a time is in memory.
    let turn = editor.turn().await?;
    let limit = usize::try_from(MAX_FILE_BYTES).unwrap_or(usize::MAX);
    let text = body::text(body, limit).await?;
    turn.replace(options.name, text, options.dry_run)
        .await
        .map(Json)
}

/// Changes what is given of one class.
#[utoipa::path(
    patch,
    path = "/v1/classes/{name}",
    params(("name" = String, Path, description = "The class.")),
    request_body = ClassChange,
    responses((status = 200, description = "What is in force now.", body = Applied), ApiError)
)]
async fn patch_class(
    State(editor): State<Editor>,
    name: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Json<Applied>, ApiError> {
    let name = named(name)?;
    let change: ClassChange = change("class", &body::text(body, MAX_BODY).await?)?;
    editor
        .turn()
        .await?
        .change_class(name, change)
        .await
        .map(Json)
}

/// Says what becomes of a packet, and why; changes nothing.
#[utoipa::path(
    post,
    path = "/v1/explain",
    request_body = Question,
    responses((status = 200, description = "What becomes of it.", body = Explanation), ApiError)
)]
async fn explain(State(editor): State<Editor>, body: Body) -> Result<Json<Explanation>, ApiError> {
    let asked = asked(&body::text(body, MAX_BODY).await?)?;
    let answer = editor.handle().ask(move |running| running.explain(&asked));
    answer.await?.map(Json).map_err(unexplained)
}

/// Adds prefixes to one set and removes others.
#[utoipa::path(
    patch,
    path = "/v1/sets/{name}",
    params(("name" = String, Path, description = "The set.")),
    request_body = SetChange,
    responses((status = 200, description = "What is in force now.", body = Applied), ApiError)
)]
async fn patch_set(
    State(editor): State<Editor>,
    name: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Json<Applied>, ApiError> {
    let name = named(name)?;
    // Before the body is read, which may be as large as a policy: only one at a time is in memory.
    let turn = editor.turn().await?;
    let limit = usize::try_from(MAX_FILE_BYTES).unwrap_or(usize::MAX);
    let text = body::text(body, limit).await?;
    turn.edit(move |policy| set_change::changed(policy, &name, &change("set", &text)?))
        .await
        .map(Json)
}

/// Adds a rule.
#[utoipa::path(
    post,
    path = "/v1/rules",
    request_body = RuleChange,
    responses((status = 200, description = "What is in force now.", body = Applied), ApiError)
)]
async fn post_rule(State(editor): State<Editor>, body: Body) -> Result<Json<Applied>, ApiError> {
    let change = change("rule", &body::text(body, MAX_BODY).await?)?;
    let turn = editor.turn().await?;
    turn.edit(move |policy| rule_change::added(policy, &change))
        .await
        .map(Json)
}

/// Changes or moves one rule.
#[utoipa::path(
    patch,
    path = "/v1/rules/{name}",
    params(("name" = String, Path, description = "The rule.")),
    request_body = RuleChange,
    responses((status = 200, description = "What is in force now.", body = Applied), ApiError)
)]
async fn patch_rule(
    State(editor): State<Editor>,
    name: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Json<Applied>, ApiError> {
    let name = named(name)?;
    let change = change("rule", &body::text(body, MAX_BODY).await?)?;
    let turn = editor.turn().await?;
    turn.edit(move |policy| rule_change::changed(policy, &name, &change))
        .await
        .map(Json)
}

/// Takes one rule away.
#[utoipa::path(
    delete,
    path = "/v1/rules/{name}",
    params(("name" = String, Path, description = "The rule.")),
    responses((status = 200, description = "What is in force now.", body = Applied), ApiError)
)]
async fn delete_rule(
    State(editor): State<Editor>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Applied>, ApiError> {
    let name = named(name)?;
    let turn = editor.turn().await?;
    turn.edit(move |policy| rule_change::removed(policy, &name))
        .await
        .map(Json)
}

/// This description of the API.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    responses((status = 200, description = "An OpenAPI document.", body = serde_json::Value), ApiError)
)]
async fn get_openapi() -> Json<OpenApi> {
    Json(openapi())
}

/// The name at the end of an address.
fn named(name: Result<Path<String>, PathRejection>) -> Result<String, ApiError> {
    let Path(name) =
        name.map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    Ok(name)
}

/// Reads the body of a change of a `kind`.
fn change<T: DeserializeOwned>(kind: &str, text: &str) -> Result<T, ApiError> {
    serde_json::from_str(text).map_err(|error| {
        let message = format!("the body is not a change of a {kind}: {error}");
        ApiError::new(StatusCode::BAD_REQUEST, message)
    })
}

async fn not_found(uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    ApiError::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing at `{path}`"),
    )
}

async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    let message = format!("`{}` does not take {method}", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message)
}
