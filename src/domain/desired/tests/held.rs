//! What keeps the last good version of a task.

use super::*;

#[test]
fn a_broken_manifest_keeps_the_last_good_version() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web@1"]).at(1, &["a.yaml=!web"]);
    assert_eq!(story.tells(), "web@1 a.yaml there held: broken");
    assert_eq!(story.problems(), Vec::<String>::new());
    story.at(1000, &["a.yaml=!web"]);
    assert_eq!(story.tells(), "web@1 a.yaml there held: broken");
    story.at(1001, &["a.yaml=web@2"]);
    assert_eq!(story.tells(), "web@2 a.yaml there");
}

#[test]
fn a_broken_manifest_keeps_the_last_good_version_over_a_restart() {
    let mut story = Story::restored(&[("web", "a.yaml")]);
    story.at(0, &["a.yaml=!web"]);
    assert_eq!(story.tells(), "web@1 a.yaml there held: broken");
}

#[test]
fn one_bad_document_touches_no_other_task() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web db"]).at(1, &["a.yaml=!web db@2", "b.yaml=!new"]);
    assert_eq!(story.tells(), "db@2 a.yaml there\nweb@1 a.yaml there held: broken");
    assert_eq!(story.problems(), ["b.yaml: broken"]);
}

#[test]
fn a_file_that_cannot_be_read_holds_all_its_tasks() {
    for bad in ["a.yaml=~", "a.yaml=~x"] {
        let mut story = Story::new();
        story.at(0, &["a.yaml=web db", "b.yaml=cache"]).at(1, &[bad, "b.yaml=cache@2"]);
        let held = "db@1 a.yaml there held: unreadable\nweb@1 a.yaml there held: unreadable";
        assert_eq!(story.tells(), format!("cache@2 b.yaml there\n{held}"));
        assert_eq!((story.wakes_at(), story.problems()), (None, vec![]));
    }
}

#[test]
fn a_file_that_is_being_written_holds_its_tasks_and_is_no_problem() {
    let mut story = Story::restored(&[("web", "a.yaml")]);
    story.at(0, &["a.yaml=..."]).at(30, &["a.yaml=..."]);
    assert_eq!(story.tells(), "web@1 a.yaml there");
    story.at(31, &["a.yaml=web@2"]);
    assert_eq!(story.tells(), "web@2 a.yaml there");
}

#[test]
fn an_empty_file_is_no_deletion() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web db"]).at(1, &["a.yaml=#"]).at(100, &["a.yaml=#"]);
    assert!(story.tells().starts_with("db@1 a.yaml there held: the file holds no document"));
    // But the name is free for another file.
    story.at(101, &["a.yaml=#", "b.yaml=web@2"]);
    assert!(story.tells().ends_with("web@2 b.yaml there"));
    assert_eq!(story.problems(), Vec::<String>::new());
}

#[test]
fn a_broken_document_without_a_name_holds_what_its_file_lacks() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web db", "b.yaml=cache"]).at(1, &["a.yaml=! db@2", "b.yaml=cache"]);
    let rest = "db@2 a.yaml there\nweb@1 a.yaml there held: broken";
    assert_eq!(story.tells(), format!("cache@1 b.yaml there\n{rest}"));
    assert_eq!(story.problems(), Vec::<String>::new());
}

#[test]
fn a_broken_document_without_a_name_holds_nothing_that_is_there() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web"]).at(1, &["a.yaml=web@2 !"]);
    assert_eq!(story.tells(), "web@2 a.yaml there");
    assert_eq!(story.problems(), ["a.yaml: broken"]);
}

#[test]
fn a_directory_that_cannot_be_listed_holds_what_is_beneath_it() {
    let mut story = Story::restored(&[("web", "team/x/a.yaml"), ("db", "teams.yaml")]);
    story.at(0, &["team=/", "teams.yaml=db"]).at(100, &["team=/", "teams.yaml=db"]);
    assert_eq!(story.tells(), "db@1 teams.yaml there\nweb@1 team/x/a.yaml there held: unlisted");
}

#[test]
fn a_document_of_others_holds_nothing_unless_it_was_a_task() {
    let mut story = Story::new();
    // `web` turns into a document of another apiVersion: it was that task.
    story.at(0, &["a.yaml=? web db"]).at(1, &["a.yaml=? ? db"]).at(100, &["a.yaml=? ? db"]);
    assert_eq!(story.tells(), "db@1 a.yaml there\nweb@1 a.yaml there held: not ours");
    // `db` is taken out, and the documents of others stay as they were.
    story.at(101, &["a.yaml=? web db"]).at(102, &["a.yaml=? web"]).at(107, &["a.yaml=? web"]);
    assert_eq!(story.tells(), "db@1 a.yaml gone\nweb@1 a.yaml there");
}

#[test]
fn a_task_that_is_renamed_and_broken_at_once_is_held_where_it_is_now() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web"]).at(1, &["b.yaml=!web"]);
    assert_eq!(story.tells(), "web@1 b.yaml there held: broken");
    story.at(2, &["b.yaml=~"]).at(100, &["b.yaml=~"]);
    assert_eq!(story.tells(), "web@1 b.yaml there held: unreadable");
}
