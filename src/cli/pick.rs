//! Which tasks are meant by what was typed, and how a name is shown.

use std::collections::BTreeSet;

use super::{escape, out};
use crate::api::alike;
pub use crate::domain::name::typed as short;
use crate::domain::name::{Label, TaskName};
use crate::domain::status::TaskStatus;

/// The name that was typed.
///
/// # Errors
/// If it can't be one.
pub fn named(text: &str, within: Option<&Label>) -> anyhow::Result<TaskName> {
    let default = Label::default_namespace();
    let name = TaskName::parse(text, within.unwrap_or(&default));
    name.map_err(|error| anyhow::anyhow!("`{text}` is no name of a task: {error}"))
}

/// The tasks that are meant.
#[derive(Debug)]
pub struct Picked<'a> {
    /// Those that are there, in the order they were asked for.
    pub found: Vec<&'a TaskStatus>,
    /// Of each that is not, a sentence.
    pub missing: Vec<String>,
}

/// Picks by name; no names mean all, of the namespace if one is named.
#[must_use]
pub fn pick<'a>(tasks: &'a [TaskStatus], names: &[String], within: Option<&Label>) -> Picked<'a> {
    let mut picked = Picked { found: Vec::new(), missing: Vec::new() };
    if names.is_empty() {
        let is_meant =
            |task: &&TaskStatus| within.is_none_or(|meant| task.name.namespace == *meant);
        picked.found.extend(tasks.iter().filter(is_meant));
        return picked;
    }
    for text in names {
        let task = named(text, within).map_err(|error| error.to_string()).and_then(|name| {
            let found = tasks.iter().find(|task| task.name == name);
            found.ok_or_else(|| unknown(&name, tasks))
        });
        match task {
            // Twice the same is meant once.
            Ok(task) if picked.found.iter().any(|known| known.name == task.name) => {}
            Ok(task) => picked.found.push(task),
            Err(sentence) => picked.missing.push(sentence),
        }
    }
    picked
}

/// That there is no such task, and which may be meant.
pub fn unknown(name: &TaskName, tasks: &[TaskStatus]) -> String {
    let help = match alike(name, tasks.iter().map(|task| &task.name)) {
        Some(meant) => format!("; did you mean `{}`?", short(meant)),
        None => "; `evenkeel get` lists them".to_owned(),
    };
    format!("there is no task `{}`{help}", short(name))
}

/// The tasks that are meant, each once. `None`: one is not there, which is told.
///
/// # Errors
/// If a name can't be one.
pub fn all_named(
    names: &[String],
    within: Option<&Label>,
    tasks: &[TaskStatus],
) -> anyhow::Result<Option<BTreeSet<TaskName>>> {
    let meant = names.iter().map(|text| named(text, within));
    let meant = meant.collect::<anyhow::Result<BTreeSet<TaskName>>>()?;
    Ok(are_there(&meant, tasks).then_some(meant))
}

/// Whether all of these are there; of each that is not, it is told.
pub fn are_there(names: &BTreeSet<TaskName>, tasks: &[TaskStatus]) -> bool {
    let is_missing = |name: &&TaskName| !tasks.iter().any(|task| task.name == **name);
    let missing: Vec<&TaskName> = names.iter().filter(is_missing).collect();
    for name in &missing {
        out::say(&format!("error: {}", escape::line(&unknown(name, tasks))));
    }
    missing.is_empty()
}
