//! The watcher on real directories. A file's content is told by its digest here: the reader of
//! these tests gives it as it is.

mod editors;
mod faults;
mod roots;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel::domain::diagnostic::{Diagnostic, InvalidReason};
use evenkeel::domain::name::TaskName;
use evenkeel::domain::source::{Document, FileState, Mounted, Snapshot};
use evenkeel::domain::task::Task;
use evenkeel::watch::{Options, WatchHealth, look as look_within, read_once, watch};
use tempfile::TempDir;
use tokio::sync::watch::{Receiver, channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long anything may take on a busy machine before it counts as never.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than any test: what waits for this never comes.
const NEVER: Duration = Duration::from_secs(3600);

/// Every file and content that was parsed, in order.
type Parsed = Arc<Mutex<Vec<(String, String)>>>;

/// A watcher on a directory of its own.
struct Watching {
    /// Holds the source at `source`, and room beside it.
    home: TempDir,
    root: PathBuf,
    snapshots: Receiver<Arc<Snapshot>>,
    health: Receiver<WatchHealth>,
    parsed: Parsed,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Watching {
    /// Watches `source` in a new directory that `prepare` has filled.
    fn start(prepare: impl FnOnce(&Path), change: impl FnOnce(&mut Options)) -> Self {
        let home = TempDir::new().unwrap();
        let root = home.path().join("source");
        fs::create_dir(&root).unwrap();
        prepare(&root);
        let mut options = Options::new(&root);
        options.rescan = Duration::from_millis(200);
        options.settle = Duration::from_millis(200);
        options.root_check = Duration::from_millis(50);
        change(&mut options);
        let unread = Snapshot::Unavailable { message: "not read yet".into() };
        let (out, snapshots) = channel(Arc::new(unread));
        let (health_out, health) = channel(WatchHealth::default());
        let stop = CancellationToken::new();
        let parsed = Parsed::default();
        let future = watch(options, reader(&parsed), out, health_out, stop.clone());
        let running = tokio::spawn(async move { future.await.unwrap() });
        Self { home, root, snapshots, health, parsed, stop, running }
    }

    /// Where only events bring anything: no rescan, and nothing found is ever believed.
    async fn by_events_alone() -> Self {
        let mut watching = Self::start(
            |_| {},
            |options| {
                options.rescan = NEVER;
                options.settle = NEVER;
            },
        );
        watching.until(&[]).await;
        watching
    }

    /// Where no event is heard.
    async fn by_rescans_alone() -> Self {
        let mut watching = Self::start(
            |_| {},
            |options| {
                options.rescan = Duration::from_millis(50);
                options.settle = Duration::from_millis(100);
                options.events = false;
            },
        );
        watching.until(&[]).await;
        watching
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Waits until the snapshot holds exactly these files, as `name: content`, `name ! why`
    /// (a part of it), `name / why` of a directory, or `name ...` while it is being written.
    async fn until(&mut self, files: &[&str]) {
        let wanted = |snapshot: &Arc<Snapshot>| {
            let told = told(snapshot);
            told.len() == files.len()
                && told.iter().zip(files).all(|(told, file)| told.starts_with(file))
        };
        let reached = tokio::time::timeout(PATIENCE, self.snapshots.wait_for(wanted)).await.is_ok();
        assert!(reached, "wanted {files:#?}, got {:#?}", told(&self.snapshots.borrow()));
    }

    /// Waits until the source is unavailable for a reason that holds these words.
    async fn until_unavailable(&mut self, words: &str) {
        let wanted = |snapshot: &Arc<Snapshot>| match &**snapshot {
            Snapshot::Unavailable { message } => message.contains(words),
            Snapshot::Read { .. } => false,
        };
        let reached = tokio::time::timeout(PATIENCE, self.snapshots.wait_for(wanted)).await.is_ok();
        assert!(reached, "wanted {words}, got {:?}", self.snapshots.borrow());
    }

    /// Waits until everything was listed `more` times more than now.
    async fn listed_again(&mut self, more: u64) {
        let goal = self.health.borrow().listings + more;
        let wanted = |health: &WatchHealth| health.listings >= goal;
        tokio::time::timeout(PATIENCE, self.health.wait_for(wanted)).await.unwrap().unwrap();
    }

    /// The contents that were parsed of a file, in order.
    fn parsed(&self, name: &str) -> Vec<String> {
        let all = self.parsed.lock().unwrap();
        all.iter().filter(|(file, _)| file == name).map(|(_, content)| content.clone()).collect()
    }

    /// Stops the watcher and sees that nothing of it is left.
    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.running).await.unwrap().unwrap();
        assert_eq!(Arc::strong_count(&self.parsed), 1, "something of the watcher is left");
    }
}

/// One line for each file of a snapshot.
fn told(snapshot: &Snapshot) -> Vec<String> {
    let files = match snapshot {
        Snapshot::Unavailable { message } => return vec![format!("unavailable: {message}")],
        Snapshot::Read { files } => files,
    };
    let line = |(file, state): (&String, &FileState)| match state {
        FileState::Read { digest, .. } => format!("{file}: {digest}"),
        FileState::Unreadable { problems, .. } => format!("{file} ! {}", problems[0].message),
        FileState::Unlisted { problem } => format!("{file} / {}", problem.message),
        FileState::Unsettled => format!("{file} ..."),
    };
    files.iter().map(line).collect()
}

/// Reads a line `task NAME [MOUNT…]` as a task, a line `broken` as a broken document, and any other
/// as nothing.
fn reader(parsed: &Parsed) -> impl Fn(&str, &[u8]) -> FileState + Send + 'static {
    let parsed = Arc::clone(parsed);
    move |file, bytes| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        parsed.lock().unwrap().push((file.to_owned(), text.clone()));
        let documents = text.lines().filter_map(|line| document(file, line)).collect();
        FileState::Read { digest: text, documents }
    }
}

fn document(file: &str, line: &str) -> Option<Document> {
    let mut words = line.split(' ');
    match words.next() {
        Some("poison") => panic!("as a bug does"),
        Some("broken") => {
            let problem = Diagnostic {
                file: file.to_owned(),
                place: None,
                reason: InvalidReason::SchemaInvalid,
                message: "broken".into(),
                help: None,
            };
            Some(Document::Broken { name: None, line: 1, problems: vec![problem] })
        }
        Some("task") => {
            let name = TaskName::try_from(words.next().unwrap().to_owned()).unwrap();
            let mounts: Vec<_> = words
                .map(|path| {
                    let source = serde_json::json!({"hostPath": {"path": path}});
                    serde_json::json!({"path": "/data", "source": source})
                })
                .collect();
            let task: Task = serde_json::from_value(serde_json::json!({
                "name": name.to_string(),
                "replicas": 1,
                "restartPolicy": "Always",
                "backoff": {"initialSeconds": 1, "maxSeconds": 60, "resetAfterSeconds": 600},
                "update": {
                    "strategy": "Rolling", "maxSurge": 1, "maxUnavailable": 0, "minReadySeconds": 0
                },
                "terminationGracePeriodSeconds": 10,
                "template": {
                    "image": "img",
                    "imagePullPolicy": "IfNotPresent",
                    "logging": {"driver": "json-file", "options": {}},
                    "mounts": mounts
                }
            }))
            .unwrap();
            Some(Document::Task { task: Box::new(task), line: 1 })
        }
        _ => None,
    }
}

/// What one look at a directory tells.
fn look(root: &Path) -> Vec<String> {
    told(&read_once(&Options::new(root), reader(&Parsed::default())))
}
