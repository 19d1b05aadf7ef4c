//! Work that is handed in: it becomes files, and the files are what counts.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use evenkeel::api::{Problem, openapi, socket};
use evenkeel::domain::name::TaskName;
use evenkeel::domain::status::{ConditionType, Phase};
use evenkeel::http::{Answer as HttpAnswer, over_unix};
use evenkeel::manifest::incoming::{Fate, Others, Refusal, Sent, Why};
use evenkeel::worker::command::Command;
use evenkeel::worker::receive::{Order, Receipt, Request};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::host::{self, Host, full, millis, secs, sleep};

/// A host whose source is a directory, which somebody looks at all the time.
struct Desk {
    host: Host,
    dir: TempDir,
    /// What the source was last said to hold.
    seen: BTreeMap<String, String>,
}

type Answer = oneshot::Receiver<Result<Receipt, Refusal>>;

impl Desk {
    async fn with(files: &[(&str, String)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut host = Host::new();
        host.source = dir.path().to_str().unwrap().to_owned();
        let mut desk = Self { host, dir, seen: BTreeMap::new() };
        for (file, text) in files {
            desk.save(file, text);
        }
        desk.look();
        desk.host.start().await;
        desk.host.settle().await;
        desk
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// As an editor does it.
    fn save(&self, file: &str, text: &str) {
        fs::create_dir_all(self.path(file).parent().unwrap()).unwrap();
        fs::write(self.path(file), text).unwrap();
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    /// All manifest files, with what is in them.
    fn files(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.dir.path().to_owned()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(self.dir.path()).unwrap().to_str().unwrap();
                if path.is_dir() {
                    open.push(path);
                } else if !path.file_name().unwrap().to_str().unwrap().starts_with('.') {
                    found.insert(name.to_owned(), fs::read_to_string(&path).unwrap());
                }
            }
        }
        found
    }

    /// The watch looks.
    fn look(&mut self) {
        let files = self.files();
        if files != self.seen {
            self.seen.clone_from(&files);
            self.host.replace_all(files);
        }
    }

    async fn begin(&self, order: Order, dry_run: bool) -> Answer {
        self.host.begin(|reply| Command::Receive(Request { order, dry_run }, reply)).await
    }

    /// The answer, while the watch looks again and again.
    async fn answer(&mut self, mut answer: Answer) -> Result<Receipt, Refusal> {
        loop {
            tokio::select! {
                answer = &mut answer => return answer.expect("it is answered"),
                () = sleep(millis(20)) => self.look(),
            }
        }
    }

    async fn apply(&mut self, text: &str) -> Result<Receipt, Refusal> {
        let answer = self.begin(applied(text), false).await;
        self.answer(answer).await
    }

    async fn delete(&mut self, name: &str) -> Result<Receipt, Refusal> {
        let answer = self.begin(deleted(name), false).await;
        self.answer(answer).await
    }

    /// Asks through the API, while the watch looks again and again.
    async fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let socket = socket(self.host.state.path());
        let body = body.map(|body| body.to_string().into_bytes());
        let mut asked = Box::pin(over_unix(&socket, (method, path), body, secs(3600)));
        loop {
            tokio::select! {
                answer = &mut asked => {
                    let HttpAnswer { status, body } = answer.unwrap();
                    return (status, serde_json::from_slice(&body).unwrap());
                }
                () = sleep(millis(20)) => self.look(),
            }
        }
    }

    /// Asks in vain, and tells why; nothing may be changed by it.
    async fn in_vain(&mut self, order: Order) -> Refusal {
        let (files, steps) = (self.files(), self.host.engine.steps());
        let answer = self.begin(order, false).await;
        let refusal = self.answer(answer).await.unwrap_err();
        sleep(secs(10)).await;
        assert_eq!((self.files(), self.host.engine.steps()), (files, steps), "{refusal:?}");
        refusal
    }
}

