//! `evenkeel why`: the chain that led to how a task is now.

mod chain;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::age::age;
use super::args::{Common, TextFormat, Why};
use super::pick::{pick, short};
use super::view::{Teller, View};
use super::{Exit, escape, fold, health, out};
use crate::api::Numbered;
use crate::domain::fingerprint::fields;
use crate::domain::instance::State;
use crate::domain::plan::FieldChange;
use crate::domain::record::Revision;
use crate::domain::status::{InstanceStatus, TaskStatus};
use crate::domain::time::Timestamp;
use crate::manifest::line_of;
use crate::worker::Clock;
use crate::worker::planned::{LastPlan, Wait};
use chain::{Link, links};

/// How many causes are shown.
const SHOWN: usize = 8;

/// Tells why a task is as it is.
pub async fn why(common: &Common, args: &Why) -> anyhow::Result<Exit> {
    let view = View::open(common).await?;
    if let Some(note) = view.note() {
        out::say(note);
    }
    let picked = pick(&view.tasks, std::slice::from_ref(&args.name), args.named.namespace.as_ref());
    let Some(task) = picked.found.first().copied() else {
        anyhow::bail!("{}", picked.missing.concat());
    };
    if let Some(slot) = args.slot
        && slot >= task.replicas
        && !task.instances.iter().any(|it| it.slot == slot)
    {
        anyhow::bail!("{} has no slot {slot}; it has {}", short(&task.name), task.replicas);
    }
    let (plan, source) = match &view.teller {
        Teller::Daemon(client) => {
            (Some(client.plan(&task.name).await?), Some(client.worker().await?.source))
        }
        Teller::State(..) => (None, None),
    };
    let revisions = view.revisions(&task.name).await?;
    let mut events = view.numbered(Some(&task.name)).await?;
    // Of another task that had the name before nothing led here.
    events.retain(|it| it.event.uid.is_none_or(|uid| uid == task.uid));
    let story = Story {
        task,
        plan,
        changes: changes(task, &revisions, source.as_deref()),
        causes: links(&events, args.slot),
    };
    match args.output {
        TextFormat::Json => out::line(&serde_json::to_string_pretty(&story)?),
        TextFormat::Text => {
            let told = text(&story, (common, args), Clock::begin().now().wall);
            out::data(&fold::lines(&told, fold::room()))
        }
    }
}

/// All that is told of a task.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Story<'a> {
    /// How it is.
    #[serde(rename = "status")]
    task: &'a TaskStatus,
    /// What the last look decided; not known without a daemon.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<LastPlan>,
    /// What each generation changed of the one before, as far as both are kept.
    changes: BTreeMap<u64, Vec<Changed>>,
    /// What led here, the oldest first.
    causes: Vec<Link<'a>>,
}

/// A field that changed, and where it stands.
#[derive(Serialize)]
struct Changed {
    #[serde(flatten)]
    change: FieldChange,
    /// `web.yaml:7`.
    place: String,
}

/// What each generation changed. The line of a field is known of the one that stands in the file.
fn changes(
    task: &TaskStatus,
    revisions: &[Revision],
    source: Option<&str>,
) -> BTreeMap<u64, Vec<Changed>> {
    let file = &task.source.file;
    let is_there = task.problems.is_empty();
    let path = source.filter(|_| is_there).map(|source| format!("{source}/{file}"));
    let text = path.and_then(|path| std::fs::read_to_string(path).ok());
    let mut all = BTreeMap::new();
    for pair in revisions.windows(2) {
        let (old, new) = (fields(&pair[0].task), fields(&pair[1].task));
        let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
        names.sort();
        names.dedup();
        let generation = pair[1].generation;
        let place = |field: &str| {
            let text = text.as_ref().filter(|_| generation == task.generation);
            let line = text.and_then(|text| line_of(text, task.source.line, field));
            line.map_or_else(|| file.clone(), |line| format!("{file}:{line}"))
        };
        let differ = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
        let changed = differ.map(|name| {
            let value = |of: &BTreeMap<String, _>| of.get(name).map(ToString::to_string);
            let change = FieldChange { field: name.clone(), from: value(&old), to: value(&new) };
            Changed { change, place: place(name) }
        });
        all.insert(generation, changed.collect());
    }
    all
}

