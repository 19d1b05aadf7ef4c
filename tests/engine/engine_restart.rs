//! What becomes of tasks when the engine itself ends, is killed, or hangs. The engine is one of the
//! test's own, in a network namespace of its own: nobody else's container is on it.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{DockerBench, IMAGE};
use crate::house::{House, PATIENCE, condition, get, service, signal};
use crate::poller::Poller;

/// An engine that a test may do anything to.
struct Engine {
    /// Who keeps the namespaces.
    holder: Child,
    process: Option<Child>,
    directory: TempDir,
}

fn skip(why: &str) {
    std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
}

impl Engine {
    /// One that has the test image; `None`, and loud, where there can't be one. In CI that is a
    /// failure, unless the kernel forbids namespaces.
    fn start() -> Option<Self> {
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
        fs::write(directory.path().join("daemon.json"), "{}").unwrap();
        let mut engine = Self { holder, process: None, directory };
        if let Err(why) = engine.begin() {
            assert!(std::env::var_os("CI").is_none(), "no engine of one's own: {why}");
            skip(&format!("no engine of one's own: {why}"));
            return None;
        }
        let mut save =
            Command::new("docker").args(["save", IMAGE]).stdout(Stdio::piped()).spawn().unwrap();
        let mut load = Command::new("docker");
        load.arg("-H").arg(format!("unix://{}", engine.socket().display())).arg("load");
        let loaded = load.stdin(save.stdout.take().unwrap()).output().unwrap();
        assert!(save.wait().unwrap().success() && loaded.status.success(), "{loaded:?}");
        Some(engine)
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("docker.sock")
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
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .arg("-H")
            .arg(format!("unix://{}", self.socket().display()))
            .stdout(Stdio::null())
            .stderr(fs::File::create(at("log"))?)
            .spawn()
    }

    fn signal(&self, name: &str) {
        signal(name, self.process.as_ref().unwrap().id());
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
        if let Some(mut process) = self.process.take() {
            // In order, so that nothing of its containers stays behind.
            let pid = process.id().to_string();
            let _ = Command::new("kill").args(["-CONT", &pid]).status();
            let _ = Command::new("kill").args(["-TERM", &pid]).status();
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
        let poller = Poller::start(&house);
        engine.end(name);
        if long {
            wait_engine_away(&house, "web");
        }
        assert!(!house.has_died());
        engine.begin().unwrap();
        let web = house.wait("web has come back", || {
            let web = house.wait_up("web");
            (web.label("evenkeel.attempt") != attempt.to_string()).then_some(web)
        });
        assert_eq!(web.label("evenkeel.attempt"), (attempt + 1).to_string(), "SIG{name}");
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

#[test]
fn while_an_engine_hangs_nothing_is_decided_and_afterwards_all_is_done_once() {
    let Some(mut engine) = Engine::start() else { return };
    let mut house = engine.house();
    house.start();
    house.save("web.yaml", &service("web", "1", ""));
    house.save("other.yaml", &service("other", "1", ""));
    house.wait_up("web");
    let other = house.wait_up("other");
    engine.signal("STOP");
    house.save("web.yaml", &service("web", "2", ""));
    house.save("new.yaml", &service("new", "1", ""));
    let end = Instant::now() + Duration::from_secs(15);
    while Instant::now() < end {
        let began = Instant::now();
        assert!(house.try_ask("/v1/worker").is_some(), "it answers");
        assert!(began.elapsed() < Duration::from_secs(5), "it answers soon");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(!house.has_died());
    let poller = Poller::start(&house);
    engine.signal("CONT");
    house.wait_value("web", "2");
    house.wait_up("web");
    house.wait_up("new");
    house.assert_same(&[&other]);
    let seen = poller.end();
    assert_eq!((seen["new.0"].ids.len(), seen["other.0"].ids.len()), (1, 1), "{seen:?}");
    assert!(seen["web.0"].most <= 2 && seen["web.0"].ids.len() <= 2, "{seen:?}");
    engine.end("TERM");
}
