//! What the files of a directory ask for, compared with what a daemon that keeps it has taken in: what
//! was saved just now it may not have read yet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::api::client::{Client, ClientError};
use crate::domain::diagnostic::{Diagnostic, InvalidReason};
use crate::domain::instance::Uid;
use crate::domain::name::TaskName;
use crate::domain::record::Record;
use crate::domain::source::{Document, FileState, Snapshot};
use crate::domain::status::{Phase, TaskStatus};
use crate::domain::task::Task;
use crate::worker::command::{Held, Overview};

/// What the directory asks for: of each task every document with its name, and the file it is in.
pub struct Asked<'a> {
    tasks: BTreeMap<&'a TaskName, Vec<(&'a Task, &'a str)>>,
    /// Documents that are wrong, by the name they have, and the file they are in.
    broken: BTreeMap<&'a TaskName, &'a str>,
    /// All that is wrong.
    problems: Vec<&'a Diagnostic>,
    /// Every file could be read as far as its names: what is not among them has no manifest.
    is_whole: bool,
}

/// What a daemon says.
pub struct Known {
    /// How it is itself.
    pub overview: Overview,
    /// What is written down of its tasks.
    pub records: Vec<Record>,
    /// How its tasks are: told of what was accepted before.
    pub tasks: Vec<TaskStatus>,
}

/// What a daemon has taken in of a task.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// The daemon knows no such task, and no file asks for it.
    Unknown,
    /// Something else than the files say now.
    Other,
    /// That no file asks for it.
    Gone,
    /// Just what the files say, as this generation.
    Same(Uid, u64),
    /// The daemon keeps something else, and says why.
    Kept(Kept),
}

/// Why a daemon keeps something else than the files say, if it has read them.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it says is wrong; `None`: it can't tell whether the manifest is gone.
    pub why: Option<String>,
    /// It is of what the files say now if it says so for this long.
    pub after: Duration,
}

/// A file that the daemon found without an event it takes after two seconds.
pub const TAKEN: Duration = Duration::from_millis(2500);

/// A file that is still being written it takes after half a minute.
const WRITTEN: Duration = Duration::from_secs(35);

impl Known {
    /// Asks for it.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn ask(client: &Client) -> Result<Self, ClientError> {
        let (overview, records) = (client.worker().await?, client.records().await?);
        // Last, so that they were told of what is written down.
        let tasks = client.tasks().await?;
        Ok(Self { overview, records, tasks })
    }
}

impl<'a> Asked<'a> {
    /// Of what was read.
    #[must_use]
    pub fn of(snapshot: &'a Snapshot) -> Self {
        let mut asked = Self {
            tasks: BTreeMap::new(),
            broken: BTreeMap::new(),
            problems: Vec::new(),
            is_whole: true,
        };
        let Snapshot::Read { files } = snapshot else { return asked };
        for (file, state) in files {
            let documents = match state {
                FileState::Read { documents, .. } => documents,
                FileState::Unreadable { problems, .. } => {
                    asked.problems.extend(problems);
                    asked.is_whole = false;
                    continue;
                }
                FileState::Unlisted { problem } => {
                    asked.problems.push(problem);
                    asked.is_whole = false;
                    continue;
                }
                FileState::Unsettled => {
                    asked.is_whole = false;
                    continue;
                }
            };
            for document in documents {
                match document {
                    Document::Task { task, .. } => {
                        asked.tasks.entry(&task.name).or_default().push((task, file));
                    }
                    Document::Broken { name, problems, .. } => {
                        asked.problems.extend(problems);
                        asked.broken.extend(name.as_ref().map(|name| (name, file.as_str())));
                        asked.is_whole = false;
                    }
                    Document::Foreign { .. } => {}
                }
            }
        }
        asked
    }

    /// The tasks that are asked for.
    pub fn tasks(&self) -> impl Iterator<Item = &'a TaskName> {
        self.tasks.keys().copied()
    }

    /// The tasks that are asked for, those whose documents are wrong too.
    pub fn names(&self) -> impl Iterator<Item = &'a TaskName> {
        self.tasks().chain(self.broken.keys().copied())
    }

    /// Whether the daemon tells of each file that is wrong that it is.
    #[must_use]
    pub fn are_problems_told(&self, overview: &Overview) -> bool {
        let told: BTreeSet<&str> = overview.problems.iter().map(|it| it.file.as_str()).collect();
        self.problems.iter().all(|problem| told.contains(problem.file.as_str()))
    }
}

