//! What it asks of the engine to keep things as they are, and how soon a saved file runs.

use std::time::{SystemTime, UNIX_EPOCH};

use evenkeel::domain::time::Timestamp;
use serde_json::json;

use crate::bench::IMAGE;
use crate::house::{House, post, service};
use crate::proxy;

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn median(mut times: Vec<i64>) -> i64 {
    times.sort_unstable();
    times[times.len() / 2]
}

/// How many lists and inspects there are in which time, the simulated engine tells; here, that each
/// is one request, and that nothing else is asked.
#[test]
fn what_runs_as_it_should_is_asked_for_and_nothing_else_is() {
    const COUNT: usize = 8;
    let Some(mut house) = House::new() else { return };
    let socket = house.home.path().join("proxy.sock");
    let requests = proxy::pass_on(&socket, &house.engine, |_| {});
    house.through = Some(socket);
    for number in 0..COUNT {
        let name = format!("t{number}");
        house.save(&format!("{name}.yaml"), &service(&name, "1", ""));
    }
    house.start();
    for number in 0..COUNT {
        house.wait_up(&format!("t{number}"));
    }
    let mark = requests.count();
    let is_list = |line: &String| line.starts_with("GET /containers/json?all=true&");
    let is_inspect = |line: &String| {
        let id = line.strip_prefix("GET /containers/").and_then(|it| it.split_once("/json "));
        id.is_some_and(|(id, _)| id.len() == 64)
    };
    let since = house.wait("one is inspected in its turn, and all is listed", || {
        let since = requests.since(mark);
        (since.iter().any(is_list) && since.iter().any(is_inspect)).then_some(since)
    });
    assert_eq!(since.iter().filter(|line| is_list(line)).count(), 1, "{since:#?}");
    assert!(since.iter().all(|line| is_list(line) || is_inspect(line)), "{since:#?}");
}

#[test]
fn a_saved_file_runs_soon() {
    let Some(house) = House::open() else { return };
    // Its network is there already, for both.
    house.save("first.yaml", &service("first", "1", ""));
    house.wait_up("first");
    let network = format!("evenkeel.{}.default", house.worker());
    let started = |id: &str| {
        let seen = house.inspect(id).unwrap();
        Timestamp::parse(&seen.started_at).unwrap().millis()
    };
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for round in 0..5 {
        let name = format!("t{round}");
        let saved = now();
        house.save(&format!("{name}.yaml"), &service(&name, "1", ""));
        let seen = house.wait("it runs", || house.live(&name).pop());
        ours.push(started(&seen.id) - saved);

        let body = json!({
            "Image": IMAGE,
            "Cmd": ["sleep", "3600"],
            "Labels": { "evenkeel-test.stranger-of": house.worker() },
            "HostConfig": { "NetworkMode": network },
        });
        let asked = now();
        let (status, made) = post(&house.engine, "/containers/create", &body.to_string()).unwrap();
        assert_eq!(status, 201, "{made}");
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        let id = made["Id"].as_str().unwrap();
        post(&house.engine, &format!("/containers/{id}/start"), "").unwrap();
        raw.push(started(id) - asked);
    }
    let (ours, raw) = (median(ours), median(raw));
    println!(
        "saved to running: {ours} ms; the engine's own create and start: {raw} ms (medians of 5)"
    );
    assert!(ours < raw + 3000, "{ours} ms, of them the engine's {raw} ms");
}
