//! Manifests: the examples are right; what is wrong is told of at its place, with what to write.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use evenkeel::domain::diagnostic::{Diagnostic, InvalidReason};
use evenkeel::domain::policy::{Level, Policy};
use evenkeel::domain::source::{Document, FileState};
use evenkeel::domain::task::Task;
use evenkeel::domain::template::{HostPort, MountSource, PullPolicy};
use evenkeel::manifest::render::{self, Colour};
use evenkeel::manifest::{self, Context, MAX_FILE_BYTES};
use proptest::prelude::*;

const SOURCE: &str = "/srv/tasks";

fn read_as(level: Level, file: &str, bytes: &[u8]) -> FileState {
    let policy = Policy { level, allowed_host_paths: vec!["/data".into()] };
    manifest::read(file, bytes, &Context { source: SOURCE, policy: &policy })
}

fn read(text: &str) -> FileState {
    read_as(Level::Baseline, "web.yaml", text.as_bytes())
}

/// A task with these lines in its spec, besides the image.
fn with(spec: &str) -> String {
    let head =
        "apiVersion: evenkeel/v1\nkind: Task\nmetadata: {name: web}\nspec:\n  image: nginx:1\n";
    format!("{head}{spec}")
}

fn files_in(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// All that is wrong with a file, in its order.
fn problems(state: &FileState) -> Vec<Diagnostic> {
    match state {
        FileState::Unreadable { problems, .. } => problems.clone(),
        FileState::Unlisted { problem } => vec![problem.clone()],
        FileState::Unsettled => Vec::new(),
        FileState::Read { documents, .. } => documents
            .iter()
            .flat_map(|document| match document {
                Document::Task { .. } => Vec::new(),
                Document::Broken { problems, .. } => problems.clone(),
                Document::Foreign { problem } => vec![problem.clone()],
            })
            .collect(),
    }
}

fn documents(state: FileState) -> Vec<Document> {
    let shown = render::people(&problems(&state), Colour::Never, None);
    match state {
        FileState::Read { documents, .. } => documents,
        other => panic!("{other:?}\n{shown}"),
    }
}

fn task_of(state: FileState) -> Task {
    let shown = render::people(&problems(&state), Colour::Never, None);
    match documents(state).into_iter().next() {
        Some(Document::Task { task, .. }) => *task,
        other => panic!("{other:?}\n{shown}"),
    }
}

/// What each document is, in a word, with its name and line.
fn kinds(state: FileState) -> Vec<String> {
    let word = |document| match document {
        Document::Task { task, line } => format!("{line} task {}", task.name),
        Document::Broken { name: Some(name), line, .. } => format!("{line} broken {name}"),
        Document::Broken { name: None, line, .. } => format!("{line} broken"),
        Document::Foreign { .. } => "foreign".to_owned(),
    };
    documents(state).into_iter().map(word).collect()
}

#[test]
fn the_examples_are_tasks() {
    let mut seen = 0;
    let mut host_ports = Vec::new();
    for path in files_in("manifests") {
        let bytes = fs::read(&path).unwrap();
        for document in documents(read_as(Level::Restricted, "a.yaml", &bytes)) {
            // At the strictest level only the policy may have something against them.
            if let Document::Broken { problems, .. } = document {
                let other = problems.iter().find(|one| one.reason != InvalidReason::PolicyDenied);
                assert_eq!(other, None, "{}", path.display());
            }
        }
        for document in documents(read_as(Level::Baseline, "a.yaml", &bytes)) {
            let Document::Task { task, .. } = document else { panic!("{}", path.display()) };
            host_ports.extend(task.template.ports.iter().filter_map(|port| port.host));
            seen += 1;
        }
        let text = String::from_utf8(bytes).unwrap();
        let modeline = "# yaml-language-server: $schema=../schema/task.v1.json\n";
        assert!(text.starts_with(modeline), "{}", path.display());
    }
    assert!(seen >= 5, "{seen}");
    assert!(host_ports.iter().all(|host| [8080, 8081].contains(&host.port)), "{host_ports:?}");
}

/// Each file of `tests/broken` begins with what is to be said of it, a line `#! LINE: TEXT (HELP)`
/// for each problem. The first digit of its name says what finds it: 1 the reader, 2 the schema,
/// 3 the checks, 4 the policy; 5: more than one document, or somebody else's. With
/// `EVENKEEL_BLESS=1` the lines are written.
#[test]
fn a_broken_manifest_must_be_told_of_at_its_line_with_what_to_write() {
    let files = files_in("tests/broken");
    assert!(files.len() >= 58, "{}", files.len());
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let body: String =
            text.split_inclusive('\n').filter(|line| !line.starts_with("#! ")).collect();
        let said = said_of(&name, &text);
        if std::env::var_os("EVENKEEL_BLESS").is_some() {
            let lines = "#! \n".repeat(said.len()) + &body;
            let header: String =
                said_of(&name, &lines).iter().map(|s| format!("#! {s}\n")).collect();
            fs::write(&path, header + &body).unwrap();
            continue;
        }
        let expected: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("#! "))
            .map(ToOwned::to_owned)
            .collect();
        assert!(!expected.is_empty(), "{name} says nothing of what is wrong with it");
        assert_eq!(said, expected, "{name}");
    }
}

