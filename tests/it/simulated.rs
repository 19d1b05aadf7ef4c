//! The simulated engine: that it does what every engine must, and what only it can.

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use evenkeel::domain::container::{ContainerSpec, Status};
use evenkeel::domain::instance::ContainerId;
use evenkeel::domain::name::WorkerName;
use evenkeel::domain::outcome::{Cause, Outcome, Rejection, Retry};
use evenkeel::domain::subnet::Subnet;
use evenkeel::domain::template::{ImageRef, PullPolicy};
use evenkeel::runtime::simulated::{Behaviour, Fault, Operation, Simulated};
use evenkeel::runtime::{EngineEvent, Runtime};
use futures_util::StreamExt;

use crate::contract::{self, Bench, Program, pull};

const IMAGE: &str = "evenkeel/busybox:1";

struct SimulatedBench {
    engine: Simulated,
    worker: WorkerName,
    port: AtomicU16,
}

impl SimulatedBench {
    fn new() -> Self {
        let engine = Simulated::new();
        engine.add_image(IMAGE);
        engine.miss_path("/no/such/path", true);
        let runs = Behaviour::runs;
        engine.program(&["stubborn"], Behaviour::stubborn().writing("out\n", ""));
        engine.program(&["missing"], Behaviour::missing());
        engine.program(&["writes"], Behaviour::ends(Duration::ZERO, 0).writing("out\n", "err\n"));
        engine.program(&["writes-and-runs"], runs().writing("out\n", ""));
        Self { engine, worker: WorkerName::parse("test").unwrap(), port: AtomicU16::new(20_000) }
    }
}

impl Bench for SimulatedBench {
    type Engine = Simulated;

    fn engine(&self) -> &Simulated {
        &self.engine
    }

    fn worker(&self) -> &WorkerName {
        &self.worker
    }

    fn image(&self) -> ImageRef {
        ImageRef::checked(IMAGE)
    }

    fn command(&self, program: Program) -> Vec<String> {
        let word = match program {
            Program::Runs => "runs".to_owned(),
            Program::Stubborn => "stubborn".to_owned(),
            Program::Writes => "writes".to_owned(),
            Program::WritesAndRuns => "writes-and-runs".to_owned(),
            Program::Missing => "missing".to_owned(),
            Program::Ends(code) => {
                let word = format!("ends-with-{code}");
                let after = Duration::from_millis(10);
                self.engine.program(&[&word], Behaviour::ends(after, code.into()));
                word
            }
        };
        vec![word]
    }

    fn pool(&self) -> Subnet {
        "10.213.0.0/16".parse().unwrap()
    }

    fn free_port(&self) -> u16 {
        self.port.fetch_add(1, Ordering::Relaxed)
    }

    fn missing_path(&self) -> String {
        "/no/such/path".to_owned()
    }

    fn pause(&self, id: &ContainerId) {
        self.engine.pause_by_hand(id);
    }

    fn stranger(&self, name: &str, labels: &[(&str, &str)]) -> ContainerId {
        let spec = ContainerSpec { network: None, ..stranger(name, labels) };
        let id = self.engine.add_container(&spec).unwrap();
        let _ = self.engine.start_by_hand(&id);
        id
    }

    fn strangers_network(&self, name: &str) {
        self.engine.add_network(name, &Default::default());
    }

    fn strangers_volume(&self, name: &str) {
        self.engine.add_volume(name, &Default::default());
    }
}

fn stranger(name: &str, labels: &[(&str, &str)]) -> ContainerSpec {
    let labels = labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()));
    let template = serde_json::json!({ "image": "stranger", "imagePullPolicy": "Never" });
    ContainerSpec {
        name: name.to_owned(),
        labels: labels.collect(),
        image_id: "sha256:stranger".to_owned(),
        template: serde_json::from_value(template).unwrap(),
        volumes: Default::default(),
        stop_timeout_seconds: 10,
        network: None,
    }
}

macro_rules! on_the_simulated_engine {
    ($($name:ident)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $name() {
                contract::$name(&SimulatedBench::new()).await;
            }
        )*
    };
}

mod does_what_every_engine_must {
    use super::*;

    contract::obligations!(on_the_simulated_engine);
}

