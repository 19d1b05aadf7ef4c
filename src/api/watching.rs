//! The stream of what happens: how all tasks are, then each change of them, and the events as they
//! are written down.
//!
//! Who listens sets the pace: nothing is kept for one who is slow, who is told instead that
//! something was missed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, Request};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, BoxStream, StreamExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Numbered;
use super::openapi::Operation;
use super::route::{Input, Output, Refused};
use super::server::{Sources, internal};
use crate::db::{DbError, Mark, News, UNREADABLE};
use crate::domain::name::TaskName;
use crate::domain::status::TaskStatus;
use crate::domain::time::Timestamp;
use crate::worker::command::Command;
use crate::worker::news::{Change, Listening};

/// How many may listen at once.
const LISTENERS: usize = 32;

/// How many events are read at a time.
const PAGE: u32 = 100;

/// When events that could not be read are asked for again, if nothing is written before.
const AGAIN: Duration = Duration::from_secs(5);

/// How often something is sent where nothing happens, so that who listens knows it is not cut off.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What the stream tells. The name of a part is the name of its event in the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "event", content = "data")]
pub enum Told {
    /// A task is so now.
    Task(Box<TaskStatus>),
    /// Nothing is left of a task.
    Removed(Name),
    /// Something happened.
    Happened(Numbered),
    /// All tasks have been told of: there is none but these.
    Synced {},
    /// Something was missed. What happened is to be listed anew; where tasks were missed, forget
    /// what was told of them: all of them follow, and `synced`.
    Reset(Missed),
    /// What happened can't be read now. Nothing of it is missed: it is told once it can be. How
    /// tasks are is told all the same.
    Untold(Untold),
}

/// The name of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Name {
    /// What it is called.
    pub name: TaskName,
}

/// What was missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Missed {
    /// Why, in a sentence.
    pub message: String,
    /// Changes of tasks were missed: all tasks are told of anew, then `synced`. Otherwise it is
    /// events alone.
    pub tasks: bool,
}

/// What keeps it from being told what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Untold {
    /// Why, in a sentence.
    pub message: String,
}

/// What is listened to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchQuery {
    /// Only of this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
}

impl Told {
    fn wire(&self, mark: Option<Mark>) -> Event {
        let event = match self {
            Self::Task(status) => return of_task(status),
            Self::Removed(name) => Event::default().event("removed").json_data(name),
            Self::Happened(numbered) => Event::default().event("happened").json_data(numbered),
            Self::Synced {} => Event::default().event("synced").json_data(json!({})),
            Self::Reset(missed) => Event::default().event("reset").json_data(missed),
            Self::Untold(untold) => Event::default().event("untold").json_data(untold),
        };
        let event = event.expect("what is told is plain data whose keys are text");
        match mark {
            Some(mark) => event.id(id(mark)),
            None => event,
        }
    }
}

fn of_task(status: &TaskStatus) -> Event {
    Event::default().event("task").json_data(status).expect("a status is plain data")
}

/// A place among the events as who listens gets it.
fn id(mark: Mark) -> String {
    mark.at.map_or_else(|| mark.seq.to_string(), |at| format!("{}-{}", mark.seq, at.millis()))
}

/// Reads what [`id`] wrote, or the number of an event alone.
fn mark(id: &str) -> Option<Mark> {
    let (seq, at) = match id.split_once('-') {
        Some((seq, at)) => (seq, Some(Timestamp::from_millis(at.parse().ok()?))),
        None => (id, None),
    };
    let seq = seq.parse().ok().filter(|seq| *seq >= 0)?;
    Some(Mark { seq, at })
}

/// What those who listen share.
#[derive(Clone)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Places {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self { free: Arc::new(Semaphore::new(LISTENERS)), stop }
    }
}

/// A place among those who listen, and where to go on.
pub(super) struct Seat {
    _place: OwnedSemaphorePermit,
    stop: CancellationToken,
    after: Option<Mark>,
}

impl Input for Seat {
    async fn take(request: &mut Request) -> Result<Self, Refused> {
        let after = request.headers().get("last-event-id").map(|value| {
            value.to_str().ok().and_then(mark).ok_or_else(|| {
                let message = "Last-Event-ID is none that was told here".to_owned();
                Refused(StatusCode::BAD_REQUEST, message)
            })
        });
        let places = request.extensions().get::<Places>().expect("the server lays it in");
        let place = Arc::clone(&places.free).try_acquire_owned().map_err(|_| {
            let message = format!("{LISTENERS} listen already");
            Refused(StatusCode::SERVICE_UNAVAILABLE, message)
        })?;
        Ok(Self { _place: place, stop: places.stop.clone(), after: after.transpose()? })
    }

    fn describe(operation: &mut Operation<'_>) {
        let says = "The last id that was told: what happened since is told first";
        operation.header_parameter("Last-Event-ID", says);
        operation.refuses(StatusCode::BAD_REQUEST, "That id was not told here");
    }
}

