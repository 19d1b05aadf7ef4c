//! Networks and volumes that are being made: one call for each, however many wait for it. The
//! engine may make two of one name if it is asked twice at once.

use std::collections::BTreeMap;

use super::steps::{Call, Done};
use crate::domain::instance::Seat;
use crate::domain::name::TaskName;

/// An instance whose step it is to have something made.
type Waiter = (TaskName, Seat);

/// What is being made, by the engine's name, and for whom.
#[derive(Debug, Default)]
pub(super) struct Makes {
    waiting: BTreeMap<String, Vec<Waiter>>,
}

impl Makes {
    /// Notes that `call` is to be done for `waiter`. Whether it has to be begun: else it is under way
    /// for somebody else, and what comes of that comes of this.
    pub fn begin(&mut self, call: &Call, waiter: Waiter) -> bool {
        let (Call::MakeNetwork(name, _) | Call::MakeVolume(name, _)) = call else { return true };
        let waiting = self.waiting.entry(name.clone()).or_default();
        waiting.push(waiter);
        waiting.len() == 1
    }

    /// A step of `waiter` has ended: whose steps have with it.
    pub fn ended(&mut self, done: &Done, waiter: Waiter) -> Vec<Waiter> {
        let made = done.resource.as_ref();
        made.and_then(|name| self.waiting.remove(name)).unwrap_or_else(|| vec![waiter])
    }
}
