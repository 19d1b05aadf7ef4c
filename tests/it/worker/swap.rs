//! Another engine in place of the one before: an empty one, the same by another name, somebody
//! else's.

use std::time::Duration;

use evenkeel::domain::container::{ContainerSpec, Identity};
use evenkeel::domain::instance::{InstanceId, Uid};
use evenkeel::domain::status::{ConditionType, Phase, Truth};
use evenkeel::runtime::simulated::{Behaviour, Operation};
use uuid::Uuid;

use super::host::{Host, millis, secs, sleep, task};

const VOLUME: &str = "  mounts: [{path: /data, volume: data}]";

/// Services, one with a volume, and jobs: two that are done, one of them to be run once at most.
async fn busy() -> Host {
    let mut host = Host::new();
    host.engine.task("default/once", Behaviour::ends(secs(5), 0));
    host.engine.task("default/again", Behaviour::ends(secs(5), 0));
    host.write("web.yaml", &task("web", "  replicas: 2"));
    host.write("db.yaml", &task("db", VOLUME));
    host.write("once.yaml", &task("once", "  restartPolicy: Never"));
    host.write("again.yaml", &task("again", "  restartPolicy: OnFailure"));
    host.start().await;
    host.settle().await;
    sleep(secs(10)).await;
    host.settle().await;
    host
}

/// Takes all of this worker away, and calls the engine another one, while it can't be asked.
async fn swap(host: &Host, away: Duration) {
    host.engine.engine_down();
    for container in host.ours().into_values() {
        host.engine.remove_by_hand(&container.id);
    }
    host.engine.remove_network_by_hand("evenkeel.default.default");
    host.engine.remove_volume_by_hand("evenkeel.default.default.data");
    host.engine.replace_engine("OTHER");
    sleep(away).await;
    host.engine.engine_up();
}

/// How long it is away: too short to be missed, or not.
const AWAY: [Duration; 2] = [millis(100), secs(20)];

/// How often it was told that the engine is another one.
async fn told(host: &Host) -> usize {
    host.own_events().await.iter().filter(|(reason, _)| reason == "EngineChanged").count()
}

#[tokio::test(start_paused = true)]
async fn on_another_engine_with_nothing_on_it_all_must_be_made_anew_but_what_runs_once() {
    for away in AWAY {
        let mut host = busy().await;
        swap(&host, away).await;
        host.until("it is told", secs(60), async |host| told(host).await == 1).await;
        host.settle().await;
        assert_eq!(host.live_names(), ["db.0.2", "web.0.2", "web.1.2"], "away for {away:?}");
        assert_eq!(host.starts("once"), 1, "away for {away:?}");
        assert_eq!(host.status("once").await.phase, Phase::Completed);
        assert!(host.calls(Operation::MakeVolume) >= 2, "its volume is made, and not by the way");
        let lost = "the engine is another one, and its container is not on it";
        for name in ["web", "db"] {
            let events = host.events(name).await;
            assert!(host.has_event(name, "Lost", lost).await, "{events:#?}");
            let status = host.status(name).await;
            assert!(status.instances.iter().any(|it| it.reason.as_deref() == Some("Lost")));
        }
        let (live, steps) = (host.live(), host.engine.steps());
        host.kill().await;
        host.start().await;
        host.settle().await;
        sleep(secs(120)).await;
        assert_eq!((host.live(), host.engine.steps()), (live, steps));
        assert_eq!(told(&host).await, 1, "once, and not with each start");
    }
}

#[tokio::test(start_paused = true)]
async fn another_engine_must_be_noticed_by_who_starts_on_it() {
    let mut host = busy().await;
    host.kill().await;
    swap(&host, secs(1)).await;
    host.start().await;
    host.settle().await;
    assert_eq!((told(&host).await, host.live().len(), host.starts("once")), (1, 3, 1));
}

