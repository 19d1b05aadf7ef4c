//! The state DB lost, old, full or gone; starts, stops and goals of a worker.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use evenkeel::db::{Db, EventQuery, Limits};
use evenkeel::domain::container::{ContainerSpec, NetworkAttachment};
use evenkeel::domain::instance::ContainerId;
use evenkeel::domain::outcome::Outcome;
use evenkeel::domain::status::{ConditionType, Phase};
use evenkeel::runtime::Runtime;
use evenkeel::runtime::simulated::{Behaviour, Operation};
use evenkeel::worker::{Ended, Goal};

use super::host::{End, Host, millis, secs, sleep, task};
use super::promises;

const VOLUME: &str = "  mounts: [{path: /data, volume: data}]";

/// Services, one with a volume, one of several replicas, and a job that is done.
async fn busy() -> Host {
    let mut host = Host::new();
    host.engine.task("default/job", Behaviour::ends(secs(5), 0));
    host.write("web.yaml", &task("web", "  replicas: 3"));
    host.write("db.yaml", &task("db", VOLUME));
    host.write("job.yaml", &task("job", "  restartPolicy: Never"));
    host.start().await;
    host.settle().await;
    host.write("web.yaml", &task("web", "  replicas: 3\n  image: app:2"));
    host.settle().await;
    sleep(secs(3)).await;
    host
}

