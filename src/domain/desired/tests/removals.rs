//! What it takes until a task goes.

use super::super::ApprovalRefused;
use super::*;

#[test]
fn a_deletion_takes_the_time_of_a_tombstone() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web", "b.yaml=db"]).at(1, &["b.yaml=db"]);
    assert_eq!(story.tells(), "db@1 b.yaml there\nweb@1 a.yaml missing");
    assert_eq!(story.wakes_at(), Some(6));
    story.at(5, &["b.yaml=db"]);
    assert_eq!(story.tells(), "db@1 b.yaml there\nweb@1 a.yaml missing");
    story.at(6, &["b.yaml=db"]);
    assert_eq!(story.tells(), "db@1 b.yaml there\nweb@1 a.yaml gone");
    assert_eq!((story.wakes_at(), story.held()), (None, None));
}

#[test]
fn a_task_that_is_back_in_time_never_left() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web"]).at(1, &[]).at(5, &["a.yaml=web"]).at(100, &["a.yaml=web"]);
    assert_eq!(story.tells(), "web@1 a.yaml there");
    // The next deletion has its whole time again.
    story.at(101, &[]).at(105, &[]);
    assert_eq!(story.tells(), "web@1 a.yaml missing");
}

#[test]
fn a_task_that_is_gone_comes_back_as_a_new_one() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web"]).at(1, &[]).at(6, &[]);
    assert_eq!(story.tells(), "web@1 a.yaml gone");
    // Neither a broken manifest nor a file that can't be read calls it back.
    story.at(7, &["a.yaml=!web"]).at(8, &["a.yaml=~"]).at(9, &["a.yaml=#"]);
    assert_eq!(story.tells(), "web@1 a.yaml gone");
    story.at(10, &["a.yaml=web@2"]);
    assert_eq!(story.tells(), "web@2 a.yaml there");
}

#[test]
fn only_what_is_gone_can_be_forgotten() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web", "b.yaml=db"]).at(1, &["b.yaml=db"]);
    let before = story.desired.clone();
    story.desired.forget(&name("web"));
    assert_eq!(story.desired, before);
    story.at(6, &["b.yaml=db"]);
    let before = story.desired.clone();
    story.desired.forget(&name("db"));
    assert_eq!(story.desired, before);
    story.desired.forget(&name("web"));
    assert_eq!(story.tells(), "db@1 b.yaml there");
}

#[test]
fn a_deletion_while_the_worker_was_down_is_one_too() {
    let mut story = Story::restored(&[("web", "a.yaml"), ("db", "b.yaml"), ("x", "x.yaml")]);
    story.at(0, &["b.yaml=db", "x.yaml=x"]);
    assert!(story.tells().contains("web@1 a.yaml missing"));
    story.at(5, &["b.yaml=db", "x.yaml=x"]);
    assert!(story.tells().contains("web@1 a.yaml gone"));
}

/// Whoever is told of it again has to see that it may go on now.
#[test]
fn a_removal_that_was_decided_before_goes_on_unless_the_manifest_is_back() {
    let going = |text: &str, file: &str| Head { going: true, ..head(text, file) };
    let known = [going("web", "a.yaml"), going("db", "b.yaml"), head("x", "x.yaml")];
    let mut story = Story::new();
    story.desired = Desired::restored(&known);
    story.see(0, &gone_away());
    assert_eq!(story.tells(), "db@1 b.yaml gone\nweb@1 a.yaml gone\nx@1 x.yaml there");
    let files = look(&["c.yaml=db@2", "a.yaml=!web", "x.yaml=x"]);
    let changed = story.desired.advance(&files, &story.rules, story.now);
    assert_eq!(changed, names("db web"));
    assert_eq!(story.tells(), "db@2 c.yaml there\nweb@1 a.yaml gone\nx@1 x.yaml there");
    assert_eq!((story.held(), story.wakes_at()), (None, None));
    assert_eq!(story.desired.advance(&files, &story.rules, story.now), names(""));
}

#[test]
fn what_was_going_before_makes_no_room_for_removals() {
    let known: Vec<Head> = ["a", "b", "c", "d"]
        .map(|it| Head { going: it > "b", ..head(it, &format!("{it}.yaml")) })
        .into();
    let mut story = Story::new();
    story.desired = Desired::restored(&known);
    story.at(0, &[]).at(5, &[]);
    assert_eq!(story.held(), Some((names("a b"), PruneCause::TooMany { known: 2 })));
}

