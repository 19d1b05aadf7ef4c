//! What tells of what happens, beside a daemon that has no engine: it accepts, and waits.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::{Ran, Shell, WEB};

/// A program that runs until it is dropped.
pub struct Running(Child);

impl Running {
    fn of(mut command: Command) -> Self {
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn lines(&mut self) -> BufReader<ChildStdout> {
        BufReader::new(self.0.stdout.take().unwrap())
    }

    /// As `SIGTERM`.
    fn end(&mut self) {
        self.signal("TERM");
    }

    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Its exit code and what it said to people.
    fn ended(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.0.wait().unwrap().code(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A daemon that has accepted `web`.
pub fn daemon(shell: &Shell) -> Running {
    daemon_with(shell, &[])
}

/// The same, with further words on its command line.
fn daemon_with(shell: &Shell, args: &[&str]) -> Running {
    shell.write("tasks/web.yaml", WEB);
    let args = [&["run", "tasks", "--log", "off"], args].concat();
    let mut daemon = Running::of(shell.command(&args));
    let mut said = String::new();
    // It listens before it says so.
    BufReader::new(daemon.0.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("keeps this host"), "{said}");
    let mut watch = Running::of(shell.command(&["get", "-w", "-o", "name"]));
    assert_eq!(next(&mut watch.lines()), "web");
    daemon
}

fn next(lines: &mut impl BufRead) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

#[test]
fn a_wait_must_say_how_it_ended() {
    let shell = Shell::new();
    let _daemon = daemon(&shell);
    let wait = |args: &[&str]| shell.run(&[&["wait"], args].concat());
    let ran = wait(&["web", "--for", "Ready", "--timeout", "0"]).exits(3);
    assert!(ran.stderr.contains("web is not Ready after 0ns; it is"), "{}", ran.stderr);
    assert!(ran.stderr.contains("the engine can't be asked"), "{}", ran.stderr);
    let ran = wait(&["web", "--for=completed"]).exits(1);
    assert!(ran.stderr.contains("web can't become Completed: it is a service"), "{}", ran.stderr);
    for goal in ["--for=Ready", "--for=Deleted"] {
        let ran = wait(&["wbe", goal]).exits(1);
        assert!(ran.stderr.contains("no task `wbe`; did you mean `web`?"), "{}", ran.stderr);
    }
    wait(&["web", "--for=Happy"]).exits(64);
    wait(&["web"]).exits(64);
}

#[test]
fn a_source_that_does_not_answer_must_not_hold_up_a_stop() {
    let shell = Shell::new();
    // Opening a pipe waits for its other end, as that of a directory does for a disk that is away.
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let tasks = shell.path().join("tasks");
    rustix::fs::mknodat(rustix::fs::CWD, tasks, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let mut daemon = Running::of(shell.command(&["run", "tasks"]));
    while !shell.state().join("lock").exists() {
        std::thread::yield_now();
    }
    let begun = std::time::Instant::now();
    daemon.end();
    let (code, said) = daemon.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("stopped before it began"), "{said}");
    // Not even as long as the source is waited for.
    assert!(begun.elapsed() < std::time::Duration::from_secs(9), "{:?}", begun.elapsed());
}

#[test]
fn who_follows_must_be_told_that_the_daemon_has_ended() {
    let shell = Shell::new();
    let mut daemon = daemon(&shell);
    let mut all = [
        Running::of(shell.command(&["events", "web", "-f", "-o", "json"])),
        Running::of(shell.command(&["get", "-w"])),
        Running::of(shell.command(&["wait", "web", "--for=Ready"])),
    ];
    let (mut events, mut rows) = (all[0].lines(), all[1].lines());
    let event: serde_json::Value = serde_json::from_str(&next(&mut events)).unwrap();
    assert_eq!(event["reason"], "Accepted");
    assert!(next(&mut rows).starts_with("NAME           READY   STATUS"));
    assert!(next(&mut rows).starts_with("web            0/1     "));
    // A change of the file is an event and a row.
    shell.write("tasks/web.yaml", &WEB.replace("1.27", "1.28"));
    loop {
        let event: serde_json::Value = serde_json::from_str(&next(&mut events)).unwrap();
        if event["message"] == "generation 2 accepted from web.yaml:1" {
            break;
        }
    }
    while !next(&mut rows).ends_with("nginx:1.28") {}
    daemon.end();
    for running in &mut all {
        let (code, said) = running.ended();
        assert_eq!((code, &*said), (Some(4), "error: the daemon has ended\n"));
    }
    let ran = shell.run(&["wait", "web", "--for=Ready"]).exits(4);
    assert!(ran.stderr.contains("no evenkeel daemon is running"), "{}", ran.stderr);
    shell.run(&["get", "-w"]).exits(4);
    shell.run(&["events", "-f"]).exits(4);
    // What happened is told without it.
    let ran = shell.run(&["events", "web"]).exits(0);
    assert!(ran.stdout.contains("generation 2 accepted from web.yaml:1"), "{}", ran.stdout);
    let ran = shell.run(&["why", "web"]).exits(0);
    assert!(ran.stdout.contains("ago  Accepted: generation 2 accepted"), "{}", ran.stdout);
}

#[test]
fn who_asks_a_daemon_that_has_lost_its_socket_must_wait_for_another_one() {
    let shell = Shell::new();
    let daemon = daemon(&shell);
    let socket = shell.state().join("evenkeel.sock");
    let lose = || std::fs::remove_file(&socket).unwrap();
    lose();
    let ran = shell.run(&["get", "-o", "name"]).exits(0);
    assert_eq!((&*ran.stdout, &*ran.stderr), ("web\n", ""));
    // Who listens to it comes over a connection of another kind.
    lose();
    std::fs::write(&socket, "somebody else's").unwrap();
    let mut watch = Running::of(shell.command(&["get", "-w", "-o", "name"]));
    assert_eq!(next(&mut watch.lines()), "web");
    // One that makes no other one is told of, and is not taken for none.
    daemon.signal("STOP");
    lose();
    let ran = shell.run(&["get"]).exits(4);
    let wanted = format!("runs (pid {}), but its socket is gone", daemon.0.id());
    assert!(ran.stderr.contains(&wanted), "{}", ran.stderr);
    drop(daemon);
    let ran = shell.run(&["status"]).exits(4);
    assert!(ran.stderr.contains("no evenkeel daemon is running"), "{}", ran.stderr);
}

#[test]
fn why_must_name_the_wait_and_who_is_asked_for_in_vain() {
    let shell = Shell::new();
    let _daemon = daemon(&shell);
    let ran = shell.run(&["why", "web"]).exits(0);
    assert!(ran.stdout.contains("\n  waits for the engine can't be asked: "), "{}", ran.stdout);
    assert!(ran.stdout.contains("Accepted: accepted from web.yaml:1"), "{}", ran.stdout);
    let ran = shell.run(&["why", "wbe"]).exits(1);
    assert!(ran.stderr.contains("did you mean `web`?"), "{}", ran.stderr);
    let ran = shell.run(&["why", "web", "--slot", "3"]).exits(1);
    assert!(ran.stderr.contains("web has no slot 3; it has 1"), "{}", ran.stderr);
    let ran = shell.run(&["events", "wbe"]).exits(1);
    assert!(ran.stderr.contains("did you mean `web`?"), "{}", ran.stderr);
}

#[test]
fn an_exec_must_say_why_there_is_nothing_to_run_it_in() {
    let shell = Shell::new();
    let daemon = daemon(&shell);
    let ran = shell.run(&["exec", "web", "--", "true"]).exits(1);
    assert!(ran.stderr.starts_with("error: nothing of web runs: it is "), "{}", ran.stderr);
    let ran = shell.run(&["exec", "wbe", "--", "true"]).exits(1);
    assert!(ran.stderr.contains("did you mean `web`?"), "{}", ran.stderr);
    shell.run(&["exec", "web", "true"]).exits(64);
    shell.run(&["exec", "web"]).exits(64);
    drop(daemon);
    let ran = shell.run(&["exec", "web", "--", "true"]).exits(1);
    assert!(ran.stderr.contains("the engine can't be asked"), "{}", ran.stderr);
}

#[test]
fn a_reader_that_leaves_must_end_who_follows() {
    let shell = Shell::new();
    let _daemon = daemon(&shell);
    let mut follow = Running::of(shell.command(&["events", "-f"]));
    let mut lines = follow.lines();
    assert!(next(&mut lines).starts_with("AGE "));
    drop(lines);
    shell.write("tasks/web.yaml", &WEB.replace("1.27", "1.28"));
    let (code, said) = follow.ended();
    assert_eq!((code, &*said), (Some(0), ""));
    let ran: Ran = shell.run(&["events", "--since", "1h", "-o", "wide"]).exits(0);
    assert!(ran.stdout.starts_with("NUMBER "), "{}", ran.stdout);
}

#[test]
fn a_shell_must_complete_the_names_that_are_there_now() {
    let shell = Shell::new();
    let _daemon = daemon(&shell);
    let complete = |args: &[&str]| {
        let mut command = shell.command(&[&["--", "evenkeel"], args].concat());
        // As the script of `evenkeel completion bash` asks.
        let last = args.len().to_string();
        command.env("EVENKEEL_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", last);
        command.env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_IFS", "\n");
        Ran::of(&command.output().unwrap()).exits(0).stdout
    };
    assert_eq!(complete(&["des"]), "describe");
    for verb in ["describe", "suspend", "resume", "restart", "exec"] {
        assert_eq!(complete(&[verb, "w"]), "web");
    }
    assert_eq!(complete(&["get", "-n", "d"]), "default");
    assert_eq!(complete(&["get", "x"]), "");
    assert_eq!(complete(&["explain", "spec.ports.hostP"]), "spec.ports.hostPort");
    let elsewhere = shell.path().join("elsewhere");
    let elsewhere = elsewhere.to_str().unwrap();
    assert_eq!(complete(&["--state-dir", elsewhere, "get", "w"]), "", "another worker's state");
}

/// A file that is being written: a daemon waits for its close.
struct Unclosed {
    _opened: std::fs::File,
}

impl Unclosed {
    fn write(shell: &Shell, file: &str, text: &str) -> Self {
        let mut opened = std::fs::File::create(shell.path().join(file)).unwrap();
        opened.write_all(text.as_bytes()).unwrap();
        Self { _opened: opened }
    }
}

#[test]
fn a_wait_must_not_judge_what_was_there_before_the_file_was_saved() {
    let shell = Shell::new();
    let _daemon = daemon(&shell);
    let wait = |args: &[&str]| shell.run(&[&["wait"], args].concat());
    let job = WEB.replace("spec:\n", "spec:\n  restartPolicy: Never\n");
    let unclosed = Unclosed::write(&shell, "tasks/web.yaml", &job);
    // What the daemon knows is a service, which has no end.
    let ran = wait(&["web", "--for=Completed", "--timeout", "1s"]).exits(3);
    assert!(ran.stderr.contains("is not read yet"), "{}", ran.stderr);
    let mut waiting = Running::of(shell.command(&["wait", "web", "--for=Completed"]));
    drop(unclosed);
    let ran = wait(&["web", "--for=Completed", "--timeout", "3s"]).exits(3);
    assert!(ran.stderr.contains("the engine can't be asked"), "{}", ran.stderr);
    // It is a service again, and nobody waits for its end any more.
    shell.write("tasks/web.yaml", WEB);
    let ran = wait(&["web", "--for=Completed"]).exits(1);
    assert!(ran.stderr.contains("it is a service"), "{}", ran.stderr);
    let (code, said) = waiting.ended();
    assert!(code == Some(1) && said.contains("it is a service"), "{said}");
}

#[test]
fn a_wait_must_know_a_task_whose_file_was_saved_just_now() {
    let shell = Shell::new();
    let _daemon = daemon(&shell);
    let wait = |args: &[&str]| shell.run(&[&["wait"], args].concat());
    let new = WEB.replace("name: web", "name: new").replace("8080", "8081");
    let unclosed = Unclosed::write(&shell, "tasks/new.yaml", &new);
    for goal in ["--for=Ready", "--for=Deleted"] {
        let ran = wait(&["new", goal, "--timeout", "1s"]).exits(3);
        assert!(ran.stderr.contains("is not read yet"), "{}", ran.stderr);
    }
    drop(unclosed);
    let ran = wait(&["new", "--for=Ready", "--timeout", "3s"]).exits(3);
    assert!(ran.stderr.contains("the engine can't be asked"), "{}", ran.stderr);
    std::fs::remove_file(shell.path().join("tasks/new.yaml")).unwrap();
    let ran = wait(&["new", "--for=Completed", "--timeout", "60s"]).exits(1);
    assert!(ran.stderr.contains("its manifest is gone"), "{}", ran.stderr);
}

#[test]
fn a_wait_must_say_that_the_manifest_is_not_accepted() {
    let shell = Shell::new();
    let _daemon = daemon(&shell);
    let wait = |args: &[&str]| shell.run(&[&["wait"], args].concat());
    shell.write("tasks/web.yaml", &WEB.replace("image:", "imgae:"));
    let ran = wait(&["web", "--for=Ready"]).exits(1);
    assert!(ran.stderr.contains("its manifest is not accepted: web.yaml:"), "{}", ran.stderr);
    assert!(ran.stderr.contains("imgae"), "{}", ran.stderr);
    // One that the policy of the daemon denies: only the daemon knows that.
    let denied = WEB.replace("spec:\n", "spec:\n  securityContext: {privileged: true}\n");
    shell.write("tasks/web.yaml", &denied);
    let ran = wait(&["web", "--for=Ready"]).exits(1);
    assert!(ran.stderr.contains("its manifest is not accepted: web.yaml:"), "{}", ran.stderr);
    assert!(ran.stderr.contains("privileged"), "{}", ran.stderr);
    shell.write("tasks/more.yaml", &denied.replace("name: web", "name: more"));
    let ran = wait(&["more", "--for=Ready"]).exits(1);
    assert!(ran.stderr.contains("its manifest is not accepted: more.yaml:"), "{}", ran.stderr);
    shell.write("tasks/web.yaml", WEB);
    let ran = wait(&["web", "--for=Ready", "--timeout", "3s"]).exits(3);
    assert!(ran.stderr.contains("the engine can't be asked"), "{}", ran.stderr);
}

#[test]
fn a_sync_beside_a_daemon_must_tell_at_its_deadline_what_is_not_settled_or_not_read() {
    let shell = Shell::new();
    let _daemon = daemon(&shell);
    let sync = |timeout: &str| shell.run(&["sync", "tasks", "--timeout", timeout]);
    // What waits for the engine is not settled.
    let ran = sync("1s").exits(3);
    assert!(ran.stderr.contains("\nwaiting for that: web\n"), "{}", ran.stderr);
    // Nor is what it has not read.
    let _unclosed = Unclosed::write(&shell, "tasks/new.yaml", &WEB.replace("web", "new"));
    let ran = sync("1s").exits(3);
    let unread = "\nnew: what the files say of it now is not read yet\n";
    assert!(ran.stderr.contains(unread), "{}", ran.stderr);
}

#[test]
fn status_files_must_be_what_is_asked_for_and_lie_outside_the_source() {
    let shell = Shell::new();
    shell.write("tasks/web.yaml", WEB);
    std::os::unix::fs::symlink("tasks", shell.path().join("link")).unwrap();
    for inside in ["tasks", "tasks/status", "link/new/status", "status/../tasks"] {
        let ran = shell.run(&["run", "tasks", "--status-dir", inside]).exits(1);
        assert!(ran.stderr.contains("--status-dir: /"), "{inside}: {}", ran.stderr);
        assert!(ran.stderr.contains("name a directory outside"), "{inside}: {}", ran.stderr);
    }
    let mut daemon = daemon_with(&shell, &["--status-dir", "status"]);
    let path = |name: &str| shell.path().join("status").join(name);
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let until = |what: &str, is_so: &dyn Fn() -> bool| {
        let mut left = 1000;
        while !is_so() {
            left -= 1;
            assert!(left > 0, "not within 10 s: {what}");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    let says = |name: &str, args: &[&str]| {
        let said = json(&Ran::of(&shell.command(args).output().unwrap()).stdout);
        std::fs::read_to_string(path(name)).is_ok_and(|text| json(&text) == said)
    };
    until("the task's", &|| says("default.web.json", &["get", "web", "-o", "json"]));
    until("the worker's", &|| says("_worker.json", &["status", "-o", "json"]));
    daemon.end();
    let (code, said) = daemon.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(path("default.web.json").exists() && !path("_worker.json").exists());
}
