//! The two clocks, read in one place.
#![expect(clippy::disallowed_methods, reason = "this is where the clocks are read")]

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::domain::time::{Mono, Now, Timestamp};

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
        self.began + mono.0.min(std::time::Duration::from_secs(30 * 24 * 3600))
    }
}
