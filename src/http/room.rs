//! The connections that are open at once. Where there is no room for another one, whoever has kept
//! us waiting for longest has to leave: so no crowd that says nothing keeps others out.

use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, error};

use super::waits::Waits;

/// How many connections there are at once.
pub const CONNECTIONS: usize = 128;

/// How long one may keep us waiting while others want to come in.
const TURN: Duration = Duration::from_millis(100);

/// Who is there.
#[derive(Default)]
pub(super) struct Room {
    open: JoinSet<()>,
    waits: Vec<(AbortHandle, Waits)>,
}

impl Room {
    /// Lets one in, once there is a place: see [`Room::place`].
    pub(super) fn enter(
        &mut self,
        waits: Waits,
        conversation: impl Future<Output = ()> + Send + 'static,
    ) {
        self.waits.push((self.open.spawn(conversation), waits));
    }

    /// Waits until one has ended; for ever, if there is none.
    pub(super) async fn ended(&mut self) {
        match self.open.join_next().await {
            None => std::future::pending().await,
            Some(Err(error)) if !error.is_cancelled() => {
                error!(%error, "an answer ended unasked: a bug of evenkeel");
            }
            Some(_) => {}
        }
        self.waits.retain(|(handle, _)| !handle.is_finished());
    }

    /// Waits until there is a place for another one, and makes it if need be.
    pub(super) async fn place(&mut self) {
        while self.open.len() >= CONNECTIONS {
            let waiting =
                |(handle, waits): &(AbortHandle, Waits)| Some((waits.since()?, handle.clone()));
            let longest = self.waits.iter().filter_map(waiting).min_by_key(|(since, _)| *since);
            let now = Instant::now();
            let turn = longest.as_ref().map_or(now, |(since, _)| *since) + TURN;
            match longest {
                Some((_, handle)) if turn <= now => {
                    debug!("a connection to the API is ended to make room");
                    handle.abort();
                    self.ended().await;
                }
                _ => drop(timeout_at(turn, self.ended()).await),
            }
        }
    }

    /// Waits until all have ended.
    pub(super) async fn all_ended(&mut self) {
        while !self.open.is_empty() {
            self.ended().await;
        }
    }

    /// Ends all.
    pub(super) async fn close(&mut self) {
        self.open.shutdown().await;
    }
}
