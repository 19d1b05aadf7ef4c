//! What is to end by itself.

use expect_test::expect;

use super::play::*;
use crate::domain::task::RestartPolicy::{Never, OnFailure};

#[test]
fn a_job_must_run_once_and_never_again_until_it_changes() {
    let mut play = Play::of(&job("mig", "app:1", OnFailure));
    play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(5), code: 0 });
    play.engine.behaviours.insert("app:2".into(), Behaviour::Exits { after: secs(5), code: 0 });
    expect![[r#"
        0s begin 0.1 revision 1: the manifest asks for it
        0s pull app:1
        0s make-network 0.1: the manifest asks for it
        0s create 0.1: the manifest asks for it
        0s start 0.1: the manifest asks for it
    "#]]
    .assert_eq(&play.run());
    play.retag("app:2");
    expect![[r#"
        771s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        771s pull app:2
        771s create 0.2: image changed from "app:1" to "app:2"
        771s start 0.2: image changed from "app:1" to "app:2"
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_job_that_fails_must_be_tried_again_to_its_limit() {
    let mut task = job("mig", "app:1", OnFailure);
    task.backoff.limit = Some(2);
    let mut play = Play::of(&task);
    play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(1), code: 1 });
    expect![[r#"
        0s begin 0.1 revision 1: the manifest asks for it
        0s pull app:1
        0s make-network 0.1: the manifest asks for it
        0s create 0.1: the manifest asks for it
        0s start 0.1: the manifest asks for it
        1s begin 0.2 revision 1 failures 1: 0.1 ended: Error, exit code 1
        2s create 0.2: 0.1 ended: Error, exit code 1
        2s start 0.2: 0.1 ended: Error, exit code 1
        3s begin 0.3 revision 1 failures 2: 0.2 ended: Error, exit code 1
        5s create 0.3: 0.2 ended: Error, exit code 1
        5s start 0.3: 0.2 ended: Error, exit code 1
    "#]]
    .assert_eq(&play.run());
    let given_up = || play.notes.iter().filter(|note| note.reason.word() == "GivenUp");
    let told: Vec<&str> = given_up().map(|note| &*note.message).collect();
    let said = "given up: failed 3 times, limit 2 reached; change the manifest to run it again";
    assert_eq!(told, [said], "once, and not before it is");
}

#[test]
fn a_job_that_runs_at_most_once_must_not_be_tried_again() {
    let mut play = Play::of(&job("mig", "app:1", Never));
    play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(1), code: 1 });
    expect![[r#"
        0s begin 0.1 revision 1: the manifest asks for it
        0s pull app:1
        0s make-network 0.1: the manifest asks for it
        0s create 0.1: the manifest asks for it
        0s start 0.1: the manifest asks for it
    "#]]
    .assert_eq(&play.run());
    play.edit(|task| task.replicas = 2);
    expect![[r#"
        767s begin 1.1 revision 1: the manifest asks for it
        767s create 1.1: the manifest asks for it
        767s start 1.1: the manifest asks for it
    "#]]
    .assert_eq(&play.run());
    play.edit(|task| task.replicas = 1);
    play.run();
    play.edit(|task| task.replicas = 2);
    assert_eq!(play.run(), "", "what has run is not run again");
}

#[test]
fn a_job_whose_run_was_stopped_must_not_run_again() {
    let mut play = Play::of(&job("mig", "app:1", OnFailure));
    play.run_for(secs(5));
    play.edit(|task| task.suspend = true);
    play.run();
    play.told();
    play.edit(|task| task.suspend = false);
    assert_eq!(play.run(), "");
}

#[test]
fn a_job_that_changes_while_it_runs_must_end_before_it_runs_anew() {
    let mut play = Play::of(&job("mig", "app:1", OnFailure));
    play.engine.behaviours.insert("app:2".into(), Behaviour::Exits { after: secs(5), code: 0 });
    play.run_for(secs(5));
    play.told();
    play.retag("app:2");
    expect![[r#"
        2s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        2s pull app:2
        2s create 0.2: image changed from "app:1" to "app:2"
        2s stop 0.1 grace 10s: image changed from "app:1" to "app:2"
        2s start 0.2: image changed from "app:1" to "app:2"
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_job_of_many_must_run_each_slot_to_its_end() {
    let mut task = job("mig", "app:1", OnFailure);
    task.replicas = 2;
    let mut play = Play::of(&task);
    play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(5), code: 0 });
    expect![[r#"
        0s begin 0.1 revision 1: the manifest asks for it
        0s begin 1.1 revision 1: the manifest asks for it
        0s pull app:1
        0s make-network 0.1: the manifest asks for it
        0s create 0.1: the manifest asks for it
        0s create 1.1: the manifest asks for it
        0s start 0.1: the manifest asks for it
        0s start 1.1: the manifest asks for it
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn runs_of_a_job_beyond_the_last_three_must_be_cleared() {
    let mut play = Play::of(&job("mig", "app:1", OnFailure));
    for image in ["app:1", "app:2", "app:3"] {
        play.engine.behaviours.insert(image.into(), Behaviour::Exits { after: secs(1), code: 0 });
    }
    for image in ["app:2", "app:3", "app:1", "app:2"] {
        play.run();
        play.retag(image);
    }
    play.run();
    assert_eq!(play.engine.containers.len(), 3);
}

#[test]
fn a_job_that_ended_with_the_engine_must_be_run_again_but_for_one_that_runs_at_most_once() {
    for (policy, starts) in [(OnFailure, 2), (Never, 1)] {
        let mut play = Play::of(&job("mig", "app:1", policy));
        play.run_for(secs(5));
        play.engine.restart();
        play.run_for(secs(60));
        let told = play.told();
        assert_eq!(told.matches(" start ").count(), starts, "{told}");
    }
}

#[test]
fn what_runs_at_most_once_must_not_run_again_when_it_is_edited_back() {
    let mut play = Play::of(&job("mig", "app:1", Never));
    for image in ["app:1", "app:2", "app:3"] {
        play.engine.behaviours.insert(image.into(), Behaviour::Exits { after: secs(1), code: 0 });
    }
    play.run();
    for image in ["app:2", "app:3", "app:1", "app:2", "app:3", "app:1"] {
        play.retag(image);
        play.run();
    }
    assert_eq!(play.promises.starts.len(), 3);
}

#[test]
fn a_job_whose_next_image_never_comes_must_run_to_its_end() {
    let mut play = Play::of(&job("mig", "app:1", OnFailure));
    play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(60), code: 0 });
    play.run_for(secs(10));
    play.engine.images.remove("app:2");
    play.retag("app:2");
    play.run_for(secs(20));
    assert_eq!(play.running(), ["mig.0.1".to_owned()].into());
    play.run_for(secs(120));
    let ended = play.only().record.instances.values().next().unwrap();
    assert_eq!(ended.reason, Some(crate::domain::instance::EndReason::Exited));
}

#[test]
fn what_ran_must_be_remembered_without_keeping_its_instances_and_revisions() {
    let mut play = Play::of(&job("mig", "app:1", Never));
    let image = |number: u32| format!("app:{number}");
    for number in 1..=50 {
        play.engine.images.insert(image(number));
        let ends = Behaviour::Exits { after: secs(1), code: i64::from(number % 2) };
        play.engine.behaviours.insert(image(number), ends);
    }
    for round in [1, 2] {
        for number in 1..=50 {
            play.retag(&image(number));
            play.run();
            let record = &play.only().record;
            let what = format!("edit {number} of round {round}");
            assert!(record.instances.len() <= 3, "{what}: {:?}", record.instances.keys());
            assert!(record.revisions.len() <= 13, "{what}: {:?}", record.revisions.keys());
        }
    }
    assert_eq!(play.promises.starts.len(), 50);
    assert_eq!(play.engine.containers.len(), 3);
}
