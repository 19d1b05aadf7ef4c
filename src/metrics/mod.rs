//! What is counted and measured: plain numbers, handed to whoever counts and read by whoever shows
//! them.
//!
//! Nothing is decided by them, and there is no global registry: a process may have several
//! [`Metrics`], as its tests do. Counting asks nobody anything. Only here: `prometheus_client`.

mod engine;
mod queue;
mod saved;
mod timing;
mod work;

use std::sync::Arc;

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

pub use engine::{Answer, EngineMetrics};
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
        let (queue, work) = (Arc::<QueueMetrics>::default(), WorkMetrics::default());
        let engine = Arc::<EngineMetrics>::default();
        queue.register(&mut registry);
        work.register(&mut registry);
        engine.register(&mut registry);
        Self { queue, work, engine, saved: Arc::default(), registry }
    }
}

impl Metrics {
    /// All of it, as it is now.
    #[must_use]
    pub fn exposed(&self, exposition: Exposition) -> String {
        let mut text = String::new();
        let written = match exposition {
            Exposition::OpenMetrics => text::encode(&mut text, &self.registry),
            Exposition::PrometheusText => prometheus_text::encode(&mut text, &self.registry),
        };
        written.expect("writing to a text never fails");
        text
    }
}
