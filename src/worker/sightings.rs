//! What the engine said last of each container, and how far that can be relied on.
//!
//! Holds answers; asks nothing and decides nothing. An answer counts only if it was asked for after
//! our last step on that container had ended.

mod known;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::container::{Container, Identity, Status};
use crate::domain::instance::ContainerId;
use crate::domain::name::{TaskName, WorkerName};
use crate::domain::time::Mono;
use crate::domain::world::Seen;

/// What the engine said last of all containers of a worker.
#[derive(Debug, Default)]
pub struct Sightings {
    pub(super) by_id: BTreeMap<ContainerId, Sighting>,
    by_task: BTreeMap<TaskName, BTreeSet<ContainerId>>,
    /// When the last whole list that came back was asked for.
    pub listed_at: Option<Mono>,
    /// When the engine was asked since when it runs, as far as it has answered.
    pub(super) start_asked: Option<Mono>,
}

#[derive(Debug)]
pub(super) struct Sighting {
    pub(super) task: TaskName,
    pub(super) seen: Seen,
    /// When that was told.
    pub(super) came_at: Mono,
    /// What the engine said of it last: whatever it does by now, what it is made of stays.
    last: Option<Arc<Container>>,
    /// Answers asked for before this are void.
    valid_from: Mono,
    inspecting: bool,
    again: bool,
    /// Inspects that got no answer, one after the other.
    failures: u32,
    /// It is not inspected before.
    not_before: Mono,
    /// Nobody will ask about it any more: it goes once it is not being inspected.
    leaving: bool,
}

/// The longest wait before a container is inspected again that could not be.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What the engine has said of one container.
#[derive(Debug)]
pub struct Answer {
    /// When it was asked.
    pub asked: Mono,
    /// When it answered.
    pub came: Mono,
    /// What.
    pub seen: Seen,
}

/// What a whole list makes necessary.
#[derive(Debug, Default)]
pub struct Listed {
    /// Containers to be inspected.
    pub inspect: Vec<ContainerId>,
    /// Tasks about which something new is known.
    pub tasks: BTreeSet<TaskName>,
    /// Source directories that containers of this worker's name were made from.
    pub sources: BTreeSet<String>,
}

/// The identity of a container, if it is ours: by its labels and the name that they derive, or by
/// an id that we know to be ours.
#[must_use]
pub fn ours(container: &Container, worker: &WorkerName, known: bool) -> Option<Identity> {
    let identity = Identity::from_labels(&container.labels)?;
    let named = identity.derived_name() == container.name;
    (identity.worker == *worker && (named || known)).then_some(identity)
}

fn present(seen: &Seen) -> Option<&Arc<Container>> {
    match seen {
        Seen::Present(container) => Some(container),
        Seen::Unknown | Seen::Absent => None,
    }
}

impl Sightings {
    /// Whether a list that was asked for at `asked` has to show a container.
    #[must_use]
    pub fn expects(&self, id: &ContainerId, asked: Mono) -> bool {
        self.by_id.get(id).is_none_or(|it| it.valid_from <= asked && it.seen != Seen::Absent)
    }

    /// Whether the engine is said to have a container.
    #[must_use]
    pub fn knows(&self, id: &ContainerId) -> bool {
        self.by_id.contains_key(id)
    }

    /// Notes that a container of `task` has to be looked at.
    pub fn expect(&mut self, id: &ContainerId, task: &TaskName) {
        if !self.knows(id) {
            self.insert(id.clone(), task.clone(), Seen::Unknown, None);
        }
    }

    fn insert(
        &mut self,
        id: ContainerId,
        task: TaskName,
        seen: Seen,
        last: Option<Arc<Container>>,
    ) {
        self.by_task.entry(task.clone()).or_default().insert(id.clone());
        let sighting = Sighting {
            task,
            last,
            seen,
            came_at: Mono::default(),
            valid_from: Mono::default(),
            inspecting: false,
            again: false,
            failures: 0,
            not_before: Mono::default(),
            leaving: false,
        };
        self.by_id.insert(id, sighting);
    }

