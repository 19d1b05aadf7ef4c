//! Text to tasks or diagnostics: what is wrong, where it stands, what to write instead.
//!
//! Architecture invariant: nothing here does I/O, reads a clock or is `async`; the bytes of a file
//! come in as a value, and the same bytes always give the same answer. `watch` hands in what it
//! reads, and the commands what they are given.
//!
//! `text` takes bytes as text, `read` and `tree` make trees that know their places, `words` says
//! what the schema (made from `raw`) has against them, `check` says what no schema can, and
//! [`crate::domain::policy`] what the operator does not allow. [`edit`] goes the other way: it puts
//! a document into the text of its file; [`incoming`] checks what is to be put there.

mod across;
mod check;
pub mod edit;
pub mod explain;
mod field;
mod finding;
mod image;
pub mod incoming;
mod node;
mod path;
mod quantity;
mod raw;
mod read;
pub mod render;
mod scalar;
pub mod schema;
mod signal;
mod suggest;
mod text;
mod tree;
mod words;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::diagnostic::{Diagnostic, InvalidReason};
use crate::domain::fingerprint::digest_of;
use crate::domain::name::{Label, TaskName};
use crate::domain::policy::Policy;
use crate::domain::source::{Document, FileState};
use crate::domain::task::Task;
pub use across::across;
use check::Origin;
pub use field::line_of;
use finding::Finding;
use node::{Kind, Node};
use read::Documents;
pub use suggest::nearest;
pub use text::MAX_FILE_BYTES;
use text::{Problem, Spot, Text};
use tree::{Draft, Extent};

/// The `apiVersion` of what is ours.
pub const API_VERSION: &str = "evenkeel/v1";

/// How many documents a file may hold.
const MAX_DOCUMENTS: usize = 10_000;

/// How many problems of one document are told.
const MAX_PROBLEMS: usize = 20;

/// What a manifest is read with, besides its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The source directory: absolute, normalised, no trailing slash.
    pub source: &'a str,
    /// What the operator allows.
    pub policy: &'a Policy,
}

/// What the bytes of one file hold. `file` is its path relative to the source.
#[must_use]
pub fn read(file: &str, bytes: &[u8], context: &Context<'_>) -> FileState {
    let digest = digest_of(bytes);
    let text = match Text::of(file, bytes) {
        Ok(text) => text,
        Err(problem) => {
            return FileState::Unreadable { digest: Some(digest), problems: vec![problem] };
        }
    };
    let reader = Reader { text, file, context };
    let mut documents = Vec::new();
    let mut names_known = false;
    for draft in Documents::of(reader.text.body()) {
        if documents.len() == MAX_DOCUMENTS {
            let message = format!("more than {MAX_DOCUMENTS} documents in one file");
            let spot = Spot { line: draft.line, column: 1, width: 1 };
            let problem = Problem::parse(spot, message, "split it into several files");
            let problems = vec![reader.text.diagnostic(problem)];
            return FileState::Unreadable { digest: Some(digest), problems };
        }
        let readable = draft.extent == Extent::Whole;
        if let Some(document) = reader.document(draft) {
            let named = !matches!(document, Document::Broken { name: None, .. });
            names_known |= readable || named;
            documents.push(document);
        }
    }
    if names_known || documents.is_empty() {
        return FileState::Read { digest, documents };
    }
    // Nothing in it could be told from noise: whatever the file held before is kept.
    let problems = documents.into_iter().flat_map(|document| match document {
        Document::Broken { problems, .. } => problems,
        Document::Foreign { problem } => vec![problem],
        Document::Task { .. } => Vec::new(),
    });
    FileState::Unreadable { digest: Some(digest), problems: problems.collect() }
}

/// One file that is being read.
struct Reader<'a> {
    text: Text<'a>,
    file: &'a str,
    context: &'a Context<'a>,
}

