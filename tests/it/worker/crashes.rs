//! `kill -9` at every effect, before it, after it, and after its answer: the same end.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel::db::Db;
use evenkeel::domain::container::label;
use evenkeel::domain::instance::ContainerId;
use evenkeel::domain::status::ConditionType;
use evenkeel::runtime::simulated::{Behaviour, Fault};

use super::by_command::restart;
use super::host::{Host, secs, sleep, task};
use super::promises::{self, Two};

/// A change, and what must come of it.
struct Scenario {
    name: &'static str,
    /// What is there and has settled before.
    before: Vec<(&'static str, String)>,
    change: fn(&mut Host),
    /// Whether two may live in one slot for a while.
    two: Two,
    /// Tasks whose containers must stay the ones they are.
    untouched: &'static [&'static str],
    /// Tasks whose removal is held then, and approved.
    approved: &'static [&'static str],
    /// Tasks whose instances are replaced by command.
    restarted: &'static [&'static str],
    /// Tasks whose program must begin once in all: a job, or what is being removed.
    once: &'static [&'static str],
}

/// What is there in the end, whichever way it came about.
#[derive(Debug, PartialEq, Eq)]
struct End {
    /// Slot, state and fingerprint: after a crash in doubt it may be another attempt.
    containers: BTreeSet<(String, String, String)>,
    networks: Vec<String>,
    volumes: Vec<String>,
}

const VOLUME: &str = "  mounts: [{path: /data, volume: data}]";

fn scenarios() -> Vec<Scenario> {
    let neighbour = || ("other.yaml", task("other", ""));
    vec![
        Scenario {
            name: "a first start with network and volume",
            before: Vec::new(),
            change: |host| host.write("web.yaml", &task("web", VOLUME)),
            two: Two::Never,
            untouched: &[],
            approved: &[],
            restarted: &[],
            once: &[],
        },
        Scenario {
            name: "an update that starts first",
            before: vec![neighbour(), ("web.yaml", task("web", ""))],
            change: |host| host.write("web.yaml", &task("web", "  image: app:2")),
            two: Two::Unlike,
            untouched: &["other"],
            approved: &[],
            restarted: &[],
            once: &[],
        },
        Scenario {
            name: "an update that stops first",
            before: vec![neighbour(), ("db.yaml", task("db", VOLUME))],
            change: |host| host.write("db.yaml", &task("db", &format!("  image: app:2\n{VOLUME}"))),
            two: Two::Never,
            untouched: &["other"],
            approved: &[],
            restarted: &[],
            once: &[],
        },
        Scenario {
            name: "a bad update",
            before: vec![neighbour(), ("web.yaml", task("web", ""))],
            change: |host| {
                host.engine.program(&["bad"], Behaviour::missing());
                host.write("web.yaml", &task("web", "  command: [bad]"));
            },
            two: Two::Unlike,
            untouched: &["other", "web"],
            approved: &[],
            restarted: &[],
            once: &[],
        },
        Scenario {
            name: "a bad update that stops first",
            before: vec![neighbour(), ("db.yaml", task("db", VOLUME))],
            change: |host| {
                host.engine.program(&["bad"], Behaviour::missing());
                host.write("db.yaml", &task("db", &format!("  command: [bad]\n{VOLUME}")));
            },
            two: Two::Never,
            untouched: &["other"],
            approved: &[],
            restarted: &[],
            once: &[],
        },
        Scenario {
            name: "a job that must run at most once",
            before: vec![neighbour()],
            change: |host| {
                host.engine.task("default/job", Behaviour::ends(secs(5), 0));
                host.write("job.yaml", &task("job", "  restartPolicy: Never"));
            },
            two: Two::Never,
            untouched: &["other"],
            approved: &[],
            restarted: &[],
            once: &["job"],
        },
        Scenario {
            name: "a deletion",
            before: vec![neighbour(), ("web.yaml", task("web", VOLUME)), ("x.yaml", task("x", ""))],
            change: |host| host.remove(&["web.yaml"]),
            two: Two::Never,
            untouched: &["other", "x"],
            approved: &[],
            restarted: &[],
            once: &["web"],
        },
        Scenario {
            name: "the deletion of the last",
            before: vec![("web.yaml", task("web", ""))],
            change: |host| host.remove(&["web.yaml"]),
            two: Two::Never,
            untouched: &[],
            approved: &[],
            restarted: &[],
            once: &["web"],
        },
        Scenario {
            name: "a deletion of many",
            before: vec![("db.yaml", task("db", VOLUME)), ("web.yaml", task("web", ""))],
            change: |host| host.remove(&["db.yaml", "web.yaml"]),
            two: Two::Never,
            untouched: &[],
            approved: &["db", "web"],
            restarted: &[],
            once: &["db", "web"],
        },
        Scenario {
            name: "scaling up",
            before: vec![neighbour(), ("web.yaml", task("web", ""))],
            change: |host| host.write("web.yaml", &task("web", "  replicas: 3")),
            two: Two::Never,
            untouched: &["other", "web"],
            approved: &[],
            restarted: &[],
            once: &[],
        },
        Scenario {
            name: "scaling down",
            before: vec![neighbour(), ("web.yaml", task("web", "  replicas: 3"))],
            change: |host| host.write("web.yaml", &task("web", "")),
            two: Two::Never,
            untouched: &["other", "web.0"],
            approved: &[],
            restarted: &[],
            once: &[],
        },
        Scenario {
            name: "a restart by command",
            before: vec![neighbour(), ("web.yaml", task("web", "  replicas: 2"))],
            change: |_| {},
            two: Two::Alike,
            untouched: &["other"],
            approved: &[],
            restarted: &["web"],
            once: &[],
        },
        Scenario {
            name: "a restart by command that stops first",
            before: vec![neighbour(), ("db.yaml", task("db", VOLUME))],
            change: |_| {},
            two: Two::Never,
            untouched: &["other"],
            approved: &[],
            restarted: &["db"],
            once: &[],
        },
    ]
}

