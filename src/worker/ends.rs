//! Containers that have ended: by themselves or with the engine? That can be told once the engine
//! has said since when it runs, and was asked after the end was seen; asked before, it may have been
//! another one. Until then an end is open.

use crate::domain::container::{Container, Status};
use crate::domain::instance::ContainerId;
use crate::domain::name::TaskName;
use crate::domain::time::Mono;
use crate::domain::world::Seen;

use super::sightings::{Sighting, Sightings};

impl Sightings {
    /// Since when the engine runs is not known any more.
    pub fn lose_start(&mut self) {
        self.start_asked = None;
    }

    /// Whether the engine has said since when it runs.
    #[must_use]
    pub fn knows_start(&self) -> bool {
        self.start_asked.is_some()
    }

    /// The engine has said since when it runs, and was asked at `asked`. Tells the containers whose
    /// end is no longer open, and their tasks.
    pub fn learn_start(&mut self, asked: Mono) -> Vec<(ContainerId, TaskName)> {
        let before = self.start_asked.replace(asked);
        let told = |it: &Sighting| is_open(it, before) && !is_open(it, Some(asked));
        let closed = self.by_id.iter().filter(|(_, it)| told(it));
        closed.map(|(id, it)| (id.clone(), it.task.clone())).collect()
    }

    /// Whether a container has ended and it can't be told yet whose doing that was.
    #[must_use]
    pub fn is_open(&self, id: &ContainerId) -> bool {
        self.by_id.get(id).is_some_and(|sighting| is_open(sighting, self.start_asked))
    }
}

fn is_open(sighting: &Sighting, start_asked: Option<Mono>) -> bool {
    let ended = |it: &Container| it.status == Status::Exited && it.details.is_some();
    let has_ended = matches!(&sighting.seen, Seen::Present(container) if ended(container));
    has_ended && start_asked.is_none_or(|asked| asked < sighting.came_at)
}
