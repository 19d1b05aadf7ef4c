//! What is not counted but read at the moment somebody asks: it costs nothing until then.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// What was read. What could not be read is left out: a gap says that, a nought would lie.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Moment {
    /// The process of evenkeel.
    pub process: Option<ProcessUse>,
    /// The host.
    pub host: Option<HostUse>,
    /// The file systems that directories are on, by the directory.
    pub disks: BTreeMap<String, DiskUse>,
    /// The size of the state DB with its log, in bytes.
    pub db_size: Option<u64>,
}

/// What a process has used and has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProcessUse {
    /// Time on CPUs, the kernel's included.
    pub cpu: Duration,
    /// Memory in RAM, in bytes.
    pub resident: u64,
    /// Address space, in bytes.
    pub virtual_memory: u64,
    /// Open files.
    pub open_files: u64,
    /// How many it may open; `None`: no limit.
    pub max_files: Option<u64>,
    /// Threads.
    pub threads: u64,
    /// When it started, since the epoch.
    pub started: Duration,
}

/// What a host has used and has.
#[derive(Debug, Clone, PartialEq)]
pub struct HostUse {
    /// CPUs.
    pub cpus: u64,
    /// The time that they spent, all together, by what on.
    pub cpu: Vec<(&'static str, Duration)>,
    /// Memory, in bytes.
    pub memory: u64,
    /// How much of it something new could have, in bytes.
    pub available: Option<u64>,
}

/// How full a file system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskUse {
    /// Its size, in bytes.
    pub size: u64,
    /// What may still be written by who is not root, in bytes.
    pub available: u64,
}

type Labels = Vec<(&'static str, String)>;

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

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
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

impl Collector for Moment {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = [of_process(self), of_host(self), of_db(self)];
        all.iter().flatten().try_for_each(|series| series.encode(&mut encoder))
    }
}

/// Under the names that every exporter has.
fn of_process(moment: &Moment) -> Vec<Series> {
    let of = |read: fn(&ProcessUse) -> u64| moment.process.as_ref().map(read).map(number);
    let cpu = moment.process.map(|it| it.cpu.as_secs_f64());
    let started = moment.process.map(|it| it.started.as_secs_f64());
    let max = moment.process.and_then(|it| it.max_files).map(number);
    vec![
        Series::counter("process_cpu", "Time on CPUs, the kernel's included").seconds().is(cpu),
        Series::gauge("process_resident_memory", "Memory in RAM").bytes().is(of(|it| it.resident)),
        Series::gauge("process_virtual_memory", "Address space")
            .bytes()
            .is(of(|it| it.virtual_memory)),
        Series::gauge("process_open_fds", "Open files").is(of(|it| it.open_files)),
        Series::gauge("process_max_fds", "How many files it may open").is(max),
        Series::gauge("process_threads", "Threads").is(of(|it| it.threads)),
        Series::gauge("process_start_time", "When it started, since 1970").seconds().is(started),
    ]
}

fn of_host(moment: &Moment) -> Vec<Series> {
    let host = moment.host.as_ref();
    let modes = host.into_iter().flat_map(|host| &host.cpu);
    let modes = modes.map(|(mode, time)| (vec![("mode", (*mode).to_owned())], time.as_secs_f64()));
    let disks = |read: fn(&DiskUse) -> u64| {
        let each = moment.disks.iter();
        each.map(move |(path, disk)| (vec![("path", path.clone())], number(read(disk))))
    };
    let available = host.and_then(|host| host.available).map(number);
    vec![
        Series::counter("evenkeel_host_cpu", "Time that the host's CPUs spent, by what on")
            .seconds()
            .are(modes),
        Series::gauge("evenkeel_host_cpus", "CPUs of the host")
            .is(host.map(|host| number(host.cpus))),
        Series::gauge("evenkeel_host_memory", "Memory of the host")
            .bytes()
            .is(host.map(|host| number(host.memory))),
        Series::gauge("evenkeel_host_memory_available", "Memory that something new could have")
            .bytes()
            .is(available),
        Series::gauge("evenkeel_host_disk", "Size of the file system that a directory is on")
            .bytes()
            .are(disks(|disk| disk.size)),
        Series::gauge("evenkeel_host_disk_available", "What may still be written there")
            .bytes()
            .are(disks(|disk| disk.available)),
    ]
}

fn of_db(moment: &Moment) -> Vec<Series> {
    let size = moment.db_size.map(number);
    vec![Series::gauge("evenkeel_db_size", "The state DB with its log").bytes().is(size)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Exposition, Metrics};

    #[test]
    fn what_could_not_be_read_must_be_left_out() {
        let read = |moment| Metrics::default().exposed(moment, Exposition::OpenMetrics);
        assert!(!read(Moment::default()).contains("evenkeel_host"));
        let mut moment = Moment { db_size: Some(4096), ..Moment::default() };
        moment.disks.insert("/a \"b\"".to_owned(), DiskUse { size: 1 << 40, available: 7 });
        let text = read(moment.clone());
        for line in [
            "# TYPE evenkeel_host_disk_bytes gauge",
            "# UNIT evenkeel_host_disk_bytes bytes",
            r#"evenkeel_host_disk_bytes{path="/a \"b\""} 1099511627776.0"#,
            r#"evenkeel_host_disk_available_bytes{path="/a \"b\""} 7.0"#,
            "evenkeel_db_size_bytes 4096.0",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("process_") && text.ends_with("\n# EOF\n"), "{text}");
        let text = Metrics::default().exposed(moment, Exposition::PrometheusText);
        assert!(text.contains("\nevenkeel_db_size_bytes 4096.0\n") && !text.contains("# EOF"));
    }
}