#[test]
fn a_task_let_go_by_its_annotation_is_gone_as_well() {
    let mut story = Story::new();
    let mut kept = task("web", 1);
    kept.annotations.insert("evenkeel/prune".into(), "false".into());
    let document = Document::Task { task: Box::new(kept), line: 1 };
    let state = FileState::Read { digest: "x".into(), documents: vec![document] };
    story.see(0, &Snapshot::Read { files: [("a.yaml".to_owned(), state)].into() });
    story.at(1, &[]).at(6, &[]);
    assert_eq!(story.tells(), "web@1 a.yaml gone");
}

#[test]
fn another_branch_and_back_removes_nothing() {
    let mut story = Story::new();
    let branch = ["a.yaml=a", "b.yaml=b", "c.yaml=c", "d.yaml=d"];
    let there = story.at(0, &branch).tells();
    story.at(1, &["a.yaml=a"]).at(2, &["e.yaml=e"]).at(4, &branch);
    assert_eq!(story.held(), None);
    story.at(9, &branch).at(100, &branch);
    let back =
        story.tells().lines().filter(|line| !line.starts_with('e')).collect::<Vec<_>>().join("\n");
    assert_eq!(back, there);
    assert_eq!(story.held(), None);
}

#[test]
fn a_directory_moved_away_and_back_removes_nothing() {
    let mut story = Story::new();
    let all = ["x/a.yaml=a", "x/b.yaml=b", "x/c.yaml=c"];
    let there = story.at(0, &all).tells();
    story.at(1, &[]).at(6, &[]).at(600, &[]);
    assert_eq!(story.held(), Some((names("a b c"), PruneCause::TooMany { known: 3 })));
    assert!(!story.tells().contains("gone"));
    story.at(601, &all);
    assert_eq!((story.tells(), story.held()), (there, None));
}

#[test]
fn all_files_deleted_are_held_until_a_person_says_so() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=a", "b.yaml=b"]).at(1, &[]);
    assert_eq!(story.held(), None, "nothing is due yet");
    story.at(6, &[]);
    assert_eq!(story.held(), Some((names("a b"), PruneCause::TooMany { known: 2 })));
    assert_eq!(story.wakes_at(), None);
    let refused = story.desired.approve_prune(&names("a"));
    assert_eq!(refused, Err(ApprovalRefused::OtherTasks { held: names("a b") }));
    story.desired = story.desired.approve_prune(&names("a b")).unwrap();
    assert_eq!((story.tells(), story.held()), ("a@1 a.yaml gone\nb@1 b.yaml gone".into(), None));
    let refused = story.desired.approve_prune(&names("a b"));
    assert_eq!(refused, Err(ApprovalRefused::NothingHeld));
}

#[test]
fn what_is_approved_is_not_counted_afterwards() {
    let mut story = Story::new();
    let all = ["a.yaml=a", "b.yaml=b", "c.yaml=c"];
    story.at(0, &all).at(1, &["c.yaml=c"]).at(6, &["c.yaml=c"]);
    story.desired = story.desired.approve_prune(&names("a b")).unwrap();
    story.at(7, &[]).at(12, &[]);
    assert!(story.tells().ends_with("c@1 c.yaml gone"), "one of one");
}

#[test]
fn an_approval_waits_for_a_source_that_can_be_read() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=a", "b.yaml=b"]).at(1, &[]).at(6, &[]).see(7, &gone_away());
    let refused = story.desired.approve_prune(&names("a b"));
    assert_eq!(refused, Err(ApprovalRefused::SourceUnavailable));
}

#[test]
fn one_of_two_goes_and_two_of_three_are_held_and_two_of_four_go() {
    let mut one = Story::new();
    one.at(0, &["a.yaml=a", "b.yaml=b"]).at(1, &["b.yaml=b"]).at(6, &["b.yaml=b"]);
    assert_eq!(one.tells(), "a@1 a.yaml gone\nb@1 b.yaml there");

    let mut two = Story::new();
    two.at(0, &["a.yaml=a", "b.yaml=b c"]).at(1, &["b.yaml=c"]).at(6, &["b.yaml=c"]);
    assert_eq!(two.held(), Some((names("a b"), PruneCause::TooMany { known: 3 })));

    let mut half = Story::new();
    half.at(0, &["a.yaml=a b", "b.yaml=c d"]).at(1, &["b.yaml=c d"]).at(6, &["b.yaml=c d"]);
    assert_eq!(half.held(), None);
    assert!(half.tells().starts_with("a@1 a.yaml gone\nb@1 a.yaml gone"));
}

#[test]
fn the_share_that_may_go_is_the_persons() {
    let mut story = Story::new();
    story.rules.max_prune = 1.0;
    story.at(0, &["a.yaml=a", "b.yaml=b"]).at(1, &[]).at(6, &[]);
    assert_eq!(story.held(), None);
}