/// A manifest of a task, without an empty line at its end.
fn task(name: &str, spec: &str) -> String {
    format!("{}\n", host::task(name, spec).trim_end())
}

fn sent(folder: Option<&str>, text: &str) -> Sent {
    let folder = folder.map(ToOwned::to_owned);
    Sent { name: "sent.yaml".into(), folder, text: text.into(), others: Others::Refuse }
}

fn applied(text: &str) -> Order {
    Order::Apply { sent: vec![sent(None, text)], namespace: None }
}

fn deleted(name: &str) -> Order {
    Order::Delete(TaskName::try_from(full(name)).unwrap())
}

/// What became of each manifest.
fn fates(receipt: &Receipt) -> Vec<String> {
    let told = receipt.tasks.iter();
    told.map(|it| format!("{} {} {}", it.name, it.fate.word(), it.source)).collect()
}

fn three() -> String {
    ["one", "two", "three"].map(|name| format!("# of {name}\n{}", task(name, ""))).join("---\n")
}

#[tokio::test(start_paused = true)]
async fn what_is_applied_must_become_a_file_and_then_a_container() {
    let mut desk = Desk::with(&[]).await;
    let receipt = desk.apply(&task("web", "")).await.unwrap();
    assert_eq!(fates(&receipt), ["default/web created default.web.yaml:1"]);
    assert!(receipt.taken);
    assert_eq!(desk.text("default.web.yaml"), task("web", ""));
    // Who asks next is told of it.
    assert_eq!(desk.host.status("web").await.generation, 1);
    desk.host.settle().await;
    assert_eq!(desk.host.live_names(), ["web.0.1"]);
    let receipt = desk.apply(&task("web", "  image: app:2")).await.unwrap();
    assert_eq!(fates(&receipt), ["default/web configured default.web.yaml:1"]);
    assert_eq!(desk.host.status("web").await.generation, 2);
    desk.host.settle().await;
    assert_eq!(desk.host.live_names(), ["web.0.2"]);
    assert!(desk.host.has_event("web", "Accepted", "from default.web.yaml:1").await);
}

