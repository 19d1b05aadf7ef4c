//! Which tasks are meant by what was typed, and how a name is shown.

use crate::domain::name::{DEFAULT_NAMESPACE, Label, TaskName};
use crate::domain::status::TaskStatus;
use crate::manifest::nearest;

/// A name as people type it: without the namespace that is meant where none is named.
#[must_use]
pub fn short(name: &TaskName) -> String {
    if name.namespace.as_str() == DEFAULT_NAMESPACE {
        name.name.to_string()
    } else {
        name.to_string()
    }
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
    let default = Label::default_namespace();
    let namespace = within.unwrap_or(&default);
    for text in names {
        let task = TaskName::parse(text, namespace)
            .map_err(|error| format!("`{text}` is no name of a task: {error}"))
            .and_then(|name| {
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
fn unknown(name: &TaskName, tasks: &[TaskStatus]) -> String {
    let elsewhere = tasks.iter().find(|task| task.name.name == name.name);
    let alike = || {
        let names: Vec<String> = tasks.iter().map(|task| short(&task.name)).collect();
        nearest(&short(name), names.iter().map(String::as_str), 3).map(str::to_owned)
    };
    let meant = elsewhere.map(|task| short(&task.name)).or_else(alike);
    let help = match meant {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => "; `evenkeel get` lists them".to_owned(),
    };
    format!("there is no task `{}`{help}", short(name))
}
