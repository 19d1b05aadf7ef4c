//! `evenkeel status`.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use super::age::age;
use super::args::{Common, Status, TextFormat};
use super::fold::{self, Room};
use super::pick::short;
use super::{Exit, daemon, escape, health, out};
use crate::api::client::Client;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::status::{Phase, TaskStatus};
use crate::domain::time::Timestamp;
use crate::worker::Clock;
use crate::worker::command::Overview;

/// Whether all is well, as programs are told.
#[derive(Debug, Serialize)]
pub struct Told {
    /// It is.
    pub ok: bool,
    /// What is not, and what to do about it.
    pub troubles: Vec<String>,
    /// What people hold by command, though all is well.
    pub held: Vec<String>,
    /// How many tasks there are of each phase.
    pub phases: BTreeMap<Phase, usize>,
    /// How the worker is.
    pub worker: Overview,
}

impl Told {
    /// Of a worker and its tasks.
    pub fn of(common: &Common, worker: Overview, tasks: &[impl Borrow<TaskStatus>]) -> Self {
        let troubles = troubles(common, &worker, tasks);
        let held = held(common, tasks);
        Self { ok: troubles.is_empty(), troubles, held, phases: phases(tasks), worker }
    }

    /// As JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("what is told is plain data")
    }
}

/// Tells whether all is well.
pub async fn status(common: &Common, args: &Status) -> anyhow::Result<Exit> {
    let client = Client::of(&daemon::state_dir(common)?);
    let worker = client.worker().await?;
    let tasks = client.tasks().await?;
    let told = Told::of(common, worker, &tasks);
    match args.output {
        TextFormat::Json => {
            out::line(&told.json())?;
        }
        TextFormat::Text => {
            let room = fold::room();
            let mut text = facts(&told.worker, &told.phases, Clock::begin().now().wall, room);
            for held in &told.held {
                let _ = writeln!(text, "{}", fold::line(&format!("held     {held}"), 9, room));
            }
            for trouble in &told.troubles {
                let _ = write!(text, "\n{}\n", fold::lines(&format!("! {trouble}"), room));
            }
            if told.ok {
                text.push_str("\nall is well\n");
            }
            out::data(&text)?;
        }
    }
    Ok(if told.ok { Exit::Ok } else { Exit::Failed })
}

fn phases(tasks: &[impl Borrow<TaskStatus>]) -> BTreeMap<Phase, usize> {
    let mut phases = BTreeMap::new();
    for task in tasks {
        *phases.entry(task.borrow().phase).or_default() += 1;
    }
    phases
}

/// How things are, a line each.
fn facts(worker: &Overview, phases: &BTreeMap<Phase, usize>, now: Timestamp, room: Room) -> String {
    let mut text = String::new();
    let mut fact = |name: &str, value: &str| {
        let line = format!("{name:<8} {}", escape::line(value));
        let _ = writeln!(text, "{}", fold::line(&line, 9, room));
    };
    let down = if worker.going_down { ", removing everything" } else { "" };
    let who = format!("{}, evenkeel {}, pid {}{down}", worker.worker, worker.version, worker.pid);
    fact("worker", &who);
    let read = match (&worker.source_unavailable, &worker.watch_degraded) {
        (Some(_), _) => "can't be read".to_owned(),
        (None, Some(_)) => format!("{}, read every now and then", files(worker.files)),
        (None, None) => format!("{}, watched", files(worker.files)),
    };
    fact("source", &format!("{}: {read}", worker.source));
    if !worker.others.is_empty() {
        let names: BTreeSet<&str> = worker.others.iter().map(|other| &*other.file).collect();
        let names: Vec<&str> = names.into_iter().collect();
        fact("others", &format!("not evenkeel's, left alone: {}", names.join(", ")));
    }
    let engine = match (&worker.engine, &worker.engine_unavailable) {
        (_, Some(_)) if worker.engine_changed.is_some() => "another one than before".to_owned(),
        (_, Some(_)) => "can't be asked".to_owned(),
        (None, None) => "not asked yet".to_owned(),
        (Some(engine), None) => {
            let up = engine.started_at.map(|at| format!(", up {}", age(now.since(at))));
            let up = up.unwrap_or_default();
            format!("Docker {} (API {}){up}", engine.version, engine.api_version)
        }
    };
    fact("engine", &engine);
    let total: usize = phases.values().sum();
    let each = if phases.is_empty() { "none".to_owned() } else { health::counts(phases) };
    fact("tasks", &if phases.len() > 1 { format!("{total}: {each}") } else { each });
    text
}

fn files(count: usize) -> String {
    format!("{count} {}", if count == 1 { "file" } else { "files" })
}

/// What people hold by command, though all is well.
fn held(common: &Common, tasks: &[impl Borrow<TaskStatus>]) -> Vec<String> {
    let held = tasks.iter().map(Borrow::borrow).filter_map(|task| {
        let how = health::suspended(task, |words| common.again(words))?;
        Some(format!("{}: {}", short(&task.name), escape::line(&how)))
    });
    held.collect()
}

/// What needs a look, and what to do about it; some are of several lines.
fn troubles(common: &Common, worker: &Overview, tasks: &[impl Borrow<TaskStatus>]) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(why) = &worker.source_unavailable {
        let why = escape::line(why);
        found.push(format!("the source can't be read: {why}; everything stays as it is"));
    }
    if let Some(why) = &worker.watch_degraded {
        let why = escape::line(why);
        found.push(format!("changes of files are found late: {why}"));
    }
    if let Some(change) = &worker.engine_changed {
        found.push(format!(
            "{}: nothing is started or removed; to keep it from now on: {}",
            escape::line(&health::engine(change, &worker.worker)),
            common.again("approve engine")
        ));
    } else if let Some(why) = &worker.engine_unavailable {
        found.push(format!("the engine can't be asked: {}", escape::line(why)));
    }
    if let Some(source) = &worker.source_changed {
        found.push(format!(
            "containers of this worker were made from {}: nothing is started or removed; \
             to take them over: {}, or use another --worker",
            escape::line(source),
            common.again("approve source")
        ));
    }
    if let Some(held) = &worker.prune_held {
        let names: Vec<String> = held.tasks.iter().map(short).collect();
        found.push(format!(
            "removals are held: {}\n  {}\n  to let them go: {}",
            escape::line(health::held(held)),
            names.join(", "),
            common.again("approve prune")
        ));
    }
    if let Some(why) = &worker.db_trouble {
        let why = escape::line(why);
        found.push(format!("the state can't be written: {why}; nothing new is started"));
    }
    found.extend(broken(&worker.problems));
    for task in tasks.iter().map(Borrow::borrow) {
        let trouble = health::trouble(task).filter(|(reason, _)| !health::is_general(reason));
        if let Some((_, message)) = trouble.filter(|_| task.problems.is_empty()) {
            let (name, word) = (short(&task.name), health::word(task));
            found.push(format!("{name} is {word}: {}", escape::line(message)));
        }
    }
    found
}

/// Each broken file with its first problem.
fn broken(problems: &[Diagnostic]) -> Vec<String> {
    let mut by_file: BTreeMap<&str, Vec<&Diagnostic>> = BTreeMap::new();
    for problem in problems {
        by_file.entry(&problem.file).or_default().push(problem);
    }
    let one = |problems: Vec<&Diagnostic>| {
        let first = escape::line(&problems[0].to_string()).into_owned();
        match problems.len() {
            1 => first,
            count => format!("{first}, and {} more in that file", count - 1),
        }
    };
    by_file.into_values().map(one).collect()
}
