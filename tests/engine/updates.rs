//! What a changed manifest does to what runs, and what it does not where the change is no good.

use std::net::TcpListener;

use evenkeel::domain::container::label;
use serde_json::Value;

use crate::bench::{IMAGE, docker};
use crate::house::{House, Seen, condition, fetch, free_port, service};
use crate::poller::Poller;

/// Says on its page what `V` is.
const PAGE: &str = r#"command: [sh, -c, "mkdir /w; echo $V > /w/index.html; httpd -p 80 -h /w; trap 'exit 0' TERM; sleep 3600 & wait"]"#;

fn page(name: &str, value: &str, host_port: u16) -> String {
    let port = format!("ports:\n  - containerPort: 80\n    hostPort: {host_port}");
    service(name, value, &format!("{PAGE}\n{port}"))
}

fn job(name: &str, script: &str, more: &str) -> String {
    let command = format!("command: [sh, -c, \"{script}\"]");
    service(name, "1", &format!("{command}\nrestartPolicy: OnFailure\n{more}"))
}

/// What a page says.
fn read(port: u16) -> Option<String> {
    fetch(port, "/").filter(|(status, _)| *status == 200).map(|(_, body)| body.trim().to_owned())
}

#[test]
fn a_volume_is_never_written_by_two_at_once() {
    let Some(house) = House::open() else { return };
    // It needs time to end, and would be found out by the lock if another one ran meanwhile.
    let program = r#"command: [sh, -c, "mkdir /d/lock || echo clash >> /d/log; echo start $V >> /d/log; trap 'sleep 0.4; echo end $V >> /d/log; rmdir /d/lock; exit 0' TERM; sleep 3600 & wait"]
mounts:
  - path: /d
    volume: data"#;
    let save = |value: &str| house.save("db.yaml", &service("db", value, program));
    save("1");
    house.wait_up("db");
    let poller = Poller::start(&house);
    save("2");
    house.wait_value("db", "2");
    // In the middle of one replacement comes the next.
    save("3");
    house
        .wait("3 begins", || house.of("db").iter().any(|it| it.value() == Some("3")).then_some(()));
    save("4");
    let last = house.wait_value("db", "4");
    house.wait_up("db");
    assert_eq!(poller.end()["db.0"].most, 1);
    let log = docker(["exec", &last.id, "cat", "/d/log"]);
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.last(), Some(&"start 4"), "{log}");
    for pair in lines.chunks(2) {
        let value = pair[0].strip_prefix("start ").unwrap_or_else(|| panic!("{log}"));
        let ended = format!("end {value}");
        assert!(pair.len() == 1 || pair[1] == ended, "{log}");
    }
}

