//! What is wrong between manifests that are right by themselves.
//!
//! Pure. `validate` calls it; a running worker decides the same questions by who came first.

use std::collections::BTreeMap;

use crate::domain::diagnostic::{Diagnostic, InvalidReason, Span};
use crate::domain::exclusive::{self, FixedPort};
use crate::domain::name::TaskName;
use crate::domain::source::{Document, FileState, Place};
use crate::domain::task::Task;

/// Names that two manifests have, and fixed host ports that two tasks want. Told of the later one,
/// by file and line, naming the earlier.
#[must_use]
pub fn across(files: &BTreeMap<String, FileState>) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut names: BTreeMap<&TaskName, Place> = BTreeMap::new();
    let mut tasks: Vec<(&Task, Place)> = Vec::new();
    for (file, state) in files {
        let FileState::Read { documents, .. } = state else { continue };
        for document in documents {
            let (name, task, line) = match document {
                Document::Task { task, line } => (Some(&task.name), Some(task), *line),
                Document::Broken { name, line, .. } => (name.as_ref(), None, *line),
                Document::Foreign { .. } => continue,
            };
            let place = Place { file: file.clone(), line };
            if let Some(name) = name {
                if let Some(first) = names.get(name) {
                    problems.push(conflict(
                        &place,
                        format!("`{name}` is declared in {first} already"),
                        "rename one of the two, or remove it",
                    ));
                    continue;
                }
                names.insert(name, place.clone());
            }
            if let Some(task) = task {
                tasks.push((task, place));
            }
        }
    }
    problems.extend(port_conflicts(&tasks));
    problems
}

fn port_conflicts(tasks: &[(&Task, Place)]) -> Vec<Diagnostic> {
    let mut by_number: BTreeMap<u16, Vec<(usize, FixedPort)>> = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, (task, place)) in tasks.iter().enumerate() {
        for port in exclusive::fixed_ports(&task.template) {
            let others = by_number.entry(port.number).or_default();
            let of_others = others.iter().filter(|(other, _)| *other != index);
            let both = of_others.filter_map(|(other, held)| Some((*other, held.overlap(port)?)));
            if let Some((other, both)) = both.into_iter().next() {
                let (holder, first) = &tasks[other];
                problems.push(conflict(
                    place,
                    format!(
                        "host port {both} of `{}` is wanted by `{}` too, in {first}",
                        task.name, holder.name
                    ),
                    "choose another host port, or another `hostIP`",
                ));
            }
            others.push((index, port));
        }
    }
    problems
}

fn conflict(place: &Place, message: String, help: &str) -> Diagnostic {
    Diagnostic {
        file: place.file.clone(),
        place: Some(Span::of_line(place.line)),
        reason: InvalidReason::NameConflict,
        message,
        help: Some(help.to_owned()),
    }
}