async fn ready(scenario: &Scenario) -> (Host, BTreeMap<String, ContainerId>) {
    let host = Host::with(&scenario.before).await;
    let untouched = kept(&host, scenario);
    sleep(secs(3)).await;
    (host, untouched)
}

/// The change, up to where the first effect of it is about to be.
async fn change(host: &mut Host, scenario: &Scenario) {
    (scenario.change)(host);
    if let Some(held) = scenario.approved.first() {
        host.until_reason(held, ConditionType::Converged, "PruneHeld").await;
        host.approve_prune(scenario.approved).await.unwrap();
    }
    for restarted in scenario.restarted {
        restart(host, restarted).await.unwrap();
    }
}

/// The containers that must stay the ones they are.
fn kept(host: &Host, scenario: &Scenario) -> BTreeMap<String, ContainerId> {
    let is_kept =
        |name: &str| scenario.untouched.iter().any(|task| name.starts_with(&format!("{task}.")));
    host.live().into_iter().filter(|(name, _)| is_kept(name)).collect()
}

/// What must be so in the end, however it went.
async fn end(
    host: &Host,
    scenario: &Scenario,
    untouched: &BTreeMap<String, ContainerId>,
    what: &str,
) -> End {
    // What was left behind, had something been, would be found by then.
    let settled = host.live();
    sleep(secs(40)).await;
    host.settle().await;
    assert_eq!(host.live(), settled, "{what}: it had not settled");
    promises::assert_most(&host.engine, scenario.two, what);
    let now = host.live();
    for (name, id) in untouched {
        assert_eq!(now.get(name), Some(id), "{what}: {name} was to be left alone");
    }
    for once in scenario.once {
        assert_eq!(host.starts(once), 1, "{what}: how often {once} began");
    }
    let containers = host.ours().into_values().map(|it| {
        let label = |key: &str| it.labels[key].clone();
        let slot = format!("{}.{}", label(label::TASK), label(label::SLOT));
        (slot, format!("{:?}", it.status), label(label::FINGERPRINT))
    });
    let networks = host.engine.networks();
    End { containers: containers.collect(), networks, volumes: host.engine.volumes() }
}

async fn reference(scenario: &Scenario) -> (End, u64) {
    let (mut host, untouched) = ready(scenario).await;
    let before = host.engine.steps();
    change(&mut host, scenario).await;
    host.settle().await;
    let end = end(&host, scenario, &untouched, scenario.name).await;
    (end, host.engine.steps() - before)
}

