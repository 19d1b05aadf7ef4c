//! `start_task` and `stop_task`: what a plan asks for, begun.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::engine::Finished;
use super::guard::caught;
use super::steps::{Call, Try, perform, prepare};
use super::{Worker, measure};
use crate::domain::blueprint::{blueprint, network_of, task_of};
use crate::domain::container::{container_name, network_name, volume_name};
use crate::domain::instance::{ContainerId, EndReason, Instance};
use crate::domain::name::TaskName;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::plan::{Planned, Pull, Step};
use crate::domain::record::Record;
use crate::domain::template::PullPolicy;
use crate::runtime::Runtime;

/// How often the last words of a failed instance are tried to be read: its container stays as long.
const LOG_TRIES: u32 = 3;

impl<R: Runtime> Worker<R> {
    /// Has the image that a plan asks for pulled, and no other.
    pub(super) fn want_pull(&mut self, name: &TaskName, pull: Option<&Pull>) {
        let (runtime, places, metrics) = (&self.runtime, &self.pull_places, &self.metrics);
        let jobs = &mut self.jobs;
        self.pulls.want(name, pull, |pull, progress| {
            let (runtime, places) = (Arc::clone(runtime), Arc::clone(places));
            let (image, policy) = (pull.image.clone(), pull.policy);
            let metrics = Arc::clone(metrics);
            jobs.spawn(async move {
                // What is there needs no place among those that fetch.
                if policy != PullPolicy::Always {
                    let may_fetch = policy == PullPolicy::IfNotPresent;
                    match runtime.pull(&image, PullPolicy::Never, &progress).await {
                        Outcome::Rejected(it) if may_fetch && it.cause == Cause::ImageMissing => {}
                        found => return Finished::Pulled(image, policy, found),
                    }
                }
                let _place = places.acquire().await;
                let began = Instant::now();
                let outcome = runtime.pull(&image, policy, &progress).await;
                metrics.work.stepped(("pull", "ImageWanted"), outcome.word(), began.elapsed());
                Finished::Pulled(image, policy, outcome)
            })
        });
    }

    /// `start_task` and `stop_task`: begins one step.
    pub(super) fn start_step(&mut self, name: &TaskName, planned: &Planned) {
        let seat = planned.seat;
        let call = caught(name, "step", || self.call(name, planned)).flatten();
        let Some((call, container)) = call else {
            warn!(task = %name, %planned, "a step was planned that can't be begun");
            return;
        };
        debug!(task = %name, %planned, "step");
        self.in_flight.entry(name.clone()).or_default().insert(seat, planned.step.name());
        if !self.makes.begin(&call, (name.clone(), seat)) {
            return;
        }
        let (runtime, setting) = (Arc::clone(&self.runtime), Arc::clone(&self.setting));
        let patience = self.patience.clone();
        let task = name.clone();
        let (metrics, reason) = (Arc::clone(&self.metrics), planned.reason.word());
        // A stop mostly waits: it takes no place from what is started.
        let waits = matches!(call, Call::Stop(..));
        let places = Arc::clone(if waits { &self.stop_places } else { &self.step_places });
        self.jobs.spawn(async move {
            let mut began = Instant::now();
            let done = match prepare(&setting, &patience, call).await {
                Ok(call) => {
                    let _place = places.acquire().await.ok();
                    began = Instant::now();
                    perform(&*runtime, &setting, call).await
                }
                Err(done) => done,
            };
            measure::step(&metrics.work, &done.report, reason, began.elapsed());
            Finished::Step { task, seat, container, done }
        });
    }

    /// The call that does a step, and the container it is about.
    fn call(&self, name: &TaskName, planned: &Planned) -> Option<(Call, Option<ContainerId>)> {
        let maker = &self.setting.maker;
        let record = self.records.get(name)?;
        let instance = record.instances.get(&planned.seat)?;
        let namespace = name.namespace.clone();
        Some(match planned.step.clone() {
            Step::Begin { .. } | Step::Drop | Step::Cancel | Step::Forget => return None,
            Step::MakeNetwork => {
                let network = network_name(&maker.worker, &namespace);
                (Call::MakeNetwork(network, namespace), None)
            }
            Step::MakeVolume(volume) => {
                let volume = volume_name(&maker.worker, &namespace, &volume);
                (Call::MakeVolume(volume, namespace), None)
            }
            Step::Create => (self.creation(record, instance)?, None),
            Step::Start(id) => (Call::Start(id.clone()), Some(id)),
            Step::Stop(id, grace) => (Call::Stop(id.clone(), grace), Some(id)),
            Step::Remove(id) => {
                let failed = instance.reason.is_some_and(|reason| reason != EndReason::Exited);
                // The last words of what failed are written down first; the look after that asks
                // for the removal again.
                if failed && !self.logs_kept.contains(&id) {
                    let failures = record.troubles.get(&planned.seat).map_or(0, |it| it.failures);
                    let attempt = if failures < LOG_TRIES { Try::Again } else { Try::Last };
                    (Call::ReadLog(id, instance.id, attempt), None)
                } else {
                    (Call::Remove(id.clone()), Some(id))
                }
            }
            Step::Unpause(id) => (Call::Unpause(id.clone()), Some(id)),
            Step::Rename(id) => {
                let name = container_name(&maker.worker, name, planned.seat);
                (Call::Rename(id.clone(), name), Some(id))
            }
            Step::Update(id, resources) => (Call::Update(id.clone(), resources), Some(id)),
            Step::Connect(id) => {
                (Call::Connect(id.clone(), network_of(maker, name, instance)), Some(id))
            }
        })
    }

    /// How a container is made; refused, at the last moment, if the policy is against it.
    fn creation(&self, record: &Record, instance: &Instance) -> Option<Call> {
        let maker = &self.setting.maker;
        let task = task_of(record, record.revisions.get(&instance.revision)?);
        let violations = self.setting.policy.violations(task, &maker.source);
        Some(match violations.into_iter().next() {
            Some(violation) => Call::Refuse(violation.refused()),
            None => Call::Create(Box::new(blueprint(maker, record, instance)?)),
        })
    }
}