    /// A step of ours on that container has ended: what is known of it is void.
    pub fn touch(&mut self, id: &ContainerId, task: &TaskName, now: Mono) {
        self.expect(id, task);
        if let Some(sighting) = self.by_id.get_mut(id) {
            sighting.seen = Seen::Unknown;
            sighting.valid_from = now;
        }
    }

    /// The engine was started anew: what was said of containers that had not ended is void. Tells
    /// which they are.
    pub fn doubt(&mut self, now: Mono) -> Vec<ContainerId> {
        let lives = |seen: &Seen| matches!(seen, Seen::Present(container) if container.status != Status::Exited);
        let doubted = self.by_id.iter_mut().filter(|(_, sighting)| lives(&sighting.seen));
        doubted
            .map(|(id, sighting)| {
                sighting.seen = Seen::Unknown;
                sighting.valid_from = now;
                id.clone()
            })
            .collect()
    }

    /// The engine has removed that container for us.
    pub fn removed(&mut self, id: &ContainerId, now: Mono) {
        if let Some(sighting) = self.by_id.get_mut(id) {
            sighting.seen = Seen::Absent;
            sighting.valid_from = now;
        }
    }

    /// Forgets a container that nobody will ask about any more. While it is being inspected it is
    /// kept: the answer may be one of before, and would pass for a container that is new.
    pub fn forget(&mut self, id: &ContainerId) {
        match self.by_id.get_mut(id) {
            Some(sighting) if sighting.inspecting => sighting.leaving = true,
            Some(_) => self.drop_sighting(id),
            None => {}
        }
    }

    fn drop_sighting(&mut self, id: &ContainerId) {
        if let Some(sighting) = self.by_id.remove(id)
            && let Some(ids) = self.by_task.get_mut(&sighting.task)
        {
            ids.remove(id);
            if ids.is_empty() {
                self.by_task.remove(&sighting.task);
            }
        }
    }

    /// Whether to inspect that container now: not if it is being inspected, then it is once more;
    /// nor shortly after that failed, then the next list sees to it.
    pub fn begin_inspect(&mut self, id: &ContainerId, now: Mono) -> bool {
        match self.by_id.get_mut(id) {
            Some(sighting) if now < sighting.not_before => false,
            Some(sighting) if sighting.inspecting => {
                sighting.again = true;
                false
            }
            Some(sighting) => {
                sighting.inspecting = true;
                true
            }
            None => true,
        }
    }

    /// An inspect got no answer: how many did, one after the other, and when to try again.
    pub fn failed(&mut self, id: &ContainerId, now: Mono) -> Option<(u32, Mono)> {
        let sighting = self.by_id.get_mut(id)?;
        (sighting.inspecting, sighting.again) = (false, false);
        sighting.seen = Seen::Unknown;
        sighting.failures = sighting.failures.saturating_add(1);
        let wait = Duration::from_secs(1 << sighting.failures.min(6).saturating_sub(1));
        sighting.not_before = now + wait.min(LONGEST_WAIT);
        let answer = (sighting.failures, sighting.not_before);
        if sighting.leaving {
            self.drop_sighting(id);
            return None;
        }
        Some(answer)
    }

    /// The engine answers again: what failed meanwhile says nothing of single containers.
    pub fn forgive(&mut self) {
        for sighting in self.by_id.values_mut() {
            (sighting.failures, sighting.not_before) = (0, Mono::default());
        }
    }

