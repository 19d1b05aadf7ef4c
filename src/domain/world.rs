//! All that one look at a task sees.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::container::Container;
use super::desired::Presence;
use super::engine::{EngineChange, SharedHost};
use super::exclusive::{FixedPort, Written};
use super::instance::Seat;
use super::judge::Judge;
use super::loose::Loose;
use super::name::{Label, TaskName, WorkerName};
use super::record::Record;
use super::registry::Registries;
use super::source::Place;
use super::time::{Mono, Now, Timestamp};

/// All that one look at a task sees.
#[derive(Debug, Clone)]
pub struct World<'a> {
    /// The time of the look.
    pub now: Now,
    /// Spreads waits; the same for the same look.
    pub jitter: u64,
    /// Who looks.
    pub worker: &'a WorkerName,
    /// What the DB says, brought up to what was observed.
    pub record: &'a Record,
    /// Whether there is a manifest.
    pub presence: Presence,
    /// The manifest is just gone, and whether that is meant shows in a moment: nothing is begun.
    pub in_doubt: bool,
    /// The source was read once, whole, since the worker started.
    pub source_read: bool,
    /// Everything of this worker is to go (`down`), whatever the files ask.
    pub going_down: bool,
    /// What may be made of a task.
    pub judge: Judge<'a>,
    /// What the engine says.
    pub engine: &'a Engine,
    /// What the engine said of each instance's container.
    pub seen: BTreeMap<Seat, Seen>,
    /// Steps that have begun and not ended.
    pub in_flight: BTreeMap<Seat, &'static str>,
    /// The pull for this task's present revision has begun and not ended.
    pub pulling: bool,
    /// The namespace's network is known to be there.
    pub network: bool,
    /// Volumes of the namespace that are known to be there.
    pub volumes: BTreeSet<Label>,
    /// What registries said of too much.
    pub registries: &'a Registries,
    /// Who else wants the host ports of this task.
    pub port_rivals: Vec<PortRival>,
    /// Host ports of this task that a process which is not ours listens at.
    pub busy_ports: BTreeSet<FixedPort>,
    /// Live instances, of any task, that write something this task mounts.
    pub writers: Vec<Writer>,
    /// When the next restart after a failure may begin.
    pub restart_at: Mono,
    /// There is a container of this task that the record does not know and that was not looked at
    /// yet: which instances there are is not known.
    pub unknown_container: bool,
    /// Containers that no record has and that may have something this task wants.
    pub loose: Vec<Loose>,
}

/// What is known of the engine as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Engine {
    /// Why it can't be asked, if it can't.
    pub unavailable: Option<String>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// Since when it can be asked without a break: deadlines don't run while it can't.
    pub reached_at: Mono,
    /// It is another one than the records are about, and it is not known whose containers are on it.
    pub changed: Option<EngineChange>,
    /// Since when it is another one than before, as far as this process knows: what was made before
    /// that is not on it.
    pub another_since: Option<Timestamp>,
    /// The other source directory that containers of this worker's name were made from, if that
    /// was not approved.
    pub source_changed: Option<String>,
    /// Whether it shares this host.
    pub host: SharedHost,
}

/// The engine's last answer about a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// None that can be relied on.
    Unknown,
    /// There is no such container.
    Absent,
    /// It is there.
    Present(Arc<Container>),
}

/// Another task that wants a host port of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRival {
    /// What both take of the host.
    pub port: FixedPort,
    /// Who.
    pub task: TaskName,
    /// Its manifest.
    pub place: Place,
    /// A container of it was started that is published there.
    pub holds: bool,
    /// It wants the port.
    pub wants: bool,
}

impl PortRival {
    /// Where a task that wants `own` meets another one, which has `held` and wants `wanted`.
    #[must_use]
    pub fn between(
        own: &[FixedPort],
        (task, place): (&TaskName, &Place),
        held: &[FixedPort],
        wanted: &[FixedPort],
    ) -> Vec<Self> {
        let theirs = || held.iter().chain(wanted);
        let overlaps = own.iter().flat_map(|own| theirs().filter_map(|port| own.overlap(*port)));
        let overlaps: BTreeSet<FixedPort> = overlaps.collect();
        let has = |ports: &[FixedPort], port| ports.iter().any(|it| it.meets(port));
        let rival = |port| Self {
            port,
            task: task.clone(),
            place: place.clone(),
            holds: has(held, port),
            wants: has(wanted, port),
        };
        overlaps.into_iter().map(rival).collect()
    }
}

/// A live instance that writes a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// What it writes, and whether it lets others write that too.
    pub written: (Written, bool),
    /// Whose instance.
    pub task: TaskName,
    /// Which.
    pub seat: Seat,
}

impl World<'_> {
    /// What the engine said of an instance's container.
    #[must_use]
    pub fn seen(&self, seat: Seat) -> &Seen {
        self.seen.get(&seat).unwrap_or(&Seen::Unknown)
    }

    /// The container of an instance, if the engine says there is one.
    #[must_use]
    pub fn container(&self, seat: Seat) -> Option<&Container> {
        match self.seen(seat) {
            Seen::Present(container) => Some(container),
            Seen::Unknown | Seen::Absent => None,
        }
    }
}
