//! Steps that fail, and steps of which nobody knows what came.

use expect_test::expect;

use super::play::*;
use crate::domain::outcome::Cause;
use crate::domain::task::RestartPolicy;

#[test]
fn answers_that_are_lost_must_be_followed_by_a_look_and_never_double_anything() {
    for lose in 1..16 {
        let mut play = Play::of(&service("web", "app:1"));
        play.lose = lose;
        play.run();
        assert_eq!(play.running().len(), 1, "{lose} lost");
        assert_eq!(play.engine.containers.len(), 1, "{lose} lost");
    }
}

#[test]
fn a_job_that_runs_at_most_once_must_do_so_whatever_answers_are_lost() {
    for lose in 1..16 {
        let mut play = Play::of(&job("mig", "app:1", RestartPolicy::Never));
        play.lose = lose;
        play.run_for(secs(600));
        let told = play.told();
        let ran = play.engine.containers.values();
        let started =
            ran.filter(|held| held.container.details.as_ref().unwrap().started_at.is_some());
        assert!(started.count() <= 1, "{lose} lost\n{told}");
        assert!(play.promises.starts.values().all(|starts| *starts == 1), "{lose} lost\n{told}");
    }
}

#[test]
fn a_create_that_is_refused_must_be_tried_again_after_waits_that_double() {
    let mut play = Play::of(&service("web", "app:1"));
    play.engine.refuse_create = Some((3, later(Cause::NoSpace, "no space left on device")));
    expect![[r#"
        0s begin 0.1 revision 1: the manifest asks for it
        0s pull app:1
        0s make-network 0.1: the manifest asks for it
        0s create 0.1: the manifest asks for it
        0s begin 0.2 revision 1 failures 1: 0.1 ended: StartError: no space left on device
        1s create 0.2: 0.1 ended: StartError: no space left on device
        1s forget 0.1: it has ended and is not kept
        1s begin 0.3 revision 1 failures 2: 0.2 ended: StartError: no space left on device
        3s create 0.3: 0.2 ended: StartError: no space left on device
        3s forget 0.2: it has ended and is not kept
        3s begin 0.4 revision 1 failures 3: 0.3 ended: StartError: no space left on device
        7s create 0.4: 0.3 ended: StartError: no space left on device
        7s start 0.4: 0.3 ended: StartError: no space left on device
        9s revision 1 is ready
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_name_that_is_taken_must_be_gone_around() {
    let mut play = Play::of(&service("web", "app:1"));
    play.engine.refuse_create = Some((1, later(Cause::NameTaken, "the name is in use")));
    expect![[r#"
        0s begin 0.1 revision 1: the manifest asks for it
        0s pull app:1
        0s make-network 0.1: the manifest asks for it
        0s create 0.1: the manifest asks for it
        2s begin 0.2 revision 1: 0.1 ended: NameTaken: the name is in use
        2s create 0.2: 0.1 ended: NameTaken: the name is in use
        2s start 0.2: 0.1 ended: NameTaken: the name is in use
        4s revision 1 is ready
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn names_that_strangers_have_must_spend_no_limit_and_be_told_of() {
    let mut task = job("mig", "app:1", RestartPolicy::OnFailure);
    task.backoff.limit = Some(0);
    let mut play = Play::of(&task);
    play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(1), code: 0 });
    play.engine.refuse_create = Some((5, later(Cause::NotOurs, "a stranger has that name")));
    play.run_for(secs(1));
    assert!(play.only().plan.waiting.iter().any(|it| it.word() == "NotOurs"));
    play.run();
    let told = |reason| play.notes.iter().filter(|note| note.reason.word() == reason).count();
    assert_eq!((told("NameTaken"), told("Completed"), told("GivenUp")), (5, 1, 0));
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.retag("app:2");
    play.engine.refuse_create = Some((5, later(Cause::NotOurs, "a stranger has that name")));
    play.run();
    assert_eq!(play.running(), ["web.0.7".to_owned()].into(), "an update is not given up for it");
}

#[test]
fn names_that_are_taken_again_and_again_must_be_tried_ever_more_seldom_and_fail_no_rollout() {
    let mut task = service("db", "app:1");
    task.template.mounts = vec![volume("data")];
    let mut play = Play::of(&task);
    play.run();
    play.told();
    play.retag("app:2");
    play.engine.refuse_create = Some((9, later(Cause::NotOurs, "a stranger has that name")));
    let told = play.run();
    let tries = told
        .lines()
        .filter(|line| line.contains(" create "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned());
    expect![[r#"
        [
            "768s",
            "770s",
            "774s",
            "782s",
            "798s",
            "830s",
            "890s",
            "950s",
            "1010s",
            "1070s",
        ]
    "#]]
    .assert_debug_eq(&tries.collect::<Vec<String>>());
    assert_eq!(play.running(), ["db.0.11".to_owned()].into());
    assert_eq!(play.only().record.head.refused, None);
    // The next time it begins anew.
    play.retag("app:3");
    play.engine.refuse_create = Some((1, later(Cause::NotOurs, "a stranger has that name")));
    expect![[r#"
        1838s begin 0.12 revision 3: image changed from "app:2" to "app:3"
        1838s pull app:3
        1838s create 0.12: image changed from "app:2" to "app:3"
        1838s forget 0.10: it has ended and is not kept
        1840s begin 0.13 revision 3: 0.12 ended: NameTaken: a stranger has that name
        1840s create 0.13: 0.12 ended: NameTaken: a stranger has that name
        1840s stop 0.11 grace 10s: 0.13 can start only after it: both write volume evenkeel.default.default.data
        1840s remove 0.11: it has ended and is not kept
        1840s start 0.13: 0.12 ended: NameTaken: a stranger has that name
        1840s forget 0.11: it has ended and is not kept
        1842s revision 3 is ready
    "#]].assert_eq(&play.run());
}

#[test]
fn an_image_that_was_removed_meanwhile_must_be_pulled_again() {
    let mut play = Play::of(&service("web", "app:1"));
    play.engine.refuse_create = Some((1, later(Cause::ImageMissing, "no such image")));
    expect![[r#"
        0s begin 0.1 revision 1: the manifest asks for it
        0s pull app:1
        0s make-network 0.1: the manifest asks for it
        0s create 0.1: the manifest asks for it
        1s pull app:1
        1s create 0.1: the manifest asks for it
        1s start 0.1: the manifest asks for it
        3s revision 1 is ready
    "#]]
    .assert_eq(&play.run());
}

/// The seconds in which an image was asked for.
fn pulls(play: &mut Play, of: &str) -> Vec<u64> {
    let told = play.told();
    let asked = told.lines().filter(|line| line.ends_with(&format!("pull {of}")));
    asked.filter_map(|line| line.split_once('s')?.0.parse().ok()).collect()
}

#[test]
fn a_registry_that_is_asked_too_much_must_be_spared_for_a_minute_and_fail_no_rollout() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.told();
    play.engine.limited.insert("app:2".into());
    play.retag("app:2");
    play.run_for(secs(3600));
    assert_eq!(pulls(&mut play, "app:2"), [768, 838, 978, 1258, 1818, 2718, 3618]);
    expect![[r#"
        wait: the next try to pull app:2: toomanyrequests: slow down
    "#]]
    .assert_eq(&play.look());
    assert_eq!(play.running(), ["web.0.1".to_owned()].into());
    assert_eq!(play.only().record.head.refused, None);
    play.engine.limited.clear();
    play.run();
    assert_eq!(play.running(), ["web.0.2".to_owned()].into());
}

#[test]
fn tasks_that_want_images_of_one_registry_must_spare_it_together() {
    let mut play = Play::of(&service("a", "app:2"));
    play.engine.limited = ["app:2", "app:3"].map(str::to_owned).into();
    play.run_for(secs(60));
    play.accept(&service("b", "app:3"));
    play.accept(&service("c", "other.example:5000/app:1"));
    play.run_for(secs(300));
    let told = play.log.clone();
    assert_eq!(pulls(&mut play, "app:2"), [0, 70, 210]);
    play.log = told;
    // It had to ask once to hear of it; from then on one asks for all.
    assert_eq!(pulls(&mut play, "app:3"), [60]);
    play.engine.limited.clear();
    play.engine.images.insert("other.example:5000/app:1".into());
    play.run();
    assert_eq!(play.running().len(), 3);
}

#[test]
fn a_stop_that_is_not_heard_must_be_said_again() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.told();
    play.engine.deaf_stops = 2;
    play.edit(|task| task.suspend = true);
    expect![[r#"
        768s stop 0.1 grace 10s: the task is suspended
        769s stop 0.1 grace 10s: the task is suspended
        771s stop 0.1 grace 10s: the task is suspended
    "#]]
    .assert_eq(&play.run());
}
