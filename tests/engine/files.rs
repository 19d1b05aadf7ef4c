//! What people and programs do to a directory of manifests, and what becomes of the containers.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use crate::house::{House, condition, service};

/// Runs a program in the source, as a person would.
fn in_source<'a>(house: &House, program: &str, arguments: impl IntoIterator<Item = &'a str>) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(house.path(""));
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {error}");
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
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
    house.remove("a.yaml");
    house.always(Duration::from_secs(3), "a runs while its file may come back", || {
        house.live("a").len() == 1
    });
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
    house.always(Duration::from_secs(7), "both run", || {
        house.live("a").len() + house.live("b").len() == 2
    });
    fs::rename(&away, house.path("")).unwrap();
    house.wait("the source is back", || {
        house.ask("/v1/worker").get("sourceUnavailable").is_none().then_some(())
    });
    house.assert_same(&[&a, &b]);

    // Emptied at once.
    let (text_a, text_b) = (service("a", "1", ""), service("b", "1", ""));
    house.remove("a.yaml");
    house.remove("b.yaml");
    let held = house
        .wait("it says that it holds them", || house.ask("/v1/worker").get("pruneHeld").cloned());
    assert_eq!(held["tasks"].as_array().unwrap().len(), 2, "{held}");
    house.always(Duration::from_secs(7), "both run", || {
        house.live("a").len() + house.live("b").len() == 2
    });
    house.save("a.yaml", &text_a);
    house.save("b.yaml", &text_b);
    house.wait("nothing is held", || {
        house.ask("/v1/worker").get("pruneHeld").is_none().then_some(())
    });
    house.assert_same(&[&a, &b]);
}

#[test]
fn every_way_of_writing_a_file_is_one_update() {
    let Some(house) = House::open() else { return };
    house.save("a.yaml", &service("a", "1", ""));
    house.save("b.yaml", &service("b", "1", ""));
    // Somebody else's YAML lies beside them.
    fs::write(house.path("docker-compose.yml"), "services:\n  web:\n    image: nginx\n").unwrap();
    house.wait_up("a");
    let other = house.wait_up("b");
    let edit = |from: &str, to: &str| (format!("value: \"{from}\""), format!("value: \"{to}\""));

    let (from, to) = edit("1", "2");
    in_source(&house, "sed", ["-i", &format!("s/{from}/{to}/"), "a.yaml"]);
    house.wait_value("a", "2");

    // In place, and slowly: what is there in the middle of a value is valid, and never acted on.
    let text = service("a", "34567", "");
    let (half, rest) = text.split_at(text.find("34567").unwrap() + 2);
    let mut file = fs::File::create(house.path("a.yaml")).unwrap();
    file.write_all(format!("{half}\"").as_bytes()).unwrap();
    file.flush().unwrap();
    house.always(Duration::from_secs(5), "the half of a value is not taken", || {
        house.live("a").iter().all(|seen| seen.value() == Some("2"))
    });
    // The quote that made the half valid is overwritten.
    std::os::unix::fs::FileExt::write_all_at(&file, rest.as_bytes(), half.len() as u64).unwrap();
    drop(file);
    house.wait_value("a", "34567");

    if has("vim") {
        let (from, to) = edit("34567", "4");
        let substitute = format!("+%s/{from}/{to}/");
        in_source(&house, "vim", ["-u", "NONE", "-es", &substitute, "+wq", "a.yaml"]);
        house.wait_value("a", "4");
    }
    // A shell's redirection: emptied, then written.
    fs::write(house.path("a.yaml"), "").unwrap();
    house.always(Duration::from_secs(1), "an empty file holds", || !house.live("a").is_empty());
    fs::write(house.path("a.yaml"), service("a", "5", "")).unwrap();
    house.wait_value("a", "5");
    // No edit at all.
    let a = house.wait_up("a");
    in_source(&house, "touch", ["a.yaml"]);
    in_source(&house, "chmod", ["600", "a.yaml"]);
    fs::write(house.path("a.yaml"), format!("# a comment\n{}", service("a", "5", ""))).unwrap();
    house.always(Duration::from_secs(3), "nothing restarts", || {
        house.live("a").iter().all(|seen| seen.id == a.id)
    });
    house.assert_same(&[&a, &other]);
    let problems = house.ask("/v1/worker")["problems"].to_string();
    assert!(problems.contains("docker-compose.yml"), "{problems}");
    assert_eq!(house.containers().iter().filter(|it| it.is_live()).count(), 2);
}

#[test]
fn a_checkout_of_another_branch_is_taken_as_a_whole() {
    let Some(house) = House::new() else { return };
    let git = |arguments: &[&str]| {
        let config = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
        in_source(&house, "git", config.into_iter().chain(arguments.iter().copied()));
    };
    git(&["init", "-q", "-b", "one"]);
    for name in ["a", "b", "c"] {
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
    let b = ["a", "b", "c"].map(|name| house.wait_up(name))[1].clone();

    let git = |arguments: &[&str]| in_source(&house, "git", arguments.iter().copied());
    git(&["checkout", "-q", "two"]);
    house.wait_value("a", "2");
    house.wait_up("d");
    house.wait("c is gone", || house.of("c").is_empty().then_some(()));
    git(&["checkout", "-q", "one"]);
    house.wait_value("a", "1");
    house.wait_up("c");
    house.wait("d is gone", || house.of("d").is_empty().then_some(()));
    // There and back at once: as if nothing had been.
    let (a, c) = (house.wait_up("a"), house.wait_up("c"));
    git(&["checkout", "-q", "two"]);
    git(&["checkout", "-q", "one"]);
    house.always(Duration::from_secs(7), "c stays", || house.live("c").len() == 1);
    house.assert_same(&[&b, &c]);
    house.wait_value("a", "1");
    drop(a);
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