impl Asked<'_> {
    /// What a daemon has taken in of one task.
    #[must_use]
    pub fn taken(&self, name: &TaskName, known: &Known) -> Taken {
        let documents = self.tasks.get(name).map_or(&[][..], Vec::as_slice);
        let status = known.tasks.iter().find(|status| status.name == *name);
        let record = known.records.iter().find(|record| record.head.name == *name);
        let (Some(status), Some(record)) = (status, record) else {
            return self.refused(name, documents, known);
        };
        if let Some(first) = status.problems.first() {
            let after = status.problems.iter().map(|problem| self.after(problem)).max();
            let why = Some(first.to_string());
            return Taken::Kept(Kept { why, after: after.unwrap_or_default() });
        }
        if !documents.is_empty() || self.broken.contains_key(name) {
            let is_same = documents.iter().any(|(task, _)| **task == record.head.task);
            let same = Taken::Same(record.head.uid, record.head.generation);
            return if is_same { same } else { Taken::Other };
        }
        let is_held = |held: &Held| held.tasks.contains(name);
        if status.phase == Phase::Stopping {
            Taken::Gone
        } else if !self.is_whole || known.overview.prune_held.as_ref().is_some_and(is_held) {
            Taken::Kept(Kept { why: None, after: TAKEN })
        } else {
            Taken::Other
        }
    }

    /// For how long a daemon has to say that this is wrong until that is of what the files say now.
    fn after(&self, problem: &Diagnostic) -> Duration {
        match problem.reason {
            _ if self.problems.contains(&problem) => Duration::ZERO,
            // What others have, and what it allows, only the daemon knows.
            InvalidReason::NameConflict | InvalidReason::PolicyDenied => TAKEN,
            // It would be seen here too, unless the daemon is of another release.
            InvalidReason::ParseFailed | InvalidReason::SchemaInvalid => WRITTEN,
        }
    }

    /// What has become of a task that the daemon does not know.
    fn refused(&self, name: &TaskName, documents: &[(&Task, &str)], known: &Known) -> Taken {
        let broken = self.broken.get(name).copied();
        let mut files = documents.iter().map(|(_, file)| *file).chain(broken).peekable();
        if files.peek().is_none() {
            return Taken::Unknown;
        }
        let problems = &known.overview.problems;
        let found = files.find_map(|file| problems.iter().find(|problem| problem.file == file));
        found.map_or(Taken::Other, |problem| {
            let why = Some(problem.to_string());
            Taken::Kept(Kept { why, after: self.after(problem) })
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::policy::{Level, Policy};
    use crate::domain::record::Head;
    use crate::domain::source::Place;
    use crate::domain::time::{Mono, Timestamp};
    use crate::manifest;

    fn read(spec: &str) -> FileState {
        let text = format!(
            "apiVersion: evenkeel/v1\nkind: Task\nmetadata: {{name: web}}\nspec:\n  image: app:1\n{spec}"
        );
        let policy = Policy { level: Level::Baseline, allowed_host_paths: Vec::new() };
        let context = manifest::Context { source: "/srv", policy: &policy };
        manifest::read("web.yaml", text.as_bytes(), &context)
    }

    fn snapshot(spec: &str) -> Snapshot {
        Snapshot::Read { files: [("web.yaml".to_owned(), read(spec))].into() }
    }

    /// What a daemon says that has accepted a manifest with this spec.
    fn accepted(spec: &str) -> (Record, TaskStatus) {
        let FileState::Read { documents, .. } = read(spec) else { panic!("{spec}") };
        let Some(Document::Task { task, .. }) = documents.first() else { panic!("{spec}") };
        let head = Head {
            name: task.name.clone(),
            uid: Uid(Uuid::from_u128(1)),
            generation: 1,
            task: (**task).clone(),
            place: Place { file: "web.yaml".into(), line: 1 },
            going: false,
            refused: None,
            suspended: None,
            restart: None,
            created_at: Timestamp::from_millis(0),
        };
        let status = json!({
            "name": head.name, "uid": head.uid, "kind": "Service", "phase": "Running",
            "generation": 1, "observedGeneration": 1, "replicas": 1, "readyReplicas": 1,
            "updatedReplicas": 1, "restarts": 0, "conditions": [], "instances": [],
            "source": head.place, "image": "app:1", "createdAt": head.created_at,
        });
        (Record::accepted(head, Mono::default()), serde_json::from_value(status).unwrap())
    }

    #[test]
    fn a_daemon_must_be_waited_for_until_it_has_accepted_just_what_the_files_say() {
        let specs = [
            "",
            "  env: [{name: A, value: \"1\"}]\n",
            "  command: [sleep]\n",
            "  resources: {limits: {memory: 64Mi}}\n",
            "  replicas: 2\n",
        ];
        let name = accepted("").0.head.name;
        let same = Taken::Same(Uid(Uuid::from_u128(1)), 1);
        for asked in specs {
            for has in specs {
                let taken = Asked::of(&snapshot(asked)).taken(&name, &known(has, &[]));
                assert_eq!(taken == same, asked == has, "asked {asked:?}, accepted {has:?}");
            }
        }
    }

    #[test]
    fn of_each_wrong_file_a_daemon_must_say_so_before_it_has_read_all() {
        let broken = snapshot("  replicas: many\n");
        let asked = Asked::of(&broken);
        let problems: Vec<Diagnostic> = asked.problems.iter().copied().cloned().collect();
        assert!(!asked.are_problems_told(&known("", &[]).overview));
        assert!(asked.are_problems_told(&known("", &problems).overview));
        let right = snapshot("");
        assert!(Asked::of(&right).are_problems_told(&known("", &[]).overview));
    }

    /// What a daemon says of a task with this spec, which holds `problems` to be wrong.
    fn known(spec: &str, problems: &[Diagnostic]) -> Known {
        let (record, status) = accepted(spec);
        let overview = json!({
            "worker": "default", "version": "0", "pid": 1, "source": "/srv", "files": 1,
            "problems": problems, "goingDown": false, "tasks": 1,
        });
        let overview = serde_json::from_value(overview).unwrap();
        let status = TaskStatus { problems: problems.to_vec(), ..status };
        Known { overview, records: vec![record], tasks: vec![status] }
    }

    #[test]
    fn what_a_daemon_says_must_be_told_from_what_it_says_of_an_earlier_version() {
        let broken = snapshot("  replicas: many\n");
        let problems: Vec<Diagnostic> = Asked::of(&broken).problems.into_iter().cloned().collect();
        assert_eq!(problems.len(), 1);
        let told = |problems: &[Diagnostic]| Some(problems[0].to_string());
        let why = told(&problems);
        let denied = [Diagnostic { reason: InvalidReason::PolicyDenied, ..problems[0].clone() }];
        let kept = |why: Option<String>, after| Taken::Kept(Kept { why, after });
        let same = || Taken::Same(Uid(Uuid::from_u128(1)), 1);
        let name = accepted("").0.head.name;
        let none = || Known { records: Vec::new(), tasks: Vec::new(), ..known("", &[]) };
        let refusing = || Known { records: Vec::new(), tasks: Vec::new(), ..known("", &problems) };
        let gone = || Snapshot::Read { files: [].into() };
        let mut stopping = known("", &[]);
        stopping.tasks[0].phase = Phase::Stopping;
        let mut held = known("", &[]);
        let tasks = [name.clone()].into();
        held.overview.prune_held = Some(Held { tasks, why: "too many".to_owned() });
        for (case, files, known, wanted) in [
            ("accepted", snapshot(""), known("", &[]), same()),
            ("saved just now", snapshot("  replicas: 2\n"), known("", &[]), Taken::Other),
            ("broken just now", broken.clone(), known("", &[]), Taken::Other),
            ("broken", broken.clone(), known("", &problems), kept(why.clone(), Duration::ZERO)),
            ("mended just now", snapshot(""), known("", &problems), kept(why.clone(), WRITTEN)),
            ("denied", snapshot(""), known("", &denied), kept(told(&denied), TAKEN)),
            ("new", snapshot(""), none(), Taken::Other),
            ("new and refused", snapshot(""), refusing(), kept(why.clone(), WRITTEN)),
            ("new and broken", broken, refusing(), kept(why.clone(), Duration::ZERO)),
            ("nowhere", gone(), none(), Taken::Unknown),
            ("removed just now", gone(), known("", &[]), Taken::Other),
            ("removed", gone(), stopping, Taken::Gone),
            ("removed and held", gone(), held, kept(None, TAKEN)),
        ] {
            assert_eq!(Asked::of(&files).taken(&name, &known), wanted, "{case}");
        }
        let unreadable = FileState::Unreadable { digest: None, problems: Vec::new() };
        let files = Snapshot::Read { files: [("web.yaml".to_owned(), unreadable)].into() };
        assert_eq!(Asked::of(&files).taken(&name, &known("", &[])), kept(None, TAKEN));
    }
}
