//! What people and programs do to a directory of manifests, and what becomes of the containers.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use evenkeel::domain::container::label;

use crate::bench::has_program;
use crate::house::{House, condition, service};

/// How long a manifest may be away before its task goes.
const TOMBSTONE: Duration = Duration::from_secs(5);

/// Runs a program in the source, as a person would.
fn in_source<'a>(house: &House, program: &str, arguments: impl IntoIterator<Item = &'a str>) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(house.path(""));
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {error}");
}

#[test]
fn each_task_follows_its_own_file_and_no_other() {
    let Some(house) = House::open() else { return };
    for name in ["a", "b", "c"] {
        house.save(&format!("{name}.yaml"), &service(name, "1", ""));
    }
    let [a, b, c] = ["a", "b", "c"].map(|name| house.wait_up(name));

    // An edit replaces what it is about.
    house.save("a.yaml", &service("a", "2", ""));
    let a2 = house.wait_value("a", "2");
    assert_ne!(a2.id, a.id);
    house.assert_same(&[&b, &c]);

    // A broken file says so, and its container runs on.
    house.save("b.yaml", &service("b", "2", "restartPolicy: Sometimes"));
    let status = house.wait("b is not valid", || {
        house.status("b").filter(|status| condition(status, "Valid")["status"] == "False")
    });
    let message = condition(&status, "Valid")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("Sometimes"), "{message}");
    house.save("b.yaml", "apiVersion: evenkeel/v1\nkind: [Task\n");
    house.wait("its text is no YAML", || {
        house.status("b").filter(|it| condition(it, "Valid")["reason"] == "ParseFailed")
    });
    house.wait_said(0, "b.yaml:2:");
    house.assert_same(&[&a2, &b, &c]);
    house.save("b.yaml", &service("b", "3", ""));
    let b3 = house.wait_value("b", "3");
    house.wait_up("b");

    // Another name of the file is no news for the task.
    fs::rename(house.path("c.yaml"), house.path("other.yaml")).unwrap();
    house.wait("c has another source", || {
        house.status("c").filter(|status| status["source"]["file"] == "other.yaml")
    });
    house.assert_same(&[&a2, &b3, &c]);

    // A file that is gone takes its task along, after a while in which it may come back.
    let removed = Instant::now();
    house.remove("a.yaml");
    house.wait("a is stopped", || house.live("a").is_empty().then_some(()));
    assert!(removed.elapsed() >= TOMBSTONE, "its file might have come back");
    house.wait("nothing of a is left", || {
        (house.of("a").is_empty() && house.status("a").is_none()).then_some(())
    });
    house.assert_same(&[&b3, &c]);
}

#[test]
fn a_directory_that_is_away_or_empty_takes_nothing_along() {
    let Some(house) = House::open() else { return };
    house.save("a.yaml", &service("a", "1", ""));
    house.save("b.yaml", &service("b", "1", ""));
    let (a, b) = (house.wait_up("a"), house.wait_up("b"));
    let away = house.home.path().join("away");

    fs::rename(house.path(""), &away).unwrap();
    house.wait("it says that the source is away", || {
        house.ask("/v1/worker").get("sourceUnavailable").cloned()
    });
    let status = house.wait("so does each task", || {
        house.status("a").filter(|status| condition(status, "Converged")["status"] != "True")
    });
    assert_eq!(condition(&status, "Converged")["reason"], "SourceUnavailable");
    house.assert_same(&[&a, &b]);
    fs::rename(&away, house.path("")).unwrap();
    house.wait("the source is back", || {
        house.ask("/v1/worker").get("sourceUnavailable").is_none().then_some(())
    });
    house.assert_same(&[&a, &b]);

    // Emptied at once.
    let emptied = Instant::now();
    let (text_a, text_b) = (service("a", "1", ""), service("b", "1", ""));
    house.remove("a.yaml");
    house.remove("b.yaml");
    let held = house
        .wait("it says that it holds them", || house.ask("/v1/worker").get("pruneHeld").cloned());
    assert_eq!(held["tasks"].as_array().unwrap().len(), 2, "{held}");
    assert!(emptied.elapsed() >= TOMBSTONE, "that is when they would have gone");
    house.assert_same(&[&a, &b]);
    house.save("a.yaml", &text_a);
    house.save("b.yaml", &text_b);
    house.wait("nothing is held", || {
        house.ask("/v1/worker").get("pruneHeld").is_none().then_some(())
    });
    house.assert_same(&[&a, &b]);
}

