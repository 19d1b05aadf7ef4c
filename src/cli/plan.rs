//! `evenkeel plan`.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::bail;
use tokio::sync::watch;

use super::args::{Common, Plan, PlanFormat};
use super::fold::{self, Room};
use super::{Exit, daemon, escape, health, out};
use crate::api::client::Client;
use crate::domain::diagnostic::Diagnostic;
use crate::manifest::render::{self, Colour};
use crate::watch::look;
use crate::worker::Goal;
use crate::worker::preview::{Action, Preview, TaskPreview};

/// Shows what would be done and why.
pub async fn plan(common: &Common, args: &Plan) -> anyhow::Result<Exit> {
    let purpose = daemon::purpose(common, &args.make, Goal::Forever)?;
    let dir = purpose.setting.maker.source.clone();
    let state_dir = daemon::state_dir(common)?;
    if let Some(running) = Client::of(&state_dir).find().await?
        && !daemon::is_same_dir(&running.source, &dir).await?
    {
        bail!(
            "the daemon of worker {} watches {}, not {dir}: name that directory, or another --worker",
            common.worker,
            running.source,
        );
    }
    let reader = daemon::reader(&dir, &purpose.setting.policy);
    let host_paths = watch::Sender::default();
    let options = daemon::watching(&dir, &host_paths);
    let (snapshot_in, snapshot_out) = daemon::snapshots();
    snapshot_in.send_replace(Arc::new(look(options, reader).await));
    let preview = daemon::looker(common, purpose, snapshot_out).await?.preview().await;
    match args.output {
        PlanFormat::Text => {
            let room = fold::room();
            out::data(&(problems(&preview, room) + &fold::lines(&text(common, &preview), room)))?
        }
        PlanFormat::Json => out::line(&serde_json::to_string_pretty(&preview)?)?,
    };
    Ok(exit(&preview, args.detailed_exitcode))
}

fn exit(preview: &Preview, detailed: bool) -> Exit {
    let blocked = preview.source_unavailable.is_some()
        || preview.engine_unavailable.is_some()
        || preview.source_changed.is_some()
        || preview.prune_held.is_some()
        || !preview.problems.is_empty();
    if blocked {
        Exit::Failed
    } else if detailed && preview.has_actions() {
        Exit::Pending
    } else {
        Exit::Ok
    }
}

/// What is wrong with manifests.
fn problems(preview: &Preview, room: Room) -> String {
    let problems: Vec<Diagnostic> = preview.problems.iter().map(escape::problem).collect();
    let shown = render::people(&problems, Colour::Always, room);
    let end = if problems.is_empty() { "" } else { "\n" };
    fold::diagnostics(&shown, room) + end
}

/// What would be done, as people read it.
fn text(common: &Common, preview: &Preview) -> String {
    let mut text = String::new();
    let engine_unavailable =
        if preview.engine_changed.is_none() { &preview.engine_unavailable } else { &None };
    for (what, why) in [
        ("the source can't be read, so nothing would be done", &preview.source_unavailable),
        ("the engine can't be asked, so nothing would be done", engine_unavailable),
    ] {
        if let Some(why) = why {
            line(&mut text, &format!("{what}: {why}"));
        }
    }
    if let Some(change) = &preview.engine_changed {
        line(
            &mut text,
            &format!(
                "nothing would be done: {}; to let a daemon keep it from now on: {}",
                health::engine(change, common.worker.as_str()),
                common.again("approve engine")
            ),
        );
    }
    if let Some(source) = &preview.source_changed {
        line(
            &mut text,
            &format!(
                "nothing would be done: containers of this worker were made from {source}; \
                 to let a daemon take them over: {}",
                common.again("approve source")
            ),
        );
    }
    if let Some(held) = &preview.prune_held {
        line(&mut text, &format!("held: {}", health::held(held)));
        for task in &held.tasks {
            line(&mut text, &format!("  {task} would go"));
        }
        let approve = common.again("approve prune");
        line(&mut text, &format!("  to let a running daemon remove them: {approve}"));
    }
    // What holds everything is told once, and not of each task.
    let is_held = preview.source_changed.is_some() || preview.engine_changed.is_some();
    if preview.engine_unavailable.is_some() && !is_held {
        unknown(&mut text, &preview.tasks);
        return text;
    }
    let each = if is_held { &[] } else { &*preview.tasks };
    for task in each {
        of_task(&mut text, task);
    }
    let actions: usize = preview.tasks.iter().map(|task| task.actions.len()).sum();
    let kept = preview.tasks.iter().filter(|task| task.actions.is_empty()).count();
    let kept =
        if kept == 1 { "1 task as it is".to_owned() } else { format!("{kept} tasks as they are") };
    line(&mut text, &format!("{actions} to do, {kept}"));
    text
}

/// The tasks of which is not known what would be done.
fn unknown(text: &mut String, tasks: &[TaskPreview]) {
    for TaskPreview { name, place, .. } in tasks {
        line(text, &format!("  {name} ({place})"));
    }
    let count = tasks.len();
    let plural = if count == 1 { "" } else { "s" };
    line(text, &format!("what is to be done of {count} task{plural} is not known"));
}

fn of_task(text: &mut String, task: &TaskPreview) {
    for action in &task.actions {
        of_action(text, task, action);
    }
    for waiting in &task.waiting_for {
        line(text, &format!("  {}: waits for {waiting}", task.name));
    }
}

fn of_action(text: &mut String, task: &TaskPreview, action: &Action) {
    let Action { verb, slot, attempt, .. } = action;
    let name = &task.name;
    let what = match (action.replaces, &action.stop_first) {
        (None, _) => format!("{verb} {name} {slot}.{attempt}"),
        (Some(old), None) => {
            format!(
                "replace {name} {slot}.{old}: start {slot}.{attempt} first, then stop the old one"
            )
        }
        (Some(old), Some(why)) => {
            format!(
                "replace {name} {slot}.{old}: stop it first, then start {slot}.{attempt} ({why})"
            )
        }
    };
    line(text, &what);
    if action.fields.is_empty() {
        line(text, &format!("    {} ({})", action.message, task.place));
    }
    for field in &action.fields {
        line(text, &format!("    {field} ({})", task.place));
    }
}

fn line(text: &mut String, what: &str) {
    // Writing to a text can't fail.
    let _written = writeln!(text, "{}", escape::line(what));
}
