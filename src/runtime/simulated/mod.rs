//! An engine of the tests: Docker Engine's rules, in memory, on tokio's clock.
//!
//! It spawns nothing, draws no random number and reads no real clock, so on a paused clock the
//! same story goes the same way each time. It is its own remote control: what a test does by hand
//! (`exit`, `pause_by_hand`, `engine_down`…) is neither counted nor faulted. Docker's ring of past
//! events is left out: nothing here asks for the past.

mod around;
mod exec;
mod fault;
mod hand;
mod process;
mod resource;
mod steps;
mod usage;
mod watch;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::BoxStream;
use tokio::sync::{oneshot, watch as channel};
use tokio::time::Instant;

pub use fault::{Fault, Operation};
pub use process::Behaviour;
pub use world::Happened;

use self::world::{Asked, World};
use super::{EngineEvent, EngineInfo, Exec, LogChunk, LogQuery, Resource, Runtime, Unreachable};
use crate::domain::container::{Container, ContainerSpec, NetworkAttachment};
use crate::domain::instance::ContainerId;
use crate::domain::name::WorkerName;
use crate::domain::outcome::Outcome;
use crate::domain::pull::{LayerNews, Layers, PullProgress};
use crate::domain::subnet::Subnet;
use crate::domain::template::{ImageRef, PullPolicy, Resources};
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;

/// An engine in memory. Its clones are the same engine.
#[derive(Debug, Clone)]
pub struct Simulated {
    world: Arc<Mutex<World>>,
    /// Moves at every change.
    changes: channel::Sender<u64>,
}

impl Simulated {
    /// An engine with nothing in it, not even an image. Within a tokio runtime.
    #[must_use]
    pub fn new() -> Self {
        let world = Arc::new(Mutex::new(World::new(Instant::now())));
        Self { world, changes: channel::Sender::new(0) }
    }

    /// Looks at the world as it is now.
    fn look<T>(&self, look: impl FnOnce(&mut World, Instant) -> T) -> T {
        let now = Instant::now();
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = world.advance(now);
        let seen = look(&mut world, now);
        drop(world);
        if ended {
            self.changes.send_modify(|number| *number += 1);
        }
        seen
    }

    /// Changes the world as it is now.
    fn change<T>(&self, change: impl FnOnce(&mut World, Instant) -> T) -> T {
        let result = self.look(change);
        self.changes.send_modify(|number| *number += 1);
        result
    }

