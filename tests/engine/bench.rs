//! A real Docker Engine with what a test needs, and the cleaning up afterwards.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use evenkeel::domain::container::label;
use evenkeel::domain::instance::ContainerId;
use evenkeel::domain::name::WorkerName;
use evenkeel::domain::subnet::Subnet;
use evenkeel::domain::template::ImageRef;
use evenkeel::runtime::docker::{ConnectOptions, Docker};

use crate::contract::{Bench, Program};

/// The image that `tests/images/make-images.sh` makes.
pub const IMAGE: &str = "evenkeel/busybox:1";
/// On what strangers of a test are made with.
const STRANGER: &str = "evenkeel-test.stranger-of";

/// A real engine, and a worker name of its own. What carries it is removed in the end, also after
/// a panic.
pub struct DockerBench {
    engine: Docker,
    worker: WorkerName,
}

impl DockerBench {
    /// `None`, and loud, where there is no engine; in CI that is a failure.
    pub fn new() -> Option<Self> {
        Self::with(ConnectOptions { host: std::env::var("DOCKER_HOST").ok(), ..Default::default() })
    }

    pub fn with(options: ConnectOptions) -> Option<Self> {
        if !is_there() {
            assert!(
                std::env::var_os("CI").is_none(),
                "there is no Docker Engine, and CI needs one"
            );
            skip("no Docker Engine");
            return None;
        }
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        let worker = WorkerName::parse(&format!("test-{now:x}-{number}")).unwrap();
        Some(Self { engine: Docker::connect(options).unwrap(), worker })
    }

    /// The flag that marks what a test makes beside the worker.
    pub fn stranger_label(&self) -> String {
        format!("{STRANGER}={}", self.worker)
    }
}

/// Says that something is not tried: past the test harness, which would show it for failures only,
/// and in the file that `.ci/test` shows in the end.
pub fn skip(why: &str) {
    let line = format!("SKIPPED: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    if let Some(list) = std::env::var_os("EVENKEEL_SKIPPED") {
        let mut list = OpenOptions::new().append(true).create(true).open(list).unwrap();
        list.write_all(line.as_bytes()).unwrap();
    }
}

/// Whether there is a program. One that is not there is told of; where CI runs it has to be.
pub fn has_program(program: &str) -> bool {
    let tried = Command::new(program).arg("--version").output();
    let there = tried.is_ok_and(|output| output.status.success());
    assert!(there || std::env::var_os("CI").is_none(), "there is no {program}, and CI needs one");
    if !there {
        skip(&format!("no {program}"));
    }
    there
}

/// Whether there is an engine; the image is made then.
fn is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        let mut version = Command::new("docker");
        version.args(["version", "--format", "{{.Server.Version}}"]);
        let there = version.output().is_ok_and(|output| output.status.success());
        if there {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images/make-images.sh");
            assert!(Command::new(script).status().unwrap().success(), "no image for the tests");
        }
        there
    })
}

/// What the docker command line prints.
pub fn docker<'a>(arguments: impl IntoIterator<Item = &'a str>) -> String {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let output = Command::new("docker").args(&arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Drop for DockerBench {
    fn drop(&mut self) {
        let worker = format!("{}={}", label::WORKER, self.worker);
        let labels = [worker, self.stranger_label()];
        // A network goes once no container is on it, whoever's that is.
        for (list, remove) in [
            (["ps", "-aq", "--no-trunc"].as_slice(), ["rm", "-f", "-v"].as_slice()),
            (&["network", "ls", "-q"], &["network", "rm"]),
            (&["volume", "ls", "-q"], &["volume", "rm"]),
            (&["image", "ls", "-q"], &["rmi", "-f"]),
        ] {
            for filter in labels.iter().map(|label| format!("label={label}")) {
                let found = Command::new("docker").args(list).args(["--filter", &filter]).output();
                let Ok(found) = found else { continue };
                let found = String::from_utf8_lossy(&found.stdout).into_owned();
                let names: Vec<_> = found.split_whitespace().collect();
                if !names.is_empty() {
                    // Nothing more can be done about what stays; the next run has another name.
                    let _ = Command::new("docker").args(remove).args(names).output();
                }
            }
        }
    }
}

impl Bench for DockerBench {
    type Engine = Docker;

    fn engine(&self) -> &Docker {
        &self.engine
    }

    fn worker(&self) -> &WorkerName {
        &self.worker
    }

    fn image(&self) -> ImageRef {
        ImageRef::checked(IMAGE)
    }

    fn command(&self, program: Program) -> Vec<String> {
        let script = match program {
            Program::Runs => "trap 'exit 0' TERM; while :; do sleep 0.05; done".to_owned(),
            Program::Stubborn => "trap '' TERM; echo out; while :; do sleep 0.05; done".to_owned(),
            Program::Ends(code) => format!("exit {code}"),
            Program::Writes => "echo out; echo err >&2".to_owned(),
            Program::WritesAndRuns => {
                "trap 'exit 0' TERM; echo out; while :; do sleep 0.05; done".to_owned()
            }
            Program::Missing => return vec!["/no/such/program".to_owned()],
        };
        ["/bin/sh", "-c", &script].map(str::to_owned).into()
    }

    fn pool(&self) -> Subnet {
        "10.213.0.0/16".parse().unwrap()
    }

    fn free_port(&self) -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    fn missing_path(&self) -> String {
        format!("/no/such/path/of/{}", self.worker)
    }

    fn pause(&self, id: &ContainerId) {
        docker(["pause", id.as_str()]);
    }

    fn stranger(&self, name: &str, labels: &[(&str, &str)]) -> ContainerId {
        let mark = self.stranger_label();
        let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut arguments = vec!["run", "-d", "--network=none", "--name", name, "--label", &mark];
        for label in &labels {
            arguments.extend(["--label", label]);
        }
        arguments.extend([IMAGE, "sleep", "600"]);
        ContainerId::parse(&docker(arguments)).unwrap()
    }

    fn strangers_network(&self, name: &str) {
        docker(["network", "create", "--label", &self.stranger_label(), name]);
    }

    fn strangers_volume(&self, name: &str) {
        docker(["volume", "create", "--label", &self.stranger_label(), name]);
    }
}