/// A way of writing a file, and what does it.
type Way = (&'static str, fn(&House, &str, &str));

/// Ways to write the text of `a.yaml` anew, by the real program or, where there is none, as that does
/// it; what is given is its `V`, before and now.
const WAYS: [Way; 7] = [
    ("sed -i", |house, from, to| in_source(house, "sed", ["-i", &substitute(from, to), "a.yaml"])),
    ("vim", |house, from, to| {
        if has_program("vim") {
            let command = format!("+%{}", substitute(from, to));
            in_source(house, "vim", ["-u", "NONE", "-es", &command, "+wq", "a.yaml"]);
        } else {
            // A probe, a backup by renaming, the new file, the backup removed.
            fs::write(house.path("4913"), "").unwrap();
            fs::remove_file(house.path("4913")).unwrap();
            fs::rename(house.path("a.yaml"), house.path("a.yaml~")).unwrap();
            fs::write(house.path("a.yaml"), service("a", to, "")).unwrap();
            fs::remove_file(house.path("a.yaml~")).unwrap();
        }
    }),
    ("vim on the file itself", |house, from, to| {
        if has_program("vim") {
            let command = format!("+%{}", substitute(from, to));
            let arguments = ["-u", "NONE", "-es", "+set backupcopy=yes", &command, "+wq"];
            in_source(house, "vim", arguments.into_iter().chain(["a.yaml"]));
        } else {
            fs::copy(house.path("a.yaml"), house.path("a.yaml~")).unwrap();
            fs::write(house.path("a.yaml"), service("a", to, "")).unwrap();
            fs::remove_file(house.path("a.yaml~")).unwrap();
        }
    }),
    // What it copies keeps its time, which is long ago here.
    ("rsync", |house, _, to| {
        let copy = aside(house, &service("a", to, ""));
        if has_program("rsync") {
            in_source(house, "rsync", ["-a", "--ignore-times", copy.to_str().unwrap(), "a.yaml"]);
        } else {
            fs::copy(&copy, house.path(".a.yaml.Xy12zA")).unwrap();
            set_long_ago(&house.path(".a.yaml.Xy12zA"));
            fs::rename(house.path(".a.yaml.Xy12zA"), house.path("a.yaml")).unwrap();
        }
    }),
    ("rsync --inplace", |house, _, to| {
        let copy = aside(house, &service("a", to, ""));
        if has_program("rsync") {
            let from = copy.to_str().unwrap();
            in_source(house, "rsync", ["-a", "--ignore-times", "--inplace", from, "a.yaml"]);
        } else {
            let text = fs::read(copy).unwrap();
            let mut file = fs::OpenOptions::new().write(true).open(house.path("a.yaml")).unwrap();
            file.write_all(&text).unwrap();
            file.set_len(text.len() as u64).unwrap();
            drop(file);
            set_long_ago(&house.path("a.yaml"));
        }
    }),
    ("a copy of the whole, renamed", |house, _, to| house.save("a.yaml", &service("a", to, ""))),
    // Emptied, then written.
    ("a shell's redirection", |house, _, to| {
        fs::write(house.path("a.yaml"), "").unwrap();
        house.wait("it says that nothing is in the file", || {
            let status = house.status("a")?;
            let valid = condition(&status, "Valid");
            valid["message"].to_string().contains("holds no document").then_some(())
        });
        fs::write(house.path("a.yaml"), service("a", to, "")).unwrap();
    }),
];

fn substitute(from: &str, to: &str) -> String {
    format!("s/value: \"{from}\"/value: \"{to}\"/")
}

/// A text in a file outside the source, written long ago.
fn aside(house: &House, text: &str) -> PathBuf {
    let path = house.home.path().join("aside.yaml");
    fs::write(&path, text).unwrap();
    set_long_ago(&path);
    path
}

fn set_long_ago(path: &Path) {
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
}

#[test]
fn every_way_of_writing_a_file_is_one_update() {
    let Some(house) = House::open() else { return };
    house.save("a.yaml", &service("a", "0", ""));
    house.save("b.yaml", &service("b", "1", ""));
    // Somebody else's YAML lies beside them.
    fs::write(house.path("docker-compose.yml"), "services:\n  web:\n    image: nginx\n").unwrap();
    house.wait_up("a");
    let other = house.wait_up("b");
    for (number, (what, write)) in WAYS.iter().enumerate() {
        write(&house, &number.to_string(), &(number + 1).to_string());
        let seen = house.wait_value("a", &(number + 1).to_string());
        assert_eq!(seen.label(label::ATTEMPT), (number + 2).to_string(), "{what}");
    }
    let a = house.wait_up("a");

    // No edit at all; what is saved after it runs before anything of it could.
    in_source(&house, "touch", ["a.yaml"]);
    in_source(&house, "chmod", ["600", "a.yaml"]);
    let last = WAYS.len().to_string();
    fs::write(house.path("a.yaml"), format!("# a comment\n{}", service("a", &last, ""))).unwrap();
    house.save("c.yaml", &service("c", "1", ""));
    house.wait_up("c");
    house.assert_same(&[&a, &other]);
    let problems = house.ask("/v1/worker")["problems"].to_string();
    assert!(problems.contains("docker-compose.yml"), "{problems}");
    assert_eq!(house.containers().iter().filter(|it| it.is_live()).count(), 3);
    let events = house.ask("/v1/events?limit=1000&task=default/a").to_string();
    assert_eq!(events.matches("\"Revision\"").count(), WAYS.len() + 1, "{events}");
}

#[test]
fn what_a_slow_writer_has_not_finished_is_not_taken() {
    let Some(house) = House::open() else { return };
    house.save("a.yaml", &service("a", "2", ""));
    let before = house.wait_up("a");
    // In place: what is there in the middle of a value is valid.
    let text = service("a", "34567", "");
    let (half, rest) = text.split_at(text.find("34567").unwrap() + 2);
    let mut file = fs::File::create(house.path("a.yaml")).unwrap();
    file.write_all(format!("{half}\"").as_bytes()).unwrap();
    file.flush().unwrap();
    // The writer's pause is longer than what is found without an event would be waited for.
    house.always(Duration::from_secs(4), "the half of a value is not taken", || {
        house.live("a").iter().all(|seen| seen.id == before.id)
    });
    // The quote that made the half valid is overwritten.
    file.write_all_at(rest.as_bytes(), half.len() as u64).unwrap();
    drop(file);
    let after = house.wait_value("a", "34567");
    assert_eq!(after.label(label::ATTEMPT), "2");
}

#[test]
fn a_checkout_of_another_branch_is_taken_as_a_whole() {
    let Some(house) = House::new() else { return };
    let git = |arguments: &[&str]| {
        let config = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
        in_source(&house, "git", config.into_iter().chain(arguments.iter().copied()));
    };
    git(&["init", "-q", "-b", "one"]);
    // Enough of them that one or two may go.
    let names = ["a", "b", "c", "e"];
    for name in names {
        house.save(&format!("{name}.yaml"), &service(name, "1", ""));
    }
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "one"]);
    git(&["checkout", "-q", "-b", "two"]);
    house.save("a.yaml", &service("a", "2", ""));
    house.remove("c.yaml");
    house.save("d.yaml", &service("d", "1", ""));
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "two"]);
    git(&["checkout", "-q", "one"]);
    let mut house = house;
    house.start();
    let [_, b, _, e] = names.map(|name| house.wait_up(name));

    let git = |arguments: &[&str]| in_source(&house, "git", arguments.iter().copied());
    git(&["checkout", "-q", "two"]);
    house.wait_value("a", "2");
    house.wait_up("d");
    house.wait("c is gone", || house.of("c").is_empty().then_some(()));
    git(&["checkout", "-q", "one"]);
    house.wait_value("a", "1");
    house.wait_up("c");
    house.wait("d is gone", || house.of("d").is_empty().then_some(()));
    // There and back at once: as if nothing had been. What is removed after that goes first.
    house.save("last.yaml", &service("last", "1", ""));
    house.wait_up("last");
    let c = house.wait_up("c");
    git(&["checkout", "-q", "two"]);
    git(&["checkout", "-q", "one"]);
    house.remove("last.yaml");
    house.wait("last is gone", || house.of("last").is_empty().then_some(()));
    house.assert_same(&[&b, &c, &e]);
    house.wait_value("a", "1");
}

