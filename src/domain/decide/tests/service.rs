//! A service: its start, its restarts, its replacement.

use expect_test::expect;

use super::play::*;

#[test]
fn a_new_task_must_run_and_then_be_left_alone() {
    let mut play = Play::of(&service("web", "app:1"));
    expect![[r#"
        0s begin 0.1 revision 1: the manifest asks for it
        0s pull app:1
        0s make-network 0.1: the manifest asks for it
        0s create 0.1: the manifest asks for it
        0s start 0.1: the manifest asks for it
        2s revision 1 is ready
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_crash_must_be_restarted_after_waits_that_double() {
    let mut play = Play::of(&service("web", "app:1"));
    play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(3), code: 1 });
    play.run_for(secs(60));
    expect![[r#"
        0s begin 0.1 revision 1: the manifest asks for it
        0s pull app:1
        0s make-network 0.1: the manifest asks for it
        0s create 0.1: the manifest asks for it
        0s start 0.1: the manifest asks for it
        2s revision 1 is ready
        3s begin 0.2 revision 1 failures 1: 0.1 ended: Error, exit code 1
        4s create 0.2: 0.1 ended: Error, exit code 1
        4s start 0.2: 0.1 ended: Error, exit code 1
        7s remove 0.1: it has ended and is not kept
        7s begin 0.3 revision 1 failures 2: 0.2 ended: Error, exit code 1
        7s forget 0.1: it has ended and is not kept
        9s create 0.3: 0.2 ended: Error, exit code 1
        9s start 0.3: 0.2 ended: Error, exit code 1
        12s remove 0.2: it has ended and is not kept
        12s begin 0.4 revision 1 failures 3: 0.3 ended: Error, exit code 1
        12s forget 0.2: it has ended and is not kept
        16s create 0.4: 0.3 ended: Error, exit code 1
        16s start 0.4: 0.3 ended: Error, exit code 1
        19s remove 0.3: it has ended and is not kept
        19s begin 0.5 revision 1 failures 4: 0.4 ended: Error, exit code 1
        19s forget 0.3: it has ended and is not kept
        27s create 0.5: 0.4 ended: Error, exit code 1
        27s start 0.5: 0.4 ended: Error, exit code 1
        30s remove 0.4: it has ended and is not kept
        30s begin 0.6 revision 1 failures 5: 0.5 ended: Error, exit code 1
        30s forget 0.4: it has ended and is not kept
        46s create 0.6: 0.5 ended: Error, exit code 1
        46s start 0.6: 0.5 ended: Error, exit code 1
        49s remove 0.5: it has ended and is not kept
        49s begin 0.7 revision 1 failures 6: 0.6 ended: Error, exit code 1
        49s forget 0.5: it has ended and is not kept
    "#]]
    .assert_eq(&play.told());
}

#[test]
fn a_changed_task_must_be_replaced_only_after_the_new_instance_is_proven() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.retag("app:2");
    expect![[r#"
        768s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        768s pull app:2
        768s create 0.2: image changed from "app:1" to "app:2"
        768s start 0.2: image changed from "app:1" to "app:2"
        770s stop 0.1 grace 10s: 0.2 has taken over
        770s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_quiet_time_must_make_the_failures_before_forgotten() {
    let mut play = Play::of(&service("web", "app:1"));
    play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(700), code: 1 });
    play.run_for(secs(2200));
    let told = play.told();
    assert_eq!(told.matches("failures 1:").count(), 3, "{told}");
}

#[test]
fn failures_to_the_limit_must_end_the_tries() {
    let mut task = service("web", "app:1");
    task.backoff.limit = Some(2);
    let mut play = Play::of(&task);
    play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(1), code: 1 });
    play.run();
    assert_eq!(play.promises.starts.len(), 3);
}