/// An engine with an image, and a spec that it takes.
fn engine_and_spec() -> (Simulated, ContainerSpec) {
    let engine = Simulated::new();
    let image_id = engine.add_image(IMAGE);
    let labels = [("evenkeel.worker", "test"), ("evenkeel.instance", "1")];
    (engine, ContainerSpec { image_id, ..stranger("one", &labels) })
}

fn worker() -> WorkerName {
    WorkerName::parse("test").unwrap()
}

fn refusal() -> Rejection {
    Rejection { cause: Cause::NoSpace, retry: Retry::Later, message: "full".into() }
}

#[tokio::test(start_paused = true)]
async fn a_fault_comes_at_the_step_it_was_planned_for() {
    let (engine, spec) = engine_and_spec();
    engine.plan_fault(0, Fault::Rejected(refusal()));
    engine.plan_fault(1, Fault::RequestLost);
    engine.plan_fault(2, Fault::ReplyLost);
    assert_eq!(engine.create(&spec).await, Outcome::Rejected(refusal()));
    assert_eq!(engine.list(&worker()).await.unwrap(), [], "a list is no step");
    assert!(matches!(engine.create(&spec).await, Outcome::Unknown(_)));
    assert_eq!(engine.containers().len(), 0);
    assert!(matches!(engine.create(&spec).await, Outcome::Unknown(_)));
    assert_eq!(engine.containers().len(), 1, "the reply was lost, not the request");
    assert!(matches!(engine.create(&spec).await, Outcome::Done(_)));
    assert_eq!((engine.containers().len(), engine.steps()), (1, 4));
    assert_eq!(engine.calls(), [(Operation::List, 1), (Operation::Create, 4)].into());
}

