//! Handing in work, beside a daemon that has no engine: files are written, and tasks accepted.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use expect_test::expect;

use super::live::daemon;
use super::{Ran, Shell, WEB};

fn named(name: &str) -> String {
    let port = "  ports: [{containerPort: 80, hostPort: 8080}]\n";
    WEB.replace("name: web", &format!("name: {name}")).replace(port, "")
}

fn text(shell: &Shell, file: &str) -> String {
    fs::read_to_string(shell.path().join(file)).unwrap()
}

fn piped(shell: &Shell, args: &[&str], text: &str) -> Ran {
    let mut command = shell.command(args);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    Ran::of(&child.wait_with_output().unwrap())
}

#[test]
fn what_is_applied_must_be_told_of_document_by_document_and_be_known_at_once() {
    let shell = Shell::new();
    let _daemon = daemon(&shell);
    shell.write("mine/a.yaml", &format!("{}---\n{}", named("one"), named("two")));
    shell.write("mine/deep/b.yml", &named("three"));
    shell.write("mine/pod.yaml", "apiVersion: v1\nkind: Pod\n");
    shell.write("again.yaml", &WEB.replace("1.27", "1.28"));
    let ran =
        shell.run(&["apply", "-f", "mine", "-f", "again.yaml", "-f", "./again.yaml"]).exits(0);
    assert_eq!(
        ran.stdout,
        "task/one created\ntask/two created\ntask/three created\ntask/web configured\n"
    );
    assert_eq!(ran.stderr, "");
    assert_eq!(text(&shell, "tasks/default.two.yaml"), named("two"));
    assert_eq!(text(&shell, "tasks/web.yaml"), WEB.replace("1.27", "1.28"));
    assert_eq!(shell.run(&["get", "-o", "name"]).exits(0).stdout, "one\nthree\ntwo\nweb\n");
    let ran = shell.run(&["get", "web", "-o", "json"]).exits(0);
    assert!(ran.stdout.contains("\"generation\": 2"), "{}", ran.stdout);
    let ran = shell.run(&["apply", "-f", "mine"]).exits(0);
    assert_eq!(ran.stdout, "task/one unchanged\ntask/two unchanged\ntask/three unchanged\n");
    // From standard input, into a namespace.
    let ran = piped(&shell, &["apply", "-f", "-", "-n", "prod"], &named("web")).exits(0);
    assert_eq!(ran.stdout, "task/prod/web created\n");
    assert!(text(&shell, "tasks/prod.web.yaml").contains("namespace\": \"prod\", name: web"));
    // Without an engine nothing comes up.
    let ran = shell.run(&["apply", "-f", "again.yaml", "--wait", "--timeout", "0"]).exits(3);
    assert_eq!(ran.stdout, "task/web unchanged\n");
    assert!(ran.stderr.contains("web is not Ready after 0ns"), "{}", ran.stderr);
}

