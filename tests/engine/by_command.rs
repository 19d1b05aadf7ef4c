//! What people ask of a task by command, beside its manifest.

use serde_json::Value;

use crate::house::{House, service};
use crate::poller::Poller;

#[test]
fn suspended_by_command_is_stopped_over_a_restart_and_runs_again_when_it_is_resumed() {
    let Some(mut house) = House::open() else { return };
    house.save("s.yaml", &service("s", "1", ""));
    house.save("other.yaml", &service("other", "1", ""));
    let (first, other) = (house.wait_up("s"), house.wait_up("other"));
    let ran = house.evenkeel("suspend", ["s"]);
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(house.status("s").unwrap()["phase"], "Suspended");
    house.wait("nothing of s runs", || house.live("s").is_empty().then_some(()));
    house.kill();
    house.save("s.yaml", &service("s", "2", ""));
    house.start();
    house.wait("the edit is known", || (house.status("s")?["generation"] == 2).then_some(()));
    // Longer than another one takes to come up.
    house.save("new.yaml", &service("new", "1", ""));
    house.wait_up("new");
    assert!(house.live("s").is_empty());
    let ran = house.evenkeel("status", ["-o", "json"]);
    let status: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let held = status["held"][0].as_str().unwrap();
    assert!(held.starts_with("s: suspended by "), "{held}");
    assert!(held.contains("; undo with: evenkeel resume s --worker "), "{held}");
    assert_eq!(status["ok"], true);
    let ran = house.evenkeel("resume", ["s"]);
    assert!(ran.status.success(), "{ran:?}");
    let second = house.wait_value("s", "2");
    assert_ne!(second.id, first.id);
    house.assert_same(&[&other]);
}

#[test]
fn a_restart_replaces_each_instance_once_the_new_one_is_up_and_goes_on_after_a_crash() {
    let Some(mut house) = House::open() else { return };
    let two = |name| service(name, "1", "replicas: 2");
    house.save("r.yaml", &two("r"));
    house.save("other.yaml", &service("other", "1", ""));
    let other = house.wait_up("other");
    let old = house
        .wait("two run", || (house.status("r")?["phase"] == "Running").then(|| house.live("r")));
    let poller = Poller::start(&house);
    let ran = house.evenkeel("restart", ["r"]);
    assert!(ran.status.success(), "{ran:?}");
    house.wait("the first is new", || (house.of("r").len() > 2).then_some(()));
    house.kill();
    house.start();
    let ran = house.evenkeel("wait", ["r", "--for=Ready"]);
    assert!(ran.status.success(), "{ran:?}");
    let new = house.wait("only new ones run", || Some(house.live("r")).filter(|it| it.len() == 2));
    assert!(new.iter().all(|new| old.iter().all(|old| old.id != new.id)), "{old:?} {new:?}");
    for (slot, seen) in poller.end().into_iter().filter(|(slot, _)| slot.starts_with("r.")) {
        assert!(seen.least >= 1 && seen.most <= 2 && seen.ids.len() == 2, "{slot}: {seen:?}");
    }
    house.assert_same(&[&other]);
    // With --wait it returns when all of it is done.
    let ran = house.evenkeel("restart", ["r", "--wait"]);
    assert!(ran.status.success() && ran.stdout == b"task/r restarted\n", "{ran:?}");
    let status = house.status("r").unwrap();
    assert_eq!((&status["phase"], &status["updatedReplicas"]), (&"Running".into(), &2.into()));
    let latest = house.live("r");
    assert!(latest.iter().all(|it| new.iter().all(|new| new.id != it.id)), "{new:?} {latest:?}");
}
