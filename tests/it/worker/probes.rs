//! Instances that are asked how they are.

use evenkeel::domain::container::HealthCheck;
use evenkeel::domain::instance::ContainerId;
use evenkeel::domain::status::Phase;
use evenkeel::runtime::Exec;
use evenkeel::runtime::simulated::Operation;

use super::host::{Host, secs, sleep, task};

const READY: &str = "  readinessProbe: {exec: {command: [ready]}, periodSeconds: 5}";
const ALIVE: &str = "  livenessProbe: {exec: {command: [alive]}, periodSeconds: 5}";

fn not(code: i64, output: &str) -> Exec {
    Exec::Ended { code, output: output.as_bytes().to_vec() }
}

fn well() -> Exec {
    not(0, "")
}

/// A service of this image and these probes.
fn web(image: &str, probes: &str) -> String {
    task("web", &format!("  image: {image}\n{probes}"))
}

async fn running(probes: &str) -> (Host, ContainerId) {
    let host = Host::with(&[("web.yaml", web("app:1", probes))]).await;
    host.settle().await;
    let id = host.only("web");
    (host, id)
}

#[tokio::test(start_paused = true)]
async fn a_change_must_come_up_ready_or_the_old_one_serves_on() {
    let (mut host, old) = running(READY).await;
    host.engine.answer_exec("ready", None, not(1, "no table"));
    host.engine.answer_exec("ready", Some(&old), well());
    host.write("web.yaml", &web("app:2", READY));
    sleep(secs(120)).await;
    let status = host.status("web").await;
    assert!(host.live().values().any(|id| *id == old) && host.live().len() == 2);
    assert_eq!((status.phase, status.ready_replicas), (Phase::Progressing, 1));
    let waits = "0.2 to become ready: the readiness probe failed: exit code 1: no table";
    assert_eq!(status.waiting_for, [waits]);
    host.engine.answer_exec("ready", None, well());
    host.settle().await;
    assert_eq!(host.live_names(), ["web.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_alive_must_be_replaced_and_told_why() {
    let (host, old) = running(ALIVE).await;
    host.engine.answer_exec("alive", Some(&old), not(9, "deadlock"));
    sleep(secs(40)).await;
    host.settle().await;
    assert_eq!(host.live_names(), ["web.0.2"]);
    let why = "the liveness probe failed: exit code 9: deadlock (3 times in a row)";
    assert!(host.has_event("web", "ProbeFailed", why).await, "{:?}", host.events("web").await);
    let status = host.status("web").await;
    assert_eq!(status.restarts, 1);
    assert_eq!(status.instances[0].reason.as_deref(), Some("ProbeFailed"));
}

#[tokio::test(start_paused = true)]
async fn what_has_not_started_in_time_must_be_gone_back_from() {
    let (mut host, old) = running("").await;
    let startup = "  startupProbe: {exec: {command: [up]}, periodSeconds: 1, failureThreshold: 4}";
    host.engine.answer_exec("up", None, not(1, ""));
    host.write("web.yaml", &web("app:2", startup));
    host.settle().await;
    assert_eq!(host.live().values().collect::<Vec<_>>(), [&old]);
    let status = host.status("web").await;
    let refused = status.refused.unwrap();
    assert!(refused.message.contains("startup probe failed: exit code 1"), "{}", refused.message);
    assert_eq!(status.phase, Phase::Running);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ready_must_be_told_and_left_alone() {
    let (host, id) = running(READY).await;
    let steps = host.engine.steps();
    host.engine.answer_exec("ready", None, not(1, "full"));
    sleep(secs(60)).await;
    let status = host.status("web").await;
    assert_eq!((status.phase, status.ready_replicas), (Phase::Pending, 0));
    let ready = status.conditions.iter().find(|it| it.reason == "ProbeFailed").unwrap();
    assert!(ready.message.contains("the readiness probe failed: exit code 1: full"), "{ready:?}");
    host.engine.answer_exec("ready", None, well());
    sleep(secs(60)).await;
    assert_eq!(host.status("web").await.phase, Phase::Running);
    assert_eq!((host.only("web"), host.engine.steps()), (id, steps));
    for reason in ["NotReady", "ReadyAgain"] {
        assert!(host.has_event("web", reason, "0.1").await, "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_probe_must_not_take_down_what_runs() {
    let (mut host, id) = running("").await;
    host.engine.answer_exec("ready", None, Exec::NotStarted("no such program".to_owned()));
    host.engine.answer_exec("alive", None, not(127, "not found"));
    host.write("web.yaml", &web("app:1", &format!("{READY}\n{ALIVE}")));
    sleep(secs(600)).await;
    assert_eq!(host.only("web"), id);
    let status = host.status("web").await;
    assert_eq!((status.phase, status.ready_replicas), (Phase::Running, 1));
    assert!(host.has_event("web", "ProbeDoubtful", "does not count").await);
    assert!(status.instances[0].message.as_ref().is_some_and(|it| it.contains("probe failed")));
    // Nor after a restart of evenkeel.
    host.kill().await;
    host.start().await;
    sleep(secs(600)).await;
    assert_eq!(host.only("web"), id);
    // Once they have succeeded they count.
    host.engine.answer_exec("ready", None, well());
    host.engine.answer_exec("alive", None, well());
    sleep(secs(20)).await;
    host.engine.answer_exec("alive", Some(&id), not(1, ""));
    sleep(secs(60)).await;
    host.settle().await;
    assert_eq!(host.live_names(), ["web.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_taken_away_must_not_count_any_more() {
    let (mut host, id) = running(READY).await;
    host.engine.answer_exec("ready", None, not(1, ""));
    sleep(secs(60)).await;
    assert_eq!(host.status("web").await.ready_replicas, 0);
    // Another one that fails too does not make it ready, though it is on trial.
    let other = READY.replace("5", "6");
    host.write("web.yaml", &web("app:1", &other));
    sleep(secs(60)).await;
    assert_eq!(host.status("web").await.ready_replicas, 0);
    host.write("web.yaml", &web("app:1", ""));
    sleep(secs(1)).await;
    assert_eq!((host.only("web"), host.status("web").await.ready_replicas), (id, 1));
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_of_evenkeel_what_was_ready_must_stay_so_and_be_asked_again() {
    let (mut host, id) = running(&format!("{READY}\n{ALIVE}")).await;
    host.kill().await;
    host.start().await;
    sleep(secs(1)).await;
    assert_eq!(host.status("web").await.ready_replicas, 1);
    sleep(secs(30)).await;
    assert_eq!((host.only("web"), host.status("web").await.ready_replicas), (id.clone(), 1));
    host.engine.answer_exec("alive", Some(&id), not(1, ""));
    sleep(secs(60)).await;
    assert_eq!(host.live_names(), ["web.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn while_the_engine_is_away_nothing_must_be_held_against_anybody() {
    let (host, id) = running(&format!("{READY}\n{ALIVE}")).await;
    host.engine.engine_down();
    sleep(secs(600)).await;
    host.engine.engine_up();
    sleep(secs(60)).await;
    assert_eq!((host.only("web"), host.status("web").await.ready_replicas), (id, 1));
}

#[tokio::test(start_paused = true)]
async fn a_program_that_does_not_end_must_not_be_run_beside_itself() {
    let (host, id) = running(READY).await;
    host.engine.answer_exec("ready", None, Exec::Late { exec: "e1".to_owned() });
    host.engine.let_late_execs_run(true);
    sleep(secs(60)).await;
    let runs = host.engine.calls()[&Operation::Exec];
    sleep(secs(50)).await;
    // It is only asked whether it still runs.
    let asked = host.engine.calls()[&Operation::Exec] - runs;
    assert!((9..=11).contains(&asked), "{asked}");
    let status = host.status("web").await;
    assert_eq!(status.ready_replicas, 0);
    host.engine.let_late_execs_run(false);
    host.engine.answer_exec("ready", None, well());
    sleep(secs(10)).await;
    assert_eq!((host.only("web"), host.status("web").await.ready_replicas), (id, 1));
}

#[tokio::test(start_paused = true)]
async fn the_health_check_of_an_image_must_decide_where_nothing_else_does() {
    let (mut host, id) = running("").await;
    host.engine.health_check(&id, HealthCheck::Starting);
    sleep(secs(1)).await;
    assert_eq!(host.status("web").await.ready_replicas, 0);
    host.engine.health_check(&id, HealthCheck::Healthy);
    sleep(secs(1)).await;
    assert_eq!(host.status("web").await.ready_replicas, 1);
    // A probe of the manifest takes its place.
    host.write("web.yaml", &web("app:1", READY));
    sleep(secs(20)).await;
    host.engine.health_check(&id, HealthCheck::Unhealthy("exit code 1".to_owned()));
    sleep(secs(20)).await;
    assert_eq!((host.only("web"), host.status("web").await.ready_replicas), (id.clone(), 1));
    host.write("web.yaml", &web("app:1", ""));
    sleep(secs(20)).await;
    assert_eq!(host.live_names(), ["web.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn answers_that_say_the_same_must_cost_no_look() {
    const COUNT: usize = 200;
    let probe = "  readinessProbe: {exec: {command: [ready]}, periodSeconds: 1}";
    let mut host = Host::new();
    host.start().await;
    let file = |at| (format!("t{at}.yaml"), task(&format!("t{at}"), probe));
    host.write_all((0..COUNT).map(file));
    host.settle().await;
    sleep(secs(30)).await;
    let (looks, asked) = (host.wakes(), host.engine.calls()[&Operation::Exec]);
    sleep(secs(60)).await;
    let asked = host.engine.calls()[&Operation::Exec] - asked;
    assert!((11_000..=12_200).contains(&asked), "{asked} times asked in a minute");
    let looks = host.wakes() - looks;
    assert!(looks <= 1, "{looks} looks");
}