#[test]
fn a_change_that_is_no_good_leaves_the_old_one_running() {
    let Some(house) = House::open() else { return };
    let names = ["image", "program", "exits", "path", "waits"];
    let save =
        |name: &str, more: &str| house.save(&format!("{name}.yaml"), &service(name, "1", more));
    for name in names {
        save(name, "");
    }
    let before: Vec<Seen> = names.iter().map(|name| house.wait_up(name)).collect();
    let poller = Poller::start(&house);
    house.save(
        "image.yaml",
        &service("image", "2", "").replace(IMAGE, "127.0.0.1:1/evenkeel-test/no-such-image:1"),
    );
    save("program", "command: [/no/such/program]");
    save("exits", "command: ['false']\nbackoff:\n  initialSeconds: 1");
    save("path", "mounts:\n  - path: /m\n    hostPath: ./no/such/path");
    save("waits", "dependsOn: nobody");

    let why = |name: &str, type_: &str, reason: &str| {
        let status = house.wait(&format!("{name} says {reason}"), || {
            house.status(name).filter(|status| condition(status, type_)["reason"] == reason)
        });
        condition(&status, type_)["message"].as_str().unwrap_or_default().to_owned()
    };
    let refused = |name: &str| -> Value {
        house.wait(&format!("the change of {name} is refused"), || {
            let status = house.status(name)?;
            status.get("refused").is_some().then_some(status)
        })
    };
    let program = refused("program");
    assert!(program["refused"]["message"].to_string().contains("/no/such/program"), "{program}");
    assert_eq!(condition(&program, "Progressing")["reason"], "RolledBack", "{program}");
    let exits = refused("exits");
    assert_eq!(condition(&exits, "Progressing")["reason"], "RolledBack", "{exits}");
    let attempts = exits["instances"].as_array().unwrap().iter().map(|it| it["attempt"].as_u64());
    assert_eq!(attempts.max().flatten(), Some(4), "three attempts after the first: {exits}");
    let image = house.wait("it says that there is no such image", || {
        house.status("image").filter(|it| it.to_string().contains("no-such-image"))
    });
    assert_eq!(image["readyReplicas"], 1, "{image}");
    assert!(why("path", "Progressing", "RolledBack").contains("no/such/path"));
    assert!(why("waits", "Valid", "SchemaInvalid").contains("dependsOn"));
    for (name, seen) in names.iter().zip(&before) {
        house.assert_same(&[seen]);
        assert_eq!(house.live(name).len(), 1, "{name}");
    }
    // What was refused is tried again only once its file changes, however long that takes.
    house.save("other.yaml", &service("other", "1", ""));
    house.wait_up("other");
    let attempt = |it: &Seen| it.label(label::ATTEMPT).parse::<u32>().unwrap();
    assert!(house.of("exits").iter().all(|it| attempt(it) <= 4), "nothing is tried");
    save("exits", "command: ['false']\nbackoff:\n  initialSeconds: 1\nstopSignal: INT");
    house.wait("it is tried again", || {
        let said = house.status("exits")?;
        let attempt =
            said["instances"].as_array()?.iter().filter_map(|it| it["attempt"].as_u64()).max();
        (attempt >= Some(5)).then_some(())
    });
    house.assert_same(&before.iter().collect::<Vec<_>>());
    for name in names {
        house.save(&format!("{name}.yaml"), &service(name, "3", ""));
    }
    for name in names {
        house.wait_value(name, "3");
        house.wait_up(name);
    }
    for (slot, seen) in poller.end() {
        assert!(seen.most <= 2, "{slot}: {seen:?}");
    }
}

#[test]
fn a_port_that_somebody_else_listens_at_is_waited_for() {
    let Some(house) = House::open() else { return };
    let (mine, taken) = (free_port(), free_port());
    let stranger = TcpListener::bind(("0.0.0.0", taken)).unwrap();
    house.save("web.yaml", &page("web", "1", mine));
    let first = house.wait_up("web");
    house.wait("the page", || read(mine).filter(|it| it == "1"));

    house.save("web.yaml", &page("web", "2", taken));
    house.wait("it says that the port is taken", || {
        let status = house.status("web")?;
        status["waitingFor"].to_string().contains(&taken.to_string()).then_some(())
    });
    let mark = house.log().len();
    house.wait_said(mark, &format!("host port {taken}"));
    assert_eq!(read(mine).as_deref(), Some("1"), "the old one serves");
    house.assert_same(&[&first]);
    drop(stranger);
    house.wait("the new one serves", || read(taken).filter(|it| it == "2"));
    house.wait_value("web", "2");
}

#[test]
fn two_tasks_swap_their_ports_by_one_edit_of_one_file() {
    let Some(house) = House::open() else { return };
    let (p, q) = (free_port(), free_port());
    let both = |a: u16, b: u16| format!("{}---\n{}", page("a", "a", a), page("b", "b", b));
    house.save("both.yaml", &both(p, q));
    house.wait("both pages", || (read(p)? == "a" && read(q)? == "b").then_some(()));
    let poller = Poller::start(&house);
    house.save("both.yaml", &both(q, p));
    house.wait("the pages have changed places", || {
        (read(q)? == "a" && read(p)? == "b").then_some(())
    });
    house.wait_up("a");
    house.wait_up("b");
    let seen = poller.end();
    assert!(seen["a.0"].most == 1 && seen["b.0"].most == 1, "{seen:?}");
    // A third task that wants one of them waits, and says for whom.
    house.save("c.yaml", &page("c", "c", p));
    let status = house.wait("c says who has its port", || {
        house.status("c").filter(|it| condition(it, "Converged")["reason"] == "PortConflict")
    });
    let message = condition(&status, "Converged")["message"].to_string();
    assert!(message.contains("default/b") && message.contains("both.yaml"), "{message}");
    assert_eq!(read(p).as_deref(), Some("b"));
}

