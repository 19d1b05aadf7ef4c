//! What holds after every look of every story.

use std::collections::{BTreeMap, BTreeSet};

use super::engine::Engine;
use crate::domain::blueprint::task_of;
use crate::domain::container::Identity;
use crate::domain::exclusive::clash;
use crate::domain::fingerprint::Fingerprint;
use crate::domain::instance::{ContainerId, InstanceId, Seat, Uid};
use crate::domain::name::{TaskName, WorkerName};
use crate::domain::plan::{Plan, Step};
use crate::domain::task::{RestartPolicy, Strategy, Task};
use crate::domain::time::Timestamp;
use crate::domain::waits::Waiting;
use crate::domain::world::World;

/// What has been promised so far.
#[derive(Default)]
pub struct Promises {
    /// The most second instances that any version of a task allowed.
    surge: BTreeMap<TaskName, usize>,
    /// Which instance a container was made for at a seat.
    made: BTreeMap<(Uid, Seat), InstanceId>,
    /// Each run of what runs at most once: its container and when it began.
    runs: BTreeMap<(Uid, u16, Fingerprint), BTreeSet<(ContainerId, Timestamp)>>,
    /// How often a start was sent to a container.
    pub starts: BTreeMap<Seat, u32>,
}

impl Promises {
    /// A version of a task was accepted.
    pub fn accepted(&mut self, task: &Task) {
        let most = self.surge.entry(task.name.clone()).or_default();
        let beside = !task.is_job() && task.update.strategy == Strategy::Rolling;
        *most = (*most).max(usize::from(task.update.max_surge) * usize::from(beside));
    }

    /// The DB is lost: only what is found on the engine is known.
    pub fn lose_db(&mut self) {
        self.made.clear();
        self.runs.clear();
    }

    /// Nothing tells any more that this container ever ran.
    pub fn forget_run(&mut self, container: &ContainerId) {
        for runs in self.runs.values_mut() {
            runs.retain(|(of, _)| of != container);
        }
    }

    /// Checks a plan against the world it was made from.
    pub fn plan(&mut self, world: &World, plan: &Plan) {
        let uid = world.record.head.uid;
        assert!(!world.in_doubt || !begins(plan), "begun while its manifest is gone: {plan}");
        for planned in &plan.steps {
            let seat = planned.seat;
            let instance = world.record.instances.get(&seat);
            match planned.step {
                Step::Begin { .. } => assert!(instance.is_none(), "{seat} is begun twice"),
                Step::Create => {
                    let id = instance.expect("an instance that is written down").id;
                    let before = self.made.insert((uid, seat), id);
                    assert!(before.is_none_or(|it| it == id), "a second {seat} is made");
                }
                Step::Forget => {
                    self.made.remove(&(uid, seat));
                }
                _ => assert!(instance.is_some(), "{planned}: no such instance"),
            }
            let made_from = match planned.step {
                Step::Begin { revision, .. } => Some(revision),
                Step::Create | Step::Start(_) => instance.map(|it| it.revision),
                _ => None,
            };
            if let Some(revision) = made_from {
                let task = task_of(world.record, &world.record.revisions[&revision]);
                let judgement = world.judge.judge(task);
                assert!(judgement.is_allowed(), "{planned}, though {judgement:?}");
            }
            if let Step::Start(_) = planned.step {
                *self.starts.entry(seat).or_default() += 1;
            }
            let same = plan.steps.iter().filter(|other| other.seat == seat).count();
            assert_eq!(same, 1, "more than one step for {seat}:\n{plan}");
        }
        let does = plan.revise
            || plan.refuse.is_some()
            || plan.pull.is_some()
            || !plan.steps.is_empty()
            || plan.vanished;
        if !does && !plan.waiting.is_empty() && plan.wake_at.is_none() {
            let woken = plan.waiting.iter().all(is_woken);
            assert!(woken, "nothing ever wakes this:\n{plan}");
        }
    }

    /// Checks what runs.
    pub fn hold(&mut self, engine: &Engine, worker: &WorkerName) {
        let mut slots: BTreeMap<(TaskName, u16), usize> = BTreeMap::new();
        let mut staying: BTreeMap<(TaskName, u16), usize> = BTreeMap::new();
        for held in engine.running() {
            let who = Identity::from_labels(&held.container.labels).expect("ours");
            let slot = (who.task, who.seat.slot);
            *slots.entry(slot.clone()).or_default() += 1;
            // What leaves counts for no surge, as in Kubernetes.
            *staying.entry(slot).or_default() += usize::from(!held.leaves);
        }
        for (task, surge) in &self.surge {
            let doubled = staying.iter().filter(|((of, _), count)| of == task && **count > 1);
            assert!(doubled.count() <= *surge, "{staying:?} run, a surge of {surge} is allowed");
        }
        assert!(slots.values().all(|count| *count <= 2), "{slots:?} run");
        for held in engine.containers.values() {
            let who = Identity::from_labels(&held.container.labels).expect("ours");
            let started = held.container.details.as_ref().and_then(|it| it.started_at);
            let task: Task = serde_json::from_str(&who.spec).expect("a task");
            if let (Some(started), RestartPolicy::Never) = (started, task.restart_policy) {
                let key = (who.uid, who.seat.slot, who.fingerprint);
                let runs = self.runs.entry(key).or_default();
                runs.insert((held.container.id.clone(), started));
                assert!(runs.len() <= 1, "{} ran more than once: {runs:?}", who.seat);
            }
        }
        let written = engine.written(worker);
        for (index, (mount, container)) in written.iter().enumerate() {
            for (theirs, other) in written[..index].iter().filter(|(_, it)| it != container) {
                let both = clash(mount, theirs);
                assert_eq!(both, None, "{other} and {container} both write that");
            }
        }
    }
}

/// Whether a plan makes or starts something, or makes ready for that.
fn begins(plan: &Plan) -> bool {
    let begins = |step: &Step| {
        matches!(
            step,
            Step::Begin { .. }
                | Step::MakeNetwork
                | Step::MakeVolume(_)
                | Step::Create
                | Step::Start(_)
        )
    };
    plan.revise || plan.pull.is_some() || plan.steps.iter().any(|it| begins(&it.step))
}

/// Whether something outside brings on a look when this is over.
fn is_woken(waiting: &Waiting) -> bool {
    match waiting {
        Waiting::Engine(_)
        | Waiting::EngineChanged(_)
        | Waiting::SourceChanged(_)
        | Waiting::Source
        | Waiting::Manifest
        | Waiting::Denied(_)
        | Waiting::HostPath(_)
        | Waiting::NoSharedHost(_)
        | Waiting::Step(..)
        | Waiting::Observation(_)
        | Waiting::Discovery
        | Waiting::Pulling(_)
        | Waiting::Port { .. }
        | Waiting::Mount { .. }
        | Waiting::Loose { .. }
        | Waiting::Unsupported(..)
        | Waiting::Readiness(..)
        | Waiting::StuckRemoving(..)
        | Waiting::Stopping(_) => true,
        Waiting::PullRetry { .. }
        | Waiting::Retry { .. }
        | Waiting::BackOff { .. }
        | Waiting::Repair { .. }
        | Waiting::RestartPace(_)
        | Waiting::BusyPort(..)
        | Waiting::Doubt(..)
        | Waiting::Proof(..) => false,
    }
}
