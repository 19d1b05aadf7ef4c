//! Where a manifest stands that is to be changed.

use super::super::Stands;
use super::*;

/// Where `web` stands after these looks, the last of which is the one that counts.
fn stands(looks: &[&[&str]]) -> String {
    let mut story = Story::new();
    for (at, files) in (0..).zip(looks) {
        story.at(at * 10, files);
    }
    let Some(Snapshot::Read { files }) = looks.last().map(|files| look(files)) else {
        return String::new();
    };
    match story.desired.stands(&names("web"), &files).remove(&name("web")) {
        Some(Stands::In { file, digest }) => format!("in {file} ({digest})"),
        Some(Stands::Nowhere) => "nowhere".to_owned(),
        Some(Stands::Broken { file, problems }) => {
            let problem = problems.first().map_or("nothing known", |it| &it.message);
            format!("broken {file}: {problem}")
        }
        Some(Stands::Twice(one, other)) => format!("twice: {one} and {other}"),
        None => "not told".to_owned(),
    }
}

#[test]
fn a_manifest_stands_where_its_document_is() {
    assert_eq!(stands(&[&["a.yaml=db web ?", "b.yaml=~"]]), "in a.yaml (db web ?)");
    assert_eq!(stands(&[&["a.yaml=web"], &["b.yaml=web"]]), "in b.yaml (web)");
    assert_eq!(stands(&[&["a.yaml=db", "b.yaml=~"]]), "nowhere");
}

#[test]
fn a_task_whose_manifest_is_gone_stands_nowhere() {
    let db = ["b.yaml=db"];
    let both = ["a.yaml=web", "b.yaml=db"];
    assert_eq!(stands(&[&both, &db]), "nowhere", "while it is missing");
    assert_eq!(stands(&[&both, &db, &db]), "nowhere", "when it is gone");
}

#[test]
fn what_is_broken_near_a_manifest_is_told() {
    for (files, told) in [
        (["a.yaml=!web"], "broken a.yaml: broken"),
        (["a.yaml=web !db"], "broken a.yaml: broken"),
        (["a.yaml=web !"], "broken a.yaml: broken"),
        (["a.yaml=~"], "broken a.yaml: unreadable"),
        (["a.yaml=..."], "broken a.yaml: nothing known"),
        (["a.yaml=!"], "broken a.yaml: broken"),
        (["a.yaml=#"], "broken a.yaml: the file holds no document, so what it held before is kept"),
    ] {
        assert_eq!(stands(&[&["a.yaml=web"], &files]), told, "{files:?}");
    }
    assert_eq!(stands(&[&["a.yaml=!web"]]), "broken a.yaml: broken", "one that never was accepted");
}

#[test]
fn a_manifest_in_two_places_is_told_of_both() {
    assert_eq!(stands(&[&["a.yaml=db web", "b.yaml=!web"]]), "twice: a.yaml:2 and b.yaml:1");
    assert_eq!(stands(&[&["a.yaml=web web"]]), "twice: a.yaml:1 and a.yaml:2");
}
