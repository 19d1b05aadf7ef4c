//! Pulls under way: one for each image, however many want it; one nobody wants any more is dropped.

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::AbortHandle;

use crate::domain::name::TaskName;
use crate::domain::plan::Pull;
use crate::domain::template::{ImageRef, PullPolicy};

/// Pulls under way.
#[derive(Debug, Default)]
pub struct Pulls {
    jobs: BTreeMap<(ImageRef, PullPolicy), Job>,
}

#[derive(Debug)]
struct Job {
    wanted_by: BTreeSet<(TaskName, u32)>,
    abort: AbortHandle,
}

impl Pulls {
    /// Whether a pull that `task` wants is under way.
    #[must_use]
    pub fn wanted_by(&self, task: &TaskName) -> bool {
        self.jobs.values().any(|job| job.wanted_by.iter().any(|(name, _)| name == task))
    }

    /// `task` wants `pull` and no other. If it is not under way, `begin` begins it.
    pub fn want(
        &mut self,
        task: &TaskName,
        pull: Option<&Pull>,
        begin: impl FnOnce(&Pull) -> AbortHandle,
    ) {
        let key = pull.map(|pull| (pull.image.clone(), pull.policy));
        self.jobs.retain(|image, job| {
            if Some(image) != key.as_ref() {
                job.wanted_by.retain(|(name, _)| name != task);
            }
            if job.wanted_by.is_empty() {
                job.abort.abort();
            }
            !job.wanted_by.is_empty()
        });
        if let (Some(key), Some(pull)) = (key, pull) {
            let job = self
                .jobs
                .entry(key)
                .or_insert_with(|| Job { wanted_by: BTreeSet::new(), abort: begin(pull) });
            job.wanted_by.insert((task.clone(), pull.revision));
        }
    }

    /// A pull has ended: who wanted it.
    pub fn ended(&mut self, image: &ImageRef, policy: PullPolicy) -> BTreeSet<(TaskName, u32)> {
        self.jobs.remove(&(image.clone(), policy)).map(|job| job.wanted_by).unwrap_or_default()
    }
}