/// What is said of a broken file, a line for each problem; checks what holds for all of them.
fn said_of(name: &str, text: &str) -> Vec<String> {
    let state = read_as(Level::Baseline, name, text.as_bytes());
    let problems = problems(&state);
    let reason = match name.as_bytes()[0] {
        b'1' => InvalidReason::ParseFailed,
        b'4' => InvalidReason::PolicyDenied,
        _ => InvalidReason::SchemaInvalid,
    };
    let lines = problems.iter().map(|problem| {
        let place = problem.place.as_ref().unwrap_or_else(|| panic!("{name} has no place"));
        let help = problem.help.as_ref().unwrap_or_else(|| panic!("{name} has no help"));
        assert_eq!(problem.reason, reason, "{name}");
        assert!(!place.text.is_empty() && place.width > 0, "{name} marks nothing");
        format!("{}: {} ({help})", place.line, problem.message)
    });
    lines.collect()
}

#[test]
fn everything_that_can_be_written_arrives_in_the_task() {
    let text = "\
apiVersion: evenkeel/v1
kind: Task
metadata: {name: web, namespace: shop, labels: {a.b/c: d}, annotations: {evenkeel/prune: 'false'}}
spec:
  replicas: 1
  suspend: true
  restartPolicy: OnFailure
  backoff: {initialSeconds: 2, maxSeconds: 30, resetAfterSeconds: 100, limit: 0}
  update: {strategy: Recreate, maxSurge: 2, maxUnavailable: 1, minReadySeconds: 3, progressDeadlineSeconds: 9, onFailure: Rollback}
  terminationGracePeriodSeconds: 0
  stopSignal: int
  image: registry.example:5000/team/app:2
  imagePullPolicy: Always
  command: [a]
  args: [b]
  workingDir: /srv//app/
  env: [{name: A, value: ''}]
  ports: [{name: http, containerPort: 80, hostPort: 0, hostIP: '::1', protocol: UDP}]
  startupProbe: {exec: {command: [sh, -c, 'test -e /up']}, failureThreshold: 30, periodSeconds: 1}
  readinessProbe:
    httpGet: {port: http, scheme: HTTPS, httpHeaders: [{name: Host, value: shop.example}]}
    initialDelaySeconds: 1
    timeoutSeconds: 2
    successThreshold: 3
  livenessProbe: {tcpSocket: {port: 81}}
  mounts:
    - {path: /a, volume: data, shared: true}
    - {path: /b, volume: {engineName: app_pgdata}, readOnly: true}
    - {path: /c, hostPath: ../site, create: true}
    - {path: /d, tmpfs: {size: 64Mi}}
  resources: {limits: {cpu: 0.5, memory: 128Mi, pids: 9}, requests: {cpu: 250m, memory: 6Mi}}
  securityContext:
    runAsUser: 1000
    runAsGroup: 1001
    supplementalGroups: [7]
    readOnlyRootFilesystem: true
    allowPrivilegeEscalation: true
    capabilities: {add: [CAP_CHOWN], drop: [ALL]}
    seccompProfile: {type: RuntimeDefault}
    apparmorProfile: {type: Localhost, localhostProfile: mine}
  logging: {options: {max-size: 1m}}
  tty: true
  stdin: true
  init: true
";
    let task = task_of(read_as(Level::Baseline, "apps/web.yaml", text.as_bytes()));
    expect_test::expect_file!["../expected/everything.txt"].assert_debug_eq(&task);
}

