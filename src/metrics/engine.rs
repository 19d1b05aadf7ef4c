//! What is counted of the requests to the engine.

use std::borrow::Cow;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// What is counted of the requests to the engine.
#[derive(Debug)]
pub struct EngineMetrics {
    requests: Family<[(&'static str, Cow<'static, str>); 2], Counter>,
    times: Family<[(&'static str, &'static str); 1], Histogram>,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// An answer of this status.
    Status(u16),
    /// There was no connection, or none any more.
    Unreachable,
    /// There was none for so long that it was given up, or nobody wanted it any more.
    GivenUp,
}

impl Default for EngineMetrics {
    fn default() -> Self {
        let times = || {
            let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];
            Histogram::new(bounds.into_iter().chain([2.5, 5.0, 10.0, 30.0, 60.0]))
        };
        Self { requests: Family::default(), times: Family::new_with_constructor(times) }
    }
}

impl EngineMetrics {
    /// A request was made, and so long after it its answer began, or there was none.
    pub fn asked(&self, operation: &'static str, answer: Answer, took: Duration) {
        let code = match answer {
            Answer::Status(status) => Cow::Owned(status.to_string()),
            Answer::Unreachable => Cow::Borrowed("unreachable"),
            Answer::GivenUp => Cow::Borrowed("given-up"),
        };
        self.requests.get_or_create(&[("operation", operation.into()), ("code", code)]).inc();
        self.times.get_or_create(&[("operation", operation)]).observe(took.as_secs_f64());
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let it = registry.sub_registry_with_prefix("evenkeel_engine");
        let requests = "Requests to the engine, by operation and status of the answer";
        it.register("requests", requests, self.requests.clone());
        let times = "How long requests to the engine took until their answers began, by operation";
        it.register_with_unit("request_duration", times, Unit::Seconds, self.times.clone());
    }
}
