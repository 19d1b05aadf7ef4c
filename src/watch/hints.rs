//! What file events say, until somebody listens: where to look, never what to do.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many paths are told apart. Beyond that looking at everything is cheaper.
const MAX_PATHS: usize = 1024;

/// After the first hint others are waited for so long: what belongs together is looked at together.
const GATHER: Duration = Duration::from_millis(3);

/// What was seen of a path last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// It was written to.
    Written,
    /// It was closed after writing, or something was renamed to it.
    Complete,
    /// It was made, removed or renamed away.
    Replaced,
    /// Something else of it changed.
    Touched,
}

/// Hints since the last time somebody listened.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Paths beneath the root.
    pub(super) paths: BTreeMap<String, Sign>,
    /// Something happened that says no path, or too much.
    pub(super) unclear: bool,
    /// Something may have happened that nothing was heard of.
    pub(super) lost: bool,
    /// Why events can't be relied on from now on.
    pub(super) broken: Option<String>,
    /// It is time to end.
    pub(super) stop: bool,
}

/// Where hints are kept.
#[derive(Default)]
pub(super) struct Hints {
    heard: Mutex<Heard>,
    some: Condvar,
}

impl Heard {
    fn note(&mut self, path: String, sign: Sign) {
        if self.paths.len() >= MAX_PATHS && !self.paths.contains_key(&path) {
            self.paths.clear();
            self.lost = true;
        }
        if sign == Sign::Touched {
            self.paths.entry(path).or_insert(sign);
        } else {
            self.paths.insert(path, sign);
        }
    }
}

impl Hints {
    /// Notes what was seen of a path.
    pub(super) fn note(&self, path: String, sign: Sign) {
        self.change(|heard| heard.note(path, sign));
    }

    /// Notes that something unclear happened.
    pub(super) fn unclear(&self) {
        self.change(|heard| heard.unclear = true);
    }

    /// Notes that something may have happened without a hint.
    pub(super) fn lost(&self) {
        self.change(|heard| heard.lost = true);
    }

    /// Notes that events can't be relied on.
    pub(super) fn broken(&self, message: String) {
        self.change(|heard| heard.broken = Some(message));
    }

    /// Ends it all.
    pub(super) fn stop(&self) {
        self.change(|heard| heard.stop = true);
    }

    /// Waits until there are hints, at the latest until `until`, and takes them.
    pub(super) fn wait(&self, until: Instant, now: impl Fn() -> Instant) -> Heard {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        while *heard == Heard::default() {
            let Some(left) = until.checked_duration_since(now()).filter(|left| !left.is_zero())
            else {
                return Heard::default();
            };
            let woken = self.some.wait_timeout(heard, left);
            heard = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        if !heard.stop {
            drop(heard);
            std::thread::sleep(GATHER);
            heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut heard)
    }

    /// Whether something was just heard of a path.
    pub(super) fn mention(&self, path: &str) -> bool {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.paths.contains_key(path)
    }

    fn change(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        self.some.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(signs: &[Sign]) -> Sign {
        let mut heard = Heard::default();
        for sign in signs {
            heard.note("a".into(), *sign);
        }
        heard.paths["a"]
    }

    #[test]
    fn the_last_sign_counts_but_a_touch() {
        use Sign::{Complete, Replaced, Touched, Written};
        assert_eq!(last(&[Replaced, Written, Complete]), Complete);
        assert_eq!(last(&[Complete, Written]), Written);
        assert_eq!(last(&[Complete, Replaced]), Replaced);
        assert_eq!(last(&[Touched]), Touched);
        assert_eq!(last(&[Complete, Touched]), Complete);
    }

    #[test]
    fn too_many_paths_are_unclear() {
        let mut heard = Heard::default();
        for at in 0..=MAX_PATHS {
            heard.note(at.to_string(), Sign::Written);
        }
        assert!(heard.lost && heard.paths.len() == 1);
    }

    #[test]
    fn what_was_heard_is_taken_once() {
        let hints = Hints::default();
        hints.note("a".into(), Sign::Written);
        hints.unclear();
        let now = Instant::now();
        let heard = hints.wait(now, || now);
        assert!(heard.unclear && heard.paths.contains_key("a"));
        assert_eq!(hints.wait(now, || now), Heard::default());
    }
}
