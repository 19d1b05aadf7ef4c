//! Files to containers.

use evenkeel::domain::status::{ConditionType, Phase, Truth};
use evenkeel::runtime::simulated::{Behaviour, Operation};

use super::host::{Host, millis, secs, sleep, task};
use super::promises;

#[tokio::test(start_paused = true)]
async fn a_manifest_must_become_a_running_container() {
    let host = Host::with(&[("web.yaml", task("web", ""))]).await;
    assert_eq!(host.live_names(), ["web.0.1"]);
    let status = host.status("web").await;
    assert_eq!((status.phase, status.ready_replicas), (Phase::Running, 1));
    assert_eq!(status.condition(ConditionType::Ready).unwrap().status, Truth::True);
    assert_eq!(host.engine.networks(), ["evenkeel.default.default"]);
    assert!(host.has_event("web", "Accepted", "web.yaml:1").await);
}

#[tokio::test(start_paused = true)]
async fn an_edit_must_replace_start_first() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    host.write("web.yaml", &task("web", "  image: app:2"));
    sleep(secs(1)).await;
    assert_eq!(
        host.live_names(),
        ["web.0.1", "web.0.2"],
        "the old one goes once the new one is up"
    );
    host.settle().await;
    assert_eq!(host.live_names(), ["web.0.2"]);
    promises::assert_kept(&host.engine, true, "an edit");
    assert!(host.has_event("web", "Changed", "image").await, "{:?}", host.events("web").await);
}

#[tokio::test(start_paused = true)]
async fn a_broken_edit_must_keep_the_last_good_version() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let (before, steps) = (host.live(), host.engine.steps());
    host.write("web.yaml", &task("web", "  imagge: app:2"));
    host.settle().await;
    let status = host.status("web").await;
    assert_eq!(status.condition(ConditionType::Valid).unwrap().reason, "SchemaInvalid");
    host.kill().await;
    host.start().await;
    host.settle().await;
    host.write("web.yaml", "{{{ this is no YAML");
    sleep(secs(60)).await;
    assert_eq!((host.live(), host.engine.steps()), (before, steps));
    host.write("web.yaml", &task("web", "  image: app:2"));
    host.settle().await;
    assert_eq!(host.live_names(), ["web.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn a_removed_file_must_remove_its_container_after_five_seconds() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    host.remove(&["web.yaml"]);
    sleep(millis(4900)).await;
    assert_eq!(host.live_names(), ["web.0.1"]);
    sleep(millis(200)).await;
    assert_eq!(host.live_names(), [""; 0]);
    host.settle().await;
    assert!(host.ours().is_empty());
    assert!(host.tasks().await.is_empty());
    assert!(host.engine.networks().is_empty(), "{:?}", host.engine.networks());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_comes_back_in_time_must_restart_nothing() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let (before, steps) = (host.live(), host.engine.steps());
    for _ in 0..3 {
        host.remove(&["web.yaml"]);
        sleep(secs(4)).await;
        host.write("web.yaml", &task("web", ""));
        sleep(secs(4)).await;
    }
    assert_eq!((host.live(), host.engine.steps()), (before, steps));
}

#[tokio::test(start_paused = true)]
async fn a_moved_file_must_restart_nothing() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let (before, steps) = (host.live(), host.engine.steps());
    host.rename("web.yaml", "apps/web.yaml");
    sleep(secs(30)).await;
    host.settle().await;
    assert_eq!((host.live(), host.engine.steps()), (before, steps));
    assert_eq!(host.status("web").await.source.file, "apps/web.yaml");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_cannot_be_read_must_remove_nothing() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let (before, steps) = (host.live(), host.engine.steps());
    host.lose_source(Some("it is not mounted"));
    host.until_reason("web", ConditionType::Converged, "SourceUnavailable").await;
    host.kill().await;
    host.start().await;
    sleep(secs(300)).await;
    assert_eq!((host.live(), host.engine.steps()), (before.clone(), steps));
    assert_eq!(host.overview().await.source_unavailable.as_deref(), Some("it is not mounted"));
    host.lose_source(None);
    host.settle().await;
    assert_eq!((host.live(), host.engine.steps()), (before, steps));
}