    /// Takes the answer to an inspect. Tells the task it is about, if something new is known, and
    /// whether to inspect once more.
    pub fn inspected(
        &mut self,
        id: &ContainerId,
        answer: Answer,
        worker: &WorkerName,
    ) -> (Option<TaskName>, bool) {
        let Answer { asked, came, seen } = answer;
        let Some(sighting) = self.by_id.get_mut(id) else {
            return (self.discovered(seen, came, worker), false);
        };
        sighting.inspecting = false;
        sighting.failures = 0;
        if sighting.leaving {
            self.drop_sighting(id);
            return (None, false);
        }
        let stale = asked < sighting.valid_from;
        let again = std::mem::take(&mut sighting.again) || stale;
        if stale {
            return (None, again);
        }
        let news = sighting.seen != seen;
        sighting.last = present(&seen).cloned().or(sighting.last.take());
        if news {
            (sighting.seen, sighting.came_at) = (seen, came);
        }
        (news.then(|| sighting.task.clone()), again)
    }

    /// A container that was not known: ours, if its name says so too.
    fn discovered(&mut self, seen: Seen, came: Mono, worker: &WorkerName) -> Option<TaskName> {
        let Seen::Present(container) = &seen else { return None };
        let identity = ours(container, worker, false)?;
        let (id, last) = (container.id.clone(), Some(Arc::clone(container)));
        self.insert(id.clone(), identity.task.clone(), seen, last);
        if let Some(sighting) = self.by_id.get_mut(&id) {
            sighting.came_at = came;
        }
        Some(identity.task)
    }

    /// Takes a whole list that was asked for at `asked`. Those of `let_go` are ours whatever their
    /// names are by now.
    pub fn listed(
        &mut self,
        containers: Vec<Container>,
        asked: Mono,
        worker: &WorkerName,
        let_go: &BTreeSet<ContainerId>,
    ) -> Listed {
        let mut result = Listed::default();
        let mut there = BTreeSet::new();
        for container in containers {
            let id = container.id.clone();
            let known = self.knows(&id) || let_go.contains(&id);
            let Some(identity) = ours(&container, worker, known) else { continue };
            there.insert(id.clone());
            result.sources.insert(identity.source.clone());
            self.take_listed(container, identity, asked, &mut result);
        }
        for (id, sighting) in &self.by_id {
            let missing = !there.contains(id) && sighting.valid_from <= asked;
            // That a list lacks it is not enough: the container itself is asked for.
            if missing && sighting.seen != Seen::Absent {
                result.inspect.push(id.clone());
            }
        }
        self.listed_at = Some(asked);
        result
    }

    fn take_listed(
        &mut self,
        container: Container,
        identity: Identity,
        asked: Mono,
        result: &mut Listed,
    ) {
        let id = container.id.clone();
        let Some(sighting) = self.by_id.get_mut(&id) else {
            result.inspect.push(id.clone());
            result.tasks.insert(identity.task.clone());
            // The first list tells enough to take over what is there, so that nothing is made
            // beside it. A later one may be of before our last steps.
            let container = Arc::new(container);
            let first = self.listed_at.is_none();
            let seen = if first { Seen::Present(Arc::clone(&container)) } else { Seen::Unknown };
            self.insert(id, identity.task, seen, Some(container));
            return;
        };
        if sighting.valid_from > asked {
            return;
        }
        let same = match &sighting.seen {
            Seen::Present(known) => {
                known.status == container.status
                    && known.name == container.name
                    && known.details.is_some()
            }
            Seen::Unknown | Seen::Absent => false,
        };
        if !same {
            result.inspect.push(id);
        }
    }

    /// The container whose turn it is to be inspected, after `last`.
    #[must_use]
    pub fn turn(&self, last: Option<&ContainerId>) -> Option<ContainerId> {
        let running = |entry: &(&ContainerId, &Sighting)| matches!(&entry.1.seen, Seen::Present(container) if container.status != Status::Exited);
        let after = last.and_then(|last| {
            let range = (std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded);
            self.by_id.range::<ContainerId, _>(range).find(running)
        });
        after.or_else(|| self.by_id.iter().find(running)).map(|(id, _)| id.clone())
    }
}
