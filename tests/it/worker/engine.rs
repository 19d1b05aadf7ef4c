//! An engine that is away, restarts, or says what is not so.

use evenkeel::domain::instance::{EndReason, State};
use evenkeel::domain::outcome::{Cause, Rejection, Retry};
use evenkeel::domain::status::{ConditionType, Phase, Truth};
use evenkeel::runtime::simulated::{Behaviour, Fault, Operation};

use super::host::{Host, millis, secs, sleep, task};
use super::promises;

#[tokio::test(start_paused = true)]
async fn while_the_engine_is_away_nothing_must_be_decided() {
    let mut host = Host::with(&[("web.yaml", task("web", "")), ("x.yaml", task("x", ""))]).await;
    let before = host.live();
    host.engine.engine_down();
    host.until_reason("web", ConditionType::Converged, "EngineUnavailable").await;
    let steps = host.engine.steps();
    host.write("web.yaml", &task("web", "  image: app:2"));
    host.write("new.yaml", &task("new", ""));
    sleep(secs(600)).await;
    assert_eq!((host.live(), host.engine.steps()), (before.clone(), steps));
    let status = host.status("x").await;
    assert_eq!(status.condition(ConditionType::Ready).unwrap().status, Truth::Unknown);
    assert!(host.overview().await.engine_unavailable.is_some());
    host.engine.engine_up();
    host.settle().await;
    assert_eq!(host.live_names(), ["new.0.1", "web.0.2", "x.0.1"]);
    assert_eq!(host.only("x"), before["x.0.1"]);
    for name in ["web", "x", "new"] {
        assert_eq!(host.status(name).await.restarts, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_for_a_minute_must_find_all_done_once() {
    // What it was asked for and nobody waits for any more, it does first or somewhat later.
    for late in [false, true] {
        let long = Behaviour { on_term: Some((millis(100), 0)), ..Behaviour::runs() };
        let mut host = Host::new();
        host.engine.task("default/once", Behaviour::ends(secs(1), 0));
        host.engine.task("default/web", long);
        host.write_all(["web", "x"].map(|name| (format!("{name}.yaml"), task(name, ""))));
        host.start().await;
        host.settle().await;
        let before = host.live();
        host.engine.set_latency(Operation::Create, secs(1));
        host.engine.set_latency(Operation::Start, secs(1));
        // A start, and half a second later a create, are under way.
        host.write("once.yaml", &task("once", "  restartPolicy: Never"));
        sleep(millis(1500)).await;
        host.write("new.yaml", &task("new", ""));
        sleep(millis(400)).await;
        assert_eq!((host.calls(Operation::Create), host.calls(Operation::Start)), (4, 3));
        host.engine.hang();
        host.write("web.yaml", &task("web", "  image: app:2"));
        for name in ["web", "x", "once", "new"] {
            host.until_reason(name, ConditionType::Converged, "EngineUnavailable").await;
        }
        let (steps, since) = (host.engine.steps(), tokio::time::Instant::now());
        host.write("later.yaml", &task("later", ""));
        sleep(secs(60)).await;
        assert_eq!(host.engine.steps(), steps, "nothing is decided: {:?}", since.elapsed());
        assert!(host.overview().await.engine_unavailable.is_some());
        let there = host.status("x").await;
        assert_eq!(there.condition(ConditionType::Ready).unwrap().status, Truth::Unknown);

        if !late {
            host.engine.catch_up();
        }
        host.engine.answer_again();
        host.until("it is asked again", secs(32), is_asked).await;
        if late {
            sleep(secs(3)).await;
            host.engine.catch_up();
        }
        host.settle().await;
        assert_eq!(host.live_names(), ["later.0.1", "new.0.1", "web.0.2", "x.0.1"]);
        assert_eq!(host.only("x"), before["x.0.1"]);
        let starts = ["later", "new", "once", "web", "x"].map(|name| host.starts(name));
        assert_eq!(starts, [1, 1, 1, 2, 1], "late: {late}");
        assert_eq!(host.status("once").await.phase, Phase::Completed);
        for name in ["later", "new", "once", "web", "x"] {
            assert_eq!(host.status(name).await.restarts, 0, "{name}");
        }
        promises::assert_kept(&host.engine, true, "an engine that hung");
    }
}

async fn is_asked(host: &Host) -> bool {
    host.overview().await.engine_unavailable.is_none()
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_was_away_for_long_must_be_asked_soon_after_it_is_back() {
    for hangs in [false, true] {
        let host = Host::with(&[("web.yaml", task("web", ""))]).await;
        // Nothing but time tells that it is back.
        host.engine.lose_events(true);
        for away in 1..20 {
            if hangs {
                host.engine.hang()
            } else {
                host.engine.engine_down()
            }
            let unasked = async |host: &Host| !is_asked(host).await;
            host.until("it is away", secs(60), unasked).await;
            sleep(secs(300 + away)).await;
            if hangs {
                host.engine.answer_again()
            } else {
                host.engine.engine_up()
            }
            host.until("it is asked again", secs(11), is_asked).await;
        }
        assert_eq!(host.live_names(), ["web.0.1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_when_evenkeel_starts_must_be_waited_for() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let (before, steps) = (host.live(), host.engine.steps());
    host.kill().await;
    host.engine.engine_down();
    host.start().await;
    host.until_reason("web", ConditionType::Converged, "EngineUnavailable").await;
    sleep(secs(300)).await;
    host.engine.engine_up();
    host.settle().await;
    assert_eq!((host.live(), host.engine.steps()), (before, steps));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_must_fail_no_rollout() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    host.engine.set_latency(Operation::Create, secs(1));
    host.write("web.yaml", &task("web", "  image: app:2"));
    sleep(millis(500)).await;
    host.engine.engine_down();
    sleep(secs(3600)).await;
    host.engine.engine_up();
    host.settle().await;
    let status = host.status("web").await;
    assert_eq!(status.refused, None);
    assert_eq!(status.phase, Phase::Running);
    assert_eq!(host.live_names(), ["web.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_restarts_must_have_each_service_started_once() {
    let host = Host::with(&[("web.yaml", task("web", "  replicas: 2"))]).await;
    for round in 1..=4 {
        sleep(secs(30)).await;
        host.engine.restart_engine();
        host.settle().await;
        let status = host.status("web").await;
        let live: Vec<_> =
            status.instances.iter().filter(|it| it.state == State::Running).collect();
        assert_eq!(live.len(), 2);
        assert_eq!(host.starts("web"), 2 * (round + 1));
        assert!(host.has_event("web", "Disrupted", "").await);
        let ended = status.instances.iter().find(|it| it.state == State::Failed).unwrap();
        assert_eq!(ended.reason.as_deref(), Some(EndReason::Disrupted.to_string().as_str()));
    }
    let waits = host.events("web").await;
    assert!(!waits.iter().any(|(reason, _)| reason == "Failed"), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_of_the_engine_there_must_be_no_back_off() {
    let host = Host::with(&[("web.yaml", task("web", ""))]).await;
    for _ in 0..8 {
        sleep(secs(10)).await;
        host.engine.restart_engine();
        sleep(secs(1)).await;
        assert_eq!(host.live().len(), 1, "started at once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ended_with_the_engine_must_be_disrupted_whatever_its_code() {
    let mut host = Host::new();
    host.engine.task("default/never", Behaviour::ends(secs(3600), 0));
    host.engine.task("default/again", Behaviour::ends(secs(3600), 0));
    host.write("never.yaml", &task("never", "  restartPolicy: Never"));
    host.write("again.yaml", &task("again", "  restartPolicy: OnFailure\n  backoff: {limit: 0}"));
    host.start().await;
    host.until("both run", secs(10), async |host| host.live().len() == 2).await;
    sleep(secs(20)).await;
    host.engine.restart_engine();
    sleep(secs(30)).await;
    assert_eq!(host.live_names(), ["again.0.2"], "what counts towards no limit runs again");
    assert_eq!(host.starts("never"), 1);
    let status = host.status("never").await;
    assert_eq!(status.phase, Phase::Failed);
    assert_eq!(status.condition(ConditionType::Ready).unwrap().reason, "Disrupted");
}

#[tokio::test(start_paused = true)]
async fn an_end_of_the_engine_while_evenkeel_is_away_must_be_seen_as_one() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    sleep(secs(10)).await;
    host.kill().await;
    sleep(secs(600)).await;
    host.engine.restart_engine();
    sleep(secs(600)).await;
    host.start().await;
    host.settle().await;
    assert_eq!(host.live_names(), ["web.0.2"]);
    assert!(host.has_event("web", "Disrupted", "").await);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_shows_nothing_must_make_and_remove_nothing() {
    let host = Host::with(&[("web.yaml", task("web", "  replicas: 3"))]).await;
    let (before, steps) = (host.live(), host.engine.steps());
    host.engine.empty_list_once();
    sleep(secs(60)).await;
    assert_eq!((host.live(), host.engine.steps()), (before, steps));
}

#[tokio::test(start_paused = true)]
async fn an_empty_first_list_must_not_double_what_runs() {
    for lost in [false, true] {
        let mut host = Host::with(&[("web.yaml", task("web", "  replicas: 3"))]).await;
        let (before, steps) = (host.live(), host.engine.steps());
        host.kill().await;
        if lost {
            std::fs::remove_file(host.db_file()).unwrap();
        }
        host.engine.empty_list_once();
        host.start().await;
        sleep(secs(60)).await;
        assert_eq!((host.live(), host.engine.steps()), (before, steps));
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_before_must_undo_nothing() {
    let mut host = Host::with(&[("web.yaml", task("web", "")), ("x.yaml", task("x", ""))]).await;
    let worker = host.worker.clone();
    host.engine.stale_list_once(&worker);
    host.write("web.yaml", &task("web", "  image: app:2"));
    host.remove(&["x.yaml"]);
    host.settle().await;
    let (before, steps) = (host.live(), host.engine.steps());
    assert_eq!(host.live_names(), ["web.0.2"]);
    host.engine.stale_list_once(&worker);
    sleep(secs(90)).await;
    assert_eq!((host.live(), host.engine.steps()), (before, steps));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_shows_what_was_removed_must_bring_nothing_back() {
    let mut host = Host::with(&[("web.yaml", task("web", "")), ("x.yaml", task("x", ""))]).await;
    let list = host.ours();
    host.remove(&["x.yaml"]);
    host.settle().await;
    sleep(secs(60)).await;
    let (steps, wakes) = (host.engine.steps(), host.events("x").await.len());
    host.engine.false_list_once(list.into_values().collect());
    sleep(secs(90)).await;
    assert_eq!((host.engine.steps(), host.events("x").await.len()), (steps, wakes));
    assert!(!host.tasks().await.contains_key("default/x"));
}

#[tokio::test(start_paused = true)]
async fn events_that_are_lost_must_cost_time_only() {
    let mut host = Host::with(&[("web.yaml", task("web", "  replicas: 2"))]).await;
    host.engine.lose_events(true);
    let victim = host.live().into_iter().next().unwrap();
    host.engine.kill(&victim.1);
    host.until("it is replaced", secs(40), async |host| host.live().len() == 2).await;
    host.write("web.yaml", &task("web", "  replicas: 2\n  image: app:2"));
    host.settle().await;
    let removed = host.live().into_iter().next().unwrap();
    host.engine.remove_by_hand(&removed.1);
    host.until("it is replaced", secs(40), async |host| host.live().len() == 2).await;
    promises::assert_kept(&host.engine, true, "lost events");
}

#[tokio::test(start_paused = true)]
async fn one_container_that_cannot_be_inspected_must_hold_up_no_other() {
    let mut host = Host::with(&[("a.yaml", task("a", "")), ("b.yaml", task("b", ""))]).await;
    let a = host.only("a");
    host.engine.mute(&a, true);
    sleep(secs(60)).await;
    host.write("b.yaml", &task("b", "  image: app:2"));
    host.until("b is replaced", secs(30), async |host| host.live_names() == ["a.0.1", "b.0.2"])
        .await;
    let reads = host.reads();
    sleep(secs(600)).await;
    let each_minute = (host.reads() - reads) / 10;
    assert!(each_minute <= 20, "{each_minute} calls a minute");
    assert_eq!(host.only("a"), a, "what is not known is left alone");
    host.engine.mute(&a, false);
    host.engine.kill(&a);
    host.until("a is seen", secs(60), async |host| host.live_names() == ["a.0.2", "b.0.2"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_while_a_create_is_in_doubt_must_leave_nothing_behind() {
    for fault in [Fault::RequestLost, Fault::ReplyLost] {
        let mut host = Host::with(&[("x.yaml", task("x", ""))]).await;
        host.engine.plan_fault(host.engine.steps(), fault);
        host.engine.set_latency(Operation::Create, secs(6));
        host.write("web.yaml", &task("web", ""));
        sleep(millis(100)).await;
        host.remove(&["web.yaml"]);
        host.until("it is gone", secs(90), async |host| host.tasks().await.len() == 1).await;
        sleep(secs(60)).await;
        assert_eq!(host.ours().len(), 1, "{:?}", host.ours().keys());
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_does_not_say_of_itself_must_keep_nobody_waiting() {
    let mut host = Host::new();
    host.engine.set_latency(Operation::Info, secs(3600));
    host.engine.set_latency(Operation::ListResources, secs(3600));
    host.write("db.yaml", &task("db", "  mounts: [{path: /data, volume: data}]"));
    host.start().await;
    host.until("it runs", secs(60), async |host| host.live_names() == ["db.0.1"]).await;
    assert_eq!(host.overview().await.engine_unavailable, None);
    // Back again, with the same questions unanswered.
    host.engine.engine_down();
    host.until_reason("db", ConditionType::Converged, "EngineUnavailable").await;
    host.engine.engine_up();
    host.settle().await;
    host.write("db.yaml", &task("db", "  image: app:2\n  mounts: [{path: /data, volume: data}]"));
    host.engine.set_latency(Operation::Info, secs(0));
    host.engine.set_latency(Operation::ListResources, secs(0));
    let tells = async |host: &Host| host.overview().await.engine.is_some();
    host.until("it tells of itself", secs(60), tells).await;
    host.settle().await;
    assert_eq!(host.live_names(), ["db.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_there_must_not_wait_for_pulls() {
    let mut host = Host::new();
    host.engine.set_latency(Operation::Pull, secs(900));
    for number in 0..8 {
        host.engine.publish_image(&format!("far:{number}"));
        let manifest = task(&format!("far{number}"), &format!("  image: far:{number}"));
        host.write(&format!("far{number}.yaml"), &manifest);
    }
    host.start().await;
    sleep(secs(10)).await;
    host.write("web.yaml", &task("web", ""));
    let runs = async |host: &Host| host.live_names() == ["web.0.1"];
    host.until("it runs", secs(5), runs).await;
    host.until("all run", secs(2000), async |host| host.live().len() == 9).await;
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_asked_too_much_must_be_asked_by_one_for_all() {
    let mut host = Host::new();
    let refusal = || {
        let message = "toomanyrequests: slow down".to_owned();
        Rejection { cause: Cause::RateLimited, retry: Retry::Later, message }
    };
    for number in 0..8 {
        host.engine.fail_pulls(&format!("far:{number}"), (0..9).map(|_| refusal()));
        let manifest = task(&format!("far{number}"), &format!("  image: far:{number}"));
        host.write(&format!("far{number}.yaml"), &manifest);
    }
    host.start().await;
    sleep(secs(60)).await;
    assert_eq!(host.calls(Operation::Pull), 8, "each has heard of it");
    sleep(secs(1740)).await;
    let pulls = host.calls(Operation::Pull) - 8;
    assert!((3..=8).contains(&pulls), "{pulls}");
    for number in 0..8 {
        let status = host.status(&format!("far{number}")).await;
        let converged = status.condition(ConditionType::Converged).unwrap();
        assert_eq!(converged.reason, "ImagePullFailed");
        assert!(converged.message.contains("toomanyrequests"), "{}", converged.message);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_takes_long_must_be_waited_for_whatever_may_run_beside_what() {
    for more in ["", "  mounts: [{path: /data, volume: data}]"] {
        let mut host = Host::with(&[("web.yaml", task("web", more))]).await;
        let before = host.live();
        host.engine.publish_image("far:2");
        host.engine.set_latency(Operation::Pull, secs(900));
        host.write("web.yaml", &task("web", &format!("  image: far:2\n{more}")));
        sleep(secs(890)).await;
        assert_eq!(host.live(), before);
        assert!(host.status("web").await.refused.is_none());
        host.settle().await;
        assert_eq!(host.live_names(), ["web.0.2"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_say_which_it_is_must_keep_no_end_waiting() {
    let host = Host::with(&[("web.yaml", task("web", ""))]).await;
    host.engine.set_latency(Operation::Info, secs(3600));
    for attempt in 2..5 {
        host.engine.kill(&host.only("web"));
        let name = format!("web.0.{attempt}");
        host.until("it runs again", secs(60), async |host| host.live_names() == [&*name]).await;
        sleep(secs(1)).await;
        assert!(host.has_event("web", "Failed", "137").await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_can_tell_of_yet_must_hold_up_no_other_and_be_asked_about_once() {
    const COUNT: usize = 20;
    let files = (0..COUNT).map(|at| (format!("t{at}.yaml"), task(&format!("t{at}"), "")));
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    host.write_all(files);
    host.settle().await;
    host.engine.set_latency(Operation::StartedAt, secs(3600));
    let asked = host.calls(Operation::StartedAt);
    for (name, id) in host.live() {
        if name != "web.0.1" {
            host.engine.exit(&id, 0);
        }
    }
    sleep(millis(500)).await;
    // What was told to stop has stopped, whoever says what.
    host.write("web.yaml", &task("web", "  image: app:2"));
    let is_done = async |host: &Host| host.live_names() == ["web.0.2"];
    host.until("it is replaced", secs(6), is_done).await;
    sleep(millis(500)).await;
    let ends = host.status("web").await;
    assert!(ends.instances.iter().any(|it| it.reason.as_deref() == Some("Stopped")), "{ends:#?}");
    sleep(secs(300)).await;
    assert_eq!(host.live_names(), ["web.0.2"], "what is not known is left alone");
    let asked = host.calls(Operation::StartedAt) - asked;
    assert!(asked <= 15, "{asked} questions in five minutes");
    host.engine.set_latency(Operation::StartedAt, secs(0));
    host.until("all run again", secs(60), async |host| host.live().len() == COUNT + 1).await;
    for at in 0..COUNT {
        assert!(host.has_event(&format!("t{at}"), "Completed", "exit code 0").await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_by_itself_must_be_told_as_one_though_the_engine_was_slow_to_say_that_it_is_new() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    host.engine.task("default/once", Behaviour::ends(secs(300), 0));
    host.write("once.yaml", &task("once", "  restartPolicy: Never"));
    host.until("both run", secs(10), async |host| host.live().len() == 2).await;
    sleep(secs(60)).await;
    for operation in [Operation::Info, Operation::StartedAt] {
        host.engine.set_latency(operation, secs(3600));
    }
    host.engine.restart_engine_alone();
    sleep(secs(120)).await;
    host.engine.exit(&host.only("web"), 3);
    sleep(secs(180)).await;
    assert_eq!(host.live_names(), Vec::<String>::new());
    for operation in [Operation::Info, Operation::StartedAt] {
        host.engine.set_latency(operation, secs(0));
    }
    host.settle().await;
    assert_eq!(host.live_names(), ["web.0.2"]);
    assert!(host.has_event("web", "Failed", "exit code 3").await, "{:?}", host.events("web").await);
    assert_eq!(host.status("once").await.phase, Phase::Completed);
}
