//! What people ask of a task by command, beside its manifest.

use serde_json::Value;

use crate::house::{House, service};

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