    /// Waits until `look` sees something; time and every change make it look again.
    async fn wait_for<T>(&self, mut look: impl FnMut(&mut World) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let (seen, next) = self.look(|world, _| (look(world), world.next_end()));
            if let Some(seen) = seen {
                return seen;
            }
            let time = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                moved = changes.changed() => moved.expect("we hold the sender"),
                () = time => {}
            }
        }
    }

    /// Counts a call and lets it through: with a fault, or not at all if the engine is down, or
    /// hangs for longer than a question is waited for.
    async fn admit(&self, operation: Operation) -> Result<Option<Fault>, Unreachable> {
        let (fault, latency, frozen) = self.look(|world, _| {
            let frozen = world.faults.frozen;
            let fault = if frozen { None } else { world.faults.count(operation) };
            (fault, world.faults.latency.get(&operation).copied(), frozen)
        });
        if frozen {
            std::future::pending::<()>().await;
        }
        if let Some(latency) = latency {
            // What a step does late is done all the same; a question is given up.
            let late = !operation.is_step() && latency > operation.deadline();
            tokio::time::sleep(if late { operation.deadline() } else { latency }).await;
            if late {
                return Err(Unreachable(no_answer(operation)));
            }
        }
        if !operation.is_step() {
            let answers = self.wait_for(|world| (!world.hung).then_some(()));
            let answers = tokio::time::timeout(operation.deadline(), answers).await;
            answers.map_err(|_| Unreachable(no_answer(operation)))?;
        }
        if self.look(|world, _| world.down) {
            return Err(Unreachable("connection refused".to_owned()));
        }
        Ok(fault)
    }

    /// Does a step, and what the test has planned for it.
    async fn step<T: Send + 'static>(
        &self,
        operation: Operation,
        act: impl FnOnce(&mut World, Instant) -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        self.step_until(operation, operation.deadline(), act, |_| true).await
    }

    /// The same, where the engine answers only once `is_over`.
    async fn step_until<T: Send + 'static>(
        &self,
        operation: Operation,
        deadline: Duration,
        act: impl FnOnce(&mut World, Instant) -> Outcome<T> + Send + 'static,
        is_over: impl Fn(&World) -> bool + Send + Sync,
    ) -> Outcome<T> {
        let fault = match self.admit(operation).await {
            Ok(fault) => fault,
            Err(unreachable) => return Outcome::Unknown(unreachable.0),
        };
        if fault == Some(Fault::Hang) {
            self.hang();
        }
        let act = async {
            let answered = tokio::time::timeout(deadline, self.answer(act, is_over)).await;
            answered.unwrap_or_else(|_| Outcome::Unknown(no_answer(operation)))
        };
        match fault {
            None | Some(Fault::Hang) => act.await,
            Some(Fault::Rejected(rejection)) => Outcome::Rejected(rejection),
            Some(Fault::RequestLost) => Outcome::Unknown("the request was lost".to_owned()),
            Some(Fault::ReplyLost) => {
                act.await;
                Outcome::Unknown("the reply was lost".to_owned())
            }
            Some(Fault::FreezeBefore) => self.freeze().await,
            Some(Fault::FreezeApplied) => {
                act.await;
                self.freeze().await
            }
            Some(Fault::FreezeReplied) => {
                let outcome = act.await;
                self.change(|world, _| world.faults.frozen = true);
                outcome
            }
        }
    }

    /// Does something and tells what came of it once `is_over`; as soon as it does not hang.
    async fn answer<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut World, Instant) -> Outcome<T> + Send + 'static,
        is_over: impl Fn(&World) -> bool,
    ) -> Outcome<T> {
        let (reply, answer) = oneshot::channel();
        self.change(|world, now| {
            let asked = Asked(Box::new(move |world, now| {
                // Nobody may wait for it any more.
                let _late = reply.send(act(world, now));
            }));
            if world.hung { world.asked.push(asked) } else { asked.0(world, now) }
        });
        let lost = || Outcome::Unknown("connection reset".to_owned());
        let Ok(outcome) = answer.await else { return lost() };
        let over =
            |world: &mut World| (!world.hung && (world.down || is_over(world))).then_some(());
        self.wait_for(over).await;
        if self.look(|world, _| is_over(world)) { outcome } else { lost() }
    }

    async fn freeze<T>(&self) -> Outcome<T> {
        self.change(|world, _| world.faults.frozen = true);
        std::future::pending().await
    }
}

fn no_answer(operation: Operation) -> String {
    format!("no answer to {operation:?} within {} s", operation.deadline().as_secs())
}

impl Default for Simulated {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for Simulated {
    async fn info(&self) -> Result<EngineInfo, Unreachable> {
        self.admit(Operation::Info).await?;
        Ok(self.look(|world, _| EngineInfo {
            id: world.engine_id.clone(),
            version: "simulated".to_owned(),
            api_version: "1.41".to_owned(),
            data_root: None,
        }))
    }

    async fn started_at(&self) -> Result<Option<Timestamp>, Unreachable> {
        self.admit(Operation::StartedAt).await?;
        Ok(self.look(|world, _| Some(world.engine_started)))
    }

    async fn sees(&self, path: &str) -> Result<Option<bool>, Unreachable> {
        self.admit(Operation::Sees).await?;
        Ok(self.look(|world, _| Some(!world.elsewhere && !world.missing_paths.contains(path))))
    }

    async fn list(&self, worker: &WorkerName) -> Result<Vec<Container>, Unreachable> {
        self.admit(Operation::List).await?;
        Ok(self.look(|world, _| match world.false_lists.pop_front() {
            Some(list) => list,
            None => world.listed(worker),
        }))
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Option<Container>, Unreachable> {
        self.admit(Operation::Inspect).await?;
        if self.look(|world, _| world.mute.contains(id)) {
            return Err(Unreachable("the answer makes no sense".to_owned()));
        }
        Ok(self.look(|world, _| world.shown(id)))
    }

    async fn usage(&self, id: &ContainerId) -> Result<Option<Usage>, Unreachable> {
        self.admit(Operation::Usage).await?;
        Ok(self.look(|world, now| world.usage(id, now)))
    }

    async fn list_resources(&self, worker: &WorkerName) -> Result<Resource, Unreachable> {
        self.admit(Operation::ListResources).await?;
        Ok(self.look(|world, _| world.resources(worker)))
    }

    fn events(&self, worker: &WorkerName) -> BoxStream<'static, EngineEvent> {
        watch::events(self.clone(), worker)
    }

