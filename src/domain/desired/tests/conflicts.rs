//! Two documents of one name.

use super::*;

#[test]
fn who_held_the_name_first_keeps_it() {
    let mut story = Story::new();
    story.at(0, &["b.yaml=web"]).at(1, &["a.yaml=web@2", "b.yaml=web"]);
    assert_eq!(story.tells(), "web@1 b.yaml there");
    let all = story.problems();
    assert_eq!(all.len(), 1);
    assert!(all[0].starts_with(
        "a.yaml: task default/web at a.yaml:1 is not used: b.yaml:1 has that name already"
    ));
    assert_eq!(story.desired.problems[0].reason, InvalidReason::NameConflict);
    story.at(2, &["a.yaml=web@2", "b.yaml=web@3"]);
    assert_eq!(story.tells(), "web@3 b.yaml there");
}

#[test]
fn the_other_takes_over_when_the_holder_goes() {
    let mut story = Story::new();
    story.at(0, &["b.yaml=web"]).at(1, &["a.yaml=web@2", "b.yaml=web"]).at(2, &["a.yaml=web@2"]);
    assert_eq!(story.tells(), "web@2 a.yaml there");
    assert_eq!(story.problems(), Vec::<String>::new());
}

#[test]
fn who_held_the_name_keeps_it_over_a_restart() {
    let mut story = Story::restored(&[("web", "b.yaml")]);
    story.at(0, &["a.yaml=web@2", "b.yaml=web"]);
    assert_eq!(story.tells(), "web@1 b.yaml there");
}

#[test]
fn of_two_new_ones_the_first_by_file_and_line_has_the_name() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=!web", "b.yaml=web@1 web@2", "c.yaml=web@3"]);
    assert_eq!(story.tells(), "web@1 b.yaml there");
    assert_eq!(story.problems().len(), 3);
}

#[test]
fn a_broken_holder_keeps_the_name() {
    let mut story = Story::new();
    story.at(0, &["b.yaml=web"]).at(1, &["a.yaml=web@2", "b.yaml=!web"]);
    assert_eq!(story.tells(), "web@1 b.yaml there held: broken");
    assert_eq!(story.problems().len(), 1);
    // Nobody knows whether the name still stands in a file that can't be read.
    for bad in ["b.yaml=~", "b.yaml=!", "b.yaml=..."] {
        story.at(2, &["a.yaml=web@2", bad]);
        assert!(story.tells().starts_with("web@1 b.yaml there"), "{bad}");
        assert_eq!(story.desired.problems[0].reason, InvalidReason::NameConflict, "{bad}");
    }
}

#[test]
fn a_file_moved_with_its_task_is_the_same_task() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web"]).at(1, &["b.yaml=web"]);
    assert_eq!(story.tells(), "web@1 b.yaml there");
    assert_eq!((story.wakes_at(), story.held()), (None, None));
}

#[test]
fn a_document_that_moves_within_its_file_is_the_same_task() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web"]).at(1, &["a.yaml=db web"]);
    assert_eq!(story.desired.tasks[&name("web")].place.line, 2);
    assert_eq!((story.wakes_at(), story.problems()), (None, vec![]));
}
