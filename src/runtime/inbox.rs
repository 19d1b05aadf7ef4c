//! What is to be looked at afresh, however slowly it is looked at.
//!
//! Bounded: what comes twice is kept once, and too much is the same as all. The engines fill it,
//! and their streams of events are taken from it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::EngineEvent;
use crate::domain::instance::ContainerId;

/// More containers to look at than this is the same as all.
const PENDING_MAX: usize = 4096;

/// What is to be looked at and was not taken yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pending: Mutex<Pending>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    relist: bool,
    resource: bool,
    containers: BTreeSet<ContainerId>,
}

impl Inbox {
    /// Adds what is to be looked at.
    pub(super) fn put(&self, event: EngineEvent) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            EngineEvent::Relist => pending.relist = true,
            EngineEvent::Resource => pending.resource = true,
            EngineEvent::Container(id) => {
                pending.containers.insert(id);
                if pending.containers.len() > PENDING_MAX {
                    pending.relist = true;
                }
            }
        }
        if pending.relist {
            // A list sees all of it.
            pending.containers.clear();
        }
        drop(pending);
        self.news.notify_one();
    }

    /// Waits for something to look at.
    pub(super) async fn take(&self) -> EngineEvent {
        loop {
            if let Some(event) = self.try_take() {
                return event;
            }
            self.news.notified().await;
        }
    }

    /// Something to look at, if there is anything.
    pub(super) fn try_take(&self) -> Option<EngineEvent> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut pending.relist) {
            return Some(EngineEvent::Relist);
        }
        if let Some(id) = pending.containers.pop_first() {
            return Some(EngineEvent::Container(id));
        }
        std::mem::take(&mut pending.resource).then_some(EngineEvent::Resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: &str) -> ContainerId {
        ContainerId::parse(&digit.repeat(64)).unwrap()
    }

    #[test]
    fn a_listener_that_does_not_read_misses_nothing_but_the_number() {
        let inbox = Inbox::default();
        inbox.put(EngineEvent::Container(id("b")));
        inbox.put(EngineEvent::Container(id("a")));
        inbox.put(EngineEvent::Container(id("b")));
        inbox.put(EngineEvent::Resource);
        assert_eq!(inbox.try_take(), Some(EngineEvent::Container(id("a"))));
        assert_eq!(inbox.try_take(), Some(EngineEvent::Container(id("b"))));
        assert_eq!(inbox.try_take(), Some(EngineEvent::Resource));
        assert_eq!(inbox.try_take(), None);
        for number in 0..=PENDING_MAX {
            let id = ContainerId::parse(&format!("{number:064x}")).unwrap();
            inbox.put(EngineEvent::Container(id));
        }
        assert_eq!(inbox.try_take(), Some(EngineEvent::Relist));
        assert_eq!(inbox.try_take(), None);
    }
}
