//! `evenkeel doctor` where there is no engine: what it finds all the same.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use super::live::daemon;
use super::{Shell, WEB};

/// The findings: what was looked at, how well it is, what is so.
fn findings(shell: &Shell, args: &[&str]) -> Vec<(String, String, String)> {
    let args = [&["doctor", "-o", "json"], args].concat();
    let told: Value = serde_json::from_str(&shell.run(&args).exits(1).stdout).unwrap();
    assert_eq!(told["ok"], false);
    let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
    let all = told["findings"].as_array().unwrap().iter().map(|it| {
        let (check, level) = (text(it, "check"), text(it, "level"));
        for key in ["meaning", "todo"] {
            assert_eq!(level == "ok", it.get(key).is_none(), "{it}");
        }
        (check, level, text(it, "message"))
    });
    all.collect()
}

/// What is said of one thing, with how well it is.
fn says(found: &[(String, String, String)], check: &str) -> String {
    let of = found.iter().filter(|it| it.0 == check);
    of.map(|(_, level, message)| format!("{level}: {message}\n")).collect()
}

/// All that is beneath a directory.
fn listed(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
        found.push(entry.path().display().to_string());
        if entry.file_type().unwrap().is_dir() {
            found.extend(listed(&entry.path()));
        }
    }
    found.sort();
    found
}

fn mode(shell: &Shell, path: &str, mode: u32) {
    fs::set_permissions(shell.path().join(path), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn without_an_engine_all_else_must_be_looked_at_and_nothing_changed() {
    let shell = Shell::new();
    shell.write("tasks/web.yaml", WEB);
    mode(&shell, "tasks", 0o755);
    let before = listed(shell.path());
    let found = findings(&shell, &["tasks"]);
    assert!(says(&found, "engine").starts_with("fail: it can't be asked: "), "{found:#?}");
    assert!(says(&found, "daemon").starts_with("ok: none has run yet"), "{found:#?}");
    assert!(says(&found, "directory").starts_with("ok: "), "{found:#?}");
    assert!(says(&found, "state").ends_with("is made at the first start\n"), "{found:#?}");
    assert_eq!(says(&found, "manifests"), "ok: 1 file, 1 task: no problems\n");
    assert_eq!(says(&found, "policy"), "ok: baseline, no host path outside the directory\n");
    assert_eq!(says(&found, "ports"), "", "whose a port is the engine knows");
    for check in ["disk", "inotify"] {
        assert!(!says(&found, check).is_empty(), "{check}: {found:#?}");
    }
    assert_eq!(listed(shell.path()), before);
    let people = shell.run(&["doctor", "tasks"]).exits(1).stdout;
    assert!(people.contains("\nFAIL  engine     it can't be asked: "), "{people}");
    assert!(people.contains("\n                 to do: start Docker, "), "{people}");

    shell.write("tasks/web.yaml", &WEB.replace("image:", "imgae:"));
    mode(&shell, "tasks/web.yaml", 0o666);
    let found = findings(&shell, &["tasks", "--policy", "privileged"]);
    assert!(says(&found, "manifests").starts_with("warn: 1 file: 1 problem"), "{found:#?}");
    assert!(says(&found, "policy").starts_with("warn: privileged"), "{found:#?}");
    assert!(says(&found, "directory").starts_with("fail: everybody may write "), "{found:#?}");
    let found = findings(&shell, &["nowhere"]);
    assert!(says(&found, "directory").contains("No such file"), "{found:#?}");
    assert!(says(&findings(&shell, &[]), "directory").contains("none was named"));
}

#[test]
fn beside_a_daemon_it_must_be_asked_what_it_knows() {
    let shell = Shell::new();
    let running = daemon(&shell);
    let source = shell.path().join("tasks").display().to_string();
    let found = findings(&shell, &["--policy", "privileged"]);
    let daemon = says(&found, "daemon");
    assert!(daemon.starts_with("ok: evenkeel ") && daemon.contains(&source), "{daemon}");
    assert!(says(&found, "status").starts_with("warn: the engine can't be asked"), "{found:#?}");
    assert!(says(&found, "policy").starts_with("ok: baseline"), "the daemon's: {found:#?}");
    assert!(says(&found, "directory").contains(&source), "{found:#?}");
    fs::create_dir(shell.path().join("other")).unwrap();
    let found = findings(&shell, &["other"]);
    assert!(says(&found, "daemon").contains("warn: the daemon keeps "), "{found:#?}");
    // Its name with another state is another worker of the same name.
    let found = findings(&shell, &["tasks", "--state-dir", "elsewhere"]);
    assert!(says(&found, "worker").contains("is a worker default as well: "), "{found:#?}");
    drop(running);
    let found = findings(&shell, &["tasks"]);
    assert!(says(&found, "daemon").starts_with("warn: none runs"), "{found:#?}");
}
