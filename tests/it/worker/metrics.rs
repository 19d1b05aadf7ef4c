//! What is counted, and that it is told.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use evenkeel::api::server::Sources;
use evenkeel::api::{open, socket};

use evenkeel::domain::instance::State;
use evenkeel::domain::status::Phase;
use evenkeel::metrics::{Answer, Exposition, Moment};
use evenkeel::runtime::simulated::{Behaviour, Operation};
use evenkeel::watch::WatchHealth;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::host::{Host, millis, secs, sleep, task};
use crate::exposition::{families, listed, sample};

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

/// What is answered at a path to who would like to get `accept`: status, type, body.
async fn ask(host: &Host, path: &str, accept: &str) -> (u16, String, String) {
    let stream = UnixStream::connect(socket(host.state.path())).await.unwrap();
    exchange(stream, ("GET", path), accept).await
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    (method, path): (&str, &str),
    accept: &str,
) -> (u16, String, String) {
    let head = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\nAccept: {accept}\r\n");
    let request = format!("{head}Content-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let of_type = head.lines().find_map(|line| line.strip_prefix("content-type: "));
    (status, of_type.unwrap_or_default().to_owned(), body.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_scrape_must_tell_all_and_two_at_once_must_make_one_read() {
    let host = Host::with(&[("web.yaml", task("web", "  replicas: 2"))]).await;
    let stop = CancellationToken::new();
    let serving = host.serve(stop.clone());
    host.engine.set_latency(Operation::Usage, millis(100));
    let prometheus =
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let (one, two) =
        tokio::join!(ask(&host, "/metrics", prometheus), ask(&host, "/metrics", "*/*"));
    for (status, of_type, text) in [one, two] {
        assert_eq!(status, 200);
        assert_eq!(of_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        assert!(text.ends_with("\n# EOF\n"));
        for (series, least) in [
            ("evenkeel_instances{state=\"Running\"}", 2.0),
            ("evenkeel_instances{state=\"Failed\"}", 0.0),
            ("evenkeel_tasks{phase=\"Running\"}", 1.0),
            ("evenkeel_task_ready_replicas{namespace=\"default\",task=\"web\"}", 2.0),
            ("evenkeel_engine_read_age_seconds", 0.0),
            ("evenkeel_db_size_bytes", 4096.0),
            ("evenkeel_host_cpus", 1.0),
            ("evenkeel_host_disk_bytes{path=\"/\"}", 1e6),
            ("process_resident_memory_bytes", 1e6),
            ("process_open_fds", 3.0),
            (
                "evenkeel_instance_memory_bytes{namespace=\"default\",task=\"web\",slot=\"1\"}",
                8_388_608.0,
            ),
        ] {
            let value = sample(&text, series).unwrap_or_else(|| panic!("{series} in\n{text}"));
            assert!(value >= least, "{series} {value}");
        }
        assert!(!text.contains("evenkeel_instance_memory_limit"), "there is none");
    }
    assert_eq!(host.calls(Operation::Usage), 2);
    let (_, of_type, text) = ask(&host, "/metrics", "text/plain;version=0.0.4, */*").await;
    assert_eq!(of_type, "text/plain; version=0.0.4; charset=utf-8");
    assert!(text.contains("# TYPE evenkeel_looks_total counter\n") && !text.contains("# EOF"));

    let (_, _, text) = ask(&host, "/v1/usage", "*/*").await;
    let told: Value = serde_json::from_str(&text).unwrap();
    let first = &told[0];
    assert_eq!((&first["task"], &first["slot"]), (&"default/web".into(), &0.into()));
    assert_eq!((&first["attempt"], &first["memoryBytes"]), (&1.into(), &(8 << 20).into()));
    stop.cancel();
    serving.await.unwrap();
}

/// While one takes over from another, both run in one slot.
#[tokio::test(start_paused = true)]
async fn of_two_that_run_in_one_slot_the_newer_one_must_be_told_of() {
    let mut host = Host::new();
    host.engine.program(&["slow"], Behaviour::stubborn());
    let slow = "  command: [slow]\n  terminationGracePeriodSeconds: 100";
    host.write("web.yaml", &task("web", slow));
    host.start().await;
    host.settle().await;
    let stop = CancellationToken::new();
    let serving = host.serve(stop.clone());
    host.write("web.yaml", &task("web", &format!("{slow}\n  image: app:2")));
    host.until("both run", secs(60), async |host| host.live().len() == 2).await;
    sleep(secs(2)).await;
    let running = host.pulse().await.running;
    assert_eq!(running.iter().map(|it| it.seat.attempt).collect::<Vec<_>>(), [1, 2]);
    let (_, _, text) = ask(&host, "/metrics", "*/*").await;
    let cpu: Vec<&str> =
        text.lines().filter(|it| it.starts_with("evenkeel_instance_cpu_seconds_total{")).collect();
    let [cpu] = cpu[..] else { panic!("{cpu:?}") };
    let used: f64 = cpu.split(' ').next_back().unwrap().parse().unwrap();
    assert!(used < 1.0, "the older one ran for longer: {cpu}");
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn whether_it_is_ready_and_why_not_must_be_told() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let stop = CancellationToken::new();
    let serving = host.serve(stop.clone());
    let all = "[+]worker ok\n[+]engine ok\n[+]source ok\n[+]state ok\nreadyz check passed\n";
    let plain = "text/plain; charset=utf-8".to_owned();
    assert_eq!(ask(&host, "/readyz", "*/*").await, (200, plain.clone(), all.to_owned()));
    let (status, _, text) = ask(&host, "/healthz?verbose", "*/*").await;
    assert_eq!((status, &*text), (200, "[+]worker ok\nhealthz check passed\n"));

    host.engine.engine_down();
    host.lose_source(Some("the disk is away"));
    sleep(secs(60)).await;
    let (status, of_type, text) = ask(&host, "/readyz", "*/*").await;
    assert_eq!((status, of_type), (503, plain));
    assert!(text.contains("\n[-]engine EngineUnavailable: connection refused\n"), "{text}");
    assert!(text.contains("\n[-]source SourceUnavailable: the disk is away\n"), "{text}");
    assert!(text.ends_with("readyz check failed\n"), "{text}");
    let (status, _, text) = ask(&host, "/readyz", "application/json, text/plain").await;
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &told["ok"]), (503, &false.into()));
    assert_eq!(told["checks"][1]["reason"], "EngineUnavailable");
    // It lives: a restart would mend nothing.
    assert_eq!(ask(&host, "/healthz", "*/*").await.0, 200);

    host.engine.engine_up();
    host.lose_source(None);
    sleep(secs(60)).await;
    assert_eq!(ask(&host, "/readyz", "*/*").await.2, all);

    // A worker that is gone is told of as well.
    host.stop().await;
    let (status, _, text) = ask(&host, "/healthz", "*/*").await;
    assert_eq!(status, 503);
    assert!(text.starts_with("[-]worker NoAnswer: "), "{text}");
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_can_reach_the_address_must_be_told_metrics_and_health_and_nothing_else() {
    let host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let stop = CancellationToken::new();
    let listener = open::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let at = listener.local_addr().unwrap();
    let sources = host.sources();
    let serving = tokio::spawn(open::serve(Some(listener), sources, stop.clone()));
    for (method, path, wanted, says) in [
        ("GET", "/metrics", 200, "evenkeel_instances"),
        ("GET", "/readyz", 200, "[+]engine ok"),
        ("GET", "/healthz", 200, "[+]worker ok"),
        ("GET", "/v1/tasks", 404, "see /metrics"),
        ("GET", "/v1/watch", 404, "see /metrics"),
        ("GET", "/openapi.json", 404, "see /metrics"),
        ("POST", "/v1/down", 404, "see /metrics"),
        ("POST", "/metrics", 405, "see /metrics"),
    ] {
        let stream = TcpStream::connect(at).await.unwrap();
        let (status, _, body) = exchange(stream, (method, path), "*/*").await;
        assert_eq!(status, wanted, "{method} {path}: {body}");
        assert!(body.contains(says), "{method} {path}: {body}");
    }
    let taken = open::listen(at).await.unwrap_err();
    assert_eq!(taken.to_string(), format!("can't listen at {at}"));
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_readme_must_list_every_metric_and_no_other() {
    let limited = "  resources: {limits: {memory: 64Mi}}";
    let host = Host::with(&[("web.yaml", task("web", limited))]).await;
    host.engine.pause_by_hand(&host.only("web"));
    sleep(secs(60)).await;
    // What nothing here asks for, or does wrong.
    host.metrics().engine.asked("info", Answer::Status(200), millis(1));
    host.metrics().db.failed("full");
    let read = WatchHealth { last_full_read: Some(Instant::now()), ..WatchHealth::default() };
    let (_watch, health) = watch::channel(read);
    let sources = Sources { health, ..host.sources() };
    let stop = CancellationToken::new();
    let listener = open::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let at = listener.local_addr().unwrap();
    let serving = tokio::spawn(open::serve(Some(listener), sources, stop.clone()));
    let stream = TcpStream::connect(at).await.unwrap();
    let (_, _, text) = exchange(stream, ("GET", "/metrics"), "text/plain").await;
    let (told, listed) = (families(&text), listed());
    let missing: Vec<_> = told.iter().filter(|(name, _)| !listed.contains_key(*name)).collect();
    assert!(missing.is_empty(), "not in the README: {missing:#?}");
    let gone: Vec<_> = listed.keys().filter(|name| !told.contains_key(*name)).collect();
    assert!(gone.is_empty(), "in the README alone: {gone:#?}");
    assert_eq!(told, listed);
    stop.cancel();
    serving.await.unwrap();
}
