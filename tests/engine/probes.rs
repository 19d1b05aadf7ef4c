//! Probes, asked of real containers.

use crate::bench::{IMAGE, docker};
use crate::house::{House, free_port, service};

/// Serves what is in `/w`, beside a process that stays whatever becomes of that.
const SERVES: &str = r#"command: [sh, -c, "mkdir -p /w; [ $V != 1 ] || touch /w/ready; httpd -f -p 80 -h /w & echo $! > /pid; trap 'exit 0' TERM; sleep 3600 & wait"]"#;

const READY: &str = "readinessProbe:\n  httpGet: {path: /ready, port: 80}\n  periodSeconds: 1";

#[test]
fn a_change_takes_over_once_its_page_is_there() {
    let Some(house) = House::open() else { return };
    let save =
        |value: &str| house.save("web.yaml", &service("web", value, &format!("{SERVES}\n{READY}")));
    save("1");
    let old = house.wait_up("web");
    save("2");
    let said = "HTTP status 404";
    house.wait("the new one says why it is not ready", || {
        house.status("web")?["waitingFor"].to_string().contains(said).then_some(())
    });
    house.assert_same(&[&old]);
    let new = house.live("web").into_iter().find(|it| it.id != old.id).unwrap();
    docker(["exec", &new.id, "touch", "/w/ready"]);
    assert_eq!(house.wait_value("web", "2").id, new.id);
}

#[test]
fn what_is_not_alive_is_replaced() {
    let Some(house) = House::open() else { return };
    let alive = "livenessProbe: {tcpSocket: {port: 80}, periodSeconds: 1, failureThreshold: 2}";
    house.save("tcp.yaml", &service("tcp", "1", &format!("{SERVES}\n{alive}")));
    let alive = "livenessProbe: {exec: {command: [test, -d, /w]}, periodSeconds: 1}";
    house.save("exec.yaml", &service("exec", "1", &format!("{SERVES}\n{alive}")));
    let before = [house.wait_up("tcp"), house.wait_up("exec")];
    docker(["exec", &before[0].id, "sh", "-c", "kill $(cat /pid)"]);
    docker(["exec", &before[1].id, "rm", "-r", "/w"]);
    for (task, old, why) in [("tcp", &before[0], "refused"), ("exec", &before[1], "exit code 1")] {
        house.wait(&format!("another {task}"), || {
            let live = house.live(task);
            (live.len() == 1 && live[0].id != old.id).then_some(())
        });
        let events = house.ask(&format!("/v1/tasks/default/{task}/events")).to_string();
        assert!(events.contains("ProbeFailed") && events.contains(why), "{events}");
    }
}

#[test]
fn in_the_network_of_the_host_it_is_asked_there() {
    let Some(mut house) = House::new() else { return };
    house.arguments = vec!["--policy".to_owned(), "privileged".to_owned()];
    house.start();
    let port = free_port();
    let program = format!(
        "hostNetwork: true\ncommand: [sh, -c, \"mkdir /w; httpd -f -p 127.0.0.1:{port} -h /w\"]\n\
         readinessProbe: {{tcpSocket: {{port: {port}}}, periodSeconds: 1}}"
    );
    house.save("host.yaml", &service("host", "1", &program));
    house.wait_up("host");
}

#[test]
fn the_health_check_of_an_image_decides() {
    let Some(house) = House::open() else { return };
    // Of this worker's own, so that others may run beside it.
    let image = format!("evenkeel/checked:{}", house.worker());
    let made = docker(["create", IMAGE, "true"]);
    let check = "HEALTHCHECK --interval=1s --timeout=5s --retries=2 CMD test -e /w/ready";
    docker(["commit", "--change", check, made.trim(), &image]);
    docker(["rm", made.trim()]);
    let text = |value: &str| service("web", value, SERVES).replace(IMAGE, &image);
    house.save("web.yaml", &text("1"));
    let old = house.wait_up("web");
    // The next one does not become well by itself; its check gives it up twice, and it is tried
    // again. What serves stays.
    house.save("web.yaml", &text("2"));
    house.wait("it is refused", || house.status("web")?.get("refused").cloned());
    house.assert_same(&[&old]);
    house.wait("only the old one is there", || (house.live("web").len() == 1).then_some(()));
    let refused = house.status("web").unwrap()["refused"].to_string();
    assert!(refused.contains("health check failed"), "{refused}");
    // What serves is replaced when it is not well any more.
    docker(["exec", &old.id, "rm", "/w/ready"]);
    house.wait("another one", || house.live("web").iter().all(|it| it.id != old.id).then_some(()));
    house.remove("web.yaml");
    house.wait("it is gone", || house.of("web").is_empty().then_some(()));
    docker(["rmi", &image]);
}

#[test]
fn a_probe_that_hangs_is_not_started_beside_itself() {
    let Some(house) = House::open() else { return };
    let probe = "readinessProbe: {exec: {command: [sh, -c, 'echo x >> /log; sleep 3']}, \
                 periodSeconds: 1, failureThreshold: 1}";
    house.save("web.yaml", &service("web", "1", &format!("{SERVES}\n{probe}")));
    house.wait("it is told", || {
        let waits = house.status("web")?["waitingFor"].to_string();
        waits.contains("has not ended within 1 s").then_some(())
    });
    std::thread::sleep(std::time::Duration::from_secs(6));
    let id = house.live("web").remove(0).id;
    let runs = docker(["exec", &id, "cat", "/log"]).lines().count();
    assert!((2..=4).contains(&runs), "{runs} times in 7 s, each for 3 s");
}
