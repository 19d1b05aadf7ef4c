//! What people do to our containers by hand is mended; what only looks like ours is left alone.

use std::process::Command;

use evenkeel::domain::container::label;
use serde_json::Value;

use crate::bench::{IMAGE, docker};
use crate::house::{House, Seen, service};

const BOUNDED: &str =
    "resources:\n  limits:\n    memory: 32Mi\n  requests:\n    cpu: 250m\n    memory: 16Mi";

/// What leaves the process alive, and what is said of it.
const DEEDS: [(&[&str], &str); 6] = [
    (&["pause", "CONTAINER"], "it was paused"),
    (&["rename", "CONTAINER", "WORKER-by-hand"], "it was renamed to"),
    (&["network", "disconnect", "NETWORK", "CONTAINER"], "it was cut off from network"),
    (
        &["update", "--memory", "64m", "--memory-swap", "64m", "CONTAINER"],
        "resources.limits.memory is 64Mi, the manifest says 32Mi",
    ),
    (&["update", "--cpu-shares", "2048", "CONTAINER"], "resources.requests.cpu"),
    (
        &["update", "--restart", "always", "CONTAINER"],
        "the engine's restart policy is always, wanted no",
    ),
];

fn do_by_hand(house: &House, deed: &[&str], id: &str) {
    let network = network(house);
    let renamed = format!("{}-by-hand", house.worker());
    docker(deed.iter().map(|word| match *word {
        "CONTAINER" => id,
        "NETWORK" => &network,
        "WORKER-by-hand" => &renamed,
        word => word,
    }));
}

fn network(house: &House) -> String {
    format!("evenkeel.{}.default", house.worker())
}

/// Waits until a container is as it was made, and sees that it is the same process.
fn wait_mended(house: &House, first: &Seen) {
    let network = network(house);
    let mended = house.wait("it is as it was", || {
        let seen = house.inspect(&first.id)?;
        let at_home = seen.all["NetworkSettings"]["Networks"][&network].is_object();
        let is = |key: &str, value: u64| seen.all["HostConfig"][key] == value;
        let ours = seen.all["HostConfig"]["RestartPolicy"]["Name"] == "no";
        let bounded = is("Memory", 32 << 20) && is("CpuShares", 256) && ours;
        (seen.status == "running" && seen.name == first.name && at_home && bounded).then_some(seen)
    });
    assert_eq!(mended.started_at, first.started_at);
    let aliases = &mended.all["NetworkSettings"]["Networks"][&network]["Aliases"];
    let aliases: Vec<&str> = aliases.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(aliases.contains(&"web") && aliases.contains(&"0.web"), "{aliases:?}");
}

#[test]
fn what_people_do_to_a_container_by_hand_is_mended() {
    let Some(mut house) = House::open() else { return };
    house.save("web.yaml", &service("web", "1", BOUNDED));
    let first = house.wait_up("web");

    // What leaves the process alive is mended without another one: one after the other, all at
    // once, and what was done while nobody was there.
    for (deed, said) in DEEDS {
        let mark = house.log().len();
        do_by_hand(&house, deed, &first.id);
        house.wait_said(mark, said);
        wait_mended(&house, &first);
    }
    for (deed, _) in DEEDS {
        do_by_hand(&house, deed, &first.id);
    }
    wait_mended(&house, &first);
    house.wait_up("web");
    house.kill();
    for (deed, _) in DEEDS {
        do_by_hand(&house, deed, &first.id);
    }
    house.start();
    wait_mended(&house, &first);

    // The engine can't take a limit away again: without it there is another container.
    house.save("free.yaml", &service("free", "1", ""));
    let limited = house.wait_up("free");
    docker(["update", "--memory", "64m", "--memory-swap", "64m", &limited.id]);
    let free = house.wait("another one runs", || {
        house.live("free").into_iter().find(|seen| seen.id != limited.id)
    });
    assert_eq!(free.all["HostConfig"]["Memory"], 0);
    house.wait_up("free");
    house.assert_same(&[&first]);

    // So is what its manifest asks for anew.
    house.save("web.yaml", &service("web", "1", &BOUNDED.replace("250m", "500m")));
    house.wait("it weighs more", || {
        let seen = house.inspect(&first.id)?;
        let host = &seen.all["HostConfig"];
        let kept = host["CpuShares"] == 512 && host["MemoryReservation"] == 16 << 20;
        (seen.is_live() && kept).then_some(())
    });
    house.save("web.yaml", &service("web", "1", BOUNDED));

    // What ends the process gives another one.
    let mut last = first;
    for deed in [&["rm", "-f"][..], &["stop", "-t", "1"], &["kill"]] {
        docker(deed.iter().copied().chain([last.id.as_str()]));
        let next = house.wait_up("web");
        assert_ne!(next.id, last.id, "{deed:?}");
        last = next;
    }
    // One that has ended and is started again by hand is not wanted.
    let old = house.of("web").into_iter().find(|seen| !seen.is_live()).expect("the last is kept");
    docker(["start", &old.id]);
    house.wait("it is stopped again", || {
        house.live("web").iter().all(|it| it.id == last.id).then_some(())
    });
    house.assert_same(&[&last]);
}

