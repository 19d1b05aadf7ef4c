//! Walks at random over edits, faults and time. The promises hold after every look, and once the
//! faults are over it comes to rest within bounded looks and time, with what was asked for last.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;

use super::play::*;
use crate::domain::container::{HealthCheck, Status};
use crate::domain::exclusive::FixedPort;
use crate::domain::instance::Instance;
use crate::domain::outcome::Cause;
use crate::domain::policy::Level;
use crate::domain::task::{RestartPolicy, Strategy as Way, Task};
use crate::domain::template::ImageRef;

#[derive(Debug, Clone)]
enum Move {
    Image(u8),
    Replicas(u16),
    Suspend(bool),
    Hold(bool),
    Renew,
    Port(bool),
    Memory(bool),
    Pass(u32),
    Looks(u8),
    LoseAnswers(u32),
    RefuseCreate(u32),
    Breaks(u8, Option<u8>),
    Mends(u8),
    Says(u8, u8),
    Stranger(bool),
    Kill(Index),
    Remove(Index),
    Pause(Index),
    Rename(Index),
    CutOff(Index),
    Stick(Index),
    EngineRestarts,
    EngineAway(bool),
    Blind(bool),
    Crash,
    LoseDb,
    Strict(bool),
    Missing(bool),
}

fn moves() -> impl Strategy<Value = Move> {
    let any = || any::<Index>();
    prop_oneof![
        // More forms than runs of a job are kept.
        4 => (1..6_u8).prop_map(Move::Image),
        2 => (0..4_u16).prop_map(Move::Replicas),
        1 => proptest::bool::ANY.prop_map(Move::Suspend),
        1 => proptest::bool::ANY.prop_map(Move::Hold),
        2 => Just(Move::Renew),
        1 => proptest::bool::ANY.prop_map(Move::Port),
        1 => proptest::bool::ANY.prop_map(Move::Memory),
        8 => (1..9_000_u32).prop_map(Move::Pass),
        1 => (60_000..900_000_u32).prop_map(Move::Pass),
        8 => (1..8_u8).prop_map(Move::Looks),
        2 => (1..6_u32).prop_map(Move::LoseAnswers),
        1 => (1..4_u32).prop_map(Move::RefuseCreate),
        2 => (1..6_u8, proptest::option::of(0..5_u8)).prop_map(|(of, after)| Move::Breaks(of, after)),
        2 => (1..6_u8).prop_map(Move::Mends),
        2 => (1..6_u8, 0..3_u8).prop_map(|(of, says)| Move::Says(of, says)),
        1 => proptest::bool::ANY.prop_map(Move::Stranger),
        2 => any().prop_map(Move::Kill),
        1 => any().prop_map(Move::Remove),
        1 => any().prop_map(Move::Pause),
        1 => any().prop_map(Move::Rename),
        1 => any().prop_map(Move::CutOff),
        1 => any().prop_map(Move::Stick),
        1 => Just(Move::EngineRestarts),
        1 => proptest::bool::ANY.prop_map(Move::EngineAway),
        1 => proptest::bool::ANY.prop_map(Move::Blind),
        1 => Just(Move::Crash),
        1 => Just(Move::LoseDb),
        1 => proptest::bool::ANY.prop_map(Move::Strict),
        1 => proptest::bool::ANY.prop_map(Move::Missing),
    ]
}

/// What a walk begins with, short enough to be read in a failure.
#[derive(Debug, Clone)]
struct Start {
    kind: RestartPolicy,
    recreate: bool,
    surge: u16,
    down: u16,
    writes: bool,
    replicas: u16,
    slow: bool,
}

fn starts() -> impl Strategy<Value = Start> {
    let kinds = prop_oneof![
        4 => Just(RestartPolicy::Always),
        1 => Just(RestartPolicy::OnFailure),
        1 => Just(RestartPolicy::Never),
    ];
    let rare = proptest::bool::weighted;
    let all = (kinds, rare(0.2), 0..3_u16, 0..3_u16, rare(0.3), 0..4_u16, rare(0.5));
    all.prop_map(|(kind, recreate, surge, down, writes, replicas, slow)| Start {
        kind,
        recreate,
        surge,
        down,
        writes,
        replicas,
        slow,
    })
}

