//! What runs after the DB was lost, or evenkeel was killed.

use expect_test::expect;

use super::play::*;

#[test]
fn what_runs_must_be_taken_over_with_no_step_at_all() {
    let mut task = service("web", "app:1");
    task.replicas = 3;
    let mut play = Play::of(&task);
    play.run();
    play.told();
    play.lose_db();
    assert_eq!(play.run(), "");
    assert_eq!(play.running().len(), 3);
}

#[test]
fn what_ran_before_must_be_replaced_in_the_usual_way_if_the_manifest_changed_meanwhile() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.told();
    play.lose_db();
    play.only().record.head.task.template.image =
        crate::domain::template::ImageRef::checked("app:2");
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
fn two_generations_in_one_slot_must_go_on_as_they_were() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.retag("app:2");
    play.run_for(secs(1));
    assert_eq!(play.running().len(), 2);
    play.told();
    play.lose_db();
    expect![[r#"
        771s stop 0.1 grace 10s: 0.2 has taken over
        771s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
    assert_eq!(play.running(), ["web.0.2".to_owned()].into());
}

#[test]
fn a_crash_after_any_look_must_end_as_if_there_had_been_none() {
    for lost in [false, true] {
        for looks in 0..30 {
            let mut task = service("db", "app:1");
            task.template.mounts.push(volume("data"));
            let mut play = Play::of(&task);
            play.run();
            play.retag("app:2");
            for _ in 0..looks {
                play.look();
                play.engine.pass_to(play.engine.now + std::time::Duration::from_millis(300));
            }
            if lost {
                play.lose_db();
            } else {
                play.restart();
            }
            play.run();
            let image = play.engine.running().map(|it| it.template.image.to_string());
            assert_eq!(image.collect::<Vec<_>>(), ["app:2"], "after {looks} looks");
        }
    }
}

#[test]
fn a_job_that_has_run_must_not_run_again_after_the_db_was_lost() {
    let never = crate::domain::task::RestartPolicy::Never;
    let mut play = Play::of(&job("mig", "app:1", never));
    play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(1), code: 1 });
    play.run();
    play.told();
    play.lose_db();
    assert_eq!(play.run(), "");
}

#[test]
fn what_is_only_listed_must_keep_its_slot_until_its_end_is_known() {
    let never = crate::domain::task::RestartPolicy::Never;
    let mut play = Play::of(&job("mig", "app:1", never));
    play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(1), code: 1 });
    play.run();
    play.told();
    play.lose_db();
    let mut known = None;
    play.tamper("mig.0.1", |it| known = it.details.take());
    expect![[r#"
        wait: the engine's answer about a container that was found
    "#]]
    .assert_eq(&play.look());
    expect![[r#"
        wait: the engine's answer about a container that was found
    "#]]
    .assert_eq(&play.look());
    play.tamper("mig.0.1", |it| it.details = known);
    assert_eq!(play.run(), "");
}

#[test]
fn what_was_refused_must_not_be_tried_in_place_of_what_runs_after_the_db_was_lost() {
    let mut task = service("web", "app:1");
    task.template.mounts.push(volume("data"));
    let mut play = Play::of(&task);
    play.run();
    let fails = never(crate::domain::outcome::Cause::BadCommand, "no such file");
    play.engine.behaviours.insert("app:2".into(), Behaviour::StartFails(fails));
    play.retag("app:2");
    play.run();
    let running = play.running();
    play.told();
    for _ in 0..3 {
        play.lose_db();
        play.run();
        assert_eq!(play.running(), running, "{}", play.told());
    }
}