#[test]
fn removals_are_counted_over_a_minute() {
    let mut near = Story::new();
    near.at(0, &["a.yaml=a", "b.yaml=b c"]).at(1, &["b.yaml=b c"]).at(6, &["b.yaml=b c"]);
    near.at(60, &["b.yaml=c"]).at(65, &["b.yaml=c"]);
    assert_eq!(near.held(), Some((names("b"), PruneCause::TooMany { known: 3 })), "59 s apart");
    near.at(10_000, &["b.yaml=c"]);
    assert!(near.held().is_some(), "time alone ends no hold");

    let mut far = Story::new();
    far.at(0, &["a.yaml=a", "b.yaml=b c"]).at(1, &["b.yaml=b c"]).at(6, &["b.yaml=b c"]);
    far.at(62, &["b.yaml=c"]).at(67, &["b.yaml=c"]);
    assert_eq!(far.held(), None, "61 s apart");
    assert_eq!(far.tells(), "a@1 a.yaml gone\nb@1 b.yaml gone\nc@1 b.yaml there");
}

#[test]
fn of_two_looks_at_one_instant_the_one_that_knew_fewer_counts() {
    let mut story = Story::new();
    story
        .at(0, &["b.yaml=b"])
        .at(1, &["a.yaml=a", "c.yaml=c d"])
        .at(1, &["a.yaml=#", "c.yaml=c d"]);
    assert_eq!(story.held(), None, "an empty file holds what it held");
    story.at(1, &["c.yaml=c d"]).at(6, &["c.yaml=c d"]);
    assert_eq!(story.held(), Some((names("a b"), PruneCause::TooMany { known: 1 })));
}

#[test]
fn removals_that_trickle_in_are_held_from_the_first_that_is_not_done() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=a", "b.yaml=b", "c.yaml=c"]).at(1, &["b.yaml=b", "c.yaml=c"]);
    story.at(4, &["c.yaml=c"]).at(6, &["c.yaml=c"]);
    assert_eq!(story.held(), Some((names("a b"), PruneCause::TooMany { known: 3 })));
}

#[test]
fn new_tasks_do_not_make_room_for_removals() {
    let mut story = Story::new();
    let new: Vec<String> = (0..9).map(|at| format!("n{at}.yaml=n{at}")).collect();
    let new: Vec<&str> = new.iter().map(String::as_str).collect();
    story.at(0, &["a.yaml=a", "b.yaml=b"]).at(1, &new).at(6, &new);
    assert_eq!(story.held(), Some((names("a b"), PruneCause::TooMany { known: 2 })));
}

#[test]
fn one_that_comes_back_frees_the_one_that_does_not() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=a", "b.yaml=b", "c.yaml=c"]).at(1, &["c.yaml=c"]).at(6, &["c.yaml=c"]);
    assert!(story.held().is_some());
    story.at(7, &["a.yaml=a", "c.yaml=c"]);
    assert_eq!(story.held(), None);
    assert_eq!(story.tells(), "a@1 a.yaml there\nb@1 b.yaml gone\nc@1 c.yaml there");
}

#[test]
fn what_a_person_asked_for_goes_at_once_and_is_not_counted() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=a", "b.yaml=b", "c.yaml=c"]);
    story.desired = story.desired.remove_meant(&names("a b"), &story.rules, story.now);
    assert_eq!(story.tells(), "a@1 a.yaml gone\nb@1 b.yaml gone\nc@1 c.yaml there");
    // A snapshot from before, then those after; and one more deletion, which counts alone.
    story.at(1, &["a.yaml=a", "b.yaml=b", "c.yaml=c"]);
    assert_eq!(story.tells(), "a@1 a.yaml gone\nb@1 b.yaml gone\nc@1 c.yaml there");
    assert_eq!(story.wakes_at(), Some(5));
    story.at(2, &["c.yaml=c"]).at(3, &[]).at(8, &[]);
    assert_eq!(story.held(), None);
    assert!(story.tells().ends_with("c@1 c.yaml gone"));
}

#[test]
fn a_word_for_one_that_is_held_is_none_for_the_others() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=a", "b.yaml=b", "c.yaml=c", "d.yaml=d"]).at(1, &["d.yaml=d"]);
    story.at(6, &["d.yaml=d"]);
    let known = PruneCause::TooMany { known: 4 };
    assert_eq!(story.held(), Some((names("a b c"), known.clone())));
    story.desired = story.desired.remove_meant(&names("a"), &story.rules, story.now);
    assert_eq!(story.held(), Some((names("b c"), known.clone())));
    story.desired.forget(&name("a"));
    story.at(7, &["d.yaml=d"]).at(600, &["d.yaml=d"]);
    assert_eq!(story.held(), Some((names("b c"), known)));
    story.desired = story.desired.remove_meant(&names("b c"), &story.rules, story.now);
    assert_eq!(story.held(), None);
}

