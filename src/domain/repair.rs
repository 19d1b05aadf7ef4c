//! Repairs of what somebody else changed. Where they don't last, each comes later than the one
//! before: who undoes them may be another program that wants it otherwise, and would be fought for
//! ever.

use std::collections::BTreeMap;
use std::time::Duration;

use super::instance::EndReason;
use super::plan::{Planned, Reason, Step};
use super::time::{Mono, jittered};

/// How long the second repair is waited with, after the first. Doubled with each, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A repair that lasted so long has lasted: the next one is a first one.
const QUIET: Duration = Duration::from_secs(10 * 60);

/// What is put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repair {
    /// A paused container goes on.
    Unpause,
    /// A container gets its name back.
    Rename,
    /// A container is put back on its network.
    Connect,
    /// A container gets its limits back, or what is kept for it.
    Update,
    /// Another container is made in place of one that is gone.
    Remake,
}

/// What was repaired lately, by slot. Not kept over a restart.
pub type Repairs = BTreeMap<(u16, Repair), Streak>;

/// Repairs of the same, each soon after the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streak {
    /// How many.
    pub count: u32,
    /// When the last was begun.
    at: Mono,
    /// The generation that asked for it: what another one asks for was never undone.
    generation: u64,
}

impl Repair {
    /// What a step repairs, if it does.
    #[must_use]
    pub fn by(planned: &Planned) -> Option<Self> {
        match (&planned.step, &planned.reason) {
            (Step::Unpause(_), _) => Some(Self::Unpause),
            (Step::Rename(_), _) => Some(Self::Rename),
            (Step::Connect(_), _) => Some(Self::Connect),
            (Step::Update(..), _) => Some(Self::Update),
            (Step::Begin { .. }, Reason::Ended { reason: EndReason::Lost, .. }) => {
                Some(Self::Remake)
            }
            _ => None,
        }
    }
}

impl Streak {
    /// One repair more, after those `before`.
    #[must_use]
    pub fn after(before: Option<&Self>, generation: u64, now: Mono) -> Self {
        let counting = before.filter(|before| before.counts(generation, now));
        let count = counting.map_or(0, |before| before.count).saturating_add(1);
        Self { count, at: now, generation }
    }

    /// Whether a repair that `generation` asks for `now` would be one more of them.
    #[must_use]
    pub fn counts(&self, generation: u64, now: Mono) -> bool {
        self.generation == generation && now.since(self.at) < QUIET
    }

    /// When the next one is due. `jitter` is any number.
    #[must_use]
    pub fn next_at(&self, jitter: u64) -> Mono {
        let doublings = self.count.saturating_sub(1).min(6);
        self.at + jittered((FIRST_WAIT * (1 << doublings)).min(LONGEST_WAIT), jitter)
    }
}
