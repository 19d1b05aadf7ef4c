//! Status as files: what those see who read them, and what it takes from nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel::domain::status::TaskStatus;
use evenkeel::runtime::simulated::Behaviour;
use evenkeel::status_dir::{FolderError, Inputs, StatusDir};
use evenkeel::worker::command::Overview;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::host::{Host, millis, secs, sleep, task};

/// The status files of a host's worker, kept.
struct Files {
    path: PathBuf,
    stop: CancellationToken,
    keeping: JoinHandle<()>,
}

impl Files {
    async fn of(host: &Host, path: &Path) -> Self {
        let (stop, sources) = (CancellationToken::new(), host.sources());
        let known = host.tasks().await.into_values().map(|status| status.name).collect();
        let dir = StatusDir::open(path.to_owned(), known).await.unwrap();
        let summary = |worker: Overview, tasks: &[Arc<TaskStatus>]| {
            json!({"tasks": tasks.len(), "worker": worker}).to_string()
        };
        let inputs = Inputs {
            commands: sources.commands,
            health: sources.health,
            summary: Box::new(summary),
        };
        let keeping = tokio::spawn(dir.keep(inputs, stop.clone()));
        Self { path: path.to_owned(), stop, keeping }
    }

    fn read(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path.join(name)).unwrap()).unwrap()
    }

    /// Each file there is, and which one it is: another one once it was replaced.
    fn list(&self) -> BTreeMap<String, u64> {
        let listed = fs::read_dir(&self.path).unwrap().map(Result::unwrap);
        let named = |it: fs::DirEntry| {
            (it.file_name().into_string().unwrap(), it.metadata().unwrap().ino())
        };
        listed.map(named).collect()
    }

    fn names(&self) -> Vec<String> {
        self.list().into_keys().collect()
    }

    async fn end(self) {
        self.stop.cancel();
        self.keeping.await.unwrap();
    }
}

fn directory() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("status");
    (home, path)
}

/// Long enough for a change to be there, and for no retry.
async fn soon() {
    sleep(secs(2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_must_say_what_the_worker_says_and_go_with_its_task() {
    let (_home, path) = directory();
    let mut host = Host::with(&[("web.yaml", task("web", "  replicas: 2"))]).await;
    let files = Files::of(&host, &path).await;
    soon().await;
    assert_eq!(files.names(), ["_worker.json", "default.web.json"]);
    let said = serde_json::to_value(host.status("web").await).unwrap();
    assert_eq!(files.read("default.web.json"), said);
    let worker = serde_json::to_value(host.overview().await).unwrap();
    assert_eq!(files.read("_worker.json"), json!({"tasks": 1, "worker": worker}));

    host.engine.program(&["crash"], Behaviour::ends(millis(10), 7));
    host.write("crash.yaml", &task("crash", "  command: [crash]"));
    host.write("bad.yaml", "kind: Task\n");
    sleep(secs(30)).await;
    let said = serde_json::to_value(host.status("crash").await).unwrap();
    assert_eq!(files.read("default.crash.json"), said);
    assert_eq!(said["instances"][0]["exitCode"], 7);
    // What is of no task is told as well.
    let worker = files.read("_worker.json");
    assert_eq!((&worker["tasks"], &worker["worker"]["files"]), (&json!(2), &json!(3)));
    assert_eq!(worker["worker"]["problems"][0]["file"], "bad.yaml");

    host.remove(&["web.yaml"]);
    sleep(secs(60)).await;
    assert_eq!(files.names(), ["_worker.json", "default.crash.json"]);
    // Another worker must not write there too.
    let other = StatusDir::open(path.clone(), BTreeSet::new()).await;
    assert!(matches!(other, Err(FolderError::Held(_))));
    // Of a worker that ended the last word on its tasks stays.
    files.end().await;
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    assert!(path.join("default.crash.json").exists());
}

#[tokio::test(start_paused = true)]
async fn nothing_may_be_written_at_rest() {
    let (_home, path) = directory();
    let host = Host::with(&[("web.yaml", task("web", "  replicas: 2"))]).await;
    let files = Files::of(&host, &path).await;
    soon().await;
    let before = files.list();
    sleep(secs(6 * 3600)).await;
    assert_eq!(files.list(), before);
    // One that starts again finds that there is nothing to write but the worker's own.
    files.end().await;
    let files = Files::of(&host, &path).await;
    soon().await;
    let after = files.list();
    assert_eq!(after.len(), 2);
    assert_eq!(after["default.web.json"], before["default.web.json"]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_tasks_at_once_must_all_be_told_of() {
    let (_home, path) = directory();
    let mut host = Host::new();
    host.start().await;
    let files = Files::of(&host, &path).await;
    let many = |number: u32| {
        let name = format!("task-{number}");
        (format!("{name}.yaml"), task(&name, ""))
    };
    host.write_all((0..1000).map(many));
    host.settle().await;
    soon().await;
    assert_eq!(files.names().len(), 1001);
    for number in 0..1000 {
        let status = files.read(&format!("default.task-{number}.json"));
        assert_eq!(status["phase"], "Running");
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_cannot_be_written_must_be_tried_again_and_disturb_nobody() {
    let (home, path) = directory();
    // A file stands where the directory is to be made.
    fs::write(&path, "").unwrap();
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let files = Files::of(&host, &path).await;
    sleep(secs(60)).await;
    host.write("more.yaml", &task("more", ""));
    host.settle().await;
    assert_eq!(host.live_names(), ["more.0.1", "web.0.1"]);
    fs::remove_file(&path).unwrap();
    sleep(secs(15)).await;
    let all = ["_worker.json", "default.more.json", "default.web.json"];
    assert_eq!(files.names(), all);
    // It is removed as a whole; the next change finds that out, and all of it is there again.
    fs::rename(&path, home.path().join("gone")).unwrap();
    host.remove(&["more.yaml"]);
    sleep(secs(60)).await;
    assert_eq!(files.names(), ["_worker.json", "default.web.json"]);
    // What an earlier run has left goes.
    files.end().await;
    fs::rename(home.path().join("gone/default.more.json"), path.join("default.more.json")).unwrap();
    let files = Files::of(&host, &path).await;
    soon().await;
    assert_eq!(files.names(), ["_worker.json", "default.web.json"]);
}
