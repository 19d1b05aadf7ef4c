//! A host that `evenkeel run` keeps: the real program, a directory of manifests, a real engine. What
//! the tests do to it is what people do; what they see is what people see.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evenkeel::domain::container::label;
use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{DockerBench, IMAGE, docker};
use crate::contract::Bench;

/// How long anything may take here: the machine may be busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks of a wait.
const GLANCE: Duration = Duration::from_millis(40);

/// One worker with its source, its state and, while it runs, its daemon.
///
/// In the end the daemon is killed, and what carries its worker's name is removed.
pub struct House {
    daemon: Option<Child>,
    log: Arc<Mutex<String>>,
    /// The directory that holds the source (`tasks`) and the state (`state`).
    pub home: TempDir,
    /// Further arguments of the daemon.
    pub arguments: Vec<String>,
    /// The command that the daemon is started by, which becomes it.
    pub within: Vec<String>,
    /// Where the engine listens.
    pub engine: PathBuf,
    /// Where the daemon believes that the engine listens, if elsewhere.
    pub through: Option<PathBuf>,
    worker: String,
    _bench: Option<DockerBench>,
}

/// A container, as the engine says it is.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `running`, `exited`, `paused`…
    pub status: String,
    /// When its process began.
    pub started_at: String,
    /// All that `docker inspect` says.
    pub all: Value,
}

impl House {
    /// An empty source, and no daemon yet. `None`, and loud, where there is no engine.
    pub fn new() -> Option<Self> {
        let bench = DockerBench::new()?;
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let engine = host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").into();
        let worker = bench.worker().to_string();
        Some(Self::at(engine, worker, Some(bench)))
    }

