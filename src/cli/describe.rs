//! `evenkeel describe`.

use std::fmt::Write as _;

use serde::Serialize;

use super::age::age;
use super::args::{Common, Describe, TextFormat};
use super::pick::{Picked, pick};
use super::table::Table;
use super::view::{Teller, View};
use super::{Exit, escape, get, health, out};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::event::Event;
use crate::domain::status::{InstanceStatus, TaskStatus, Truth};
use crate::domain::time::Timestamp;
use crate::manifest::render;
use crate::worker::Clock;

/// Tells all about tasks.
pub async fn describe(common: &Common, args: &Describe) -> anyhow::Result<Exit> {
    let view = View::open(common).await?;
    if let Some(note) = view.note() {
        out::say(note);
    }
    let source = match &view.teller {
        Teller::Daemon(client) => Some(client.worker().await?.source),
        Teller::State(..) => None,
    };
    let now = Clock::begin().now().wall;
    let Picked { found, missing } = pick(&view.tasks, &args.names, args.named.namespace.as_ref());
    let mut all = Vec::with_capacity(found.len());
    for status in found {
        all.push(Described { status, events: view.events(&status.name, args.events).await? });
    }
    match args.output {
        TextFormat::Text => {
            let text = |it: &Described<'_>| text(it.status, &it.events, source.as_deref(), now);
            out::data(&all.iter().map(text).collect::<Vec<_>>().join("\n\n"))?;
        }
        TextFormat::Json => {
            out::line(&serde_json::to_string_pretty(&get::data(&all, &args.names))?)?;
        }
    }
    for sentence in &missing {
        out::say(&format!("error: {sentence}"));
    }
    Ok(if missing.is_empty() { Exit::Ok } else { Exit::Failed })
}

/// All about a task.
#[derive(Serialize)]
struct Described<'a> {
    status: &'a TaskStatus,
    events: Vec<Event>,
}

fn text(task: &TaskStatus, events: &[Event], source: Option<&str>, now: Timestamp) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        // A text has always place for more.
        let _ = writeln!(text, "{name:<13}{}", escape::line(value));
    };
    field("Name:", &task.name.to_string());
    field("Kind:", &task.kind.to_string());
    field("Status:", &health::word(task));
    field("Ready:", &format!("{} of {}", task.ready_replicas, task.replicas));
    field("Restarts:", &task.restarts.to_string());
    field("Image:", &task.image);
    field("Generation:", &get::generation(task));
    field("Manifest:", &beneath(source, &task.source.to_string()));
    field("Created:", &when(task.created_at, now));
    field("Uid:", &task.uid.0.to_string());
    let doing = task.doing.iter().map(|line| ("Doing:", line));
    for (name, line) in doing.chain(task.waiting_for.iter().map(|line| ("Waiting for:", line))) {
        field(name, line);
    }
    if let Some(at) = task.next_try_at {
        field("Next try:", &format!("in {}", age(at.since(now))));
    }
    if let Some(refusal) = &task.refused {
        let what = format!(
            "generation {} failed {}, {}: {}; it is tried again when the manifest changes",
            refusal.generation,
            when(refusal.at, now),
            refusal.reason,
            refusal.message
        );
        field("Refused:", &what);
    }
    let _ = write!(text, "\nConditions:\n{}", conditions(task, now));
    let _ = write!(text, "\nInstances:\n{}", instances(&task.instances, now));
    if !task.problems.is_empty() {
        let shown: Vec<Diagnostic> = task
            .problems
            .iter()
            .map(|it| {
                escape::problem(&Diagnostic { file: beneath(source, &it.file), ..it.clone() })
            })
            .collect();
        let _ = write!(text, "\n{}", render::people(&shown, render::Colour::Always));
    }
    let _ = write!(text, "\nEvents:\n{}", self::events(events, now));
    text
}

/// A path of the source as one that can be opened from anywhere.
fn beneath(source: Option<&str>, path: &str) -> String {
    source.map_or_else(|| path.to_owned(), |source| format!("{source}/{path}"))
}

