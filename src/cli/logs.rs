//! `evenkeel logs`.

mod follow;
mod printer;

use std::collections::BTreeMap;

use anyhow::bail;
use futures_util::StreamExt;

use super::args::{Common, Logs};
use super::pick::{pick, short};
use super::view::View;
use super::{Exit, daemon, out};
use crate::domain::status::{InstanceStatus, TaskStatus};
use crate::runtime::docker::Docker;
use crate::runtime::{LogQuery, Runtime};
use crate::worker::Clock;
use printer::Printer;

/// Prints what the containers of a task wrote.
pub async fn logs(common: &Common, args: &Logs) -> anyhow::Result<Exit> {
    let view = View::open(common).await?;
    let picked = pick(&view.tasks, std::slice::from_ref(&args.name), args.named.namespace.as_ref());
    let Some(task) = picked.found.first().copied().cloned() else {
        bail!("{}", picked.missing.concat());
    };
    let docker = daemon::docker(common)?;
    let mut printer = Printer::of(&task.name);
    let done = if args.follow {
        follow::follow((&view, &docker), &task, args, &mut printer).await
    } else {
        once((&view, &docker), &task, args, &mut printer).await
    };
    match done {
        // Whoever read this has read enough.
        Err(error) if is_closed_pipe(&error) => Ok(Exit::Ok),
        done => done,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::BrokenPipe)
}

/// What there is now.
async fn once(
    (view, docker): (&View, &Docker),
    task: &TaskStatus,
    args: &Logs,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let chosen = chosen(task, args);
    if chosen.is_empty() {
        bail!("{}", none(task, args));
    }
    printer.expect(chosen.keys().copied());
    let mut exit = Exit::Ok;
    for instance in chosen.values() {
        let read = print(docker, instance, &query(args), printer).await?;
        let said = match read {
            Read::All => continue,
            Read::NoContainer => match view.kept_log(instance.id).await? {
                Some(log) => {
                    printer.kept(instance.slot, last_lines(&log, args.tail))?;
                    if args.since.is_some() || args.timestamps {
                        out::say("the container is gone; of the end of its log no times were kept");
                    }
                    continue;
                }
                None => "its container is gone, and its log with it".to_owned(),
            },
            Read::Broken(message) => message,
        };
        let seat = format!("{} {}.{}", short(&task.name), instance.slot, instance.attempt);
        out::say(&format!("error: {seat}: {said}"));
        exit = Exit::Failed;
    }
    Ok(exit)
}

/// What came of reading a log.
enum Read {
    All,
    NoContainer,
    Broken(String),
}

async fn print(
    docker: &Docker,
    instance: &InstanceStatus,
    query: &LogQuery,
    printer: &mut Printer,
) -> anyhow::Result<Read> {
    let Some(id) = &instance.container_id else { return Ok(Read::NoContainer) };
    match docker.inspect(id).await {
        Ok(Some(_)) => {}
        Ok(None) => return Ok(Read::NoContainer),
        Err(error) => return Ok(Read::Broken(format!("the engine can't be asked: {error}"))),
    }
    let mut chunks = docker.logs(id, query);
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(chunk) => printer.chunk(instance.slot, &chunk)?,
            Err(error) => return Ok(Read::Broken(error.to_string())),
        }
    }
    printer.end(instance.slot)?;
    Ok(Read::All)
}

/// The instance of each slot whose log is asked for.
fn chosen<'a>(task: &'a TaskStatus, args: &Logs) -> BTreeMap<u16, &'a InstanceStatus> {
    let is_meant = |it: &&InstanceStatus| {
        let has_begun = it.container_id.is_some() || it.state.is_end();
        let is_slot = args.slot.is_none_or(|slot| slot == it.slot);
        is_slot && has_begun && (!args.previous || it.state.is_end())
    };
    let mut all: BTreeMap<u16, &InstanceStatus> = BTreeMap::new();
    for instance in task.instances.iter().filter(is_meant) {
        // They are sorted by slot and attempt. What runs comes before what has ended: a rollout
        // that failed leaves an attempt that is later than the one that serves.
        let is_better = |known: &&InstanceStatus| known.state.is_end() || !instance.state.is_end();
        if all.get(&instance.slot).is_none_or(is_better) {
            all.insert(instance.slot, instance);
        }
    }
    // What is left of a slot that is no longer wanted is not what is asked for.
    let wanted = |slot: u16| slot < task.replicas || args.slot.is_some();
    let current: BTreeMap<_, _> =
        all.iter().filter(|(slot, _)| wanted(**slot)).map(|(slot, it)| (*slot, *it)).collect();
    if current.is_empty() { all } else { current }
}