#[test]
fn defaults_are_filled_in() {
    let task = task_of(read(&with("  ports: [{containerPort: 80, hostPort: 8080}]\n")));
    assert_eq!(task.name.to_string(), "default/web");
    assert_eq!((task.replicas, task.termination_grace_period_seconds), (1, 10));
    assert_eq!(task.template.image_pull_policy, PullPolicy::IfNotPresent);
    assert_eq!(task.template.ports[0].host, Some(HostPort { ip: None, port: 8080 }));
    assert_eq!(task.template.logging.options["max-size"], "10m");
    assert!(!task.template.security_context.allow_privilege_escalation);
    let privileged = with("  securityContext: {privileged: true}\n");
    let task = task_of(read_as(Level::Privileged, "web.yaml", privileged.as_bytes()));
    assert!(task.template.security_context.allow_privilege_escalation);
}

#[test]
fn a_host_path_begins_at_the_manifests_own_folder() {
    let text = with("  mounts: [{path: /a, hostPath: ./site}, {path: /b, hostPath: ../x}]\n");
    let task = task_of(read_as(Level::Baseline, "a/b/web.yaml", text.as_bytes()));
    let paths = task.template.mounts.iter().map(|mount| match &mount.source {
        MountSource::HostPath { path, .. } => path.as_str(),
        other => panic!("{other:?}"),
    });
    assert_eq!(paths.collect::<Vec<_>>(), ["/srv/tasks/a/b/site", "/srv/tasks/a/x"]);
}

#[test]
fn a_broken_document_must_not_touch_the_others() {
    let good = with("");
    let text =
        format!("{good}---\n{}---\n{}", good.replace("image", "imgae"), good.replace("web", "db"));
    assert_eq!(
        kinds(read(&text)),
        ["1 task default/web", "6 broken default/web", "12 task default/db"]
    );
    let text = format!("a: [1\n---\n{good}---\n\"x\n---\n{}", good.replace("web", "db"));
    assert_eq!(
        kinds(read(&text)),
        ["1 broken", "2 task default/web", "8 broken", "10 task default/db"]
    );
}

#[test]
fn a_broken_document_keeps_its_name_where_that_can_be_read() {
    let cases = [
        ("metadata: {name: web, namespace: shop}\n", "1 broken shop/web"),
        ("metadata: {name: web, name: db}\n", "1 broken"),
        ("metadata: {name: web}\nmetadata: {name: web}\n", "1 broken"),
        ("metadata: {name: web, x: 1, x: 2}\n", "1 broken default/web"),
        ("metadata: {name: web, namespace: A_B}\n", "1 broken"),
        ("metadata: {name: 12}\n", "1 broken"),
        (
            "metadata: {name: web}\nspec: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]\n",
            "1 broken default/web",
        ),
        ("metadata: {name: web}\nspec: {a: \"b}\n", "1 broken default/web"),
    ];
    for (text, kind) in cases {
        let text = format!("apiVersion: evenkeel/v1\nkind: Task\n{text}");
        assert_eq!(kinds(read(&text)), [kind], "{text}");
    }
}

#[test]
fn what_is_no_yaml_at_all_must_hold_the_whole_file() {
    for text in ["{{ template }}: [", "a:\n\tb: 1", "%%%\n%%%", "a: b: c: d", "\"never closed"] {
        assert!(matches!(read(text), FileState::Unreadable { .. }), "{text}");
    }
    let state = read_as(Level::Baseline, "web.yaml", b"a: \xc3\x28\n");
    assert!(matches!(state, FileState::Unreadable { digest: Some(_), .. }));
}

#[test]
fn nothing_but_comments_is_no_document() {
    for text in ["", "\n\n", "# nothing\n", "---\n---\n# x\n...\n", "\u{feff}", "\u{feff}# x\n"] {
        assert_eq!(kinds(read(text)), Vec::<String>::new(), "{text:?}");
    }
    assert_eq!(kinds(read("~")), ["1 broken"]);
}

#[test]
fn a_document_of_another_tool_is_left_alone() {
    assert_eq!(kinds(read("apiVersion: apps/v1\nkind: Deployment\nx: 1\nx: 2\n")), ["foreign"]);
    for version in ["evenkeel/v2", "Evenkeel/v1", "evenkel/v1"] {
        let text = with("").replace("evenkeel/v1", version);
        assert_eq!(kinds(read(&text)), ["1 broken default/web"], "{version}");
    }
}

