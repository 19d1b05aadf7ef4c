//! Which engine it is. As long as it may be another one than the records are about, nothing that it
//! says of containers is taken in.

use std::collections::BTreeSet;

use tracing::info;

use super::report::tell;
use super::{Afresh, Worker, sightings};
use crate::db::Change;
use crate::domain::container::Container;
use crate::domain::engine::{EngineChange, Evidence, Met, meet};
use crate::domain::event::{Event, Severity};
use crate::domain::instance::ContainerId;
use crate::domain::time::Mono;
use crate::runtime::Runtime;

/// The engine that the records are about, in the DB.
pub(super) const ENGINE: &str = "engine";

/// Which engine the records are about, and whether it is the one that is there.
#[derive(Debug, Default)]
pub(super) struct Meeting {
    /// The engine that the records are about.
    pub known: Option<String>,
    /// When the first list was asked for that may be another engine's.
    doubted_at: Option<Mono>,
    /// What is to be written down of it.
    unwritten: Vec<Change>,
}

impl Meeting {
    /// With what was written down of it.
    pub fn of(known: Option<String>) -> Self {
        Self { known, ..Self::default() }
    }

    /// Whether it may be another engine.
    pub fn is_in_doubt(&self) -> bool {
        self.doubted_at.is_some()
    }
}

impl<R: Runtime> Worker<R> {
    /// Whether what is listed may be taken in.
    pub(super) fn may_take(&mut self, listed: &[Container], asked: Mono) -> bool {
        let there = self.evidence(listed, asked);
        let in_doubt = self.meeting.doubted_at;
        // What it said before will do where nothing speaks against it.
        let holds = there.is_plain() || self.itself.said_since(in_doubt.unwrap_or(asked));
        let told = self.engine_info.as_ref().filter(|_| holds).map(|info| info.id.clone());
        match meet(self.meeting.known.as_deref(), told.as_deref(), there) {
            Met::Same => {
                if told.is_some() && told != self.meeting.known {
                    self.know(told);
                }
            }
            Met::Renamed(change) => {
                let message = format!("the engine is {change}; containers of before are there");
                self.tell_of_engine(Severity::Normal, message);
                self.know(Some(change.now));
            }
            Met::Another(change) => {
                let message = format!(
                    "the engine is another one: {change}; nothing of this worker is on it, and all \
                     that the files ask for is made anew, without what was in volumes"
                );
                self.tell_of_engine(Severity::Warning, message);
                self.move_to(change.now);
            }
            Met::Strange(change) => {
                self.meeting.doubted_at.get_or_insert(asked);
                self.hold_for(change);
                return false;
            }
            Met::Unsaid => {
                self.meeting.doubted_at.get_or_insert(asked);
                self.ask_which(in_doubt.is_none());
                return false;
            }
        }
        self.meeting.doubted_at = None;
        self.engine.changed = None;
        true
    }

    fn evidence(&self, listed: &[Container], asked: Mono) -> Evidence {
        let ids: BTreeSet<&ContainerId> = listed.iter().map(|it| &it.id).collect();
        let instances = self.records.values().flat_map(|record| record.instances.values());
        let written: BTreeSet<&ContainerId> =
            instances.filter_map(|instance| instance.container.as_ref()).collect();
        let is_known = |id: &ContainerId| written.contains(id) || self.let_go.contains(id);
        let worker = &self.setting.maker.worker;
        let is_other =
            |it: &Container| !is_known(&it.id) && sightings::ours(it, worker, false).is_some();
        let is_missed = |id: &ContainerId| !ids.contains(id) && self.sightings.expects(id, asked);
        Evidence {
            known: ids.iter().any(|id| is_known(id)),
            others: listed.iter().any(is_other),
            missed: written.into_iter().any(is_missed),
        }
    }

    /// It has to say which it is before anything is done. At `first` nobody is told: mostly it is
    /// the same, and somebody has removed all that was there.
    fn ask_which(&mut self, first: bool) {
        if first {
            self.relist(Afresh::Everything);
            return;
        }
        let message = "none of the containers that are known is there, and it does not say which \
                       engine it is";
        self.hold_off(message.to_owned());
        self.ask_info();
    }

    /// Nothing is started or removed on a strange engine.
    fn hold_for(&mut self, change: EngineChange) {
        let message = format!(
            "it is another engine: {change}; containers of worker {} are on it that this one did \
             not make",
            self.setting.maker.worker
        );
        if self.engine.changed.as_ref() != Some(&change) {
            let told = format!(
                "{message}: nothing is started or removed until that is approved (evenkeel approve \
                 engine)"
            );
            self.tell_of_engine(Severity::Warning, told);
            self.engine.changed = Some(change);
        }
        self.hold_off(message);
    }

    /// From now on the records are about that engine; what they say is there is not on it.
    fn move_to(&mut self, engine: String) {
        self.engine.another_since = Some(self.clock.now().wall);
        self.networks.clear();
        self.volumes.clear();
        self.resources_known = false;
        self.know(Some(engine));
    }

    fn know(&mut self, engine: Option<String>) {
        self.meeting.known = engine;
        let written = self.engine_written();
        self.meeting.unwritten.push(written);
    }

    /// The engine that the records are about, as it is written down.
    pub(super) fn engine_written(&self) -> Change {
        Change::SetMeta { key: ENGINE.to_owned(), value: self.meeting.known.clone() }
    }

    fn tell_of_engine(&mut self, severity: Severity, message: String) {
        let event = Event {
            at: self.clock.now().wall,
            severity,
            task: None,
            uid: None,
            instance: None,
            seat: None,
            reason: "EngineChanged".to_owned(),
            message,
        };
        tell(&event);
        self.meeting.unwritten.push(Change::AddEvent(event));
    }

    /// Writes down what is known of the engine. What can't be is tried again with the next answer.
    pub(super) async fn write_down_engine(&mut self) {
        if self.meeting.unwritten.is_empty() {
            return;
        }
        let changes = std::mem::take(&mut self.meeting.unwritten);
        match self.write_down(changes.clone()).await {
            Ok(()) => self.news.written(),
            Err(error) => {
                self.meeting.unwritten = changes;
                self.on_db_error(&error).await;
            }
        }
    }

    /// A person says that the engine that is there is the one to be kept.
    pub(super) async fn approve_engine(&mut self, engine: String) -> Result<(), String> {
        if self.engine.changed.as_ref().is_none_or(|change| change.now != engine) {
            return Err(format!("the engine is not {engine}, or is known"));
        }
        let value = Some(engine.clone());
        let written = Change::SetMeta { key: ENGINE.to_owned(), value };
        self.db.write(vec![written]).await.map_err(|error| error.told())?;
        info!(engine, "another engine was approved");
        self.move_to(engine);
        (self.engine.changed, self.meeting.doubted_at) = (None, None);
        self.relist(Afresh::Everything);
        Ok(())
    }
}
