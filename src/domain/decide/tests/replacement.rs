//! How a changed service is replaced where the new instance may run beside the old one.

use expect_test::expect;

use super::play::*;
use crate::domain::task::Strategy;
use crate::domain::template::{Mount, Requests};

#[test]
fn a_surge_of_two_must_replace_five_two_by_two() {
    let mut task = service("web", "app:1");
    task.replicas = 5;
    task.update.max_surge = 2;
    let mut play = Play::of(&task);
    play.run();
    play.retag("app:2");
    expect![[r#"
        768s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        768s begin 1.2 revision 2: image changed from "app:1" to "app:2"
        768s pull app:2
        768s create 0.2: image changed from "app:1" to "app:2"
        768s create 1.2: image changed from "app:1" to "app:2"
        768s start 0.2: image changed from "app:1" to "app:2"
        768s start 1.2: image changed from "app:1" to "app:2"
        770s stop 0.1 grace 10s: 0.2 has taken over
        770s stop 1.1 grace 10s: 1.2 has taken over
        770s begin 2.2 revision 2: image changed from "app:1" to "app:2"
        770s begin 3.2 revision 2: image changed from "app:1" to "app:2"
        770s create 2.2: image changed from "app:1" to "app:2"
        770s create 3.2: image changed from "app:1" to "app:2"
        770s start 2.2: image changed from "app:1" to "app:2"
        770s start 3.2: image changed from "app:1" to "app:2"
        772s stop 2.1 grace 10s: 2.2 has taken over
        772s stop 3.1 grace 10s: 3.2 has taken over
        772s begin 4.2 revision 2: image changed from "app:1" to "app:2"
        772s create 4.2: image changed from "app:1" to "app:2"
        772s start 4.2: image changed from "app:1" to "app:2"
        774s stop 4.1 grace 10s: 4.2 has taken over
        774s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn what_may_be_unavailable_must_be_stopped_first_where_there_is_no_surge() {
    let mut task = service("web", "app:1");
    task.replicas = 3;
    task.update.max_surge = 0;
    task.update.max_unavailable = 2;
    let mut play = Play::of(&task);
    play.run();
    play.retag("app:2");
    expect![[r#"
        768s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        768s begin 1.2 revision 2: image changed from "app:1" to "app:2"
        768s pull app:2
        768s begin 2.2 revision 2: image changed from "app:1" to "app:2"
        768s create 0.2: image changed from "app:1" to "app:2"
        768s create 1.2: image changed from "app:1" to "app:2"
        768s create 2.2: image changed from "app:1" to "app:2"
        768s stop 0.1 grace 10s: 0.2 can start only after it: its update has maxSurge: 0
        768s stop 1.1 grace 10s: 1.2 can start only after it: its update has maxSurge: 0
        768s start 0.2: image changed from "app:1" to "app:2"
        768s start 1.2: image changed from "app:1" to "app:2"
        770s stop 2.1 grace 10s: 2.2 can start only after it: its update has maxSurge: 0
        770s start 2.2: image changed from "app:1" to "app:2"
        772s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn recreate_must_stop_all_before_it_starts_one() {
    let mut task = service("web", "app:1");
    task.replicas = 2;
    task.update.strategy = Strategy::Recreate;
    let mut play = Play::of(&task);
    play.run();
    play.retag("app:2");
    expect![[r#"
        768s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        768s begin 1.2 revision 2: image changed from "app:1" to "app:2"
        768s pull app:2
        768s create 0.2: image changed from "app:1" to "app:2"
        768s create 1.2: image changed from "app:1" to "app:2"
        768s stop 0.1 grace 10s: 0.2 can start only after it: its update strategy is Recreate
        768s stop 1.1 grace 10s: 1.2 can start only after it: its update strategy is Recreate
        768s start 0.2: image changed from "app:1" to "app:2"
        768s start 1.2: image changed from "app:1" to "app:2"
        770s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn changed_requests_must_be_made_in_place_and_replace_only_where_one_is_taken_away() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.told();
    let requests = Requests { nano_cpus: Some(500_000_000), memory: Some(32 << 20) };
    play.edit(|task| task.template.resources.requests = requests);
    expect![[r#"
        768s update 0.1: resources.requests.cpu set to "500m", resources.requests.memory set to "32Mi"
    "#]]
    .assert_eq(&play.run());
    play.edit(|task| task.template.resources.requests.memory = Some(16 << 20));
    expect![[r#"
        1534s update 0.1: resources.requests.memory changed from "32Mi" to "16Mi"
    "#]]
    .assert_eq(&play.run());
    play.edit(|task| task.template.resources.requests.nano_cpus = None);
    expect![[r#"
        2300s begin 0.2 revision 1: resources.requests.cpu removed (was "500m")
        2300s create 0.2: resources.requests.cpu removed (was "500m")
        2300s start 0.2: resources.requests.cpu removed (was "500m")
        2302s stop 0.1 grace 10s: 0.2 has taken over
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn an_edit_during_a_rollout_must_leave_the_proven_one_running_until_the_last_is_proven() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.retag("app:2");
    play.run_for(secs(1));
    assert_eq!(play.running(), ["web.0.1".to_owned(), "web.0.2".to_owned()].into());
    play.retag("app:3");
    expect![[r#"
        768s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        768s pull app:2
        768s create 0.2: image changed from "app:1" to "app:2"
        768s start 0.2: image changed from "app:1" to "app:2"
        769s stop 0.2 grace 10s: image changed from "app:2" to "app:3"
        769s begin 0.3 revision 3: image changed from "app:1" to "app:3"
        769s pull app:3
        769s create 0.3: image changed from "app:1" to "app:3"
        769s start 0.3: image changed from "app:1" to "app:3"
        771s stop 0.1 grace 10s: 0.3 has taken over
        771s revision 3 is ready
        771s remove 0.1: it has ended and is not kept
        771s forget 0.1: it has ended and is not kept
    "#]]
    .assert_eq(&play.run());
    assert_eq!(play.running(), ["web.0.3".to_owned()].into());
}

#[test]
fn what_its_containers_are_not_made_of_must_replace_nothing() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.edit(|task| {
        task.backoff.max_seconds = 5;
        task.update.max_surge = 3;
        task.annotations.insert("owner".into(), "me".into());
    });
    assert_eq!(play.run(), "");
    play.edit(|task| task.template.resources.limits.memory = Some(64 << 20));
    expect![[r#"
        1534s update 0.1: resources.limits.memory set to "64Mi"
    "#]]
    .assert_eq(&play.run());
    play.edit(|task| task.template.resources.limits.memory = None);
    expect![[r#"
        2300s begin 0.2 revision 1: resources.limits.memory removed (was "64Mi")
        2300s create 0.2: resources.limits.memory removed (was "64Mi")
        2300s start 0.2: resources.limits.memory removed (was "64Mi")
        2302s stop 0.1 grace 10s: 0.2 has taken over
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn an_edit_during_a_rollout_must_never_run_three_in_a_slot() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.engine.slow_stops = secs(10);
    play.retag("app:2");
    play.run_for(secs(1));
    play.retag("app:3");
    play.told();
    expect![[r#"
        769s stop 0.2 grace 10s: image changed from "app:2" to "app:3"
        779s begin 0.3 revision 3: image changed from "app:1" to "app:3"
        779s pull app:3
        779s create 0.3: image changed from "app:1" to "app:3"
        779s start 0.3: image changed from "app:1" to "app:3"
        781s stop 0.1 grace 10s: 0.3 has taken over
        781s revision 3 is ready
        791s remove 0.1: it has ended and is not kept
        791s forget 0.1: it has ended and is not kept
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn what_changed_of_a_mount_must_be_named_as_the_manifest_names_it() {
    let mut task = service("web", "app:1");
    task.template.mounts = vec![volume("data"), volume("more")];
    let mut play = Play::of(&task);
    play.run();
    play.told();
    play.edit(|task| {
        task.template.mounts[0].read_only = true;
        task.template.mounts[1] = Mount { path: "/more".into(), ..volume("other") };
    });
    let told = play.run();
    let why =
        "mounts./data.readOnly set to true, mounts./more.volume changed from \"more\" to \"other\"";
    assert!(told.lines().next().is_some_and(|line| line.ends_with(why)), "{told}");
}