fn when(at: Timestamp, now: Timestamp) -> String {
    format!("{at} ({} ago)", age(now.since(at)))
}

fn conditions(task: &TaskStatus, now: Timestamp) -> String {
    let mut table = Table::of(&["TYPE", "STATUS", "FOR", "REASON", "MESSAGE"]);
    for condition in &task.conditions {
        let status = match condition.status {
            Truth::True => "True",
            Truth::False => "False",
            Truth::Unknown => "Unknown",
        };
        let since = age(now.since(condition.last_transition_time));
        let type_ = condition.type_.to_string();
        table.row([&*type_, status, &since, &condition.reason, &condition.message]);
    }
    table.text("  ")
}

fn instances(instances: &[InstanceStatus], now: Timestamp) -> String {
    if instances.is_empty() {
        return "  none\n".to_owned();
    }
    let ago = |at: Option<Timestamp>| {
        at.map_or_else(String::new, |at| format!("{} ago", age(now.since(at))))
    };
    let mut table = Table::of(&[
        "SEAT",
        "STATE",
        "READY",
        "CONTAINER",
        "STARTED",
        "ENDED",
        "EXIT",
        "REASON",
        "REVISION",
        "IMAGE-ID",
        "PORTS",
    ]);
    for it in instances {
        let image = it.image_id.as_deref().unwrap_or_default();
        let image = image.strip_prefix("sha256:").unwrap_or(image);
        table.row([
            format!("{}.{}", it.slot, it.attempt),
            it.state.to_string(),
            if it.ready { "yes" } else { "no" }.to_owned(),
            it.container_id.as_ref().map_or_else(String::new, |id| id.short().to_owned()),
            ago(it.started_at),
            ago(it.finished_at),
            it.exit_code.map_or_else(String::new, |code| code.to_string()),
            it.reason.clone().unwrap_or_default(),
            it.revision.to_string(),
            image.chars().take(12).collect(),
            it.ports.join(","),
        ]);
    }
    let mut text = table.text("  ");
    for it in instances {
        let because = escape::line(&it.because);
        let _ = writeln!(text, "  {}.{} because {because}{}", it.slot, it.attempt, told(it));
    }
    text
}

/// How an instance ended, or why it is stopped: what the reason in the table does not say, and the
/// end before, which it was begun for, has not said.
fn told(it: &InstanceStatus) -> String {
    let Some(message) = &it.message else { return String::new() };
    let reason = escape::line(it.reason.as_deref().unwrap_or("ended"));
    if it.because.ends_with(message.as_str()) {
        return format!("; {reason}: the same");
    }
    format!("; {reason}: {}", escape::line(message))
}

fn events(events: &[Event], now: Timestamp) -> String {
    if events.is_empty() {
        return "  none\n".to_owned();
    }
    let mut table = Table::of(&["AGE", "TYPE", "REASON", "MESSAGE"]);
    for event in events {
        let (age, severity) = (age(now.since(event.at)), event.severity.to_string());
        table.row([&*age, &severity, &event.reason, &event.message]);
    }
    table.text("  ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_two_attempts_ended_with_must_be_told_once() {
        let one = |because: &str, message: &str| {
            let instance = json!({
                "id": "00000000-0000-0000-0000-000000000001", "slot": 0, "attempt": 2,
                "state": "Failed", "ready": false, "image": "app:1", "revision": 1,
                "because": because, "reason": "StartError", "message": message,
            });
            let instance: InstanceStatus = serde_json::from_value(instance).unwrap();
            let text = instances(&[instance], Timestamp::from_millis(0));
            text.lines().last().unwrap().to_owned()
        };
        assert_eq!(
            one("0.1 ended: StartError: no such program", "no such program"),
            "  0.2 because 0.1 ended: StartError: no such program; StartError: the same"
        );
        assert_eq!(
            one("the manifest asks for it", "no such program"),
            "  0.2 because the manifest asks for it; StartError: no such program"
        );
    }
}