#[test]
fn byte_order_mark_line_ends_and_json_make_no_difference() {
    let plain = with("  args: [a]\n");
    let task = task_of(read(&plain));
    assert_eq!(task_of(read(&format!("\u{feff}{plain}"))), task);
    assert_eq!(task_of(read(&plain.replace('\n', "\r\n"))), task);
    let json = "{\n\t\"apiVersion\": \"evenkeel\\/v1\",\n\t\"kind\": \"Task\",\n\t\"metadata\": {\"name\": \"web\"},\n\t\"spec\": {\"image\": \"nginx:1\", \"args\": [\"a\"]}\n}\n";
    assert_eq!(task_of(read(json)), task);
    let pair = task_of(read(&with("  args: [\"\\ud834\\udd1e\"]\n")));
    assert_eq!(pair.template.args, ["\u{1d11e}"]);
}

#[test]
fn bombs_must_be_refused_by_counting() {
    let level =
        |name: char, of: char| format!("  {name}: &{name} [{}]\n", format!("*{of}, ").repeat(9));
    let laughs: String =
        "bcdefghi".chars().zip("abcdefgh".chars()).map(|(name, of)| level(name, of)).collect();
    let long = "x".repeat(100_000);
    let cases = [
        ("laughs", with(&format!("  a: &a [x]\n{laughs}")), "20000 values"),
        (
            "alias of a long text",
            with(&format!("  a: &a {long}\n  b: [{}]\n", "*a, ".repeat(30))),
            "1 MiB of text",
        ),
        ("brackets", with(&format!("  a: {}\n", "[".repeat(100_000))), "nested deeper than 32"),
        ("braces", with(&format!("  a: {}\n", "{a: ".repeat(100_000))), "nested deeper than 32"),
        (
            "keys",
            with(&(0..30_000).map(|n| format!("  k{n}: 1\n")).collect::<String>()),
            "20000 values",
        ),
        (
            "unknown fields",
            with(&(0..9_000).map(|n| format!("  k{n}: 1\n")).collect::<String>()),
            "at least 80 more",
        ),
        (
            "wrong entries",
            with(&format!("  args: [{}]\n", "1, ".repeat(19_000))),
            "at least 80 more",
        ),
        (
            "ports",
            with(&format!("  ports: [{}]\n", "{containerPort: 1}, ".repeat(6_000))),
            "more than 1000 entries",
        ),
        (
            "anchors",
            with(&(0..30_000).map(|n| format!("  - &k{n} 1\n")).collect::<String>().replacen(
                "  -",
                "  args:\n  -",
                1,
            )),
            "20000 values",
        ),
        (
            "a long text",
            with(&format!("  workingDir: /{}\n", "x".repeat(1_000_000))),
            "longer than 128 KiB",
        ),
    ];
    for (name, text, message) in cases {
        assert!(u64::try_from(text.len()).unwrap() <= MAX_FILE_BYTES, "{name}");
        let state = read(&text);
        let problems = problems(&state);
        assert!(problems.len() <= 21, "{name}: {}", problems.len());
        let found = problems.iter().any(|problem| problem.message.contains(message));
        assert!(found, "{name}: {}", problems[0]);
        let size: usize = problems.iter().map(|one| one.to_string().len()).sum();
        assert!(size < 10_000, "{name}: {size}");
        assert_eq!(kinds(state), ["1 broken default/web"], "{name}");
    }
    let many = "x\n---\n".repeat(20_000);
    assert!(problems(&read(&many))[0].message.contains("10000 documents"));
    let large = vec![b'#'; usize::try_from(MAX_FILE_BYTES).unwrap() + 1];
    let state = read_as(Level::Baseline, "web.yaml", &large);
    assert!(matches!(state, FileState::Unreadable { digest: Some(_), .. }));
}

#[test]
fn limits_are_not_in_the_way_of_honest_files() {
    let args = format!("  args: [{}]\n", "x, ".repeat(19_000));
    assert_eq!(task_of(read(&with(&args))).template.args.len(), 19_000);
    let many: String =
        (0..1000).map(|n| with("").replace("web", &format!("t{n}")) + "---\n").collect();
    assert_eq!(kinds(read(&many)).len(), 1000);
    let anchors = with("  args: [&a x, *a, *a]\n  command: [*a]\n");
    assert_eq!(task_of(read(&anchors)).template.args, ["x", "x", "x"]);
}

