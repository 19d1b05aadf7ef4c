//! What is asked of one task by command.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::openapi::Operation;
use super::route::{Output, Refused, Route};
use super::server::{Sources, conflict, not_found};
use crate::domain::name::TaskName;
use crate::domain::record::Restart;
use crate::worker::command::Command;
use crate::worker::command::task::{Asked, NotDone, Suspension};

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asker {
    /// What people are told who asked; left out: `somebody`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// How it is now.
struct Answer<T>(T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        Json(self.0).into_response()
    }
}

impl<T: Serialize + JsonSchema> Output for Answer<T> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = operation.answered::<T>();
        operation.answers(StatusCode::OK, "It is so now", "application/json", &schema);
        operation.refuses(StatusCode::CONFLICT, "That can't be done to this task; it says why");
    }
}

/// What can be asked so.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "/v1/tasks/{namespace}/{name}/suspend",
            ("suspend", "Stop a task, whatever its manifest says, until it is resumed by command"),
            suspend,
        ),
        Route::post(
            "/v1/tasks/{namespace}/{name}/resume",
            ("resume", "Take back that a task was suspended by command"),
            resume,
        ),
        Route::post(
            "/v1/tasks/{namespace}/{name}/restart",
            ("restart", "Have all instances of a service replaced, as its update strategy says"),
            restart,
        ),
    ]
}

async fn suspend(
    sources: Sources,
    request: (TaskName, Json<Asker>),
) -> Result<Answer<Suspension>, Refused> {
    ask(&sources, request, Command::Suspend).await
}

async fn resume(
    sources: Sources,
    request: (TaskName, Json<Asker>),
) -> Result<Answer<Suspension>, Refused> {
    ask(&sources, request, Command::Resume).await
}

async fn restart(
    sources: Sources,
    request: (TaskName, Json<Asker>),
) -> Result<Answer<Restart>, Refused> {
    ask(&sources, request, Command::Restart).await
}

async fn ask<T>(
    sources: &Sources,
    (task, Json(Asker { by })): (TaskName, Json<Asker>),
    command: impl FnOnce(Asked, oneshot::Sender<Result<T, NotDone>>) -> Command,
) -> Result<Answer<T>, Refused> {
    let asked = Asked { task: task.clone(), by };
    match sources.ask(|reply| command(asked, reply)).await? {
        Ok(done) => Ok(Answer(done)),
        Err(NotDone::Unknown) => Err(not_found(sources, &task).await?),
        Err(NotDone::Refused(why)) => Err(conflict(why)),
        Err(NotDone::NotWritten(why)) => Err(Refused(StatusCode::INTERNAL_SERVER_ERROR, why)),
    }
}
