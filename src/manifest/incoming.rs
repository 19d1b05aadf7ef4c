//! Manifests that are sent: every check there is before anything is written.
//!
//! They are checked all together, and either all are taken or none. What is told of them is told
//! under the name that the sender knows them by. Pure; who receives manifests calls it.

mod draft;
pub mod intent;
mod refusal;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use draft::{Draft, Edit, Fate, Undraftable, draft};
pub use intent::Intent;
pub use refusal::{Refusal, Why};

use super::node::{Kind, Node};
use super::path;
use super::read::Documents;
use super::text::{Problem, Spot, Text};
use super::{Context, across, edit, read};
use crate::domain::diagnostic::{Diagnostic, InvalidReason, Span};
use crate::domain::name::Label;
use crate::domain::source::{Document, FileState};
use crate::domain::task::Task;

/// A file of manifests that is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sent {
    /// What the sender calls it: diagnostics name it so.
    pub name: String,
    /// The directory it is in, absolute: where relative paths in it begin. Left out: it is in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// What is in it.
    pub text: String,
    /// What is done about documents of other tools in it.
    #[serde(default)]
    pub others: Others,
}

/// What is done about documents of another `apiVersion`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Others {
    /// They are refused: who sent them took them for manifests of ours.
    #[default]
    Refuse,
    /// They are passed over.
    PassOver,
}

/// A document that was sent and passed every check that needs no knowledge of its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The task that it declares.
    pub task: Task,
    /// Its text, with the comments around it.
    pub text: String,
    /// The file that was sent, as the sender calls it.
    pub file: String,
    /// The line of that file where it begins.
    pub line: u32,
    /// Paths in it that are relative to its file.
    relative: Vec<Relative>,
}

/// A path that is relative to its file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Relative {
    written: String,
    /// What it means where it was written.
    meant: String,
    /// Where it stands in what was sent.
    stands: Diagnostic,
}

impl Arrival {
    /// What is wrong with putting it into that file of the source: a path would mean another there.
    #[must_use]
    pub fn misplaced(&self, file: &str, source: &str) -> Vec<Diagnostic> {
        let folder = path::folder_of(source, file);
        let moved = self.relative.iter().filter_map(|relative| {
            let Relative { written, meant, stands } = relative;
            let there = path::on_host(&folder, written);
            let message =
                format!("`{written}` is relative to its file: in {file} it means {there}");
            let help = Some(format!("write the whole path, such as `{meant}`"));
            (there != *meant).then(|| Diagnostic { message, help, ..stands.clone() })
        });
        moved.collect()
    }
}

/// Checks all that is sent. A `namespace` is written into the documents that name none; one that
/// names another is refused.
///
/// # Errors
/// All that is wrong with it, by file and place.
pub fn check(
    sent: &[Sent],
    namespace: Option<&Label>,
    context: &Context<'_>,
) -> Result<Vec<Arrival>, Vec<Diagnostic>> {
    let (mut arrivals, mut problems) = (Vec::new(), Vec::new());
    for sent in sent {
        match (Reader { sent, namespace, context }).arrivals() {
            Ok(found) => arrivals.extend(found),
            Err(found) => problems.extend(found),
        }
    }
    problems.extend(across(&as_files(&arrivals)));
    if problems.is_empty() { Ok(arrivals) } else { Err(problems) }
}

/// What arrived, as the files that were sent hold it.
#[must_use]
pub fn as_files(arrivals: &[Arrival]) -> BTreeMap<String, FileState> {
    let mut files: BTreeMap<String, FileState> = BTreeMap::new();
    for Arrival { task, file, line, .. } in arrivals {
        let document = Document::Task { task: Box::new(task.clone()), line: *line };
        let empty = || FileState::Read { digest: String::new(), documents: Vec::new() };
        if let FileState::Read { documents, .. } = files.entry(file.clone()).or_insert_with(empty) {
            documents.push(document);
        }
    }
    files
}

/// Reads one file that was sent.
struct Reader<'a> {
    sent: &'a Sent,
    namespace: Option<&'a Label>,
    context: &'a Context<'a>,
}

