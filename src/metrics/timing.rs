//! How long things take.

use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;

/// How long something took, each time.
#[derive(Debug, Clone)]
pub struct Timing(pub(super) Histogram);

impl Timing {
    /// Told apart at these bounds, in seconds.
    pub(super) fn within(bounds: impl IntoIterator<Item = f64>) -> Self {
        Self(Histogram::new(bounds))
    }

    /// It took so long once more.
    pub fn observe(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }
}