#[tokio::test(start_paused = true)]
async fn what_is_applied_must_change_its_own_document_and_nothing_else() {
    let mut desk = Desk::with(&[("apps/all.yaml", three())]).await;
    let before = desk.host.live();
    let receipt = desk.apply(&task("two", "  image: app:2")).await.unwrap();
    assert_eq!(fates(&receipt), ["default/two configured apps/all.yaml:8"]);
    let wanted = three().replace(&task("two", ""), &task("two", "  image: app:2"));
    assert_eq!(desk.text("apps/all.yaml"), wanted);
    desk.host.settle().await;
    let after = desk.host.live();
    for name in ["one.0.1", "three.0.1"] {
        assert_eq!(after[name], before[name]);
    }
    assert!(after.contains_key("two.0.2"), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn what_says_the_same_must_change_no_file_and_no_container() {
    let desk = Desk::with(&[("all.yaml", three())]).await;
    let steps = desk.host.engine.steps();
    let modified = || fs::metadata(desk.path("all.yaml")).unwrap().modified().unwrap();
    let before = modified();
    let text = format!("{}# other\n  replicas: 1\n", task("two", ""));
    let answer = desk.begin(applied(&text), false).await;
    // There is nothing to wait for.
    let receipt = answer.await.unwrap().unwrap();
    assert_eq!(receipt.tasks[0].fate, Fate::Unchanged);
    sleep(secs(10)).await;
    assert_eq!((modified(), desk.host.engine.steps()), (before, steps));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_must_be_taken_at_its_word_at_once_and_not_be_counted() {
    let mut desk = Desk::with(&[("all.yaml", three()), ("x.yaml", task("x", ""))]).await;
    let before = desk.host.live();
    let began = Instant::now();
    let receipt = desk.delete("three").await.unwrap();
    assert_eq!(fates(&receipt), ["default/three deleted all.yaml:16"]);
    let two = three().split("---\n# of three").next().unwrap().to_owned();
    assert_eq!(desk.text("all.yaml"), two);
    for name in ["one", "two"] {
        desk.delete(name).await.unwrap();
    }
    assert!(!desk.path("all.yaml").exists(), "nothing is left in it");
    desk.host.until("they are gone", secs(4), async |host| host.tasks().await.len() == 1).await;
    assert!(began.elapsed() < secs(5), "no tombstone: {:?}", began.elapsed());
    desk.host.settle().await;
    assert_eq!(desk.host.live(), [("x.0.1".to_owned(), before["x.0.1"].clone())].into());
    assert!(desk.host.overview().await.prune_held.is_none());
    // One that goes by itself counts alone.
    fs::remove_file(desk.path("x.yaml")).unwrap();
    desk.look();
    desk.host.until("it goes", secs(9), async |host| host.tasks().await.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_and_applied_again_must_be_a_new_task_at_once() {
    let mut desk = Desk::with(&[("web.yaml", task("web", ""))]).await;
    let uid = desk.host.status("web").await.uid;
    desk.delete("web").await.unwrap();
    let began = Instant::now();
    let receipt = desk.apply(&task("web", "")).await.unwrap();
    assert_eq!(fates(&receipt), ["default/web created default.web.yaml:1"]);
    assert!(began.elapsed() < secs(1), "{:?}", began.elapsed());
    desk.host.settle().await;
    let status = desk.host.status("web").await;
    assert_eq!(status.phase, Phase::Running);
    assert_ne!(status.uid, uid);
    // Also where the watch sees neither of the two alone.
    let both = [
        desk.begin(deleted("web"), false).await,
        desk.begin(applied(&task("web", "")), false).await,
    ];
    let [gone, back] = both;
    assert!(gone.await.unwrap().is_ok() || !desk.path("default.web.yaml").exists());
    let receipt = desk.answer(back).await.unwrap();
    assert!(receipt.taken);
    desk.host.settle().await;
    assert_eq!(desk.host.status("web").await.phase, Phase::Running);
}

#[tokio::test(start_paused = true)]
async fn all_that_is_sent_must_be_taken_or_nothing() {
    let mut desk =
        Desk::with(&[("web.yaml", task("web", "")), ("b.yaml", "kind: Task\n".into())]).await;
    let good = task("web", "  image: app:2");
    let bad = format!("{good}---\n{}", task("db", "  imgae: x"));
    let refusal = desk.in_vain(applied(&bad)).await;
    assert_eq!(refusal.why, Why::Invalid);
    assert!(refusal.problems[0].to_string().starts_with("sent.yaml:14:3: unknown"), "{refusal:?}");
    // One of them stands in a file that can't be changed.
    desk.save("old.yaml", &format!("{}---\n{{", task("db", "")));
    desk.look();
    desk.host.settle().await;
    let refusal = desk.in_vain(applied(&format!("{good}---\n{}", task("db", "")))).await;
    assert_eq!((refusal.why, refusal.problems.len()), (Why::FileBroken, 1));
    assert!(refusal.message.starts_with("old.yaml is broken"), "{refusal:?}");
    // Two that would be made, of which one can't be written: neither is.
    fs::create_dir(desk.path("default.z.yaml")).unwrap();
    let two = format!("{}---\n{}", task("a", ""), task("z", ""));
    assert_eq!(desk.in_vain(applied(&two)).await.why, Why::NotEditable);
    assert!(!desk.path("default.a.yaml").exists());
}

#[tokio::test(start_paused = true)]
async fn several_at_once_must_be_taken_one_after_the_other() {
    let mut desk = Desk::with(&[("all.yaml", three())]).await;
    let mut answers = Vec::new();
    for number in 2..=9 {
        let text = format!(
            "{}---\n{}",
            task("new", &format!("  image: app:{number}")),
            task("two", &format!("  image: app:{number}"))
        );
        answers.push(desk.begin(applied(&text), false).await);
    }
    let mut fates = Vec::new();
    let began = Instant::now();
    for answer in answers {
        let receipt = desk.answer(answer).await.unwrap();
        assert!(receipt.taken);
        fates.push(receipt.tasks[0].fate);
    }
    assert_eq!(fates[0], Fate::Created);
    assert!(fates[1..].iter().all(|fate| *fate == Fate::Configured), "{fates:?}");
    assert!(began.elapsed() < secs(5), "who was overtaken waits for nothing");
    assert_eq!(desk.text("default.new.yaml"), task("new", "  image: app:9"));
    desk.host.settle().await;
    let image = |name: &str| {
        desk.host.ours()[&format!("evenkeel.default.default.{name}")].labels["evenkeel.spec"]
            .contains("app:9")
    };
    let live = desk.host.live_names();
    assert_eq!(live.len(), 4, "{live:?}");
    for name in live.iter().filter(|it| it.starts_with("new") || it.starts_with("two")) {
        assert!(image(name), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_found_yet_must_be_told_and_can_be_changed_again() {
    let mut desk = Desk::with(&[("web.yaml", task("web", ""))]).await;
    // Nobody looks: as with a file system without events.
    let first = desk.begin(applied(&task("web", "  image: app:2")), false).await;
    let began = Instant::now();
    let receipt = first.await.unwrap().unwrap();
    assert_eq!((receipt.tasks[0].fate, receipt.taken), (Fate::Configured, false));
    assert!(began.elapsed() >= secs(20), "as long as a watch may take: {:?}", began.elapsed());
    let again = desk.begin(applied(&task("web", "  image: app:3")), false).await;
    sleep(secs(1)).await;
    assert_eq!(desk.text("web.yaml"), task("web", "  image: app:3"));
    let receipt = desk.answer(again).await.unwrap();
    assert!(receipt.taken);
    desk.host.settle().await;
    assert_eq!(desk.host.live_names(), ["web.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_just_changed_must_not_be_overwritten() {
    let mut desk = Desk::with(&[("web.yaml", task("web", ""))]).await;
    let mine = format!("# being edited\n{}", task("web", "  image: app:2"));
    desk.save("web.yaml", &mine);
    for order in [applied(&task("web", "  image: app:3")), deleted("web")] {
        let answer = desk.begin(order, false).await;
        let refusal = answer.await.unwrap().unwrap_err();
        assert_eq!(
            (refusal.why, &*refusal.message),
            (Why::FileChanged, "web.yaml has changed since it was read: try again in a moment")
        );
        assert_eq!(desk.text("web.yaml"), mine);
    }
    let other = task("other", "");
    desk.save("default.db.yaml", &other);
    let answer = desk.begin(applied(&task("db", "")), false).await;
    assert_eq!(answer.await.unwrap().unwrap_err().why, Why::FileExists);
    assert_eq!(desk.text("default.db.yaml"), other);
    desk.look();
    desk.host.settle().await;
    assert_eq!(desk.in_vain(applied(&task("db", ""))).await.why, Why::FileExists);
    let receipt = desk.apply(&task("web", "  image: app:3")).await.unwrap();
    assert_eq!(receipt.tasks[0].fate, Fate::Configured);
    assert!(desk.text("web.yaml").starts_with("# being edited\n"));
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_written_must_be_refused_with_what_to_do() {
    let mut desk =
        Desk::with(&[("apps/web.yaml", task("web", "")), ("twice.yaml", task("db", ""))]).await;
    let mode = |desk: &Desk, file: &str, mode| {
        fs::set_permissions(desk.path(file), Permissions::from_mode(mode)).unwrap();
    };
    for (file, closed, open) in [("apps/web.yaml", 0o444, 0o644), ("apps", 0o555, 0o755)] {
        mode(&desk, file, closed);
        for order in [applied(&task("web", "  image: app:2")), deleted("web")] {
            let refusal = desk.in_vain(order).await;
            assert_eq!(refusal.why, Why::ReadOnly, "{refusal:?}");
            assert!(refusal.message.contains("change the manifests where they come from"));
        }
        mode(&desk, file, open);
    }
    mode(&desk, "", 0o555);
    assert_eq!(desk.in_vain(applied(&task("new", ""))).await.why, Why::ReadOnly);
    mode(&desk, "", 0o755);
    // As Kubernetes and git-sync lay a directory out.
    fs::rename(desk.path("apps"), desk.path("..data-1")).unwrap();
    symlink("..data-1", desk.path("apps")).unwrap();
    for order in [applied(&task("web", "  image: app:2")), deleted("web")] {
        let refusal = desk.in_vain(order).await;
        assert_eq!(refusal.why, Why::Linked, "{refusal:?}");
        assert!(refusal.message.starts_with("apps/web.yaml is reached by a link"), "{refusal:?}");
    }
    desk.save("other.yaml", &task("db", ""));
    desk.look();
    desk.host.settle().await;
    let refusal = desk.in_vain(deleted("db")).await;
    assert_eq!(
        (refusal.why, &*refusal.message),
        (
            Why::NameConflict,
            "default/db stands in other.yaml:1 and in twice.yaml:1: remove one of the two first"
        )
    );
    let unknown = desk.in_vain(deleted("wbe")).await;
    assert_eq!((unknown.why, &*unknown.message), (Why::NotFound, "there is no task default/wbe"));
}

#[tokio::test(start_paused = true)]
async fn a_path_that_leads_out_of_the_source_must_be_refused_before_it_is_written() {
    let mut desk = Desk::with(&[("apps/x.yaml", task("x", ""))]).await;
    let out = tempfile::tempdir().unwrap();
    symlink(out.path(), desk.path("link")).unwrap();
    let source = desk.host.source.clone();
    let mount = |path: &str| task("web", &format!("  mounts: [{{path: /d, hostPath: {path}}}]"));
    let refusal = desk.in_vain(applied(&mount(&format!("{source}/link")))).await;
    assert_eq!(refusal.why, Why::Invalid);
    let problem = refusal.problems[0].to_string();
    assert!(problem.starts_with("sent.yaml:1:1: ") && problem.contains("leads to"), "{problem}");
    let refusal = desk.in_vain(applied(&mount("./site"))).await;
    let problem = refusal.problems[0].to_string();
    assert!(
        problem.contains("`./site` is relative to its file, and this is read from none"),
        "{problem}"
    );
    for (folder, file) in [(source.clone(), "default.web.yaml"), (format!("{source}/apps"), "")] {
        let sent = sent(Some(&folder), &mount("./site"));
        let order = Order::Apply { sent: vec![sent], namespace: None };
        if file.is_empty() {
            let refusal = desk.in_vain(order).await;
            let problem = refusal.problems[0].to_string();
            assert!(
                problem.contains(&format!("in default.web.yaml it means {source}/site")),
                "{problem}"
            );
        } else {
            let answer = desk.begin(order, false).await;
            desk.answer(answer).await.unwrap();
            assert_eq!(desk.text(file), mount("./site"));
            desk.delete("web").await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_source_can_not_be_read_nothing_must_be_written() {
    let mut desk = Desk::with(&[("web.yaml", task("web", ""))]).await;
    desk.host.lose_source(Some("it is not mounted"));
    desk.host.until_reason("web", ConditionType::Converged, "SourceUnavailable").await;
    for order in [applied(&task("new", "")), deleted("web")] {
        let refusal = desk.in_vain(order).await;
        assert_eq!((refusal.why, &*refusal.message), (Why::SourceUnavailable, "it is not mounted"));
    }
    desk.host.lose_source(None);
    desk.host.down().await;
    let answer = desk.begin(applied(&task("new", "")), false).await;
    assert_eq!(answer.await.unwrap().unwrap_err().why, Why::GoingDown);
    assert!(!desk.path("default.new.yaml").exists());
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_persons_word_must_go_when_it_is_deleted() {
    let names = ["a", "b", "c", "d"];
    let files = names.map(|name| (format!("{name}.yaml"), task(name, "")));
    let files: Vec<(&str, String)> =
        files.iter().map(|(file, text)| (&**file, text.clone())).collect();
    let mut desk = Desk::with(&files).await;
    for name in ["a", "b", "c"] {
        fs::remove_file(desk.path(&format!("{name}.yaml"))).unwrap();
    }
    desk.look();
    desk.host.until_reason("a", ConditionType::Converged, "PruneHeld").await;
    let receipt = desk.delete("a").await.unwrap();
    assert_eq!(fates(&receipt), ["default/a deleted a.yaml:1"]);
    desk.host.until("it is gone", secs(4), async |host| host.tasks().await.len() == 3).await;
    sleep(secs(60)).await;
    assert_eq!(desk.host.live_names(), ["b.0.1", "c.0.1", "d.0.1"], "the others are held still");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_must_tell_all_and_change_nothing() {
    let mut desk = Desk::with(&[("all.yaml", three())]).await;
    let (files, steps) = (desk.files(), desk.host.engine.steps());
    let text = format!("{}---\n{}", task("two", "  image: app:2"), task("new", ""));
    let answer = desk.begin(applied(&text), true).await;
    let receipt = answer.await.unwrap().unwrap();
    assert_eq!(
        fates(&receipt),
        ["default/two configured all.yaml:8", "default/new created default.new.yaml:1"]
    );
    let after = three().replace(&task("two", ""), &task("two", "  image: app:2"));
    let shown: Vec<_> = receipt
        .files
        .iter()
        .map(|it| (&*it.file, it.before.as_deref(), it.after.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [
            ("all.yaml", Some(&*three()), Some(&*after)),
            ("default.new.yaml", None, Some(&*task("new", "")))
        ]
    );
    let answer = desk.begin(deleted("two"), true).await;
    let receipt = answer.await.unwrap().unwrap();
    assert_eq!(fates(&receipt), ["default/two deleted all.yaml:8"]);
    assert_eq!(receipt.files.len(), 1);
    sleep(secs(10)).await;
    desk.look();
    assert_eq!((desk.files(), desk.host.engine.steps()), (files, steps));
    assert_eq!(desk.host.status("two").await.phase, Phase::Running);
}

#[tokio::test(start_paused = true)]
async fn what_was_written_must_count_also_when_the_worker_dies_before_it_knows() {
    let mut desk = Desk::with(&[("all.yaml", three())]).await;
    let (new, gone) = (
        desk.begin(applied(&task("new", "")), false).await,
        desk.begin(deleted("two"), false).await,
    );
    while !desk.path("default.new.yaml").exists() || desk.text("all.yaml").contains("name: two") {
        sleep(millis(1)).await;
    }
    desk.host.kill().await;
    drop((new, gone));
    desk.look();
    desk.host.start().await;
    desk.host
        .until("it is so", secs(30), async |host| {
            host.live_names() == ["new.0.1", "one.0.1", "three.0.1"]
        })
        .await;
    desk.host.settle().await;
}

#[tokio::test(start_paused = true)]
async fn work_must_be_taken_through_the_api_and_answered_as_it_is_described() {
    let mut desk =
        Desk::with(&[("all.yaml", three()), ("b.yaml", format!("{}---\n{{", task("bad", "")))])
            .await;
    let stop = CancellationToken::new();
    let serving = desk.host.serve(stop.clone());
    let document = openapi::document();
    let check = |operation: &str, status: u16, answer: &Value| {
        let status = status.to_string();
        let schema = &document.pointer(operation).unwrap()["responses"][&status]["content"]["application/json"]
            ["schema"];
        assert!(schema.is_object(), "{operation} does not tell of {status}");
        let whole = json!({"$ref": "#/it", "it": schema, "components": document["components"]});
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        assert!(validator.is_valid(answer), "{operation} {status}: {answer:#}");
    };
    let body = |text: &str| json!({"sent": [{"name": "my.yaml", "text": text}]});
    let bad = task("web", "  imgae: x");
    for (body, status, reason, says) in [
        (body(&task("web", "")), 200, "", ""),
        (body("# nothing"), 200, "", ""),
        (body(&bad), 422, "Invalid", "there is a problem in what was sent: nothing was changed"),
        (body(&task("bad", "")), 409, "FileBroken", "b.yaml is broken"),
        (
            json!({"sent": [{"name": "x", "txt": ""}]}),
            422,
            "UnprocessableEntity",
            "unknown field `txt`",
        ),
        (json!({"sent": [], "namespace": "No"}), 422, "UnprocessableEntity", "a name is made of"),
    ] {
        let (is, answer) = desk.ask("POST", "/v1/apply", Some(&body)).await;
        assert_eq!(is, status, "{answer:#}");
        check("/paths/~1v1~1apply/post", is, &answer);
        if status != 200 {
            let problem: Problem = serde_json::from_value(answer).unwrap();
            assert_eq!(problem.reason, reason, "{problem:?}");
            assert!(problem.message.contains(says), "{problem:?}");
            let place = problem
                .problems
                .first()
                .map(|it| format!("{}:{}", it.file, it.place.as_ref().unwrap().line));
            let wanted = match reason {
                "Invalid" => Some("my.yaml:7".to_owned()),
                "FileBroken" => Some("b.yaml:8".to_owned()),
                _ => None,
            };
            assert_eq!(place, wanted);
        }
    }
    assert_eq!(desk.text("default.web.yaml"), task("web", ""));
    for (path, status, reason, says) in [
        ("/v1/tasks/default/one?dryRun=true", 200, "", ""),
        ("/v1/tasks/default/one", 200, "", ""),
        (
            "/v1/tasks/default/wbe",
            404,
            "NotFound",
            "no task default/wbe; did you mean default/web?",
        ),
        ("/v1/tasks/default/bad", 409, "FileBroken", "b.yaml is broken"),
        ("/v1/tasks/default/Web", 400, "BadRequest", "a name is made of"),
        ("/v1/tasks/default/web?dry=true", 400, "BadRequest", "unknown field `dry`"),
    ] {
        let (is, answer) = desk.ask("DELETE", path, None).await;
        assert_eq!(is, status, "{path}: {answer:#}");
        check("/paths/~1v1~1tasks~1{namespace}~1{name}/delete", is, &answer);
        if status != 200 {
            let problem: Problem = serde_json::from_value(answer).unwrap();
            assert_eq!(problem.reason, reason, "{problem:?}");
            assert!(problem.message.contains(says), "{problem:?}");
        }
    }
    assert!(!desk.text("all.yaml").contains("name: one"));
    // A directory of many files is more than what is taken elsewhere, and there is an end to it.
    let large = |count: usize| {
        let file = json!({"name": "large.yaml", "text": format!("# {}", "x".repeat(1_000_000))});
        json!({"sent": vec![file; count]})
    };
    assert_eq!(desk.ask("POST", "/v1/apply", Some(&large(3))).await.0, 200);
    assert_eq!(desk.ask("POST", "/v1/apply", Some(&large(9))).await.0, 413);
    desk.host.lose_source(Some("it is not mounted"));
    let (is, answer) = desk.ask("POST", "/v1/apply", Some(&body(&bad))).await;
    assert_eq!((is, &answer["reason"]), (503, &json!("SourceUnavailable")));
    stop.cancel();
    serving.await.unwrap();
}