async fn must_survive_a_crash_at_every_effect(name: &str) {
    let all = scenarios();
    let scenario = all.iter().find(|scenario| scenario.name == name).unwrap();
    let (wanted, effects) = reference(scenario).await;
    assert!(effects > 0, "{name} does something");
    for effect in 0..effects {
        for fault in [Fault::FreezeBefore, Fault::FreezeApplied, Fault::FreezeReplied] {
            let what = format!("{name}, {fault:?} at effect {effect} of {effects}");
            let (mut host, untouched) = ready(scenario).await;
            host.engine.plan_fault(host.engine.steps() + effect, fault);
            change(&mut host, scenario).await;
            let crashes = host.settle_through_crashes().await;
            assert_eq!(crashes, 1, "{what}: crashes");
            let found = end(&host, scenario, &untouched, &what).await;
            assert_eq!(found, wanted, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_start_must_survive_a_crash_at_every_effect() {
    must_survive_a_crash_at_every_effect("a first start with network and volume").await;
}

#[tokio::test(start_paused = true)]
async fn an_update_that_starts_first_must_survive_a_crash_at_every_effect() {
    must_survive_a_crash_at_every_effect("an update that starts first").await;
}

#[tokio::test(start_paused = true)]
async fn an_update_that_stops_first_must_survive_a_crash_at_every_effect() {
    must_survive_a_crash_at_every_effect("an update that stops first").await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_update_must_survive_a_crash_at_every_effect() {
    must_survive_a_crash_at_every_effect("a bad update").await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_update_that_stops_first_must_survive_a_crash_at_every_effect() {
    must_survive_a_crash_at_every_effect("a bad update that stops first").await;
}

#[tokio::test(start_paused = true)]
async fn a_job_must_run_at_most_once_through_a_crash_at_every_effect() {
    must_survive_a_crash_at_every_effect("a job that must run at most once").await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_must_survive_a_crash_at_every_effect() {
    must_survive_a_crash_at_every_effect("a deletion").await;
    must_survive_a_crash_at_every_effect("the deletion of the last").await;
    must_survive_a_crash_at_every_effect("a deletion of many").await;
}

#[tokio::test(start_paused = true)]
async fn scaling_must_survive_a_crash_at_every_effect() {
    must_survive_a_crash_at_every_effect("scaling up").await;
    must_survive_a_crash_at_every_effect("scaling down").await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_by_command_must_survive_a_crash_at_every_effect() {
    must_survive_a_crash_at_every_effect("a restart by command").await;
    must_survive_a_crash_at_every_effect("a restart by command that stops first").await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_must_be_looked_for_not_guessed() {
    for scenario in scenarios() {
        let name = scenario.name;
        let (wanted, effects) = reference(&scenario).await;
        for effect in 0..effects {
            for fault in [Fault::RequestLost, Fault::ReplyLost] {
                let what = format!("{name}, {fault:?} at effect {effect} of {effects}");
                let (mut host, untouched) = ready(&scenario).await;
                host.engine.plan_fault(host.engine.steps() + effect, fault);
                change(&mut host, &scenario).await;
                host.settle().await;
                let found = end(&host, &scenario, &untouched, &what).await;
                assert_eq!(found, wanted, "{what}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_at_any_effect_must_have_each_done_once() {
    for scenario in scenarios() {
        let name = scenario.name;
        let (wanted, effects) = reference(&scenario).await;
        for effect in 0..effects {
            // For less than any step is waited for, and for more than each. What it was asked for
            // meanwhile it does first, or some time after it answers again.
            for (hung, late) in [(15, false), (200, true)] {
                let what = format!("{name}, {hung} s at effect {effect} of {effects}");
                let (mut host, untouched) = ready(&scenario).await;
                host.engine.plan_fault(host.engine.steps() + effect, Fault::Hang);
                change(&mut host, &scenario).await;
                host.engine.hanging().await;
                sleep(secs(hung)).await;
                if !late {
                    host.engine.catch_up();
                }
                host.engine.answer_again();
                if late {
                    let answers =
                        async |host: &Host| host.overview().await.engine_unavailable.is_none();
                    host.until("the engine is asked", secs(32), answers).await;
                    sleep(secs(7)).await;
                    host.engine.catch_up();
                }
                host.settle().await;
                let found = end(&host, &scenario, &untouched, &what).await;
                assert_eq!(found, wanted, "{what}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_crashes_must_be_survived_like_one() {
    let all = scenarios();
    let scenario = all.iter().find(|it| it.name == "an update that stops first").unwrap();
    let (wanted, effects) = reference(scenario).await;
    let phases = [Fault::FreezeBefore, Fault::FreezeApplied, Fault::FreezeReplied];
    for first in 0..effects {
        for second in 1..=effects {
            // Each pair of effects, the phases in turn.
            let turn = usize::try_from(first + second).unwrap();
            let (one, other) = (phases[turn % 3].clone(), phases[turn / 3 % 3].clone());
            let what = format!("{one:?} at {first} and {other:?} {second} after");
            let (mut host, untouched) = ready(scenario).await;
            let at = host.engine.steps() + first;
            host.engine.plan_fault(at, one);
            host.engine.plan_fault(at + second, other);
            change(&mut host, scenario).await;
            let crashes = host.settle_through_crashes().await;
            assert!(crashes >= 1, "{what}: crashes");
            let found = end(&host, scenario, &untouched, &what).await;
            assert_eq!(found, wanted, "{what}");
        }
    }
}

/// Another form of the job.
fn write_form(host: &mut Host, form: u32) {
    let spec = format!("  restartPolicy: Never\n  args: [\"{form}\"]");
    host.write("job.yaml", &task("job", &spec));
}

/// Not one form ran twice, and what is kept of them all is bounded.
async fn assert_ran_once(host: &Host, what: &str) {
    let happened = host.engine.happened();
    let mut forms = BTreeSet::new();
    for began in happened.iter().filter(|it| it.began) {
        let form = &began.labels[label::FINGERPRINT];
        assert!(forms.insert(form.clone()), "{what}: {form} ran again");
    }
    let kept = host.status("job").await.instances.len();
    assert!(kept <= 3, "{what}: {kept} instances are kept");
    assert!(host.ours().len() <= 3, "{what}: {:?}", host.ours().keys());
}

async fn job_of_forms(forms: u32) -> Host {
    let mut host = Host::new();
    host.engine.task("default/job", Behaviour::ends(secs(1), 0));
    host.start().await;
    for form in 1..=forms {
        write_form(&mut host, form);
        host.settle().await;
    }
    host
}

#[tokio::test(start_paused = true)]
async fn a_run_of_long_ago_must_stay_known_through_a_crash_at_every_effect() {
    let mut host = job_of_forms(4).await;
    let before = host.engine.steps();
    write_form(&mut host, 5);
    host.settle().await;
    let effects = host.engine.steps() - before;
    assert!(effects >= 3, "one is made and started, and the oldest is removed: {effects}");
    for effect in 0..effects {
        for fault in [Fault::FreezeBefore, Fault::FreezeApplied, Fault::FreezeReplied] {
            let what = format!("{fault:?} at effect {effect} of {effects}");
            let mut host = job_of_forms(4).await;
            host.engine.plan_fault(host.engine.steps() + effect, fault);
            write_form(&mut host, 5);
            assert_eq!(host.settle_through_crashes().await, 1, "{what}: crashes");
            for form in [1, 5, 2, 3, 4] {
                write_form(&mut host, form);
                host.settle().await;
                assert_ran_once(&host, &format!("{what}, form {form} again")).await;
            }
            assert_eq!(host.starts("job"), 5, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_edits_of_what_runs_at_most_once_must_leave_little_and_run_each_once() {
    let mut host = job_of_forms(0).await;
    let faults = [Fault::FreezeBefore, Fault::FreezeApplied, Fault::FreezeReplied];
    for form in 1..=50 {
        // Each in turn is killed at another of its effects; the first three remove nothing yet.
        let effects = if form < 4 { 2 } else { 3 };
        let (effect, fault) = (u64::from(form) % effects, faults[form as usize / 3 % 3].clone());
        host.engine.plan_fault(host.engine.steps() + effect, fault.clone());
        write_form(&mut host, form);
        let what = format!("form {form}, {fault:?} at effect {effect}");
        assert_eq!(host.settle_through_crashes().await, 1, "{what}: crashes");
        assert_ran_once(&host, &what).await;
    }
    for form in 1..=50 {
        write_form(&mut host, form);
        host.settle().await;
        assert_ran_once(&host, &format!("form {form} again")).await;
    }
    assert_eq!(host.starts("job"), 50);
    host.stop().await;
    let stored = Db::open(host.state.path()).await.unwrap().stored;
    let [record] = &stored.records[..] else { panic!("{:?}", stored.records) };
    assert_eq!(record.runs.len(), 50);
    assert!(record.instances.len() <= 3, "{:?}", record.instances.keys());
    assert!(record.revisions.len() <= 13, "{:?}", record.revisions.keys());
}