#[test]
fn the_same_name_or_host_port_twice_is_told_of() {
    let file = |name: &str, ports: &str| {
        read(&with(&format!("  ports: [{ports}]\n")).replace("web", name))
    };
    let port = |rest: &str| format!("{{containerPort: 80, hostPort: 8080{rest}}}");
    let files = BTreeMap::from([
        ("a.yaml".to_owned(), file("one", &port(", hostIP: 127.0.0.1"))),
        ("b.yaml".to_owned(), file("two", &port(", hostIP: 127.0.0.2"))),
        ("c.yaml".to_owned(), file("three", &port(""))),
        ("d.yaml".to_owned(), file("four", &port(", protocol: UDP"))),
        ("e.yaml".to_owned(), file("one", "")),
        ("f.yaml".to_owned(), file("five", "{containerPort: 80, hostPort: 0}")),
        ("g.yaml".to_owned(), file("six", "{containerPort: 80, hostPort: 0}")),
    ]);
    let said: Vec<String> = manifest::across(&files).iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "e.yaml:1:1: `default/one` is declared in a.yaml:1 already (rename one of the two, or remove it)",
            "c.yaml:1:1: host port 127.0.0.1:8080/tcp of `default/three` is wanted by `default/one` too, in a.yaml:1 (choose another host port, or another `hostIP`)",
        ]
    );
}

#[test]
fn the_operator_decides_what_may_be_asked() {
    let mount = |path: &str| with(&format!("  mounts: [{{path: /x, hostPath: {path}}}]\n"));
    let hard = "  securityContext: {runAsUser: 5, capabilities: {drop: [ALL]}}\n";
    let add =
        |name: &str| with(&format!("  securityContext: {{capabilities: {{add: [{name}]}}}}\n"));
    let log = |driver: &str| with(&format!("  logging: {{driver: {driver}}}\n"));
    use Level::{Baseline, Privileged, Restricted};
    let cases = [
        (with(""), Baseline),
        (with(hard), Restricted),
        (with("  securityContext: {runAsUser: 0, capabilities: {drop: [ALL]}}\n"), Baseline),
        (with("  securityContext: {runAsUser: 5}\n"), Baseline),
        (with(&hard.replace("{runAsUser", "{allowPrivilegeEscalation: true, runAsUser")), Baseline),
        (with(&hard.replace("drop", "add: [NET_BIND_SERVICE], drop")), Restricted),
        (with(&hard.replace("drop", "add: [CHOWN], drop")), Baseline),
        (add("NET_ADMIN"), Privileged),
        (add("ALL"), Privileged),
        (mount("./x"), Baseline),
        (mount("/srv/tasks"), Baseline),
        (mount("/srv/tasks2"), Privileged),
        (mount("/data/x"), Baseline),
        (mount("/database"), Privileged),
        (mount("/run/docker.sock"), Privileged),
        (log("journald"), Baseline),
        (log("syslog"), Baseline),
        (log("gelf"), Privileged),
        (log("some/plugin:1"), Privileged),
        (with("  workingDir: /process\n"), Baseline),
        (with("  workingDir: /proc\n"), Privileged),
    ];
    for (text, needed) in cases {
        for level in [Restricted, Baseline, Privileged] {
            let state = read_as(level, "web.yaml", text.as_bytes());
            let allowed = matches!(&documents(state.clone())[..], [Document::Task { .. }]);
            assert_eq!(allowed, level >= needed, "{level:?}\n{text}\n{:?}", problems(&state));
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[-:a-z0-9 \n\t\"'&*!|>%@`{}\\[\\],#?~.]{0,200}") {
        let state = read(&text);
        let shown = problems(&state);
        let seen = render::people(&shown, Colour::Always, None);
        prop_assert_eq!(seen.matches("-->").count() >= shown.len(), true);
        prop_assert_eq!(render::github(&shown, "").lines().count(), shown.len());
        prop_assert!(shown.iter().all(|problem| problem.help.is_some()));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let shown = problems(&read_as(Level::Baseline, "a.yaml", &bytes));
        prop_assert_eq!(render::people(&shown, Colour::Never, None).is_empty(), shown.is_empty());
    }

    #[test]
    fn a_manifest_cut_anywhere_is_a_task_or_is_told_of(cut in 0_usize..2000) {
        let whole = include_str!("../../manifests/stack.yaml");
        let state = read(&whole[..whole.floor_char_boundary(cut)]);
        let broken = problems(&state);
        prop_assert!(broken.iter().all(|problem| problem.help.is_some()));
    }
}
