//! The two clocks, read in one place.
#![expect(clippy::disallowed_methods, reason = "this is where the clocks are read")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::domain::time::{Mono, Now, Timestamp};

/// How far ahead a wait may reach: a longer one is only looked at again.
const FARTHEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// The clocks of a worker; its monotonic one begins when it is made.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
}

impl Clock {
    /// Begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self { began: Instant::now() }
    }

    /// Both clocks at this moment.
    #[must_use]
    pub fn now(&self) -> Now {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        Now { mono: Mono(self.began.elapsed()), wall: Timestamp::from_millis(millis) }
    }

    /// The moment of the runtime's clock that `mono` stands for.
    #[must_use]
    pub fn instant(&self, mono: Mono) -> Instant {
        let ahead = mono.since(Mono(self.began.elapsed()));
        Instant::now() + ahead.min(FARTHEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_must_lie_ahead_however_long_the_worker_has_run() {
        let clock = Clock::begin();
        tokio::time::advance(FARTHEST * 3).await;
        let due = |wait: Duration| {
            let at = clock.instant(clock.now().mono + wait);
            at.saturating_duration_since(Instant::now())
        };
        assert_eq!(due(Duration::from_secs(5)), Duration::from_secs(5));
        assert_eq!(due(Duration::ZERO), Duration::ZERO);
        assert_eq!(due(FARTHEST * 2), FARTHEST);
        assert_eq!(due(Duration::MAX / 2), FARTHEST);
    }
}