#[test]
fn what_a_person_asked_for_comes_back_if_its_manifest_stays() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=a"]);
    story.desired = story.desired.remove_meant(&names("a"), &story.rules, story.now);
    story.at(5, &["a.yaml=a"]);
    assert_eq!(story.tells(), "a@1 a.yaml there");
    // A manifest that says something new is believed at once.
    story.desired = story.desired.remove_meant(&names("a"), &story.rules, story.now);
    story.at(6, &["a.yaml=a@2"]);
    assert_eq!(story.tells(), "a@2 a.yaml there");
}

#[test]
fn a_file_that_came_up_unreadable_may_be_the_renamed_one() {
    let unreadable = |file: &str| PruneCause::Unreadable { file: file.to_owned() };
    for new in ["b.yaml=~", "b.yaml=~x", "b.yaml=!", "b.yaml=..."] {
        let mut story = Story::new();
        let rest = "c.yaml=c d e f";
        story.at(0, &["a.yaml=web", rest]).at(1, &[new, rest]).at(6, &[new, rest]);
        assert_eq!(story.held(), Some((names("web"), unreadable("b.yaml"))), "{new}");
        story.at(1000, &[new, rest]);
        assert!(story.tells().ends_with("web@1 a.yaml missing"), "{new}");
        story.at(1001, &["b.yaml=web@2", rest]);
        assert!(story.tells().ends_with("web@2 b.yaml there"), "{new}");
        assert_eq!(story.held(), None);
    }
}

#[test]
fn a_file_that_was_unreadable_all_along_holds_no_removal() {
    let mut story = Story::new();
    let rest = ["b.yaml=~x", "c.yaml=c"];
    story.at(0, &["a.yaml=web", rest[0], rest[1]]).at(100, &rest).at(105, &rest);
    assert!(story.tells().ends_with("web@1 a.yaml gone"));
}

#[test]
fn a_directory_that_cannot_be_listed_holds_every_removal() {
    let mut story = Story::new();
    let rest = ["team=/", "z.yaml=a b c"];
    story.at(0, &["b.yaml=web", rest[0], rest[1]]).at(1000, &rest).at(1005, &rest);
    let cause = PruneCause::Unlisted { directory: "team".into() };
    assert_eq!(story.held(), Some((names("web"), cause)));
    assert_eq!(story.wakes_at(), None);
    story.at(9999, &rest);
    assert!(story.tells().contains("web@1 b.yaml missing"));
    // It was there all the time; what was not there goes.
    let mut moved = Story { desired: story.desired.clone(), ..story };
    moved.at(10_000, &["team/b.yaml=web", rest[1]]);
    assert_eq!((moved.held(), moved.tells().contains("web@1 team/b.yaml there")), (None, true));
    let mut gone = story;
    gone.at(10_000, &rest[1..]);
    assert_eq!((gone.held(), gone.tells().contains("web@1 b.yaml gone")), (None, true));
}

#[test]
fn a_file_that_changed_and_is_still_unreadable_holds_a_removal() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web", "b.yaml=~x"]).at(100, &["b.yaml=~x"]).at(101, &["b.yaml=~y"]);
    story.at(105, &["b.yaml=~y"]);
    assert!(story.tells().ends_with("web@1 a.yaml missing"));
    story.desired = story.desired.approve_prune(&names("web")).unwrap();
    assert!(story.tells().ends_with("web@1 a.yaml gone"));
}

#[test]
fn a_new_name_seen_just_before_the_old_one_goes_holds_it() {
    let mut story = Story::new();
    story.at(0, &["a.yaml=web"]).at(10, &["a.yaml=web", "b.yaml=!"]).at(11, &["b.yaml=!"]);
    story.at(16, &["b.yaml=!"]);
    assert!(story.held().is_some());
}

#[test]
fn at_a_start_every_unreadable_file_is_new() {
    let mut story = Story::restored(&[("web", "a.yaml"), ("db", "c.yaml")]);
    story.at(0, &["b.yaml=~x", "c.yaml=db"]).at(5, &["b.yaml=~x", "c.yaml=db"]);
    assert!(story.held().is_some());
    story.at(6, &["b.yaml=other", "c.yaml=db"]);
    assert!(story.tells().ends_with("web@1 a.yaml gone"));
}
