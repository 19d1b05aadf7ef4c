//! What is told who measures: the metrics of the worker, of its process and host, and what
//! instances use. Nothing is read of the engine, the kernel or a disk before somebody asks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::openapi::Operation;
use super::route::{Accept, Output, Refused};
use super::server::Sources;
use crate::db;
use crate::domain::name::TaskName;
use crate::domain::usage::Usage;
use crate::host;
use crate::metrics::{DiskUse, Exposition, HostUse, Metrics, Moment, ProcessUse};
use crate::patience::Patience;
use crate::worker::command::Command;
use crate::worker::pulse::{Pulse, RunningInstance};
use crate::worker::usages::{Reading, Usages};

/// How long the worker and a disk are waited for: who scrapes waits for 10 s mostly, and gets the
/// rest without them.
const LIMIT: Duration = Duration::from_secs(2);

/// How many disks are asked at once, the kernel counted with them.
const AT_ONCE: usize = 8;

/// The type of what is written as `OpenMetrics` has it, and as Prometheus had it before.
const OPEN_METRICS: &str = "application/openmetrics-text";
const PLAIN: &str = "text/plain";

/// What is measured.
#[derive(Debug, Clone)]
pub struct Measures {
    metrics: Arc<Metrics>,
    usages: Usages,
    state_dir: PathBuf,
    source: PathBuf,
    patience: Patience,
}

impl Measures {
    /// Of a worker with these directories.
    #[must_use]
    pub fn new(
        metrics: Arc<Metrics>,
        usages: Usages,
        state_dir: impl Into<PathBuf>,
        source: impl Into<PathBuf>,
    ) -> Self {
        let patience = Patience::new(LIMIT, AT_ONCE);
        Self { metrics, usages, state_dir: state_dir.into(), source: source.into(), patience }
    }

    /// The process and the host, as the kernel tells.
    async fn kernel(&self) -> (Option<ProcessUse>, Option<HostUse>) {
        let read = || (host::process(), host::whole());
        self.patience.run("the kernel", read).await.unwrap_or_default()
    }

    /// The disks that the state, the source and the engine's data are on, as far as they answer.
    async fn disks(&self, engine_data: Option<String>) -> BTreeMap<String, DiskUse> {
        let ours = [self.state_dir.clone(), self.source.clone()];
        let paths = ours.into_iter().chain(engine_data.map(PathBuf::from));
        let asked = paths.map(async |path| {
            let shown = path.display().to_string();
            let told = self.patience.run(&shown, move || host::disk(&path)).await.ok()?.ok()?;
            Some((shown, told))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// The size of the state DB.
    async fn db_size(&self) -> Option<u64> {
        let dir = self.state_dir.clone();
        self.patience.run("the size of the state DB", move || db::size(&dir)).await.ok()?.ok()
    }

    async fn read(&self, running: &[RunningInstance]) -> Reading {
        self.usages.read(running.iter().map(|it| it.container.clone()).collect()).await
    }
}

impl Sources {
    /// How the worker is in numbers, if it tells in time.
    async fn pulse(&self) -> Option<Pulse> {
        tokio::time::timeout(LIMIT, self.ask(Command::Pulse)).await.ok()?.ok()
    }

    async fn moment(&self) -> Moment {
        let measures = &self.measures;
        let source_read = self.health.borrow().last_full_read.map(|at| at.elapsed());
        let of_worker = async {
            let pulse = self.pulse().await.unwrap_or_default();
            let engine_data = pulse.engine_data.clone();
            let (reading, disks) =
                tokio::join!(measures.read(&pulse.running), measures.disks(engine_data));
            (pulse, reading, disks)
        };
        let ((pulse, reading, disks), (process, host), db_size) =
            tokio::join!(of_worker, measures.kernel(), measures.db_size());
        Moment {
            process,
            host,
            disks,
            db_size,
            source_read,
            engine_read: pulse.engine_read,
            usages: by_slot(&pulse.running, &reading),
            instances: pulse.instances,
            phases: pulse.phases,
            replicas: pulse.replicas,
        }
    }
}

/// What instances use, by slot: of two that run in one, while one takes over from the other, it is
/// the newer one that tells.
fn by_slot(
    running: &[RunningInstance],
    reading: &Reading,
) -> BTreeMap<(TaskName, u16), (Usage, Option<u64>)> {
    // In the order of attempts: the last one stays.
    let told = running.iter().filter_map(|it| {
        let usage = reading.get(&it.container)?.clone();
        Some(((it.task.clone(), it.seat.slot), (usage, it.memory_limit)))
    });
    told.collect()
}

/// All metrics.
pub(super) async fn metrics(sources: Sources, accept: Accept) -> Result<Exposed, Refused> {
    let exposition = match accept.first_of(&[OPEN_METRICS, PLAIN]) {
        Some(1) => Exposition::PrometheusText,
        Some(_) | None => Exposition::OpenMetrics,
    };
    let moment = sources.moment().await;
    Ok(Exposed(sources.measures.metrics.exposed(moment, exposition), exposition))
}

/// Metrics, written.
pub(super) struct Exposed(String, Exposition);

impl IntoResponse for Exposed {
    fn into_response(self) -> Response {
        let of_type = match self.1 {
            Exposition::OpenMetrics => format!("{OPEN_METRICS}; version=1.0.0; charset=utf-8"),
            Exposition::PrometheusText => format!("{PLAIN}; version=0.0.4; charset=utf-8"),
        };
        ([(header::CONTENT_TYPE, of_type)], self.0).into_response()
    }
}

impl Output for Exposed {
    fn describe(operation: &mut Operation<'_>) {
        let schema = json!({"type": "string"});
        let says = "All metrics, as OpenMetrics has them; as Prometheus had them before, where \
                    Accept names that type first";
        operation.answers(StatusCode::OK, says, OPEN_METRICS, &schema);
        operation.answers(StatusCode::OK, says, PLAIN, &schema);
    }
}

/// What an instance that runs uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceUsage {
    /// Of which task.
    pub task: TaskName,
    /// Which of the replicas.
    pub slot: u16,
    /// Which try at it.
    pub attempt: u32,
    /// The memory that it may have, in bytes; left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<u64>,
    /// What it has used.
    #[serde(flatten)]
    pub usage: Usage,
}

/// What instances use.
pub(super) async fn usage(sources: Sources, (): ()) -> Result<Json<Vec<InstanceUsage>>, Refused> {
    let pulse = sources.ask(Command::Pulse).await?;
    let reading = sources.measures.read(&pulse.running).await;
    let told = pulse.running.into_iter().filter_map(|it| {
        let usage = reading.get(&it.container)?.clone();
        let (slot, attempt) = (it.seat.slot, it.seat.attempt);
        let memory_limit_bytes = it.memory_limit;
        Some(InstanceUsage { task: it.task, slot, attempt, memory_limit_bytes, usage })
    });
    Ok(Json(told.collect()))
}
