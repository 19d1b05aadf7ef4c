//! Registries that say that too much was asked of them. They say it of whoever asks, not of an
//! image: so what wants another image of the same registry waits with the rest.

use std::collections::BTreeMap;
use std::time::Duration;

use super::outcome::{Cause, Outcome};
use super::record::Trouble;
use super::template::ImageRef;
use super::time::Mono;

/// A registry that said nothing of the kind for so long begins with the shortest wait again.
const QUIET: Duration = Duration::from_secs(60 * 60);

/// What registries said of too much, in this process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registries(BTreeMap<String, Trouble>);

impl Registries {
    /// Takes note of what came of a pull.
    pub fn note<T>(&mut self, image: &ImageRef, outcome: &Outcome<T>, now: Mono) {
        let Outcome::Rejected(rejection) = outcome else { return };
        if rejection.cause != Cause::RateLimited {
            return;
        }
        let before = self.0.get(image.registry()).filter(|before| now.since(before.at) < QUIET);
        // Pulls that were begun before it was said hear it too: that makes it no worse.
        if before.is_none_or(|before| now >= before.earliest_retry()) {
            let (cause, message) = (Some(Cause::RateLimited), rejection.message.clone());
            let trouble = Trouble::after(before, cause, message, now);
            self.0.insert(image.registry().to_owned(), trouble);
        }
    }

    /// What the registry of an image said of too much, if it ever did.
    #[must_use]
    pub fn of(&self, image: &ImageRef) -> Option<&Trouble> {
        self.0.get(image.registry())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::outcome::{Rejection, Retry};

    fn refused() -> Outcome {
        let message = "toomanyrequests: slow down".to_owned();
        Outcome::Rejected(Rejection { cause: Cause::RateLimited, retry: Retry::Later, message })
    }

    #[test]
    fn a_registry_must_be_waited_with_for_a_minute_and_longer_each_time_it_says_so_again() {
        let image = ImageRef::checked("web:1");
        let mut registries = Registries::default();
        let mut now = Mono::default();
        let mut waits = Vec::new();
        for _ in 0..6 {
            registries.note(&image, &refused(), now);
            // Of the same moment, by somebody else.
            registries.note(&ImageRef::checked("docker.io/library/db"), &refused(), now);
            let next = registries.of(&image).unwrap().earliest_retry();
            waits.push(next.since(now).as_secs());
            now = next;
        }
        assert_eq!(waits, [63, 126, 252, 504, 810, 810]);
        registries.note(&image, &refused(), now + QUIET);
        assert_eq!(registries.of(&image).unwrap().failures, 1);
        assert_eq!(registries.of(&ImageRef::checked("ghcr.io/web:1")), None);
    }
}
