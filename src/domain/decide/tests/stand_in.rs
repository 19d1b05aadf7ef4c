//! What serves while something newer is rolled out.

use super::play::*;
use crate::domain::instance::ContainerId;
use crate::domain::task::Task;

fn writer() -> Task {
    let mut task = service("web", "app:1");
    task.template.mounts.push(volume("data"));
    task
}

/// The container of that name, so that something can be done to it by hand.
fn id_of(play: &mut Play, name: &str) -> ContainerId {
    let mut id = None;
    play.tamper(name, |it| id = Some(it.id.clone()));
    id.unwrap()
}

fn kill(play: &mut Play, name: &str) {
    let id = id_of(play, name);
    play.engine.end(&id, 137);
}

/// A rollout whose image never comes.
fn stuck(task: &Task) -> Play {
    let mut play = Play::of(task);
    play.run();
    play.told();
    play.engine.images.remove("app:2");
    play.retag("app:2");
    play.run_for(secs(5));
    assert_eq!(play.running(), ["web.0.1".to_owned()].into());
    play
}

#[test]
fn what_ends_while_nothing_new_can_be_made_must_be_begun_again() {
    for task in [service("web", "app:1"), writer()] {
        let mut play = stuck(&task);
        kill(&mut play, "web.0.1");
        play.run_for(secs(10));
        assert_eq!(play.running(), ["web.0.3".to_owned()].into(), "{}", play.told());
        // And once more, and still once the new one is refused.
        kill(&mut play, "web.0.3");
        play.run_for(secs(10));
        let running = play.running();
        assert_eq!(running, ["web.0.4".to_owned()].into(), "{}", play.told());
        play.run();
        assert!(play.only().record.head.refused.is_some());
        assert_eq!(play.running(), running, "{}", play.told());
    }
}

#[test]
fn it_must_give_way_to_the_new_one_that_comes_after_all() {
    for task in [service("web", "app:1"), writer()] {
        let mut play = stuck(&task);
        kill(&mut play, "web.0.1");
        play.run_for(secs(10));
        play.engine.images.insert("app:2".into());
        play.run();
        assert_eq!(play.running(), ["web.0.2".to_owned()].into(), "{}", play.told());
        let record = &play.only().record;
        assert!(record.head.refused.is_none());
        assert!(record.instances.values().all(|it| !it.is_live() || it.revision == 2));
    }
}

#[test]
fn the_time_of_a_rollout_must_not_begin_anew_with_it() {
    let mut play = stuck(&service("web", "app:1"));
    for _ in 0..12 {
        let running = play.running().into_iter().next().unwrap();
        let id = id_of(&mut play, &running);
        play.engine.remove(&id);
        play.run_for(secs(100));
    }
    assert!(play.only().record.head.refused.is_some(), "{}", play.told());
}

#[test]
fn what_was_stopped_for_the_new_one_must_not_be_begun_beside_it() {
    let mut play = Play::of(&writer());
    play.run();
    play.told();
    play.engine.behaviours.insert("app:2".into(), Behaviour::Exits { after: secs(1), code: 1 });
    play.retag("app:2");
    let told = play.run();
    let (_, after) = told.split_once("stop 0.1").unwrap();
    let (tried, _) = after.split_once("refuse revision 2").unwrap();
    assert!(!tried.contains("revision 1"), "{told}");
    assert_eq!(tried.matches("begin ").count(), 2, "{told}");
    assert_eq!(play.running().len(), 1);
}

#[test]
fn the_old_one_must_be_kept_as_it_is_meant_to_be_until_it_is_replaced() {
    for task in [service("web", "app:1"), writer()] {
        let mut play = stuck(&task);
        play.tamper("web.0.1", |it| it.status = crate::domain::container::Status::Paused);
        play.run_for(secs(5));
        let told = play.told();
        assert!(told.contains("unpause 0.1: it was paused"), "{told}");
        assert_eq!(play.running(), ["web.0.1".to_owned()].into());
    }
}

#[test]
fn nobody_must_stand_in_for_what_is_of_the_same_form() {
    let mut play = stuck(&writer());
    kill(&mut play, "web.0.1");
    play.run_for(secs(10));
    play.retag("app:1");
    play.run();
    assert_eq!(play.running().len(), 1, "{}", play.told());
}

#[test]
fn nobody_must_stand_in_for_what_comes_at_once() {
    for task in [service("web", "app:1"), writer()] {
        let mut play = Play::of(&task);
        play.run();
        play.told();
        kill(&mut play, "web.0.1");
        play.retag("app:2");
        let told = play.run();
        assert!(!told.contains("revision 1"), "{told}");
        assert_eq!(play.running(), ["web.0.2".to_owned()].into());
    }
}
