//! A disk that is full or read-only beneath the state: one of the daemon's own, in a mount namespace
//! that nobody else sees.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::bench::skip;
use crate::house::{House, Seen, service};

/// What makes the disk of the state full.
const FILL: &str = "dd if=/dev/zero of=fill bs=64k 2>/dev/null || true";

/// A house with a task that runs and no daemon any more. `None`, and loud, where nobody may mount.
fn house() -> Option<(House, Seen)> {
    let mut house = House::new()?;
    let may = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
    if !may.is_ok_and(|it| it.success()) {
        skip("nobody may mount here");
        return None;
    }
    house.save("web.yaml", &service("web", "1", ""));
    house.start();
    let web = house.wait_up("web");
    house.stop();
    Some((house, web))
}

/// The daemon will start on a small disk of its own on which this was done.
fn prepare(house: &mut House, done: &str) {
    let state = house.state();
    let script = format!(
        "mount -t tmpfs -o size=8m,mode=700 none {0} && cd {0} && {done} && cd / && exec \"$@\"",
        state.display()
    );
    house.within = ["unshare", "--mount", "sh", "-ec", &script, "sh"].map(str::to_owned).to_vec();
}

/// A file of the state directory as the daemon has it.
fn inside(house: &House, file: &str) -> PathBuf {
    let state = house.state();
    house.seen(&state).join(file)
}

/// That the daemon waits and says these words, and what runs runs on.
fn assert_waits(house: &mut House, web: &Seen, words: &[&str]) {
    let mark = house.log().len();
    house.begin();
    house.wait_said(mark, "containers run on");
    let said = house.log()[mark..].to_owned();
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
    house.assert_same(&[web]);
    assert!(!house.has_died());
}

/// That the daemon begins by itself, with what runs as it is.
fn assert_begins(house: &House, web: &Seen) {
    assert_eq!(house.wait_up("web").id, web.id);
    house.assert_same(&[web]);
}

#[test]
fn a_full_disk_at_the_start_must_be_waited_for_and_told() {
    let Some((mut house, web)) = house() else { return };
    prepare(&mut house, FILL);
    assert_waits(&mut house, &web, &["no space left for the state database", "/state/state.db"]);
    fs::remove_file(inside(&house, "fill")).unwrap();
    assert_begins(&house, &web);
    house.stop();

    let damaged = format!("echo 'Dear diary' > state.db && {FILL}");
    prepare(&mut house, &damaged);
    let both = ["/state/state.db is damaged", "no space left for the state database"];
    assert_waits(&mut house, &web, &both);
    fs::remove_file(inside(&house, "fill")).unwrap();
    assert_begins(&house, &web);
    assert!(inside(&house, "state.db.broken-1").exists());
    assert!(house.log().contains("state.db.broken-1"), "it is told where the damaged one is");
}

#[test]
fn a_disk_that_is_read_only_at_the_start_must_be_waited_for_and_told() {
    let Some((mut house, web)) = house() else { return };
    let state = house.state().display().to_string();
    prepare(&mut house, &format!("mount -o remount,ro {state}"));
    assert_waits(&mut house, &web, &["/state: Read-only file system"]);
    let pid = house.pid().to_string();
    let within = ["--mount", "--target", &pid, "mount", "-o", "remount,rw", &state];
    assert!(Command::new("nsenter").args(within).status().unwrap().success());
    assert_begins(&house, &web);
    house.stop();

    // Who stops it while it waits need not wait.
    prepare(&mut house, &format!("mount -o remount,ro {state}"));
    assert_waits(&mut house, &web, &[]);
    assert!(house.stop().success());
    house.assert_same(&[&web]);
}

#[test]
fn a_disk_that_is_full_while_it_runs_must_start_nothing_new_and_be_got_over() {
    let Some((mut house, web)) = house() else { return };
    prepare(&mut house, "true");
    house.start();
    assert_begins(&house, &web);
    // Whatever room there is, until there is none.
    let fill = inside(&house, "fill");
    let full = fs::write(&fill, vec![0; 9 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    for number in 0..5 {
        house.save(&format!("{number}.yaml"), &service(&format!("new{number}"), "1", ""));
    }
    house.wait_said(0, "no space left for the state database");
    let told = house.ask("/v1/worker")["dbTrouble"].as_str().unwrap().to_owned();
    assert!(told.contains("/state/state.db"), "{told}");
    let begun = house.containers().len();
    house.always(std::time::Duration::from_secs(3), "nothing new is begun", || {
        house.containers().len() == begun
    });
    house.assert_same(&[&web]);
    fs::remove_file(&fill).unwrap();
    house.wait_said(0, "the state DB can be written again");
    for number in 0..5 {
        house.wait_up(&format!("new{number}"));
    }
    house.assert_same(&[&web]);
}
