//! Which document speaks for which task, in one look at the source.

use std::collections::{BTreeMap, BTreeSet};

use super::looks::digest;
use super::{Presence, Suspect, Wanted};
use crate::domain::diagnostic::{Diagnostic, InvalidReason};
use crate::domain::name::TaskName;
use crate::domain::source::{Document, FileState, Place};
use crate::domain::task::Task;
use crate::domain::time::Mono;

/// One look, sorted by name.
pub(super) struct Look<'a> {
    files: &'a BTreeMap<String, FileState>,
    /// Every document that says its name, in the order of files and lines.
    claims: BTreeMap<&'a TaskName, Vec<Claim<'a>>>,
    /// Files with documents that don't say their names, and what is wrong with those.
    nameless: BTreeMap<&'a str, Vec<Diagnostic>>,
    /// Files with documents of others.
    foreign: BTreeMap<&'a str, Vec<Diagnostic>>,
}

/// A document that says its name.
#[derive(Clone, Copy)]
struct Claim<'a> {
    file: &'a str,
    line: u32,
    content: Content<'a>,
}

#[derive(Clone, Copy)]
enum Content<'a> {
    Task(&'a Task),
    Broken(&'a [Diagnostic]),
}

/// What a look says of a known task.
pub(super) enum Speaker<'a> {
    /// A manifest that passed every check.
    Task { task: &'a Task, place: Place },
    /// A manifest that did not.
    Broken { problems: &'a [Diagnostic], place: Place },
    /// No document.
    Nobody,
}

/// What keeps the tasks of a file although no document of it speaks for them.
pub(super) struct Hold<'a> {
    /// The path, as the snapshot has it: the file, or a directory above it.
    pub(super) key: &'a str,
    /// Why; nothing if nothing is known to be wrong yet.
    pub(super) problems: Vec<Diagnostic>,
    /// The name may still stand in the file, so no other file gets it.
    firm: bool,
}

impl<'a> Look<'a> {
    pub(super) fn of(files: &'a BTreeMap<String, FileState>) -> Self {
        let mut look = Self {
            files,
            claims: BTreeMap::new(),
            nameless: BTreeMap::new(),
            foreign: BTreeMap::new(),
        };
        for (file, state) in files {
            if let FileState::Read { documents, .. } = state {
                for document in documents {
                    look.add(file, document);
                }
            }
        }
        look
    }

    fn add(&mut self, file: &'a str, document: &'a Document) {
        let (name, line, content) = match document {
            Document::Task { task, line } => (&task.name, *line, Content::Task(task)),
            Document::Broken { name: Some(name), line, problems } => {
                (name, *line, Content::Broken(problems))
            }
            Document::Broken { name: None, problems, .. } => {
                self.nameless.entry(file).or_default().extend_from_slice(problems);
                return;
            }
            Document::Foreign { problem } => {
                self.foreign.entry(file).or_default().push(problem.clone());
                return;
            }
        };
        self.claims.entry(name).or_default().push(Claim { file, line, content });
    }

    /// Every name that a document says.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a TaskName> {
        self.claims.keys().copied()
    }

    /// Whether a document of `file` says that name.
    pub(super) fn names_at(&self, name: &TaskName, file: &str) -> bool {
        self.claims.get(name).is_some_and(|all| all.iter().any(|claim| claim.file == file))
    }

    /// How many documents of others each file has.
    pub(super) fn foreign_counts(&self) -> impl Iterator<Item = (&'a str, usize)> {
        self.foreign.iter().map(|(file, problems)| (*file, problems.len()))
    }

    /// Who speaks for a known task. Whoever says the name as well goes to `problems`.
    pub(super) fn hear(
        &self,
        name: &TaskName,
        wanted: &Wanted,
        problems: &mut Vec<Diagnostic>,
    ) -> Speaker<'a> {
        let Some(claims) = self.claims.get(name) else { return Speaker::Nobody };
        if wanted.presence == Presence::Gone {
            return match self.hear_new(name, problems) {
                Some((task, place)) => Speaker::Task { task, place },
                None => Speaker::Nobody,
            };
        }
        let here = |claim: &&Claim<'_>| claim.file == wanted.place.file;
        let same = claims.iter().filter(here).find(|claim| claim.line == wanted.place.line);
        let holder = same.or_else(|| claims.iter().find(here));
        let kept = holder.is_none()
            && self.hold(&wanted.place.file, usize::MAX).is_some_and(|hold| hold.firm);
        let first_task = || claims.iter().find(|claim| matches!(claim.content, Content::Task(_)));
        let speaker = match holder {
            None if kept => None,
            None => first_task().or_else(|| claims.first()),
            Some(holder) => Some(holder),
        };
        if claims.len() > 1 || speaker.is_none() {
            let held_by = speaker.map_or_else(|| wanted.place.clone(), Claim::place);
            refuse_others(name, claims, speaker, &held_by, problems);
        }
        match speaker {
            None => Speaker::Nobody,
            Some(claim) => match claim.content {
                Content::Task(task) => Speaker::Task { task, place: claim.place() },
                Content::Broken(problems) => Speaker::Broken { problems, place: claim.place() },
            },
        }
    }

    /// Who speaks for a task that is not known: the first of those that pass every check.
    pub(super) fn hear_new(
        &self,
        name: &TaskName,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<(&'a Task, Place)> {
        let claims = self.claims.get(name)?;
        let found = claims.iter().find_map(|claim| match claim.content {
            Content::Task(task) => Some((claim, task)),
            Content::Broken(_) => None,
        });
        let speaker = found.map(|(claim, _)| claim);
        let held_by = speaker.or(claims.first()).map(Claim::place)?;
        refuse_others(name, claims, speaker, &held_by, problems);
        found.map(|(claim, task)| (task, claim.place()))
    }

    /// What keeps the tasks of `file` that no document speaks for. `counted` documents of others
    /// in it are known to be no such task.
    pub(super) fn hold(&self, file: &str, counted: usize) -> Option<Hold<'a>> {
        let (key, state) = self.at_or_above(file)?;
        let firm = |problems: Vec<Diagnostic>| Some(Hold { key, problems, firm: true });
        match state {
            FileState::Unreadable { problems, .. } => firm(problems.clone()),
            FileState::Unlisted { problem } => firm(vec![problem.clone()]),
            FileState::Unsettled => firm(Vec::new()),
            FileState::Read { documents, .. } => {
                if let Some(problems) = self.nameless.get(key) {
                    return firm(problems.clone());
                }
                let foreign = self.foreign.get(key).filter(|problems| problems.len() > counted);
                let problems = match foreign {
                    Some(problems) => problems.clone(),
                    None if documents.is_empty() => vec![empty(key)],
                    None => return None,
                };
                Some(Hold { key, problems, firm: false })
            }
        }
    }

    /// The entry of `file`, or of a directory above it that could not be listed.
    fn at_or_above(&self, file: &str) -> Option<(&'a str, &'a FileState)> {
        if let Some((key, state)) = self.files.get_key_value(file) {
            return Some((key, state));
        }
        file.match_indices('/')
            .filter_map(|(end, _)| self.files.get_key_value(&file[..end]))
            .map(|(key, state)| (key.as_str(), state))
            .next()
    }

    /// Problems of files and of documents that say no name, but of the files whose tasks have them
    /// already.
    pub(super) fn file_problems(&self, attached: &BTreeSet<&str>) -> Vec<Diagnostic> {
        let unreadable = self.files.iter().filter_map(|(file, state)| match state {
            FileState::Unreadable { problems, .. } => Some((file.as_str(), problems.as_slice())),
            FileState::Unlisted { problem } => Some((file.as_str(), std::slice::from_ref(problem))),
            FileState::Read { .. } | FileState::Unsettled => None,
        });
        let nameless = self.nameless.iter().map(|(file, all)| (*file, all.as_slice()));
        let unattached = unreadable.chain(nameless).filter(|(file, _)| !attached.contains(file));
        unattached.flat_map(|(_, problems)| problems.iter().cloned()).collect()
    }

    /// Documents of others, by file.
    pub(super) fn foreign_documents(&self) -> Vec<Diagnostic> {
        self.foreign.values().flatten().cloned().collect()
    }

    /// Files that can't be read as far as their names, each since it was first seen as it is.
    pub(super) fn suspects(
        &self,
        before: &BTreeMap<String, Suspect>,
        now: Mono,
    ) -> BTreeMap<String, Suspect> {
        let unreadable = self.files.iter().filter(|(file, state)| match state {
            FileState::Unreadable { .. } | FileState::Unlisted { .. } | FileState::Unsettled => {
                true
            }
            FileState::Read { .. } => self.nameless.contains_key(file.as_str()),
        });
        unreadable
            .map(|(file, state)| {
                let digest = digest(state);
                let known = before.get(file).filter(|known| known.digest == digest);
                let since = known.map_or(now, |known| known.since);
                let unlisted = matches!(state, FileState::Unlisted { .. });
                (file.clone(), Suspect { digest, since, unlisted })
            })
            .collect()
    }
}

impl Claim<'_> {
    fn place(&self) -> Place {
        Place { file: self.file.to_owned(), line: self.line }
    }
}

/// Every claim but the speaker's is a problem: its own, or that the name is taken.
fn refuse_others(
    name: &TaskName,
    claims: &[Claim<'_>],
    speaker: Option<&Claim<'_>>,
    held_by: &Place,
    problems: &mut Vec<Diagnostic>,
) {
    let chosen = speaker.map(|claim| (claim.file, claim.line));
    for claim in claims.iter().filter(|claim| chosen != Some((claim.file, claim.line))) {
        match claim.content {
            Content::Broken(own) => problems.extend_from_slice(own),
            Content::Task(_) => problems.push(Diagnostic {
                file: claim.file.to_owned(),
                place: None,
                reason: InvalidReason::NameConflict,
                message: format!(
                    "task {name} at {} is not used: {held_by} has that name already",
                    claim.place()
                ),
                help: Some("give one of the two another name, or remove it".to_owned()),
            }),
        }
    }
}

fn empty(file: &str) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        place: None,
        reason: InvalidReason::ParseFailed,
        message: "the file holds no document, so what it held before is kept".to_owned(),
        help: Some("remove the file to remove its tasks".to_owned()),
    }
}