fn remove_db(host: &Host) {
    for entry in fs::read_dir(host.state.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("state.db") {
            fs::remove_file(path).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_its_state_evenkeel_must_take_over_what_runs() {
    for damage in [remove_db, |host: &Host| fs::write(host.db_file(), "no database").unwrap()] {
        let mut host = busy().await;
        let (before, steps) = (host.live(), host.engine.steps());
        host.kill().await;
        damage(&host);
        host.start().await;
        host.settle().await;
        sleep(secs(60)).await;
        assert_eq!((host.live(), host.starts("job")), (before, 1));
        // What is left of the old revision is not known any more, and may be cleared away.
        let calls = host.engine.steps() - steps;
        assert!(calls <= host.calls(Operation::Remove) + host.calls(Operation::Pull), "{calls}");
        assert_eq!(host.status("job").await.phase, Phase::Completed);
        host.write("web.yaml", &task("web", "  replicas: 3\n  image: app:3"));
        host.settle().await;
        promises::assert_kept(&host.engine, true, "after the loss");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_must_not_take_the_place_of_what_runs_once_the_state_is_lost() {
    for behaviour in [Behaviour::missing(), Behaviour::ends(secs(0), 1)] {
        let mut host = Host::with(&[("db.yaml", task("db", VOLUME))]).await;
        host.engine.program(&["bad"], behaviour.clone());
        let end = "  command: [bad]";
        let port = "  ports: [{containerPort: 80, hostPort: 8080}]";
        host.write("web.yaml", &task("web", port));
        host.settle().await;
        host.write("db.yaml", &task("db", &format!("{VOLUME}\n{end}")));
        host.write("web.yaml", &task("web", &format!("{port}\n{end}")));
        host.settle().await;
        sleep(secs(120)).await;
        host.settle().await;
        let (before, starts) = (host.live(), host.calls(Operation::Start));
        assert_eq!(before.len(), 2, "{behaviour:?}");
        host.kill().await;
        remove_db(&host);
        host.start().await;
        host.settle().await;
        sleep(secs(120)).await;
        assert_eq!((host.live(), host.calls(Operation::Start)), (before, starts), "{behaviour:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_copy_of_the_state_must_double_nothing() {
    let mut host = Host::with(&[("db.yaml", task("db", VOLUME)), ("x.yaml", task("x", ""))]).await;
    host.stop().await;
    let copy = fs::read(host.db_file()).unwrap();
    host.start().await;
    host.write("db.yaml", &task("db", &format!("  image: app:2\n{VOLUME}")));
    host.write("web.yaml", &task("web", "  replicas: 2"));
    host.settle().await;
    host.engine.kill(&host.only("x"));
    sleep(secs(5)).await;
    host.settle().await;
    let (before, creates) = (host.live(), host.calls(Operation::Create));
    host.stop().await;
    remove_db(&host);
    fs::write(host.db_file(), copy).unwrap();
    host.start().await;
    host.settle().await;
    sleep(secs(60)).await;
    assert_eq!((host.live(), host.calls(Operation::Create)), (before, creates));
    promises::assert_kept(&host.engine, true, "an old copy");
}

#[tokio::test(start_paused = true)]
async fn state_that_is_removed_under_a_running_worker_must_be_written_anew() {
    let mut host = busy().await;
    let before = host.live();
    remove_db(&host);
    host.write("new.yaml", &task("new", ""));
    host.settle().await;
    assert_eq!(host.overview().await.db_trouble, None);
    host.kill().await;
    let stored = Db::open(host.state.path()).await.unwrap();
    assert_eq!(stored.stored.records.len(), 4);
    drop(stored);
    host.start().await;
    host.settle().await;
    for (name, id) in before {
        assert_eq!(host.live()[&name], id);
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_full_disk_what_runs_must_run_on_and_nothing_must_be_started() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let (before, steps) = (host.live(), host.engine.steps());
    host.kill().await;
    // A file as large as it may be is the same as a full disk.
    let size = fs::metadata(host.db_file()).unwrap().len();
    host.limits = Limits { bytes: size, ..Limits::default() };
    host.start().await;
    let much = "x".repeat(400);
    let label = |number: u32| format!("    big{number}: {much}\n");
    let labels: String = (0..40).map(label).collect();
    let text = task("big", "").replace("spec:", &format!("  labels:\n{labels}spec:"));
    host.write("big.yaml", &text);
    sleep(secs(120)).await;
    assert!(host.overview().await.db_trouble.is_some(), "{:?}", host.tasks().await.keys());
    assert_eq!((host.live(), host.engine.steps()), (before.clone(), steps));
    host.kill().await;
    host.limits = Limits::default();
    host.start().await;
    host.settle().await;
    assert_eq!(host.live_names(), ["big.0.1", "web.0.1"]);
    assert_eq!(host.only("web"), before["web.0.1"]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_must_recover_in_place_once_its_state_can_be_written() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let (before, steps) = (host.live(), host.engine.steps());
    // Another kind of file in its place, and no way to set that aside: nothing can be written.
    let away = host.state.path().with_extension("away");
    fs::rename(host.state.path(), &away).unwrap();
    fs::write(host.state.path(), "in the way").unwrap();
    host.write("new.yaml", &task("new", ""));
    host.write("web.yaml", &task("web", "  image: app:2"));
    sleep(secs(60)).await;
    assert!(host.overview().await.db_trouble.is_some());
    assert_eq!((host.live(), host.engine.steps()), (before, steps));
    fs::remove_file(host.state.path()).unwrap();
    fs::rename(&away, host.state.path()).unwrap();
    host.until("all of it is done", secs(60), async |host| {
        host.live_names() == ["new.0.1", "web.0.2"]
    })
    .await;
    host.settle().await;
    assert_eq!(host.overview().await.db_trouble, None);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_told_to_stop_must_finish_its_steps_and_leave_what_runs() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    host.engine.set_latency(Operation::Create, secs(2));
    host.write("web.yaml", &task("web", "  image: app:2"));
    sleep(secs(1)).await;
    assert_eq!(host.stop().await, End::Ended(Ended::Stopped));
    assert_eq!(host.ours().len(), 2, "the create was finished");
    let stored = Db::open(host.state.path()).await.unwrap();
    let record = &stored.stored.records[0];
    assert!(record.instances.values().all(|it| it.container.is_some()), "and written down");
    drop(stored);
    host.start().await;
    host.settle().await;
    assert_eq!(host.live_names(), ["web.0.2"]);
    assert_eq!(host.calls(Operation::Create), 2);
    let (before, steps) = (host.live(), host.engine.steps());
    for _ in 0..10 {
        host.stop().await;
        assert_eq!(host.live(), before);
        host.start().await;
        host.settle().await;
        host.kill().await;
        host.start().await;
        host.settle().await;
    }
    assert_eq!((host.live(), host.engine.steps()), (before, steps));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_does_not_end_must_not_hold_up_a_stop_for_long() {
    let mut host = Host::new();
    host.write("web.yaml", &task("web", ""));
    host.engine.set_latency(Operation::Create, secs(3600));
    host.start().await;
    sleep(secs(1)).await;
    let began = tokio::time::Instant::now();
    assert_eq!(host.stop().await, End::Ended(Ended::Stopped));
    assert!(began.elapsed() <= secs(11), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_last_words_of_what_failed_must_be_kept_through_a_stop() {
    let mut host = Host::new();
    let fails = Behaviour::ends(millis(100), 3).writing("last words\n", "");
    host.engine.task("default/web", fails);
    host.write("web.yaml", &task("web", ""));
    host.start().await;
    host.engine.set_latency(Operation::Remove, secs(1));
    host.until("a failed one is being removed", secs(60), async |host| {
        host.calls(Operation::Remove) == 1
    })
    .await;
    assert_eq!(host.stop().await, End::Ended(Ended::Stopped));
    let sql = rusqlite::Connection::open(host.db_file()).unwrap();
    let kept: i64 = sql.query_row("SELECT count(*) FROM kept_log", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 1);
}

#[tokio::test(start_paused = true)]
async fn what_came_of_the_last_step_must_be_told_of_after_a_stop() {
    let mut host = Host::new();
    let engine = host.engine.clone();
    engine.set_latency(Operation::Start, secs(5));
    engine.task("default/web", Behaviour::missing());
    host.write("web.yaml", &task("web", ""));
    host.start().await;
    host.until("a start is under way", secs(60), async |host| host.calls(Operation::Start) == 1)
        .await;
    assert_eq!(host.stop().await, End::Ended(Ended::Stopped));
    let opened = Db::open(host.state.path()).await.unwrap();
    let query = EventQuery { limit: 1000, ..EventQuery::default() };
    let events = opened.db.events(query).await.unwrap();
    let reasons: Vec<&str> = events.iter().map(|(_, event)| &*event.reason).collect();
    assert!(reasons.contains(&"StartError"), "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn last_words_that_are_not_handed_out_must_be_asked_for_again_before_they_are_gone() {
    let mut host = Host::new();
    let fails = Behaviour::ends(millis(100), 3).writing("last words\n", "");
    host.engine.task("default/web", fails);
    host.engine.set_latency(Operation::Logs, secs(3600));
    host.write("web.yaml", &task("web", ""));
    host.start().await;
    let asked = async |host: &Host| host.calls(Operation::Logs) == 2;
    host.until("the log is asked for again", secs(60), asked).await;
    assert_eq!(host.calls(Operation::Remove), 0, "its last words would be gone with it");
    host.engine.set_latency(Operation::Logs, millis(10));
    host.engine.set_latency(Operation::Remove, secs(1));
    let removed = async |host: &Host| host.calls(Operation::Remove) == 1;
    host.until("a failed one is being removed", secs(60), removed).await;
    host.stop().await;
    let sql = rusqlite::Connection::open(host.db_file()).unwrap();
    let kept: Vec<u8> =
        sql.query_row("SELECT log FROM kept_log LIMIT 1", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, b"last words\n");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_can_not_be_read_must_not_keep_a_dead_container_for_ever() {
    let mut host = Host::new();
    host.engine.task("default/web", Behaviour::ends(millis(100), 3));
    host.engine.set_latency(Operation::Logs, secs(3600));
    host.write("web.yaml", &task("web", ""));
    host.start().await;
    let removed = async |host: &Host| host.calls(Operation::Remove) == 1;
    host.until("a failed one is removed", secs(120), removed).await;
}

#[tokio::test(start_paused = true)]
async fn another_source_under_the_same_name_must_touch_nothing_until_approved() {
    let mut host =
        Host::with(&[("web.yaml", task("web", "")), ("x.yaml", task("x", "  replicas: 2"))]).await;
    let (before, steps) = (host.live(), host.engine.steps());
    for lost in [false, true] {
        host.kill().await;
        if lost {
            remove_db(&host);
        }
        host.source = "/srv/other".to_owned();
        host.write("new.yaml", &task("new", ""));
        host.start().await;
        host.until_reason("new", ConditionType::Converged, "SourceChanged").await;
        sleep(secs(120)).await;
        assert_eq!((host.live(), host.engine.steps()), (before.clone(), steps));
        assert_eq!(host.overview().await.source_changed.as_deref(), Some("/srv/tasks"));
        assert!(host.approve_source("/nowhere").await.is_err());
    }
    host.approve_source("/srv/tasks").await.unwrap();
    host.settle().await;
    for (name, id) in &before {
        assert_eq!(host.live().get(name), Some(id), "taken over as it is");
    }
    assert_eq!(host.live().len(), 4);
    let steps = host.engine.steps();
    host.kill().await;
    host.start().await;
    host.settle().await;
    sleep(secs(60)).await;
    assert_eq!(host.engine.steps(), steps, "the approval is kept");
}

#[tokio::test(start_paused = true)]
async fn the_approval_of_one_source_must_not_be_that_of_another() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let restart_at = async |host: &mut Host, source: &str, names: &[&str]| {
        host.kill().await;
        remove_db(host);
        host.source = source.to_owned();
        host.write_all(names.iter().map(|name| (format!("{name}.yaml"), task(name, ""))));
        host.start().await;
        host.until_reason(names[0], ConditionType::Converged, "SourceChanged").await;
    };
    restart_at(&mut host, "/srv/b", &["b"]).await;
    host.approve_source("/srv/tasks").await.unwrap();
    host.settle().await;
    let before = host.live();
    assert_eq!(before.keys().collect::<Vec<_>>(), ["b.0.1", "web.0.1"]);
    // Now what runs comes from two others, and nothing declares `web`.
    restart_at(&mut host, "/srv/c", &["c", "d", "e"]).await;
    host.remove(&["web.yaml"]);
    sleep(secs(30)).await;
    assert_eq!(host.overview().await.source_changed.as_deref(), Some("/srv/b"));
    host.approve_source("/srv/b").await.unwrap();
    sleep(secs(120)).await;
    assert_eq!(host.overview().await.source_changed.as_deref(), Some("/srv/tasks"));
    assert_eq!(host.live(), before);
    host.approve_source("/srv/tasks").await.unwrap();
    host.settle().await;
    assert_eq!(host.live_names(), ["b.0.1", "c.0.1", "d.0.1", "e.0.1"]);
}

#[tokio::test(start_paused = true)]
async fn a_removal_of_many_must_be_held_until_approved() {
    let names = ["a", "b", "c", "d"];
    let files: Vec<(String, String)> =
        names.iter().map(|name| (format!("{name}.yaml"), task(name, ""))).collect();
    let mut host = Host::new();
    host.write_all(files);
    host.start().await;
    host.settle().await;
    let (before, steps) = (host.live(), host.engine.steps());
    host.remove(&["a.yaml", "b.yaml", "c.yaml"]);
    host.until_reason("a", ConditionType::Converged, "PruneHeld").await;
    sleep(secs(600)).await;
    host.kill().await;
    host.start().await;
    host.until_reason("a", ConditionType::Converged, "PruneHeld").await;
    assert_eq!((host.live(), host.engine.steps()), (before, steps));
    assert!(host.approve_prune(&["a", "b"]).await.is_err(), "not what is held");
    host.approve_prune(&["a", "b", "c"]).await.unwrap();
    host.settle().await;
    assert_eq!(host.live_names(), ["d.0.1"]);
    assert_eq!(host.ours().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_let_go_must_run_on_for_good() {
    let mut host = Host::with(&[("web.yaml", task("web", "")), ("x.yaml", task("x", ""))]).await;
    let before = host.live();
    // Annotations are on no container: its labels don't say that it is to be let go.
    let text =
        task("web", "").replace("spec:", "  annotations: {evenkeel/prune: \"false\"}\nspec:");
    host.write("web.yaml", &text);
    host.settle().await;
    host.remove(&["web.yaml"]);
    host.until("it is let go", secs(30), async |host| host.tasks().await.len() == 1).await;
    sleep(secs(300)).await;
    assert_eq!(host.live(), before);
    host.kill().await;
    host.start().await;
    sleep(secs(300)).await;
    assert_eq!(host.live(), before);
    host.write("web.yaml", &text);
    host.settle().await;
    assert_eq!(host.live(), before, "it is taken back as it is");
    host.write("web.yaml", &task("web", ""));
    host.settle().await;
    host.remove(&["web.yaml"]);
    host.until("it is stopped", secs(30), async |host| host.live_names() == ["x.0.1"]).await;
}

#[tokio::test(start_paused = true)]
async fn the_network_of_what_was_let_go_must_stay_without_being_asked_to_go() {
    let text =
        task("web", "").replace("spec:", "  annotations: {evenkeel/prune: \"false\"}\nspec:");
    let mut host = Host::with(&[("web.yaml", text)]).await;
    let id = host.only("web");
    host.remove(&["web.yaml"]);
    host.until("it is let go", secs(30), async |host| host.tasks().await.is_empty()).await;
    let steps = host.engine.steps();
    sleep(secs(3600)).await;
    assert_eq!((host.live_names(), host.engine.steps()), (vec!["web.0.1".to_owned()], steps));
    host.engine.remove_by_hand(&id);
    let is_gone = async |host: &Host| host.engine.networks().is_empty();
    host.until("its network goes", secs(60), is_gone).await;
}

#[tokio::test(start_paused = true)]
async fn a_network_that_somebody_else_is_on_must_be_tried_ever_more_seldom() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let id = stranger_on_the_network(&host).await;
    host.remove(&["web.yaml"]);
    sleep(secs(3600)).await;
    let tries = host.calls(Operation::RemoveNetwork);
    assert!((2..=8).contains(&tries), "{tries}");
    host.engine.remove_by_hand(&id);
    sleep(secs(3700)).await;
    assert!(host.engine.networks().is_empty());
}

#[tokio::test(start_paused = true)]
async fn down_must_tell_of_a_network_that_stays() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let id = stranger_on_the_network(&host).await;
    // It was tried in vain before: then it is tried once more.
    host.remove(&["web.yaml"]);
    sleep(secs(600)).await;
    let tries = host.calls(Operation::RemoveNetwork);
    host.down().await;
    sleep(secs(60)).await;
    assert_eq!(host.buried().await, End::Ended(Ended::Short));
    assert_eq!(host.calls(Operation::RemoveNetwork), tries + 1);
    assert_eq!(host.engine.networks(), ["evenkeel.default.default"]);
    host.engine.remove_by_hand(&id);
    host.start_for(Goal::Down).await;
    sleep(secs(60)).await;
    assert_eq!(host.buried().await, End::Ended(Ended::Reached));
    assert!(host.engine.networks().is_empty());
}

/// Runs a container of somebody else's on our network.
async fn stranger_on_the_network(host: &Host) -> ContainerId {
    let network = Some(NetworkAttachment {
        network: "evenkeel.default.default".to_owned(),
        aliases: Vec::new(),
    });
    let spec = ContainerSpec {
        name: "stranger".to_owned(),
        labels: BTreeMap::new(),
        image_id: host.engine.add_image("strange"),
        template: host.engine.happened().last().unwrap().template.clone(),
        volumes: BTreeMap::new(),
        stop_timeout_seconds: 10,
        network,
    };
    let Outcome::Done(id) = host.engine.create(&spec).await else { panic!("it is made") };
    assert_eq!(host.engine.start_by_hand(&id), Outcome::Done(()));
    id
}

#[tokio::test(start_paused = true)]
async fn down_must_remove_all_but_volumes_and_end() {
    for lost in [false, true] {
        let mut host = busy().await;
        host.stop().await;
        if lost {
            remove_db(&host);
        }
        host.start_for(Goal::Down).await;
        sleep(secs(60)).await;
        assert!(!host.is_up(), "it ends: {:?} {:?}", host.ours().keys(), host.engine.networks());
        assert_eq!(host.buried().await, End::Ended(Ended::Reached));
        assert!(host.ours().is_empty(), "{:?}", host.ours().keys());
        assert!(host.engine.networks().is_empty());
        assert_eq!(host.engine.volumes(), ["evenkeel.default.default.data"]);
        let stored = Db::open(host.state.path()).await.unwrap();
        assert!(stored.stored.records.is_empty());
        let query = EventQuery { limit: 1000, ..EventQuery::default() };
        let events = stored.db.events(query).await.unwrap();
        let stops = events.iter().filter(|(_, event)| event.reason == "Stopping");
        let told: BTreeSet<&str> =
            stops.map(|(_, it)| it.message.split_once(": ").unwrap().1).collect();
        assert!(told.contains("everything is taken down (evenkeel down)"), "{told:?}");
        assert!(!told.iter().any(|why| why.contains("manifest")), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_stops_at_once_must_not_take_every_connection() {
    const ALL: u64 = 200;
    const AT_ONCE: u64 = 128;
    let replicas = format!("  replicas: {ALL}\n  terminationGracePeriodSeconds: 30");
    let host = Host::with(&[("web.yaml", task("web", &replicas))]).await;
    host.engine.set_latency(Operation::Stop, secs(20));
    host.down().await;
    let stops = |host: &Host| host.calls(Operation::Stop);
    host.until("stops begin", secs(60), async |host| stops(host) >= AT_ONCE).await;
    sleep(secs(10)).await;
    assert_eq!(stops(&host), AT_ONCE);
    sleep(secs(60)).await;
    assert_eq!((stops(&host), host.ours().len()), (ALL, 0));
}

#[tokio::test(start_paused = true)]
async fn down_must_end_with_nothing_there_and_when_asked_of_a_daemon() {
    let mut host = Host::new();
    host.start_for(Goal::Down).await;
    sleep(secs(10)).await;
    assert_eq!(host.buried().await, End::Ended(Ended::Reached));
    let mut host = busy().await;
    host.down().await;
    sleep(secs(60)).await;
    assert_eq!(host.buried().await, End::Ended(Ended::Reached));
    assert!(host.ours().is_empty() && host.engine.networks().is_empty());
}

#[tokio::test(start_paused = true)]
async fn down_must_end_where_something_is_let_go() {
    let text =
        task("web", "").replace("spec:", "  annotations: {evenkeel/prune: \"false\"}\nspec:");
    let mut host = Host::with(&[("web.yaml", text), ("x.yaml", task("x", ""))]).await;
    host.stop().await;
    host.start_for(Goal::Down).await;
    sleep(secs(60)).await;
    assert!(!host.is_up());
    assert_eq!(host.buried().await, End::Ended(Ended::Reached));
    assert_eq!(host.live_names(), ["web.0.1"]);
}

#[tokio::test(start_paused = true)]
async fn a_sync_must_end_when_all_is_settled_and_not_before() {
    let mut host = Host::new();
    host.engine.set_latency(Operation::Create, secs(2));
    host.write_all(
        (0..5).map(|number| (format!("{number}.yaml"), task(&format!("t{number}"), ""))),
    );
    host.start_for(Goal::Settled { deadline: secs(60) }).await;
    assert_eq!(host.buried().await, End::Ended(Ended::Reached));
    assert_eq!(host.live().len(), 5);
    let steps = host.engine.steps();
    host.start_for(Goal::Settled { deadline: secs(60) }).await;
    assert_eq!(host.buried().await, End::Ended(Ended::Reached));
    assert_eq!(host.engine.steps(), steps);
}

#[tokio::test(start_paused = true)]
async fn a_sync_must_not_end_before_an_edit_that_could_not_be_written_down() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    host.stop().await;
    host.write("web.yaml", &task("web", "  image: app:2"));
    host.start_for(Goal::Settled { deadline: secs(120) }).await;
    let away = host.state.path().with_extension("away");
    fs::rename(host.state.path(), &away).unwrap();
    fs::write(host.state.path(), "in the way").unwrap();
    sleep(secs(20)).await;
    fs::remove_file(host.state.path()).unwrap();
    fs::rename(&away, host.state.path()).unwrap();
    assert_eq!(host.buried().await, End::Ended(Ended::Reached));
    assert_eq!(host.live_names(), ["web.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_does_not_settle_must_end_at_its_deadline() {
    let mut host = Host::new();
    host.write("web.yaml", &task("web", "  image: nowhere:1"));
    let began = tokio::time::Instant::now();
    host.start_for(Goal::Settled { deadline: secs(17) }).await;
    assert_eq!(host.buried().await, End::Ended(Ended::Deadline));
    let took = began.elapsed();
    assert!(took >= secs(17) && took < millis(17_100), "{took:?}");
}