    async fn pull(
        &self,
        image: &ImageRef,
        policy: PullPolicy,
        progress: &channel::Sender<PullProgress>,
    ) -> Outcome<String> {
        let image = image.clone();
        if policy == PullPolicy::Never {
            return match self.admit(Operation::LookForImage).await {
                Ok(_) => self.look(|world, _| world.pull(&image, policy)),
                Err(unreachable) => Outcome::Unknown(unreachable.0),
            };
        }
        let mut layers = Layers::default();
        layers.take("layer", LayerNews::Fetching(1 << 20, Some(4 << 20)));
        progress.send_replace(layers.progress());
        self.step(Operation::Pull, move |world, _| world.pull(&image, policy)).await
    }

    async fn make_network(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
        pool: Subnet,
    ) -> Outcome {
        let (name, labels) = (name.to_owned(), labels.clone());
        let act = move |world: &mut World, _| world.make_network(&name, &labels, pool);
        self.step(Operation::MakeNetwork, act).await
    }

    async fn remove_network(&self, name: &str) -> Outcome {
        let name = name.to_owned();
        self.step(Operation::RemoveNetwork, move |world, _| world.remove_network(&name)).await
    }

    async fn make_volume(&self, name: &str, labels: &BTreeMap<String, String>) -> Outcome {
        let (name, labels) = (name.to_owned(), labels.clone());
        self.step(Operation::MakeVolume, move |world, _| world.make_volume(&name, &labels)).await
    }

    async fn create(&self, spec: &ContainerSpec) -> Outcome<ContainerId> {
        let spec = spec.clone();
        self.step(Operation::Create, move |world, _| world.create(&spec)).await
    }

    async fn start(&self, id: &ContainerId) -> Outcome {
        let id = id.clone();
        self.step(Operation::Start, move |world, now| world.start(&id, now)).await
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Outcome {
        let (operation, stopped) = (Operation::Stop, id.clone());
        let begin = move |world: &mut World, now| {
            world.begin_stop(&stopped, grace, now);
            Outcome::Done(())
        };
        let is_over =
            |world: &World| !world.containers.get(id).is_some_and(|body| body.process.is_alive());
        self.step_until(operation, grace + operation.deadline(), begin, is_over).await
    }

    async fn remove(&self, id: &ContainerId) -> Outcome {
        let id = id.clone();
        self.step(Operation::Remove, move |world, _| world.remove(&id)).await
    }

    async fn unpause(&self, id: &ContainerId) -> Outcome {
        let id = id.clone();
        self.step(Operation::Unpause, move |world, now| world.unpause(&id, now)).await
    }

    async fn rename(&self, id: &ContainerId, name: &str) -> Outcome {
        let (id, name) = (id.clone(), name.to_owned());
        self.step(Operation::Rename, move |world, _| world.rename(&id, &name)).await
    }

    async fn update(&self, id: &ContainerId, resources: &Resources) -> Outcome {
        let (id, resources) = (id.clone(), *resources);
        self.step(Operation::Update, move |world, _| world.update(&id, &resources)).await
    }

    async fn connect(&self, id: &ContainerId, network: &NetworkAttachment) -> Outcome {
        let (id, network) = (id.clone(), network.clone());
        self.step(Operation::Connect, move |world, _| world.connect(&id, &network)).await
    }

    async fn exec(
        &self,
        id: &ContainerId,
        command: &[String],
        _limit: Duration,
    ) -> Result<Exec, Unreachable> {
        self.admit(Operation::Exec).await?;
        self.look(|world, _| world.exec(id, command))
    }

    async fn exec_runs(&self, _exec: &str) -> Result<bool, Unreachable> {
        self.admit(Operation::Exec).await?;
        Ok(self.look(|world, _| world.late_execs))
    }

    fn logs(
        &self,
        id: &ContainerId,
        query: &LogQuery,
    ) -> BoxStream<'static, Result<LogChunk, Unreachable>> {
        watch::logs(self.clone(), id.clone(), query.clone())
    }
}
