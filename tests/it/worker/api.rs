//! What those get who ask a worker through its socket, and those who listen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use evenkeel::api::client::{Client, ClientError};
use evenkeel::api::listen::Watching;
use evenkeel::api::server::Sources;
use evenkeel::api::watching::{Told, Untold};
use evenkeel::api::{Problem, openapi, socket};
use evenkeel::db::{Change, Db, EventQuery, Limits};
use evenkeel::domain::event::{Event, Severity};
use evenkeel::domain::name::TaskName;
use evenkeel::domain::pull::{PullProgress, PullStage};
use evenkeel::domain::status::{Phase, TaskStatus};
use evenkeel::domain::time::Timestamp;
use evenkeel::http::{Answer, over_unix};
use evenkeel::runtime::simulated::{Behaviour, Operation};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::host::{End, Host, full, millis, secs, sleep, task};

/// The API of a host's worker, served.
struct Api {
    socket: PathBuf,
    client: Client,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Api {
    fn of(host: &Host) -> Self {
        Self::from(host, host.sources())
    }

    /// One that reads from another DB than the worker writes to.
    fn reading(host: &Host, db: Db) -> Self {
        Self::from(host, Sources { db, ..host.sources() })
    }

    fn from(host: &Host, sources: Sources) -> Self {
        let stop = CancellationToken::new();
        let (socket, client) = (socket(host.state.path()), Client::of(host.state.path()));
        Self { socket, client, serving: host.serve_from(sources, stop.clone()), stop }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let body = body.map(|body| body.as_bytes().to_vec());
        over_unix(&self.socket, (method, path), body, secs(600)).await.unwrap()
    }

    /// The problem that is answered, and its status.
    async fn refused(&self, method: &str, path: &str, body: Option<&str>) -> (u16, Problem) {
        let Answer { status, body } = self.ask(method, path, body).await;
        let text = String::from_utf8_lossy(&body).into_owned();
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{path}: {text}")))
    }

    async fn end(self) {
        self.stop.cancel();
        self.serving.await.unwrap();
    }
}

fn web() -> (&'static str, String) {
    ("web.yaml", task("web", "  replicas: 2"))
}

/// What is told until all tasks were.
async fn synced(watching: &mut Watching) -> Vec<Told> {
    let mut told = Vec::new();
    while told.last() != Some(&Told::Synced {}) {
        told.push(watching.next().await.unwrap());
    }
    told
}

/// The numbers of the events among what was told.
fn numbers(told: &[Told]) -> Vec<i64> {
    let number = |told: &Told| match told {
        Told::Happened(numbered) => Some(numbered.seq),
        _ => None,
    };
    told.iter().filter_map(number).collect()
}

fn is_reset(told: &Told) -> bool {
    matches!(told, Told::Reset(_))
}

/// The numbers of the events that are kept.
async fn kept(api: &Api, after: i64) -> Vec<i64> {
    let path = format!("/v1/events?after={after}&limit=100000");
    let body = api.ask("GET", &path, None).await.body;
    let events: Vec<Value> = serde_json::from_slice(&body).unwrap();
    events.iter().map(|event| event["seq"].as_i64().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_answer_must_be_what_the_description_says() {
    let mut host = Host::new();
    host.engine.program(&["crash"], Behaviour::ends(millis(10), 1));
    host.write("web.yaml", &task("web", "  replicas: 2\n  ports: [{containerPort: 80, hostPort: 0}]\n  mounts: [{path: /d, volume: d, shared: true}]\n  resources: {limits: {memory: 64Mi}}"));
    host.write("crash.yaml", &task("crash", "  command: [crash]"));
    host.write("broken.yaml", "kind: Task\n");
    host.start().await;
    sleep(secs(5)).await;
    let api = Api::of(&host);
    let document = openapi::document();
    let mut asked = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let is_endless = path == "/v1/watch" || path.contains("{instance}");
        let Some(answer) = operations["get"]["responses"]["200"].as_object() else { continue };
        // What is text first is read elsewhere.
        if is_endless || answer["content"].get("application/json").is_none() || path.ends_with("z")
        {
            continue;
        }
        let schema = &answer["content"]["application/json"]["schema"];
        let whole = json!({"$ref": "#/it", "it": schema, "components": document["components"]});
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        for name in ["web", "crash"] {
            let path = path.replace("{namespace}", "default").replace("{name}", name);
            let Answer { status, body } = api.ask("GET", &path, None).await;
            assert_eq!(status, 200, "{path}");
            let body: Value = serde_json::from_slice(&body).unwrap();
            let wrong: Vec<String> = validator
                .iter_errors(&body)
                .map(|it| format!("{}: {it}", it.instance_path()))
                .collect();
            assert!(wrong.is_empty(), "{path}: {wrong:#?}\n{body:#}");
            // Nothing is being pulled.
            let may_be_empty = path == "/v1/pulls";
            assert!(may_be_empty || body != json!([]), "{path} is empty");
            asked.insert(path);
        }
    }
    for part in ["", "/instances", "/events", "/revisions", "/plan"] {
        let path = format!("/v1/tasks/default/web{part}");
        assert!(asked.contains(&path), "{path} is not described");
    }
    api.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_answered_must_be_told_as_a_problem_and_what_is_meant() {
    let host = Host::with(&[web(), ("db.yaml", task("db", ""))]).await;
    let api = Api::of(&host);
    let none = "/v1/events?task=Bad+Name";
    let suspend = "/v1/tasks/default/web/suspend";
    let cases = [
        ("GET", "/v1/tasks/default/wbe", None, 404, "NotFound", "did you mean default/web?"),
        ("GET", "/v1/tasks/prod/web/plan", None, 404, "NotFound", "did you mean default/web?"),
        ("GET", "/v1/tasks/default/zzz/events", None, 404, "NotFound", "no task default/zzz"),
        ("GET", "/v1/tasks/default/Web", None, 400, "BadRequest", "a name is made of"),
        ("GET", "/v1/task", None, 404, "NotFound", "see /v1/tasks"),
        ("GET", "/nowhere/at/all", None, 404, "NotFound", "see /openapi.json"),
        ("POST", "/v1/tasks", None, 405, "MethodNotAllowed", "POST is not for /v1/tasks"),
        ("GET", "/v1/logs/7", None, 400, "BadRequest", "UUID"),
        ("GET", none, None, 400, "BadRequest", "a name is made of"),
        ("GET", "/v1/events?limit=-1", None, 400, "BadRequest", "limit"),
        ("POST", "/v1/approve/prune", Some("{"), 400, "BadRequest", "JSON"),
        ("POST", suspend, Some("[]"), 422, "UnprocessableEntity", "expected a map"),
        ("POST", suspend, Some(r#"{"who": "me"}"#), 422, "UnprocessableEntity", "field `who`"),
        ("POST", suspend, Some(r#"{"by": 1}"#), 422, "UnprocessableEntity", "expected a string"),
        ("POST", "/v1/tasks/default/wbe/resume", Some("{}"), 404, "NotFound", "default/web?"),
    ];
    for (method, path, body, status, reason, says) in cases {
        let (is, problem) = api.refused(method, path, body).await;
        assert_eq!((is, &*problem.reason), (status, reason), "{method} {path}: {problem:?}");
        assert!(problem.message.contains(says), "{method} {path}: {problem:?}");
    }
    api.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_listens_must_hear_of_every_task_and_then_of_every_change() {
    let mut host = Host::with(&[web(), ("db.yaml", task("db", ""))]).await;
    let api = Api::of(&host);
    let mut watching = api.client.watch(None, None).await.unwrap();
    let mut seen: BTreeMap<TaskName, TaskStatus> = BTreeMap::new();
    let first = synced(&mut watching).await;
    assert!(matches!(&first[..], [Told::Task(_), Told::Task(_), Told::Synced {}]), "{first:?}");
    let before = *kept(&api, 0).await.last().unwrap();

    host.write("web.yaml", &task("web", "  replicas: 2\n  image: app:2"));
    host.remove(&["db.yaml"]);
    let mut told = first;
    let name: TaskName = full("db").try_into().unwrap();
    while !told.iter().any(|it| matches!(it, Told::Removed(of) if of.name == name)) {
        told.push(watching.next().await.unwrap());
    }
    host.settle().await;
    let all = kept(&api, before).await;
    while numbers(&told).last() != all.last() {
        told.push(watching.next().await.unwrap());
    }
    assert_eq!(numbers(&told), all, "each event once, in order");
    for told in told {
        match told {
            Told::Task(status) => drop(seen.insert(status.name.clone(), *status)),
            Told::Removed(of) => drop(seen.remove(&of.name)),
            other => assert!(!is_reset(&other), "{other:?}"),
        }
    }
    let names: Vec<String> = seen.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["default/web"]);
    api.end().await;
    let ended = loop {
        if let Err(error) = watching.next().await {
            break error;
        }
    };
    assert!(matches!(ended, ClientError::Ended), "{ended}");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_must_hear_what_was_missed_and_nothing_twice() {
    let mut host = Host::with(&[web(), ("db.yaml", task("db", ""))]).await;
    let api = Api::of(&host);
    let web: TaskName = full("web").try_into().unwrap();
    for only in [None, Some(&web)] {
        let mut watching = api.client.watch(only, None).await.unwrap();
        synced(&mut watching).await;
        let id = watching.last_id().unwrap().to_owned();
        let before = *kept(&api, 0).await.last().unwrap();
        drop(watching);
        host.engine.kill(&host.only("db"));
        let image = if only.is_some() { "app:3" } else { "app:2" };
        host.write("web.yaml", &task("web", &format!("  image: {image}")));
        host.settle().await;
        let query = EventQuery { task: only.cloned(), after: Some(before), limit: 100_000 };
        let missed: Vec<i64> = host.db_events(query).await;
        assert!(missed.len() > 3, "{missed:?}");
        // After a number alone, too.
        for id in [id.clone(), before.to_string()] {
            let mut watching = api.client.watch(only, Some(id)).await.unwrap();
            assert_eq!(numbers(&synced(&mut watching).await), missed);
        }
    }
    let bad = api.client.watch(None, Some("yesterday".into())).await.unwrap_err();
    assert!(bad.to_string().contains("Last-Event-ID"), "{bad}");
    api.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_missed_what_is_no_longer_kept_must_be_told_so() {
    let mut host = Host::new();
    host.engine.program(&["crash"], Behaviour::ends(millis(10), 1));
    host.limits = Limits { events_per_task: 20, ..Limits::default() };
    host.write("web.yaml", &task("web", ""));
    host.write("crash.yaml", &task("crash", "  command: [crash]\n  backoff: {maxSeconds: 1}"));
    host.start().await;
    sleep(secs(1)).await;
    let api = Api::of(&host);
    let mut watching = api.client.watch(None, None).await.unwrap();
    synced(&mut watching).await;
    let id = watching.last_id().unwrap().to_owned();
    drop(watching);
    sleep(secs(300)).await;
    assert!(kept(&api, 0).await.len() < 150, "old ones went");
    let (web, crash) = (full("web").try_into().unwrap(), full("crash").try_into().unwrap());
    for (only, is_missed) in [(None, true), (Some(&crash), true), (Some(&web), false)] {
        let mut watching = api.client.watch(only, Some(id.clone())).await.unwrap();
        let told = synced(&mut watching).await;
        assert_eq!(is_reset(&told[0]), is_missed, "{only:?}: {told:?}");
        assert_eq!(told.iter().filter(|it| is_reset(it)).count(), usize::from(is_missed));
        if is_missed {
            assert_eq!(numbers(&told), [0; 0], "what is told after a reset is new");
        }
    }
    api.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_to_another_db_must_be_told_so() {
    let mut host = Host::with(&[web()]).await;
    let api = Api::of(&host);
    let mut watching = api.client.watch(None, None).await.unwrap();
    synced(&mut watching).await;
    let id = watching.last_id().unwrap().to_owned();
    drop(watching);
    api.end().await;
    host.stop().await;
    std::fs::remove_file(host.db_file()).unwrap();
    // Its numbers go beyond those of the one that is gone.
    host.write("db.yaml", &task("db", "  replicas: 9"));
    host.start().await;
    host.settle().await;
    let api = Api::of(&host);
    let (old, _) = id.split_once('-').unwrap();
    assert!(kept(&api, old.parse().unwrap()).await.len() > 3, "{id}");
    let mut watching = api.client.watch(None, Some(id)).await.unwrap();
    let told = synced(&mut watching).await;
    assert!(is_reset(&told[0]), "{told:?}");
    api.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_listens_must_be_told_that_what_happened_can_not_be_read_and_hear_it_later() {
    let mut host = Host::with(&[web()]).await;
    let dir = tempfile::tempdir().unwrap();
    let (state, away) = (dir.path().join("state"), dir.path().join("away"));
    let db = Db::open(&state).await.unwrap().db;
    let api = Api::reading(&host, db.clone());
    let mut watching = api.client.watch(None, None).await.unwrap();
    synced(&mut watching).await;
    fs::rename(&state, &away).unwrap();
    fs::write(&state, "in the way").unwrap();
    assert!(db.write(Vec::new()).await.is_err());
    assert!(db.rebuild(Vec::new()).await.is_err(), "it can't be read any more");

    host.write("web.yaml", &task("web", "  replicas: 2\n  image: app:2"));
    let mut told = Vec::new();
    while !told.iter().any(|it| matches!(it, Told::Untold(_))) {
        told.push(watching.next().await.unwrap());
    }
    host.write("web.yaml", &task("web", "  replicas: 3\n  image: app:2"));
    let is_scaled = |it: &Told| matches!(it, Told::Task(task) if task.replicas == 3);
    while !told.iter().any(is_scaled) {
        told.push(watching.next().await.unwrap());
    }
    host.settle().await;
    sleep(secs(60)).await;
    fs::remove_file(&state).unwrap();
    fs::rename(&away, &state).unwrap();
    let happened = Event {
        at: Timestamp::from_millis(1),
        severity: Severity::Normal,
        task: None,
        uid: None,
        instance: None,
        seat: None,
        reason: "Test".to_owned(),
        message: "after".to_owned(),
    };
    db.rebuild(vec![Change::AddEvent(happened)]).await.unwrap();
    while numbers(&told).is_empty() && !told.iter().any(is_reset) {
        told.push(watching.next().await.unwrap());
    }
    let untold: Vec<&Untold> = told
        .iter()
        .filter_map(|it| if let Told::Untold(untold) = it { Some(untold) } else { None })
        .collect();
    assert_eq!(untold.len(), 1, "told once: {told:?}");
    assert!(untold[0].message.contains("state.db"), "{untold:?}");
    api.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_must_hold_up_nobody_and_be_told_what_it_missed() {
    const COUNT: usize = 600;
    let mut host = Host::with(&[web()]).await;
    let api = Api::of(&host);
    let mut slow = api.client.watch(None, None).await.unwrap();
    let files = (0..COUNT).map(|it| (format!("{it}.yaml"), task(&format!("t{it}"), "")));
    host.write_all(files);
    host.until("all are settled", secs(120), async |host| {
        let tasks = host.tasks().await;
        tasks.len() == COUNT + 1 && tasks.values().all(TaskStatus::is_settled)
    })
    .await;
    let mut seen: BTreeMap<TaskName, TaskStatus> = BTreeMap::new();
    let (mut resets, mut last_sync) = (0, false);
    let now: BTreeMap<TaskName, TaskStatus> =
        host.tasks().await.into_values().map(|it| (it.name.clone(), it)).collect();
    while !(last_sync && resets > 0 && seen == now) {
        match slow.next().await.unwrap() {
            Told::Task(status) => drop(seen.insert(status.name.clone(), *status)),
            Told::Removed(of) => drop(seen.remove(&of.name)),
            Told::Reset(_) => {
                resets += 1;
                last_sync = false;
                seen.clear();
            }
            Told::Synced {} => last_sync = true,
            Told::Happened(_) | Told::Untold(_) => {}
        }
    }
    assert!(seen.values().all(|it| it.phase == Phase::Running));
    api.end().await;
}

#[tokio::test(start_paused = true)]
async fn so_many_may_listen_and_no_more_and_a_place_is_free_again() {
    let mut host = Host::with(&[web()]).await;
    let api = Api::of(&host);
    let mut all = Vec::new();
    for _ in 0..32 {
        let mut watching = api.client.watch(None, None).await.unwrap();
        synced(&mut watching).await;
        all.push(watching);
    }
    let refused = api.client.watch(None, None).await.unwrap_err();
    assert!(refused.to_string().contains("32 listen already"), "{refused}");
    all.pop();
    host.until("a place is free", secs(60), async |_| api.client.watch(None, None).await.is_ok())
        .await;
    assert_eq!(host.stop().await, End::Ended(evenkeel::worker::Ended::Stopped));
    api.end().await;
}

#[tokio::test(start_paused = true)]
async fn how_far_pulls_have_come_must_be_told_while_they_go_on() {
    let mut host = Host::new();
    host.engine.set_latency(Operation::Pull, secs(900));
    for number in 0..6 {
        host.engine.publish_image(&format!("far:{number}"));
        let manifest = task(&format!("far{number}"), &format!("  image: far:{number}"));
        host.write(&format!("far{number}.yaml"), &manifest);
    }
    host.write("also.yaml", &task("also", "  image: far:0"));
    host.start().await;
    sleep(secs(10)).await;
    let api = Api::of(&host);
    let pulls = api.client.pulls().await.unwrap();
    let images: Vec<&str> = pulls.iter().map(|it| &*it.image).collect();
    assert_eq!(images, ["far:0", "far:1", "far:2", "far:3", "far:4", "far:5"]);
    let tasks: Vec<String> = pulls[0].tasks.iter().map(ToString::to_string).collect();
    assert_eq!(tasks, ["default/also", "default/far0"]);
    let (going, queued): (Vec<_>, Vec<_>) =
        pulls.iter().map(|it| it.progress).partition(|it| it.stage == PullStage::Fetching);
    assert_eq!(
        (going.len(), going[0].fetched_bytes, going[0].total_bytes),
        (4, 1 << 20, Some(4 << 20))
    );
    assert_eq!(queued, [PullProgress::default(); 2]);
    host.until("all run", secs(2000), async |host| host.live().len() == 7).await;
    assert_eq!(api.client.pulls().await.unwrap(), []);
    api.end().await;
}
