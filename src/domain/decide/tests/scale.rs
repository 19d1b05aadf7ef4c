//! More, fewer, none, gone.

use expect_test::expect;
use uuid::Uuid;

use super::play::*;
use crate::domain::instance::Uid;
use crate::domain::task::PRUNE_ANNOTATION;

#[test]
fn fewer_replicas_must_end_the_highest_slots_and_more_begin_the_next() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.edit(|task| task.replicas = 3);
    expect![[r#"
        768s begin 1.1 revision 1: the manifest asks for it
        768s begin 2.1 revision 1: the manifest asks for it
        768s create 1.1: the manifest asks for it
        768s create 2.1: the manifest asks for it
        768s start 1.1: the manifest asks for it
        768s start 2.1: the manifest asks for it
    "#]]
    .assert_eq(&play.run());
    play.edit(|task| task.replicas = 1);
    expect![[r#"
        1536s stop 1.1 grace 10s: only 1 is wanted
        1536s stop 2.1 grace 10s: only 1 is wanted
        1536s remove 1.1: it has ended and is not kept
        1536s remove 2.1: it has ended and is not kept
        1536s forget 1.1: it has ended and is not kept
        1536s forget 2.1: it has ended and is not kept
    "#]]
    .assert_eq(&play.run());
    assert_eq!(play.running(), ["web.0.1".to_owned()].into());
    play.edit(|task| task.replicas = 0);
    expect![[r#"
        2302s stop 0.1 grace 10s: none is wanted
    "#]]
    .assert_eq(&play.run());
    play.edit(|task| task.replicas = 1);
    expect![[r#"
        3068s begin 0.2 revision 1: it is wanted again
        3068s create 0.2: it is wanted again
        3068s start 0.2: it is wanted again
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_suspended_task_must_stop_and_come_back_when_it_is_resumed() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.edit(|task| task.suspend = true);
    expect![[r#"
        768s stop 0.1 grace 10s: the task is suspended
    "#]]
    .assert_eq(&play.run());
    play.edit(|task| task.suspend = false);
    expect![[r#"
        1534s begin 0.2 revision 1: it is wanted again
        1534s create 0.2: it is wanted again
        1534s start 0.2: it is wanted again
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn while_a_manifest_is_just_gone_nothing_must_be_begun() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.told();
    play.missing();
    play.stays_idle();
    let id = play.engine.running().next().unwrap().container.id.clone();
    play.engine.containers.remove(&id);
    play.run_for(secs(4));
    expect![[r#"
        wait: its manifest to come back: it is just gone
    "#]]
    .assert_eq(&play.look());
    assert_eq!(play.told(), "");
    // A removal that is held takes its time: what is kept is kept whole.
    play.only().in_doubt = false;
    assert!(play.run().contains("begin 0.2"));
    assert_eq!(play.running(), ["web.0.2".to_owned()].into());
}

#[test]
fn while_a_manifest_is_just_gone_nothing_must_be_pulled_either() {
    let mut play = Play::of(&service("web", "app:1"));
    play.look();
    play.look();
    // Of one slot the image is wanted, and the other is not begun.
    play.edit(|task| task.replicas = 2);
    play.missing();
    expect![[r#"
        wait: its manifest to come back: it is just gone
    "#]]
    .assert_eq(&play.look());
    play.back();
    play.run();
    assert_eq!(play.running().len(), 2);
}

#[test]
fn while_a_manifest_is_just_gone_a_rollout_must_stand_still() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.told();
    play.retag("app:2");
    play.missing();
    play.run_for(secs(4));
    assert_eq!((play.told(), play.only().record.revisions.len()), (String::new(), 1));
    play.back();
    play.look();
    play.missing();
    play.run_for(secs(4));
    assert_eq!((play.told(), play.running()), (String::new(), ["web.0.1".to_owned()].into()));
    play.back();
    play.run();
    assert_eq!(play.running(), ["web.0.2".to_owned()].into());
}

#[test]
fn a_task_whose_manifest_is_gone_must_leave_nothing_behind() {
    let mut task = service("web", "app:1");
    task.replicas = 2;
    let mut play = Play::of(&task);
    play.run();
    play.gone();
    expect![[r#"
        768s stop 0.1 grace 10s: its manifest web.yaml:1 is gone
        768s stop 1.1 grace 10s: its manifest web.yaml:1 is gone
        768s remove 0.1: it has ended and is not kept
        768s remove 1.1: it has ended and is not kept
        768s forget 0.1: it has ended and is not kept
        768s forget 1.1: it has ended and is not kept
        768s vanished
    "#]]
    .assert_eq(&play.run());
    assert!(play.engine.containers.is_empty());
}

#[test]
fn what_is_going_must_wait_for_the_source_after_a_restart_and_begin_nothing() {
    let mut task = service("web", "app:1");
    task.replicas = 2;
    let mut play = Play::of(&task);
    play.run();
    play.gone();
    play.restart();
    play.source_read = false;
    let id = play.engine.running().next().unwrap().container.id.clone();
    play.engine.end(&id, 137);
    play.told();
    play.run_for(secs(600));
    assert_eq!(play.told(), "");
    assert_eq!(play.look(), "wait: the source to be read: its manifest was gone\n");
    play.source_read = true;
    play.run();
    assert!(play.engine.containers.is_empty() && play.actors.is_empty());
}

#[test]
fn a_task_that_is_not_pruned_must_be_let_go_running() {
    let mut task = service("web", "app:1");
    task.annotations.insert(PRUNE_ANNOTATION.into(), "false".into());
    let mut play = Play::of(&task);
    play.run();
    play.gone();
    expect![[r#"
        768s vanished
    "#]]
    .assert_eq(&play.run());
    assert_eq!(play.running(), ["web.0.1".to_owned()].into());
}

#[test]
fn a_task_removed_and_made_again_at_once_must_be_another_one() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.only().record.head.uid = Uid(Uuid::from_u128(99));
    expect![[r#"
        768s stop 0.1 grace 10s: it belongs to a task that was removed
        768s begin 0.2 revision 1: the manifest asks for it
        768s remove 0.1: it has ended and is not kept
        768s create 0.2: the manifest asks for it
        768s forget 0.1: it has ended and is not kept
        768s start 0.2: the manifest asks for it
    "#]]
    .assert_eq(&play.run());
    assert_eq!(play.running(), ["web.0.2".to_owned()].into());
}

#[test]
fn a_deletion_while_it_starts_must_leave_nothing_behind() {
    for looks in 0..12 {
        let mut play = Play::of(&service("web", "app:1"));
        for _ in 0..looks {
            play.look();
        }
        play.gone();
        play.run();
        assert!(play.engine.containers.is_empty(), "after {looks} looks");
    }
}

#[test]
fn a_task_made_again_must_start_only_after_the_removed_one_is_down() {
    let mut task = service("web", "app:1");
    task.template.ports.push(port(8080));
    let mut play = Play::of(&task);
    play.run();
    play.told();
    play.engine.slow_stops = secs(8);
    play.only().record.head.uid = Uid(Uuid::from_u128(99));
    expect![[r#"
        768s stop 0.1 grace 10s: it belongs to a task that was removed
        768s begin 0.2 revision 1: the manifest asks for it
        768s create 0.2: the manifest asks for it
        776s remove 0.1: it has ended and is not kept
        776s start 0.2: the manifest asks for it
        776s forget 0.1: it has ended and is not kept
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn what_was_told_to_stop_must_hold_up_no_rollout_though_nobody_heard_of_it() {
    let mut task = service("web", "app:1");
    task.replicas = 2;
    let mut play = Play::of(&task);
    play.run();
    play.lose = 2;
    play.edit(|task| task.replicas = 1);
    play.look();
    assert_eq!(play.running().len(), 2, "the stop did not arrive");
    play.lose = 0;
    play.edit(|task| task.replicas = 2);
    play.retag("app:2");
    play.run();
    assert_eq!(play.running(), ["web.0.2".to_owned(), "web.1.2".to_owned()].into());
}
