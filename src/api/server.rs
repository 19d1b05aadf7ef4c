//! The side of the API that answers.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use axum::extract::{Path as Segment, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{ApprovePrune, ApproveSource, EventsQuery, Numbered, Problem, RecordBody};
use crate::db::{Db, DbError, EventQuery};
use crate::domain::instance::InstanceId;
use crate::watch::WatchHealth;
use crate::worker::command::{Command, Overview};

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

/// What answers are made from.
#[derive(Clone)]
pub struct Sources {
    /// The worker.
    pub commands: mpsc::Sender<Command>,
    /// Its DB.
    pub db: Db,
    /// How well its source is watched.
    pub health: watch::Receiver<WatchHealth>,
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
    sources: Sources,
    stop: CancellationToken,
) -> Result<(), ApiError> {
    let router = Router::new()
        .route(super::WORKER, get(worker))
        .route(super::TASKS, get(tasks))
        .route(super::RECORDS, get(records))
        .route(super::EVENTS, get(events))
        .route(&format!("{}{{instance}}", super::LOGS), get(kept_log))
        .route(super::APPROVE_PRUNE, post(approve_prune))
        .route(super::APPROVE_SOURCE, post(approve_source))
        .route(super::DOWN, post(down))
        .with_state(sources);
    let stopped = stop.clone();
    let serving =
        axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).into_future();
    tokio::select! {
        served = serving => served.map_err(ApiError::Serve),
        // A connection that somebody keeps open must not keep the process.
        () = stopped.cancelled() => Ok(()),
    }
}

impl Sources {
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

fn internal(error: &DbError) -> Refused {
    Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

fn conflict(message: String) -> Refused {
    Refused(StatusCode::CONFLICT, message)
}

async fn worker(State(sources): State<Sources>) -> Result<Json<Overview>, Refused> {
    let overview = sources.ask(Command::Overview).await?;
    let watch_degraded = sources.health.borrow().degraded.clone();
    Ok(Json(Overview { watch_degraded, ..overview }))
}

async fn tasks(State(sources): State<Sources>) -> Result<Json<impl Serialize>, Refused> {
    sources.ask(Command::Tasks).await.map(Json)
}

async fn records(State(sources): State<Sources>) -> Result<Json<Vec<RecordBody>>, Refused> {
    let records = sources.ask(Command::Records).await?;
    Ok(Json(records.into_iter().map(RecordBody::from).collect()))
}

async fn events(
    State(sources): State<Sources>,
    Query(query): Query<EventsQuery>,
) -> Result<Json<Vec<Numbered>>, Refused> {
    let limit = query.limit.unwrap_or(EVENTS);
    let query = EventQuery { task: query.task, after: None, limit };
    let events = sources.db.events(query).await;
    let events = events
        .map_err(|error| internal(&error))?
        .into_iter()
        .map(|(seq, event)| Numbered { seq, event });
    Ok(Json(events.collect()))
}

async fn kept_log(
    State(sources): State<Sources>,
    Segment(instance): Segment<Uuid>,
) -> Result<Vec<u8>, Refused> {
    let log = sources.db.kept_log(InstanceId(instance)).await.map_err(|error| internal(&error))?;
    log.ok_or_else(|| Refused(StatusCode::NOT_FOUND, "no log of it was kept".to_owned()))
}

async fn approve_prune(
    State(sources): State<Sources>,
    Json(wanted): Json<ApprovePrune>,
) -> Result<StatusCode, Refused> {
    let asked = |reply| Command::ApprovePrune(wanted.tasks, reply);
    sources.ask(asked).await?.map_err(conflict)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn approve_source(
    State(sources): State<Sources>,
    Json(wanted): Json<ApproveSource>,
) -> Result<StatusCode, Refused> {
    let asked = |reply| Command::ApproveSource(wanted.source, reply);
    sources.ask(asked).await?.map_err(conflict)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn down(State(sources): State<Sources>) -> Result<StatusCode, Refused> {
    sources.ask(Command::Down).await?;
    Ok(StatusCode::ACCEPTED)
}