fn begin(start: &Start) -> Play {
    let mut task: Task = job("web", "app:1", start.kind);
    task.replicas = if start.writes { 1 } else { start.replicas };
    task.update.strategy = if start.recreate { Way::Recreate } else { Way::Rolling };
    task.update.max_surge = start.surge;
    task.update.max_unavailable = start.down;
    if start.writes {
        task.template.mounts.push(volume("data"));
    }
    let mut play = Play::of(&task);
    play.engine.images.extend(["app:4", "app:5"].map(str::to_owned));
    play.engine.slow_stops = if start.slow { secs(3) } else { secs(0) };
    play
}

fn go(play: &mut Play, chosen: &Move) {
    let image = |number: &u8| format!("app:{number}");
    let now = play.engine.now;
    match chosen {
        Move::Image(number) => {
            play.edit(|task| task.template.image = ImageRef::checked(image(number)));
        }
        Move::Replicas(replicas) => play.edit(|task| {
            let most = if task.template.mounts.is_empty() { *replicas } else { 1 };
            task.replicas = if task.template.ports.is_empty() { most } else { most.min(1) };
        }),
        Move::Suspend(suspend) => play.edit(|task| task.suspend = *suspend),
        Move::Hold(hold) => play.hold(*hold),
        Move::Renew => drop(play.renew()),
        Move::Port(on) => play.edit(|task| {
            task.template.ports = if *on { vec![port(8080)] } else { Vec::new() };
            task.replicas = if *on { task.replicas.min(1) } else { task.replicas };
        }),
        Move::Memory(on) => play.edit(|task| {
            task.template.resources.limits.memory = on.then_some(64 << 20);
            task.template.resources.requests.memory = on.then_some(32 << 20);
        }),
        Move::Pass(millis) => {
            play.engine.pass_to(now + Duration::from_millis(u64::from(*millis)));
            play.look();
        }
        Move::Looks(looks) => {
            for _ in 0..*looks {
                play.look();
            }
        }
        Move::LoseAnswers(lose) => play.lose = *lose,
        Move::RefuseCreate(times) => {
            play.engine.refuse_create = Some((*times, later(Cause::NoSpace, "no space left")));
        }
        Move::Breaks(number, Some(after)) => {
            let ends = Behaviour::Exits { after: secs(u64::from(*after)), code: 1 };
            play.engine.behaviours.insert(image(number), ends);
        }
        Move::Breaks(number, None) => {
            let fails = Behaviour::StartFails(never(Cause::BadCommand, "no such program"));
            play.engine.behaviours.insert(image(number), fails);
        }
        Move::Mends(number) => {
            play.engine.behaviours.remove(&image(number));
        }
        Move::Says(number, says) => {
            let says = match says {
                0 => HealthCheck::Starting,
                1 => HealthCheck::Healthy,
                _ => HealthCheck::Unhealthy("exit code 1".to_owned()),
            };
            play.engine.check(&image(number), says);
        }
        Move::Stranger(there) => {
            let taken = FixedPort::of(&port(8080)).filter(|_| *there);
            play.engine.taken = taken.into_iter().collect();
        }
        Move::Kill(index)
        | Move::Remove(index)
        | Move::Pause(index)
        | Move::Rename(index)
        | Move::CutOff(index)
        | Move::Stick(index) => tamper(play, *index, chosen),
        Move::EngineRestarts => play.engine.restart(),
        Move::EngineAway(away) => set_up(play, !away),
        Move::Blind(blind) => play.blind = *blind,
        Move::Crash => play.restart(),
        Move::LoseDb => play.lose_db(),
        Move::Missing(true) => play.missing(),
        Move::Missing(false) => play.back(),
        Move::Strict(strict) => {
            play.policy.level = if *strict { Level::Restricted } else { Level::Privileged };
        }
    }
}

fn set_up(play: &mut Play, up: bool) {
    if up && !play.engine.up {
        play.engine.reached_at = play.engine.now;
    }
    play.engine.up = up;
}

fn tamper(play: &mut Play, index: Index, chosen: &Move) {
    let running: Vec<_> = play.engine.running().map(|held| held.container.id.clone()).collect();
    if running.is_empty() {
        return;
    }
    let id = index.get(&running).clone();
    match chosen {
        Move::Kill(_) => play.engine.end(&id, 137),
        Move::Remove(_) => {
            let known = |it: &Instance| it.container.as_ref() == Some(&id);
            if !play.only().record.instances.values().any(known) {
                // The DB was lost, and nobody has looked at it since.
                play.promises.forget_run(&id);
            }
            play.engine.containers.remove(&id);
        }
        Move::Stick(_) => {
            play.engine.end(&id, 137);
            play.engine.change(&id, |it| it.status = Status::Removing);
        }
        Move::Pause(_) => {
            play.engine.change(&id, |it| it.status = Status::Paused);
        }
        Move::Rename(_) => {
            play.engine.change(&id, |it| it.name = format!("mine-{}", it.id.short()));
        }
        _ => {
            play.engine.change(&id, |it| it.details.get_or_insert_default().networks.clear());
        }
    }
}