#[test]
fn what_is_wrong_must_be_shown_as_validate_shows_it_and_nothing_be_written() {
    let shell = Shell::new();
    let _daemon = daemon(&shell);
    shell.write("good.yaml", &named("good"));
    shell.write(
        "sub/bad.yaml",
        &format!("{}---\n{}", named("fine"), named("bad").replace("image", "imgae")),
    );
    let ran = shell.run(&["apply", "-f", "good.yaml", "-f", "sub/bad.yaml"]).exits(1);
    assert_eq!(ran.stdout, "");
    expect![[r#"
        error[SchemaInvalid]: unknown field `imgae` in `spec`
          --> sub/bad.yaml:11:3
           |
        11 |   imgae: nginx:1.27
           |   ^^^^^
           |
           = help: did you mean `image`?

        error: there is a problem in what was sent: nothing was changed
    "#]]
    .assert_eq(&ran.stderr);
    let relative = format!("{}  mounts: [{{path: /d, hostPath: ./d}}]\n", named("rel"));
    let ran = piped(&shell, &["apply", "-f", "-"], &relative).exits(1);
    assert!(
        ran.stderr.contains("`./d` is relative to its file, and this is read from none"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains(" --> <stdin>:6:33\n"), "{}", ran.stderr);
    shell.write("pod.yaml", "apiVersion: v1\nkind: Pod\n");
    let ran = shell.run(&["apply", "-f", "pod.yaml"]).exits(1);
    assert!(ran.stderr.contains("`v1` is not evenkeel's\n"), "{}", ran.stderr);
    fs::write(shell.path().join("latin.yaml"), b"kind: \xe4\n").unwrap();
    let ran = shell.run(&["apply", "-f", "good.yaml", "-f", "latin.yaml"]).exits(1);
    assert!(ran.stderr.contains("the file is not UTF-8 text"), "{}", ran.stderr);
    fs::create_dir(shell.path().join("empty")).unwrap();
    let ran = shell.run(&["apply", "-f", "empty"]).exits(1);
    assert!(ran.stderr.contains("there are no manifests in what was named"), "{}", ran.stderr);
    let ran = shell.run(&["apply", "-f", "nowhere.yaml"]).exits(1);
    assert!(ran.stderr.starts_with("error: nowhere.yaml: No such file"), "{}", ran.stderr);
    // What stands in the source is broken.
    shell.write("tasks/web.yaml", &WEB.replace("image", "imgae"));
    let ran = loop {
        let ran = piped(&shell, &["apply", "-f", "-"], &WEB.replace("1.27", "1.28")).exits(1);
        // It may not have been read yet.
        if !ran.stderr.contains("has changed since it was read") {
            break ran;
        }
    };
    assert!(ran.stderr.contains(" --> web.yaml:5:3\n"), "{}", ran.stderr);
    assert!(
        ran.stderr
            .ends_with("error: web.yaml is broken, so nothing in it is changed: mend it first\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(fs::read_dir(shell.path().join("tasks")).unwrap().count(), 1, "nothing was made");
}

#[test]
fn a_dry_run_must_show_what_would_be_written() {
    let shell = Shell::new();
    let _daemon = daemon(&shell);
    let both = format!("{}---\n{}", WEB.replace("1.27", "1.28"), named("new"));
    let ran = piped(&shell, &["apply", "-f", "-", "--dry-run"], &both).exits(0);
    expect![[r#"
        task/web configured (dry run)
        task/new created (dry run)
        --- /dev/null
        +++ b/default.new.yaml
        @@ -0,0 +1,5 @@
        +apiVersion: evenkeel/v1
        +kind: Task
        +metadata: {name: new}
        +spec:
        +  image: nginx:1.27
        --- a/web.yaml
        +++ b/web.yaml
        @@ -2,5 +2,5 @@
         kind: Task
         metadata: {name: web}
         spec:
        -  image: nginx:1.27
        +  image: nginx:1.28
           ports: [{containerPort: 80, hostPort: 8080}]
    "#]]
    .assert_eq(&ran.stdout);
    let ran = shell.run(&["delete", "web", "--dry-run"]).exits(0);
    assert!(ran.stdout.starts_with("task/web deleted (dry run)\n--- a/web.yaml\n+++ /dev/null\n"));
    assert_eq!(text(&shell, "tasks/web.yaml"), WEB);
    assert_eq!(shell.run(&["get", "-o", "name"]).exits(0).stdout, "web\n");
}

#[test]
fn what_is_deleted_must_be_known_and_its_manifest_goes() {
    let shell = Shell::new();
    let _daemon = daemon(&shell);
    shell.write("more.yaml", &["a", "b", "c"].map(named).join("---\n"));
    shell.run(&["apply", "-f", "more.yaml", "-n", "shop"]).exits(0);
    // One that is not there keeps all from being deleted.
    let ran = shell.run(&["delete", "web", "wbe", "a"]).exits(1);
    assert!(ran.stderr.contains("there is no task `wbe`; did you mean `web`?"), "{}", ran.stderr);
    assert!(ran.stderr.contains("there is no task `a`; did you mean `shop/a`?"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("nothing was deleted\n"), "{}", ran.stderr);
    assert_eq!(text(&shell, "tasks/web.yaml"), WEB);
    let ran = shell.run(&["delete", "web", "--no-wait"]).exits(0);
    assert_eq!((&*ran.stdout, &*ran.stderr), ("task/web deleted\n", ""));
    assert!(!shell.path().join("tasks/web.yaml").exists());
    let ran = shell.run(&["delete", "-f", "more.yaml", "-n", "shop", "--no-wait"]).exits(0);
    assert_eq!(ran.stdout, "task/shop/a deleted\ntask/shop/b deleted\ntask/shop/c deleted\n");
    assert_eq!(fs::read_dir(shell.path().join("tasks")).unwrap().count(), 0);
    // Without an engine nothing can be found to be gone.
    let ran = shell.run(&["delete", "web", "--timeout", "0"]).exits(3);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("web is not Deleted after 0ns"), "{}", ran.stderr);
    let broken = shell.run(&["delete", "-f", "tasks/none.yaml"]).exits(1);
    assert!(broken.stderr.contains("tasks/none.yaml: No such file"), "{}", broken.stderr);
}

#[test]
fn without_a_daemon_work_must_be_refused_with_4() {
    let shell = Shell::new();
    shell.write("web.yaml", WEB);
    for args in
        [&["apply", "-f", "web.yaml"][..], &["delete", "web"], &["delete", "-f", "web.yaml"]]
    {
        let ran = shell.run(args).exits(4);
        assert_eq!(ran.stdout, "", "{args:?}");
        assert!(ran.stderr.contains("no evenkeel daemon is running"), "{}", ran.stderr);
    }
}

#[test]
fn a_suspend_by_command_must_be_told_everywhere_with_how_it_is_undone() {
    let shell = Shell::new();
    let daemon = daemon(&shell);
    let by = |verb: &str, names: &[&str]| {
        let mut command = shell.command(&[&[verb], names].concat());
        command.env_remove("SUDO_USER").env("USER", "al\u{1b}ice");
        Ran::of(&command.output().unwrap())
    };
    let ran = by("suspend", &["wbe", "web"]).exits(1);
    assert_eq!(
        ran.stderr,
        "error: there is no task `wbe`; did you mean `web`?\nnothing was suspended\n"
    );
    assert!(!shell.run(&["get"]).exits(0).stdout.contains("Suspended"));
    let ran = by("suspend", &["web"]).exits(0);
    assert_eq!(ran.stdout, "task/web suspended\n");
    let undo = "evenkeel resume web --state-dir ";
    assert!(
        ran.stderr.starts_with(&format!("it stays so, whatever its manifest says, until: {undo}"))
    );
    let ran = by("suspend", &["web"]).exits(0);
    assert!(ran.stderr.contains("it was suspended before, by al\u{241b}ice at "), "{}", ran.stderr);
    assert!(shell.run(&["get"]).exits(0).stdout.contains("Suspended(EngineUnavailable)"));
    let held = "suspended by al\u{241b}ice at ";
    for args in [&["why", "web"][..], &["describe", "web"], &["status"]] {
        let ran = shell.run(args);
        let told = ran.stdout.contains(held) && ran.stdout.contains(undo);
        assert!(told, "{args:?}: {}", ran.stdout);
    }
    let ran = shell.run(&["wait", "web", "--for=Ready"]).exits(1);
    assert!(ran.stderr.contains("it is suspended by al"), "{}", ran.stderr);
    // Without a daemon it is told as well.
    drop(daemon);
    shell.run(&["suspend", "web"]).exits(4);
    shell.run(&["resume", "web"]).exits(4);
    assert!(shell.run(&["get"]).exits(0).stdout.contains("Suspended"));
}

#[test]
fn a_resume_of_what_its_manifest_suspends_must_say_so_and_name_the_file() {
    let shell = Shell::new();
    let _daemon = daemon(&shell);
    assert_eq!(shell.run(&["resume", "web"]).exits(0).stdout, "task/web was not suspended\n");
    shell.run(&["suspend", "web"]).exits(0);
    shell.write("again.yaml", &WEB.replace("spec:\n", "spec:\n  suspend: true\n"));
    shell.run(&["apply", "-f", "again.yaml"]).exits(0);
    for by in ["no longer by command, but by", "not by command, but by"] {
        let ran = shell.run(&["resume", "web"]).exits(1);
        let wanted = format!(
            "error: web is suspended {by} its manifest: take `suspend: true` out of web.yaml:1\n"
        );
        assert_eq!((&*ran.stdout, ran.stderr), ("", wanted));
    }
    shell.write("again.yaml", WEB);
    shell.run(&["apply", "-f", "again.yaml"]).exits(0);
    assert!(!shell.run(&["get"]).exits(0).stdout.contains("Suspended"));
}

#[test]
fn a_restart_must_be_taken_and_refused_where_there_is_nothing_to_replace() {
    let shell = Shell::new();
    let daemon = daemon(&shell);
    let ran = shell.run(&["restart", "web"]).exits(0);
    assert_eq!((&*ran.stdout, &*ran.stderr), ("task/web restarted\n", ""));
    let ran = shell.run(&["restart", "web", "--wait", "--timeout", "0"]).exits(3);
    assert!(ran.stderr.contains("web is not Restarted after 0ns"), "{}", ran.stderr);
    let ran = shell.run(&["events", "web"]).exits(0);
    assert!(ran.stdout.contains("restart asked for by "), "{}", ran.stdout);
    shell.write("job.yaml", &named("job").replace("spec:\n", "spec:\n  restartPolicy: Never\n"));
    shell.run(&["apply", "-f", "job.yaml"]).exits(0);
    let ran = shell.run(&["restart", "job", "web"]).exits(1);
    assert_eq!(ran.stdout, "task/web restarted\n");
    let why = "error: job is a job, which is not restarted: it runs to its end, and again when its \
               manifest default.job.yaml:1 changes\n";
    assert_eq!(ran.stderr, why);
    let ran = shell.run(&["restart", "wbe"]).exits(1);
    assert!(ran.stderr.ends_with("did you mean `web`?\nnothing was restarted\n"), "{}", ran.stderr);
    drop(daemon);
    shell.run(&["restart", "web"]).exits(4);
}