    /// The same on another engine, which whoever made it takes away.
    pub fn at(engine: PathBuf, worker: String, bench: Option<DockerBench>) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("tasks")).unwrap();
        let log = Arc::default();
        let (daemon, through, arguments, within) = (None, None, Vec::new(), Vec::new());
        Self { daemon, log, home, arguments, within, engine, through, worker, _bench: bench }
    }

    /// The same with a daemon that keeps it.
    pub fn open() -> Option<Self> {
        let mut house = Self::new()?;
        house.start();
        Some(house)
    }

    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// The source directory, or a file in it.
    pub fn path(&self, file: &str) -> PathBuf {
        self.home.path().join("tasks").join(file)
    }

    pub fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// A path as the daemon sees it, which may have mounts of its own.
    pub fn seen(&self, path: &Path) -> PathBuf {
        match &self.daemon {
            Some(daemon) if self.within.iter().any(|word| word == "--mount") => {
                let inside = path.strip_prefix("/").expect("it is absolute");
                Path::new("/proc").join(daemon.id().to_string()).join("root").join(inside)
            }
            Some(_) | None => path.to_owned(),
        }
    }

    /// Saves a manifest the way a careful program does: whole, by renaming.
    pub fn save(&self, file: &str, text: &str) {
        let new = self.path(&format!(".{file}.new"));
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path(file)).unwrap();
    }

    pub fn remove(&self, file: &str) {
        fs::remove_file(self.path(file)).unwrap();
    }

    /// A command of the same worker, with nothing on its standard input.
    pub fn command(&self, verb: &str, within: &[String]) -> Command {
        let program = env!("CARGO_BIN_EXE_evenkeel").to_owned();
        let mut words = within.iter().chain([&program]);
        let mut command = Command::new(words.next().expect("the program is there"));
        command
            .args(words)
            .arg(verb)
            .args(["--worker", &self.worker, "--log", "info,evenkeel::worker::look=debug"])
            .arg("--state-dir")
            .arg(self.state())
            .arg("--docker-host")
            .arg(format!("unix://{}", self.through.as_ref().unwrap_or(&self.engine).display()))
            .stdin(Stdio::null());
        command
    }

    /// Starts the daemon and waits until it answers.
    pub fn start(&mut self) {
        self.begin();
        self.wait("the daemon answers", || self.try_ask("/v1/worker").map(drop));
    }

    /// Starts the daemon.
    pub fn begin(&mut self) {
        assert!(self.daemon.is_none(), "it runs already");
        let mut command = self.command("run", &self.within);
        command.arg(self.path("")).args(&self.arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (said, log) = (child.stderr.take().unwrap(), Arc::clone(&self.log));
        // It ends with the daemon, whose death closes the pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                let mut log = log.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        self.daemon = Some(child);
    }

    /// Runs another command of the same worker.
    pub fn evenkeel<'a>(&self, verb: &str, more: impl IntoIterator<Item = &'a str>) -> Output {
        self.command(verb, &[]).args(more).output().unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }

    /// `kill -9` of the daemon.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// `SIGTERM` to the daemon, and its end.
    pub fn stop(&mut self) -> ExitStatus {
        signal("TERM", self.pid());
        self.ended()
    }

    /// Waits for the daemon's end.
    pub fn ended(&mut self) -> ExitStatus {
        let mut daemon = self.daemon.take().unwrap();
        let ended = self.wait("the daemon ends", || daemon.try_wait().unwrap());
        drop(daemon);
        ended
    }

    /// Whether the daemon has ended without being asked to.
    pub fn has_died(&mut self) -> bool {
        self.daemon.as_mut().is_some_and(|it| it.try_wait().unwrap().is_some())
    }

    /// All that daemons of this house have said so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the daemon has said something, from `mark` (a length of its log) on.
    pub fn wait_said(&self, mark: usize, what: &str) {
        self.wait(&format!("the log says {what:?}"), || {
            self.log()[mark..].contains(what).then_some(())
        });
    }

    /// Waits until there is an answer.
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "in vain: {what}");
            std::thread::sleep(GLANCE);
        }
    }

    /// Looks again and again for so long that something always holds.
    pub fn always(&self, long: Duration, what: &str, mut look: impl FnMut() -> bool) {
        let end = Instant::now() + long;
        while Instant::now() < end {
            assert!(look(), "not any more: {what}");
            std::thread::sleep(GLANCE);
        }
    }

    /// What the daemon answers at a path.
    pub fn try_ask(&self, path: &str) -> Option<Value> {
        let (status, body) = get(&self.seen(&self.state()).join("evenkeel.sock"), path)?;
        (status == 200).then(|| serde_json::from_str(&body).unwrap())
    }

    pub fn ask(&self, path: &str) -> Value {
        self.try_ask(path).expect("the daemon answers")
    }

    /// The status of a task of the namespace `default`.
    pub fn status(&self, task: &str) -> Option<Value> {
        let name = format!("default/{task}");
        let tasks = self.try_ask("/v1/tasks")?;
        tasks.as_array().unwrap().iter().find(|it| it["name"] == *name).cloned()
    }

    pub fn wait_phase(&self, task: &str, phase: &str) -> Value {
        self.wait(&format!("{task} is {phase}"), || {
            self.status(task).filter(|status| status["phase"] == phase)
        })
    }

    /// Waits until a task is as its files say, and tells its only container.
    pub fn wait_up(&self, task: &str) -> Seen {
        self.wait(&format!("{task} is up and alone"), || {
            let status = self.status(task)?;
            let converged = condition(&status, "Converged")["status"] == "True";
            let running = status["phase"] == "Running" && converged;
            let mut all = self.live(task);
            (running && all.len() == 1).then(|| all.remove(0))
        })
    }

    /// The live container of a task with this value of the variable `V`, once it is the only one.
    pub fn wait_value(&self, task: &str, value: &str) -> Seen {
        self.wait(&format!("{task} runs with V={value}"), || {
            let mut all = self.live(task);
            (all.len() == 1 && all[0].value() == Some(value)).then(|| all.remove(0))
        })
    }

    /// What the engine says of this worker's containers, by name.
    pub fn containers(&self) -> Vec<Seen> {
        let filter = format!("{}={}", label::WORKER, self.worker);
        let mut all: Vec<Seen> =
            list(&self.engine, &filter).iter().filter_map(|id| self.inspect(id)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    pub fn inspect(&self, id: &str) -> Option<Seen> {
        let (status, body) = get(&self.engine, &format!("/containers/{id}/json"))?;
        (status == 200).then(|| Seen::of(serde_json::from_str(&body).unwrap()))
    }

    /// The containers of a task whose process lives.
    pub fn live(&self, task: &str) -> Vec<Seen> {
        self.of(task).into_iter().filter(Seen::is_live).collect()
    }

    /// The containers of a task.
    pub fn of(&self, task: &str) -> Vec<Seen> {
        let ours = format!("evenkeel.{}.", self.worker);
        let all = self.containers().into_iter();
        all.filter(|it| it.label(label::TASK) == task && it.name.starts_with(&ours)).collect()
    }

    /// What a container has written.
    pub fn output(&self, id: &str) -> String {
        let host = format!("unix://{}", self.engine.display());
        docker(["-H", &host, "logs", id])
    }

    /// Fails unless these are just as they were.
    pub fn assert_same(&self, before: &[&Seen]) {
        for seen in before {
            let now = self.inspect(&seen.id).unwrap_or_else(|| panic!("{} is gone", seen.name));
            assert_eq!(
                (now.started_at.as_str(), now.is_live()),
                (seen.started_at.as_str(), true),
                "{}",
                seen.name
            );
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if std::thread::panicking() {
            let mut text =
                format!("---- what {} said\n{}---- its containers\n", self.worker, self.log());
            for seen in self.containers() {
                let _ = writeln!(text, "{} {} {}", seen.name, seen.status, seen.started_at);
            }
            eprintln!("{text}");
        }
    }
}

impl Seen {
    fn of(all: Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            id: text(&all["Id"]),
            name: text(&all["Name"]).trim_start_matches('/').to_owned(),
            status: text(&all["State"]["Status"]),
            started_at: text(&all["State"]["StartedAt"]),
            all,
        }
    }

    pub fn is_live(&self) -> bool {
        matches!(&*self.status, "running" | "paused" | "restarting")
    }

    pub fn label(&self, name: &str) -> &str {
        self.all["Config"]["Labels"][name].as_str().unwrap_or_default()
    }

    /// The value of the variable `V`, by which the tests tell forms of a task apart.
    pub fn value(&self) -> Option<&str> {
        let env = self.all["Config"]["Env"].as_array()?;
        env.iter().find_map(|it| it.as_str()?.strip_prefix("V="))
    }

    /// What its process ended with.
    pub fn exit_code(&self) -> i64 {
        self.all["State"]["ExitCode"].as_i64().unwrap()
    }
}

/// A condition of a task's status.
pub fn condition<'a>(status: &'a Value, type_: &str) -> &'a Value {
    let all = status["conditions"].as_array().unwrap();
    all.iter().find(|it| it["type"] == type_).unwrap()
}

