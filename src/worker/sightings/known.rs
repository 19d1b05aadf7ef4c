//! What is known of the containers of a worker, for those who only ask.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Sighting, Sightings, present};
use crate::domain::container::{Container, Status};
use crate::domain::exclusive::Written;
use crate::domain::instance::ContainerId;
use crate::domain::name::{Label, TaskName};
use crate::domain::world::Seen;

impl Sightings {
    /// What is known of one container.
    #[must_use]
    pub fn seen(&self, id: &ContainerId) -> Seen {
        self.by_id.get(id).map_or(Seen::Unknown, |sighting| sighting.seen.clone())
    }

    /// The containers of a task.
    pub fn of_task(&self, task: &TaskName) -> impl Iterator<Item = &Arc<Container>> {
        let ids = self.by_task.get(task).into_iter().flatten();
        ids.filter_map(|id| present(&self.by_id.get(id)?.seen))
    }

    /// The containers of a task that may be there, each as the engine told of it last.
    pub fn last_of(&self, task: &TaskName) -> impl Iterator<Item = &Arc<Container>> {
        let ids = self.by_task.get(task).into_iter().flatten();
        ids.filter_map(|id| self.last(id))
    }

    /// A container that may be there, as the engine told of it last.
    #[must_use]
    pub fn last(&self, id: &ContainerId) -> Option<&Arc<Container>> {
        let sighting = self.by_id.get(id)?;
        if sighting.seen == Seen::Absent { None } else { sighting.last.as_ref() }
    }

    /// Whether nothing the engine says is against it that a container runs.
    #[must_use]
    pub fn may_run(&self, id: &ContainerId) -> bool {
        self.by_id.get(id).is_some_and(|sighting| match &sighting.seen {
            Seen::Unknown => true,
            Seen::Absent => false,
            Seen::Present(container) => match container.status {
                Status::Running | Status::Paused | Status::Other(_) => true,
                Status::Created | Status::Exited | Status::Removing => false,
            },
        })
    }

    /// Whether the engine says that a container runs.
    #[must_use]
    pub fn runs(&self, id: &ContainerId) -> bool {
        let running =
            |container: &Container| matches!(container.status, Status::Running | Status::Paused);
        self.by_id
            .get(id)
            .is_some_and(|it| matches!(&it.seen, Seen::Present(container) if running(container)))
    }

    /// What a container can write, by where it sees it, if the engine ever said so.
    #[must_use]
    pub fn writes(&self, id: &ContainerId) -> Option<&BTreeMap<String, Written>> {
        Some(&self.by_id.get(id)?.last.as_ref()?.writes)
    }

    /// The same of all containers of a task.
    pub fn writes_of(&self, task: &TaskName) -> impl Iterator<Item = &Written> {
        let ids = self.by_task.get(task).into_iter().flatten();
        ids.filter_map(|id| self.writes(id)).flat_map(BTreeMap::values)
    }

    /// The containers of a task that were found and not looked at yet, or only listed: whether one
    /// ever started, and what became of it, a list does not say. Nor is it known of one whose end is
    /// open.
    pub fn unknown_of(&self, task: &TaskName) -> impl Iterator<Item = &ContainerId> {
        let ids = self.by_task.get(task).into_iter().flatten();
        ids.filter(|id| {
            let is_open = self.is_open(id);
            is_open
                || self.by_id.get(*id).is_some_and(|it| match &it.seen {
                    Seen::Unknown => true,
                    Seen::Present(container) => container.details.is_none(),
                    Seen::Absent => false,
                })
        })
    }

    /// The namespaces in which there is a container of this worker, whatever it does.
    #[must_use]
    pub fn namespaces(&self) -> BTreeSet<&Label> {
        let there = |id| self.by_id.get(id).is_some_and(|it: &Sighting| it.seen != Seen::Absent);
        let tasks = self.by_task.iter().filter(|(_, ids)| ids.iter().any(there));
        tasks.map(|(task, _)| &task.namespace).collect()
    }
}
