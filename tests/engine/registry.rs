//! Pulling from a registry that wants a login: a real one (Debian's docker-registry), on loopback; and
//! from one that has had enough.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use evenkeel::domain::outcome::{Cause, Outcome};
use evenkeel::domain::pull::{PullProgress, PullStage};
use evenkeel::domain::template::{ImageRef, PullPolicy};
use evenkeel::runtime::Runtime;
use evenkeel::runtime::docker::{ConnectOptions, Docker};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::bench::{DockerBench, IMAGE, docker, skip};
use crate::contract::{Bench, pull};

/// Gives both `+` and `/` in base64, wherever in a text it begins.
const PASSWORD: &str = "s>>>>>?????~";
/// The bytes of a large layer.
const SIZE: u64 = 24 << 20;
/// The password, for htpasswd.
const HTPASSWD: &str = "user:$2b$05$abcdefghijklmnopqrstuuke39dOnMv1JTmAt6pluovKHc3g78jr2\n";

/// A registry with one user; killed in the end.
struct Registry {
    process: Child,
    address: String,
    /// The registry's files, and below `login` a `config.json` with the user's login.
    directory: TempDir,
}

impl Registry {
    async fn start(port: u16) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("htpasswd"), HTPASSWD).unwrap();
        let config = format!(
            "version: 0.1\n\
             storage: {{ filesystem: {{ rootdirectory: {:?} }} }}\n\
             http: {{ addr: '127.0.0.1:{port}' }}\n\
             auth: {{ htpasswd: {{ realm: test, path: {:?} }} }}\n",
            path("data"),
            path("htpasswd"),
        );
        fs::write(path("config.yml"), config).unwrap();
        let spawned = Command::new("docker-registry")
            .arg("serve")
            .arg(path("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = match spawned {
            Ok(process) => process,
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "no docker-registry: {error}");
                skip("no docker-registry");
                return None;
            }
        };
        let registry = Self { process, address: format!("127.0.0.1:{port}"), directory };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&registry.address).is_err() {
            assert!(tokio::time::Instant::now() < deadline, "the registry does not come up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        registry.log_in();
        Some(registry)
    }

    fn login(&self) -> std::path::PathBuf {
        self.directory.path().join("login")
    }

    fn log_in(&self) {
        let mut login = self.docker(["login", "-u", "user", "--password-stdin", &self.address]);
        let mut child = login
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "docker login");
    }

    /// The docker command line with the user's login.
    fn docker<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new("docker");
        command.arg("--config").arg(self.login()).args(arguments);
        command
    }

    /// Pushes what the engine knows by `id` and takes the name of it away again.
    fn publish(&self, id: &str, image: &str) {
        docker(["tag", id, image]);
        let pushed = self.docker(["push", "--quiet", image]).stdout(Stdio::null()).status();
        docker(["rmi", "--no-prune", image]);
        assert!(pushed.unwrap().success(), "docker push");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Whatever of it the engine still has a name for.
        let format = "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}";
        let list = ["image", "ls", "--digests", "--format", format];
        let Ok(names) = Command::new("docker").args(list).output() else { return };
        let names = String::from_utf8_lossy(&names.stdout);
        for name in names.split_whitespace().filter(|name| name.starts_with(&self.address)) {
            let _ = Command::new("docker").args(["rmi", name]).output();
        }
    }
}