/// A service that ends at once when it is told to, with `V` as its only setting; `more` is added to
/// its spec.
pub fn service(name: &str, value: &str, more: &str) -> String {
    let more: String = more.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "apiVersion: evenkeel/v1\nkind: Task\nmetadata:\n  name: {name}\nspec:\n  image: {IMAGE}\n  \
         imagePullPolicy: IfNotPresent\n  terminationGracePeriodSeconds: 2\n  env:\n    - name: V\n      \
         value: \"{value}\"\n{}{more}",
        if more.contains("command:") { String::new() } else { format!("  {WAITS}\n") },
    )
}

/// Waits until it is told to end.
pub const WAITS: &str = r#"command: [sh, -c, "trap 'exit 0' TERM; sleep 3600 & wait"]"#;

/// A host port that nobody has, below those that the kernel gives away by itself.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 5000).unwrap() * 2 + 20000;
    loop {
        let port = start + NEXT.fetch_add(1, Ordering::Relaxed) % 2000;
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

/// Sends a signal to one process.
pub fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(sent.success(), "kill -{name} {pid}");
}

/// What is there, over a unix socket; `None` if there is no whole answer.
pub fn get(socket: &Path, path: &str) -> Option<(u16, String)> {
    exchange(connect(socket)?, ("GET", path), ("*/*", ""))
}

/// The same after something is done.
pub fn post(socket: &Path, path: &str, body: &str) -> Option<(u16, String)> {
    exchange(connect(socket)?, ("POST", path), ("*/*", body))
}

fn connect(socket: &Path) -> Option<UnixStream> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    Some(stream)
}

/// What is there, over TCP at a port of this host.
pub fn fetch(port: u16, path: &str) -> Option<(u16, String)> {
    fetch_as(port, path, "*/*")
}

/// The same, of a type that one would like to get.
pub fn fetch_as(port: u16, path: &str, accept: &str) -> Option<(u16, String)> {
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    exchange(stream, ("GET", path), (accept, ""))
}

/// HTTP/1.0, where an answer ends with its connection.
fn exchange(
    mut stream: impl Read + Write,
    (verb, path): (&str, &str),
    (accept, body): (&str, &str),
) -> Option<(u16, String)> {
    let length = body.len();
    let head = format!("{verb} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n");
    write!(stream, "{head}Accept: {accept}\r\nContent-Type: application/json\r\n\r\n{body}")
        .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// The ids of the containers with a label.
fn list(engine: &Path, label: &str) -> Vec<String> {
    listed(engine, label, true).iter().map(|it| it["Id"].as_str().unwrap().to_owned()).collect()
}

/// What the engine lists of the containers with a label, all or those that run.
pub fn listed(engine: &Path, label: &str, all: bool) -> Vec<Value> {
    let filters = format!("%7B%22label%22%3A%5B%22{}%22%5D%7D", label.replace('=', "%3D"));
    let answer = get(engine, &format!("/containers/json?all={all}&filters={filters}"));
    match answer {
        Some((200, body)) => serde_json::from_str(&body).unwrap(),
        Some(_) | None => Vec::new(),
    }
}
