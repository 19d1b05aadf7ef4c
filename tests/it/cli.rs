//! The command line as a person or a program types it; no engine is needed.

mod doctor;
mod live;
mod screen;
mod work;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use assert_cmd::cargo::cargo_bin;
use evenkeel::api::client::Client;
use evenkeel::api::measure::Measures;
use evenkeel::api::{server, socket};
use evenkeel::db::{Change, Db};
use evenkeel::domain::event::{Event, Severity};
use evenkeel::domain::fingerprint::{CURRENT_SCHEME, Fingerprint};
use evenkeel::domain::instance::{EndReason, Instance, InstanceId, Seat, State, Uid};
use evenkeel::domain::policy::{Level, Policy};
use evenkeel::domain::record::{Head, Revision};
use evenkeel::domain::source::{Document, FileState, Place};
use evenkeel::domain::task::Task;
use evenkeel::domain::time::{Mono, Timestamp};
use evenkeel::manifest;
use evenkeel::runtime::simulated::Simulated;
use evenkeel::watch::WatchHealth;
use evenkeel::worker::usages::Usages;
use expect_test::expect;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::terminal;

/// The program in a directory of its own, where there is neither engine nor daemon.
struct Shell {
    dir: TempDir,
}

impl Shell {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn state(&self) -> std::path::PathBuf {
        self.path().join("state")
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin("evenkeel"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("EVENKEEL_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.path())
            .env("EVENKEEL_STATE_DIR", self.state())
            .env("DOCKER_HOST", format!("unix://{}/no-engine.sock", self.path().display()))
            .stdin(Stdio::null())
            .args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().unwrap())
    }
}

/// What a command did.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            code: output.status.code().expect("no signal ends it"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

const WEB: &str = "apiVersion: evenkeel/v1\nkind: Task\nmetadata: {name: web}\nspec:\n  image: nginx:1.27\n  ports: [{containerPort: 80, hostPort: 8080}]\n";
const COMMANDS: [&str; 21] = [
    "apply",
    "delete",
    "doctor",
    "events",
    "completion",
    "explain",
    "man",
    "why",
    "wait",
    "run",
    "sync",
    "plan",
    "validate",
    "get",
    "describe",
    "logs",
    "status",
    "approve",
    "schema",
    "down",
    "version",
];

// What is typed.

#[test]
fn every_command_must_explain_itself_with_an_example() {
    let shell = Shell::new();
    let overview = shell.run(&["--help"]).exits(0);
    for command in COMMANDS {
        assert!(overview.stdout.contains(&format!("\n  {command} ")), "{command} is listed");
        let help = shell.run(&[command, "--help"]).exits(0);
        assert!(help.stdout.contains("Usage: evenkeel"), "{}", help.stdout);
        assert!(help.stdout.contains(&format!("  evenkeel {command}")), "{}", help.stdout);
        assert_eq!(help.stderr, "");
    }
}

#[test]
fn the_description_of_the_api_must_be_printed_without_a_daemon() {
    let ran = Shell::new().run(&["schema", "--openapi"]).exits(0);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let answer = &document["paths"]["/v1/worker"]["get"]["responses"]["200"];
    let schema = &answer["content"]["application/json"]["schema"]["$ref"];
    assert_eq!(schema, "#/components/schemas/Overview");
}

#[test]
fn a_field_must_be_explained_without_a_daemon() {
    let shell = Shell::new();
    let page = shell.run(&["explain", "task.spec.ports.hostPort"]).exits(0).stdout;
    expect![[r#"
        KIND:     Task
        VERSION:  evenkeel/v1

        FIELD:    spec.ports[].hostPort <integer>  0 to 65535
        EXAMPLE:  hostPort: 8080

        DESCRIPTION:
          Where the host listens for it. Left out: the port is not published; `0`: any free port, which the status shows.
    "#]].assert_eq(&page);
    let names = shell.run(&["explain", "--recursive"]).exits(0).stdout;
    assert!(names.contains("\n      maxSurge <integer>"), "{names}");
    let json = shell.run(&["explain", "image", "-o", "json"]).exits(0).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["path"], "spec.image");
    let wrong = shell.run(&["explain", "spec.hostPort"]).exits(1);
    assert!(wrong.stderr.contains("did you mean `spec.ports[].hostPort`?"), "{}", wrong.stderr);
}

#[test]
fn each_shell_must_get_what_it_loads() {
    let shell = Shell::new();
    for name in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = shell.run(&["completion", name]).exits(0).stdout;
        assert!(script.contains("EVENKEEL_COMPLETE"), "{name}: {script}");
    }
    let script = shell.run(&["completion", "bash"]).exits(0).stdout;
    shell.write("evenkeel.bash", &script);
    let checked = Command::new("bash").arg("-n").arg(shell.path().join("evenkeel.bash")).output();
    assert_eq!(Ran::of(&checked.unwrap()).exits(0).stderr, "");
    let wrong = shell.run(&["completion", "tcsh"]).exits(64);
    assert!(wrong.stderr.contains("possible values"), "{}", wrong.stderr);
}

#[test]
fn each_command_must_have_a_page_in_the_manual() {
    let shell = Shell::new();
    let ran = shell.run(&["man", "made/man1"]).exits(0);
    assert!(ran.stderr.contains("man -l made/man1/evenkeel.1"), "{}", ran.stderr);
    let page = |name: &str| {
        let path = shell.path().join("made/man1").join(format!("{name}.1"));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    for command in COMMANDS {
        // Each example on a line of its own, and the page that all begins with.
        let page = page(&format!("evenkeel-{command}"));
        let example = format!("\nevenkeel {command}").replace('-', r"\-");
        assert!(page.contains(&example), "{page}");
        assert!(page.contains("\n\\fBevenkeel\\fR(1)\n"), "{page}");
        assert!(!page.contains("Examples:"), "{page}");
    }
    let run = page("evenkeel-run");
    assert!(run.contains("\\fBEVENKEEL_SOURCE\\fR environment variable"), "{run}");
    assert!(page("evenkeel").contains("\nevenkeel\\-approve(1)\n"));
    assert!(page("evenkeel-approve-prune").contains("volumes stay"));
    let wrong = shell.run(&["man", "made/man1/evenkeel.1"]).exits(1);
    assert!(wrong.stderr.contains("can't make made/man1/evenkeel.1"), "{}", wrong.stderr);
}

#[test]
fn what_makes_no_sense_must_end_with_64() {
    let shell = Shell::new();
    for args in [
        &["frobnicate"][..],
        &["get", "--frobnicate"],
        &["get", "-o", "xml"],
        &["get", "-n", "Not_A_Name"],
        &["logs"],
        &["logs", "web", "--since", "yesterday"],
        &["logs", "web", "-f", "-p"],
        &["validate"],
        &["apply"],
        &["apply", "web.yaml"],
        &["apply", "-f", "web.yaml", "--dry-run", "--wait"],
        &["delete"],
        &["delete", "web", "-f", "web.yaml"],
        &["approve", "everything"],
        &["get", "--worker", "-"],
        &[],
    ] {
        let ran = shell.run(args).exits(64);
        assert_eq!(ran.stdout, "", "{args:?}");
        assert!(!ran.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_filter_of_the_log_must_mean_something() {
    let shell = Shell::new();
    shell.write("tasks/web.yaml", WEB);
    for bad in ["bogus", "info,bogus", "evenkeel=loud", "evenkeel=debug=info"] {
        let ran = shell.run(&["validate", "tasks", "--log", bad]).exits(64);
        assert!(ran.stderr.contains("evenkeel=debug"), "{bad}: {}", ran.stderr);
    }
    for good in ["debug", "WARN", "off", "info,evenkeel::watch=trace", "evenkeel=debug, warn"] {
        shell.run(&["validate", "tasks", "--log", good]).exits(0);
    }
}

#[test]
fn the_version_must_be_told_without_anybody_else() {
    let shell = Shell::new();
    let own = format!("evenkeel {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(shell.run(&["--version"]).exits(0).stdout, own);
    assert_eq!(shell.run(&["version"]).exits(0).stdout, own);
    let json = shell.run(&["version", "-o", "json"]).exits(0).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["engine"], Value::Null);
    assert_eq!(json["daemon"], Value::Null);
}

#[test]
fn where_nothing_runs_and_nothing_was_written_down_the_exit_code_must_be_4() {
    let shell = Shell::new();
    for args in [
        &["get"][..],
        &["get", "web", "-o", "json"],
        &["describe", "web"],
        &["logs", "web"],
        &["delete", "web"],
        &["status"],
        &["approve", "prune"],
        &["approve", "source", "--yes"],
        &["approve", "engine", "--yes"],
    ] {
        let ran = shell.run(args).exits(4);
        assert_eq!(ran.stdout, "", "{args:?}");
        assert!(ran.stderr.contains("no evenkeel daemon is running"), "{}", ran.stderr);
        assert!(ran.stderr.contains("evenkeel run DIR"), "{}", ran.stderr);
    }
    assert!(!shell.state().exists(), "who asks makes nothing");
}

#[test]
fn a_reader_that_goes_away_must_be_no_matter() {
    let shell = Shell::new();
    let many: String =
        (0..200).map(|n| format!("---\n{}", WEB.replace("web", &format!("web-{n}")))).collect();
    shell.write("many.yaml", &many);
    for args in [&["schema"][..], &["--help"], &["validate", "many.yaml", "-o", "json"]] {
        let mut child =
            shell.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ran = Ran::of(&child.wait_with_output().unwrap());
        assert!(ran.code == 0 || ran.code == 1, "{args:?} exits {}", ran.code);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("Broken pipe"), "{}", ran.stderr);
    }
}

// Validating.

#[test]
fn good_manifests_must_pass_with_a_summary_and_nothing_on_standard_output() {
    let shell = Shell::new();
    shell.write("tasks/web.yaml", WEB);
    shell.write("tasks/deep/db.yml", &WEB.replace("web", "db").replace("8080", "8081"));
    shell.write("tasks/notes.txt", "not ours");
    let ran = shell.run(&["validate", "tasks"]).exits(0);
    assert_eq!(ran.stdout, "");
    assert_eq!(ran.stderr, "2 files, 2 tasks: no problems\n");
    // What is named twice is read once.
    let ran = shell.run(&["validate", "tasks", "./tasks/web.yaml", "tasks/deep"]).exits(0);
    assert_eq!(ran.stderr, "2 files, 2 tasks: no problems\n");
    shell.write("none/readme.md", "");
    let ran = shell.run(&["validate", "none"]).exits(0);
    assert!(ran.stderr.contains("no manifests"), "{}", ran.stderr);
}

#[test]
fn every_problem_must_be_shown_with_a_path_that_can_be_opened() {
    let shell = Shell::new();
    shell.write("tasks/a.yaml", &WEB.replace("image:", "imgae:"));
    shell.write("tasks/b.yaml", &format!("{WEB}---\n{}", WEB.replace("name: web", "name: db")));
    let ran = shell.run(&["validate", "tasks/"]).exits(1);
    expect![[r#"
        error[SchemaInvalid]: unknown field `imgae` in `spec`
         --> tasks/a.yaml:5:3
          |
        5 |   imgae: nginx:1.27
          |   ^^^^^
          |
          = help: did you mean `image`?

        error[NameConflict]: `default/web` is declared in tasks/a.yaml:1 already
        --> tasks/b.yaml:1
         = help: rename one of the two, or remove it
    "#]]
    .assert_eq(&ran.stdout);
    assert_eq!(ran.stderr, "2 files: 2 problems in 2 files\n");
    let here = Ran::of(
        &shell
            .command(&["validate", "."])
            .current_dir(shell.path().join("tasks"))
            .output()
            .unwrap(),
    );
    assert!(here.exits(1).stdout.contains(" --> a.yaml:5:3\n"));
}

#[test]
fn programs_must_get_problems_as_json_and_workflows_as_annotations() {
    let shell = Shell::new();
    shell.write("tasks/a.yaml", &WEB.replace("image:", "imgae:"));
    shell.write("tasks/b.yaml", WEB);
    shell.write("tasks/pod.yaml", "apiVersion: v1\nkind: Pod\n");
    let json = shell.run(&["validate", "tasks", "-o", "json"]).exits(1).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["files"],
        serde_json::json!(["tasks/a.yaml", "tasks/b.yaml", "tasks/pod.yaml"])
    );
    assert_eq!(
        json["tasks"],
        serde_json::json!([{"name": "default/web", "file": "tasks/b.yaml", "line": 1}])
    );
    let problems: Vec<String> = json["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} {} {}", it["severity"], it["file"], it["reason"]))
        .collect();
    assert_eq!(
        problems,
        [
            r#""warning" "tasks/pod.yaml" "SchemaInvalid""#,
            r#""error" "tasks/a.yaml" "SchemaInvalid""#,
            r#""error" "tasks/b.yaml" "NameConflict""#,
        ]
    );
    let github = shell.run(&["validate", "tasks", "-o", "github"]).exits(1).stdout;
    let starts: Vec<&str> = github.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(
        starts,
        ["::warning file=tasks/pod.yaml", "::error file=tasks/a.yaml", "::error file=tasks/b.yaml"]
    );
}

#[test]
fn yaml_of_others_must_be_an_error_only_where_it_was_named() {
    let shell = Shell::new();
    shell.write("tasks/pod.yaml", "apiVersion: v1\nkind: Pod\n");
    shell.write("tasks/web.yaml", WEB);
    let ran = shell.run(&["validate", "tasks"]).exits(0);
    assert!(ran.stdout.starts_with("warning[SchemaInvalid]: `v1`"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "2 files, 1 task: no problems, 1 warning\n");
    let ran = shell.run(&["validate", "tasks", "tasks/pod.yaml"]).exits(1);
    assert!(ran.stdout.starts_with("error[SchemaInvalid]: `v1`"), "{}", ran.stdout);
}

#[test]
fn what_is_not_there_or_too_large_must_be_said() {
    let shell = Shell::new();
    let ran = shell.run(&["validate", "nowhere"]).exits(1);
    assert!(ran.stderr.starts_with("error: nowhere: No such file"), "{}", ran.stderr);
    shell.write("large.yaml", &"# x\n".repeat(600_000));
    let ran = shell.run(&["validate", "large.yaml"]).exits(1);
    assert!(ran.stdout.contains("large.yaml"), "{}", ran.stdout);
}

#[test]
fn standard_input_must_be_read_for_a_dash() {
    let shell = Shell::new();
    for (text, code) in [(WEB.to_owned(), 0), (WEB.replace("image", "imgae"), 1)] {
        let mut child = shell
            .command(&["validate", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let ran = Ran::of(&child.wait_with_output().unwrap()).exits(code);
        assert_eq!(ran.stdout.contains("<stdin>:5:3"), code == 1, "{}", ran.stdout);
    }
}

#[test]
fn the_policy_must_hold_for_validate_too() {
    let shell = Shell::new();
    shell.write(
        "web.yaml",
        &format!("{WEB}  hostNetwork: true\n")
            .replace("  ports: [{containerPort: 80, hostPort: 8080}]\n", ""),
    );
    let ran = shell.run(&["validate", "web.yaml"]).exits(1);
    assert!(ran.stdout.contains("PolicyDenied"), "{}", ran.stdout);
    shell.run(&["validate", "web.yaml", "--policy", "privileged"]).exits(0);
}

#[test]
fn validate_must_follow_the_links_of_host_paths() {
    let shell = Shell::new();
    let mount = "  mounts: [{path: /data, hostPath: ./data}]\n";
    shell.write("tasks/web.yaml", &format!("# ours\n---\n{WEB}{mount}"));
    fs::create_dir(shell.path().join("out")).unwrap();
    std::os::unix::fs::symlink("../out", shell.path().join("tasks/data")).unwrap();
    let out = shell.path().join("out").canonicalize().unwrap();
    // Read by itself, the file is part of the directory that the command was typed in.
    shell.run(&["validate", "tasks/web.yaml"]).exits(0);
    for path in ["tasks", "tasks/"] {
        let ran = shell.run(&["validate", path]).exits(1);
        for part in ["PolicyDenied", "spec.mounts[0].hostPath", "--> tasks/web.yaml:2"] {
            assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
        }
        assert!(ran.stdout.contains(&format!("leads to `{}`", out.display())), "{}", ran.stdout);
    }
    let allowed = ["validate", "tasks", "--allow-host-path", out.to_str().unwrap()];
    shell.run(&allowed).exits(0);
    // The same from within, and by itself.
    let mut within = shell.command(&["validate", "web.yaml"]);
    let ran = Ran::of(&within.current_dir(shell.path().join("tasks")).output().unwrap()).exits(1);
    assert!(ran.stdout.contains("--> web.yaml:2"), "{}", ran.stdout);
}

#[test]
fn control_characters_of_a_file_must_not_reach_the_terminal() {
    let shell = Shell::new();
    shell.write("a\u{1b}[2J.yaml", "kind: \"\u{9b}31m\"\nfoo: \u{1b}[31m\n");
    let ran = shell.run(&["validate", "."]).exits(1);
    let is_bad = |c: char| c.is_control() && c != '\n';
    assert!(!ran.stdout.contains(is_bad), "{:?}", ran.stdout);
    assert!(!ran.stderr.contains(is_bad), "{:?}", ran.stderr);
}

#[test]
fn a_plan_must_show_what_is_wrong_and_steer_no_terminal() {
    let shell = Shell::new();
    shell.write("tasks/a.yaml", &WEB.replace("image:", "imgae: \u{202e}"));
    let ran = shell.run(&["plan", "tasks"]).exits(1);
    assert!(ran.stdout.contains(" --> a.yaml:5:3\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("5 |   imgae: \u{fffd} nginx:1.27\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("the engine can't be asked"), "{}", ran.stdout);
    assert!(!shell.state().exists(), "a plan changes nothing");
}

#[test]
fn a_plan_without_an_engine_must_say_so_once_and_list_the_tasks() {
    let shell = Shell::new();
    for name in ["a", "b"] {
        shell.write(
            &format!("tasks/{name}.yaml"),
            &WEB.replace("name: web", &format!("name: {name}")),
        );
    }
    let ran = shell.run(&["plan", "tasks"]).exits(1);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let [why, tasks @ ..] = &*lines else { panic!("{}", ran.stdout) };
    assert!(why.starts_with("the engine can't be asked, so nothing would be done: "), "{why}");
    assert!(!why.contains("%7B"), "{why}");
    let last = "what is to be done of 2 tasks is not known";
    assert_eq!(tasks, ["  default/a (a.yaml:1)", "  default/b (b.yaml:1)", last]);
}

#[test]
fn what_can_not_be_asked_must_not_be_told_as_no_daemon() {
    let shell = Shell::new();
    shell.write("state", "a file where the state directory should be");
    let ran = shell.run(&["get"]).exits(1);
    assert!(ran.stderr.contains("can't ask the daemon"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Not a directory"), "{}", ran.stderr);
}

// Asking without a daemon.

fn task() -> Task {
    let policy = Policy { level: Level::Baseline, allowed_host_paths: vec![] };
    let context = manifest::Context { source: "/src", policy: &policy };
    match manifest::read("web.yaml", WEB.as_bytes(), &context) {
        FileState::Read { mut documents, .. } => match documents.remove(0) {
            Document::Task { task, .. } => *task,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// A task whose first instance could not be started, and what it said is kept.
fn written_down() -> Vec<Change> {
    let task = task();
    let fingerprint = Fingerprint::of(&task, CURRENT_SCHEME);
    let (name, uid) = (task.name.clone(), Uid(Uuid::from_u128(7)));
    let id = InstanceId(Uuid::from_u128(9));
    let head = Head {
        name: name.clone(),
        uid,
        generation: 1,
        task: task.clone(),
        place: Place { file: "web.yaml".into(), line: 1 },
        going: false,
        refused: None,
        suspended: None,
        restart: None,
        created_at: Timestamp::from_millis(1_769_851_800_000),
    };
    let revision = Revision {
        number: 1,
        generation: 1,
        fingerprint: fingerprint.clone(),
        task,
        image_id: None,
        ready: true,
        restart: 0,
        created_at: Timestamp::from_millis(1),
    };
    let instance = Instance {
        unwell: false,
        id,
        task: name.clone(),
        uid,
        seat: Seat { slot: 0, attempt: 1 },
        revision: 1,
        fingerprint,
        state: State::Failed,
        container: None,
        failures: 0,
        start_sent: true,
        hopeless: false,
        proven: false,
        because: "the manifest asks for it".into(),
        stopping: None,
        created_at: Timestamp::from_millis(1),
        started_at: None,
        seen_under: None,
        finished_at: Some(Timestamp::from_millis(2)),
        exit_code: Some(1),
        reason: Some(EndReason::Error),
        message: Some("no\u{1b}[2J such thing".into()),
        moved_at: Mono::default(),
    };
    let event = Event {
        at: Timestamp::from_millis(2),
        severity: Severity::Warning,
        task: Some(name.clone()),
        uid: Some(uid),
        instance: Some(id),
        seat: Some(instance.seat),
        reason: "Failed".into(),
        message: "instance 0.1 ended: Error, exit code 1".into(),
    };
    vec![
        Change::PutHead(head),
        Change::PutRevision { task: name, revision },
        Change::PutInstance(instance),
        Change::AddEvent(event),
        Change::KeepLog { instance: id, log: b"one\ntwo\nlast words\n".to_vec() },
    ]
}

async fn with_state() -> Shell {
    let shell = Shell::new();
    let opened = Db::open(&shell.state()).await.unwrap();
    opened.db.write(written_down()).await.unwrap();
    opened.db.close().await;
    shell
}

#[tokio::test]
async fn without_a_daemon_get_must_tell_what_was_written_down() {
    let shell = with_state().await;
    let ran = shell.run(&["get"]).exits(0);
    let columns = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> = ran.stdout.lines().map(columns).collect();
    assert_eq!(lines[0], ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IMAGE"]);
    assert_eq!(lines[1][..2], ["web", "0/1"]);
    assert_eq!(lines[1].last().unwrap(), "nginx:1.27");
    assert!(ran.stderr.starts_with("no daemon is running"), "{}", ran.stderr);
    assert_eq!(shell.run(&["get", "-o", "name"]).exits(0).stdout, "web\n");
    let wide = shell.run(&["get", "-A", "-o", "wide"]).exits(0).stdout;
    assert!(wide.starts_with("NAMESPACE   NAME"), "{wide}");
    assert!(wide.ends_with("web.yaml:1\n"), "{wide}");
    let none = shell.run(&["get", "-n", "prod"]).exits(0);
    assert_eq!(none.stdout, "");
    assert!(none.stderr.contains("there are no tasks in namespace prod"), "{}", none.stderr);
}

#[tokio::test]
async fn programs_must_get_one_task_alone_and_several_as_a_list() {
    let shell = with_state().await;
    let json = |args: &[&str]| -> Value {
        serde_json::from_str(&shell.run(args).exits(0).stdout).unwrap()
    };
    assert_eq!(json(&["get", "-o", "json"])["items"][0]["name"], "default/web");
    assert_eq!(json(&["get", "web", "-o", "json"])["name"], "default/web");
    assert_eq!(json(&["get", "default/web", "-o", "json"])["instances"][0]["exitCode"], 1);
    assert_eq!(json(&["get", "-n", "prod", "-o", "json"])["items"], serde_json::json!([]));
    let yaml = shell.run(&["get", "web", "-o", "yaml"]).exits(0).stdout;
    assert!(yaml.starts_with("name: default/web\n"), "{yaml}");
}

#[tokio::test]
async fn a_name_that_is_nearly_right_must_be_answered_with_the_right_one() {
    let shell = with_state().await;
    for (typed, answer) in [
        (&["get", "wbe"][..], "error: there is no task `wbe`; did you mean `web`?"),
        (&["describe", "prod/web"], "error: there is no task `prod/web`; did you mean `web`?"),
        (&["logs", "web", "-n", "prod"], "error: there is no task `prod/web`; did you mean `web`?"),
        (&["get", "zzz"], "error: there is no task `zzz`; `evenkeel get` lists them"),
        (&["get", "a b"], "error: `a b` is no name of a task"),
    ] {
        let ran = shell.run(typed).exits(1);
        assert!(ran.stderr.contains(answer), "{}", ran.stderr);
    }
    // What is there is shown beside it.
    let ran = shell.run(&["get", "web", "wbe", "-o", "name"]).exits(1);
    assert_eq!(ran.stdout, "web\n");
}

#[tokio::test]
async fn describe_must_tell_what_happened_and_send_no_control_characters() {
    let shell = with_state().await;
    let text = shell.run(&["describe", "web"]).exits(0).stdout;
    for part in [
        "Name:        default/web\n",
        "Manifest:    web.yaml:1\n",
        "EngineUnavailable",
        "because the manifest asks for it; Error: no␛[2J such thing\n",
        "Warning   Failed   instance 0.1 ended: Error, exit code 1\n",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    assert!(!text.contains('\u{1b}'));
}

#[tokio::test]
async fn describe_must_give_programs_the_status_and_the_events() {
    let shell = with_state().await;
    let json = shell.run(&["describe", "web", "-o", "json"]).exits(0).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["status"]["name"], "default/web");
    assert_eq!(json["events"][0]["reason"], "Failed");
    let two = shell.run(&["describe", "web", "wbe", "-o", "json"]).exits(1).stdout;
    let two: Value = serde_json::from_str(&two).unwrap();
    assert_eq!(two["items"][0]["status"]["name"], "default/web");
    assert_eq!(two["items"][1], Value::Null);
}

#[tokio::test]
async fn the_last_words_of_an_instance_must_outlive_its_container() {
    let shell = with_state().await;
    let ran = shell.run(&["logs", "web", "--previous", "--tail", "2"]).exits(0);
    assert_eq!(ran.stdout, "two\nlast words\n");
    let ran = shell.run(&["logs", "web", "--slot", "4"]).exits(1);
    assert!(ran.stderr.contains("web has no slot 4; it has 1"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_daemon_must_hand_out_kept_logs() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Db::open(dir.path()).await.unwrap();
    opened.db.write(written_down()).await.unwrap();
    let (commands, _nobody) = mpsc::channel(1);
    let (_health, health) = watch::channel(WatchHealth::default());
    let stop = CancellationToken::new();
    let listener = server::Bound::listen(&socket(dir.path())).unwrap();
    let usages = Usages::of(Arc::new(Simulated::new()));
    let measures = Measures::new(Arc::default(), usages, dir.path(), "/");
    let sources = server::Sources { commands, db: opened.db.clone(), health, measures };
    let client = Client::of(dir.path());
    let asked = async {
        let there = client.kept_log(InstanceId(Uuid::from_u128(9))).await.unwrap();
        let not_there = client.kept_log(InstanceId(Uuid::from_u128(10))).await.unwrap();
        stop.cancel();
        (there, not_there)
    };
    let ((), (there, not_there)) =
        tokio::join!(server::serve(listener, sources, stop.clone()), asked);
    assert_eq!(there.unwrap(), b"one\ntwo\nlast words\n");
    assert_eq!(not_there, None);
}

/// What a command writes to a terminal of so many columns, without its colours.
fn in_terminal(shell: &Shell, columns: usize, args: &[&str], asked: Option<usize>) -> Vec<String> {
    let mut command = shell.command(args);
    command.envs(asked.map(|asked| ("COLUMNS", asked.to_string())));
    let text = terminal::written(&command, (24, u16::try_from(columns).unwrap()));
    text.lines().map(|line| plain(line.trim_end_matches('\r'))).collect()
}

/// A line without its colours.
fn plain(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or(part, |(_, rest)| rest))
}

#[tokio::test]
async fn what_a_narrow_terminal_shows_must_be_folded_and_what_a_pipe_gets_not() {
    let shell = with_state().await;
    shell.write("tasks/web.yaml", &WEB.replace("image:", "imgae:"));
    let commands: [&[&str]; 7] = [
        &["get"],
        &["get", "-A"],
        &["describe", "web"],
        &["events"],
        &["why", "web"],
        &["validate", "tasks"],
        &["plan", "tasks"],
    ];
    for args in commands {
        for columns in [40, 60] {
            let by_size = in_terminal(&shell, columns, args, None);
            let by_wish = in_terminal(&shell, 400, args, Some(columns));
            for shown in [by_size, by_wish] {
                assert!(shown.len() > 2, "{args:?}: {shown:#?}");
                for line in &shown {
                    // What is one word stays one.
                    let is_word = !line.trim_start_matches([' ', '-', '>']).contains(' ');
                    let fits = line.chars().count() <= columns;
                    assert!(fits || is_word, "{args:?} at {columns}: {line:?}\n{shown:#?}");
                }
            }
        }
        let piped = shell.run(args).stdout;
        assert!(piped.lines().any(|line| line.chars().count() > 40), "{args:?}: {piped}");
        let asked = shell.command(args).env("COLUMNS", "40").output().unwrap();
        let asked = String::from_utf8(asked.stdout).unwrap();
        assert_eq!(asked.lines().count(), piped.lines().count(), "{args:?}: {asked}");
    }
}

// Doing it once.

#[test]
fn sync_of_a_directory_that_is_not_there_must_change_nothing() {
    let shell = Shell::new();
    let ran = shell.run(&["sync", "nowhere"]).exits(1);
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
    assert!(!shell.state().exists());
}

#[test]
fn sync_without_an_engine_must_end_at_its_deadline_and_say_why() {
    let shell = Shell::new();
    shell.write("tasks/web.yaml", WEB);
    let ran = shell.run(&["sync", "tasks", "--timeout", "1s"]).exits(3);
    assert!(ran.stderr.contains("the engine can't be asked"), "{}", ran.stderr);
    assert!(ran.stderr.contains("\nwaiting for that: web\n"), "{}", ran.stderr);
    assert!(!ran.stderr.contains('\u{1b}'), "no colours without a terminal: {:?}", ran.stderr);
    assert!(ran.stdout.starts_with("NAME   READY   STATUS\nweb    0/1"), "{}", ran.stdout);
}

#[test]
fn the_log_must_be_a_line_a_thing_and_the_journal_needs_no_second_time() {
    let shell = Shell::new();
    shell.write("tasks/web.yaml", WEB);
    let sync = |journal: bool| {
        let mut command = shell.command(&["sync", "tasks", "--timeout", "0"]);
        command.env_remove("JOURNAL_STREAM");
        if journal {
            command.env("JOURNAL_STREAM", "8:1234");
        }
        let ran = Ran::of(&command.output().unwrap()).exits(3);
        ran.stderr.lines().find(|line| line.contains("state read")).unwrap().to_owned()
    };
    assert_eq!(sync(true), "state read tasks=0");
    let with_time = sync(false);
    let (time, rest) = with_time.split_at(8);
    assert!(time.chars().all(|c| c.is_ascii_digit() || c == ':'), "{with_time}");
    assert_eq!(rest, "Z  state read tasks=0");
}
