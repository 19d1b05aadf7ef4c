//! What the state DB counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};

use super::Timing;

/// What the state DB counts.
#[derive(Debug)]
pub struct DbMetrics {
    /// How long writes took, the wait for their turn included; those that failed too.
    pub writes: Timing,
    errors: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Default for DbMetrics {
    fn default() -> Self {
        let bounds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1];
        let writes = Timing::within(bounds.into_iter().chain([0.25, 0.5, 1.0, 2.5, 5.0, 10.0]));
        Self { writes, errors: Family::default() }
    }
}

impl DbMetrics {
    /// Something was to be written or read, and was not.
    pub fn failed(&self, kind: &'static str) {
        self.errors.get_or_create(&[("kind", kind)]).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let it = registry.sub_registry_with_prefix("evenkeel_db");
        let writes = "How long writes to the state DB took, until they were on the disk";
        let times = self.writes.0.clone();
        it.register_with_unit("write_duration", writes, Unit::Seconds, times);
        let errors = "What could not be written to the state DB or read from it, by kind";
        it.register("errors", errors, self.errors.clone());
    }
}
