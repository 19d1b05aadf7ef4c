//! Containers that the engine is removing, and does not get through with.

use expect_test::expect;

use super::play::*;
use crate::domain::container::Status;
use crate::domain::instance::ContainerId;

/// Somebody removes the container of that name by force, and the engine does not get through.
fn stick(play: &mut Play, name: &str) -> ContainerId {
    let name = format!("evenkeel.default.default.{name}");
    let held = play.engine.containers.values().find(|it| it.container.name == name).unwrap();
    let id = held.container.id.clone();
    play.engine.end(&id, 137);
    play.engine.change(&id, |it| it.status = Status::Removing);
    id
}

fn running() -> Play {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.told();
    play
}

#[test]
fn another_one_must_take_the_place_of_what_the_engine_is_removing() {
    let mut play = running();
    stick(&mut play, "web.0.1");
    play.run_for(secs(30));
    expect![[r#"
        768s begin 0.2 revision 1: 0.1 ended: Lost: its container is being removed, and not by evenkeel
        768s create 0.2: 0.1 ended: Lost: its container is being removed, and not by evenkeel
        768s start 0.2: 0.1 ended: Lost: its container is being removed, and not by evenkeel
    "#]]
    .assert_eq(&play.told());
    assert_eq!(play.running(), ["web.0.2".to_owned()].into());
    expect![[r#"
        wait: the engine's answer about 0.1
    "#]]
    .assert_eq(&play.look());
}

#[test]
fn what_the_engine_does_not_get_through_with_must_be_told_and_asked_for_ever_more_seldom() {
    let mut play = running();
    let id = stick(&mut play, "web.0.1");
    play.run_for(secs(600));
    expect![[r#"
        768s begin 0.2 revision 1: 0.1 ended: Lost: its container is being removed, and not by evenkeel
        768s create 0.2: 0.1 ended: Lost: its container is being removed, and not by evenkeel
        768s start 0.2: 0.1 ended: Lost: its container is being removed, and not by evenkeel
        828s remove 0.1: it has ended and is not kept
        829s remove 0.1: it has ended and is not kept
        831s remove 0.1: it has ended and is not kept
        835s remove 0.1: it has ended and is not kept
        843s remove 0.1: it has ended and is not kept
        859s remove 0.1: it has ended and is not kept
        891s remove 0.1: it has ended and is not kept
        951s remove 0.1: it has ended and is not kept
        1011s remove 0.1: it has ended and is not kept
        1071s remove 0.1: it has ended and is not kept
        1131s remove 0.1: it has ended and is not kept
        1191s remove 0.1: it has ended and is not kept
        1251s remove 0.1: it has ended and is not kept
        1311s remove 0.1: it has ended and is not kept
    "#]]
    .assert_eq(&play.told());
    expect![[r#"
        wait: the engine to get through with the removal of 0.1, which it has been at for more than a minute: removal of the container is already in progress
        wait: the next try at 0.1: removal of the container is already in progress
    "#]]
    .assert_eq(&play.look());
    // The engine was restarted, perhaps.
    play.engine.change(&id, |it| it.status = Status::Exited);
    play.run();
    assert_eq!(play.running(), ["web.0.2".to_owned()].into());
}

#[test]
fn of_a_task_that_goes_the_rest_must_go_and_what_is_stuck_be_told() {
    let mut task = service("web", "app:1");
    task.replicas = 2;
    let mut play = Play::of(&task);
    play.run();
    stick(&mut play, "web.0.1");
    play.run_for(secs(1));
    play.gone();
    play.run_for(secs(90));
    assert_eq!(play.running(), [].into());
    assert_eq!(play.engine.containers.len(), 1);
    expect![[r#"
        wait: the engine to get through with the removal of 0.1, which it has been at for more than a minute: removal of the container is already in progress
        wait: the next try at 0.1: removal of the container is already in progress
    "#]]
    .assert_eq(&play.look());
    play.engine.containers.clear();
    play.run_for(secs(60));
    assert!(play.actors.is_empty());
}

/// It is told to end, and somebody else removes it meanwhile: nothing waits for it.
#[test]
fn what_is_stopped_and_then_stuck_must_keep_nobody_waiting() {
    let mut task = service("db", "app:1");
    task.template.mounts.push(volume("data"));
    let mut play = Play::of(&task);
    play.run();
    play.engine.slow_stops = secs(30);
    play.retag("app:2");
    play.run_for(secs(1));
    assert_eq!(play.running(), ["db.0.1".to_owned()].into());
    stick(&mut play, "db.0.1");
    play.run_for(secs(5));
    play.retag("app:3");
    play.run_for(secs(60));
    assert_eq!(play.running(), ["db.0.3".to_owned()].into(), "{}", play.told());
}
