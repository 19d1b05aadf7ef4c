//! What the files of a directory ask for, compared with what a daemon that keeps it has taken in: what
//! was saved just now it may not have read yet.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::name::TaskName;
use crate::domain::record::Record;
use crate::domain::source::{Document, FileState, Snapshot};
use crate::domain::status::TaskStatus;
use crate::domain::task::Task;
use crate::worker::command::Overview;

/// What the directory asks for: of each task every document with its name, and the file it is in.
pub struct Asked<'a> {
    tasks: BTreeMap<&'a TaskName, Vec<(&'a Task, &'a str)>>,
    /// Every file could be read as far as its names: what is not among them has no manifest.
    is_whole: bool,
}

impl<'a> Asked<'a> {
    /// Of what was read.
    #[must_use]
    pub fn of(snapshot: &'a Snapshot) -> Self {
        let mut asked = Self { tasks: BTreeMap::new(), is_whole: true };
        let Snapshot::Read { files } = snapshot else { return asked };
        for (file, state) in files {
            let FileState::Read { documents, .. } = state else {
                asked.is_whole = false;
                continue;
            };
            for document in documents {
                match document {
                    Document::Task { task, .. } => {
                        asked.tasks.entry(&task.name).or_default().push((task, file));
                    }
                    Document::Broken { .. } => asked.is_whole = false,
                    Document::Foreign { .. } => {}
                }
            }
        }
        asked
    }

    /// Whether the daemon has read it too: it has accepted just that, or refused it.
    #[must_use]
    pub fn is_taken(&self, overview: &Overview, tasks: &[TaskStatus], records: &[Record]) -> bool {
        let accepted: BTreeMap<&TaskName, &Task> =
            records.iter().map(|record| (&record.head.name, &record.head.task)).collect();
        // The daemon may be stricter than this command line.
        let has_problem = |task: &TaskStatus| !task.problems.is_empty();
        let held: BTreeSet<&TaskName> =
            tasks.iter().filter(|task| has_problem(task)).map(|task| &task.name).collect();
        let refused = |file: &str| overview.problems.iter().any(|problem| problem.file == file);
        let is_known = |(name, documents): (&&TaskName, &Vec<(&Task, &str)>)| {
            let mut documents = documents.iter();
            match accepted.get(name) {
                Some(known) => held.contains(name) || documents.any(|(task, _)| task == known),
                None => documents.any(|(_, file)| refused(file)),
            }
        };
        let held = overview.prune_held.as_ref();
        let is_meant = |task: &TaskStatus| {
            self.tasks.contains_key(&task.name)
                || held.is_some_and(|held| held.tasks.contains(&task.name))
        };
        self.tasks.iter().all(is_known) && (!self.is_whole || tasks.iter().all(is_meant))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::instance::Uid;
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
        let overview = json!({
            "worker": "default", "version": "0", "pid": 1, "source": "/srv", "files": 1,
            "problems": [], "goingDown": false, "tasks": 1,
        });
        let overview: Overview = serde_json::from_value(overview).unwrap();
        let specs = [
            "",
            "  env: [{name: A, value: \"1\"}]\n",
            "  command: [sleep]\n",
            "  resources: {limits: {memory: 64Mi}}\n",
            "  replicas: 2\n",
        ];
        for asked in specs {
            for has in specs {
                let snapshot = snapshot(asked);
                let (record, status) = accepted(has);
                let taken = Asked::of(&snapshot).is_taken(&overview, &[status], &[record]);
                assert_eq!(taken, asked == has, "asked {asked:?}, accepted {has:?}");
            }
        }
    }
}
