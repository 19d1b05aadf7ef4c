//! What is counted and measured: plain numbers, handed to whoever counts and read by whoever shows
//! them.
//!
//! Nothing is decided by them, and there is no global registry: a process may have several
//! [`Metrics`], as its tests do. Counting asks nobody anything. Only here: `prometheus_client`.

mod db;
mod engine;
mod moment;
mod queue;
mod saved;
mod series;
mod timing;
mod work;

use std::sync::Arc;

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use db::DbMetrics;
pub use engine::{Answer, EngineMetrics};
pub use moment::{DiskUse, HostUse, Moment, ProcessUse};
pub use queue::QueueMetrics;
pub use saved::Saved;
pub use timing::Timing;
pub use work::{Look, WorkMetrics};

/// All that is counted.
#[derive(Debug)]
pub struct Metrics {
    /// By the queue.
    pub queue: Arc<QueueMetrics>,
    /// By the worker.
    pub work: WorkMetrics,
    /// Of the requests to the engine.
    pub engine: Arc<EngineMetrics>,
    /// By the state DB.
    pub db: Arc<DbMetrics>,
    /// When files were saved.
    pub saved: Arc<Saved>,
    registry: Registry,
}

/// How it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Exposition {
    /// As `OpenMetrics` 1.0 has it.
    #[default]
    OpenMetrics,
    /// As Prometheus had it before, and as `promtool check metrics` reads it.
    PrometheusText,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("evenkeel_build", "Which release this is", build);
        let (queue, work) = (Arc::<QueueMetrics>::default(), WorkMetrics::default());
        let (engine, db) = (Arc::<EngineMetrics>::default(), Arc::<DbMetrics>::default());
        queue.register(&mut registry);
        work.register(&mut registry);
        engine.register(&mut registry);
        db.register(&mut registry);
        Self { queue, work, engine, db, saved: Arc::default(), registry }
    }
}

impl Metrics {
    /// All of it, as it is now, and what else was read at this moment.
    #[must_use]
    pub fn exposed(&self, moment: Moment, exposition: Exposition) -> String {
        let mut besides = Registry::default();
        besides.register_collector(Box::new(moment));
        let mut text = String::new();
        let all = [&self.registry, &besides];
        let written = all.into_iter().try_for_each(|registry| match exposition {
            Exposition::OpenMetrics => text::encode_registry(&mut text, registry),
            Exposition::PrometheusText => prometheus_text::encode(&mut text, registry),
        });
        let ended = match exposition {
            Exposition::OpenMetrics => text::encode_eof(&mut text),
            Exposition::PrometheusText => Ok(()),
        };
        written.and(ended).expect("writing to a text never fails");
        text
    }
}