#[test]
fn what_only_looks_like_ours_is_left_alone() {
    let Some(house) = House::open() else { return };
    house.save("web.yaml", &service("web", "1", ""));
    let first = house.wait_up("web");

    let labels: Vec<String> = first.all["Config"]["Labels"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(name, value)| {
            ["--label".to_owned(), format!("{name}={}", value.as_str().unwrap())]
        })
        .collect();
    let worker = house.worker().to_owned();
    let mark = format!("evenkeel-test.stranger-of={worker}");
    let run = |name: &str, labels: &[String], image: &str| {
        let mut all = vec!["run", "-d", "--network=none", "--name", name, "--label", &mark];
        all.extend(labels.iter().map(String::as_str));
        all.extend([image, "sleep", "3600"]);
        docker(all)
    };
    let image = docker(["commit", &first.id]);
    let strangers = [
        // The name that our next container is to have.
        run(&format!("evenkeel.{worker}.default.web.0.2"), &[], IMAGE),
        // Our labels, under another name and under one like ours.
        run(&format!("copied-{worker}"), &labels, IMAGE),
        run(&format!("evenkeel.{worker}.default.web.7.7"), &labels, IMAGE),
        // Our labels, by way of an image.
        run(&format!("committed-{worker}"), &[], &image),
    ];
    let strangers = strangers.map(|id| house.inspect(&id).unwrap());
    let strangers: Vec<&Seen> = strangers.iter().collect();
    assert_eq!(strangers[3].label(label::TASK), "web");
    let ours = |house: &House, value: &str| {
        house.live("web").into_iter().find(|seen| {
            seen.value() == Some(value) && strangers.iter().all(|stranger| stranger.id != seen.id)
        })
    };

    house.save("web.yaml", &service("web", "2", ""));
    house.wait_said(0, &format!("evenkeel.{worker}.default.web.0.2"));
    house.save("web.yaml", &service("web", "3", ""));
    let third = house.wait("the next form runs", || ours(&house, "3"));
    house.wait("the first is stopped", || {
        house.inspect(&first.id).is_none_or(|it| !it.is_live()).then_some(())
    });
    house.assert_same(&strangers);

    // A look at everything, by who knows nothing but the engine.
    let mut house = house;
    house.kill();
    std::fs::remove_dir_all(house.state()).unwrap();
    house.start();
    house.save("web.yaml", &service("web", "4", ""));
    house.wait("the next form runs", || ours(&house, "4"));
    house.wait("the third is stopped", || {
        house.inspect(&third.id).is_none_or(|it| !it.is_live()).then_some(())
    });
    house.assert_same(&strangers);
    assert_eq!(house.evenkeel("down", ["--yes"]).status.code(), Some(0));
    house.ended();
    house.assert_same(&strangers);
    let mut remove = Command::new("docker");
    remove.args(["rm", "-f"]).args(strangers.iter().map(|it| it.id.as_str()));
    assert!(remove.output().unwrap().status.success());
    docker(["rmi", "-f", &image]);
}
