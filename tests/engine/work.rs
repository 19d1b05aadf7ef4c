//! Work that is handed in by `apply` and `delete`, down to the containers.

use std::fs;
use std::process::{Command, Output, Stdio};

use crate::bench::skip;
use crate::house::{House, service};

/// Manifests beside the source, as people keep them.
fn mine(house: &House, file: &str, text: &str) -> String {
    let path = house.home.path().join(file);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn ran(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// What a command tells that does what it is told.
fn done(house: &House, verb: &str, args: &[&str]) -> String {
    let (code, told, said) = ran(&house.evenkeel(verb, args.iter().copied()));
    assert_eq!(code, Some(0), "{verb} {args:?}: {told}{said}");
    told
}

#[test]
fn what_is_applied_must_run_and_what_is_deleted_be_gone() {
    let Some(house) = House::open() else { return };
    let three = ["one", "two", "three"].map(|name| service(name, "1", ""));
    house.save("all.yaml", &format!("# by hand\n\n{}", three.join("# between\n---\n")));
    let [one, three_] = ["one", "three"].map(|name| house.wait_up(name));
    house.wait_up("two");

    let web = mine(&house, "web.yaml", &service("web", "1", ""));
    assert_eq!(done(&house, "apply", &["-f", &web, "--wait"]), "task/web created\nweb is Ready\n");
    let first = house.wait_value("web", "1");
    assert_eq!(done(&house, "apply", &["-f", &web]), "task/web unchanged\n");
    let other = mine(&house, "web.yaml", &service("web", "2", ""));
    let told = done(&house, "apply", &["-f", &other, "--wait"]);
    assert_eq!(told, "task/web configured\nweb is Ready\n");
    assert_ne!(house.wait_value("web", "2").id, first.id);

    // In a file of several, the others are left alone.
    let two = mine(&house, "two.yaml", &service("two", "7", ""));
    assert_eq!(done(&house, "apply", &["-f", &two]), "task/two configured\n");
    house.wait_value("two", "7");
    house.assert_same(&[&one, &three_]);
    assert_eq!(done(&house, "delete", &["two"]), "task/two deleted\n");
    assert!(house.of("two").is_empty());
    let left = fs::read_to_string(house.path("all.yaml")).unwrap();
    let wanted =
        [&*service("one", "1", ""), "# between\n# between\n---\n", &service("three", "1", "")];
    assert_eq!(left, format!("# by hand\n\n{}", wanted.concat()));
    house.assert_same(&[&one, &three_]);

    // More than half of all, one after the other: each is meant, and told of when it is gone.
    let told = done(&house, "delete", &["web", "three", "one"]);
    let mut told: Vec<&str> = told.lines().collect();
    told.sort_unstable();
    assert_eq!(told, ["task/one deleted", "task/three deleted", "task/web deleted"]);
    assert!(house.containers().is_empty(), "{:?}", house.containers());
    assert_eq!(fs::read_dir(house.path("")).unwrap().count(), 0);
}

#[test]
fn what_was_told_to_be_written_must_outlive_a_kill_at_once() {
    let Some(mut house) = House::open() else { return };
    house.save("x.yaml", &service("x", "1", ""));
    let x = house.wait_up("x");
    let web = mine(&house, "web.yaml", &service("web", "1", ""));
    done(&house, "apply", &["-f", &web]);
    house.kill();
    house.start();
    house.wait_up("web");
    // A word is not asked for once more, though that is half of all.
    done(&house, "delete", &["web", "--no-wait"]);
    house.kill();
    house.start();
    house.wait("it is gone", || house.of("web").is_empty().then_some(()));
    house.assert_same(&[&x]);
}

#[test]
fn many_at_once_must_leave_one_of_them_and_nothing_half() {
    let Some(house) = House::open() else { return };
    let files: Vec<String> = (1..=8)
        .map(|number| {
            mine(&house, &format!("{number}.yaml"), &service("web", &number.to_string(), ""))
        })
        .collect();
    std::thread::scope(|scope| {
        let all: Vec<_> =
            files.iter().map(|file| scope.spawn(|| done(&house, "apply", &["-f", file]))).collect();
        let told: Vec<String> = all.into_iter().map(|it| it.join().unwrap()).collect();
        let created = told.iter().filter(|it| *it == "task/web created\n").count();
        assert_eq!(created, 1, "{told:?}");
    });
    let text = fs::read_to_string(house.path("default.web.yaml")).unwrap();
    let last = (1..=8).find(|number| text == service("web", &number.to_string(), ""));
    house.wait_value("web", &last.expect("it is one of them").to_string());
    assert_eq!(fs::read_dir(house.path("")).unwrap().count(), 1);
}

#[test]
fn a_source_that_is_mounted_read_only_must_be_told_and_left_alone() {
    let Some(mut house) = House::new() else { return };
    // In a mount namespace of its own: nobody else sees it.
    let source = house.path("");
    let script = format!(
        "mount --bind {0} {0} && mount -o remount,ro,bind {0} {0} && exec \"$@\"",
        source.display()
    );
    let within = ["unshare", "--mount", "sh", "-ec", &script, "sh"];
    let may = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
    if !may.is_ok_and(|it| it.success()) {
        skip("nobody may mount here");
        return;
    }
    house.within = within.map(ToOwned::to_owned).to_vec();
    house.save("x.yaml", &service("x", "1", ""));
    house.start();
    let x = house.wait_up("x");
    let web = mine(&house, "web.yaml", &service("web", "1", ""));
    for (verb, args) in [("apply", ["-f", &web]), ("delete", ["x", "--no-wait"])] {
        let (code, told, said) = ran(&house.evenkeel(verb, args));
        assert_eq!((code, &*told), (Some(1), ""), "{said}");
        assert!(said.contains("is read-only: change the manifests where they come from"), "{said}");
    }
    house.assert_same(&[&x]);
    assert_eq!(fs::read_dir(&source).unwrap().count(), 1);
}
