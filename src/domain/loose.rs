//! Containers of ours that no record has: they were let go, or were found and are not taken over
//! yet. What they have of the host is theirs for as long as they may run.

use std::fmt;
use std::sync::Arc;

use super::container::{Container, Identity};
use super::exclusive::{self, FixedPort, Made, Written};
use super::name::WorkerName;
use super::task::Task;

/// A container of ours that no record has, and that may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loose {
    /// Its name now.
    pub name: String,
    /// What becomes of it.
    pub fate: Fate,
    /// What it has of the host while it runs.
    pub has: Arc<Holdings>,
}

/// What becomes of a container that no record has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing, but by the hand of a person: no task has it any more.
    LetGo,
    /// It is taken over once the engine has told enough of it.
    Found,
}

/// What a container has of the host while it runs, and no other can have at the same time.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Host ports.
    pub ports: Vec<FixedPort>,
    /// What it writes, and whether it lets others write that too.
    pub written: Vec<(Written, bool)>,
}

/// One thing of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// A host port.
    Port(FixedPort),
    /// A volume or path that is written.
    Mount(Written),
}

impl Holdings {
    /// What a container has by its labels; where they can't be read, what the engine says that it
    /// can write, all of it for itself.
    #[must_use]
    pub fn of(worker: &WorkerName, container: &Container) -> Self {
        let identity = Identity::from_labels(&container.labels);
        let task = identity.and_then(|identity| {
            let task: Task = serde_json::from_str(&identity.spec).ok()?;
            (task.name == identity.task).then_some(task)
        });
        match task {
            Some(task) => Self {
                ports: exclusive::fixed_ports(&task.template).collect(),
                written: Made::seen(&task, Some(&container.writes)).written(worker).collect(),
            },
            None => Self {
                ports: Vec::new(),
                written: container.writes.values().map(|it| (it.clone(), false)).collect(),
            },
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LetGo => "no task has it any more: stop it or remove it",
            Self::Found => "it was found, and is not taken over yet",
        })
    }
}
