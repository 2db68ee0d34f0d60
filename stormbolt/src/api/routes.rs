//! What the API answers.

use std::ops::RangeInclusive;
use std::time::Duration;

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
    Applied, ClassChange, CompilingStatus, DOCUMENT_VERSION, History, Progress, RuleChange,
    SetChange,
};
use super::edit::{Editor, Sent, blocking};
use super::explanation::{Explanation, Question};
use super::openapi::{frame, openapi};
use super::problem::ApiError;
use super::question::{asked, unexplained};
use super::terms::Terms;
use super::{read_only, rule_change, sampled, set_change, stream, telemetry};
use crate::config::{MAX_FILE_BYTES, to_toml};

/// The largest body that is no policy, in bytes.
const MAX_BODY: usize = 64 << 10;

/// How long a policy may wait to be confirmed.
const CONFIRM_SECONDS: RangeInclusive<u64> = 1..=86_400;

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
    /// The policy before comes back unless this one is confirmed within so many seconds.
    confirm_seconds: Option<u64>,
}

/// The query of `POST /v1/rollback`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RollbackOptions {
    /// The generation that is brought back.
    to: Option<u32>,
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
        .merge(sampled::documented())
        .merge(telemetry::documented())
        .merge(stream::documented())
        .routes(routes!(get_progress))
        .routes(routes!(get_policy, put_policy))
        .routes(routes!(patch_class))
        .routes(routes!(post_rule))
        .routes(routes!(patch_rule, delete_rule))
        .routes(routes!(patch_set))
        .routes(routes!(explain))
        .routes(routes!(post_confirm))
        .routes(routes!(post_rollback))
        .routes(routes!(post_reload))
        .routes(routes!(get_history))
        .routes(routes!(get_past_policy))
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
    terms: Terms,
    options: Result<Query<PutOptions>, QueryRejection>,
    body: Body,
) -> Result<Json<Applied>, ApiError> {
    let Query(options) =
        options.map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let confirm = options.confirm_seconds.map(confirm_time).transpose()?;
    // Before the body is read: only one at a time is in memory.
    let turn = editor.turn(terms).await?;
    let limit = usize::try_from(MAX_FILE_BYTES).unwrap_or(usize::MAX);
    let text = body::text(body, limit).await?;
    let sent = Sent {
        name: options.name,
        text,
        dry_run: options.dry_run,
        confirm,
    };
    turn.replace(sent).await.map(Json)
}

fn confirm_time(seconds: u64) -> Result<Duration, ApiError> {
    if CONFIRM_SECONDS.contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    let (first, last) = (CONFIRM_SECONDS.start(), CONFIRM_SECONDS.end());
    let message = format!("`confirm_seconds` is from {first} to {last}");
    Err(ApiError::new(StatusCode::BAD_REQUEST, message))
}

/// Keeps the policy that waits to be confirmed.
#[utoipa::path(
    post,
    path = "/v1/confirm",
    responses((status = 200, description = "What is in force now.", body = Applied), ApiError)
)]
async fn post_confirm(
    State(editor): State<Editor>,
    terms: Terms,
) -> Result<Json<Applied>, ApiError> {
    editor.turn(terms).await?.confirm().await.map(Json)
}

/// Puts a policy of the history into force again.
#[utoipa::path(
    post,
    path = "/v1/rollback",
    params(RollbackOptions),
    responses((status = 200, description = "What is in force now.", body = Applied), ApiError)
)]
async fn post_rollback(
    State(editor): State<Editor>,
    terms: Terms,
    options: Result<Query<RollbackOptions>, QueryRejection>,
) -> Result<Json<Applied>, ApiError> {
    let Query(options) =
        options.map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let turn = editor.turn(terms).await?;
    turn.roll_back(options.to).await.map(Json)
}

/// Reads the policy file again.
#[utoipa::path(
    post,
    path = "/v1/reload",
    responses((status = 200, description = "What is in force now.", body = Applied), ApiError)
)]
async fn post_reload(
    State(editor): State<Editor>,
    terms: Terms,
) -> Result<Json<Applied>, ApiError> {
    let Some(config) = editor.config() else {
        let message = "this daemon has no policy file";
        return Err(ApiError::new(StatusCode::CONFLICT, message));
    };
    let turn = editor.turn(terms).await?;
    Ok(turn.reload(config).await.map(Json)?)
}

/// The policies that were in force.
#[utoipa::path(
    get,
    path = "/v1/history",
    responses((status = 200, description = "What is found.", body = History), ApiError)
)]
async fn get_history(State(editor): State<Editor>) -> Json<History> {
    Json(editor.history().await)
}

/// The text of one of them.
#[utoipa::path(
    get,
    path = "/v1/history/{generation}",
    params(("generation" = u32, Path, description = "Its generation.")),
    responses((status = 200, description = "The policy as TOML.", body = String, content_type = "text/plain"), ApiError)
)]
async fn get_past_policy(
    State(editor): State<Editor>,
    generation: Result<Path<u32>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path(generation) =
        generation.map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let text = editor.past_policy(generation).await?;
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((plain, text).into_response())
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
    terms: Terms,
    name: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Json<Applied>, ApiError> {
    let name = named(name)?;
    let change: ClassChange = change("class", &body::text(body, MAX_BODY).await?)?;
    editor
        .turn(terms)
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
    terms: Terms,
    name: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Json<Applied>, ApiError> {
    let name = named(name)?;
    // Before the body is read, which may be as large as a policy: only one at a time is in memory.
    let turn = editor.turn(terms).await?;
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
async fn post_rule(
    State(editor): State<Editor>,
    terms: Terms,
    body: Body,
) -> Result<Json<Applied>, ApiError> {
    let change = change("rule", &body::text(body, MAX_BODY).await?)?;
    let turn = editor.turn(terms).await?;
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
    terms: Terms,
    name: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Json<Applied>, ApiError> {
    let name = named(name)?;
    let change = change("rule", &body::text(body, MAX_BODY).await?)?;
    let turn = editor.turn(terms).await?;
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
    terms: Terms,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Applied>, ApiError> {
    let name = named(name)?;
    let turn = editor.turn(terms).await?;
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