#[test]
fn a_swapped_link_as_kubernetes_makes_it_changes_only_what_differs() {
    let Some(house) = House::new() else { return };
    let version = |name: &str, a: &str| {
        fs::create_dir(house.path(name)).unwrap();
        fs::write(house.path(name).join("a.yaml"), service("a", a, "")).unwrap();
        fs::write(house.path(name).join("b.yaml"), service("b", "1", "")).unwrap();
    };
    version("..1", "1");
    symlink("..1", house.path("..data")).unwrap();
    for file in ["a.yaml", "b.yaml"] {
        symlink(format!("..data/{file}"), house.path(file)).unwrap();
    }
    let mut house = house;
    house.start();
    house.wait_up("a");
    let b = house.wait_up("b");
    let version = |name: &str, a: &str| {
        fs::create_dir(house.path(name)).unwrap();
        fs::write(house.path(name).join("a.yaml"), service("a", a, "")).unwrap();
        fs::write(house.path(name).join("b.yaml"), service("b", "1", "")).unwrap();
    };
    version("..2", "2");
    symlink("..2", house.path("..data_tmp")).unwrap();
    fs::rename(house.path("..data_tmp"), house.path("..data")).unwrap();
    fs::remove_dir_all(house.path("..1")).unwrap();
    house.wait_value("a", "2");
    house.wait_up("a");
    house.assert_same(&[&b]);
    let events = house.ask("/v1/events?limit=200&task=default/a").to_string();
    assert_eq!(events.matches("\"Revision\"").count(), 2, "{events}");
}

