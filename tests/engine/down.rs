//! `down` says what is: nothing is left, or what is and why.

use std::time::Duration;

use crate::bench::{IMAGE, docker};
use crate::house::{House, service, signal};

/// Takes its time to end.
const SLOW: &str = "replicas: 4\ncommand: [sh, -c, \"trap : TERM; while :; do sleep 1; done\"]";

fn networks(house: &House) -> String {
    docker([
        "network",
        "ls",
        "-q",
        "--filter",
        &format!("label=evenkeel.worker={}", house.worker()),
    ])
}

#[test]
fn where_the_daemon_dies_on_the_way_down_must_do_the_rest() {
    for how in ["KILL", "TERM"] {
        let Some(mut house) = House::open() else { return };
        house.save("slow.yaml", &service("slow", "1", SLOW));
        house.wait("all run", || (house.live("slow").len() == 4).then_some(()));
        let down = std::thread::scope(|scope| {
            let down = scope.spawn(|| house.evenkeel("down", ["--yes"]));
            house.wait_said(0, "everything of this worker but volumes is being removed");
            std::thread::sleep(Duration::from_millis(500));
            signal(how, house.pid());
            down.join().unwrap()
        });
        let said = String::from_utf8_lossy(&down.stderr);
        assert_eq!((down.status.code(), house.of("slow").len()), (Some(0), 0), "{how}: {said}");
        assert!(said.contains("is left but its volumes"), "{said}");
        assert_eq!(networks(&house), "");
        house.ended();
    }
}

#[test]
fn what_stays_must_be_named_with_why() {
    let Some(mut house) = House::open() else { return };
    let kept = service("kept", "1", "").replace(
        "  name: kept\n",
        "  name: kept\n  namespace: own\n  annotations: {evenkeel/prune: \"false\"}\n",
    );
    house.save("web.yaml", &service("web", "1", ""));
    house.save("kept.yaml", &kept);
    house.wait_up("web");
    let [kept] = house.wait("it is up", || house.live("kept").try_into().ok());
    let network = format!("evenkeel.{}.default", house.worker());
    let stranger = format!("stranger-of-{}", house.worker());
    let label = format!("evenkeel-test.stranger-of={}", house.worker());
    docker([
        "run",
        "-d",
        "--network",
        &network,
        "--name",
        &stranger,
        "--label",
        &label,
        IMAGE,
        "sleep",
        "600",
    ]);
    for has_daemon in [true, false] {
        let down = house.evenkeel("down", ["--yes"]);
        let said = String::from_utf8_lossy(&down.stderr);
        assert_eq!(down.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("network {network} stays")), "{said}");
        assert!(said.contains("evenkeel/prune: \"false\""), "{said}");
        assert!(said.contains(&kept.name), "{said}");
        if has_daemon {
            house.ended();
        }
    }
    docker(["rm", "-f", &stranger]);
    let down = house.evenkeel("down", ["--yes"]);
    let said = String::from_utf8_lossy(&down.stderr);
    assert_eq!(down.status.code(), Some(0), "{said}");
    assert!(said.contains("nothing else of worker"), "{said}");
    house.assert_same(&[&kept]);
}
