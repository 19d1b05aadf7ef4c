//! Metrics that are written as they were read.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// What tells one value of a metric from another.
pub(super) type Labels = Vec<(&'static str, String)>;

/// A metric, and all there is to say of it.
#[derive(Debug)]
pub(super) struct Series {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    samples: Vec<(Labels, f64)>,
}

impl Series {
    pub(super) fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, unit: None, kind: MetricType::Gauge, samples: Vec::new() }
    }

    pub(super) fn counter(name: &'static str, help: &'static str) -> Self {
        Self { kind: MetricType::Counter, ..Self::gauge(name, help) }
    }

    pub(super) fn seconds(self) -> Self {
        Self { unit: Some(Unit::Seconds), ..self }
    }

    pub(super) fn bytes(self) -> Self {
        Self { unit: Some(Unit::Bytes), ..self }
    }

    /// One value, if there is one.
    pub(super) fn is(self, value: impl Into<Option<f64>>) -> Self {
        self.are(value.into().map(|value| (Vec::new(), value)))
    }

    /// A value for each set of labels.
    pub(super) fn are(mut self, samples: impl IntoIterator<Item = (Labels, f64)>) -> Self {
        self.samples.extend(samples);
        self
    }

    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if self.samples.is_empty() {
            return Ok(());
        }
        let help = format!("{}.", self.help);
        let mut of = encoder.encode_descriptor(self.name, &help, self.unit.as_ref(), self.kind)?;
        for (labels, value) in &self.samples {
            let one = of.encode_family(labels)?;
            match self.kind {
                MetricType::Counter => ConstCounter::new(*value).encode(one)?,
                _ => ConstGauge::new(*value).encode(one)?,
            }
        }
        Ok(())
    }
}

/// A whole number as metrics have them.
#[expect(clippy::cast_precision_loss, reason = "exact up to 9 PB; metrics have no other numbers")]
pub(super) fn number(whole: u64) -> f64 {
    whole as f64
}
