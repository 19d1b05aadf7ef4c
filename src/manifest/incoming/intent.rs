//! Which files are to be changed by what is asked for, and how.

use std::collections::{BTreeMap, BTreeSet};

use super::{Arrival, Edit, Refusal, Why};
use crate::domain::desired::{Desired, Stands};
use crate::domain::name::TaskName;
use crate::domain::source::FileState;

/// What is to become of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Which, relative to the source.
    pub file: String,
    /// The SHA-256 of what was read of it; `None`: it is not there.
    pub known: Option<String>,
    /// What is to become of its documents.
    pub edit: Edit,
}

/// The name of the file that a new task gets, in the root of the source.
#[must_use]
pub fn new_file(name: &TaskName) -> String {
    format!("{}.{}.yaml", name.namespace, name.name)
}

/// What is to become of the files of `source` so that these manifests stand there: each in the
/// place of the one of its name, else in a new file.
///
/// # Errors
/// If one can't be put where it belongs.
pub fn put(
    arrivals: Vec<Arrival>,
    (desired, files): (&Desired, &BTreeMap<String, FileState>),
    source: &str,
) -> Result<Vec<Intent>, Refusal> {
    let names: BTreeSet<TaskName> = arrivals.iter().map(|it| it.task.name.clone()).collect();
    let stands = desired.stands(&names, files);
    let mut intents: BTreeMap<String, (Option<String>, Vec<Arrival>)> = BTreeMap::new();
    let mut misplaced = Vec::new();
    for arrival in arrivals {
        let name = &arrival.task.name;
        let (file, known) = match stands.get(name) {
            Some(Stands::In { file, digest }) => (file.clone(), Some(digest.clone())),
            Some(Stands::Nowhere) | None => (new_file(name), None),
            Some(elsewhere) => return Err(not_there(name, elsewhere)),
        };
        // One that was not read yet may have been written here a moment ago.
        if known.is_none() && matches!(files.get(&file), Some(FileState::Read { .. })) {
            return Err(Refusal::occupied(&file));
        }
        misplaced.extend(arrival.misplaced(&file, source));
        intents.entry(file).or_insert_with(|| (known, Vec::new())).1.push(arrival);
    }
    if !misplaced.is_empty() {
        return Err(Refusal::invalid(misplaced));
    }
    let intent = |(file, (known, arrivals))| Intent { file, known, edit: Edit::Put(arrivals) };
    Ok(intents.into_iter().map(intent).collect())
}

/// What is to become of the files so that this manifest is gone; `None`: it is already.
///
/// # Errors
/// If there is no such task, or its manifest can't be told from others.
pub fn remove(
    name: &TaskName,
    (desired, files): (&Desired, &BTreeMap<String, FileState>),
) -> Result<Option<Intent>, Refusal> {
    match desired.stands(&[name.clone()].into(), files).remove(name) {
        Some(Stands::In { file, digest }) => {
            Ok(Some(Intent { file, known: Some(digest), edit: Edit::Remove(name.clone()) }))
        }
        Some(Stands::Nowhere) | None if desired.tasks.contains_key(name) => Ok(None),
        Some(Stands::Nowhere) | None => {
            Err(Refusal::of(Why::NotFound, format!("there is no task {name}")))
        }
        Some(elsewhere) => Err(not_there(name, &elsewhere)),
    }
}

/// Why a manifest can't be changed where it stands.
fn not_there(name: &TaskName, stands: &Stands) -> Refusal {
    match stands {
        Stands::Broken { file, problems } => Refusal::broken(file, problems.clone()),
        Stands::Twice(one, other) => {
            let message =
                format!("{name} stands in {one} and in {other}: remove one of the two first");
            Refusal::of(Why::NameConflict, message)
        }
        Stands::In { file, .. } => Refusal::changed(file),
        Stands::Nowhere => Refusal::of(Why::NotFound, format!("there is no task {name}")),
    }
}
