//! Where the system has no more file events to give: the daemon runs in a user namespace of its
//! own, whose limits are its alone, so nobody else on this machine notices.

use std::fs;
use std::process::Command;

use crate::bench::skip;
use crate::house::{House, Seen, service};

/// A limit of a user namespace.
const INSTANCES: &str = "/proc/sys/user/max_inotify_instances";
const WATCHES: &str = "/proc/sys/user/max_inotify_watches";

/// A house whose daemon will start with a limit. `None`, and loud, where there can't be one.
fn house_with(limit: &str, is: u32) -> Option<House> {
    let mut house = House::new()?;
    let script = format!("echo {is} >{limit} && exec \"$0\" \"$@\"");
    let within = ["unshare", "--user", "--map-root-user", "sh", "-c", &script];
    let tried = Command::new(within[0]).args(&within[1..]).arg("true").output();
    let error = match tried {
        Ok(output) if output.status.success() => {
            house.within = within.map(str::to_owned).into();
            return Some(house);
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    skip(&format!("no limits of one's own for file events: {}", error.trim()));
    None
}

/// Gives the daemon what it lacked.
fn lift(house: &House, limit: &str) {
    let pid = house.pid().to_string();
    let mut command = Command::new("nsenter");
    command.args(["--user", "--preserve-credentials", "--target", &pid, "sh", "-c"]);
    let output = command.arg(format!("echo 1000 >{limit}")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn degraded(house: &House) -> Option<String> {
    Some(house.ask("/v1/worker").get("watchDegraded")?.as_str().unwrap().to_owned())
}

/// That it is said wherever a person may look.
fn assert_told(house: &House, why: &str) {
    let told = house.wait("it says that it is not told of changes", || degraded(house));
    assert!(told.contains(why), "{told}");
    house.wait_said(0, "WatchDegraded");
    let status = house.evenkeel("status", []);
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("changes of files are found late") && status.contains(why), "{status}");
}

fn wait_watched(house: &House) {
    house.wait("it is told of changes again", || degraded(house).is_none().then_some(()));
    house.wait_said(0, "the source is watched by events again");
}

#[test]
fn where_nothing_can_be_watched_every_change_is_found_by_reading() {
    let Some(mut house) = house_with(INSTANCES, 0) else { return };
    house.save("a.yaml", &service("a", "1", ""));
    house.save("b.yaml", &service("b", "1", ""));
    house.start();
    let (_, b) = (house.wait_up("a"), house.wait_up("b"));
    assert_told(&house, "max_user_instances");

    house.save("a.yaml", &service("a", "2", ""));
    house.save("c.yaml", &service("c", "1", ""));
    // It is found late, and waited for.
    let waited = house.evenkeel("wait", ["a", "c", "--for=Ready"]);
    assert!(waited.status.success(), "{waited:?}");
    assert_eq!(house.live("a").iter().map(Seen::value).collect::<Vec<_>>(), [Some("2")]);
    house.wait_value("a", "2");
    let c = house.wait_up("c");
    assert!(degraded(&house).is_some());

    lift(&house, INSTANCES);
    wait_watched(&house);
    house.save("a.yaml", &service("a", "3", ""));
    house.wait_value("a", "3");
    house.assert_same(&[&b, &c]);
}

#[test]
fn where_not_all_directories_can_be_watched_the_others_are() {
    let Some(mut house) = house_with(WATCHES, 1) else { return };
    let inner = |value: &str| service("inner", value, "");
    fs::create_dir(house.path("sub")).unwrap();
    fs::write(house.path("sub/inner.yaml"), inner("1")).unwrap();
    house.save("outer.yaml", &service("outer", "1", ""));
    house.start();
    let before: [Seen; 2] = ["inner", "outer"].map(|name| house.wait_up(name));
    assert_told(&house, "max_user_watches");

    // Of the one that is watched a change is heard, of the other it is found.
    house.save("outer.yaml", &service("outer", "2", ""));
    house.wait_value("outer", "2");
    house.assert_same(&[&before[0]]);
    let outer = house.wait_up("outer");
    fs::write(house.path("sub/inner.yaml"), inner("2")).unwrap();
    house.wait_value("inner", "2");
    assert!(degraded(&house).is_some());

    lift(&house, WATCHES);
    wait_watched(&house);
    fs::write(house.path("sub/inner.yaml"), inner("3")).unwrap();
    house.wait_value("inner", "3");
    house.assert_same(&[&outer]);
}