/// Why there is no log.
fn none(task: &TaskStatus, args: &Logs) -> String {
    let name = short(&task.name);
    if let Some(slot) = args.slot.filter(|slot| !task.instances.iter().any(|it| it.slot == *slot)) {
        return format!("{name} has no slot {slot}; it has {}", task.replicas);
    }
    if args.previous {
        return format!("no instance of {name} has ended");
    }
    let why = task.waiting_for.first().or(task.doing.first());
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    format!("{name} has no container yet{why}")
}

fn query(args: &Logs) -> LogQuery {
    let since = args.since.map(|since| since.moment(Clock::begin().now().wall));
    LogQuery { follow: args.follow, tail: args.tail, since, timestamps: args.timestamps }
}

/// The last lines of a text.
fn last_lines(text: &[u8], lines: Option<u32>) -> &[u8] {
    let Some(lines) = lines else { return text };
    let lines = usize::try_from(lines).unwrap_or(usize::MAX);
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    if lines == 0 {
        return &[];
    }
    let breaks = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let from = breaks.map(|(at, _)| at + 1).nth(lines - 1).unwrap_or(0);
    &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A task of two slots: in 0 an attempt that failed came after the one that runs, 1 crashes.
    fn task() -> TaskStatus {
        let instance = |slot, attempt, state, container: bool| {
            serde_json::json!({
                "id": uuid::Uuid::from_u128(attempt), "slot": slot, "attempt": attempt,
                "state": state, "ready": false, "image": "i", "revision": 1, "because": "",
                "containerId": container.then(|| "a".repeat(64)),
            })
        };
        serde_json::from_value(serde_json::json!({
            "name": "web", "uid": uuid::Uuid::nil(), "kind": "Service", "phase": "Running",
            "generation": 1, "observedGeneration": 1, "replicas": 2, "readyReplicas": 1,
            "updatedReplicas": 1, "restarts": 0, "conditions": [], "image": "i",
            "source": {"file": "web.yaml", "line": 1}, "createdAt": "2026-01-31T09:30:00Z",
            "instances": [
                instance(0, 1, "Running", true), instance(0, 4, "Failed", true),
                instance(1, 2, "Failed", true), instance(1, 3, "Pending", false),
                instance(2, 1, "Completed", true),
            ],
        }))
        .unwrap()
    }

    fn of(words: &[&str]) -> Vec<String> {
        let args = <Logs as clap::Args>::augment_args(clap::Command::new("logs"));
        let matches = args.try_get_matches_from([&["logs", "web"], words].concat()).unwrap();
        let args = <Logs as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
        let task = task();
        let chosen = chosen(&task, &args);
        chosen.values().map(|it| format!("{}.{}", it.slot, it.attempt)).collect()
    }

    #[test]
    fn of_each_slot_what_runs_is_chosen_before_what_has_ended() {
        assert_eq!(of(&[]), ["0.1", "1.2"]);
        assert_eq!(of(&["--previous"]), ["0.4", "1.2"]);
        assert_eq!(of(&["--slot", "1"]), ["1.2"]);
        assert_eq!(of(&["--slot", "2"]), ["2.1"], "of one that is no longer wanted, if asked for");
        assert_eq!(of(&["--slot", "3"]), [""; 0]);
    }

    #[test]
    fn the_last_lines_are_whole_ones() {
        let text = b"one\ntwo\nthree\n";
        assert_eq!(last_lines(text, None), text);
        assert_eq!(last_lines(text, Some(2)), b"two\nthree\n");
        assert_eq!(last_lines(text, Some(9)), text);
        assert_eq!(last_lines(text, Some(0)), b"");
        assert_eq!(last_lines(b"one\ntwo", Some(1)), b"two");
        assert_eq!(last_lines(b"", Some(1)), b"");
    }
}