#[tokio::test(start_paused = true)]
async fn the_last_of_many_quick_edits_must_win_with_few_rollouts() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    for number in 0..50 {
        host.write("web.yaml", &task("web", &format!("  env: [{{name: N, value: \"{number}\"}}]")));
        sleep(millis(1)).await;
    }
    host.settle().await;
    let [name] = &host.live_names()[..] else { panic!("{:?}", host.live_names()) };
    let made = &host.ours()[&format!("evenkeel.default.default.{name}")];
    assert!(made.labels["evenkeel.spec"].contains("\"49\""));
    promises::assert_kept(&host.engine, true, "many edits");
}

#[tokio::test(start_paused = true)]
async fn what_has_converged_must_be_left_alone_and_asked_about_seldom() {
    const COUNT: usize = 100;
    let files = |image: &str| -> Vec<(String, String)> {
        let spec = format!("  image: {image}");
        (0..COUNT).map(|at| (format!("t{at}.yaml"), task(&format!("t{at}"), &spec))).collect()
    };
    let mut host = Host::new();
    host.start().await;
    // First nothing but what runs is there, then what ended before is kept as well.
    for (image, kept) in [("app:1", 0), ("app:2", COUNT)] {
        host.write_all(files(image));
        host.settle().await;
        sleep(secs(60)).await;
        let (live, steps, looks) = (host.live(), host.engine.steps(), host.wakes());
        assert_eq!((live.len(), host.ours().len()), (COUNT, COUNT + kept));
        let before = host.engine.calls();
        let mut minute_ago = host.reads();
        for minute in 0..60 {
            sleep(secs(60)).await;
            let calls = host.reads() - minute_ago;
            assert!(calls <= 10, "{calls} calls in minute {minute}");
            minute_ago += calls;
        }
        let asked: Vec<(Operation, u64)> = host
            .engine
            .calls()
            .into_iter()
            .map(|(it, calls)| (it, calls - before.get(&it).unwrap_or(&0)))
            .filter(|(_, calls)| *calls > 0)
            .collect();
        // One list in 30 s; one inspect in 12 s, but for networks and volumes, which take the place
        // of two in five minutes; a tenth more or less.
        let [
            (Operation::List, lists),
            (Operation::Inspect, inspects),
            (Operation::ListResources, resources),
        ] = asked[..]
        else {
            panic!("{asked:?}");
        };
        assert!((109..=133).contains(&lists), "{lists} lists in an hour");
        assert!((10..=13).contains(&resources), "{resources} looks at networks and volumes");
        let turns = inspects + 2 * resources;
        assert!((2 * turns).abs_diff(5 * lists) <= 6, "{inspects} inspects to {lists} lists");
        assert_eq!((host.live(), host.engine.steps()), (live.clone(), steps));
        // The files are read anew, and are the same.
        for _ in 0..100 {
            host.send();
            sleep(millis(10)).await;
        }
        assert_eq!((host.live(), host.engine.steps()), (live, steps));
        // A look that time asks for may fall into the hour; what is read asks for none.
        let more = host.wakes() - looks;
        assert!(more <= 1, "{more} tasks are looked at");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_comes_back_while_it_is_being_removed_must_come_up_anew() {
    // Before, within, and after the time that its container takes to stop.
    for pause in [0, 4_900, 5_100, 6_000, 8_900, 9_100, 12_000] {
        let mut host = Host::new();
        let slow = Behaviour { on_term: Some((secs(4), 0)), ..Behaviour::runs() };
        host.engine.task("default/web", slow);
        host.write("x.yaml", &task("x", ""));
        host.write("web.yaml", &task("web", ""));
        host.start().await;
        host.settle().await;
        let uid = host.status("web").await.uid;
        host.remove(&["web.yaml"]);
        sleep(millis(pause)).await;
        host.write("web.yaml", &task("web", ""));
        host.settle().await;
        let status = host.status("web").await;
        assert_eq!(status.phase, Phase::Running, "after {pause} ms");
        assert_eq!(status.uid == uid, pause < 5_000, "after {pause} ms: the same task");
        assert_eq!(host.live().len(), 2, "after {pause} ms");
        promises::assert_kept(&host.engine, false, "a task that comes back");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_while_a_create_is_under_way_must_leave_nothing() {
    for pause in [100, 2_900, 3_100, 6_000, 8_500] {
        let mut host = Host::with(&[("x.yaml", task("x", ""))]).await;
        host.engine.set_latency(Operation::Create, secs(9));
        host.write("web.yaml", &task("web", ""));
        sleep(millis(pause)).await;
        host.remove(&["web.yaml"]);
        host.settle().await;
        assert_eq!(host.ours().len(), 1, "after {pause} ms: {:?}", host.ours().keys());
    }
}