#[test]
fn a_directory_that_rsync_brings_up_to_date_is_taken_file_by_file() {
    if !has_program("rsync") {
        return;
    }
    let Some(house) = House::open() else { return };
    let from = house.home.path().join("deployed");
    fs::create_dir(&from).unwrap();
    let put = |name: &str, value: &str| {
        fs::write(from.join(format!("{name}.yaml")), service(name, value, "")).unwrap();
    };
    // All that it brings is as old as it was there, and what is the same is brought again.
    let deploy = || {
        for entry in fs::read_dir(&from).unwrap() {
            set_long_ago(&entry.unwrap().path());
        }
        let source = format!("{}/", from.display());
        in_source(&house, "rsync", ["-a", "--ignore-times", "--delete", &source, "./"]);
    };
    for name in ["a", "b", "c"] {
        put(name, "1");
    }
    deploy();
    let [a, b, c] = ["a", "b", "c"].map(|name| house.wait_up(name));
    put("a", "2");
    put("d", "1");
    fs::remove_file(from.join("c.yaml")).unwrap();
    deploy();
    let waited = house.evenkeel("wait", ["a", "d", "--for=Ready"]);
    assert!(waited.status.success(), "{waited:?}");
    let after = house.wait_value("a", "2");
    assert_eq!(after.label(label::ATTEMPT), "2");
    house.wait("what it deleted goes", || house.status("c").is_none().then_some(()));
    house.assert_same(&[&b, &house.wait_up("d"), &house.wait_up("a")]);
    assert!(house.inspect(&c.id).is_none_or(|seen| !seen.is_live()));
    assert!(house.inspect(&a.id).is_none_or(|seen| !seen.is_live()));
}
