//! Tasks judged by the policy, with what is known of where their host paths lead.
//!
//! What a manifest says is judged when it is read. Where a link leads no manifest says, and the
//! policy may be a stricter one than a task was accepted under; so the worker judges what it reads
//! once more, `decide` whatever something new would be made of, and `files` at the last moment.

use std::collections::BTreeMap;

use super::diagnostic::{Diagnostic, InvalidReason, Span};
use super::policy::{Level, Policy, Violation};
use super::source::{Document, FileState};
use super::task::Task;
use super::template::{MountSource, Template};

/// Where paths of the host lead, as far as that is known.
pub type Leads = BTreeMap<String, Lead>;

/// Where a path of the host leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lead {
    /// There: absolute, links followed as far as there is something.
    To(String),
    /// The disk has been asked for long, and does not answer.
    Silent,
}

/// What a task may ask for, and what is known of what it asks.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    /// What the operator allows.
    pub policy: &'a Policy,
    /// The source directory: absolute, normalised.
    pub source: &'a str,
    /// Where paths lead.
    pub leads: &'a Leads,
}

/// Whether something may be made of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It may.
    Allowed,
    /// It may not; at least one reason.
    Denied(Vec<Violation>),
    /// That can't be told before it is known where this path leads.
    Open {
        /// The path.
        path: String,
        /// It has been asked for long.
        silent: bool,
    },
}

impl Judgement {
    /// Whether something may be made now.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        *self == Self::Allowed
    }
}

impl Judge<'_> {
    /// Whether something may be made of `task` now.
    #[must_use]
    pub fn judge(&self, task: &Task) -> Judgement {
        let mut found = self.policy.violations(task, self.source);
        if found.is_empty() {
            for path in self.policy.asks(self.source, &task.template) {
                let silent = match self.leads.get(path) {
                    Some(Lead::To(_)) => continue,
                    Some(Lead::Silent) => true,
                    None => false,
                };
                return Judgement::Open { path: path.to_owned(), silent };
            }
            found = self.strays(&task.template);
        }
        if found.is_empty() { Judgement::Allowed } else { Judgement::Denied(found) }
    }

    /// The host paths that lead elsewhere than is allowed, of those that are known to lead anywhere.
    #[must_use]
    pub fn strays(&self, template: &Template) -> Vec<Violation> {
        let real = |path: &str| match self.leads.get(path) {
            Some(Lead::To(real)) => Some(real.as_str()),
            Some(Lead::Silent) | None => None,
        };
        let grounds: Vec<&str> = self.policy.grounds(self.source).collect();
        let real_grounds = grounds.iter().filter_map(|ground| real(ground));
        let grounds: Vec<&str> = grounds.iter().copied().chain(real_grounds).collect();
        let led = host_paths(template).filter_map(|(mount, path)| Some((mount, path, real(path)?)));
        led.filter_map(|(mount, path, real)| {
            self.policy.stray(mount, (path, real), self.source, &grounds)
        })
        .collect()
    }

    /// The files of which something may not be accepted, as they count: a task that is denied is
    /// broken, and so is one that can't be judged yet, with nothing known to be wrong.
    #[must_use]
    pub fn broken(&self, files: &BTreeMap<String, FileState>) -> Vec<(String, FileState)> {
        let broken = files.iter().filter_map(|(file, state)| {
            let FileState::Read { digest, documents } = state else { return None };
            documents.iter().any(|it| self.problems(file, it).is_some()).then(|| {
                let judged = documents.iter().map(|it| self.judged(file, it)).collect();
                (file.clone(), FileState::Read { digest: digest.clone(), documents: judged })
            })
        });
        broken.collect()
    }

    fn judged(&self, file: &str, document: &Document) -> Document {
        match (document, self.problems(file, document)) {
            (Document::Task { task, line }, Some(problems)) => {
                Document::Broken { name: Some(task.name.clone()), line: *line, problems }
            }
            _ => document.clone(),
        }
    }

    /// What keeps a document from being accepted. What its disk does not tell for long does not:
    /// the task says itself what it waits for then.
    fn problems(&self, file: &str, document: &Document) -> Option<Vec<Diagnostic>> {
        let Document::Task { task, line } = document else { return None };
        let problem = |violation: Violation| Diagnostic {
            file: file.to_owned(),
            place: Some(Span::of_line(*line)),
            reason: InvalidReason::PolicyDenied,
            message: violation.to_string(),
            help: Some(violation.help),
        };
        match self.judge(task) {
            Judgement::Denied(found) => Some(found.into_iter().map(problem).collect()),
            Judgement::Open { silent: false, .. } => Some(Vec::new()),
            Judgement::Open { silent: true, .. } | Judgement::Allowed => None,
        }
    }
}

impl Policy {
    /// The paths of which it has to be known where they lead to judge what `template` makes.
    pub fn asks<'a>(
        &'a self,
        source: &'a str,
        template: &'a Template,
    ) -> impl Iterator<Item = &'a str> {
        let matters = self.level < Level::Privileged && host_paths(template).next().is_some();
        let paths = self.grounds(source).chain(host_paths(template).map(|(_, path)| path));
        paths.filter(move |_| matters)
    }
}

/// The host paths of a template, each with the number of its mount.
#[must_use = "nothing is looked at"]
pub fn host_paths(template: &Template) -> impl Iterator<Item = (usize, &str)> {
    let mounts = template.mounts.iter().enumerate();
    mounts.filter_map(|(index, mount)| match &mount.source {
        MountSource::HostPath { path, .. } => Some((index, path.as_str())),
        MountSource::Volume(_) | MountSource::EngineVolume(_) | MountSource::Tmpfs { .. } => None,
    })
}
