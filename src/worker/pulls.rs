//! Pulls under way: one for each image, however many want it; one nobody wants any more is dropped.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::domain::name::TaskName;
use crate::domain::outcome::Outcome;
use crate::domain::plan::Pull;
use crate::domain::pull::PullProgress;
use crate::domain::registry::Registries;
use crate::domain::template::{ImageRef, PullPolicy};
use crate::domain::time::Mono;

/// An image that is being pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pulling {
    /// Its name, as written.
    pub image: String,
    /// The tasks that want it.
    pub tasks: BTreeSet<TaskName>,
    /// How far it has come.
    pub progress: PullProgress,
}

/// Pulls under way, and what came of some before.
#[derive(Debug, Default)]
pub struct Pulls {
    jobs: BTreeMap<Image, Job>,
    /// What each task wants: with many tasks of one image no look goes through them all.
    wants: BTreeMap<TaskName, Image>,
    registries: Registries,
}

/// What is pulled, and when.
type Image = (ImageRef, PullPolicy);

#[derive(Debug)]
struct Job {
    /// The tasks, and the revision of each.
    wanted_by: BTreeMap<TaskName, u32>,
    abort: AbortHandle,
    progress: watch::Receiver<PullProgress>,
}

impl Pulls {
    /// Those under way, by image.
    pub fn under_way(&self) -> impl Iterator<Item = Pulling> {
        self.jobs.iter().map(|((image, _), job)| Pulling {
            image: image.to_string(),
            tasks: job.wanted_by.keys().cloned().collect(),
            progress: *job.progress.borrow(),
        })
    }

    /// Whether a pull that `task` wants is under way.
    #[must_use]
    pub fn wanted_by(&self, task: &TaskName) -> bool {
        self.wants.contains_key(task)
    }

    /// `task` wants `pull` and no other. If it is not under way, `begin` begins it, and has told
    /// how far it has come.
    pub fn want(
        &mut self,
        task: &TaskName,
        pull: Option<&Pull>,
        begin: impl FnOnce(&Pull, watch::Sender<PullProgress>) -> AbortHandle,
    ) {
        let key = pull.map(|pull| (pull.image.clone(), pull.policy));
        if self.wants.get(task) != key.as_ref() {
            self.give_up(task);
        }
        if let (Some(key), Some(pull)) = (key, pull) {
            let job = self.jobs.entry(key.clone()).or_insert_with(|| {
                let (told, progress) = watch::channel(PullProgress::default());
                Job { wanted_by: BTreeMap::new(), abort: begin(pull, told), progress }
            });
            job.wanted_by.insert(task.clone(), pull.revision);
            self.wants.insert(task.clone(), key);
        }
    }

    /// `task` wants no pull any more; one that nobody wants is dropped.
    fn give_up(&mut self, task: &TaskName) {
        let Some(image) = self.wants.remove(task) else { return };
        if let Some(job) = self.jobs.get_mut(&image) {
            job.wanted_by.remove(task);
            if job.wanted_by.is_empty() {
                job.abort.abort();
                self.jobs.remove(&image);
            }
        }
    }

    /// What registries said of too much.
    #[must_use]
    pub fn registries(&self) -> &Registries {
        &self.registries
    }

    /// A pull has ended: who wanted it, and for which revision.
    pub fn ended(
        &mut self,
        (image, policy): (&ImageRef, PullPolicy),
        outcome: &Outcome<String>,
        now: Mono,
    ) -> BTreeMap<TaskName, u32> {
        self.registries.note(image, outcome, now);
        let job = self.jobs.remove(&(image.clone(), policy));
        let wanted_by = job.map(|job| job.wanted_by).unwrap_or_default();
        for task in wanted_by.keys() {
            self.wants.remove(task);
        }
        wanted_by
    }
}
