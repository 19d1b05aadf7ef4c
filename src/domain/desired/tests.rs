//! Sequences of looks, and the desired state after each.

mod conflicts;
mod held;
mod invariants;
mod removals;
mod stands;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uuid::Uuid;

use super::{Desired, Presence, PruneCause, Rules, Validity};
use crate::domain::diagnostic::{Diagnostic, InvalidReason};
use crate::domain::instance::Uid;
use crate::domain::name::TaskName;
use crate::domain::record::Head;
use crate::domain::source::{Document, FileState, Place, Snapshot};
use crate::domain::task::Task;
use crate::domain::time::{Mono, Timestamp};

fn name(text: &str) -> TaskName {
    TaskName::try_from(text.to_owned()).unwrap()
}

fn names(text: &str) -> BTreeSet<TaskName> {
    text.split_whitespace().map(name).collect()
}

/// A task whose `version` is the only thing that tells it from others of its name.
fn task(text: &str, version: u16) -> Task {
    serde_json::from_value(serde_json::json!({
        "name": name(text).to_string(),
        "replicas": version,
        "restartPolicy": "Always",
        "backoff": {"initialSeconds": 1, "maxSeconds": 60, "resetAfterSeconds": 600},
        "update": {
            "strategy": "Rolling", "maxSurge": 1, "maxUnavailable": 0, "minReadySeconds": 0
        },
        "terminationGracePeriodSeconds": 10,
        "template": {
            "image": "img",
            "imagePullPolicy": "IfNotPresent",
            "logging": {"driver": "json-file", "options": {}}
        }
    }))
    .unwrap()
}

/// What is known of a task from before.
fn head(text: &str, file: &str) -> Head {
    Head {
        name: name(text),
        uid: Uid(Uuid::from_u128(1)),
        generation: 1,
        task: task(text, 1),
        place: Place { file: file.to_owned(), line: 1 },
        going: false,
        refused: None,
        suspended: None,
        restart: None,
        created_at: Timestamp::from_millis(0),
    }
}

fn problem(file: &str, message: &str) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        place: None,
        reason: InvalidReason::SchemaInvalid,
        message: message.to_owned(),
        help: None,
    }
}

/// A look at files written as `path=documents`, documents as words: `web` or `web@2` is a task and
/// its version, `!web` one that is broken, `!` a broken one without a name, `?` one of others, `#`
/// nothing. `path=~` is a file that can't be read, `path=~x` the same with the content `x`,
/// `path=/` a directory that can't be listed, and `path=...` a file that is still being written.
fn look(files: &[&str]) -> Snapshot {
    let parse = |entry: &&str| {
        let (file, documents) = entry.split_once('=').unwrap();
        (file.to_owned(), state(file, documents))
    };
    Snapshot::Read { files: files.iter().map(parse).collect() }
}

fn state(file: &str, documents: &str) -> FileState {
    if documents == "..." {
        return FileState::Unsettled;
    }
    if documents == "/" {
        return FileState::Unlisted { problem: problem(file, "unlisted") };
    }
    if let Some(content) = documents.strip_prefix('~') {
        let digest = Some(content.to_owned()).filter(|content| !content.is_empty());
        return FileState::Unreadable { digest, problems: vec![problem(file, "unreadable")] };
    }
    let words = documents.split_whitespace().filter(|word| *word != "#").zip(1..);
    let parsed = words.map(|(word, line)| document(file, word, line)).collect();
    FileState::Read { digest: documents.to_owned(), documents: parsed }
}

fn document(file: &str, word: &str, line: u32) -> Document {
    if word == "?" {
        return Document::Foreign { problem: problem(file, "not ours") };
    }
    if let Some(broken) = word.strip_prefix('!') {
        let known = Some(broken).filter(|text| !text.is_empty()).map(name);
        let problems = vec![problem(file, "broken")];
        return Document::Broken { name: known, line, problems };
    }
    let (text, version) = word.split_once('@').unwrap_or((word, "1"));
    Document::Task { task: Box::new(task(text, version.parse().unwrap())), line }
}

fn gone_away() -> Snapshot {
    Snapshot::Unavailable { message: "it is not there".to_owned() }
}

/// A desired state that is looked at second by second.
struct Story {
    now: Mono,
    rules: Rules,
    desired: Desired,
}

impl Story {
    /// Nothing is known, and the source was never looked at.
    fn new() -> Self {
        Self::restored(&[])
    }

    /// `task file` pairs are known from before.
    fn restored(known: &[(&str, &str)]) -> Self {
        let known: Vec<Head> = known.iter().map(|(text, file)| head(text, file)).collect();
        let desired = Desired::restored(&known);
        Self { now: Mono(Duration::from_secs(1000)), rules: Rules::default(), desired }
    }

    /// The second `at` of the story, with these files.
    fn at(&mut self, at: u64, files: &[&str]) -> &mut Self {
        self.see(at, &look(files))
    }