/// A stream of [`Told`].
pub(super) struct Stream(BoxStream<'static, Result<Event, Infallible>>);

impl IntoResponse for Stream {
    fn into_response(self) -> Response {
        Sse::new(self.0).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
    }
}

impl Output for Stream {
    fn describe(operation: &mut Operation<'_>) {
        let says = "Server-sent events without end: `happened` since Last-Event-ID, a `task` for \
                    each task as it is now, `synced`, then `task`, `removed` and `happened` as \
                    they come; `reset` where something was missed, `untold` where what happened \
                    can't be read now. The schema Told says what each holds.";
        let schema = json!({"type": "string"});
        operation.answers(StatusCode::OK, says, "text/event-stream", &schema);
    }
}

/// Tells of what happens until who listens leaves, or the worker stops.
pub(super) async fn watch(
    sources: Sources,
    (seat, Query(query)): (Seat, Query<WatchQuery>),
) -> Result<Stream, Refused> {
    // The place comes first: what happens from here on is told, twice rather than not.
    let newest = sources.db.newest().await.map_err(|error| internal(&error))?;
    let mut listening = sources.ask(Command::Listen).await?;
    let teller = Teller {
        after: seat.after.unwrap_or(newest),
        has_more: seat.after.is_some(),
        again_at: None,
        unlisted: Some(std::mem::take(&mut listening.tasks).into_iter()),
        task: query.task,
        ready: VecDeque::new(),
        listening,
        sources,
        seat,
    };
    let told = stream::unfold(teller, |mut teller| async {
        let event = teller.next().await?;
        Some((Ok(event), teller))
    });
    Ok(Stream(told.boxed()))
}

/// Tells one listener.
struct Teller {
    seat: Seat,
    sources: Sources,
    task: Option<TaskName>,
    listening: Listening,
    /// Until where events were told.
    after: Mark,
    /// There may be events after that.
    has_more: bool,
    /// They could not be read, and when to try again.
    again_at: Option<Instant>,
    /// Tasks that are still to be told of, before `synced` is.
    unlisted: Option<std::vec::IntoIter<Arc<TaskStatus>>>,
    ready: VecDeque<Event>,
}

impl Teller {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.has_more {
                self.read().await;
            } else if let Some(tasks) = &mut self.unlisted {
                let is_meant = |it: &Arc<TaskStatus>| is_meant(self.task.as_ref(), &it.name);
                if let Some(status) = tasks.find(is_meant) {
                    return Some(of_task(&status));
                }
                self.unlisted = None;
                return Some(Told::Synced {}.wire(Some(self.after)));
            } else {
                self.wait().await?;
            }
        }
    }

    /// Reads the next events.
    async fn read(&mut self) {
        let news = match self.sources.db.news(self.after, self.task.clone(), PAGE).await {
            Ok(news) => news,
            Err(error) => return self.put_off(&error),
        };
        self.again_at = None;
        match news {
            News::Happened(events, after) => {
                self.has_more = events.len() >= PAGE as usize;
                self.after = after;
                for (seq, event) in events {
                    if event.reason == UNREADABLE {
                        warn!("{}", event.message);
                    }
                    let mark = Mark { seq, at: Some(event.at) };
                    let told = Told::Happened(Numbered { seq, event });
                    self.ready.push_back(told.wire(Some(mark)));
                }
            }
            News::Missed(newest) => {
                self.has_more = false;
                self.after = newest;
                self.ready.push_back(missed(
                    "some of what happened is no longer kept",
                    false,
                    newest,
                ));
            }
        }
    }

    /// Events can't be read: tells so once, and tries again later.
    fn put_off(&mut self, error: &DbError) {
        self.has_more = false;
        if self.again_at.replace(Instant::now() + AGAIN).is_none() {
            let message = format!("what happened can't be told now: {}", error.told());
            warn!("{message}");
            self.ready.push_back(Told::Untold(Untold { message }).wire(None));
        }
    }

    /// Waits for something to happen.
    async fn wait(&mut self) -> Option<()> {
        let again_at = self.again_at;
        let again = async {
            match again_at {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        let change = tokio::select! {
            () = self.seat.stop.cancelled() => return None,
            change = self.listening.changes.recv() => change,
            () = again => {
                self.has_more = true;
                return Some(());
            }
            written = self.listening.written.changed() => {
                self.has_more = true;
                return written.ok();
            }
        };
        match change {
            Ok(Change::Is(status)) if is_meant(self.task.as_ref(), &status.name) => {
                self.ready.push_back(of_task(&status));
            }
            Ok(Change::Gone(name)) if is_meant(self.task.as_ref(), &name) => {
                self.ready.push_back(Told::Removed(Name { name }).wire(None));
            }
            Ok(Change::Is(_) | Change::Gone(_)) => {}
            Err(RecvError::Lagged(_)) => {
                self.listening = self.sources.ask(Command::Listen).await.ok()?;
                self.unlisted = Some(std::mem::take(&mut self.listening.tasks).into_iter());
                self.has_more = true;
                self.ready.push_back(missed(
                    "changes came faster than they were read",
                    true,
                    self.after,
                ));
            }
            Err(RecvError::Closed) => return None,
        }
        Some(())
    }
}

fn is_meant(asked: Option<&TaskName>, name: &TaskName) -> bool {
    asked.is_none_or(|asked| asked == name)
}

fn missed(message: &str, tasks: bool, newest: Mark) -> Event {
    Told::Reset(Missed { message: message.to_owned(), tasks }).wire(Some(newest))
}
