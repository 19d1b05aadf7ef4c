//! `evenkeel validate`.

pub(super) mod gather;

use serde::Serialize;

use super::args::{ProblemFormat, Validate};
use super::{Exit, escape, fold, out};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::source::{Document, FileState};
use crate::manifest::across;
use crate::manifest::render::{self, Colour, Weight};
use gather::{Gathered, gather};

/// Checks manifests, and tells all that is wrong with them.
pub fn validate(args: &Validate) -> anyhow::Result<Exit> {
    let gathered = gather(&args.paths, &args.allow.policy())?;
    let report = Report::of(&gathered);
    let text = match args.output {
        ProblemFormat::Text => report.people(),
        ProblemFormat::Github => {
            render::github_of(&report.warnings, Weight::Warning, "")
                + &render::github(&report.errors, "")
        }
        ProblemFormat::Json => serde_json::to_string_pretty(&report.data())? + "\n",
    };
    out::data(&text)?;
    out::say(&report.summary());
    Ok(if report.errors.is_empty() { Exit::Ok } else { Exit::Failed })
}

/// What was found.
pub(super) struct Report<'a> {
    files: Vec<&'a str>,
    tasks: Vec<TaskData<'a>>,
    /// What is wrong.
    pub(super) errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

/// A task, for programs.
#[derive(Serialize)]
struct TaskData<'a> {
    name: String,
    file: &'a str,
    line: u32,
}

/// A problem, for programs.
#[derive(Serialize)]
struct ProblemData<'a> {
    severity: &'static str,
    #[serde(flatten)]
    problem: &'a Diagnostic,
}

/// All of it, for programs.
#[derive(Serialize)]
struct Data<'a> {
    files: &'a [&'a str],
    tasks: &'a [TaskData<'a>],
    problems: Vec<ProblemData<'a>>,
}

impl<'a> Report<'a> {
    pub(super) fn of(gathered: &'a Gathered) -> Self {
        let mut report = Self {
            files: gathered.files.keys().map(String::as_str).collect(),
            tasks: Vec::new(),
            errors: across(&gathered.files),
            warnings: Vec::new(),
        };
        for (file, state) in &gathered.files {
            match state {
                FileState::Read { documents, .. } => {
                    for document in documents {
                        // Another tool's YAML beside manifests is its owner's business; but who
                        // names a file means it to be a manifest.
                        report.take(file, document, gathered.named.contains(file));
                    }
                }
                FileState::Unreadable { problems, .. } => report.errors.extend(problems.clone()),
                FileState::Unlisted { problem } => report.errors.push(problem.clone()),
                FileState::Unsettled => {}
            }
        }
        for problems in [&mut report.errors, &mut report.warnings] {
            problems.sort_by_cached_key(|problem| {
                let place = problem.place.as_ref().map(|place| (place.line, place.column));
                (problem.file.clone(), place)
            });
        }
        report
    }

    fn take(&mut self, file: &'a str, document: &'a Document, is_named: bool) {
        match document {
            Document::Task { task, line } => {
                self.tasks.push(TaskData { name: task.name.to_string(), file, line: *line });
            }
            Document::Broken { problems, .. } => self.errors.extend(problems.clone()),
            Document::Foreign { problem } if is_named => self.errors.push(problem.clone()),
            Document::Foreign { problem } => self.warnings.push(problem.clone()),
        }
    }

    fn people(&self) -> String {
        let of = |problems: &[Diagnostic], weight| {
            let harmless: Vec<Diagnostic> = problems.iter().map(escape::problem).collect();
            let room = fold::room();
            fold::diagnostics(&render::people_of(&harmless, weight, Colour::Always, room), room)
        };
        let parts = [of(&self.warnings, Weight::Warning), of(&self.errors, Weight::Error)];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("\n")
    }

    fn data(&self) -> Data<'_> {
        let with = |severity| move |problem| ProblemData { severity, problem };
        let errors = self.errors.iter().map(with("error"));
        let problems = self.warnings.iter().map(with("warning")).chain(errors).collect();
        Data { files: &self.files, tasks: &self.tasks, problems }
    }

    /// `3 files, 5 tasks: no problems`.
    pub(super) fn summary(&self) -> String {
        let files = counted(self.files.len(), "file");
        if self.files.is_empty() {
            return "there are no manifests (*.yaml, *.yml, *.json) there".to_owned();
        }
        let warned = match self.warnings.len() {
            0 => String::new(),
            count => format!(", {}", counted(count, "warning")),
        };
        let tasks = counted(self.tasks.len(), "task");
        if self.errors.is_empty() {
            return format!("{files}, {tasks}: no problems{warned}");
        }
        let mut broken: Vec<&str> = self.errors.iter().map(|it| &*it.file).collect();
        broken.dedup();
        let problems = counted(self.errors.len(), "problem");
        format!("{files}: {problems} in {}{warned}", counted(broken.len(), "file"))
    }
}

/// `1 file`, `3 files`.
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
