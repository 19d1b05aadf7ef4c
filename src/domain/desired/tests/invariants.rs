//! What holds in every story.

use proptest::prelude::*;

use super::*;

/// What a file of three tasks may look like.
fn file() -> impl Strategy<Value = Option<Vec<u8>>> {
    // Tasks by number; 8 is an unreadable file, 9 a broken document, none at all an empty file.
    let tasks = prop::collection::btree_set(0..3u8, 0..=3).prop_map(Vec::from_iter);
    prop_oneof![
        6 => tasks.prop_map(Some),
        2 => Just(None),
        1 => Just(Some(vec![8])),
        1 => Just(Some(vec![0, 9])),
    ]
}

/// Seconds until the look, and three files; none if the source can't be read.
type Step = (u64, Option<[Option<Vec<u8>>; 3]>);

fn step() -> impl Strategy<Value = Step> {
    let files = [file(), file(), file()];
    (0..40u64, prop_oneof![8 => files.prop_map(Some), 1 => Just(None)])
}

fn snapshot(files: &[Option<Vec<u8>>; 3]) -> Snapshot {
    let names = ["a", "b", "c"];
    let entry = |(name, tasks): (&&str, &Option<Vec<u8>>)| {
        let word = |number: &u8| match number {
            8 => "~".to_owned(),
            9 => "!".to_owned(),
            number => format!("{name}{number}"),
        };
        let words: Vec<String> = tasks.as_ref()?.iter().map(word).collect();
        let words = if words.is_empty() { "#".to_owned() } else { words.join(" ") };
        Some(format!("{name}.yaml={words}"))
    };
    let entries: Vec<String> = names.iter().zip(files).filter_map(entry).collect();
    look(&entries.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The names that a snapshot has a good manifest of.
fn good(snapshot: &Snapshot) -> BTreeSet<TaskName> {
    let Snapshot::Read { files } = snapshot else { return BTreeSet::new() };
    let documents = files.values().flat_map(|state| match state {
        FileState::Read { documents, .. } => documents.as_slice(),
        _ => &[],
    });
    documents
        .filter_map(|document| match document {
            Document::Task { task, .. } => Some(task.name.clone()),
            _ => None,
        })
        .collect()
}

proptest! {
    // A failure prints its story; nothing is written beside the sources.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn no_task_goes_that_should_not(steps in prop::collection::vec(step(), 1..40)) {
        let mut story = Story::new();
        let mut at = 0;
        let mut missed: BTreeMap<TaskName, (u64, usize)> = BTreeMap::new();
        // Those that went and did not come back.
        let mut went: BTreeMap<TaskName, (u64, usize)> = BTreeMap::new();
        for (wait, files) in steps {
            at += wait;
            let before = story.desired.clone();
            let Some(files) = files else {
                story.see(at, &gone_away());
                prop_assert_eq!(&story.desired.tasks, &before.tasks);
                continue;
            };
            let snapshot = snapshot(&files);
            story.see(at, &snapshot);
            let good = good(&snapshot);
            let known = before.tasks.values().filter(|it| it.presence != Presence::Gone).count();
            for (name, wanted) in &story.desired.tasks {
                let gone_before =
                    before.tasks.get(name).is_some_and(|it| it.presence == Presence::Gone);
                match wanted.presence {
                    Presence::There => {
                        missed.remove(name);
                        went.remove(name);
                        let valid = wanted.validity == Validity::Valid;
                        prop_assert_eq!(good.contains(name), valid, "{}", name);
                    }
                    _ if good.contains(name) => prop_assert!(false, "{name} is there"),
                    Presence::Missing { .. } => {
                        missed.entry(name.clone()).or_insert((at, known));
                    }
                    Presence::Gone if gone_before => {}
                    Presence::Gone => {
                        let removal = missed.remove(name);
                        prop_assert!(removal.is_some_and(|(since, _)| at >= since + 5));
                        went.extend(removal.map(|removal| (name.clone(), removal)));
                    }
                }
            }
            let held = story.desired.prune_held.as_ref().map(|held| held.tasks.clone());
            for name in held.into_iter().flatten() {
                let presence = story.desired.tasks[&name].presence;
                let missing = matches!(presence, Presence::Missing { .. });
                prop_assert!(missing);
            }
        }
        for (start, known) in went.values() {
            let window = *start..=start + 60;
            let within = went.values().filter(|(at, _)| window.contains(at)).count();
            prop_assert!(within <= 1 || within * 2 <= *known, "{within} of {known}");
        }
    }
}