#[test]
fn replicas_are_replaced_one_after_the_other() {
    let Some(house) = House::open() else { return };
    let save = |replicas: u16, value: &str| {
        house.save("r.yaml", &service("r", value, &format!("replicas: {replicas}")));
    };
    let values = || -> Vec<String> {
        let live = house.live("r");
        live.iter().map(|seen| seen.value().unwrap_or_default().to_owned()).collect()
    };
    save(3, "1");
    house.wait("three run", || (house.status("r")?["readyReplicas"] == 3).then_some(()));
    let poller = Poller::start(&house);
    save(3, "2");
    house.wait("all are new", || {
        let live = values();
        assert!((3..=4).contains(&live.len()), "{live:?}");
        (live == ["2", "2", "2"] && house.status("r")?["phase"] == "Running").then_some(())
    });
    for (slot, seen) in poller.end() {
        assert!(seen.most <= 2 && seen.ids.len() == 2, "{slot}: {seen:?}");
    }
    let kept = house.live("r").remove(0);
    save(1, "2");
    house.wait("one is left", || (house.live("r").len() == 1).then_some(()));
    house.assert_same(&[&kept]);
    save(2, "2");
    house.wait("two run", || (house.live("r").len() == 2).then_some(()));
    house.assert_same(&[&kept]);
}

#[test]
fn suspended_is_stopped_and_comes_back_as_it_was_asked_for() {
    let Some(house) = House::open() else { return };
    house.save("s.yaml", &service("s", "1", ""));
    // Any port that is free, told by the status.
    house.save("p.yaml", &page("p", "p", 0));
    let first = house.wait_up("s");
    house.save("s.yaml", &service("s", "1", "suspend: true"));
    house.wait_phase("s", "Suspended");
    house.wait("nothing of s runs", || house.live("s").is_empty().then_some(()));
    house.save("s.yaml", &service("s", "2", "suspend: true"));
    house.save("s.yaml", &service("s", "3", ""));
    let second = house.wait_value("s", "3");
    assert_ne!(second.id, first.id);

    house.wait_up("p");
    let status = house.status("p").unwrap();
    let ports = status["instances"][0]["ports"].to_string();
    let port = ports.split("->").next().and_then(|it| it.rsplit(':').next()).unwrap();
    let port: u16 = port.parse().unwrap_or_else(|_| panic!("{ports}"));
    house.wait("its page", || read(port).filter(|it| it == "p"));
}

#[test]
fn a_job_is_done_once_or_given_up_and_its_output_stays() {
    let Some(house) = House::open() else { return };
    house.save("good.yaml", &job("good", "echo worked", ""));
    house.save(
        "bad.yaml",
        &job("bad", "echo tried; exit 3", "backoff: {initialSeconds: 1, limit: 1}"),
    );
    house.wait_phase("good", "Completed");
    let good = house.of("good");
    assert_eq!((good.len(), house.output(&good[0].id)), (1, "worked".to_owned()));
    let status = house.wait_phase("bad", "Failed");
    let last = status["instances"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["attempt"], &last["exitCode"]), (&2.into(), &3.into()), "{status}");
    let bad = house.of("bad").pop().unwrap();
    assert_eq!((bad.exit_code(), house.output(&bad.id)), (3, "tried".to_owned()));
    // It is not tried again in the time that another one takes to come up.
    house.save("other.yaml", &service("other", "1", ""));
    house.wait_up("other");
    assert_eq!(house.of("bad").pop().unwrap().id, bad.id);
    // A comment is no news, a change is.
    house.save("good.yaml", &format!("# again\n{}", job("good", "echo worked", "")));
    house.save("bad.yaml", &job("bad", "echo better", ""));
    house.wait_phase("bad", "Completed");
    assert_eq!(house.of("good").pop().unwrap().id, good[0].id);
}

#[test]
fn a_wait_right_after_a_save_is_for_what_was_saved() {
    let Some(house) = House::open() else { return };
    house.save("web.yaml", &service("web", "0", ""));
    house.wait_up("web");
    for value in ["1", "2", "3", "4", "5"] {
        house.save("web.yaml", &service("web", value, ""));
        let waited = house.evenkeel("wait", ["web", "--for=Ready"]);
        assert!(waited.status.success(), "{waited:?}");
        let runs = house.live("web");
        assert!(runs.iter().any(|it| it.value() == Some(value)), "{value}: {runs:?}");
    }
    house.save("web.yaml", &service("web", "6", "").replace("image:", "imgae:"));
    let waited = house.evenkeel("wait", ["web", "--for=Ready"]);
    assert_eq!(waited.status.code(), Some(1), "{waited:?}");
}