#[tokio::test(start_paused = true)]
async fn a_freeze_lets_nobody_through_until_the_thaw() {
    for (fault, made) in
        [(Fault::FreezeBefore, 0), (Fault::FreezeApplied, 1), (Fault::FreezeReplied, 1)]
    {
        let (engine, spec) = engine_and_spec();
        engine.plan_fault(0, fault.clone());
        let worker_process = {
            let (engine, spec) = (engine.clone(), spec.clone());
            tokio::spawn(async move {
                let _ = engine.create(&spec).await;
                let _ = engine.remove_network("after").await;
                unreachable!("the second step never returns");
            })
        };
        engine.frozen().await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(!worker_process.is_finished(), "{fault:?}");
        worker_process.abort();
        assert!(worker_process.await.unwrap_err().is_cancelled());
        assert_eq!((engine.containers().len(), engine.steps()), (made, 1), "{fault:?}");
        engine.thaw();
        assert!(matches!(engine.create(&spec).await, Outcome::Done(_)));
        assert_eq!(engine.containers().len(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_ends_when_it_was_told_to_and_events_say_so() {
    let (engine, spec) = engine_and_spec();
    engine.task("/", Behaviour::ends(Duration::from_secs(60), 3));
    let Outcome::Done(id) = engine.create(&spec).await else { panic!() };
    assert_eq!(engine.start(&id).await, Outcome::Done(()));
    let mut events = engine.events(&worker());
    assert_eq!(events.next().await, Some(EngineEvent::Relist));
    assert_eq!(events.next().await, Some(EngineEvent::Container(id.clone())));
    let details = engine.containers()["one"].details.clone().unwrap();
    let (started, finished) = (details.started_at.unwrap(), details.finished_at.unwrap());
    assert_eq!((finished.since(started), details.exit_code), (Duration::from_secs(60), 3));
    assert_eq!(engine.wall_clock(), finished);
}

#[tokio::test(start_paused = true)]
async fn a_stop_goes_on_when_nobody_waits_for_it_any_more() {
    let (engine, spec) = engine_and_spec();
    engine.task("/", Behaviour::stubborn());
    let Outcome::Done(id) = engine.create(&spec).await else { panic!() };
    assert_eq!(engine.start(&id).await, Outcome::Done(()));
    let stop = engine.stop(&id, Duration::from_secs(10));
    assert!(tokio::time::timeout(Duration::from_secs(1), stop).await.is_err());
    tokio::time::sleep(Duration::from_secs(9)).await;
    let container = engine.containers()["one"].clone();
    assert_eq!((container.status, container.details.unwrap().exit_code), (Status::Exited, 137));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_restarts_ends_what_ran_and_forgets_what_happened() {
    let (engine, spec) = engine_and_spec();
    let Outcome::Done(handles) = engine.create(&spec).await else { panic!() };
    let other = ContainerSpec { name: "two".into(), ..spec.clone() };
    engine.start(&handles).await;
    engine.task("/", Behaviour::stubborn());
    let Outcome::Done(ignores) = engine.create(&other).await else { panic!() };
    engine.start(&ignores).await;
    let mut events = engine.events(&worker());
    assert_eq!(events.next().await, Some(EngineEvent::Relist));
    let before = (engine.info().await.unwrap(), engine.started_at().await.unwrap());
    tokio::time::sleep(Duration::from_secs(5)).await;
    engine.restart_engine();
    assert_eq!(events.next().await, Some(EngineEvent::Relist));
    let quiet = tokio::time::timeout(Duration::from_secs(60), events.next()).await;
    assert!(quiet.is_err(), "what happened while it was down is not told");
    let after = (engine.info().await.unwrap(), engine.started_at().await.unwrap());
    assert_eq!((after.0, after.1 > before.1), (before.0, true));
    let code = |name: &str| engine.containers()[name].details.as_ref().unwrap().exit_code;
    assert_eq!((code("one"), code("two")), (0, 137));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_down_says_nothing_and_does_nothing() {
    let (engine, spec) = engine_and_spec();
    let mut events = engine.events(&worker());
    assert_eq!(events.next().await, Some(EngineEvent::Relist));
    engine.engine_down();
    assert!(engine.list(&worker()).await.is_err());
    assert!(engine.info().await.is_err());
    assert!(matches!(engine.create(&spec).await, Outcome::Unknown(_)));
    assert_eq!(engine.containers().len(), 0);
    engine.engine_up();
    assert_eq!(events.next().await, Some(EngineEvent::Relist));
    assert!(matches!(engine.create(&spec).await, Outcome::Done(_)));
}

#[tokio::test(start_paused = true)]
async fn a_list_can_be_stale_or_empty_and_events_can_be_lost() {
    let (engine, spec) = engine_and_spec();
    let mut events = engine.events(&worker());
    assert_eq!(events.next().await, Some(EngineEvent::Relist));
    engine.stale_list_once(&worker());
    engine.lose_events(true);
    let Outcome::Done(id) = engine.create(&spec).await else { panic!() };
    assert_eq!(engine.list(&worker()).await.unwrap(), []);
    assert_eq!(engine.list(&worker()).await.unwrap().len(), 1);
    engine.empty_list_once();
    assert_eq!(engine.list(&worker()).await.unwrap(), []);
    assert_eq!(engine.list(&worker()).await.unwrap().len(), 1);
    engine.lose_events(false);
    engine.start(&id).await;
    assert_eq!(events.next().await, Some(EngineEvent::Container(id)));
    let quiet = tokio::time::timeout(Duration::from_secs(60), events.next()).await;
    assert!(quiet.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_image_comes_from_the_registry_and_its_tag_may_move() {
    let engine = Simulated::new();
    let image = ImageRef::checked("web:1");
    let missing = pull(&engine, &image, PullPolicy::IfNotPresent).await;
    assert!(matches!(missing, Outcome::Rejected(r) if r.cause == Cause::ImageMissing));
    let first = engine.publish_image("web:1");
    engine.fail_pulls("web:1", [refusal()]);
    engine.set_latency(Operation::Pull, Duration::from_secs(30));
    let begun = tokio::time::Instant::now();
    assert_eq!(pull(&engine, &image, PullPolicy::Always).await, Outcome::Rejected(refusal()));
    assert_eq!(pull(&engine, &image, PullPolicy::Always).await, Outcome::Done(first.clone()));
    assert_eq!(begun.elapsed(), Duration::from_secs(60));
    let second = engine.publish_image("web:1");
    assert_eq!(pull(&engine, &image, PullPolicy::IfNotPresent).await, Outcome::Done(first));
    assert_eq!(pull(&engine, &image, PullPolicy::Always).await, Outcome::Done(second));
}
