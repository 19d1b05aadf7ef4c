//! `evenkeel doctor` on a real engine, which it must leave as it is.

use std::net::TcpListener;

use serde_json::Value;

use crate::bench::docker;
use crate::house::{House, free_port, service};

/// What is told of one thing, and whether nothing fails.
fn doctor(house: &House, check: &str) -> (bool, Vec<(String, String)>) {
    let tasks = house.path("").to_str().unwrap().trim_end_matches('/').to_owned();
    let output = house.evenkeel("doctor", [&*tasks, "-o", "json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.success(), told["ok"] == true, "{told:#}");
    let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
    let all = told["findings"].as_array().unwrap().iter().filter(|it| it["check"] == check);
    let found = all.map(|it| (text(it, "level"), text(it, "message"))).collect();
    (told["ok"] == true, found)
}

fn all() -> String {
    docker(["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}}"])
}

#[test]
fn who_has_a_port_that_is_wanted_is_found_before_and_beside_a_daemon() {
    let Some(mut house) = House::new() else { return };
    let port = free_port();
    let ports = format!("ports: [{{containerPort: 80, hostPort: {port}}}]");
    house.save("web.yaml", &service("web", "1", &ports));
    let before = all().lines().filter(|line| line.contains(house.worker())).count();
    let (_, found) = doctor(&house, "ports");
    assert_eq!(found[0].0, "ok", "{found:?}");
    let (_, found) = doctor(&house, "host");
    assert_eq!(
        found,
        [("ok".to_owned(), "it shares this host: host paths can be mounted".to_owned())]
    );
    let stranger = TcpListener::bind(("0.0.0.0", port)).unwrap();
    let (ok, found) = doctor(&house, "ports");
    assert!(!ok && found[0].0 == "fail", "{found:?}");
    let pid = std::process::id();
    assert!(found[0].1.contains(&format!("(pid {pid}) has host port {port}/tcp, which web wants")));
    drop(stranger);
    let after = all().lines().filter(|line| line.contains(house.worker())).count();
    assert_eq!((before, after), (0, 0));

    house.start();
    house.wait_phase("web", "Running");
    let (_, found) = doctor(&house, "ports");
    assert_eq!(found[0].0, "ok", "its own container has it: {found:?}");
    for check in ["daemon", "status", "worker", "host"] {
        let (_, found) = doctor(&house, check);
        assert!(found.iter().all(|(level, _)| level == "ok"), "{check}: {found:?}");
    }
}
