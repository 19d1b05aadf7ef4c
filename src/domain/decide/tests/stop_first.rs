//! How a changed service is replaced where old and new can't run at once.

use expect_test::expect;

use super::play::*;
use crate::domain::exclusive::FixedPort;
use crate::domain::outcome::Cause;
use crate::domain::template::Port;

fn database() -> crate::domain::task::Task {
    let mut task = service("db", "app:1");
    task.template.mounts.push(volume("data"));
    task
}

#[test]
fn a_writable_volume_must_never_be_written_by_two() {
    let mut play = Play::of(&database());
    expect![[r#"
        0s begin 0.1 revision 1: the manifest asks for it
        0s pull app:1
        0s make-network 0.1: the manifest asks for it
        0s make-volume 0.1 data: the manifest asks for it
        0s create 0.1: the manifest asks for it
        0s start 0.1: the manifest asks for it
        2s revision 1 is ready
    "#]]
    .assert_eq(&play.run());
    play.retag("app:2");
    expect![[r#"
        768s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        768s pull app:2
        768s create 0.2: image changed from "app:1" to "app:2"
        768s stop 0.1 grace 10s: 0.2 can start only after it: both write volume evenkeel.default.default.data
        768s start 0.2: image changed from "app:1" to "app:2"
        770s revision 2 is ready
    "#]].assert_eq(&play.run());
}

#[test]
fn a_start_that_fails_after_the_old_one_was_stopped_must_bring_the_last_good_one_back() {
    let mut play = Play::of(&database());
    play.run();
    play.told();
    let fails = never(Cause::BadCommand, "no such file or directory: /bin/ap");
    play.engine.behaviours.insert("app:2".into(), Behaviour::StartFails(fails));
    play.retag("app:2");
    expect![[r#"
        768s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        768s pull app:2
        768s create 0.2: image changed from "app:1" to "app:2"
        768s stop 0.1 grace 10s: 0.2 can start only after it: both write volume evenkeel.default.default.data
        768s start 0.2: image changed from "app:1" to "app:2"
        768s refuse revision 2: StartError: 0.2 ended: StartError: no such file or directory: /bin/ap
        768s remove 0.1: it has ended and is not kept
        768s begin 0.3 revision 1: revision 2 failed, back to revision 1: 0.2 ended: StartError: no such file or directory: /bin/ap
        768s forget 0.1: it has ended and is not kept
        768s create 0.3: revision 2 failed, back to revision 1: 0.2 ended: StartError: no such file or directory: /bin/ap
        768s start 0.3: revision 2 failed, back to revision 1: 0.2 ended: StartError: no such file or directory: /bin/ap
    "#]].assert_eq(&play.run());
    assert_eq!(play.running().len(), 1);
}

#[test]
fn a_new_one_that_crashes_must_be_given_three_attempts_before_the_last_good_one_is_back() {
    let mut play = Play::of(&database());
    play.run();
    play.engine.behaviours.insert("app:2".into(), Behaviour::Exits { after: secs(1), code: 3 });
    play.retag("app:2");
    expect![[r#"
        768s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        768s pull app:2
        768s create 0.2: image changed from "app:1" to "app:2"
        768s stop 0.1 grace 10s: 0.2 can start only after it: both write volume evenkeel.default.default.data
        768s start 0.2: image changed from "app:1" to "app:2"
        769s remove 0.1: it has ended and is not kept
        769s begin 0.3 revision 2 failures 1: 0.2 ended: Error, exit code 3
        769s forget 0.1: it has ended and is not kept
        770s create 0.3: 0.2 ended: Error, exit code 3
        770s start 0.3: 0.2 ended: Error, exit code 3
        771s remove 0.2: it has ended and is not kept
        771s begin 0.4 revision 2 failures 2: 0.3 ended: Error, exit code 3
        771s forget 0.2: it has ended and is not kept
        773s create 0.4: 0.3 ended: Error, exit code 3
        773s start 0.4: 0.3 ended: Error, exit code 3
        774s refuse revision 2: CrashLoop: attempt 3 of 3: 0.4 ended: Error, exit code 3
        774s remove 0.3: it has ended and is not kept
        774s begin 0.5 revision 1: revision 2 failed, back to revision 1: attempt 3 of 3: 0.4 ended: Error, exit code 3
        774s forget 0.3: it has ended and is not kept
        774s create 0.5: revision 2 failed, back to revision 1: attempt 3 of 3: 0.4 ended: Error, exit code 3
        774s start 0.5: revision 2 failed, back to revision 1: attempt 3 of 3: 0.4 ended: Error, exit code 3
    "#]].assert_eq(&play.run());
}

#[test]
fn the_same_host_port_must_be_left_before_it_is_taken() {
    let mut task = service("web", "app:1");
    task.template.ports.push(port(8080));
    let mut play = Play::of(&task);
    play.run();
    play.retag("app:2");
    expect![[r#"
        768s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        768s pull app:2
        768s create 0.2: image changed from "app:1" to "app:2"
        768s stop 0.1 grace 10s: 0.2 can start only after it: both want host port 8080/tcp
        768s start 0.2: image changed from "app:1" to "app:2"
        770s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
    play.edit(|task| task.template.ports[0] = port(8081));
    expect![[r#"
        1536s begin 0.3 revision 3: ports.8080/tcp removed (was "8080"), ports.8081/tcp set to "8081"
        1536s pull app:2
        1536s create 0.3: ports.8080/tcp removed (was "8080"), ports.8081/tcp set to "8081"
        1536s start 0.3: ports.8080/tcp removed (was "8080"), ports.8081/tcp set to "8081"
        1538s stop 0.2 grace 10s: 0.3 has taken over
        1538s revision 3 is ready
        1538s remove 0.1: it has ended and is not kept
        1538s forget 0.1: it has ended and is not kept
    "#]].assert_eq(&play.run());
}

#[test]
fn the_hosts_network_must_be_left_before_it_is_entered() {
    let mut task = service("web", "app:1");
    task.template.host_network = true;
    let mut play = Play::of(&task);
    play.run();
    play.retag("app:2");
    expect![[r#"
        768s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        768s pull app:2
        768s create 0.2: image changed from "app:1" to "app:2"
        768s stop 0.1 grace 10s: 0.2 can start only after it: one of them uses the host's network
        768s start 0.2: image changed from "app:1" to "app:2"
        770s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_port_that_a_stranger_listens_at_must_be_waited_for_with_the_old_one_running() {
    let mut task = service("web", "app:1");
    task.template.ports.push(port(8080));
    let mut play = Play::of(&task);
    play.run();
    play.engine.taken.insert(FixedPort::of(&port(8081)).unwrap());
    play.edit(|task| task.template.ports[0] = port(8081));
    play.run_for(secs(30));
    assert_eq!(play.running(), ["web.0.1".to_owned()].into());
    expect![[r#"
        wait: host port 8081/tcp, which a process that is not ours listens at
    "#]]
    .assert_eq(&play.look());
    play.engine.taken.clear();
    play.told();
    expect![[r#"
        798s start 0.2: ports.8080/tcp removed (was "8080"), ports.8081/tcp set to "8081"
        800s stop 0.1 grace 10s: 0.2 has taken over
        800s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
}

/// What the old one has says nothing of another protocol or address at the same number.
#[test]
fn a_port_of_a_stranger_must_not_be_hidden_by_one_of_the_same_number() {
    for (had, wanted) in [
        (port(53), vec![port(53), Port { container_port: 54, ..udp(53) }]),
        (at("127.0.0.1", 53), vec![at("127.0.0.2", 53)]),
    ] {
        let mut task = service("web", "app:1");
        task.template.ports.push(had);
        let mut play = Play::of(&task);
        play.run();
        let stranger = FixedPort::of(wanted.last().unwrap()).unwrap();
        play.engine.taken.insert(stranger);
        play.edit(|task| task.template.ports.clone_from(&wanted));
        play.run_for(secs(30));
        assert_eq!(play.running(), ["web.0.1".to_owned()].into(), "{stranger}");
        let waits = format!("host port {stranger}, which a process that is not ours listens at");
        let told = play.look();
        assert!(told.contains(&waits), "{told}");
        play.engine.taken.clear();
        play.run();
        assert_eq!(play.running(), ["web.0.2".to_owned()].into(), "{stranger}");
    }
}

#[test]
fn an_edit_while_the_old_one_is_stopped_must_never_run_two() {
    let mut play = Play::of(&database());
    play.run();
    play.retag("app:2");
    for _ in 0..12 {
        play.look();
        if play.running().is_empty() {
            break;
        }
    }
    assert!(play.running().is_empty());
    play.retag("app:3");
    play.told();
    expect![[r#"
        768s remove 0.2: image changed from "app:2" to "app:3"
        768s remove 0.1: it has ended and is not kept
        768s begin 0.3 revision 3: image changed from "app:2" to "app:3"
        768s pull app:3
        768s forget 0.1: it has ended and is not kept
        768s create 0.3: image changed from "app:2" to "app:3"
        768s start 0.3: image changed from "app:2" to "app:3"
        770s revision 3 is ready
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn what_leaves_the_hosts_network_for_a_host_port_must_not_wait_for_itself() {
    let mut task = service("web", "app:1");
    task.template.host_network = true;
    let mut play = Play::of(&task);
    play.run();
    play.told();
    let eighty = port(80);
    // Its own process listens there.
    play.engine.taken.insert(FixedPort::of(&eighty).unwrap());
    play.edit(|task| {
        task.template.host_network = false;
        task.template.ports.push(eighty);
    });
    play.run_for(secs(1));
    assert!(play.running().is_empty(), "{:?}", play.running());
    play.engine.taken.clear();
    play.run();
    assert_eq!(play.running(), ["web.0.2".to_owned()].into());
}
