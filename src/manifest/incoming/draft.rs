//! What becomes of a file of the source by what was sent: its new text, not written yet.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Arrival;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::name::TaskName;
use crate::domain::source::{Document, FileState, Place};
use crate::domain::task::Task;
use crate::manifest::edit::{self, Unchangeable};
use crate::manifest::{Context, read};

/// What is to become of the documents of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// These are to be in it.
    Put(Vec<Arrival>),
    /// This one is to go.
    Remove(TaskName),
}

/// What becomes of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// There was none.
    Created,
    /// There was another one.
    Configured,
    /// It said just that already: it stays as it is written.
    Unchanged,
    /// It goes.
    Deleted,
}

impl Fate {
    /// As people read it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
        }
    }
}

/// A file as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its text; `None`: nothing is left that could be in it.
    pub text: Option<String>,
    /// What becomes of each manifest that is meant, and where it stands then, or stood.
    pub fates: Vec<(TaskName, Fate, Place)>,
}

/// Why a file stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undraftable {
    /// Something in it is broken, or can't be read.
    Broken(Vec<Diagnostic>),
    /// It was to be new, and is there.
    Occupied,
    /// The manifest that is meant is not in it.
    NotThere(TaskName),
    /// It can't be changed so.
    Unchangeable(Unchangeable),
}

impl From<Unchangeable> for Undraftable {
    fn from(why: Unchangeable) -> Self {
        Self::Unchangeable(why)
    }
}

/// The draft of `file`, of which `text` is there now; `None`: it is not there.
///
/// # Errors
/// If it can't be changed so.
pub fn draft(
    file: &str,
    text: Option<&str>,
    edit: &Edit,
    context: &Context<'_>,
) -> Result<Draft, Undraftable> {
    let standing = match text {
        Some(text) => tasks(file, text, context)?,
        None => BTreeMap::new(),
    };
    match (edit, text) {
        (Edit::Put(arrivals), text) => put(file, text, (arrivals, &standing), context),
        (Edit::Remove(name), Some(text)) => {
            let (_, line) =
                standing.get(name).ok_or_else(|| Undraftable::NotThere(name.clone()))?;
            let place = Place { file: file.to_owned(), line: *line };
            let fates = vec![(name.clone(), Fate::Deleted, place)];
            Ok(Draft { text: edit::remove(text, name)?, fates })
        }
        (Edit::Remove(name), None) => Err(Undraftable::NotThere(name.clone())),
    }
}

/// The tasks of a file, each with its line.
type Tasks = BTreeMap<TaskName, (Task, u32)>;

fn put(
    file: &str,
    text: Option<&str>,
    (arrivals, standing): (&[Arrival], &Tasks),
    context: &Context<'_>,
) -> Result<Draft, Undraftable> {
    let mut fates = Vec::new();
    let mut news = Vec::new();
    for arrival in arrivals {
        let fate = match standing.get(&arrival.task.name) {
            Some((task, _)) if *task == arrival.task => Fate::Unchanged,
            Some(_) => Fate::Configured,
            None if text.is_some() => return Err(Undraftable::Occupied),
            None => Fate::Created,
        };
        if fate != Fate::Unchanged {
            news.push((&arrival.task.name, edit::in_form_of(file, &arrival.text)?));
        }
        fates.push((&arrival.task.name, fate));
    }
    let changed = match (text, &news[..]) {
        (Some(text), news) => {
            let news: Vec<_> = news.iter().map(|(name, text)| (*name, text.as_str())).collect();
            if news.is_empty() { text.to_owned() } else { edit::replace(text, &news)? }
        }
        (None, [(_, text)]) => text.clone(),
        // A new file is one task's.
        (None, _) => return Err(Undraftable::Occupied),
    };
    let drawn = tasks(file, &changed, context)?;
    let mut placed = Vec::new();
    for (name, fate) in fates {
        let Some((_, line)) = drawn.get(name) else {
            return Err(Undraftable::NotThere(name.clone()));
        };
        placed.push((name.clone(), fate, Place { file: file.to_owned(), line: *line }));
    }
    Ok(Draft { text: Some(changed), fates: placed })
}

/// The tasks of a file, if all of it is as it should be.
fn tasks(file: &str, text: &str, context: &Context<'_>) -> Result<Tasks, Undraftable> {
    let documents = match read(file, text.as_bytes(), context) {
        FileState::Read { documents, .. } => documents,
        FileState::Unreadable { problems, .. } => return Err(Undraftable::Broken(problems)),
        FileState::Unlisted { problem } => return Err(Undraftable::Broken(vec![problem])),
        FileState::Unsettled => Vec::new(),
    };
    let mut tasks = Tasks::new();
    let mut broken = Vec::new();
    for document in documents {
        match document {
            Document::Task { task, line } => {
                if tasks.insert(task.name.clone(), (*task, line)).is_some() {
                    return Err(Undraftable::Unchangeable(Unchangeable::Twice));
                }
            }
            Document::Broken { problems, .. } => broken.extend(problems),
            Document::Foreign { .. } => {}
        }
    }
    if broken.is_empty() { Ok(tasks) } else { Err(Undraftable::Broken(broken)) }
}
