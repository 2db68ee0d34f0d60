//! What the API answers.

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, patch, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::body;
use super::documents::{Applied, ClassChange, CompilingStatus, DOCUMENT_VERSION, Progress};
use super::edit::{Editor, blocking};
use super::explanation::Explanation;
use super::problem::ApiError;
use super::question::{asked, unexplained};
use super::sets::sets;
use super::telemetry;
use super::{rule_change, set_change};
use crate::config::{MAX_FILE_BYTES, to_toml};
use crate::daemon::Running;

/// The largest body that is no policy, in bytes.
const MAX_BODY: usize = 64 << 10;

/// The query of `PUT /v1/policy`.
#[derive(Debug, Default, Deserialize)]
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
    Router::new()
        .route("/v1/status", document(Running::status))
        .route(
            "/v1/interfaces",
            document(|running| running.machine().interfaces()),
        )
        .route(
            "/v1/classes",
            document(|running| running.machine().classes()),
        )
        .route(
            "/v1/rules",
            document(|running| running.machine().rules()).post(post_rule),
        )
        .route("/v1/rules/{name}", patch(patch_rule).delete(delete_rule))
        .route(
            "/v1/sets",
            document(|running| sets(running.machine().policy())),
        )
        .route("/v1/cpus", document(|running| running.machine().cpus()))
        .route(
            "/v1/sources",
            document(|running| running.machine().sources()),
        )
        .route("/v1/progress", get(get_progress))
        .route("/v1/policy", get(get_policy).put(put_policy))
        .route("/v1/classes/{name}", patch(patch_class))
        .route("/v1/explain", post(explain))
        .route("/v1/sets/{name}", patch(patch_set))
        .merge(telemetry::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(editor)
}

/// Answers GET with what `read` finds on the machine's thread.
pub(super) fn document<T>(read: fn(&Running) -> T) -> MethodRouter<Editor>
where
    T: Serialize + Send + 'static,
{
    get(move |State(editor): State<Editor>| async move {
        let found = editor.handle().ask(move |running| read(running)).await;
        found.map(Json).map_err(ApiError::from)
    })
}

/// Does not ask the machine's thread, which is busy when there is something to tell.
async fn get_progress(State(editor): State<Editor>) -> Json<Progress> {
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

async fn get_policy(State(editor): State<Editor>) -> Result<Response, ApiError> {
    let policy = editor
        .handle()
        .ask(|running| running.machine().policy().clone())
        .await?;
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    let text = blocking(move || to_toml(&policy)).await;
    Ok((plain, text).into_response())
}

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

async fn explain(State(editor): State<Editor>, body: Body) -> Result<Json<Explanation>, ApiError> {
    let asked = asked(&body::text(body, MAX_BODY).await?)?;
    let answer = editor.handle().ask(move |running| running.explain(&asked));
    answer.await?.map(Json).map_err(unexplained)
}

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

async fn post_rule(State(editor): State<Editor>, body: Body) -> Result<Json<Applied>, ApiError> {
    let change = change("rule", &body::text(body, MAX_BODY).await?)?;
    let turn = editor.turn().await?;
    turn.edit(move |policy| rule_change::added(policy, &change))
        .await
        .map(Json)
}

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