fn comes_to_rest(play: &mut Play) -> Result<(), TestCaseError> {
    play.lose = 0;
    play.blind = false;
    play.back();
    set_up(play, true);
    play.policy.level = Level::Privileged;
    play.engine.refuse_create = None;
    play.engine.taken.clear();
    play.engine.behaviours.clear();
    for image in play.engine.checks.keys().cloned().collect::<Vec<_>>() {
        play.engine.check(&image, HealthCheck::Healthy);
    }
    // What was to end by itself is as good as any other fault.
    let ends: Vec<_> = play.engine.containers.keys().cloned().collect();
    for id in ends {
        if let Some(held) = play.engine.containers.get_mut(&id) {
            held.exits = None;
            // The engine lets go of what it was removing.
            if held.container.status == Status::Removing {
                held.container.status = Status::Exited;
            }
        }
    }
    play.engine.late_starts.clear();
    play.run();
    let record = &play.only().record;
    let task = record.head.task.clone();
    let wanted = usize::from(record.head.wanted_slots());
    let refused = record.head.refused.as_ref().map(|it| it.generation);
    let went_back = refused == Some(record.head.generation);
    let wanted_restart = Some(record.head.last_restart());
    let live = record.instances.values().filter(|it| it.is_live());
    let restarts: BTreeSet<_> = live.map(|it| record.restart_of(it)).collect();
    let running: Vec<_> = play.engine.running().collect();
    let images: BTreeSet<&str> = running.iter().map(|it| it.template.image.as_str()).collect();
    if !task.is_job() {
        prop_assert_eq!(running.len(), wanted);
        if !went_back && !running.is_empty() {
            prop_assert_eq!(images, BTreeSet::from([task.template.image.as_str()]));
            prop_assert_eq!(restarts, BTreeSet::from([wanted_restart]));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_walk_must_keep_the_promises_and_come_to_rest(
        start in starts(),
        walk in proptest::collection::vec(moves(), 1..40),
    ) {
        let mut play = begin(&start);
        for chosen in &walk {
            go(&mut play, chosen);
        }
        comes_to_rest(&mut play)?;
    }
}

proptest! {
    #![proptest_config(fewer())]

    // What is bad is seen before an instance is proven, and nobody tampers.
    #[test]
    fn edits_good_or_bad_must_never_leave_fewer_running_than_wanted(
        replicas in 1..4_u16,
        surge in 1..3_u16,
        slow in proptest::bool::ANY,
        edits in proptest::collection::vec(
            (1..4_u8, proptest::option::of(0..2_u8), proptest::bool::ANY, 0..5_000_u32), 1..7
        ),
    ) {
        let mut task = service("web", "app:1");
        task.replicas = replicas;
        task.update.max_surge = surge;
        let mut play = Play::of(&task);
        play.engine.slow_stops = if slow { secs(3) } else { secs(0) };
        play.run();
        for (number, breaks, renews, millis) in &edits {
            let (good, bad) = (Move::Mends(*number), Move::Breaks(*number, *breaks));
            go(&mut play, if breaks.is_some() { &bad } else { &good });
            let change = if *renews { Move::Renew } else { Move::Image(*number) };
            go(&mut play, &change);
            let until = play.engine.now + Duration::from_millis(u64::from(*millis));
            while play.engine.now < until {
                for _ in 0..4 {
                    play.look();
                    let staying = play.engine.running().filter(|held| !held.leaves);
                    prop_assert!(staying.count() >= usize::from(replicas), "{}", play.log.join("\n"));
                }
                play.engine.pass_to(play.engine.now + Duration::from_millis(700));
            }
        }
        play.engine.behaviours.clear();
        play.run();
        prop_assert_eq!(play.running().len(), usize::from(replicas));
    }
}

/// A quarter of the usual cases, as each takes long.
pub fn fewer() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases / 4, failure_persistence: None, ..usual }
}
