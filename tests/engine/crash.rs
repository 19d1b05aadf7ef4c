//! The daemon is killed again and again, its state is lost, and still the end is what the files say.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::bench::IMAGE;
use crate::house::{House, Seen, service};
use crate::poller::{Dice, Poller};

/// How often it is ended.
const ENDS: u64 = 14;
const VOLUME: &str = "mounts:\n  - path: /data\n    volume: data";

/// A job that runs at most once and writes a line for each time.
fn job(name: &str, seconds: u64) -> String {
    format!(
        "apiVersion: evenkeel/v1\nkind: Task\nmetadata:\n  name: {name}\nspec:\n  image: {IMAGE}\n  \
         imagePullPolicy: IfNotPresent\n  restartPolicy: Never\n  command: [sh, -c, \"echo run >> \
         /out/{name}; sleep {seconds}\"]\n  mounts:\n    - path: /out\n      hostPath: ./out\n"
    )
}

fn runs(house: &House, job: &str) -> usize {
    fs::read_to_string(house.path("out").join(job)).unwrap_or_default().lines().count()
}

#[test]
fn whenever_it_is_killed_the_end_is_what_the_files_say_and_nothing_is_doubled() {
    let Some(mut house) = House::open() else { return };
    let seed = std::env::var("EVENKEEL_SEED").ok().map_or_else(
        || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs(),
        |seed| seed.parse().unwrap(),
    );
    println!("to do the same again: EVENKEEL_SEED={seed}");
    let mut dice = Dice(seed);
    fs::create_dir(house.path("out")).unwrap();
    let poller = Poller::start(&house);
    house.save("steady.yaml", &service("steady", "1", ""));
    house.save("web.yaml", &service("web", "0", ""));
    house.save("data.yaml", &service("data", "0", VOLUME));
    house.save("job.yaml", &job("job", 20));
    let steady = house.wait_up("steady");
    house.wait("the job runs", || (runs(&house, "job") == 1).then_some(()));
    house.wait_up("web");
    house.wait_up("data");

    let mut begun = 0;
    for end in 1..=ENDS {
        house.save("web.yaml", &service("web", &end.to_string(), ""));
        if end % 2 == 0 {
            house.save("data.yaml", &service("data", &end.to_string(), VOLUME));
        }
        if end % 5 == 0 {
            house.save(&format!("job{end}.yaml"), &job(&format!("job{end}"), 1));
        }
        std::thread::sleep(Duration::from_millis(dice.below(2500)));
        assert!(!house.has_died(), "it died by itself");
        // Among the kills an orderly end, and some losses of all that was written down.
        if end % 7 == 0 {
            // Before it hears signals it dies by them, as every program does.
            house.wait_said(begun, "keeps this host");
            let status = house.stop();
            assert_eq!(status.code(), Some(0), "{status}");
        } else {
            house.kill();
        }
        if dice.below(4) == 0 {
            fs::remove_dir_all(house.state()).unwrap();
        }
        begun = house.log().len();
        house.begin();
    }
    let last = ENDS.to_string();
    let ends: [Seen; 2] = [house.wait_value("web", &last), house.wait_value("data", &last)];
    house.wait_up("web");
    house.wait_up("data");
    house.wait("the jobs are done", || {
        let jobs = ["job", "job5", "job10"].map(|name| house.status(name));
        let done = |status: &Option<serde_json::Value>| {
            status.as_ref().is_some_and(|it| it["phase"] == "Completed" || it["phase"] == "Failed")
        };
        jobs.iter().all(done).then_some(())
    });
    house.assert_same(&[&steady, &ends[0], &ends[1]]);
    let seen = poller.end();
    let most = |slot: &str| seen.get(slot).map_or(0, |slot| slot.most);
    let ids = |slot: &str| seen.get(slot).map_or(0, |slot| slot.ids.len());
    assert_eq!((most("steady.0"), ids("steady.0")), (1, 1), "{seen:?}");
    assert!(most("web.0") <= 2, "{seen:?}");
    assert_eq!(most("data.0"), 1, "{seen:?}");
    assert_eq!((ids("job.0"), runs(&house, "job")), (1, 1), "{seen:?}");
    for job in ["job5", "job10"] {
        // Killed between the start that was written down and the start that was sent, it is given
        // up rather than run twice.
        let completed = house.status(job).unwrap()["phase"] == "Completed";
        assert_eq!(runs(&house, job), usize::from(completed), "{job}: {seen:?}");
    }
    assert_eq!(house.status("job").unwrap()["phase"], "Completed");
}

#[test]
fn an_orderly_end_leaves_everything_running() {
    let Some(mut house) = House::open() else { return };
    house.save("web.yaml", &service("web", "1", ""));
    house.save("data.yaml", &service("data", "1", VOLUME));
    let (web, data) = (house.wait_up("web"), house.wait_up("data"));
    assert_eq!(house.stop().code(), Some(0));
    house.assert_same(&[&web, &data]);
    // What changed meanwhile is done afterwards.
    house.save("web.yaml", &service("web", "2", ""));
    house.remove("data.yaml");
    house.start();
    house.wait_value("web", "2");
    house.wait("data is gone", || house.of("data").is_empty().then_some(()));
    // Of its volume nothing is.
    crate::bench::docker([
        "volume",
        "inspect",
        &format!("evenkeel.{}.default.data", house.worker()),
    ]);
    // One daemon at a time.
    let second = house.evenkeel("run", [house.path("").to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(1), "{second:?}");
}
