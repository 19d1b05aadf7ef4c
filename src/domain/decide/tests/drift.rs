//! What somebody else did to a container.

use expect_test::expect;

use super::play::*;
use crate::domain::container::{Container, Status};
use crate::domain::template::{Requests, Reserved};

fn running() -> Play {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.told();
    play
}

#[test]
fn a_paused_container_must_go_on() {
    let mut play = running();
    play.tamper("web.0.1", |it| it.status = Status::Paused);
    expect![[r#"
        768s unpause 0.1: it was paused
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_renamed_container_must_get_its_name_back() {
    let mut play = running();
    play.tamper("web.0.1", |it| it.name = "mine".into());
    expect![[r#"
        768s rename 0.1: it was renamed to mine
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_removed_container_must_be_made_anew_without_a_wait() {
    let mut play = running();
    play.engine.containers.clear();
    expect![[r#"
        768s begin 0.2 revision 1: 0.1 ended: Lost: its container is gone, and it was not removed by evenkeel
        768s create 0.2: 0.1 ended: Lost: its container is gone, and it was not removed by evenkeel
        768s start 0.2: 0.1 ended: Lost: its container is gone, and it was not removed by evenkeel
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_container_stopped_by_hand_must_be_started_anew() {
    let mut play = running();
    let id = play.engine.containers.keys().next().unwrap().clone();
    play.engine.end(&id, 143);
    expect![[r#"
        768s begin 0.2 revision 1 failures 1: 0.1 ended: Error, exit code 143
        769s create 0.2: 0.1 ended: Error, exit code 143
        769s start 0.2: 0.1 ended: Error, exit code 143
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn changed_limits_must_be_put_back() {
    let mut play = running();
    play.edit(|task| task.template.resources.limits.memory = Some(64 << 20));
    play.run();
    play.tamper("web.0.1", |it| it.details.as_mut().unwrap().limits.memory = Some(1 << 30));
    expect![[r#"
        1534s update 0.1: resources.limits.memory is 1Gi, the manifest says 64Mi
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn changed_requests_must_be_put_back() {
    let mut play = running();
    let requests = Requests { nano_cpus: Some(250_000_001), memory: Some(32 << 20) };
    play.edit(|task| task.template.resources.requests = requests);
    play.run();
    play.tamper("web.0.1", |it| {
        let reserved = &mut it.details.as_mut().unwrap().reserved;
        *reserved = Reserved { cpu_shares: Some(1024), memory: Some(1 << 30) };
    });
    expect![[r#"
        1534s update 0.1: resources.requests.cpu is 1, the manifest says 250m; resources.requests.memory is 1Gi, the manifest says 32Mi
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn who_changed_a_limit_must_be_told_apart() {
    let last = |play: &Play| {
        let note = play.notes.last().unwrap();
        format!("{:?} {}: {}", note.severity, note.reason.word(), note.message)
    };
    let mut play = running();
    play.edit(|task| task.template.resources.limits.memory = Some(32 << 20));
    play.run();
    play.edit(|task| task.template.resources.limits.memory = Some(128 << 20));
    play.run();
    expect![[
        r#"Normal Updated: update of 0.1: resources.limits.memory changed from "32Mi" to "128Mi""#
    ]]
    .assert_eq(&last(&play));
    // Somebody makes it what the manifest said before.
    let by_hand = |play: &mut Play, bytes: u64| {
        play.tamper("web.0.1", |it| it.details.as_mut().unwrap().limits.memory = Some(bytes));
        play.run();
    };
    by_hand(&mut play, 32 << 20);
    expect![
        "Warning Drift: update of 0.1: resources.limits.memory is 32Mi, the manifest says 128Mi"
    ]
    .assert_eq(&last(&play));
    // The same where nobody was there to see it.
    play.restart();
    by_hand(&mut play, 64 << 20);
    expect![
        "Warning Drift: update of 0.1: resources.limits.memory is 64Mi, the manifest says 128Mi"
    ]
    .assert_eq(&last(&play));
}

#[test]
fn a_limit_that_somebody_set_must_be_told_where_it_takes_another_container() {
    let mut play = running();
    play.tamper("web.0.1", |it| it.details.as_mut().unwrap().limits.memory = Some(64 << 20));
    play.run();
    let begun = play.notes.iter().find(|note| note.seat.is_some_and(|seat| seat.attempt == 2));
    let begun = begun.map(|it| format!("{:?} {}: {}", it.severity, it.reason.word(), it.message));
    expect!["Warning Drift: instance 0.2 is wanted: resources.limits.memory is 64Mi, the manifest sets none"].assert_eq(&begun.unwrap());
}

#[test]
fn a_restart_policy_of_the_engine_must_be_taken_back_without_a_restart() {
    let mut play = running();
    play.tamper("web.0.1", |it| it.details.as_mut().unwrap().restarts = Some("always".into()));
    expect![[r#"
        update 0.1: the engine's restart policy is always, wanted no
    "#]]
    .assert_eq(&play.look());
    expect![[r#"
        768s update 0.1: the engine's restart policy is always, wanted no
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn what_the_engine_does_not_take_must_be_asked_for_once_and_named() {
    let mut play = running();
    play.engine.lacks_memory_limits = true;
    play.edit(|task| {
        task.template.resources.limits.memory = Some(64 << 20);
        task.template.resources.limits.nano_cpus = Some(500_000_000);
    });
    play.run_for(secs(600));
    expect![[r#"
        768s update 0.1: resources.limits.cpu set to "500m", resources.limits.memory set to "64Mi"
    "#]]
    .assert_eq(&play.told());
    expect![[r#"
        wait: an engine that takes it: it was told of 0.1, and still resources.limits.memory is not set, the manifest says 64Mi
    "#]]
    .assert_eq(&play.look());
    // What it does take is put back all the same.
    play.tamper("web.0.1", |it| it.details.as_mut().unwrap().limits.nano_cpus = Some(7));
    play.run_for(secs(600));
    expect![[r#"
        1368s update 0.1: resources.limits.cpu is 7n, the manifest says 500m; resources.limits.memory is not set, the manifest says 64Mi
    "#]]
    .assert_eq(&play.told());
    // Something else is wanted: it is tried with that.
    play.edit(|task| task.template.resources.limits.memory = Some(128 << 20));
    play.run_for(secs(600));
    expect![[r#"
        1968s update 0.1: resources.limits.memory set to "128Mi"
    "#]]
    .assert_eq(&play.told());
    // The same host with another kernel, and evenkeel starts anew.
    play.engine.lacks_memory_limits = false;
    play.restart();
    expect![[r#"
        2568s update 0.1: resources.limits.memory set to "128Mi"
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_container_cut_off_its_network_must_be_put_back() {
    let mut play = running();
    play.tamper("web.0.1", |it| it.details.as_mut().unwrap().networks.clear());
    expect![[r#"
        768s connect 0.1: it was cut off from network evenkeel.default.default
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_network_that_is_gone_must_be_made_before_what_was_cut_off_is_put_back() {
    let mut task = service("web", "app:1");
    task.replicas = 2;
    let mut play = Play::of(&task);
    play.run();
    play.told();
    for name in ["web.0.1", "web.1.1"] {
        play.tamper(name, |it| it.details.as_mut().unwrap().networks.clear());
    }
    play.engine.networks.clear();
    expect![[r#"
        768s make-network 0.1: it was cut off from network evenkeel.default.default
        768s connect 0.1: it was cut off from network evenkeel.default.default
        768s connect 1.1: it was cut off from network evenkeel.default.default
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_restart_of_the_engine_must_count_towards_no_back_off() {
    let mut play = running();
    play.engine.restart();
    expect![[r#"
        770s begin 0.2 revision 1: 0.1 ended: Disrupted, exit code 137
        770s create 0.2: 0.1 ended: Disrupted, exit code 137
        770s start 0.2: 0.1 ended: Disrupted, exit code 137
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn an_ended_container_that_somebody_starts_must_be_stopped() {
    let mut play = running();
    play.retag("app:2");
    play.run();
    play.tamper("web.0.1", |it| it.status = Status::Running);
    expect![[r#"
        1536s stop 0.1 grace 10s: it had ended and was started by somebody else (Revived)
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_container_restarted_by_hand_whose_end_nobody_saw_must_be_kept_and_told_of() {
    let mut play = running();
    play.engine.pass_to(play.engine.now + secs(60));
    let anew = Some(play.engine.time().wall);
    play.tamper("web.0.1", |it| it.details.as_mut().unwrap().started_at = anew);
    assert_eq!(play.run(), "");
    let told: Vec<&str> = play.notes.iter().map(|note| note.reason.word()).collect();
    assert_eq!(told.iter().filter(|reason| **reason == "RestartedByHand").count(), 1, "{told:?}");
    assert_eq!(play.only().record.instances.values().next().unwrap().started_at, anew);
}

#[test]
fn a_container_of_unknown_status_must_be_waited_for() {
    let mut play = running();
    play.tamper("web.0.1", |it| it.status = Status::Other("dead".into()));
    expect![[r#"
        wait: the engine's answer about 0.1
    "#]]
    .assert_eq(&play.look());
    play.engine.containers.clear();
    expect![[r#"
        768s begin 0.2 revision 1: 0.1 ended: Lost: its container is gone, and it was not removed by evenkeel
        768s create 0.2: 0.1 ended: Lost: its container is gone, and it was not removed by evenkeel
        768s start 0.2: 0.1 ended: Lost: its container is gone, and it was not removed by evenkeel
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn an_engine_that_can_not_be_asked_must_change_nothing() {
    let mut play = running();
    play.engine.up = false;
    play.engine.containers.clear();
    play.retag("app:2");
    expect![[r#"
        wait: the engine can't be asked: connection refused
    "#]]
    .assert_eq(&play.look());
}

/// Does the same every so many seconds, for two minutes, and tells in which second it was mended.
fn again_and_again(play: &mut Play, every: u64, deed: impl Fn(&mut Play)) -> Vec<u64> {
    let began = play.engine.now;
    while play.engine.now < began + secs(120) {
        let next = play.engine.now + secs(every);
        deed(play);
        play.run_for(secs(every));
        play.engine.pass_to(next);
    }
    let mended = play.told();
    let more = ["create", "start", "forget"];
    let mended = mended.lines().filter(|it| !more.iter().any(|step| it.contains(step)));
    let second = |line: &str| line.split_once('s')?.0.parse::<u64>().ok();
    mended.filter_map(second).map(|second| second - began.0.as_secs()).collect()
}

#[test]
fn what_is_undone_again_and_again_must_be_mended_ever_more_seldom() {
    let mut play = running();
    let pause = |play: &mut Play| play.tamper("web.0.1", |it| it.status = Status::Paused);
    assert_eq!(again_and_again(&mut play, 1, pause), [0, 1, 3, 7, 15, 31, 63]);
    pause(&mut play);
    expect![[r#"
        wait: the next repair of 0.1, as 7 before it did not last: it was paused
    "#]]
    .assert_eq(&play.look());
    play.run();
    // Ten quiet minutes later nothing is held against anybody.
    play.engine.pass_to(play.engine.now + secs(600));
    pause(&mut play);
    assert!(play.look().starts_with("unpause 0.1: it was paused\n"));
}

#[test]
fn of_what_is_undone_each_must_be_mended_at_its_own_pace() {
    let mut play = running();
    let id = play.engine.containers.keys().next().unwrap().clone();
    let deed = |play: &mut Play| {
        play.engine.change(&id, |it| {
            it.name = "mine".into();
            it.details.as_mut().unwrap().networks.clear();
        });
    };
    again_and_again(&mut play, 1, deed);
    deed(&mut play);
    let restarts =
        |it: &mut Container| it.details.as_mut().unwrap().restarts = Some("always".into());
    play.engine.change(&id, restarts);
    expect![[r#"
        update 0.1: the engine's restart policy is always, wanted no
        wait: the next repair of 0.1, as 7 before it did not last: it was renamed to mine
        wait: the next repair of 0.1, as 7 before it did not last: it was cut off from network evenkeel.default.default
    "#]]
    .assert_eq(&play.look());
}

#[test]
fn limits_that_are_changed_again_and_again_must_be_put_back_ever_more_seldom() {
    let mut play = running();
    play.edit(|task| task.template.resources.limits.memory = Some(64 << 20));
    play.run();
    play.told();
    let deed = |play: &mut Play| {
        play.tamper("web.0.1", |it| it.details.as_mut().unwrap().limits.memory = Some(1 << 30));
    };
    assert_eq!(again_and_again(&mut play, 1, deed), [0, 1, 3, 7, 15, 31, 63]);
    deed(&mut play);
    expect![[r#"
        wait: the next repair of 0.1, as 7 before it did not last: resources.limits.memory is 1Gi, the manifest says 64Mi
    "#]]
    .assert_eq(&play.look());
    // What another manifest asks for was never undone.
    play.edit(|task| task.template.resources.limits.memory = Some(128 << 20));
    expect![[r#"
        update 0.1: resources.limits.memory is 1Gi, the manifest says 128Mi
    "#]]
    .assert_eq(&play.look());
}

/// Not the engine's doing: it has another value, and so it can have one.
#[test]
fn a_limit_that_is_changed_again_before_anybody_looks_must_be_put_back_once_that_ends() {
    let mut play = running();
    play.edit(|task| task.template.resources.limits.memory = Some(64 << 20));
    play.run();
    let id = play.engine.containers.keys().next().unwrap().clone();
    let deed = |play: &mut Play| {
        let more = |it: &mut Container| it.details.as_mut().unwrap().limits.memory = Some(1 << 30);
        play.engine.change(&id, more);
    };
    deed(&mut play);
    play.look();
    deed(&mut play);
    expect![[r#"
        wait: the next repair of 0.1, as the one before did not last: resources.limits.memory is 1Gi, the manifest says 64Mi
    "#]]
    .assert_eq(&play.look());
    play.run();
    let limits = play.engine.containers[&id].container.details.as_ref().unwrap().limits;
    assert_eq!(limits.memory, Some(64 << 20));
}

#[test]
fn a_container_removed_again_and_again_must_be_made_anew_ever_more_seldom() {
    let mut play = running();
    // It is up for long enough to be relied on, so that its end is no failure of its own.
    let remove = |play: &mut Play| play.engine.containers.clear();
    assert_eq!(again_and_again(&mut play, 3, remove), [0, 3, 6, 10, 18, 34, 66]);
    play.engine.containers.clear();
    expect![[r#"
        wait: the next repair of 0.8, as 7 before it did not last: its container is gone, and it was not removed by evenkeel
    "#]]
    .assert_eq(&play.look());
}
