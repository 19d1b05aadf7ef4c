//! What those get who ask a worker through its socket.

use std::collections::BTreeSet;
use std::path::PathBuf;

use evenkeel::api::{Problem, openapi, socket};
use evenkeel::http::{Answer, over_unix};
use evenkeel::runtime::simulated::Behaviour;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::host::{Host, millis, secs, sleep, task};

/// The API of a host's worker, served.
struct Api {
    socket: PathBuf,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Api {
    fn of(host: &Host) -> Self {
        let stop = CancellationToken::new();
        let socket = socket(host.state.path());
        Self { socket, serving: host.serve(stop.clone()), stop }
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
        if is_endless {
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
            assert!(body.as_array().is_none_or(|list| !list.is_empty()), "{path} is empty");
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
    ];
    for (method, path, body, status, reason, says) in cases {
        let (is, problem) = api.refused(method, path, body).await;
        assert_eq!((is, &*problem.reason), (status, reason), "{method} {path}: {problem:?}");
        assert!(problem.message.contains(says), "{method} {path}: {problem:?}");
    }
    api.end().await;
}
