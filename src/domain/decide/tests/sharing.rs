//! Two tasks that want the same.

use std::sync::Arc;

use expect_test::expect;

use super::play::*;
use crate::domain::exclusive::{FixedPort, Written};
use crate::domain::loose::{Fate, Holdings, Loose};
use crate::domain::task::{Strategy, Task};
use crate::domain::template::{Mount, Port};

fn with_port(name: &str, number: u16) -> Task {
    let mut task = service(name, "app:1");
    task.template.ports.push(port(number));
    task
}

#[test]
fn the_first_by_name_must_get_the_port_and_the_other_wait_for_it() {
    let mut play = Play::of(&with_port("b", 8080));
    play.accept(&with_port("a", 8080));
    play.run_for(secs(30));
    expect![[r#"
        0s a begin 0.1 revision 1: the manifest asks for it
        0s b begin 0.1 revision 1: the manifest asks for it
        0s a pull app:1
        0s b pull app:1
        0s a make-network 0.1: the manifest asks for it
        0s a create 0.1: the manifest asks for it
        0s a start 0.1: the manifest asks for it
        2s a revision 1 is ready
    "#]]
    .assert_eq(&play.told());
    assert_eq!(play.running(), ["a.0.1".to_owned()].into());
}

#[test]
fn who_holds_a_port_must_keep_it_until_it_leaves() {
    let mut play = Play::of(&with_port("b", 8080));
    play.run();
    play.accept(&with_port("a", 8080));
    play.run_for(secs(30));
    assert_eq!(play.running(), ["b.0.1".to_owned()].into());
    play.told();
    play.accept(&with_port("b", 8081));
    expect![[r#"
        798s a create 0.1: the manifest asks for it
        798s b begin 0.2 revision 2: ports.8080/tcp removed (was "8080"), ports.8081/tcp set to "8081"
        798s b pull app:1
        798s b create 0.2: ports.8080/tcp removed (was "8080"), ports.8081/tcp set to "8081"
        798s b start 0.2: ports.8080/tcp removed (was "8080"), ports.8081/tcp set to "8081"
        800s b stop 0.1 grace 10s: 0.2 has taken over
        800s b revision 2 is ready
        800s a start 0.1: the manifest asks for it
        802s a revision 1 is ready
    "#]].assert_eq(&play.run());
}

#[test]
fn two_tasks_must_be_able_to_swap_their_ports() {
    let mut play = Play::of(&with_port("a", 8080));
    play.accept(&with_port("b", 8081));
    play.run();
    play.told();
    play.accept(&with_port("a", 8081));
    play.accept(&with_port("b", 8080));
    expect![[r#"
        768s a begin 0.2 revision 2: ports.8080/tcp removed (was "8080"), ports.8081/tcp set to "8081"
        768s b begin 0.2 revision 2: ports.8080/tcp set to "8080", ports.8081/tcp removed (was "8081")
        768s a pull app:1
        768s b pull app:1
        768s a create 0.2: ports.8080/tcp removed (was "8080"), ports.8081/tcp set to "8081"
        768s b create 0.2: ports.8080/tcp set to "8080", ports.8081/tcp removed (was "8081")
        768s a stop 0.1 grace 10s: 0.2 can start only after it: it takes host port 8081/tcp over from default/b
        768s b stop 0.1 grace 10s: 0.2 can start only after it: it takes host port 8080/tcp over from default/a
        768s b start 0.2: ports.8080/tcp set to "8080", ports.8081/tcp removed (was "8081")
        768s a start 0.2: ports.8080/tcp removed (was "8080"), ports.8081/tcp set to "8081"
        770s a revision 2 is ready
        770s b revision 2 is ready
    "#]].assert_eq(&play.run());
}

#[test]
fn ports_that_do_not_meet_must_be_had_by_both_tasks() {
    for (one, other) in [
        (port(53), udp(53)),
        (at("127.0.0.1", 53), at("127.0.0.2", 53)),
        (at("0.0.0.0", 53), at("::", 53)),
    ] {
        let with = |name: &str, port| {
            let mut task = service(name, "app:1");
            task.template.ports.push(port);
            task
        };
        let mut play = Play::of(&with("a", one));
        play.accept(&with("b", other));
        play.run();
        assert_eq!(play.running(), ["a.0.1".to_owned(), "b.0.1".to_owned()].into());
    }
}

/// To have a number in one protocol gives no right to it in another.
#[test]
fn who_holds_a_port_must_leave_another_protocol_to_the_first_by_name() {
    let mut play = Play::of(&with_port("b", 53));
    play.run();
    let mut first = service("a", "app:1");
    first.template.ports.push(udp(53));
    play.accept(&first);
    let mut second = with_port("b", 53);
    second.template.ports.push(Port { container_port: 54, ..udp(53) });
    play.accept(&second);
    play.run_for(secs(30));
    assert_eq!(play.running(), ["a.0.1".to_owned(), "b.0.1".to_owned()].into());
    expect![[r#"
        wait: host port 53/udp, which default/a (a.yaml:1) has
    "#]]
    .assert_eq(&play.look_at(&second.name).to_string());
}

/// What is told is what both take: the address of whoever names one.
#[test]
fn who_wants_a_port_at_all_addresses_must_wait_for_one_of_them() {
    let mut one = service("a", "app:1");
    one.template.ports.push(at("127.0.0.1", 53));
    let mut play = Play::of(&one);
    play.run();
    let other = with_port("b", 53);
    play.accept(&other);
    play.run_for(secs(30));
    assert_eq!(play.running(), ["a.0.1".to_owned()].into());
    expect![[r#"
        wait: host port 127.0.0.1:53/tcp, which default/a (a.yaml:1) has
    "#]]
    .assert_eq(&play.look_at(&other.name).to_string());
}

fn with_mount(name: &str, mount: Mount) -> Task {
    let mut task = service(name, "app:1");
    task.template.mounts.push(mount);
    task
}

#[test]
fn a_path_must_be_written_by_one_task_at_a_time_with_all_beneath_it() {
    for (one, other, both) in [
        ("/data", "/data", "/data"),
        ("/data", "/data/sub", "/data/sub"),
        ("/data/a/b", "/data/a", "/data/a/b"),
        ("/", "/data", "/data"),
    ] {
        let mut play = Play::of(&with_mount("a", path(one)));
        play.run();
        let second = with_mount("b", path(other));
        play.accept(&second);
        play.run_for(secs(30));
        assert_eq!(play.running(), ["a.0.1".to_owned()].into(), "{one} {other}");
        let waits = format!("wait: host path {both}, which default/a 0.1 still writes\n");
        assert_eq!(play.look_at(&second.name).to_string(), waits);
        play.accept(&Task { suspend: true, ..with_mount("a", path(one)) });
        play.run();
        assert_eq!(play.running(), ["b.0.1".to_owned()].into(), "{one} {other}");
    }
}

#[test]
fn paths_that_are_apart_or_only_read_or_shared_by_both_must_be_had_at_once() {
    let read = |host| Mount { read_only: true, ..path(host) };
    let shared = |host| Mount { shared: true, ..path(host) };
    for (one, other, together) in [
        (path("/data"), path("/data-2"), true),
        (path("/data/a"), path("/data/b"), true),
        (path("/data"), read("/data/sub"), true),
        (shared("/data"), shared("/data/sub"), true),
        (shared("/data"), path("/data/sub"), false),
    ] {
        let mut play = Play::of(&with_mount("a", one.clone()));
        play.accept(&with_mount("b", other.clone()));
        play.run_for(secs(60));
        assert_eq!(play.running().len() == 2, together, "{one:?} {other:?}");
    }
}

#[test]
fn a_path_must_be_written_by_one_task_at_a_time_whatever_link_leads_to_it() {
    for (one, other) in [("/link", "/data"), ("/data/sub", "/link"), ("/link", "/link-2")] {
        let mut play = Play::of(&with_mount("a", path(one)));
        for link in ["/link", "/link-2"] {
            play.engine.links.insert(link.into(), "/data".into());
        }
        play.run();
        let second = with_mount("b", path(other));
        play.accept(&second);
        play.run_for(secs(30));
        assert_eq!(play.running(), ["a.0.1".to_owned()].into(), "{one} {other}");
        let told = play.look_at(&second.name).to_string();
        assert!(told.starts_with("wait: host path /data"), "{told}");
    }
}

/// What a container has is what its path led to when it was made.
#[test]
fn a_link_that_leads_elsewhere_by_now_must_keep_nobody_waiting() {
    let mut play = Play::of(&with_mount("a", path("/link")));
    play.engine.links.insert("/link".into(), "/data".into());
    play.run();
    play.engine.links.insert("/link".into(), "/data-2".into());
    play.accept(&with_mount("b", path("/link")));
    play.run();
    assert_eq!(play.running(), ["a.0.1".to_owned(), "b.0.1".to_owned()].into());
}

#[test]
fn what_the_old_one_writes_must_be_left_before_a_link_to_it_is_taken() {
    let mut play = Play::of(&with_mount("a", path("/data")));
    play.engine.links.insert("/link".into(), "/data".into());
    play.run();
    play.told();
    play.accept(&with_mount("a", path("/link")));
    expect![[r#"
        768s begin 0.2 revision 2: mounts./data.hostPath changed from "/data" to "/link"
        768s pull app:1
        768s create 0.2: mounts./data.hostPath changed from "/data" to "/link"
        768s stop 0.1 grace 10s: 0.2 can start only after it: both write host path /data
        768s start 0.2: mounts./data.hostPath changed from "/data" to "/link"
        770s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
}

/// The new one of a task meets the old one as it meets those of others.
#[test]
fn a_path_beneath_the_old_one_must_be_left_before_it_is_taken() {
    let mut play = Play::of(&with_mount("a", path("/data")));
    play.run();
    play.told();
    play.accept(&with_mount("a", path("/data/sub")));
    expect![[r#"
        768s begin 0.2 revision 2: mounts./data.hostPath changed from "/data" to "/data/sub"
        768s pull app:1
        768s create 0.2: mounts./data.hostPath changed from "/data" to "/data/sub"
        768s stop 0.1 grace 10s: 0.2 can start only after it: both write host path /data/sub
        768s start 0.2: mounts./data.hostPath changed from "/data" to "/data/sub"
        770s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
}

/// A container that no record has, with a volume of the engine's and a port.
fn loose(fate: Fate) -> Loose {
    let name = "evenkeel.default.default.x.0.1".to_owned();
    let has = Holdings {
        ports: FixedPort::of(&at("127.0.0.1", 8080)).into_iter().collect(),
        written: vec![(Written::Volume("evenkeel.default.default.data".into()), false)],
    };
    Loose { name, fate, has: Arc::new(has) }
}

#[test]
fn what_no_record_has_must_be_waited_for_and_cost_nobody_what_runs() {
    let recreate = |mut task: Task| {
        task.update.strategy = Strategy::Recreate;
        task
    };
    for (with, told) in [
        (
            with_mount("a", volume("data")),
            "volume evenkeel.default.default.data, which container evenkeel.default.default.x.0.1 still writes",
        ),
        (
            with_port("a", 8080),
            "host port 127.0.0.1:8080/tcp, which container evenkeel.default.default.x.0.1 has",
        ),
    ] {
        for (fate, advice) in [
            (Fate::LetGo, "no task has it any more: stop it or remove it"),
            (Fate::Found, "it was found, and is not taken over yet"),
        ] {
            let mut play = Play::of(&recreate(service("a", "app:1")));
            play.run();
            play.loose = vec![loose(fate)];
            play.accept(&recreate(with.clone()));
            play.accept(&service("b", "app:1"));
            play.run_for(secs(30));
            assert_eq!(play.running(), ["a.0.1".to_owned(), "b.0.1".to_owned()].into());
            let seen = play.look_at(&with.name).to_string();
            assert!(seen.contains(&format!("wait: {told}; {advice}\n")), "{seen}");
            play.loose.clear();
            play.run();
            assert_eq!(play.running(), ["a.0.2".to_owned(), "b.0.1".to_owned()].into());
        }
    }
}

#[test]
fn a_volume_must_be_written_by_one_task_at_a_time() {
    let mut one = service("a", "app:1");
    one.template.mounts.push(volume("data"));
    let mut play = Play::of(&one);
    play.run();
    play.accept(&Task { name: service("b", "app:1").name, ..one.clone() });
    play.run_for(secs(30));
    assert_eq!(play.running(), ["a.0.1".to_owned()].into());
    let name = service("b", "app:1").name;
    expect![[r#"
        wait: volume evenkeel.default.default.data, which default/a 0.1 still writes
    "#]]
    .assert_eq(&play.look_at(&name).to_string());
    play.told();
    play.accept(&Task { suspend: true, ..one });
    expect![[r#"
        798s a stop 0.1 grace 10s: the task is suspended
        798s b start 0.1: the manifest asks for it
        800s b revision 1 is ready
    "#]]
    .assert_eq(&play.run());
}
