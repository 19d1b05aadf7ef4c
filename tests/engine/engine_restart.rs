//! What becomes of tasks when the engine itself ends, is killed, or hangs. The engine is one of the
//! test's own, in a network namespace of its own: nobody else's container is on it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{DockerBench, IMAGE, skip};
use crate::house::{House, PATIENCE, condition, get, service, signal};
use crate::poller::Poller;
use crate::proxy;

/// An engine that a test may do anything to.
struct Engine {
    /// Who keeps the namespaces.
    holder: Child,
    process: Option<Child>,
    directory: TempDir,
    /// Its data directory, beneath that.
    data: &'static str,
}

impl Engine {
    /// One that has the test image, and takes its containers along when it ends; `None`, and loud,
    /// where there can't be one. In CI that is a failure, unless the kernel forbids namespaces.
    fn start() -> Option<Self> {
        Self::with("{}")
    }

    /// One that leaves its containers running.
    fn live_restoring() -> Option<Self> {
        Self::with(r#"{"live-restore": true}"#)
    }

    fn with(settings: &str) -> Option<Self> {
        // The image is made on the host's engine.
        DockerBench::new()?;
        let directory = tempfile::tempdir().unwrap();
        let mut holder = Command::new("unshare")
            .args(["--net", "--mount", "--propagation", "private", "sh", "-c"])
            .arg("ip link set lo up && touch \"$0\" && exec sleep 3600")
            .arg(directory.path().join("held"))
            .stderr(Stdio::null())
            .spawn()
            .expect("unshare is there");
        let deadline = Instant::now() + PATIENCE;
        while !directory.path().join("held").exists() {
            if let Some(ended) = holder.try_wait().unwrap() {
                skip(&format!("the kernel lets nobody have a network of his own here ({ended})"));
                return None;
            }
            assert!(Instant::now() < deadline, "no namespaces come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        fs::write(directory.path().join("daemon.json"), settings).unwrap();
        let mut engine = Self { holder, process: None, directory, data: "data" };
        if let Err(why) = engine.begin() {
            assert!(std::env::var_os("CI").is_none(), "no engine of one's own: {why}");
            skip(&format!("no engine of one's own: {why}"));
            return None;
        }
        engine.load();
        Some(engine)
    }

    /// Puts the test image into it.
    fn load(&self) {
        let mut save =
            Command::new("docker").args(["save", IMAGE]).stdout(Stdio::piped()).spawn().unwrap();
        let mut load = Command::new("docker");
        load.args(["-H", &self.address(), "load"]);
        let loaded = load.stdin(save.stdout.take().unwrap()).output().unwrap();
        assert!(save.wait().unwrap().success() && loaded.status.success(), "{loaded:?}");
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("docker.sock")
    }

    fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Starts it, again or for the first time, and waits until it answers. After a kill it may be
    /// in the way of itself (its containerd ends a little later), so it is tried a few times, as
    /// systemd does.
    fn begin(&mut self) -> Result<(), String> {
        let mut tries = 0..10;
        while tries.next().is_some() {
            self.process = Some(self.spawn().map_err(|error| error.to_string())?);
            let deadline = Instant::now() + PATIENCE;
            while self.process.as_mut().unwrap().try_wait().unwrap().is_none() {
                if get(&self.socket(), "/_ping").is_some_and(|(status, _)| status == 200) {
                    return Ok(());
                }
                assert!(Instant::now() < deadline, "the engine does not come up");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        self.process = None;
        Err(fs::read_to_string(self.directory.path().join("log")).unwrap())
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let at = |name: &str| self.directory.path().join(name);
        Command::new("nsenter")
            .args(["--net", "--mount", "--target", &self.holder.id().to_string(), "dockerd"])
            .args(["--storage-driver", "vfs", "--config-file"])
            .arg(at("daemon.json"))
            .arg("--data-root")
            .arg(at(self.data))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .args(["-H", &self.address()])
            .stdout(Stdio::null())
            .stderr(fs::File::create(at("log"))?)
            .spawn()
    }

    fn signal(&self, name: &str) {
        signal(name, self.pid());
    }

    /// Ends it by a signal.
    fn end(&mut self, name: &str) {
        self.signal(name);
        self.process.take().unwrap().wait().unwrap();
    }

    /// A house on it, without a daemon yet.
    fn house(&self) -> House {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        House::at(self.socket(), format!("test-{now:x}"), None)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // In order, so that nothing of its containers stays behind.
        if let Some(process) = &self.process {
            let _ = Command::new("kill").args(["-CONT", &process.id().to_string()]).status();
        } else {
            let _ = self.begin();
        }
        let host = self.address();
        let there = Command::new("docker").args(["-H", &host, "ps", "-aq"]).output();
        let there = there.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
        let mut remove = Command::new("docker");
        remove.args(["-H", &host, "rm", "-f"]).args(there.unwrap_or_default().split_whitespace());
        let _ = remove.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if let Some(mut process) = self.process.take() {
            let _ = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
            let _ = process.wait();
        }
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// The reason that an attempt of a task's first slot ended for.
fn reason(status: &Value, attempt: u64) -> Value {
    let instances = status["instances"].as_array().unwrap();
    let instance = instances.iter().find(|it| it["slot"] == 0 && it["attempt"] == attempt);
    instance.map(|it| it["reason"].clone()).unwrap_or_default()
}

fn wait_engine_away(house: &House, task: &str) {
    house.wait("it says that the engine is away", || {
        house.ask("/v1/worker").get("engineUnavailable").cloned()
    });
    house.wait("so does the task", || {
        let status = house.status(task)?;
        (condition(&status, "Converged")["reason"] == "EngineUnavailable").then_some(())
    });
}

#[test]
fn what_an_engine_takes_along_when_it_ends_comes_back_once() {
    let Some(mut engine) = Engine::start() else { return };
    // Evenkeel is there before the engine is.
    engine.end("TERM");
    let mut house = engine.house();
    house.start();
    house.save("web.yaml", &service("web", "1", ""));
    house.save("again.yaml", &service("again", "1", "restartPolicy: OnFailure"));
    house.save("once.yaml", &service("once", "1", "restartPolicy: Never"));
    wait_engine_away(&house, "web");
    engine.begin().unwrap();
    house.wait_up("web");
    for job in ["again", "once"] {
        house.wait(&format!("{job} runs"), || (house.live(job).len() == 1).then_some(()));
    }

    // Away for long enough to be missed, and back at once.
    let ends = [("KILL", true), ("TERM", true), ("KILL", false), ("TERM", false)];
    for (attempt, (name, long)) in (1..).zip(ends) {
        let mut value = house.wait_up("web").value().unwrap().to_owned();
        let poller = Poller::start(&house);
        engine.end(name);
        if long {
            for task in ["web", "again", "once"] {
                wait_engine_away(&house, task);
            }
            // What is edited meanwhile comes back as it is to be.
            value = (attempt + 1).to_string();
            house.save("web.yaml", &service("web", &value, ""));
        }
        assert!(!house.has_died());
        engine.begin().unwrap();
        let web = house.wait("web has come back", || {
            let web = house.wait_up("web");
            (web.label("evenkeel.attempt") != attempt.to_string()).then_some(web)
        });
        assert_eq!(web.label("evenkeel.attempt"), (attempt + 1).to_string(), "SIG{name}");
        assert_eq!(web.value(), Some(&*value), "SIG{name}");
        house.wait("the job has come back", || {
            let live = house.live("again");
            (live.len() == 1 && live[0].label("evenkeel.attempt") == (attempt + 1).to_string())
                .then_some(())
        });
        for task in ["web", "again"] {
            let status = house.status(task).unwrap();
            assert_eq!(reason(&status, attempt), "Disrupted", "SIG{name} {task} {status}");
        }
        let once = house.wait_phase("once", "Failed");
        assert_eq!(reason(&once, 1), "Disrupted", "{once}");
        assert_eq!(house.of("once").len(), 1);
        for (slot, seen) in poller.end() {
            assert!(seen.most == 1 && seen.ids.len() <= 2, "SIG{name} {slot}: {seen:?}");
        }
    }
}

/// How often the engine did `action` to each container of a worker since it began, by name.
fn deeds(house: &House, action: &str) -> BTreeMap<String, u32> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 1;
    let event = format!("%22event%22%3A%5B%22{action}%22%5D");
    let filters = format!("%7B%22type%22%3A%5B%22container%22%5D%2C{event}%7D");
    let path = format!("/events?since=0&until={now}&filters={filters}");
    let (_, body) = get(&house.engine, &path).expect("the engine tells what happened");
    let mut deeds = BTreeMap::new();
    for line in body.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let name = line["Actor"]["Attributes"]["name"].as_str().unwrap_or_default();
        if name.contains(house.worker()) {
            *deeds.entry(name.to_owned()).or_default() += 1;
        }
    }
    deeds
}

/// Sends `SIGSTOP` and waits until it has come.
fn freeze(pid: u32) {
    signal("STOP", pid);
    let stat = format!("/proc/{pid}/stat");
    while !fs::read_to_string(&stat).unwrap().rsplit_once(')').unwrap().1.starts_with(" T") {
        std::thread::yield_now();
    }
}

#[test]
fn while_an_engine_hangs_nothing_is_decided_and_afterwards_all_is_done_once() {
    let Some(mut engine) = Engine::start() else { return };
    let mut house = engine.house();
    // It hangs the moment that it is asked to make a container; it has got the request.
    let (socket, pid) = (house.home.path().join("proxy.sock"), engine.pid());
    let armed = AtomicBool::new(true);
    let requests = proxy::pass_on(&socket, &engine.socket(), move |line| {
        let of_new = line.starts_with("POST /") && line.contains(".default.new.0.1");
        if of_new && armed.swap(false, Ordering::Relaxed) {
            freeze(pid);
        }
    });
    house.through = Some(socket);
    house.start();
    house.save("web.yaml", &service("web", "1", ""));
    house.save("other.yaml", &service("other", "1", ""));
    house.wait_up("web");
    let other = house.wait_up("other");

    house.save("new.yaml", &service("new", "1", ""));
    house.wait("the container of new is asked for", || {
        let is_it = |line: &String| line.contains(".default.new.0.1");
        requests.since(0).iter().any(is_it).then_some(())
    });
    // Edited before anybody knows, and after.
    house.save("web.yaml", &service("web", "2", ""));
    for task in ["web", "other", "new"] {
        wait_engine_away(&house, task);
    }
    let mark = requests.count();
    house.save("web.yaml", &service("web", "3", ""));
    house.save("later.yaml", &service("later", "1", ""));
    wait_engine_away(&house, "later");
    // The longest that anything under way is waited for.
    house.wait("the answer to the create is waited for no longer", || {
        house.ask("/v1/worker").get("engineUnavailable").expect("it is still away");
        house.log().contains("no answer to the create within 60 s").then_some(())
    });
    assert!(!house.has_died());
    let asked = requests.since(mark);
    assert!(!asked.is_empty() && asked.iter().all(|line| line.starts_with("GET ")), "{asked:#?}");

    let poller = Poller::start(&house);
    engine.signal("CONT");
    house.wait_value("web", "3");
    for task in ["web", "new", "later"] {
        house.wait_up(task);
        assert_eq!(house.status(task).unwrap()["restarts"], 0, "{task}");
    }
    house.assert_same(&[&other]);
    for (slot, seen) in poller.end() {
        let (most, ids) = if slot == "web.0" { (2, 2) } else { (1, 1) };
        assert!(seen.most <= most && seen.ids.len() <= ids, "{slot}: {seen:?}");
    }
    for action in ["create", "start"] {
        let deeds = deeds(&house, action);
        assert_eq!(deeds.len(), 5, "{action}: {deeds:?}");
        assert!(deeds.values().all(|times| *times == 1), "{action}: {deeds:?}");
    }
    engine.end("TERM");
}

#[test]
fn what_an_engine_leaves_running_when_it_ends_is_left_running() {
    let Some(mut engine) = Engine::live_restoring() else { return };
    let mut house = engine.house();
    house.start();
    house.save("web.yaml", &service("web", "0", ""));
    house.save("other.yaml", &service("other", "1", ""));
    house.save("again.yaml", &service("again", "1", "restartPolicy: OnFailure"));
    house.save("once.yaml", &service("once", "1", "restartPolicy: Never"));
    house.wait_up("web");
    let other = house.wait_up("other");
    let [again, once] =
        ["again", "once"].map(|job| house.wait(&format!("{job} runs"), || house.live(job).pop()));

    for (round, (name, long)) in (1..).zip([("KILL", true), ("TERM", false)]) {
        engine.end(name);
        if long {
            for task in ["web", "other", "again", "once"] {
                wait_engine_away(&house, task);
            }
        }
        house.save("web.yaml", &service("web", &round.to_string(), ""));
        engine.begin().unwrap();
        house.wait_value("web", &round.to_string());
        house.wait_up("web");
        house.assert_same(&[&other, &again, &once]);
        assert!(!house.has_died());
    }
    for task in ["web", "other", "again", "once"] {
        let status = house.status(task).unwrap();
        assert_eq!(status["restarts"], 0, "{task}: {status}");
        let events = house.ask(&format!("/v1/events?limit=1000&task=default/{task}"));
        assert!(!events.to_string().contains("Disrupted"), "{task}: {events}");
    }
    for action in ["create", "start"] {
        let deeds = deeds(&house, action);
        assert!(deeds.values().all(|times| *times == 1), "{action}: {deeds:?}");
    }

    // One that fails meanwhile has failed by itself, and no engine has had to do with it.
    engine.end("TERM");
    for seen in [&other, &once] {
        let pid = seen.all["State"]["Pid"].as_u64().unwrap();
        signal("KILL", u32::try_from(pid).unwrap());
    }
    wait_engine_away(&house, "other");
    engine.begin().unwrap();
    let next = house.wait("other runs again", || {
        house.live("other").into_iter().find(|seen| seen.id != other.id)
    });
    let status = house.status("other").unwrap();
    assert_eq!(reason(&status, 1), "Error", "{status}");
    assert_eq!(next.label("evenkeel.attempt"), "2");
    let once = house.wait_phase("once", "Failed");
    assert_eq!(reason(&once, 1), "Error", "{once}");
    house.assert_same(&[&again]);
}

#[test]
fn an_engine_with_nothing_of_before_is_told_of_and_what_runs_once_is_not_run_again() {
    let Some(mut engine) = Engine::start() else { return };
    let mut house = engine.house();
    house.start();
    house.save("web.yaml", &service("web", "1", ""));
    house.save("once.yaml", &service("once", "1", "restartPolicy: Never"));
    house.wait_up("web");
    house.wait("the job runs", || (house.live("once").len() == 1).then_some(()));
    engine.end("TERM");
    wait_engine_away(&house, "web");
    engine.data = "other";
    engine.begin().unwrap();
    engine.load();
    let web = house.wait_up("web");
    assert_eq!(web.label("evenkeel.attempt"), "2");
    assert_eq!(reason(&house.status("web").unwrap(), 1), "Lost");
    house.wait_phase("once", "Failed");
    assert_eq!(house.of("once").len(), 0);
    let told = || {
        let events = house.ask("/v1/events?limit=1000");
        let events = events.as_array().unwrap().clone();
        events.into_iter().filter(|it| it["reason"] == "EngineChanged").collect::<Vec<Value>>()
    };
    let [change] = &told()[..] else { panic!("{:#?}", told()) };
    let message = change["message"].as_str().unwrap();
    println!("{message}");
    assert!(message.contains("/other") && message.contains("/data"), "{message}");
}
