//! What becomes of a rollout that fails.

use expect_test::expect;

use super::play::*;
use crate::domain::outcome::Cause;

#[test]
fn a_missing_image_must_leave_the_old_one_untouched_and_be_refused_at_the_deadline() {
    let mut task = service("web", "app:1");
    task.update.progress_deadline_seconds = Some(20);
    let mut play = Play::of(&task);
    play.run();
    play.retag("nope:9");
    expect![[r#"
        768s begin 0.2 revision 2: image changed from "app:1" to "nope:9"
        768s pull nope:9
        769s pull nope:9
        771s pull nope:9
        775s pull nope:9
        783s pull nope:9
        788s refuse revision 2: DeadlineExceeded: it got no further for 20 s: manifest unknown
        788s drop 0.2: revision 2 failed, back to revision 1: it got no further for 20 s: manifest unknown
    "#]]
    .assert_eq(&play.run());
    assert_eq!(play.running(), ["web.0.1".to_owned()].into());
    play.retag("app:2");
    expect![[r#"
        1554s begin 0.2 revision 3: image changed from "app:1" to "app:2"
        1554s pull app:2
        1554s create 0.2: image changed from "app:1" to "app:2"
        1554s start 0.2: image changed from "app:1" to "app:2"
        1556s stop 0.1 grace 10s: 0.2 has taken over
        1556s revision 3 is ready
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_missing_image_of_a_new_task_must_be_tried_for_ever() {
    let mut play = Play::of(&service("web", "nope:9"));
    play.run_for(secs(2000));
    let tries = play.told().matches("pull nope:9").count();
    assert!((30..50).contains(&tries), "{tries}");
    play.engine.images.insert("nope:9".into());
    play.run();
    assert_eq!(play.running(), ["web.0.1".to_owned()].into());
}

#[test]
fn going_back_by_hand_during_a_bad_rollout_must_never_touch_the_one_that_runs() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.engine.behaviours.insert("app:2".into(), Behaviour::Exits { after: secs(1), code: 1 });
    play.retag("app:2");
    play.run_for(secs(3));
    play.retag("app:1");
    expect![[r#"
        768s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        768s pull app:2
        768s create 0.2: image changed from "app:1" to "app:2"
        768s start 0.2: image changed from "app:1" to "app:2"
        769s begin 0.3 revision 2 failures 1: 0.2 ended: Error, exit code 1
        770s create 0.3: 0.2 ended: Error, exit code 1
        770s start 0.3: 0.2 ended: Error, exit code 1
        771s remove 0.2: it has ended and is not kept
        771s begin 0.4 revision 2 failures 2: 0.3 ended: Error, exit code 1
        771s forget 0.2: it has ended and is not kept
        771s drop 0.4: image changed from "app:2" to "app:1"
        771s revision 3 is ready
    "#]]
    .assert_eq(&play.run());
    assert_eq!(play.running(), ["web.0.1".to_owned()].into());
}

#[test]
fn going_back_by_hand_after_a_refusal_must_never_touch_the_one_that_runs() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.engine.behaviours.insert("app:2".into(), Behaviour::Exits { after: secs(1), code: 1 });
    play.retag("app:2");
    expect![[r#"
        768s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        768s pull app:2
        768s create 0.2: image changed from "app:1" to "app:2"
        768s start 0.2: image changed from "app:1" to "app:2"
        769s begin 0.3 revision 2 failures 1: 0.2 ended: Error, exit code 1
        770s create 0.3: 0.2 ended: Error, exit code 1
        770s start 0.3: 0.2 ended: Error, exit code 1
        771s remove 0.2: it has ended and is not kept
        771s begin 0.4 revision 2 failures 2: 0.3 ended: Error, exit code 1
        771s forget 0.2: it has ended and is not kept
        773s create 0.4: 0.3 ended: Error, exit code 1
        773s start 0.4: 0.3 ended: Error, exit code 1
        774s refuse revision 2: CrashLoop: attempt 3 of 3: 0.4 ended: Error, exit code 1
        774s remove 0.3: it has ended and is not kept
        774s forget 0.3: it has ended and is not kept
    "#]]
    .assert_eq(&play.run());
    play.retag("app:1");
    expect![[r#"
        1540s revision 3 is ready
    "#]]
    .assert_eq(&play.run());
    assert_eq!(play.running(), ["web.0.1".to_owned()].into());
    play.retag("app:2");
    expect![[r#"
        2306s begin 0.5 revision 4: image changed from "app:1" to "app:2"
        2306s pull app:2
        2306s create 0.5: image changed from "app:1" to "app:2"
        2306s start 0.5: image changed from "app:1" to "app:2"
        2307s remove 0.4: it has ended and is not kept
        2307s begin 0.6 revision 4 failures 1: 0.5 ended: Error, exit code 1
        2307s forget 0.4: it has ended and is not kept
        2308s create 0.6: 0.5 ended: Error, exit code 1
        2308s start 0.6: 0.5 ended: Error, exit code 1
        2309s remove 0.5: it has ended and is not kept
        2309s begin 0.7 revision 4 failures 2: 0.6 ended: Error, exit code 1
        2309s forget 0.5: it has ended and is not kept
        2311s create 0.7: 0.6 ended: Error, exit code 1
        2311s start 0.7: 0.6 ended: Error, exit code 1
        2312s refuse revision 4: CrashLoop: attempt 3 of 3: 0.7 ended: Error, exit code 1
        2312s remove 0.6: it has ended and is not kept
        2312s forget 0.6: it has ended and is not kept
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn replicas_edited_after_a_refusal_must_try_the_changed_manifest_again() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    let fails = never(Cause::BadCommand, "no such program");
    play.engine.behaviours.insert("app:2".into(), Behaviour::StartFails(fails));
    play.retag("app:2");
    expect![[r#"
        768s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        768s pull app:2
        768s create 0.2: image changed from "app:1" to "app:2"
        768s start 0.2: image changed from "app:1" to "app:2"
        768s refuse revision 2: StartError: 0.2 ended: StartError: no such program
    "#]]
    .assert_eq(&play.run());
    play.edit(|task| task.replicas = 2);
    expect![[r#"
        1534s begin 0.3 revision 3: image changed from "app:1" to "app:2"
        1534s begin 1.1 revision 3: the manifest asks for it
        1534s pull app:2
        1534s create 0.3: image changed from "app:1" to "app:2"
        1534s create 1.1: the manifest asks for it
        1534s start 0.3: image changed from "app:1" to "app:2"
        1534s start 1.1: the manifest asks for it
        1534s refuse revision 3: StartError: 0.3 ended: StartError: no such program
        1534s remove 0.2: it has ended and is not kept
        1534s begin 1.2 revision 1: revision 3 failed, back to revision 1: 0.3 ended: StartError: no such program
        1534s forget 0.2: it has ended and is not kept
        1534s create 1.2: revision 3 failed, back to revision 1: 0.3 ended: StartError: no such program
        1534s start 1.2: revision 3 failed, back to revision 1: 0.3 ended: StartError: no such program
    "#]].assert_eq(&play.run());
    assert_eq!(play.running(), ["web.0.1".to_owned(), "web.1.2".to_owned()].into());
}

#[test]
fn a_rollout_that_fails_while_scaling_must_end_with_all_wanted_of_the_last_good_one() {
    let mut task = service("web", "app:1");
    task.replicas = 2;
    let mut play = Play::of(&task);
    play.run();
    play.engine.behaviours.insert("app:2".into(), Behaviour::Exits { after: secs(1), code: 1 });
    play.edit(|task| {
        task.replicas = 4;
        task.template.image = crate::domain::template::ImageRef::checked("app:2");
    });
    expect![[r#"
        768s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        768s begin 2.1 revision 2: the manifest asks for it
        768s begin 3.1 revision 2: the manifest asks for it
        768s pull app:2
        768s create 0.2: image changed from "app:1" to "app:2"
        768s create 2.1: the manifest asks for it
        768s create 3.1: the manifest asks for it
        768s start 0.2: image changed from "app:1" to "app:2"
        768s start 2.1: the manifest asks for it
        768s start 3.1: the manifest asks for it
        769s begin 0.3 revision 2 failures 1: 0.2 ended: Error, exit code 1
        769s begin 2.2 revision 2 failures 1: 2.1 ended: Error, exit code 1
        769s begin 3.2 revision 2 failures 1: 3.1 ended: Error, exit code 1
        770s create 0.3: 0.2 ended: Error, exit code 1
        770s create 2.2: 2.1 ended: Error, exit code 1
        770s create 3.2: 3.1 ended: Error, exit code 1
        770s start 0.3: 0.2 ended: Error, exit code 1
        770s start 2.2: 2.1 ended: Error, exit code 1
        770s start 3.2: 3.1 ended: Error, exit code 1
        771s remove 0.2: it has ended and is not kept
        771s begin 0.4 revision 2 failures 2: 0.3 ended: Error, exit code 1
        771s remove 2.1: it has ended and is not kept
        771s remove 3.1: it has ended and is not kept
        771s forget 0.2: it has ended and is not kept
        771s forget 2.1: it has ended and is not kept
        771s begin 2.3 revision 2 failures 2: 2.2 ended: Error, exit code 1
        771s forget 3.1: it has ended and is not kept
        771s begin 3.3 revision 2 failures 2: 3.2 ended: Error, exit code 1
        773s create 0.4: 0.3 ended: Error, exit code 1
        773s create 2.3: 2.2 ended: Error, exit code 1
        773s create 3.3: 3.2 ended: Error, exit code 1
        773s start 0.4: 0.3 ended: Error, exit code 1
        773s start 2.3: 2.2 ended: Error, exit code 1
        773s start 3.3: 3.2 ended: Error, exit code 1
        774s refuse revision 2: CrashLoop: attempt 3 of 3: 0.4 ended: Error, exit code 1
        774s remove 0.3: it has ended and is not kept
        774s remove 2.2: it has ended and is not kept
        774s begin 2.4 revision 1: revision 2 failed, back to revision 1: attempt 3 of 3: 0.4 ended: Error, exit code 1
        774s remove 3.2: it has ended and is not kept
        774s begin 3.4 revision 1: revision 2 failed, back to revision 1: attempt 3 of 3: 0.4 ended: Error, exit code 1
        774s forget 0.3: it has ended and is not kept
        774s forget 2.2: it has ended and is not kept
        774s create 2.4: revision 2 failed, back to revision 1: attempt 3 of 3: 0.4 ended: Error, exit code 1
        774s forget 3.2: it has ended and is not kept
        774s create 3.4: revision 2 failed, back to revision 1: attempt 3 of 3: 0.4 ended: Error, exit code 1
        774s start 2.4: revision 2 failed, back to revision 1: attempt 3 of 3: 0.4 ended: Error, exit code 1
        774s start 3.4: revision 2 failed, back to revision 1: attempt 3 of 3: 0.4 ended: Error, exit code 1
    "#]].assert_eq(&play.run());
    assert_eq!(play.running().len(), 4);
}

#[test]
fn an_engine_that_was_away_must_not_use_up_the_deadline() {
    let mut task = service("web", "app:1");
    task.update.progress_deadline_seconds = Some(20);
    let mut play = Play::of(&task);
    play.run();
    play.retag("app:2");
    play.look();
    play.engine.up = false;
    play.run_for(secs(300));
    play.engine.pass_to(play.engine.now + secs(300));
    play.engine.up = true;
    play.engine.reached_at = play.engine.now;
    play.run();
    assert_eq!(play.running(), ["web.0.2".to_owned()].into());
}
