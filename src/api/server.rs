//! The side of the API that answers.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{ApprovePrune, ApproveSource, EventsQuery, Numbered, Problem, RecordBody};
use crate::db::{Db, EventQuery};
use crate::worker::command::Command;

/// How many events are answered where nobody says how many.
const EVENTS: u32 = 100;

/// Why the API can't be served.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The socket can't be made.
    #[error("can't listen at {0}")]
    Listen(PathBuf, #[source] io::Error),
    /// It ended unasked.
    #[error("the API ended")]
    Serve(#[source] io::Error),
}

/// What every answer needs.
#[derive(Clone)]
struct Shared {
    commands: mpsc::Sender<Command>,
    db: Db,
}

/// Listens at `socket`. Only who has locked the state directory may call this: a socket that is
/// left of another process is replaced.
///
/// # Errors
/// If that can't be: a path of more than about 100 bytes can't.
pub fn listen(socket: &Path) -> Result<UnixListener, ApiError> {
    let failed = |error| ApiError::Listen(socket.to_owned(), error);
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket).map_err(failed)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Answers until `stop`.
///
/// # Errors
/// If it ends before.
pub async fn serve(
    listener: UnixListener,
    commands: mpsc::Sender<Command>,
    db: Db,
    stop: CancellationToken,
) -> Result<(), ApiError> {
    let router = Router::new()
        .route(super::WORKER, get(worker))
        .route(super::TASKS, get(tasks))
        .route(super::RECORDS, get(records))
        .route(super::EVENTS, get(events))
        .route(super::APPROVE_PRUNE, post(approve_prune))
        .route(super::APPROVE_SOURCE, post(approve_source))
        .route(super::DOWN, post(down))
        .with_state(Shared { commands, db });
    let stopped = stop.clone();
    let serving =
        axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).into_future();
    tokio::select! {
        served = serving => served.map_err(ApiError::Serve),
        // A connection that somebody keeps open must not keep the process.
        () = stopped.cancelled() => Ok(()),
    }
}

impl Shared {
    /// Asks the worker.
    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Refused> {
        let (reply, answer) = oneshot::channel();
        let gone = || Refused(StatusCode::SERVICE_UNAVAILABLE, "the worker is stopping".to_owned());
        self.commands.send(question(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

/// An answer that is none.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(Problem { message: self.1 })).into_response()
    }
}

fn conflict(message: String) -> Refused {
    Refused(StatusCode::CONFLICT, message)
}

async fn worker(State(shared): State<Shared>) -> Result<Json<impl Serialize>, Refused> {
    shared.ask(Command::Overview).await.map(Json)
}

async fn tasks(State(shared): State<Shared>) -> Result<Json<impl Serialize>, Refused> {
    shared.ask(Command::Tasks).await.map(Json)
}

async fn records(State(shared): State<Shared>) -> Result<Json<Vec<RecordBody>>, Refused> {
    let records = shared.ask(Command::Records).await?;
    Ok(Json(records.into_iter().map(RecordBody::from).collect()))
}

async fn events(
    State(shared): State<Shared>,
    Query(query): Query<EventsQuery>,
) -> Result<Json<Vec<Numbered>>, Refused> {
    let limit = query.limit.unwrap_or(EVENTS);
    let query = EventQuery { task: query.task, after: None, limit };
    let events = shared.db.events(query).await;
    let events = events
        .map_err(|error| Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
        .into_iter()
        .map(|(seq, event)| Numbered { seq, event });
    Ok(Json(events.collect()))
}

async fn approve_prune(
    State(shared): State<Shared>,
    Json(wanted): Json<ApprovePrune>,
) -> Result<StatusCode, Refused> {
    let asked = |reply| Command::ApprovePrune(wanted.tasks, reply);
    shared.ask(asked).await?.map_err(conflict)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn approve_source(
    State(shared): State<Shared>,
    Json(wanted): Json<ApproveSource>,
) -> Result<StatusCode, Refused> {
    let asked = |reply| Command::ApproveSource(wanted.source, reply);
    shared.ask(asked).await?.map_err(conflict)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn down(State(shared): State<Shared>) -> Result<StatusCode, Refused> {
    shared.ask(Command::Down).await?;
    Ok(StatusCode::ACCEPTED)
}
