//! The side of the API that answers.

use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Extension, Query, Request};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::map_request;
use axum::serve::Listener;
use axum::{Json, Router};
use futures_util::stream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use super::bound::Bound;
use super::measure::{self, Measures};
use super::route::{Begun, Document, Done, Log, Refused, Route};
use super::visitor::Names;
use super::watching::{self, Places};
use super::work;
use super::{
    ApproveEngine, ApprovePrune, ApproveSource, Down, EventsPart, EventsQuery, Numbered,
    RecordBody, alike,
};
use super::{by_command, health};
use crate::db::{Db, DbError, EventQuery};
use crate::domain::instance::InstanceId;
use crate::domain::name::TaskName;
use crate::domain::record::Revision;
use crate::domain::status::{InstanceStatus, TaskStatus};
use crate::http::serve;
use crate::manifest::nearest;
use crate::watch::WatchHealth;
use crate::worker::command::{Command, Overview};
use crate::worker::planned::{LastPlan, TaskView};
use crate::worker::pulls::Pulling;

/// How many events are answered where nobody says how many.
const EVENTS: u32 = 100;

/// Why the API can't be served.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The socket can't be made.
    #[error("can't listen at {0}")]
    Listen(PathBuf, #[source] io::Error),
    /// An address can't be listened at.
    #[error("can't listen at {0}")]
    ListenAt(SocketAddr, #[source] io::Error),
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
    /// What is measured.
    pub measures: Measures,
}

/// Answers until `stop`.
pub async fn serve(listener: Bound, sources: Sources, stop: CancellationToken) {
    answer((listener, Names::Local), routes(), sources, stop).await;
}

/// Answers what these routes tell, until `stop`, to who asks by one of these names.
pub(super) async fn answer<L>(
    (listener, names): (L, Names),
    told: Vec<Route>,
    sources: Sources,
    stop: CancellationToken,
) where
    L: Listener,
{
    let mut router = Router::new();
    let known: Vec<&str> = told.iter().map(|route| route.path).collect();
    let help = [super::OPENAPI, super::METRICS].into_iter().find(|it| known.contains(it));
    let help = help.unwrap_or_default();
    for route in told {
        router = router.route(route.path, route.answer);
    }
    let router = router
        .fallback(move |uri: Uri| ready(no_such_path(&uri, &known, help)))
        .method_not_allowed_fallback(move |method, uri| ready(no_such_method(&method, &uri, help)))
        .layer(Extension(Places::new(stop.clone())))
        .layer(map_request(move |request: Request| ready(names.admit(request))))
        .with_state(sources);
    let connections = stream::unfold(listener, async |mut listener| {
        let (connection, _address) = listener.accept().await;
        Some((connection, listener))
    });
    serve::serve(connections, router, stop).await;
}

impl Sources {
    /// Asks the worker.
    pub(super) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Refused> {
        let (reply, answer) = oneshot::channel();
        let gone = || Refused(StatusCode::SERVICE_UNAVAILABLE, "the worker is stopping".to_owned());
        self.commands.send(question(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

pub(super) fn internal(error: &DbError) -> Refused {
    Refused(StatusCode::INTERNAL_SERVER_ERROR, error.told())
}

pub(super) fn conflict(message: String) -> Refused {
    Refused(StatusCode::CONFLICT, message)
}

/// All that can be asked.
pub(super) fn routes() -> Vec<Route> {
    const TASK: &str = "/v1/tasks/{namespace}/{name}";
    let mut routes = vec![
        Route::get(super::WORKER, ("worker", "How the worker itself is"), worker),
        Route::get(super::TASKS, ("tasks", "How its tasks are, by name"), tasks),
        Route::get(TASK, ("task", "How a task is"), task),
        Route::get(
            "/v1/tasks/{namespace}/{name}/instances",
            ("instances", "The instances of a task by slot and attempt, kept ended ones included"),
            instances,
        ),
        Route::get(
            "/v1/tasks/{namespace}/{name}/events",
            ("taskEvents", "What happened to a task, the oldest first; also of one that is gone"),
            task_events,
        ),
        Route::get(
            "/v1/tasks/{namespace}/{name}/revisions",
            ("revisions", "What the rollouts of a task were made from, the oldest first"),
            revisions,
        ),
        Route::get(
            "/v1/tasks/{namespace}/{name}/plan",
            ("plan", "What the last look at a task decided: steps with reasons, waits"),
            plan,
        ),
        Route::get(super::EVENTS, ("events", "What happened, the oldest first"), events),
        Route::get(
            "/v1/logs/{instance}",
            ("keptLog", "The last bytes of a log, if kept when its container went"),
            kept_log,
        ),
        Route::get(super::RECORDS, ("records", "All that is written down of the tasks"), records),
        Route::get(
            super::WATCH,
            ("watch", "How all tasks are, then each change and event as it happens"),
            watching::watch,
        ),
        Route::post(
            super::APPROVE_PRUNE,
            ("approvePrune", "Let exactly these tasks go, which are held"),
            approve_prune,
        ),
        Route::post(
            super::APPROVE_SOURCE,
            ("approveSource", "Take what was made from another source directory as ours"),
            approve_source,
        ),
        Route::post(
            super::APPROVE_ENGINE,
            ("approveEngine", "Keep the host of that engine, though it is another one than before"),
            approve_engine,
        ),
        Route::post(
            super::APPLY,
            (
                "apply",
                "Have manifests put into the source, each where its name stands; all or none",
            ),
            work::apply,
        )
        .taking(work::MOST),
        Route::delete(
            TASK,
            ("delete", "Have the manifest of a task removed from the source, and the task at once"),
            work::delete,
        ),
        Route::post(super::DOWN, ("down", "Remove everything but volumes, and end"), down),
        Route::get(super::PULLS, ("pulls", "Which images are being pulled, and how far"), pulls),
        Route::get(super::USAGE, ("usage", "What the instances that run use"), measure::usage),
        Route::get(super::METRICS, ("metrics", "All metrics, for Prometheus"), measure::metrics),
        Route::get(super::HEALTHZ, ("healthz", "Whether the daemon lives"), health::healthz),
        Route::get(super::READYZ, ("readyz", "Whether it can do its work"), health::readyz),
        Route::get(super::OPENAPI, ("openapi", "The description of all this"), description),
    ];
    routes.extend(by_command::routes());
    routes
}

fn no_such_path(uri: &Uri, known: &[&str], help: &str) -> Refused {
    let help = nearest(uri.path(), known.iter().copied(), 4).unwrap_or(help);
    Refused(StatusCode::NOT_FOUND, format!("there is nothing at {}; see {help}", uri.path()))
}

fn no_such_method(method: &Method, uri: &Uri, help: &str) -> Refused {
    let message = format!("{method} is not for {}; see {help}", uri.path());
    Refused(StatusCode::METHOD_NOT_ALLOWED, message)
}

async fn description(_sources: Sources, (): ()) -> Result<Document, Refused> {
    Ok(Document(super::openapi::document()))
}

async fn worker(sources: Sources, (): ()) -> Result<Json<Overview>, Refused> {
    let overview = sources.ask(Command::Overview).await?;
    let health = sources.health.borrow();
    Ok(Json(overview.with_watch(&health)))
}

async fn tasks(sources: Sources, (): ()) -> Result<Json<Vec<TaskStatus>>, Refused> {
    sources.ask(Command::Tasks).await.map(Json)
}

async fn pulls(sources: Sources, (): ()) -> Result<Json<Vec<Pulling>>, Refused> {
    sources.ask(Command::Pulls).await.map(Json)
}

async fn records(sources: Sources, (): ()) -> Result<Json<Vec<RecordBody>>, Refused> {
    let records = sources.ask(Command::Records).await?;
    Ok(Json(records.into_iter().map(RecordBody::from).collect()))
}

/// All that is known of one task.
async fn of(sources: &Sources, name: TaskName) -> Result<TaskView, Refused> {
    let asked = name.clone();
    if let Some(view) = sources.ask(|reply| Command::Task(asked, reply)).await? {
        return Ok(*view);
    }
    Err(not_found(sources, &name).await?)
}

/// That there is no such task, and which may be meant.
pub(super) async fn not_found(sources: &Sources, name: &TaskName) -> Result<Refused, Refused> {
    let tasks = sources.ask(Command::Tasks).await?;
    let near = alike(name, tasks.iter().map(|task| &task.name));
    let help = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Ok(Refused(StatusCode::NOT_FOUND, format!("there is no task {name}{help}")))
}

async fn task(sources: Sources, name: TaskName) -> Result<Json<TaskStatus>, Refused> {
    Ok(Json(Arc::unwrap_or_clone(of(&sources, name).await?.status)))
}

async fn instances(sources: Sources, name: TaskName) -> Result<Json<Vec<InstanceStatus>>, Refused> {
    Ok(Json(of(&sources, name).await?.status.instances.clone()))
}

async fn revisions(sources: Sources, name: TaskName) -> Result<Json<Vec<Revision>>, Refused> {
    Ok(Json(of(&sources, name).await?.record.revisions.into_values().collect()))
}

async fn plan(sources: Sources, name: TaskName) -> Result<Json<LastPlan>, Refused> {
    Ok(Json(of(&sources, name).await?.plan))
}

async fn task_events(
    sources: Sources,
    (name, Query(part)): (TaskName, Query<EventsPart>),
) -> Result<Json<Vec<Numbered>>, Refused> {
    let EventsPart { after, limit } = part;
    let found = find(&sources, EventsQuery { task: Some(name.clone()), after, limit }).await?;
    if found.is_empty() {
        // Nothing may have happened to it yet; of one that never was that is not the answer.
        of(&sources, name).await?;
    }
    Ok(Json(found))
}

async fn events(
    sources: Sources,
    Query(query): Query<EventsQuery>,
) -> Result<Json<Vec<Numbered>>, Refused> {
    find(&sources, query).await.map(Json)
}

async fn find(sources: &Sources, query: EventsQuery) -> Result<Vec<Numbered>, Refused> {
    let EventsQuery { task, after, limit } = query;
    let query = EventQuery { task, after, limit: limit.unwrap_or(EVENTS) };
    let events = sources.db.events(query).await.map_err(|error| internal(&error))?;
    Ok(events.into_iter().map(|(seq, event)| Numbered { seq, event }).collect())
}

async fn kept_log(sources: Sources, instance: InstanceId) -> Result<Log, Refused> {
    let log = sources.db.kept_log(instance).await.map_err(|error| internal(&error))?;
    let none = || Refused(StatusCode::NOT_FOUND, "no log of it was kept".to_owned());
    log.map(Log).ok_or_else(none)
}

async fn approve_prune(
    sources: Sources,
    Json(wanted): Json<ApprovePrune>,
) -> Result<Done, Refused> {
    let asked = |reply| Command::ApprovePrune(wanted.tasks, reply);
    sources.ask(asked).await?.map_err(conflict)?;
    Ok(Done)
}

async fn approve_source(
    sources: Sources,
    Json(wanted): Json<ApproveSource>,
) -> Result<Done, Refused> {
    let asked = |reply| Command::ApproveSource(wanted.source, reply);
    sources.ask(asked).await?.map_err(conflict)?;
    Ok(Done)
}

async fn approve_engine(
    sources: Sources,
    Json(wanted): Json<ApproveEngine>,
) -> Result<Done, Refused> {
    let asked = |reply| Command::ApproveEngine(wanted.engine, reply);
    sources.ask(asked).await?.map_err(conflict)?;
    Ok(Done)
}

async fn down(sources: Sources, Json(Down {}): Json<Down>) -> Result<Begun, Refused> {
    sources.ask(Command::Down).await?;
    Ok(Begun)
}
