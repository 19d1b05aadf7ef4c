//! What `run` and `sync` show in a terminal while they work: beneath the log a line for each task
//! that is under way, and how many there are.
//!
//! It looks on: what is shown comes from the worker, as the stream of the API does.

mod board;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::args::Common;
use super::fold;
use super::screen::Screen;
use super::signals::Disturbances;
use crate::domain::name::TaskName;
use crate::domain::status::TaskStatus;
use crate::worker::Clock;
use crate::worker::command::Command;
use crate::worker::news::{Change, Listening};
use crate::worker::pulls::Pulling;
use board::Board;

/// How long the engine has to answer before anything is shown: until then nothing is known of it.
const FIRST: Duration = Duration::from_millis(300);

/// It is drawn no sooner after it was drawn.
const PACE: Duration = Duration::from_millis(100);

/// How often it is looked at how far pulls have come.
const PULLS: Duration = Duration::from_millis(250);

/// How often the time is shown that something takes.
const TIME: Duration = Duration::from_secs(1);

/// The block beneath the log.
#[derive(Debug)]
pub struct Live(Screen);

impl Live {
    /// `None` where there are lines alone.
    #[must_use]
    pub fn begin(common: &Common) -> Option<Self> {
        Screen::open(common).map(Self)
    }

    /// Shows how tasks are.
    pub fn show<'a>(&self, tasks: impl IntoIterator<Item = &'a TaskStatus>, pulls: &'a [Pulling]) {
        let now = Clock::begin().now().wall;
        let room = fold::room_to_talk().unwrap_or(usize::MAX);
        let board = Board::of(tasks, pulls, now);
        self.0.show(&board.lines(room, fold::rows_to_talk()));
    }
}

/// Whether something of the tasks is under way.
pub fn is_under_way<'a>(tasks: impl IntoIterator<Item = &'a TaskStatus>) -> bool {
    tasks.into_iter().any(|task| !task.is_settled())
}

/// Shows how the tasks of a worker in this process are, until it is to stop or has ended.
pub async fn watch(common: &Common, commands: mpsc::Sender<Command>, stop: &CancellationToken) {
    let Some(live) = Live::begin(common) else { return stop.cancelled().await };
    tokio::select! {
        () = stop.cancelled() => {}
        () = look_on(&live, &commands) => {}
    }
}

/// Ends with the worker.
async fn look_on(live: &Live, commands: &mpsc::Sender<Command>) {
    // Without them it is right again with the next change.
    let mut disturbances = Disturbances::listen().ok();
    sleep(FIRST).await;
    let Some(mut heard) = Heard::listen(commands).await else { return };
    loop {
        let is_under_way = is_under_way(heard.tasks());
        let pulls = if is_under_way { ask(commands, Command::Pulls).await } else { None };
        let pulls = pulls.unwrap_or_default();
        live.show(heard.tasks(), &pulls);
        let drawn = Instant::now();
        let again = if pulls.is_empty() { TIME } else { PULLS };
        let time = async {
            if is_under_way {
                sleep_until(drawn + again).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            is_heard = heard.next(commands) => if is_heard.is_none() { return },
            () = disturbed(disturbances.as_mut()) => live.0.disturbed(),
            () = live.0.left_out() => {}
            () = time => {}
        }
        tokio::select! {
            () = sleep_until(drawn + PACE) => {}
            () = live.0.left_out() => {}
        }
        if heard.rest(commands).await.is_none() {
            return;
        }
    }
}

async fn disturbed(disturbances: Option<&mut Disturbances>) {
    match disturbances {
        Some(disturbances) => disturbances.next().await,
        None => std::future::pending().await,
    }
}

/// `None`: the worker has ended.
async fn ask<T>(
    commands: &mpsc::Sender<Command>,
    question: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    commands.send(question(reply)).await.ok()?;
    answer.await.ok()
}

/// What was heard of the tasks.
struct Heard {
    tasks: BTreeMap<TaskName, Arc<TaskStatus>>,
    listening: Listening,
}

impl Heard {
    async fn listen(commands: &mpsc::Sender<Command>) -> Option<Self> {
        let mut listening = ask(commands, Command::Listen).await?;
        let tasks = std::mem::take(&mut listening.tasks);
        let tasks = tasks.into_iter().map(|task| (task.name.clone(), task)).collect();
        Some(Self { tasks, listening })
    }

    fn tasks(&self) -> impl Iterator<Item = &TaskStatus> {
        self.tasks.values().map(|task| &**task)
    }

    /// Waits for a change; `None`: the worker has ended.
    async fn next(&mut self, commands: &mpsc::Sender<Command>) -> Option<()> {
        match self.listening.changes.recv().await {
            Ok(change) => self.take(change),
            Err(RecvError::Lagged(_)) => *self = Self::listen(commands).await?,
            Err(RecvError::Closed) => return None,
        }
        Some(())
    }

    /// Takes all changes that have come.
    async fn rest(&mut self, commands: &mpsc::Sender<Command>) -> Option<()> {
        loop {
            match self.listening.changes.try_recv() {
                Ok(change) => self.take(change),
                Err(TryRecvError::Lagged(_)) => *self = Self::listen(commands).await?,
                Err(TryRecvError::Empty) => return Some(()),
                Err(TryRecvError::Closed) => return None,
            }
        }
    }

    fn take(&mut self, change: Change) {
        match change {
            Change::Is(status) => drop(self.tasks.insert(status.name.clone(), status)),
            Change::Gone(name) => drop(self.tasks.remove(&name)),
        }
    }
}
