//! The manifests that come with evenkeel, run for real, and the commands that people give.

use std::fs;
use std::path::Path;

use crate::bench::docker;
use crate::house::{House, fetch, free_port, service};

/// The text of an example, with another host port.
fn example(file: &str, ports: &[(u16, u16)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests").join(file);
    let mut text = fs::read_to_string(path).unwrap();
    for (from, to) in ports {
        let port = format!("hostPort: {from}\n");
        assert!(text.contains(&port), "{file}");
        text = text.replace(&port, &format!("hostPort: {to}\n"));
    }
    text
}

#[test]
fn every_example_does_what_it_says() {
    let Some(mut house) = House::open() else { return };
    let (hello, web) = (free_port(), free_port());
    let ports = |file: &str| match file {
        "hello.yaml" => vec![(8080, hello)],
        "stack.yaml" => vec![(8081, web)],
        _ => Vec::new(),
    };
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        house.save(&file, &example(&file, &ports(&file)));
    }
    house.wait("hello answers", || {
        fetch(hello, "/")
            .filter(|(status, body)| *status == 200 && body.contains("Hello from evenkeel"))
    });
    let worker = house.wait_phase("worker", "Completed");
    assert_eq!(worker["instances"].as_array().unwrap().len(), 1, "{worker}");
    let worker = house.of("worker").remove(0);
    assert!(house.output(&worker.id).contains("step 3 of 3"));
    house.wait("the reader reads by name what the writer wrote", || {
        let reader = house.of("reader").pop()?;
        house.output(&reader.id).contains("200 OK").then_some(())
    });
    house.wait("the page is there from outside", || {
        fetch(web, "/").filter(|(status, body)| *status == 200 && body.contains(':'))
    });
    house.wait("nothing is left to do", || {
        let all = house.ask("/v1/tasks");
        let done = |it: &serde_json::Value| it["phase"] == "Running" || it["phase"] == "Completed";
        let all = all.as_array().unwrap();
        (all.len() == 5 && all.iter().all(done)).then_some(())
    });

    let source = house.path("").to_str().unwrap().to_owned();
    let plan = |house: &House| house.evenkeel("plan", [&*source, "--detailed-exitcode"]);
    let nothing = plan(&house);
    let text = String::from_utf8(nothing.stdout).unwrap();
    assert_eq!((nothing.status.code(), text.as_str()), (Some(0), "0 to do, 5 tasks as they are\n"));
    assert_eq!(house.stop().code(), Some(0));
    assert_eq!(plan(&house).status.code(), Some(0));
    house.save("hello.yaml", &example("hello.yaml", &[(8080, free_port())]));
    let change = plan(&house);
    let text = String::from_utf8(change.stdout).unwrap();
    assert_eq!(change.status.code(), Some(2), "{text}");
    assert!(
        text.contains("replace default/hello 0.1") && text.contains("ports.8080/tcp changed"),
        "{text}"
    );

    // Without a daemon, too, nothing is left but the volume.
    let down = house.evenkeel("down", ["--yes"]);
    assert_eq!(down.status.code(), Some(0), "{}", String::from_utf8_lossy(&down.stderr));
    nothing_is_left_but(&house, &format!("evenkeel.{}.stack.page", house.worker()));
}

fn nothing_is_left_but(house: &House, volume: &str) {
    assert!(house.containers().is_empty());
    let filter = format!("label=evenkeel.worker={}", house.worker());
    assert_eq!(docker(["network", "ls", "-q", "--filter", &filter]), "");
    assert_eq!(docker(["volume", "ls", "-q", "--filter", &filter]), volume);
}

#[test]
fn commands_end_with_the_code_that_says_how_it_went() {
    let Some(mut house) = House::new() else { return };
    let source = house.path("").to_str().unwrap().to_owned();
    let code = |house: &House, arguments: &[&str]| {
        let output = house.evenkeel("sync", arguments.iter().copied());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    house.save("a.yaml", &service("a", "1", "mounts: [{path: /v, volume: kept}]"));
    let (done, said) = code(&house, &[&source]);
    assert_eq!(done, Some(0), "{said}");
    let a = house.live("a").remove(0);
    // Again there is nothing to do.
    assert_eq!(code(&house, &[&source]).0, Some(0));
    house.assert_same(&[&a]);
    // A job that is no good.
    house.save("job.yaml", &service("job", "1", "restartPolicy: Never\ncommand: ['false']"));
    let (failed, said) = code(&house, &[&source]);
    assert_eq!(failed, Some(1), "{said}");
    // A manifest that is none.
    house.save("job.yaml", &service("job", "1", "restartPolicy: Never\ncommand: ['true']"));
    house.save("none.yaml", "kind: Task\n");
    let (broken, said) = code(&house, &[&source]);
    assert_eq!(broken, Some(1), "{said}");
    assert!(said.contains("none.yaml:1:1"), "{said}");
    house.remove("none.yaml");
    // What can't be in time.
    house.save("job.yaml", &service("job", "1", "restartPolicy: Never\ncommand: [sleep, '60']"));
    let (late, said) = code(&house, &[&source, "--timeout", "4s"]);
    assert_eq!(late, Some(3), "{said}");
    house.assert_same(&[&a]);

    house.start();
    let down = house.evenkeel("down", ["--yes"]);
    assert_eq!(down.status.code(), Some(0), "{}", String::from_utf8_lossy(&down.stderr));
    assert_eq!(house.ended().code(), Some(0));
    nothing_is_left_but(&house, &format!("evenkeel.{}.default.kept", house.worker()));
    assert_eq!(house.evenkeel("no-such-command", []).status.code(), Some(64));
}

#[test]
fn a_sync_beside_a_daemon_ends_with_how_the_daemon_has_done_what_was_saved() {
    let Some(mut house) = House::new() else { return };
    house.start();
    let source = house.path("").to_str().unwrap().to_owned();
    let sync = |house: &House, timeout: &str| {
        let output = house.evenkeel("sync", [&*source, "--timeout", timeout]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    house.save("a.yaml", &service("a", "1", ""));
    house.save("b.yaml", &service("b", "1", ""));
    let (done, said) = sync(&house, "60s");
    assert_eq!(done, Some(0), "{said}");
    assert!(said.contains("instance 0.1 is running"), "{said}");
    let b = house.live("b").remove(0);
    // Another form of it, and one that goes.
    house.save("a.yaml", &service("a", "2", ""));
    house.remove("b.yaml");
    let (done, said) = sync(&house, "60s");
    assert_eq!(done, Some(0), "{said}");
    assert!(house.live("a").iter().all(|it| it.value() == Some("2")));
    assert!(house.live("b").is_empty() && house.inspect(&b.id).is_none());
    // Files that are none: one of a task that is there, and one of nobody.
    let a = house.live("a").remove(0);
    house.save("a.yaml", "kind: Task\n");
    let (broken, said) = sync(&house, "60s");
    assert!(broken == Some(1) && said.contains("a.yaml:1:1"), "{said}");
    house.save("a.yaml", &service("a", "2", ""));
    house.save("none.yaml", "- 1\n");
    let (broken, said) = sync(&house, "60s");
    assert!(broken == Some(1) && said.contains("none.yaml:1:1"), "{said}");
    house.remove("none.yaml");
    house.save("job.yaml", &service("job", "1", "restartPolicy: Never\ncommand: [sleep, '60']"));
    let (late, said) = sync(&house, "4s");
    assert!(
        late == Some(3) && said.contains("job is Progressing: waiting for 0.1 to end"),
        "{said}"
    );
    house.assert_same(&[&a]);
}
