//! Containers that are found and that no record knows: whose they are, and that all of them are
//! taken over before what writes something is started beside them.

use std::collections::BTreeSet;

use tracing::warn;

use super::{Goal, Worker};
use crate::domain::container::Identity;
use crate::domain::instance::ContainerId;
use crate::domain::name::TaskName;
use crate::domain::source::Place;
use crate::domain::task::Task;
use crate::runtime::Runtime;

impl<R: Runtime> Worker<R> {
    /// A container of a task that is not known: its labels say what was accepted last. One that was
    /// let go makes no task again.
    pub(super) fn discover(&mut self, name: &TaskName) {
        if self.records.contains_key(name) || self.desired.tasks.contains_key(name) {
            return;
        }
        let found: Vec<Identity> = self
            .sightings
            .of_task(name)
            .filter(|container| !self.let_go.contains(&container.id))
            .filter_map(|container| Identity::from_labels(&container.labels))
            .collect();
        let newest = found.into_iter().max_by_key(|identity| identity.generation);
        let Some(identity) = newest else { return };
        let Ok(task) = serde_json::from_str::<Task>(&identity.spec) else {
            warn!(task = %name, "a container of ours without a manifest says what it is in a way that can't be read; it is left alone");
            return;
        };
        if task.name == *name && task.is_pruned() {
            let (file, line) =
                identity.manifest.rsplit_once(':').unwrap_or((&identity.manifest, "1"));
            let place = Place { file: file.to_owned(), line: line.parse().unwrap_or(1) };
            self.desired.remember(task, place);
            if self.goal == Goal::Down {
                self.take_down();
            }
            // Whether it still has a manifest, the next look at the source says.
            self.take_snapshot();
            self.add_task(name.clone());
        }
    }

    /// Which of these tasks have a container that no record knows.
    pub(super) fn not_taken_over(&self, tasks: &BTreeSet<TaskName>) -> BTreeSet<TaskName> {
        let instances = self.records.values().flat_map(|record| record.instances.values());
        let known: BTreeSet<&ContainerId> =
            instances.filter_map(|instance| instance.container.as_ref()).collect();
        let unknown = |task: &&TaskName| {
            self.sightings.of_task(task).any(|container| !known.contains(&container.id))
        };
        tasks.iter().filter(unknown).cloned().collect()
    }

    /// A task was looked at: what was found of it is in its record now, unless that can't be told
    /// yet. Once that is so of all tasks, all go on.
    pub(super) fn take_over(&mut self, name: &TaskName) {
        let open = self.records.get(name).is_some_and(|record| self.has_unknown(record));
        if !open && self.found.remove(name) && self.found.is_empty() {
            self.look_at_all();
        }
    }
}
