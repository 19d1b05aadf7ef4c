//! What people do to containers by hand, and containers of strangers.

use std::collections::BTreeMap;

use evenkeel::domain::container::{Container, ContainerSpec, Status, label};
use evenkeel::domain::instance::ContainerId;
use evenkeel::domain::status::ConditionType;
use evenkeel::domain::template::{Limits, Requests, Reserved, Resources};
use evenkeel::runtime::Runtime;
use evenkeel::runtime::simulated::Operation;

use super::host::{Host, secs, sleep, task};
use super::promises;

const LIMITS: &str = "  resources: {limits: {memory: 64Mi, cpu: 500m}, requests: {cpu: 250m}}";

/// Does something to a running container; what must be said of it; whether it must be another one
/// then.
type Deed = (&'static str, fn(&Host, &ContainerId), &'static str, &'static str, bool);

const DEEDS: [Deed; 9] = [
    ("rm --force", |host, id| host.engine.remove_by_hand(id), "Lost", "gone", true),
    ("kill", |host, id| host.engine.kill(id), "Failed", "137", true),
    ("stop", |host, id| host.engine.exit(id, 0), "Completed", "exit code 0", true),
    ("oom", |host, id| host.engine.run_out_of_memory(id), "OOMKilled", "", true),
    ("pause", |host, id| host.engine.pause_by_hand(id), "Drift", "it was paused", false),
    (
        "rename",
        |host, id| drop(host.engine.rename_by_hand(id, "mine")),
        "Drift",
        "it was renamed to mine",
        false,
    ),
    (
        "disconnect",
        |host, id| host.engine.disconnect_by_hand(id, "evenkeel.default.default"),
        "Drift",
        "it was cut off from network",
        false,
    ),
    (
        "update",
        |host, id| {
            let limits = Limits { memory: Some(1 << 30), ..Limits::default() };
            let requests = Requests { nano_cpus: Some(2_000_000_000), memory: None };
            drop(host.engine.update_by_hand(id, Resources { limits, requests }));
        },
        "Drift",
        "resources.limits.memory is 1Gi, the manifest says 64Mi; \
         resources.requests.cpu is 2, the manifest says 250m",
        false,
    ),
    (
        "update --restart",
        |host, id| host.engine.restart_by_policy(id, "unless-stopped"),
        "Drift",
        "the engine's restart policy is unless-stopped, wanted no",
        false,
    ),
];

#[tokio::test(start_paused = true)]
async fn what_is_done_by_hand_must_be_healed_and_told() {
    for heard in [true, false] {
        for (what, deed, reason, said, another) in DEEDS {
            let host = Host::with(&[("web.yaml", task("web", LIMITS))]).await;
            host.engine.lose_events(!heard);
            let before = host.only("web");
            let was = host.engine.containers().into_values().find(|it| it.id == before).unwrap();
            deed(&host, &before);
            // Nobody heard of it: limits and networks only an inspect shows, one every 12 s.
            sleep(secs(if heard { 5 } else { 45 })).await;
            host.settle().await;
            let now = host.only("web");
            assert_eq!(now != before, another, "{what}");
            let is = host.engine.containers().into_values().find(|it| it.id == now).unwrap();
            assert_eq!(heart(&is), heart(&was), "{what}");
            let events = host.events("web").await;
            assert!(host.has_event("web", reason, said).await, "{what}: {events:#?}");
            promises::assert_kept(&host.engine, false, what);
        }
    }
}

/// Does something to the container that a task has now, and what the worker does about it each time.
type Struggle = (&'static str, fn(&Host, &ContainerId), Operation);

const STRUGGLES: [Struggle; 5] = [
    ("pause", |host, id| host.engine.pause_by_hand(id), Operation::Unpause),
    (
        "rename",
        |host, id| drop(host.engine.rename_by_hand(id, &format!("mine-{}", host.wakes()))),
        Operation::Rename,
    ),
    (
        "disconnect",
        |host, id| host.engine.disconnect_by_hand(id, "evenkeel.default.default"),
        Operation::Connect,
    ),
    (
        "update",
        |host, id| {
            let limits = Limits { memory: Some(1 << 30), ..Limits::default() };
            drop(
                host.engine.update_by_hand(id, Resources { limits, requests: Requests::default() }),
            );
        },
        Operation::Update,
    ),
    ("rm --force", |host, id| host.engine.remove_by_hand(id), Operation::Create),
];

#[tokio::test(start_paused = true)]
async fn what_somebody_undoes_every_few_seconds_must_be_mended_ever_more_seldom_and_told() {
    for (what, deed, mends) in STRUGGLES {
        let host = Host::with(&[("web.yaml", task("web", LIMITS))]).await;
        let before = host.calls(mends);
        for _ in 0..80 {
            let live = host.live().into_values().next();
            live.iter().for_each(|id| deed(&host, id));
            sleep(secs(3)).await;
        }
        let mended = host.calls(mends) - before;
        assert!((6..=10).contains(&mended), "{what}: {mended}");
        let status = host.status("web").await;
        let converged = status.condition(ConditionType::Converged).unwrap();
        assert_eq!(converged.reason, "Drift", "{what}: {}", converged.message);
        assert!(converged.message.contains("before it did not last"), "{}", converged.message);
        assert!(status.next_try_at.is_some(), "{what}");
        sleep(secs(70)).await;
        host.until_reason("web", ConditionType::Converged, "Converged").await;
        promises::assert_kept(&host.engine, false, what);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_does_not_get_through_removing_must_keep_nobody_else_waiting() {
    let files = [("web.yaml", task("web", "  replicas: 2")), ("api.yaml", task("api", ""))];
    let mut host = Host::with(&files).await;
    sleep(secs(5)).await;
    let stuck = host.live()["web.0.1"].clone();
    host.engine.stick_in_removal(&stuck);
    host.until("another one runs", secs(5), async |host| {
        host.live_names() == ["api.0.1", "web.0.2", "web.1.1"]
    })
    .await;
    let asked = host.calls(Operation::Remove);
    host.until_reason("web", ConditionType::Converged, "StuckRemoving").await;
    sleep(secs(600)).await;
    assert!(host.calls(Operation::Remove) - asked <= 20, "{}", host.calls(Operation::Remove));
    assert!(host.has_event("web", "StuckRemoving", "the removal of 0.1").await);
    assert!(host.status("web").await.is_settled(), "nothing more becomes of it by itself");
    // An update goes on beside it, and so do others.
    host.write("web.yaml", &task("web", "  image: app:2\n  replicas: 2"));
    host.write("api.yaml", &task("api", "  image: app:2"));
    host.until("both are updated", secs(60), async |host| {
        host.live_names() == ["api.0.2", "web.0.3", "web.1.2"]
    })
    .await;
    // evenkeel starts anew, and nothing is doubled.
    host.kill().await;
    host.start().await;
    host.until_reason("web", ConditionType::Converged, "StuckRemoving").await;
    assert_eq!(host.live_names(), ["api.0.2", "web.0.3", "web.1.2"]);
    host.remove(&["web.yaml"]);
    host.until("the rest of it goes", secs(60), async |host| host.live_names() == ["api.0.2"])
        .await;
    sleep(secs(120)).await;
    assert!(host.tasks().await.contains_key("default/web"), "it is not all gone");
    host.engine.remove_by_hand(&stuck);
    host.until("it is all gone", secs(90), async |host| {
        !host.tasks().await.contains_key("default/web")
    })
    .await;
    promises::assert_kept(&host.engine, true, "stuck");
}

/// What of a container must be as before.
fn heart(container: &Container) -> (Status, Limits, Reserved, Option<String>, Vec<String>) {
    let details = container.details.as_ref().unwrap();
    let networks = details.networks.keys().cloned().collect();
    let (limits, reserved) = (details.limits, details.reserved);
    (container.status.clone(), limits, reserved, details.restarts.clone(), networks)
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_and_is_started_by_hand_must_be_stopped() {
    let mut host = Host::new();
    let ends = evenkeel::runtime::simulated::Behaviour::ends(secs(1), 0);
    host.engine.task("default/job", ends);
    host.write("job.yaml", &task("job", "  restartPolicy: Never"));
    host.start().await;
    host.settle().await;
    host.engine.task("default/job", evenkeel::runtime::simulated::Behaviour::runs());
    let (_, it) = host.ours().into_iter().next().unwrap();
    let _started = host.engine.start_by_hand(&it.id);
    host.until("it is stopped", secs(30), async |host| host.live().is_empty()).await;
    assert!(host.has_event("job", "Stopping", "Revived").await, "{:?}", host.events("job").await);
}

#[tokio::test(start_paused = true)]
async fn everything_removed_by_hand_must_be_made_again() {
    let files = (0..20).map(|number| (format!("{number}.yaml"), task(&format!("t{number}"), "")));
    let mut host = Host::new();
    host.write_all(files);
    host.start().await;
    host.settle().await;
    sleep(secs(5)).await;
    for container in host.ours().into_values() {
        host.engine.remove_by_hand(&container.id);
    }
    host.engine.remove_network_by_hand("evenkeel.default.default");
    host.settle().await;
    assert_eq!(host.live().len(), 20);
    promises::assert_kept(&host.engine, false, "all removed");
}

#[tokio::test(start_paused = true)]
async fn a_network_removed_from_under_a_container_must_come_back() {
    for heard in [true, false] {
        let host = Host::with(&[("web.yaml", task("web", ""))]).await;
        host.engine.lose_events(!heard);
        let id = host.only("web");
        host.engine.disconnect_by_hand(&id, "evenkeel.default.default");
        host.engine.remove_network_by_hand("evenkeel.default.default");
        let is_back = async |host: &Host| {
            let it = host.engine.containers().into_values().find(|it| it.id == id).unwrap();
            it.details.unwrap().networks.contains_key("evenkeel.default.default")
        };
        host.until("it is on its network", secs(120), is_back).await;
        host.settle().await;
        assert_eq!(host.only("web"), id);
        promises::assert_kept(&host.engine, false, "no network");
    }
}

/// A suspended task whose network and volume were removed minutes ago.
async fn robbed(heard: bool) -> Host {
    let volume = "  mounts: [{path: /data, volume: data}]";
    let mut host = Host::with(&[("db.yaml", task("db", volume)), ("x.yaml", task("x", ""))]).await;
    host.write("db.yaml", &task("db", &format!("{volume}\n  suspend: true")));
    host.remove(&["x.yaml"]);
    host.settle().await;
    host.engine.lose_events(!heard);
    host.engine.remove_network_by_hand("evenkeel.default.default");
    host.engine.remove_volume_by_hand("evenkeel.default.default.data");
    sleep(secs(if heard { 1 } else { 360 })).await;
    host
}

#[tokio::test(start_paused = true)]
async fn a_network_and_a_volume_that_are_removed_must_be_missed_whether_that_is_heard_or_not() {
    for heard in [true, false] {
        let mut host = robbed(heard).await;
        let made = host.calls(Operation::MakeVolume);
        host.write("db.yaml", &task("db", "  mounts: [{path: /data, volume: data}]"));
        host.settle().await;
        assert_eq!(host.calls(Operation::MakeVolume), made + 1, "heard: {heard}");
        assert_eq!(host.live_names(), ["db.0.2"]);
        assert!(!host.has_event("db", "StepFailed", "").await, "{:?}", host.events("db").await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_of_somebody_else_in_place_of_ours_must_not_be_used_though_nobody_heard_of_it() {
    let mut host = robbed(false).await;
    host.engine.add_volume("evenkeel.default.default.data", &BTreeMap::new());
    sleep(secs(360)).await;
    host.write("db.yaml", &task("db", "  mounts: [{path: /data, volume: data}]"));
    let converged = ConditionType::Converged;
    host.until_reason("db", converged, "NotOurs").await;
    assert!(host.live().is_empty());
}

/// Containers of strangers, made after one of ours.
fn strangers(host: &Host) -> Vec<ContainerId> {
    let (name, ours) = host.ours().into_iter().next().unwrap();
    let spec = |name: &str, labels: &BTreeMap<String, String>| {
        let template = host.engine.happened().last().unwrap().template.clone();
        ContainerSpec {
            name: name.to_owned(),
            labels: labels.clone(),
            image_id: "sha256:strange".to_owned(),
            template,
            volumes: BTreeMap::new(),
            stop_timeout_seconds: 10,
            network: None,
        }
    };
    let other_worker = {
        let mut labels = ours.labels.clone();
        labels.insert(label::WORKER.to_owned(), "other".to_owned());
        labels
    };
    let half: BTreeMap<String, String> =
        [(label::WORKER.to_owned(), host.worker.to_string())].into();
    let none = BTreeMap::new();
    let mut ids = Vec::new();
    for number in 0..50 {
        for spec in [
            spec(&format!("copy-{number}"), &ours.labels),
            // Two of them have the names of the next attempts.
            spec(&format!("evenkeel.default.default.web.0.{}", name_of(number)), &none),
            spec(&format!("evenkeel.other.default.web.0.{number}"), &other_worker),
            spec(&format!("{name}-{number}"), &half),
        ] {
            let id = host.engine.add_container(&spec).unwrap();
            if number % 2 == 0 {
                let _started = host.engine.start_by_hand(&id);
            }
            ids.push(id);
        }
    }
    ids
}

fn name_of(number: u32) -> u32 {
    if number < 2 { number + 2 } else { number + 100 }
}

#[tokio::test(start_paused = true)]
async fn containers_of_strangers_must_never_be_touched() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let before = host.only("web");
    let strange = strangers(&host);
    assert!(host.live().values().any(|id| *id == before));
    let look = |host: &Host| -> Vec<Container> {
        let all = host.engine.containers().into_values();
        all.filter(|it| strange.contains(&it.id)).collect()
    };
    let as_made = look(&host);
    assert_eq!(as_made.len(), 200);
    sleep(secs(120)).await;
    assert!(host.engine.containers().values().any(|it| it.id == before));
    host.kill().await;
    std::fs::remove_file(host.db_file()).unwrap();
    host.start().await;
    host.settle().await;
    assert!(host.engine.containers().values().any(|it| it.id == before));
    host.write("web.yaml", &task("web", "  image: app:2"));
    host.settle().await;
    assert_eq!(host.ours()["evenkeel.default.default.web.0.4"].status, Status::Running);
    host.remove(&["web.yaml"]);
    host.until("it goes", secs(60), async |host| host.tasks().await.is_empty()).await;
    sleep(secs(60)).await;
    assert_eq!(look(&host), as_made);
    assert_eq!(host.engine.containers().len(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_network_or_volume_of_somebody_else_must_not_be_used() {
    let mut host = Host::new();
    host.engine.add_volume("evenkeel.default.default.data", &BTreeMap::new());
    host.write("db.yaml", &task("db", "  mounts: [{path: /data, volume: data}]"));
    host.start().await;
    let converged = ConditionType::Converged;
    host.until_reason("db", converged, "NotOurs").await;
    sleep(secs(120)).await;
    assert!(host.ours().is_empty());
    let worker = host.worker.clone();
    assert!(host.engine.list_resources(&worker).await.unwrap().volumes.is_empty());
    assert!(host.calls(Operation::MakeVolume) < 20, "it is tried ever more seldom");
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_takes_and_drops_must_be_told_to_it_once_and_named() {
    let mut host = Host::new();
    host.engine.lack_memory_limits(true);
    host.write("web.yaml", &task("web", LIMITS));
    host.start().await;
    let converged = ConditionType::Converged;
    host.until_reason("web", converged, "FeatureUnsupported").await;
    sleep(secs(900)).await;
    let (id, status) = (host.only("web"), host.status("web").await);
    assert_eq!(host.calls(Operation::Update), 1);
    let says = &status.condition(converged).unwrap().message;
    assert!(says.contains("resources.limits.memory is not set, the manifest says 64Mi"), "{says}");
    assert!(status.is_settled());
    // What it does take is put back, as often as somebody changes it.
    for round in 2..5 {
        let limits = Limits { nano_cpus: Some(2_000_000_000), ..Limits::default() };
        let changed = Resources { limits, ..Resources::default() };
        drop(host.engine.update_by_hand(&id, changed));
        sleep(secs(60)).await;
        assert_eq!(host.calls(Operation::Update), round, "{:#?}", host.events("web").await);
        let is = host.engine.containers().into_values().find(|it| it.id == id).unwrap();
        assert_eq!(is.details.unwrap().limits.nano_cpus, Some(500_000_000));
    }
    // Something else is wanted: it is tried with that; and once more by who starts anew.
    host.write("web.yaml", &task("web", &LIMITS.replace("64Mi", "128Mi")));
    sleep(secs(60)).await;
    assert_eq!(host.calls(Operation::Update), 5);
    host.until_reason("web", converged, "FeatureUnsupported").await;
    host.engine.lack_memory_limits(false);
    host.kill().await;
    host.start().await;
    host.until_reason("web", converged, "Converged").await;
    assert_eq!((host.calls(Operation::Update), host.only("web")), (6, id));
}