#[tokio::test(start_paused = true)]
async fn the_same_engine_by_another_name_must_be_told_and_nothing_done() {
    let host = busy().await;
    let (live, steps) = (host.live(), host.engine.steps());
    host.engine.engine_down();
    host.engine.replace_engine("OTHER");
    sleep(secs(20)).await;
    host.engine.engine_up();
    sleep(secs(120)).await;
    host.settle().await;
    assert_eq!((host.live(), host.engine.steps()), (live, steps));
    assert_eq!(told(&host).await, 1);
    assert_eq!(host.overview().await.engine_changed, None);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_has_lost_all_must_say_which_it_is_before_anything_is_made() {
    for away in AWAY {
        let host = busy().await;
        let steps = host.engine.steps();
        host.engine.set_latency(Operation::Info, secs(3600));
        swap(&host, away).await;
        sleep(secs(300)).await;
        assert_eq!(host.engine.steps(), steps, "away for {away:?}");
        let status = host.status("web").await;
        let converged = status.condition(ConditionType::Converged).unwrap();
        assert_eq!(converged.reason, "EngineUnavailable");
        assert!(converged.message.contains("which engine it is"), "{converged:?}");
        host.engine.set_latency(Operation::Info, secs(0));
        host.until("all run", secs(60), async |host| host.live().len() == 3).await;
        assert_eq!((told(&host).await, host.starts("once")), (1, 1));
    }
}

/// Containers that a worker of the same name made of the same directory, on another host: of a task
/// that is here too, and of one that is not.
fn add_others(host: &Host) {
    let (_, ours) = host.ours().into_iter().find(|(name, _)| name.contains(".web.")).unwrap();
    let of_web = Identity::from_labels(&ours.labels).unwrap();
    let template = host.engine.happened().last().unwrap().template.clone();
    for (name, number) in [("web", 1), ("web", 2), ("cache", 3)] {
        let mut identity = of_web.clone();
        identity.task = format!("default/{name}").try_into().unwrap();
        identity.uid = Uid(Uuid::from_u128(number));
        identity.instance = InstanceId(Uuid::from_u128(number));
        identity.seat.attempt = 7 + u32::try_from(number).unwrap();
        identity.spec = identity.spec.replace("default/web", &format!("default/{name}"));
        let spec = ContainerSpec {
            name: identity.derived_name(),
            labels: identity.to_labels(),
            image_id: ours.image_id.clone(),
            template: template.clone(),
            volumes: Default::default(),
            stop_timeout_seconds: 10,
            network: None,
        };
        let id = host.engine.add_container(&spec).unwrap();
        let _started = host.engine.start_by_hand(&id);
    }
}

#[tokio::test(start_paused = true)]
async fn on_an_engine_with_containers_of_others_of_that_name_nothing_must_be_done_until_approved() {
    let mut host = busy().await;
    let steps = host.engine.steps();
    host.engine.engine_down();
    add_others(&host);
    let others = host.live().into_iter().filter(|(name, _)| !name.contains(".0.1")).count();
    for (name, container) in host.ours() {
        if !name.contains(".8") && !name.contains(".9") && !name.contains(".10") {
            host.engine.remove_by_hand(&container.id);
        }
    }
    assert!(others >= 3);
    let before = host.live();
    assert_eq!(before.len(), 3, "{before:#?}");
    host.engine.replace_engine("OTHER");
    sleep(secs(20)).await;
    host.engine.engine_up();
    host.until_reason("web", ConditionType::Converged, "EngineChanged").await;
    for restarted in [false, true] {
        if restarted {
            host.kill().await;
            host.start().await;
            host.until_reason("web", ConditionType::Converged, "EngineChanged").await;
        }
        // Whatever happens to what is there, or in the directory.
        host.write("new.yaml", &task("new", ""));
        let (_, victim) = before.first_key_value().unwrap();
        host.engine.pause_by_hand(victim);
        sleep(millis(300)).await;
        sleep(secs(300)).await;
        assert_eq!(host.engine.steps(), steps);
        let status = host.status("web").await;
        let ready = status.condition(ConditionType::Ready).unwrap();
        assert_eq!((ready.status, &*ready.reason), (Truth::Unknown, "EngineChanged"));
        assert!(!host.tasks().await.contains_key("default/cache"), "nothing is taken over");
        assert!(!host.has_event("web", "Lost", "").await);
    }
    assert_eq!(told(&host).await, 2, "with each start");
    let change = host.overview().await.engine_changed.unwrap();
    assert_eq!(change.now, "OTHER");
    assert!(host.approve_engine("ANOTHER").await.is_err());
    host.approve_engine("OTHER").await.unwrap();
    sleep(secs(60)).await;
    host.settle().await;
    assert_eq!(host.live().len(), 4, "{:?}", host.live_names());
    assert!(host.live().keys().all(|name| !name.starts_with("cache")));
    assert_eq!(host.starts("once"), 1);
    assert!(host.approve_engine("OTHER").await.is_err(), "it is known");
    let (live, steps) = (host.live(), host.engine.steps());
    host.kill().await;
    host.start().await;
    host.settle().await;
    assert_eq!((host.live(), host.engine.steps()), (live, steps));
}
