//! What is counted, and that it is told.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use evenkeel::domain::instance::State;
use evenkeel::domain::status::Phase;
use evenkeel::metrics::{Exposition, Moment};
use evenkeel::runtime::simulated::{Behaviour, Operation};

use super::host::{Host, millis, secs, sleep, task};
use crate::exposition::sample;

impl Host {
    /// The value of a series that the worker counts.
    fn counted(&self, series: &str) -> f64 {
        let text = self.metrics().exposed(Moment::default(), Exposition::OpenMetrics);
        sample(&text, series).unwrap_or_else(|| panic!("there is no {series} in\n{text}"))
    }

    fn is_told(&self, part: &str) -> bool {
        self.metrics().exposed(Moment::default(), Exposition::OpenMetrics).contains(part)
    }

    fn saved(&self, file: &str, ago: Duration) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        self.metrics().saved.note(file, now - ago);
    }
}

fn step(step: &str, reason: &str, outcome: &str) -> String {
    format!("evenkeel_steps_total{{step=\"{step}\",reason=\"{reason}\",outcome=\"{outcome}\"}}")
}

#[tokio::test(start_paused = true)]
async fn what_is_done_and_why_must_be_counted() {
    let mut host = Host::new();
    host.engine.program(&["crash"], Behaviour::ends(millis(10), 1));
    host.write("web.yaml", &task("web", "  replicas: 2"));
    host.write("crash.yaml", &task("crash", "  command: [crash]\n  backoff: {limit: 2}"));
    host.start().await;
    host.settle().await;
    // Why an instance is there stands at its beginning; its steps follow from that.
    assert_eq!(host.counted(&step("begin", "Wanted", "done")), 3.0);
    assert_eq!(host.counted(&step("begin", "Restarted", "done")), 2.0);
    assert_eq!(host.counted(&step("create", "Begun", "done")), 5.0);
    assert_eq!(host.counted("evenkeel_step_duration_seconds_count{step=\"create\"}"), 5.0);
    assert!(host.counted(&step("make-network", "Begun", "done")) >= 1.0);
    let restarts =
        |name: &str| format!("evenkeel_restarts_total{{namespace=\"default\",task=\"{name}\"}}");
    assert_eq!(host.counted(&restarts("crash")), 2.0);
    assert_eq!(host.counted(&restarts("web")), 0.0, "it is there before the first");
    assert!(host.counted("evenkeel_looks_total{result=\"acting\"}") > 3.0);
    assert!(host.counted("evenkeel_looks_total{result=\"idle\"}") > 0.0);

    let ids: Vec<_> = host.live().into_values().collect();
    host.engine.pause_by_hand(&ids[0]);
    host.engine.remove_by_hand(&ids[1]);
    sleep(secs(60)).await;
    host.settle().await;
    for (kind, count) in [("paused", 1.0), ("removed", 1.0)] {
        assert_eq!(host.counted(&format!("evenkeel_drift_healed_total{{kind=\"{kind}\"}}")), count);
    }
    assert_eq!(host.counted(&restarts("web")), 1.0);

    // What is told of a task goes with it.
    host.remove(&["crash.yaml"]);
    sleep(secs(30)).await;
    assert!(!host.is_told("task=\"crash\"") && host.is_told("task=\"web\""));
}

#[tokio::test(start_paused = true)]
async fn from_a_saved_file_to_what_runs_must_be_measured_and_nothing_else() {
    let mut host = Host::with(&[("old.yaml", task("old", ""))]).await;
    let count = "evenkeel_saved_to_running_seconds_count";
    assert_eq!(host.counted(count), 0.0);
    let mut saved = 0.0;
    for (text, runs) in [
        (task("web", ""), true),
        (task("web", "  image: app:2"), true),
        // Nothing is begun for that.
        (task("web", "  image: app:2\n  resources: {limits: {memory: 64Mi}}"), false),
        (task("web", "  replicas: 0"), false),
        (task("web", "  image: none:1"), false),
        (task("web", "  image: app:3"), true),
    ] {
        sleep(secs(2)).await;
        host.saved("web.yaml", Duration::ZERO);
        host.write("web.yaml", &text);
        sleep(secs(60)).await;
        saved += f64::from(u8::from(runs));
        assert_eq!(host.counted(count), saved, "{text}");
        // A restart is none of it.
        if let Some(id) = host.live().values().next() {
            host.engine.kill(id);
        }
        sleep(secs(300)).await;
        assert_eq!(host.counted(count), saved, "{text}");
    }
    // What was saved before anybody watched says nothing.
    host.saved("late.yaml", secs(3600));
    host.write("late.yaml", &task("late", ""));
    host.until("it runs", secs(60), async |host| host.starts("late") == 1).await;
    sleep(secs(60)).await;
    assert_eq!(host.counted(count), saved);
}

#[tokio::test(start_paused = true)]
async fn how_all_is_must_be_told_in_numbers() {
    let mut host = Host::with(&[
        ("web.yaml", task("web", "  replicas: 2\n  resources: {limits: {memory: 64Mi}}")),
        ("off.yaml", task("off", "  suspend: true")),
    ])
    .await;
    sleep(secs(45)).await;
    let pulse = host.pulse().await;
    assert_eq!((pulse.instances[&State::Running], pulse.instances[&State::Failed]), (2, 0));
    assert_eq!((pulse.phases[&Phase::Running], pulse.phases[&Phase::Suspended]), (1, 1));
    let names: Vec<String> = pulse.replicas.iter().map(|(name, ..)| name.to_string()).collect();
    assert_eq!(names, ["default/off", "default/web"]);
    assert_eq!((pulse.replicas[1].1, pulse.replicas[1].2), (2, 2));
    assert!(pulse.engine_read.unwrap() < secs(34), "{:?}", pulse.engine_read);
    let [first, second] = &pulse.running[..] else { panic!("{:?}", pulse.running) };
    assert_eq!((first.seat.slot, second.seat.slot), (0, 1));
    assert_eq!(first.memory_limit, Some(64 << 20));

    // Nobody is asked of an engine that can't be asked.
    host.engine.engine_down();
    sleep(secs(60)).await;
    let pulse = host.pulse().await;
    assert!(pulse.running.is_empty() && pulse.engine_read.unwrap() > secs(50), "{pulse:?}");
    host.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_who_ask_at_once_must_share_what_is_read_and_nobody_else_must_ask() {
    let host = Host::with(&[("web.yaml", task("web", "  replicas: 40"))]).await;
    sleep(secs(600)).await;
    assert_eq!(host.calls(Operation::Usage), 0, "nobody has asked");
    let ids = || host.live().into_values().collect::<Vec<_>>();
    host.engine.set_latency(Operation::Usage, millis(100));
    let usages = host.usages();
    let late = async {
        sleep(millis(50)).await;
        usages.read(ids()).await
    };
    let (first, second, third) = tokio::join!(usages.read(ids()), usages.read(ids()), late);
    assert_eq!((first.len(), &first, &first), (40, &second, &third));
    assert_eq!(host.calls(Operation::Usage), 40);
    usages.read(ids()).await;
    assert_eq!(host.calls(Operation::Usage), 80, "what is over is not told again");

    // Who leaves leaves nothing behind that others would wait for.
    let given_up = tokio::time::timeout(millis(50), usages.read(ids())).await;
    assert!(given_up.is_err());
    assert_eq!(usages.read(ids()).await.len(), 40);

    // What the engine does not tell in time is left out.
    host.engine.hang();
    let begun = tokio::time::Instant::now();
    assert!(usages.read(ids()).await.is_empty());
    assert_eq!(begun.elapsed(), secs(5));
}