impl Reader<'_> {
    fn arrivals(&self) -> Result<Vec<Arrival>, Vec<Diagnostic>> {
        let text = self.sent.text.as_str();
        let read = self.read(text);
        let found = match &read {
            FileState::Read { documents, .. } => documents.as_slice(),
            FileState::Unreadable { .. } | FileState::Unlisted { .. } | FileState::Unsettled => &[],
        };
        let mut problems = self.problems(&read);
        let (relative, stray) = self.relative();
        if !stray.is_empty() {
            // Where such a path leads is not known, so whether it may lead there isn't either.
            problems.retain(|problem| problem.reason != InvalidReason::PolicyDenied);
            problems.extend(stray);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let texts = edit::split(text).ok().filter(|texts| texts.len() == found.len());
        let texts = texts.ok_or_else(|| vec![self.entangled()])?;
        let mut arrivals = Vec::new();
        for ((document, text), relative) in found.iter().zip(texts).zip(relative) {
            if let Document::Task { task, line } = document {
                let (file, line) = (self.sent.name.clone(), *line);
                match self.in_namespace(task, &text, line) {
                    Ok((task, text)) => {
                        arrivals.push(Arrival { task, text, file, line, relative });
                    }
                    Err(problem) => problems.push(problem),
                }
            }
        }
        if problems.is_empty() { Ok(arrivals) } else { Err(problems) }
    }

    /// What a text holds, read as if it stood in the source where it stands, if it stands there.
    fn read(&self, text: &str) -> FileState {
        let folder = self.folder().unwrap_or_default();
        let file = if folder.is_empty() { "sent".to_owned() } else { format!("{folder}/sent") };
        read(&file, text.as_bytes(), self.context)
    }

    /// Its folder beneath the source, if it is there.
    fn folder(&self) -> Option<&str> {
        let rest = self.sent.folder.as_deref()?.strip_prefix(self.context.source)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }

    /// All that is wrong with its documents.
    fn problems(&self, read: &FileState) -> Vec<Diagnostic> {
        let mut found: Vec<Diagnostic> = Vec::new();
        match read {
            FileState::Unreadable { problems, .. } => found.extend(problems.clone()),
            FileState::Unlisted { problem } => found.push(problem.clone()),
            FileState::Read { documents, .. } => {
                for document in documents {
                    match document {
                        Document::Broken { problems, .. } => found.extend(problems.clone()),
                        Document::Foreign { problem } if self.sent.others == Others::Refuse => {
                            let (what, _) = problem.message.split_once(':').unwrap_or_default();
                            let help = "take it out of what is sent, or write `evenkeel/v1`";
                            let (message, help) = (what.to_owned(), Some(help.to_owned()));
                            found.push(Diagnostic { message, help, ..problem.clone() });
                        }
                        Document::Foreign { .. } | Document::Task { .. } => {}
                    }
                }
            }
            FileState::Unsettled => {}
        }
        found.into_iter().map(|it| Diagnostic { file: self.sent.name.clone(), ..it }).collect()
    }

    /// The relative paths of each document, and those of which nobody knows what they mean.
    fn relative(&self) -> (Vec<Vec<Relative>>, Vec<Diagnostic>) {
        let (mut all, mut stray) = (Vec::new(), Vec::new());
        let Ok(text) = Text::of(&self.sent.name, self.sent.text.as_bytes()) else {
            return (all, stray);
        };
        let is_nothing =
            |root: &Node| matches!(&*root.kind, Kind::Scalar(value) if value.is_null());
        let roots = Documents::of(text.body()).filter_map(|draft| draft.root);
        for root in roots.filter(|root| !is_nothing(root)) {
            let mut found = Vec::new();
            for (written, spot) in relative_paths(&root) {
                let message = match &self.sent.folder {
                    None => {
                        format!("`{written}` is relative to its file, and this is read from none")
                    }
                    Some(_) => format!(
                        "`{written}` is relative to its file, which is not in the source, {}",
                        self.context.source
                    ),
                };
                let help = "write the whole path, beginning with `/`";
                let reason = InvalidReason::SchemaInvalid;
                let problem = Problem { spot, reason, message, help: Some(help.to_owned()) };
                let stands = text.diagnostic(problem);
                match (&self.sent.folder, self.folder()) {
                    (Some(folder), Some(_)) => {
                        let meant = path::on_host(folder, written);
                        found.push(Relative { written: written.to_owned(), meant, stands });
                    }
                    _ => stray.push(stands),
                }
            }
            all.push(found);
        }
        (all, stray)
    }

    /// A task and its text with the namespace that is asked for.
    fn in_namespace(
        &self,
        task: &Task,
        text: &str,
        line: u32,
    ) -> Result<(Task, String), Diagnostic> {
        let Some(namespace) = self.namespace.filter(|it| **it != task.name.namespace) else {
            return Ok((task.clone(), text.to_owned()));
        };
        let written = edit::in_namespace(text, namespace).ok_or_else(|| {
            let is = &task.name.namespace;
            let message =
                format!("`{}` is of namespace {is}, and {namespace} was asked for", task.name);
            self.whole(line, message, "write one namespace, in the manifest or with `-n`")
        })?;
        match self.read(&written) {
            FileState::Read { documents, .. } => match documents.into_iter().next() {
                Some(Document::Task { task, .. }) => Ok((*task, written)),
                _ => Err(self.entangled()),
            },
            _ => Err(self.entangled()),
        }
    }

    fn entangled(&self) -> Diagnostic {
        let message = "its documents can't be told apart line by line";
        self.whole(1, message, "begin each with a line that is `---`")
    }

    /// A problem of a whole document.
    fn whole(&self, line: u32, message: impl Into<String>, help: &str) -> Diagnostic {
        let (file, place) = (self.sent.name.clone(), Some(Span::of_line(line)));
        let (message, help) = (message.into(), Some(help.to_owned()));
        Diagnostic { file, place, reason: InvalidReason::SchemaInvalid, message, help }
    }
}

/// The paths of the host in a document that are relative to its file.
fn relative_paths(root: &Node) -> impl Iterator<Item = (&str, Spot)> {
    let mounts = root.single("spec").and_then(|spec| spec.single("mounts"));
    let mounts = mounts.map_or(&[][..], |mounts| match &*mounts.kind {
        Kind::List(items) => items,
        Kind::Map(_) | Kind::Scalar(_) => &[],
    });
    let paths = mounts.iter().filter_map(|mount| mount.single("hostPath"));
    let paths = paths.filter_map(|path| Some((path.text()?, path.spot)));
    paths.filter(|(path, _)| !path.starts_with(['/', '~']))
}
