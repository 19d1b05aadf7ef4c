//! What the health of instances leads to. The health check of an image stands for any probe: both
//! come to the same in the record.

use expect_test::expect;

use super::play::*;
use crate::domain::container::HealthCheck;
use crate::domain::happening::Happening;
use crate::domain::instance::EndReason;
use crate::domain::task::RestartPolicy::OnFailure;

fn unhealthy() -> HealthCheck {
    HealthCheck::Unhealthy("exit code 7: down".to_owned())
}

/// A service whose first image is well.
fn checked(replicas: u16) -> Play {
    let mut task = service("web", "app:1");
    task.replicas = replicas;
    let mut play = Play::of(&task);
    play.engine.check("app:1", HealthCheck::Healthy);
    play.run();
    play.told();
    play
}

#[test]
fn a_new_instance_must_be_ready_before_the_old_one_goes() {
    let mut play = checked(1);
    play.engine.check("app:2", HealthCheck::Starting);
    play.retag("app:2");
    play.run_for(secs(300));
    assert_eq!(play.running().len(), 2);
    assert_eq!(play.look(), "wait: 0.2 to become ready\n");
    play.told();
    play.engine.check("app:2", HealthCheck::Healthy);
    play.run_for(secs(1));
    assert_eq!(play.running(), ["web.0.2".to_owned()].into());
}

#[test]
fn it_must_stay_ready_for_as_long_as_is_asked() {
    let mut play = checked(1);
    play.edit(|task| task.update.min_ready_seconds = 30);
    play.engine.check("app:2", HealthCheck::Starting);
    play.retag("app:2");
    play.run_for(secs(100));
    play.engine.check("app:2", HealthCheck::Healthy);
    play.run_for(secs(29));
    // It has to be so without a break.
    play.engine.check("app:2", HealthCheck::Starting);
    play.run_for(secs(5));
    play.engine.check("app:2", HealthCheck::Healthy);
    play.run_for(secs(29));
    assert_eq!(play.running().len(), 2);
    play.run_for(secs(2));
    assert_eq!(play.running(), ["web.0.2".to_owned()].into());
}

#[test]
fn one_that_never_becomes_ready_must_be_gone_back_from_at_the_deadline() {
    let mut play = checked(2);
    play.edit(|task| task.update.progress_deadline_seconds = Some(40));
    play.engine.check("app:2", HealthCheck::Starting);
    play.retag("app:2");
    let began = play.engine.now;
    play.run();
    let told = play.told();
    let ran = ["web.0.1".to_owned(), "web.1.1".to_owned()];
    assert_eq!(play.running(), ran.into(), "{told}");
    let refused = play.only().record.head.refused.clone().unwrap();
    assert_eq!(refused.reason, "DeadlineExceeded");
    assert!(play.engine.now.since(began) >= secs(40));
}

#[test]
fn what_is_unhealthy_must_end_as_a_failure_and_come_back_after_a_wait() {
    let mut play = checked(1);
    play.engine.check("app:1", unhealthy());
    play.engine.checks.insert("app:1".into(), HealthCheck::Healthy);
    expect![[r#"
        766s stop 0.1 grace 10s: the image's health check failed: exit code 7: down
        766s begin 0.2 revision 1 failures 1: 0.1 ended: ProbeFailed, exit code 143: the image's health check failed: exit code 7: down
        767s create 0.2: 0.1 ended: ProbeFailed, exit code 143: the image's health check failed: exit code 7: down
        767s start 0.2: 0.1 ended: ProbeFailed, exit code 143: the image's health check failed: exit code 7: down
    "#]]
    .assert_eq(&play.run());
    let ended = play.only().record.instances.values().next().unwrap();
    assert_eq!(ended.reason, Some(EndReason::ProbeFailed));
}

#[test]
fn waits_between_unhealthy_instances_must_grow() {
    let mut play = checked(1);
    play.engine.check("app:1", unhealthy());
    play.run_for(secs(600));
    let begun = play.told().matches("begin").count();
    assert!((10..20).contains(&begun), "{begun} begun in ten minutes");
}

#[test]
fn the_next_must_not_begin_before_an_unhealthy_one_is_down() {
    let mut play = checked(1);
    play.engine.slow_stops = secs(8);
    play.engine.check("app:1", unhealthy());
    play.run_for(secs(7));
    assert_eq!(play.look(), "wait: stop of 0.1 is under way\n");
    assert!(!play.told().contains("begin"));
}

#[test]
fn a_revision_that_is_unhealthy_again_and_again_must_be_gone_back_from() {
    let mut play = checked(1);
    play.engine.check("app:2", unhealthy());
    play.retag("app:2");
    play.run();
    assert_eq!(play.running(), ["web.0.1".to_owned()].into());
    let refused = play.only().record.head.refused.clone().unwrap();
    assert_eq!(refused.reason, "CrashLoop");
    assert!(refused.message.contains("exit code 7: down"), "{}", refused.message);
}

#[test]
fn what_is_not_ready_any_more_must_be_told_and_left_alone() {
    let mut play = checked(1);
    play.notes.clear();
    play.engine.check("app:1", HealthCheck::Starting);
    assert_eq!(play.run(), "");
    play.engine.check("app:1", HealthCheck::Healthy);
    assert_eq!(play.run(), "");
    let told: Vec<Happening> = play.notes.iter().map(|note| note.reason).collect();
    assert_eq!(told, [Happening::NotReady, Happening::ReadyAgain]);
}

#[test]
fn while_one_is_not_ready_no_other_must_go_for_a_change() {
    let mut play = checked(3);
    play.edit(|task| {
        task.update.max_surge = 0;
        task.update.max_unavailable = 1;
    });
    play.tamper("web.1.1", |it| {
        it.details.get_or_insert_default().health = Some(HealthCheck::Starting);
    });
    play.run_for(secs(1));
    play.engine.check("app:2", HealthCheck::Starting);
    play.retag("app:2");
    play.run_for(secs(60));
    // The one that is not ready makes way; those that are stay.
    let ran: Vec<String> = play.running().into_iter().filter(|it| it.ends_with(".1")).collect();
    assert_eq!(ran, ["web.0.1", "web.2.1"]);
}

#[test]
fn after_a_restart_of_evenkeel_what_was_ready_must_count_as_ready() {
    let mut play = checked(1);
    play.restart();
    assert_eq!(play.run(), "");
}

#[test]
fn a_job_that_is_unhealthy_must_be_tried_again_up_to_its_limit() {
    let mut task = job("mig", "app:1", OnFailure);
    task.backoff.limit = Some(2);
    let mut play = Play::of(&task);
    play.engine.check("app:1", unhealthy());
    let told = play.run();
    assert_eq!(told.matches("begin").count(), 3, "{told}");
    assert_eq!(play.running().len(), 0);
}
