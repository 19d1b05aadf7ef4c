//! Containers that are found and that no record knows: whose they are, and what they have.

use std::sync::Arc;

use tracing::warn;

use super::{Goal, Worker};
use crate::domain::container::Identity;
use crate::domain::loose::{Fate, Loose};
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

    /// The containers of a task that no record has and that may run.
    pub(super) fn loose_of(&self, name: &TaskName) -> impl Iterator<Item = Loose> {
        let has_task = self.records.contains_key(name) || self.desired.tasks.contains_key(name);
        let all = self.index.loose_of(name).filter(|(id, _)| self.sightings.may_run(id));
        all.filter_map(move |(id, has)| {
            let found = has_task && !self.let_go.contains(id);
            let fate = if found { Fate::Found } else { Fate::LetGo };
            let name = self.sightings.last(id)?.name.clone();
            Some(Loose { name, fate, has: Arc::clone(has) })
        })
    }
}
