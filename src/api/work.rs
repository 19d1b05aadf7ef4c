//! What takes work: manifests that are to be in the source, or gone from it.
//!
//! They become files, and the files are the truth: nothing is kept of what was sent but what is
//! written there.

use axum::Json;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::openapi::Operation;
use super::route::{Output, Refused};
use super::server::Sources;
use super::{Problem, alike};
use crate::domain::name::{Label, TaskName};
use crate::manifest::incoming::{Refusal, Sent, Why};
use crate::worker::command::Command;
use crate::worker::receive::{Order, Receipt, Request};

/// How many bytes may be sent at once.
pub(super) const MOST: usize = 8 << 20;

/// Manifests that are to be in the source: all of them, or none if one can't be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Apply {
    /// Files of manifests.
    pub sent: Vec<Sent>,
    /// The namespace of those that name none; one that names another is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Label>,
    /// Only tell what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// How something is to be deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteQuery {
    /// Only tell what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// What came of it.
pub(super) enum Answer {
    Done(Receipt),
    Not(Refusal),
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let refusal = match self {
            Self::Done(receipt) => return Json(receipt).into_response(),
            Self::Not(refusal) => refusal,
        };
        let Refusal { why, message, problems } = refusal;
        let problem = Problem { reason: why.word().to_owned(), message, problems };
        (status(why), Json(problem)).into_response()
    }
}

impl Output for Answer {
    fn describe(operation: &mut Operation<'_>) {
        let schema = operation.answered::<Receipt>();
        operation.answers(StatusCode::OK, "It was done", "application/json", &schema);
        operation.refuses(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Something is wrong with what was sent; each problem is told with its place",
        );
        operation.refuses(
            StatusCode::CONFLICT,
            "A file of the source is in the way, is broken or can't be changed; it says which and why",
        );
    }
}

fn status(why: Why) -> StatusCode {
    match why {
        Why::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Why::NotFound => StatusCode::NOT_FOUND,
        Why::SourceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Why::NotWritten => StatusCode::INTERNAL_SERVER_ERROR,
        Why::FileBroken
        | Why::FileChanged
        | Why::FileExists
        | Why::NameConflict
        | Why::NotEditable
        | Why::Linked
        | Why::ReadOnly
        | Why::GoingDown => StatusCode::CONFLICT,
    }
}

pub(super) async fn apply(sources: Sources, Json(wanted): Json<Apply>) -> Result<Answer, Refused> {
    let Apply { sent, namespace, dry_run } = wanted;
    let request = Request { order: Order::Apply { sent, namespace }, dry_run };
    ask(&sources, request).await
}

pub(super) async fn delete(
    sources: Sources,
    (name, Query(query)): (TaskName, Query<DeleteQuery>),
) -> Result<Answer, Refused> {
    let request = Request { order: Order::Delete(name.clone()), dry_run: query.dry_run };
    let answer = ask(&sources, request).await?;
    let Answer::Not(refusal) = answer else { return Ok(answer) };
    if refusal.why != Why::NotFound {
        return Ok(Answer::Not(refusal));
    }
    let tasks = sources.ask(Command::Tasks).await?;
    let near = alike(&name, tasks.iter().map(|task| &task.name));
    let help = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Ok(Answer::Not(Refusal { message: refusal.message + &help, ..refusal }))
}

async fn ask(sources: &Sources, request: Request) -> Result<Answer, Refused> {
    let done = sources.ask(|reply| Command::Receive(request, reply)).await?;
    Ok(done.map_or_else(Answer::Not, Answer::Done))
}
