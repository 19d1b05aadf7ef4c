//! `evenkeel describe`.

use std::fmt::Write as _;

use serde::Serialize;

use super::age::age;
use super::args::{Common, Describe, TextFormat};
use super::fold::{self, Room};
use super::pick::{Picked, pick};
use super::table::{Table, column, sentences};
use super::view::{Teller, View};
use super::{Exit, escape, get, health, out};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::event::Event;
use crate::domain::status::{Condition, InstanceStatus, TaskStatus, Truth};
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
    let (source, now) = (source.as_deref(), Clock::begin().now().wall);
    let look = Look { common, source, now, room: fold::room() };
    let Picked { found, missing } = pick(&view.tasks, &args.names, args.named.namespace.as_ref());
    let mut all = Vec::with_capacity(found.len());
    for status in found {
        all.push(Described { status, events: view.events(&status.name, args.events).await? });
    }
    match args.output {
        TextFormat::Text => {
            let text = |it: &Described<'_>| text(it.status, &it.events, &look);
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

/// What is told of all tasks alike.
struct Look<'a> {
    /// What every command takes.
    common: &'a Common,
    /// The directory that manifests are in, if it is known.
    source: Option<&'a str>,
    now: Timestamp,
    room: Room,
}

/// All about a task.
#[derive(Serialize)]
struct Described<'a> {
    status: &'a TaskStatus,
    events: Vec<Event>,
}

fn text(task: &TaskStatus, events: &[Event], look: &Look<'_>) -> String {
    let Look { source, now, room, .. } = *look;
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        let line = format!("{name:<13}{}", escape::line(value));
        // A text has always place for more.
        let _ = writeln!(text, "{}", fold::line(&line, 13, room));
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
    if let Some(suspended) = health::suspended(task, |words| look.common.again(words)) {
        field("Held:", &suspended);
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
    let _ = write!(text, "\nConditions:\n{}", conditions(task, look));
    let _ = write!(text, "\nInstances:\n{}", instances(&task.instances, look));
    if !task.problems.is_empty() {
        let shown: Vec<Diagnostic> = task
            .problems
            .iter()
            .map(|it| {
                escape::problem(&Diagnostic { file: beneath(source, &it.file), ..it.clone() })
            })
            .collect();
        let shown = render::people(&shown, render::Colour::Always, room);
        let _ = write!(text, "\n{}", fold::diagnostics(&shown, room));
    }
    let _ = write!(text, "\nEvents:\n{}", self::events(events, look));
    text
}

/// A path of the source as one that can be opened from anywhere.
fn beneath(source: Option<&str>, path: &str) -> String {
    source.map_or_else(|| path.to_owned(), |source| format!("{source}/{path}"))
}

fn when(at: Timestamp, now: Timestamp) -> String {
    format!("{at} ({} ago)", age(now.since(at)))
}

fn conditions(task: &TaskStatus, look: &Look<'_>) -> String {
    let columns = [
        column("TYPE"),
        column("STATUS"),
        column("FOR").rank(1),
        column("REASON").cut(10),
        sentences("MESSAGE"),
    ];
    let mut table = Table::of(&columns, look.room);
    for (index, condition) in task.conditions.iter().enumerate() {
        let message = said_once(condition, &task.conditions[..index]);
        let status = match condition.status {
            Truth::True => "True",
            Truth::False => "False",
            Truth::Unknown => "Unknown",
        };
        let since = age(look.now.since(condition.last_transition_time));
        let type_ = condition.type_.to_string();
        table.row([&*type_, status, &since, &condition.reason, &message]);
    }
    table.text("  ")
}

/// What a condition says, but for what one of those `before` has said in the same words.
fn said_once(condition: &Condition, before: &[Condition]) -> String {
    let message = &condition.message;
    let repeats = before.iter().find_map(|it| {
        let first = message.strip_suffix(&*it.message)?;
        let is_whole = first.is_empty() || first.ends_with(": ");
        (is_whole && !it.message.is_empty()).then(|| format!("{first}as {} says", it.type_))
    });
    repeats.unwrap_or_else(|| message.clone())
}

fn instances(instances: &[InstanceStatus], look: &Look<'_>) -> String {
    if instances.is_empty() {
        return "  none\n".to_owned();
    }
    let ago = |at: Option<Timestamp>| {
        at.map_or_else(String::new, |at| format!("{} ago", age(look.now.since(at))))
    };
    let columns = [
        column("SEAT"),
        column("STATE"),
        column("READY").rank(3),
        column("CONTAINER").rank(7),
        column("STARTED").rank(5),
        column("ENDED").rank(4),
        column("EXIT").rank(2),
        column("REASON").cut(8).rank(1),
        column("REVISION").rank(8),
        column("IMAGE-ID").rank(9),
        column("PORTS").cut(12).rank(6),
    ];
    let mut table = Table::of(&columns, look.room);
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
        let line = format!("  {}.{} because {because}{}", it.slot, it.attempt, told(it));
        let _ = writeln!(text, "{}", fold::line(&line, 4, look.room));
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

fn events(events: &[Event], look: &Look<'_>) -> String {
    if events.is_empty() {
        return "  none\n".to_owned();
    }
    let columns =
        [column("AGE"), column("TYPE").rank(1), column("REASON").cut(10), sentences("MESSAGE")];
    let mut table = Table::of(&columns, look.room);
    for event in events {
        let (age, severity) = (age(look.now.since(event.at)), event.severity.to_string());
        table.row([&*age, &severity, &event.reason, &event.message]);
    }
    table.text("  ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::args::Args;

    #[test]
    fn what_two_conditions_say_must_be_told_once() {
        let condition = |type_: &str, message: &str| -> Condition {
            serde_json::from_value(json!({
                "type": type_, "status": "False", "reason": "R", "message": message,
                "lastTransitionTime": "2026-01-31T09:30:00Z", "observedGeneration": 1,
            }))
            .unwrap()
        };
        let end = "0.1 ended: Error, exit code 3";
        let all = [
            condition("Converged", "nothing is to be done"),
            condition("Progressing", end),
            condition("Ready", &format!("0 of 1 ready: {end}")),
        ];
        let told: Vec<String> = (0..3).map(|index| said_once(&all[index], &all[..index])).collect();
        assert_eq!(told, ["nothing is to be done", end, "0 of 1 ready: as Progressing says"]);
        let same = condition("Ready", end);
        assert_eq!(said_once(&same, &all[..2]), "as Progressing says");
        let other = condition("Ready", &format!("1{end}"));
        assert_eq!(said_once(&other, &all[..2]), other.message, "10.1 is another one");
    }

    #[test]
    fn what_two_attempts_ended_with_must_be_told_once() {
        let one = |because: &str, message: &str| {
            let instance = json!({
                "id": "00000000-0000-0000-0000-000000000001", "slot": 0, "attempt": 2,
                "state": "Failed", "ready": false, "image": "app:1", "revision": 1,
                "because": because, "reason": "StartError", "message": message,
            });
            let instance: InstanceStatus = serde_json::from_value(instance).unwrap();
            let args = <Args as clap::Parser>::parse_from(["evenkeel", "get"]);
            let (common, now) = (&args.common, Timestamp::from_millis(0));
            let look = Look { common, source: None, now, room: None };
            let text = instances(&[instance], &look);
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
