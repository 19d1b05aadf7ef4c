//! Ports and volumes that more than one task wants.

use evenkeel::domain::exclusive::FixedPort;
use evenkeel::domain::status::{ConditionType, Phase};
use evenkeel::domain::template::Protocol;

use evenkeel::runtime::simulated::{Behaviour, Operation};

use super::host::{Host, secs, sleep, task};
use super::promises;

const VOLUME: &str = "  mounts: [{path: /data, volume: data}]";

fn at(port: u16) -> String {
    format!("  ports: [{{containerPort: 80, hostPort: {port}}}]")
}

#[tokio::test(start_paused = true)]
async fn of_two_that_want_a_port_the_holder_must_keep_it() {
    let mut host = Host::with(&[("m.yaml", task("m", &at(8080)))]).await;
    let before = host.only("m");
    host.write("a.yaml", &task("a", &at(8080)));
    host.until_reason("a", ConditionType::Converged, "PortConflict").await;
    let status = host.status("a").await;
    let message = &status.condition(ConditionType::Converged).unwrap().message;
    assert!(message.contains("m.yaml"), "{message}");
    sleep(secs(60)).await;
    assert_eq!((host.only("m"), host.live().len()), (before.clone(), 1));
    host.kill().await;
    host.start().await;
    sleep(secs(60)).await;
    assert_eq!((host.only("m"), host.live().len()), (before, 1));
    host.write("m.yaml", &task("m", &at(8081)));
    host.settle().await;
    assert_eq!(host.live_names(), ["a.0.1", "m.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_port_must_get_it_when_its_holder_goes() {
    let ways: [fn(&mut Host); 3] = [
        |host| host.remove(&["m.yaml"]),
        |host| host.write("m.yaml", &task("m", &format!("  suspend: true\n{}", at(8080)))),
        |host| host.write("m.yaml", &task("m", &format!("  replicas: 0\n{}", at(8080)))),
    ];
    for way in ways {
        let mut host = Host::with(&[("m.yaml", task("m", &at(8080)))]).await;
        host.write("z.yaml", &task("z", &at(8080)));
        host.write("other.yaml", &task("other", ""));
        host.until_reason("z", ConditionType::Converged, "PortConflict").await;
        way(&mut host);
        host.until("it is handed on", secs(30), async |host| {
            host.live_names() == ["other.0.1", "z.0.1"]
        })
        .await;
        host.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_tasks_must_be_able_to_swap_their_ports() {
    for _ in 0..10 {
        let mut host =
            Host::with(&[("a.yaml", task("a", &at(8001))), ("b.yaml", task("b", &at(8002)))]).await;
        host.write_all([
            ("a.yaml".to_owned(), task("a", &at(8002))),
            ("b.yaml".to_owned(), task("b", &at(8001))),
        ]);
        host.settle().await;
        assert_eq!(host.live_names(), ["a.0.2", "b.0.2"]);
        promises::assert_kept(&host.engine, true, "a swap");
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_that_want_a_port_the_first_by_name_must_win() {
    let mut host = Host::new();
    let file =
        |number: usize| (format!("{number:03}.yaml"), task(&format!("t{number:03}"), &at(80)));
    host.write_all((0..200).rev().map(file));
    host.start().await;
    sleep(secs(60)).await;
    assert_eq!(host.live_names(), ["t000.0.1"]);
    for status in host.tasks().await.into_values().skip(1) {
        let converged = status.condition(ConditionType::Converged).unwrap();
        assert_eq!(converged.reason, "PortConflict", "{}", status.name);
    }
    host.remove(&["000.yaml"]);
    sleep(secs(30)).await;
    assert_eq!(host.live_names(), ["t001.0.1"]);
}

#[tokio::test(start_paused = true)]
async fn a_volume_in_use_must_be_waited_for_across_tasks() {
    let mut host = Host::with(&[("m.yaml", task("m", VOLUME))]).await;
    host.write("a.yaml", &task("a", VOLUME));
    host.until_reason("a", ConditionType::Converged, "VolumeInUse").await;
    sleep(secs(60)).await;
    assert_eq!(host.live_names(), ["m.0.1"]);
    host.write("n.yaml", &task("n", ""));
    host.remove(&["m.yaml"]);
    host.until("it is handed on", secs(30), async |host| host.live_names() == ["a.0.1", "n.0.1"])
        .await;
    promises::assert_kept(&host.engine, false, "a volume handed on");
    host.kill().await;
    host.start().await;
    host.write("a.yaml", &task("a", &format!("  image: app:2\n{VOLUME}")));
    host.settle().await;
    promises::assert_kept(&host.engine, false, "a volume after a crash");
}

/// What is found is in nobody's way but of who wants the same.
#[tokio::test(start_paused = true)]
async fn a_volume_in_use_must_be_waited_for_when_all_state_is_lost() {
    let mut host = Host::with(&[("m.yaml", task("m", VOLUME))]).await;
    host.write("a.yaml", &task("a", VOLUME));
    host.until_reason("a", ConditionType::Converged, "VolumeInUse").await;
    sleep(secs(60)).await;
    let before = host.only("m");
    host.kill().await;
    host.state = tempfile::tempdir().unwrap();
    // What it writes its labels say, and those are listed, though it can't be looked at.
    host.engine.mute(&before, true);
    host.write("n.yaml", &task("n", ""));
    host.write("o.yaml", &task("o", "  mounts: [{path: /data, volume: other}]"));
    host.start().await;
    host.until("nobody else waits", secs(5), async |host| host.live().len() == 3).await;
    sleep(secs(60)).await;
    assert_eq!(host.live_names(), ["m.0.1", "n.0.1", "o.0.1"]);
    let status = host.status("a").await;
    let told = &status.condition(ConditionType::Converged).unwrap().message;
    assert!(told.contains("container evenkeel.default.default.m.0.1 still writes"), "{told}");
    host.engine.mute(&before, false);
    host.until("it is taken over", secs(40), async |host| {
        let status = host.status("a").await;
        status.waiting_for.iter().any(|it| it.contains("default/m 0.1 still writes"))
    })
    .await;
    sleep(secs(60)).await;
    assert_eq!((host.only("m"), host.live().len()), (before, 3));
    host.remove(&["m.yaml"]);
    let is_handed_on = async |host: &Host| host.live_names() == ["a.0.1", "n.0.1", "o.0.1"];
    host.until("it is handed on", secs(30), is_handed_on).await;
    promises::assert_kept(&host.engine, false, "a volume after a loss");
}

#[tokio::test(start_paused = true)]
async fn a_path_in_use_must_be_waited_for_however_it_is_written() {
    let at = |path: &str| format!("  mounts: [{{path: /data, hostPath: {path}}}]");
    let source = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(source.path().join("data/sub")).unwrap();
    std::os::unix::fs::symlink("data", source.path().join("link")).unwrap();
    for (had, wanted) in [
        ("./data", "./data/"),
        ("./data", "./data/sub"),
        ("./data/./sub/", "./sub/../data"),
        ("./data/sub", "."),
        ("./data", "./link"),
        ("./link", "./data/sub"),
    ] {
        let mut host = Host::new();
        host.source = source.path().to_str().unwrap().to_owned();
        host.write("m.yaml", &task("m", &at(had)));
        host.start().await;
        host.settle().await;
        host.write("a.yaml", &task("a", &at(wanted)));
        host.until_reason("a", ConditionType::Converged, "VolumeInUse").await;
        sleep(secs(60)).await;
        host.kill().await;
        host.start().await;
        sleep(secs(60)).await;
        assert_eq!(host.live_names(), ["m.0.1"], "{had} {wanted}");
        // Who waits is looked at when who writes goes.
        host.write("m.yaml", &task("m", &format!("  suspend: true\n{}", at(had))));
        host.until("it is handed on", secs(5), async |host| host.live_names() == ["a.0.1"]).await;
        promises::assert_kept(&host.engine, false, wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_of_a_stranger_must_not_cost_the_old_one() {
    let mut host = Host::with(&[("web.yaml", task("web", &at(8001)))]).await;
    let before = host.only("web");
    let strangers = FixedPort { number: 8002, protocol: Protocol::Tcp, ip: None };
    host.engine.occupy_port(strangers, true);
    host.write("web.yaml", &task("web", &at(8002)));
    sleep(secs(120)).await;
    assert_eq!(host.only("web"), before);
    host.engine.occupy_port(strangers, false);
    let status = host.status("web").await;
    assert_eq!(status.phase, Phase::Running);
    assert!(status.refused.is_some(), "it is not tried again until it changes");
}

/// What was gone back to is judged by what it asks for itself, not by what was refused.
#[tokio::test(start_paused = true)]
async fn a_rollback_must_find_its_own_volume_and_port_again() {
    let good = format!("{VOLUME}\n{}", at(8001));
    let bad = format!(
        "  command: [nothing-like-that]\n  mounts: [{{path: /data, volume: other}}]\n{}",
        at(8002)
    );
    let mut host = Host::with(&[("web.yaml", task("web", &good))]).await;
    host.engine.program(&["nothing-like-that"], Behaviour::missing());
    host.write("web.yaml", &task("web", &bad));
    host.settle().await;
    assert!(host.status("web").await.refused.is_some());
    // It is made anew, with what it had, whoever wants what was refused.
    host.write("other.yaml", &task("other", &at(8002)));
    host.settle().await;
    host.engine.restart_engine();
    let calls = host.calls(Operation::MakeVolume);
    host.settle().await;
    assert_eq!(host.live().len(), 2, "{:?}", host.live_names());
    assert!(host.calls(Operation::MakeVolume) - calls < 3);
}