    fn see(&mut self, at: u64, snapshot: &Snapshot) -> &mut Self {
        self.now = Mono(Duration::from_secs(1000 + at));
        let before = self.desired.clone();
        let changed = self.desired.advance(snapshot, &self.rules, self.now);
        for (name, wanted) in &self.desired.tasks {
            let same = before.tasks.get(name) == Some(wanted);
            assert!(same || changed.contains(name), "{name} changed, and nobody was told");
        }
        assert_eq!(before.next(snapshot, &self.rules, self.now), self.desired);
        self
    }

    /// Every task as `name@version file presence`, `held` if it is a last good version.
    fn tells(&self) -> String {
        let line = |(name, wanted): (&TaskName, &super::Wanted)| {
            let presence = match wanted.presence {
                Presence::There => "there",
                Presence::Missing { .. } => "missing",
                Presence::Gone => "gone",
            };
            let held = match &wanted.validity {
                Validity::Valid => String::new(),
                Validity::Held { problems, .. } => format!(" held: {}", problems[0].message),
            };
            let (version, file) = (wanted.task.replicas, &wanted.place.file);
            format!("{}@{version} {file} {presence}{held}", name.name)
        };
        self.desired.tasks.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn problems(&self) -> Vec<String> {
        self.desired.problems.iter().map(ToString::to_string).collect()
    }

    /// The names that are held, and why.
    fn held(&self) -> Option<(BTreeSet<TaskName>, PruneCause)> {
        self.desired.prune_held.clone().map(|held| (held.tasks, held.cause))
    }

    /// Seconds of the story until time alone changes something.
    fn wakes_at(&self) -> Option<u64> {
        self.desired.wake_at().map(|at| at.0.as_secs() - 1000)
    }
}

#[test]
fn a_task_is_wanted_as_its_manifest_says() {
    let mut story = Story::new();
    assert!(!story.desired.read_once);
    story.at(0, &["a.yaml=web db", "b.yaml=cache"]);
    assert!(story.desired.read_once);
    assert_eq!(story.tells(), "cache@1 b.yaml there\ndb@1 a.yaml there\nweb@1 a.yaml there");
    story.at(1, &["a.yaml=web@2 db", "b.yaml=cache"]);
    assert_eq!(story.tells(), "cache@1 b.yaml there\ndb@1 a.yaml there\nweb@2 a.yaml there");
    assert_eq!((story.wakes_at(), story.problems()), (None, vec![]));
}

#[test]
fn only_what_changed_is_told() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web", "b.yaml=db"]);
    let changed =
        story.desired.advance(&look(&["a.yaml=web@2", "b.yaml=db"]), &Rules::default(), story.now);
    assert_eq!(changed, names("web"));
    let again = look(&["a.yaml=web@2", "b.yaml=db"]);
    assert_eq!(story.desired.advance(&again, &Rules::default(), story.now), BTreeSet::new());
}

#[test]
fn an_unavailable_source_changes_nothing_but_that() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web", "b.yaml=db"]).at(1, &["a.yaml=web"]);
    let before = story.desired.clone();
    story.see(100, &gone_away());
    assert_eq!(story.desired.unavailable.as_deref(), Some("it is not there"));
    assert_eq!(story.wakes_at(), None);
    assert_eq!(Desired { unavailable: None, ..story.desired.clone() }, before);
    // The tombstone begins anew: a source that comes back may come back in pieces.
    story.at(101, &["a.yaml=web"]);
    assert_eq!(story.tells(), "db@1 b.yaml missing\nweb@1 a.yaml there");
    assert_eq!((story.wakes_at(), &story.desired.unavailable), (Some(106), &None));
}

#[test]
fn nothing_is_removed_before_the_source_was_read_once() {
    let mut story = Story::restored(&[("web", "a.yaml")]);
    story.see(0, &gone_away()).see(1000, &gone_away());
    assert_eq!(story.tells(), "web@1 a.yaml there");
    assert!(!story.desired.read_once);
}

#[test]
fn problems_are_sorted() {
    let mut story = Story::new();
    story.at(0, &["z.yaml=~", "b.yaml=! !new", "a.yaml=?"]);
    assert_eq!(story.problems(), ["b.yaml: broken", "z.yaml: unreadable"]);
}

#[test]
fn documents_of_others_are_no_problems() {
    let mut story = Story::new();
    story.at(0, &["compose.yaml=? web", "b.yaml=?"]);
    assert!(story.problems().is_empty());
    let files: Vec<&str> = story.desired.others.iter().map(|other| &*other.file).collect();
    assert_eq!(files, ["b.yaml", "compose.yaml"]);
}

#[test]
fn a_state_without_files_is_quiet() {
    let empty = Snapshot::Read { files: BTreeMap::new() };
    let mut story = Story::new();
    story.see(0, &empty);
    assert_eq!((story.tells(), story.held(), story.wakes_at()), (String::new(), None, None));
}