/// A registry that has had enough of whoever asks.
fn start_weary() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#;
            let _ = write!(
                stream,
                "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}

#[tokio::test]
async fn a_registry_that_is_asked_too_much_is_known_by_its_words() {
    let Some(_bench) = DockerBench::new() else { return };
    let image = format!("{}/web:1", start_weary());
    let engine = Docker::connect(ConnectOptions::default()).unwrap();
    let outcome = pull(&engine, &ImageRef::checked(&image), PullPolicy::IfNotPresent).await;
    assert_eq!(cause(outcome), Cause::RateLimited);
}

fn cause<T: std::fmt::Debug>(outcome: Outcome<T>) -> Cause {
    match outcome {
        Outcome::Rejected(rejection) => rejection.cause,
        other => panic!("expected it to be refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_registry_that_wants_a_login_gets_it_whatever_the_password() {
    let Some(bench) = DockerBench::new() else { return };
    let Some(registry) = Registry::start(bench.free_port()).await else { return };
    let image = format!("{}/web:1", registry.address);
    let first = docker(["image", "inspect", "--format", "{{.Id}}", IMAGE]);
    registry.publish(IMAGE, &image);

    let reference = ImageRef::checked(&image);
    let stranger = Docker::connect(ConnectOptions::default()).unwrap();
    let outcome = pull(&stranger, &reference, PullPolicy::IfNotPresent).await;
    assert_eq!(cause(outcome), Cause::PullFailed);

    let options = ConnectOptions { docker_config: Some(registry.login()), ..Default::default() };
    let engine = Docker::connect(options).unwrap();
    let missing = pull(&engine, &reference, PullPolicy::Never).await;
    assert_eq!(cause(missing), Cause::ImageMissing);
    let pulled = pull(&engine, &reference, PullPolicy::IfNotPresent).await;
    assert_eq!(pulled, Outcome::Done(first.clone()));
    let no_such_tag = ImageRef::checked(format!("{}/web:2", registry.address));
    let missing = pull(&engine, &no_such_tag, PullPolicy::Always).await;
    assert_eq!(cause(missing), Cause::ImageMissing);

    // The tag moves: who has it keeps it, and only `Always` looks again.
    let made = docker(["create", "--label", &bench.stranger_label(), IMAGE]);
    let second = docker(["commit", "--change", "LABEL moved=true", &made]);
    registry.publish(&second, &image);
    docker(["tag", &first, &image]);
    let kept = pull(&engine, &reference, PullPolicy::IfNotPresent).await;
    assert_eq!(kept, Outcome::Done(first));
    let moved = pull(&engine, &reference, PullPolicy::Always).await;
    assert_eq!(moved, Outcome::Done(second));
}

#[tokio::test]
async fn a_pull_tells_how_far_it_has_come_until_all_of_it_is_there() {
    let Some(bench) = DockerBench::new() else { return };
    let Some(registry) = Registry::start(bench.free_port()).await else { return };
    let image = format!("{}/large:1", registry.address);
    let made = docker(["create", "--label", &bench.stranger_label(), IMAGE]);
    // What is random stays as large as it is.
    let mut bytes = Vec::new();
    fs::File::open("/dev/urandom").unwrap().take(SIZE).read_to_end(&mut bytes).unwrap();
    let large = registry.directory.path().join("large");
    fs::write(&large, bytes).unwrap();
    docker(["cp", large.to_str().unwrap(), &format!("{made}:/large")]);
    let committed = docker(["commit", &made]);
    registry.publish(&committed, &image);

    let options = ConnectOptions { docker_config: Some(registry.login()), ..Default::default() };
    let engine = Docker::connect(options).unwrap();
    let (told, mut progress) = watch::channel(PullProgress::default());
    let mut seen = vec![*progress.borrow()];
    let reference = ImageRef::checked(&image);
    let pulled = async {
        let outcome = engine.pull(&reference, PullPolicy::IfNotPresent, &told).await;
        drop(told);
        outcome
    };
    let watched = async {
        while progress.changed().await.is_ok() {
            seen.push(*progress.borrow_and_update());
        }
    };
    let (outcome, ()) = tokio::join!(pulled, watched);
    assert_eq!(outcome, Outcome::Done(committed));
    let stages: Vec<PullStage> = seen.iter().map(|it| it.stage).collect();
    assert!(stages.is_sorted() && stages[0] == PullStage::Queued, "{seen:#?}");
    let last = seen.last().unwrap();
    assert_eq!((last.stage, last.layers, last.layers_done), (PullStage::Unpacking, 1, 1));
    let all = last.total_bytes.unwrap();
    assert_eq!((last.fetched_bytes, last.unpacked_bytes), (all, all));
    assert!((SIZE..SIZE + (1 << 20)).contains(&all), "{all}");
}
