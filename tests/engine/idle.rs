//! What it costs to keep things as they are, and how soon a saved file runs: measured, printed, and
//! held to generous bounds.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use evenkeel::domain::time::Timestamp;
use serde_json::json;

use crate::bench::IMAGE;
use crate::house::{House, post, service};

/// How long nothing happens.
const QUIET: Duration = Duration::from_secs(20);
/// Ticks of `/proc/PID/stat` in a second.
const TICKS: f64 = 100.0;

/// Passes on to `engine` what comes to `socket`, and counts the requests.
fn count_calls(socket: &Path, engine: &Path) -> Arc<AtomicUsize> {
    let calls = Arc::new(AtomicUsize::new(0));
    let listener = UnixListener::bind(socket).unwrap();
    let (counter, engine) = (Arc::clone(&calls), engine.to_owned());
    // Its threads end with the connections, or with the tests.
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = UnixStream::connect(&engine) else { continue };
            let (back_from, back_to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let counter = Arc::clone(&counter);
            std::thread::spawn(move || pass_on(client, server, Some(&counter)));
            std::thread::spawn(move || pass_on(back_from, back_to, None));
        }
    });
    calls
}

fn pass_on(mut from: UnixStream, mut to: UnixStream, calls: Option<&AtomicUsize>) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut bytes) {
        let chunk = &bytes[..count];
        let begins = [&b"GET /"[..], b"POST /", b"DELETE /", b"HEAD /"];
        if let Some(calls) = calls
            && begins.iter().any(|verb| chunk.starts_with(verb))
        {
            calls.fetch_add(1, Ordering::Relaxed);
        }
        if count == 0 || to.write_all(chunk).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Seconds of CPU time that a process has used, of its own and of the kernel's.
fn cpu(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
}

/// MiB of memory that a process has.
fn memory(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn median(mut times: Vec<i64>) -> i64 {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn what_runs_as_it_should_costs_next_to_nothing() {
    let Some(mut house) = House::new() else { return };
    let count = std::env::var("EVENKEEL_IDLE_CONTAINERS").map_or(8, |it| it.parse().unwrap());
    let proxy = house.home.path().join("proxy.sock");
    let calls = count_calls(&proxy, &house.engine);
    house.through = Some(proxy);
    for number in 0..count {
        let name = format!("t{number}");
        house.save(&format!("{name}.yaml"), &service(&name, "1", ""));
    }
    house.start();
    for number in 0..count {
        house.wait_up(&format!("t{number}"));
    }
    house.wait("what follows a start has been asked", || {
        let before = calls.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_secs(3));
        (calls.load(Ordering::Relaxed) - before <= 2).then_some(())
    });
    let (calls_before, cpu_before) = (calls.load(Ordering::Relaxed), cpu(house.pid()));
    std::thread::sleep(QUIET);
    let minutes = QUIET.as_secs_f64() / 60.0;
    let calls_a_minute = (calls.load(Ordering::Relaxed) - calls_before) as f64 / minutes;
    let share = (cpu(house.pid()) - cpu_before) / QUIET.as_secs_f64() * 100.0;
    let memory = memory(house.pid());
    println!(
        "{count} containers, nothing to do: {calls_a_minute:.0} calls a minute, {share:.2} % of a \
         core, {memory:.0} MiB"
    );
    assert!(calls_a_minute <= 15.0, "{calls_a_minute} calls a minute");
    assert!(share < 5.0, "{share} % of a core");
    assert!(memory < 150.0, "{memory} MiB");
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