fn text(story: &Story<'_>, (common, args): (&Common, &Why), now: Timestamp) -> String {
    let task = story.task;
    let mut text = String::new();
    let mut say = |indent: usize, what: &str| {
        // A text has always place for more.
        let _ = writeln!(text, "{:indent$}{}", "", escape::line(what));
    };
    let trouble = health::trouble(task).map_or_else(String::new, |(_, why)| format!(": {why}"));
    say(0, &format!("{} is {}{trouble}", short(&task.name), health::word(task)));
    say(0, "");
    say(0, "Now:");
    if let Some(suspended) = health::suspended(task, |words| common.again(words)) {
        say(2, &suspended);
    }
    let is_meant = |slot: u16| args.slot.is_none_or(|meant| meant == slot);
    let waits = story.plan.as_ref().map_or(&[][..], |plan| &plan.waiting);
    let mut latest: BTreeMap<u16, &InstanceStatus> = BTreeMap::new();
    for it in task.instances.iter().filter(|it| is_meant(it.slot)) {
        if !it.state.is_end() {
            of_instance(it, waits, now, &mut say);
        }
        latest.insert(it.slot, it);
    }
    for it in latest.values().filter(|it| it.state.is_end()) {
        of_instance(it, waits, now, &mut say);
    }
    if latest.is_empty() {
        say(2, "there is no instance");
    }
    let shown = |wait: &&Wait| {
        wait.seat.is_some_and(|seat| {
            task.instances.iter().any(|it| (it.slot, it.attempt) == (seat.slot, seat.attempt))
        })
    };
    for wait in waits.iter().filter(|wait| !shown(wait)) {
        if wait.seat.is_none_or(|seat| is_meant(seat.slot)) {
            say(2, &waiting(wait, now));
        }
    }
    if story.plan.as_ref().is_some_and(|plan| plan.waiting.is_empty() && plan.steps.is_empty()) {
        say(2, "nothing is waited for, nothing is to be done");
    }
    for problem in &task.problems {
        say(2, &format!("its manifest as it is now is not accepted: {problem}"));
    }
    say(0, "");
    say(0, "How it came to this:");
    let earlier = story.causes.len().saturating_sub(SHOWN);
    if earlier > 0 {
        say(2, &format!("({earlier} earlier: evenkeel events {})", short(&task.name)));
    }
    for link in &story.causes[earlier..] {
        of_link(link, story, now, &mut say);
    }
    if story.causes.is_empty() {
        say(2, "nothing of it is kept");
    }
    text
}

fn of_instance(
    it: &InstanceStatus,
    waits: &[Wait],
    now: Timestamp,
    say: &mut impl FnMut(usize, &str),
) {
    let seat = format!("{}.{}", it.slot, it.attempt);
    let ago = |at: Option<Timestamp>| {
        at.map_or_else(String::new, |at| format!(" {} ago", age(now.since(at))))
    };
    let mut how = match it.state {
        State::Running => {
            format!(
                "Running{}, started{}",
                if it.ready { ", ready" } else { "" },
                ago(it.started_at)
            )
        }
        State::Pending | State::Scheduled => it.state.to_string(),
        State::Completed | State::Failed => format!("{}{}", it.state, ago(it.finished_at)),
    };
    if it.state.is_end()
        && let Some(reason) = &it.reason
    {
        let _ = write!(how, ": {reason}");
        if let Some(code) = it.exit_code {
            let _ = write!(how, ", exit code {code}");
        }
        if let Some(message) = &it.message {
            let _ = write!(how, ": {message}");
        }
    }
    say(2, &format!("{seat} {how}"));
    if !it.because.is_empty() {
        say(4, &format!("begun because {}", it.because));
    }
    for wait in waits {
        if wait.seat.is_some_and(|seat| (seat.slot, seat.attempt) == (it.slot, it.attempt)) {
            say(4, &waiting(wait, now));
        }
    }
}

fn waiting(wait: &Wait, now: Timestamp) -> String {
    let until = wait.until.map_or_else(String::new, |at| format!(" (in {})", age(at.since(now))));
    format!("waits for {}{until}", wait.message)
}

fn of_link(link: &Link<'_>, story: &Story<'_>, now: Timestamp, say: &mut impl FnMut(usize, &str)) {
    let told = |it: &Numbered| format!("{}: {}", it.event.reason, it.event.message);
    let times =
        if link.times > 1 { format!(" ({} times alike)", link.times) } else { String::new() };
    let ago = age(now.since(link.cause.event.at));
    say(2, &format!("{ago} ago  {}{times}", told(link.cause)));
    let changed = link.generation.and_then(|generation| story.changes.get(&generation));
    for Changed { change, place } in changed.into_iter().flatten() {
        say(6, &format!("{place}: {change}"));
    }
    for effect in &link.effects {
        say(4, &format!("-> {}", told(effect)));
    }
}
