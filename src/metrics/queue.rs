//! What the queue counts, under the names and with the buckets of controller-runtime, so that
//! dashboards and alerts made for its controllers fit.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::exponential_buckets;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use super::Timing;

/// What the queue counts.
#[derive(Debug)]
pub struct QueueMetrics {
    /// The names that wait now.
    pub depth: Gauge,
    /// The names that began to wait; one that waited already is not counted again.
    pub adds: Counter,
    /// The names that were to be looked at again after a failure.
    pub retries: Counter,
    /// How long names waited.
    pub latency: Timing,
    /// How long names were worked on.
    work: Timing,
    under_way: UnderWay,
}

/// When the work began that is under way, and on how many names then.
#[derive(Debug, Clone, Default)]
struct UnderWay(Arc<Mutex<BTreeMap<Instant, usize>>>);

impl Default for QueueMetrics {
    fn default() -> Self {
        // From 10 ns to 1000 s.
        let timing = || Timing::within(exponential_buckets(10e-9, 10.0, 12));
        Self {
            depth: Gauge::default(),
            adds: Counter::default(),
            retries: Counter::default(),
            latency: timing(),
            work: timing(),
            under_way: UnderWay::default(),
        }
    }
}

impl QueueMetrics {
    /// The work on a name began at that time.
    pub fn began(&self, at: Instant) {
        let mut began = self.under_way.0.lock().unwrap_or_else(PoisonError::into_inner);
        *began.entry(at).or_default() += 1;
    }

    /// The work on a name that began at that time is done.
    pub fn done(&self, began: Instant) {
        self.work.observe(began.elapsed());
        let mut under_way = self.under_way.0.lock().unwrap_or_else(PoisonError::into_inner);
        match under_way.get_mut(&began) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) => drop(under_way.remove(&began)),
            None => {}
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let it = registry.sub_registry_with_label(("name".into(), "tasks".into()));
        it.register("workqueue_depth", "Tasks that wait for a look", self.depth.clone());
        it.register("workqueue_adds", "Tasks that began to wait for a look", self.adds.clone());
        let retries = "Looks that are made again because one could not be written down";
        it.register("workqueue_retries", retries, self.retries.clone());
        let mut seconds = |name: &str, help: &str, timing: &Timing| {
            it.register_with_unit(name, help, Unit::Seconds, timing.0.clone());
        };
        let waited = "How long tasks waited for a look";
        seconds("workqueue_queue_duration", waited, &self.latency);
        let took = "How long looks took, writing them down included";
        seconds("workqueue_work_duration", took, &self.work);
        let mut spent = |name: &str, help: &str, sum| {
            let metric = InProgress { of: self.under_way.clone(), sum };
            it.register_with_unit(name, help, Unit::Seconds, metric);
        };
        let all = "How long the looks under way have taken until now, all together";
        spent("workqueue_unfinished_work", all, true);
        let longest = "How long the longest look under way has taken until now";
        spent("workqueue_longest_running_processor", longest, false);
    }
}

/// A gauge that is measured when it is read.
#[derive(Debug)]
struct InProgress {
    of: UnderWay,
    /// All together, or the longest.
    sum: bool,
}

impl EncodeMetric for InProgress {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let began = self.of.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let spent = began.into_iter().map(|(at, count)| (at.elapsed().as_secs_f64(), count));
        let spent: f64 = if self.sum {
            let many = |count| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
            spent.map(|(seconds, count)| seconds * many(count)).fold(0.0, |sum, it| sum + it)
        } else {
            spent.map(|(seconds, _)| seconds).fold(0.0, f64::max)
        };
        encoder.encode_gauge(&spent)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}
