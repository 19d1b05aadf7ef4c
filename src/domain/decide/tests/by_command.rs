//! What people ask by command, beside the manifest.

use expect_test::expect;

use super::play::*;
use crate::domain::happening::Happening;
use crate::domain::task::RestartPolicy::OnFailure;

#[test]
fn what_is_suspended_by_command_must_stay_so_until_it_is_resumed() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.hold(true);
    expect![[r#"
        768s stop 0.1 grace 10s: the task was suspended by alice (evenkeel suspend)
    "#]]
    .assert_eq(&play.run());
    play.restart();
    play.retag("app:2");
    play.edit(|task| task.replicas = 2);
    assert_eq!(play.run(), "", "whatever its manifest says by then");
    play.hold(true);
    play.hold(false);
    expect![[r#"
        2300s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        2300s begin 1.1 revision 2: the manifest asks for it
        2300s pull app:2
        2300s create 0.2: image changed from "app:1" to "app:2"
        2300s create 1.1: the manifest asks for it
        2300s start 0.2: image changed from "app:1" to "app:2"
        2300s start 1.1: the manifest asks for it
        2302s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
    let asked = play.notes.iter().filter(|note| note.reason == Happening::SuspendAsked);
    assert_eq!(asked.count(), 1, "the second changed nothing");
}

#[test]
fn what_is_suspended_in_the_middle_of_a_rollout_must_go_on_with_it_when_it_is_resumed() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.retag("app:2");
    play.run_for(secs(1));
    play.hold(true);
    play.run();
    assert!(play.running().is_empty());
    play.told();
    play.hold(false);
    expect![[r#"
        1535s begin 0.3 revision 2: it is wanted again
        1535s create 0.3: it is wanted again
        1535s start 0.3: it is wanted again
        1537s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_job_that_is_suspended_by_command_must_have_had_its_run() {
    let mut play = Play::of(&job("mig", "app:1", OnFailure));
    play.run_for(secs(5));
    play.hold(true);
    play.run();
    assert!(play.running().is_empty());
    play.hold(false);
    play.told();
    assert_eq!(play.run(), "");
}

#[test]
fn a_suspend_by_command_must_be_told_to_be_lost_with_the_state() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.hold(true);
    play.run();
    play.lose_db();
    play.run();
    assert_eq!(play.running().len(), 1);
    let lost = play.notes.iter().find(|note| note.reason == Happening::StateLost).unwrap();
    assert!(lost.message.contains("a suspend by command"), "{}", lost.message);
}
