//! What is not counted but read at the moment somebody asks: it costs nothing until then.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::series::{Labels, Series, number};
use crate::domain::instance::State;
use crate::domain::name::TaskName;
use crate::domain::status::Phase;
use crate::domain::usage::Usage;

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
    /// How long ago the source was read whole for the last time.
    pub source_read: Option<Duration>,
    /// The same of the engine's list of containers.
    pub engine_read: Option<Duration>,
    /// Instances, by state.
    pub instances: BTreeMap<State, u64>,
    /// Tasks, by phase.
    pub phases: BTreeMap<Phase, u64>,
    /// Of each task how many instances are wanted, and how many of them are ready.
    pub replicas: Vec<(TaskName, u16, u16)>,
    /// What instances use, and the memory that they may have, by task and slot.
    pub usages: BTreeMap<(TaskName, u16), (Usage, Option<u64>)>,
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

impl Collector for Moment {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = [of_process(self), of_host(self), of_worker(self), of_instances(self)];
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

fn of_worker(moment: &Moment) -> Vec<Series> {
    let ago = |read: Option<Duration>| read.map(|ago| ago.as_secs_f64());
    let states = moment.instances.iter();
    let states = states.map(|(state, count)| (vec![("state", state.to_string())], number(*count)));
    let phases = moment.phases.iter();
    let phases = phases.map(|(phase, count)| (vec![("phase", phase.to_string())], number(*count)));
    let replicas = |read: fn(&(TaskName, u16, u16)) -> u16| {
        let each = moment.replicas.iter();
        each.map(move |task| (of_task(&task.0), f64::from(read(task))))
    };
    let source = "How long ago the source was read whole for the last time";
    let engine = "How long ago the engine was last asked for all containers and told";
    let size = moment.db_size.map(number);
    vec![
        Series::gauge("evenkeel_db_size", "The state DB with its log").bytes().is(size),
        Series::gauge("evenkeel_source_read_age", source).seconds().is(ago(moment.source_read)),
        Series::gauge("evenkeel_engine_read_age", engine).seconds().is(ago(moment.engine_read)),
        Series::gauge("evenkeel_instances", "Instances that are kept, by state").are(states),
        Series::gauge("evenkeel_tasks", "Tasks, by phase").are(phases),
        Series::gauge("evenkeel_task_replicas", "Instances that are wanted, by task")
            .are(replicas(|task| task.1)),
        Series::gauge("evenkeel_task_ready_replicas", "Those of them that are ready")
            .are(replicas(|task| task.2)),
    ]
}

fn of_task(name: &TaskName) -> Labels {
    vec![("namespace", name.namespace.to_string()), ("task", name.name.to_string())]
}

fn of_instances(moment: &Moment) -> Vec<Series> {
    let of = |read: fn(&(Usage, Option<u64>)) -> Option<f64>| {
        let each = moment.usages.iter();
        each.filter_map(move |((task, slot), used)| {
            let mut labels = of_task(task);
            labels.push(("slot", slot.to_string()));
            Some((labels, read(used)?))
        })
    };
    let counter = |name, help| Series::counter(name, help).bytes();
    vec![
        Series::counter("evenkeel_instance_cpu", "Its time on CPUs since it started")
            .seconds()
            .are(of(|(usage, _)| Some(Duration::from_nanos(usage.cpu_nanos).as_secs_f64()))),
        Series::gauge("evenkeel_instance_memory", "Its memory but what can be taken back at once")
            .bytes()
            .are(of(|(usage, _)| Some(number(usage.memory_bytes)))),
        Series::gauge("evenkeel_instance_memory_limit", "The memory that it may have, if limited")
            .bytes()
            .are(of(|(_, limit)| limit.map(number))),
        counter("evenkeel_instance_network_receive", "What its own networks brought it")
            .are(of(|(usage, _)| usage.network.map(|it| number(it.in_bytes)))),
        counter("evenkeel_instance_network_transmit", "What it sent through its own networks")
            .are(of(|(usage, _)| usage.network.map(|it| number(it.out_bytes)))),
        counter("evenkeel_instance_block_read", "What it read from disks")
            .are(of(|(usage, _)| Some(number(usage.block.in_bytes)))),
        counter("evenkeel_instance_block_written", "What it wrote to disks")
            .are(of(|(usage, _)| Some(number(usage.block.out_bytes)))),
    ]
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
