//! What is known of the tasks: what the daemon says, or where none runs, what it wrote down last
//! and what the engine says of those containers now. Writes nothing and decides nothing.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};

use super::args::Common;
use super::daemon;
use crate::api::Numbered;
use crate::api::client::{Client, ClientError};
use crate::db::{Db, EventQuery};
use crate::domain::container::Container;
use crate::domain::desired::{Presence, Validity};
use crate::domain::event::Event;
use crate::domain::instance::{InstanceId, Seat};
use crate::domain::name::{TaskName, WorkerName};
use crate::domain::plan::Plan;
use crate::domain::record::{Record, Revision};
use crate::domain::settle::settle;
use crate::domain::status::{ConditionType, StatusInputs, TaskStatus, Truth, status};
use crate::domain::time::Now;
use crate::domain::world::{Engine, Seen};
use crate::runtime::Runtime;
use crate::runtime::docker::Docker;
use crate::worker::Clock;

/// How many containers are asked for at once.
const ASKED_AT_ONCE: usize = 8;

/// What is known of the tasks.
pub struct View {
    /// How they are, by name.
    pub tasks: Vec<TaskStatus>,
    /// Who says so.
    pub teller: Teller,
}

/// Who says how the tasks are.
pub enum Teller {
    /// The daemon.
    Daemon(Client),
    /// What it wrote down, and the engine.
    State(Db, Vec<Record>),
}

impl View {
    /// Asks the daemon, or reads what it wrote down.
    ///
    /// # Errors
    /// [`ClientError::NoDaemon`] if there is neither.
    pub async fn open(common: &Common) -> anyhow::Result<Self> {
        let dir = daemon::state_dir(common)?;
        let client = Client::of(&dir);
        let no_daemon = match client.tasks().await {
            Ok(tasks) => return Ok(Self { tasks, teller: Teller::Daemon(client) }),
            Err(error @ ClientError::NoDaemon(_)) => error,
            Err(error) => return Err(error.into()),
        };
        let opened = Db::open_read_only(&dir).await?;
        if opened.fresh {
            return Err(no_daemon.into());
        }
        let docker = daemon::docker(common)?;
        let records = opened.stored.records;
        let tasks = of_records(&docker, &common.worker, records.clone()).await;
        Ok(Self { tasks, teller: Teller::State(opened.db, records) })
    }

    /// Whether a daemon says so.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.teller, Teller::Daemon(_))
    }

    /// What to tell people about it, if no daemon says so.
    #[must_use]
    pub fn note(&self) -> Option<&'static str> {
        (!self.is_live()).then_some(
            "no daemon is running: this is what was written down last, and the containers as they are now",
        )
    }

    /// The last events of a task.
    ///
    /// # Errors
    /// If they can't be asked for.
    pub async fn events(&self, task: &TaskName, limit: u32) -> anyhow::Result<Vec<Event>> {
        Ok(match &self.teller {
            Teller::Daemon(client) => {
                let events = client.events(Some(task), limit).await?;
                events.into_iter().map(|numbered| numbered.event).collect()
            }
            Teller::State(db, _) => {
                let query = EventQuery { task: Some(task.clone()), after: None, limit };
                db.events(query).await?.into_iter().map(|(_, event)| event).collect()
            }
        })
    }

    /// What the rollouts of a task were made from, the oldest first.
    ///
    /// # Errors
    /// If it can't be asked for.
    pub async fn revisions(&self, task: &TaskName) -> anyhow::Result<Vec<Revision>> {
        Ok(match &self.teller {
            Teller::Daemon(client) => client.revisions(task).await?,
            Teller::State(_, records) => {
                let record = records.iter().find(|record| record.head.name == *task);
                record.map_or_else(Vec::new, |it| it.revisions.values().cloned().collect())
            }
        })
    }

    /// All events that are kept, of one task or of all, with their numbers.
    ///
    /// # Errors
    /// If they can't be asked for.
    pub async fn numbered(&self, task: Option<&TaskName>) -> anyhow::Result<Vec<Numbered>> {
        Ok(match &self.teller {
            Teller::Daemon(client) => client.events(task, u32::MAX).await?,
            Teller::State(db, _) => {
                let query = EventQuery { task: task.cloned(), after: None, limit: u32::MAX };
                let events = db.events(query).await?.into_iter();
                events.map(|(seq, event)| Numbered { seq, event }).collect()
            }
        })
    }

    /// What was kept of the log of an instance whose container is gone.
    ///
    /// # Errors
    /// If it can't be asked for.
    pub async fn kept_log(&self, instance: InstanceId) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(match &self.teller {
            Teller::Daemon(client) => client.kept_log(instance).await?,
            Teller::State(db, _) => db.kept_log(instance).await?,
        })
    }
}

/// How tasks are that nobody looks after now.
async fn of_records(docker: &Docker, worker: &WorkerName, records: Vec<Record>) -> Vec<TaskStatus> {
    let engine = match docker.started_at().await {
        Ok(started_at) => Engine { started_at, ..Engine::default() },
        Err(error) => Engine { unavailable: Some(error.to_string()), ..Engine::default() },
    };
    let now = Clock::begin().now();
    let mut statuses = Vec::with_capacity(records.len());
    for mut record in records {
        let seen = match &engine.unavailable {
            None => look_at(docker, &record).await,
            Some(_) => BTreeMap::new(),
        };
        // Of what it finds nothing is written down: that is the next daemon's to do.
        let _notes = settle(&mut record, &seen, &engine, now);
        statuses.push(of_record(worker, &record, &seen, (&engine, now)));
    }
    statuses
}

/// What the engine says of the containers of a task.
async fn look_at(docker: &Docker, record: &Record) -> BTreeMap<Seat, Seen> {
    let containers = record
        .instances
        .iter()
        .filter_map(|(seat, instance)| Some((*seat, instance.container.clone()?)));
    stream::iter(containers)
        .map(async |(seat, id)| {
            let seen = match docker.inspect(&id).await {
                Ok(Some(container)) => Seen::Present(container.into()),
                Ok(None) => Seen::Absent,
                Err(_) => Seen::Unknown,
            };
            (seat, seen)
        })
        .buffer_unordered(ASKED_AT_ONCE)
        .collect()
        .await
}

fn of_record(
    worker: &WorkerName,
    record: &Record,
    seen: &BTreeMap<Seat, Seen>,
    (engine, now): (&Engine, Now),
) -> TaskStatus {
    let containers: BTreeMap<Seat, &Container> = seen
        .iter()
        .filter_map(|(seat, seen)| match seen {
            Seen::Present(container) => Some((*seat, &**container)),
            Seen::Unknown | Seen::Absent => None,
        })
        .collect();
    let inputs = StatusInputs {
        now,
        worker,
        record,
        plan: &Plan::default(),
        presence: Presence::There,
        going_down: false,
        validity: &Validity::Valid,
        held: None,
        source_unavailable: None,
        containers,
        engine,
    };
    let mut status = status(&inputs, None);
    // An empty plan reads as if nothing were to be done; the truth is that nobody has planned.
    for condition in &mut status.conditions {
        if matches!(condition.type_, ConditionType::Converged | ConditionType::Valid) {
            condition.status = Truth::Unknown;
            "NoDaemon".clone_into(&mut condition.reason);
            "no daemon is running to tell".clone_into(&mut condition.message);
        }
    }
    status
}