impl Reader<'_> {
    /// What one document holds; `None` if that is nothing.
    fn document(&self, draft: Draft) -> Option<Document> {
        let Draft { line, root, mut problems, extent } = draft;
        let Some(root) = root else {
            return (!problems.is_empty()).then(|| self.broken(None, line, problems));
        };
        if problems.is_empty() && self.is_empty(&root) {
            return None;
        }
        if let Some(problem) = self.foreign(&root) {
            return Some(Document::Foreign { problem });
        }
        let name = name_of(&root);
        if extent != Extent::Whole {
            return Some(self.broken(name, line, problems));
        }
        match self.task(&root) {
            Ok(task) if problems.is_empty() => {
                return Some(Document::Task { task: Box::new(task), line });
            }
            Ok(_) => {}
            Err(further) => {
                // What is no YAML has no value, so the schema would complain of it once more.
                let known: BTreeSet<Spot> = problems.iter().map(|problem| problem.spot).collect();
                problems.extend(further.into_iter().filter(|new| !known.contains(&new.spot)));
            }
        }
        Some(self.broken(name, line, problems))
    }

    /// The task that a whole document declares, or all that is wrong with it.
    fn task(&self, root: &Node) -> Result<Task, Vec<Problem>> {
        let place = |findings: Vec<Finding>, reason: InvalidReason| {
            let mut problems: Vec<Problem> =
                findings.into_iter().map(|finding| finding.placed(root, reason)).collect();
            problems.sort_by_key(|problem| problem.spot);
            problems
        };
        let value = root.value();
        let findings = words::findings(&value, root, &self.text);
        if !findings.is_empty() {
            // A value that breaks several rules is told of once.
            let mut seen = BTreeSet::new();
            let first = |finding: &Finding| {
                finding.missing.is_some() || seen.insert(finding.pointer.clone())
            };
            let findings = findings.into_iter().filter(first).collect();
            return Err(place(findings, InvalidReason::SchemaInvalid));
        }
        let manifest = serde_json::from_value(value).map_err(|error| {
            // The schema and the types say the same, and a test holds them to it.
            let help = "compare it with the schema: `evenkeel schema`";
            place(vec![Finding::value("", error.to_string(), help)], InvalidReason::SchemaInvalid)
        })?;
        let origin = Origin { source: self.context.source, file: self.file };
        let task = check::task(manifest, origin)
            .map_err(|findings| place(findings, InvalidReason::SchemaInvalid))?;
        let violations = self.context.policy.violations(&task, self.context.source);
        if violations.is_empty() {
            return Ok(task);
        }
        let finding = |violation: crate::domain::policy::Violation| {
            Finding::value(violation.pointer, violation.message, violation.help)
        };
        Err(place(violations.into_iter().map(finding).collect(), InvalidReason::PolicyDenied))
    }

    fn broken(&self, name: Option<TaskName>, line: u32, mut problems: Vec<Problem>) -> Document {
        problems.sort_by_key(|problem| problem.spot);
        let left = problems.len().saturating_sub(MAX_PROBLEMS);
        problems.truncate(MAX_PROBLEMS);
        let mut problems: Vec<Diagnostic> =
            problems.into_iter().map(|problem| self.text.diagnostic(problem)).collect();
        if left > 0
            && let Some(last) = problems.last()
        {
            let message = format!("at least {left} more problems in this document");
            let help = Some("mend those above first".to_owned());
            problems.push(Diagnostic { message, help, ..last.clone() });
        }
        Document::Broken { name, line, problems }
    }

    fn foreign(&self, root: &Node) -> Option<Diagnostic> {
        let node = root.single("apiVersion")?;
        let version = node.text()?;
        let ours = version.to_lowercase().starts_with("evenkeel");
        if ours || suggest::nearest(version, [API_VERSION].into_iter(), 2).is_some() {
            return None;
        }
        let message =
            format!("`{}` is not evenkeel's: this document is left alone", words::shorten(version));
        let help = "keep other tools' YAML in another directory, or write `evenkeel/v1`";
        let reason = InvalidReason::SchemaInvalid;
        let spot = node.spot;
        Some(self.text.diagnostic(Problem { spot, reason, message, help: Some(help.to_owned()) }))
    }

    /// A document of nothing but comments.
    fn is_empty(&self, root: &Node) -> bool {
        matches!(&*root.kind, Kind::Scalar(Value::Null)) && self.text.written(root.spot).is_empty()
    }
}

/// The name that a document has, if it is a name and there is no other.
fn name_of(root: &Node) -> Option<TaskName> {
    let metadata = root.single("metadata")?;
    let label = |node: &Node| Label::parse(node.text()?).ok();
    let namespace = match &*metadata.kind {
        Kind::Map(map) if map.entries.contains_key("namespace") => {
            label(metadata.single("namespace")?)?
        }
        _ => Label::default_namespace(),
    };
    Some(TaskName { namespace, name: label(metadata.single("name")?)? })
}
