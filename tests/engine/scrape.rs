//! That other programs read what is told who measures: promtool, Prometheus.

use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::bench::has_program;
use crate::exposition::{families, listed, sample};
use crate::house::{House, fetch, fetch_as, free_port, service};

/// Ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A house of two tasks that tells metrics at a port, all up.
fn measured() -> Option<(House, u16)> {
    let mut house = House::new()?;
    let port = free_port();
    house.arguments = vec!["--metrics-listen".to_owned(), format!("127.0.0.1:{port}")];
    let limited = "replicas: 2\nresources: {limits: {memory: 32Mi}}";
    house.save("web.yaml", &service("web", "1", limited));
    house.start();
    house.wait("both are up", || (house.live("web").len() == 2).then_some(()));
    house.save("db.yaml", &service("db", "1", ""));
    house.wait_up("db");
    Some((house, port))
}

#[test]
fn what_is_measured_must_be_told_as_the_readme_says_and_pass_promtool() {
    let Some((_house, port)) = measured() else { return };
    let (status, text) = fetch_as(port, "/metrics", "text/plain").unwrap();
    assert_eq!(status, 200);
    let listed = listed();
    for (name, family) in families(&text) {
        assert_eq!(listed.get(&name), Some(&family), "{name}");
    }
    let value = |series: &str| sample(&text, series).unwrap_or_else(|| panic!("no {series}"));
    let of = |name: &str, slot| {
        value(&format!("{name}{{namespace=\"default\",task=\"web\",slot=\"{slot}\"}}"))
    };
    for slot in 0..2 {
        assert!(of("evenkeel_instance_memory_bytes", slot) > 1000.0);
        assert_eq!(of("evenkeel_instance_memory_limit_bytes", slot), 33_554_432.0);
        assert!(of("evenkeel_instance_cpu_seconds_total", slot) > 0.0);
    }
    assert_eq!(
        value("evenkeel_engine_requests_total{operation=\"container_create\",code=\"201\"}"),
        3.0
    );
    // What was there before the daemon came says nothing; what was saved since then does.
    assert_eq!(value("evenkeel_saved_to_running_seconds_count"), 1.0);
    let took = value("evenkeel_saved_to_running_seconds_sum");
    assert!((0.01..60.0).contains(&took), "{took}");

    if !has_program("promtool") {
        return;
    }
    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = check.wait_with_output().unwrap();
    assert!(said.status.success() && said.stderr.is_empty(), "{said:?}");
}

#[test]
fn prometheus_must_take_what_is_told() {
    let Some((house, port)) = measured() else { return };
    if !has_program("prometheus") {
        return;
    }
    let config = house.home.path().join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 3s, scrape_timeout: 3s}}\nscrape_configs:\n  \
         - job_name: evenkeel\n    static_configs: [{{targets: [\"127.0.0.1:{port}\"]}}]\n"
    );
    fs::write(&config, text).unwrap();
    let at = free_port();
    let prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", house.home.path().join("tsdb").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{at}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _prometheus = Program(prometheus);
    let told = house.wait("Prometheus has scraped it", || {
        let (_, body) = fetch(at, "/api/v1/query?query=evenkeel_instance_memory_bytes")?;
        let told: Value = serde_json::from_str(&body).ok()?;
        let told = told["data"]["result"].as_array()?.clone();
        (!told.is_empty()).then_some(told)
    });
    assert_eq!(told.len(), 3, "{told:#?}");
    let (_, body) = fetch(at, "/api/v1/targets").unwrap();
    let targets: Value = serde_json::from_str(&body).unwrap();
    let target = &targets["data"]["activeTargets"][0];
    assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()));
}

#[test]
fn top_must_tell_what_runs_and_nothing_is_asked_for_it_before() {
    let Some((house, port)) = measured() else { return };
    let asked = || {
        let (_, text) = fetch_as(port, "/metrics", "*/*").unwrap();
        sample(&text, "evenkeel_engine_requests_total{operation=\"container_stats\",code=\"200\"}")
    };
    assert_eq!(asked(), Some(3.0), "by this scrape alone");
    assert_eq!(asked(), Some(6.0));
    let ran = house.evenkeel("top", ["web"]);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let rows: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 3, "{said}");
    for row in &rows[1..] {
        assert_eq!(row[0], "web");
        assert!(row[2].ends_with('m') && row[3].ends_with("/32Mi"), "{said}");
    }
    let ran = house.evenkeel("top", ["-o", "json"]);
    let told: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let told = told["items"].as_array().unwrap();
    assert!(told.len() == 3 && told.iter().all(|it| it["cpus"].is_f64()), "{told:#?}");
    let ran = house.evenkeel("top", ["wbe"]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("did you mean `web`?"));
}
