//! Programs run in containers, and the health checks of images.

use super::Simulated;
use super::process::Process;
use super::world::World;
use crate::domain::container::HealthCheck;
use crate::domain::instance::ContainerId;
use crate::runtime::{Exec, Unreachable};

impl World {
    /// Where the test says nothing, every program ends well.
    pub(super) fn exec(&self, id: &ContainerId, command: &[String]) -> Result<Exec, Unreachable> {
        let body = self.containers.get(id);
        let body = body.ok_or_else(|| Unreachable(format!("No such container: {id}")))?;
        if !matches!(body.process, Process::Running(_)) {
            return Err(Unreachable(format!("Container {id} is not running")));
        }
        let word = command.first().cloned().unwrap_or_default();
        let of = |id: Option<ContainerId>| self.execs.get(&(word.clone(), id)).cloned();
        let well = || Exec::Ended { code: 0, output: Vec::new() };
        Ok(of(Some(id.clone())).or_else(|| of(None)).unwrap_or_else(well))
    }
}

impl Simulated {
    /// What comes of a program that begins with `word`, in one container or in all.
    pub fn answer_exec(&self, word: &str, id: Option<&ContainerId>, exec: Exec) {
        self.change(|world, _| world.execs.insert((word.to_owned(), id.cloned()), exec));
    }

    /// Whether programs that were late run on.
    pub fn let_late_execs_run(&self, run: bool) {
        self.change(|world, _| world.late_execs = run);
    }

    /// What the health check of a container's image says from now on.
    pub fn health_check(&self, id: &ContainerId, says: HealthCheck) {
        self.change(|world, _| {
            if let Some(body) = world.containers.get_mut(id) {
                body.details.health = Some(says);
            }
            world.tell(id);
        });
    }
}
