//! What people see in a terminal while work goes on.

use std::process::Command;

use crate::house::{House, service};
use crate::terminal::{Size, frames, written};

const SIZE: Size = (30, 100);

const JOB: &str = "apiVersion: evenkeel/v1
kind: Task
metadata: {name: job}
spec:
  image: evenkeel/busybox:1
  restartPolicy: Never
  command: [sleep, \"4\"]
";

fn sync(house: &House) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    command.arg("sync").arg(house.path("")).arg("--state-dir").arg(house.state());
    command.args(["--worker", house.worker(), "--timeout", "90s"]);
    command.env("DOCKER_HOST", format!("unix://{}", house.engine.display()));
    command
}

/// What was seen of `task` while the block of `total` tasks stood.
fn rows(frames: &[String], task: &str, total: &str) -> Vec<String> {
    let drawn =
        frames.iter().filter(|frame| frame.lines().last().is_some_and(|it| it.starts_with(total)));
    let start = format!("{task} ");
    let rows = drawn.flat_map(|frame| frame.lines().filter(|row| row.starts_with(&start)));
    rows.map(str::to_owned).collect()
}

#[test]
fn what_is_under_way_must_be_seen_until_it_is_done_whoever_does_it() {
    let Some(mut house) = House::new() else { return };
    for by_daemon in [false, true] {
        if by_daemon {
            house.start();
        }
        house.save("web.yaml", &service("web", if by_daemon { "2" } else { "1" }, "replicas: 2"));
        house.save("job.yaml", &JOB.replace('4', if by_daemon { "5" } else { "4" }));
        let written = written(&sync(&house), SIZE);
        let mut frames = frames(&written, SIZE);
        let last = frames.pop().unwrap();
        let web = rows(&frames, "web", "2 tasks: ").join("\n");
        assert!(web.contains("/2"), "{frames:#?}");
        let job = rows(&frames, "job", "2 tasks: ").join("\n");
        assert!(job.contains(" running"), "{frames:#?}");
        let table = "NAME   READY   STATUS\njob    0/1     Completed\nweb    2/2     Running";
        assert!(last.contains(table) && !last.contains("2 tasks: "), "{last}");
    }
}
