//! Walks at random of three tasks that want the same ports, or the same volumes.

use std::time::Duration;

use proptest::prelude::*;

use super::play::*;
use super::walk::fewer;
use crate::domain::task::Task;
use crate::domain::waits::Waiting;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// One of the tasks wants this from now on.
#[derive(Debug, Clone)]
struct Edit {
    who: usize,
    wants: Option<u16>,
    suspend: bool,
    image: u8,
    millis: u32,
}

fn edits() -> impl Strategy<Value = Edit> {
    let wants = proptest::option::weighted(0.8, 0..2_u16);
    let all = (0..3_usize, wants, proptest::bool::weighted(0.2), 1..3_u8, 0..6_000_u32);
    all.prop_map(|(who, wants, suspend, image, millis)| Edit { who, wants, suspend, image, millis })
}

fn task(edit: &Edit, of_ports: bool) -> Task {
    let mut task = service(NAMES[edit.who], &format!("app:{}", edit.image));
    task.suspend = edit.suspend;
    match edit.wants {
        Some(which) if of_ports => task.template.ports.push(port(8080 + which)),
        Some(which) => task.template.mounts.push(volume(&format!("data{which}"))),
        None => {}
    }
    task
}

fn crowd(of_ports: bool, slow: bool, edits: &[Edit]) -> Result<(), TestCaseError> {
    let first = Edit { who: 0, wants: Some(0), suspend: false, image: 1, millis: 0 };
    let mut play = Play::of(&task(&first, of_ports));
    play.engine.slow_stops = if slow { secs(3) } else { secs(0) };
    for edit in edits {
        play.accept(&task(edit, of_ports));
        play.run_for(Duration::from_millis(u64::from(edit.millis)));
    }
    play.run_for(secs(3600));
    let told = play.log.join("\n");
    for (name, actor) in &play.actors {
        prop_assert!(actor.plan.steps.is_empty(), "{name} still has steps:\n{told}");
        for waiting in &actor.plan.waiting {
            let whom = match waiting {
                Waiting::Port { task, .. } | Waiting::Mount { task, .. } => task,
                other => return Err(TestCaseError::fail(format!("{name}: {other}\n{told}"))),
            };
            let runs = |other: &String| other.starts_with(&format!("{}.", whom.name));
            prop_assert!(play.running().iter().any(runs), "{name}: {waiting}\n{told}");
        }
        let wanted = usize::from(actor.record.head.wanted_slots());
        let own = |other: &&String| other.starts_with(&format!("{}.", name.name));
        let count = play.running().iter().filter(own).count();
        let is_well = count == wanted || !actor.plan.waiting.is_empty();
        prop_assert!(is_well, "{count} of {name} run\n{told}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(fewer())]

    #[test]
    fn tasks_that_want_the_same_must_come_to_rest_with_all_running_that_can(
        of_ports in proptest::bool::ANY,
        slow in proptest::bool::ANY,
        edits in proptest::collection::vec(edits(), 1..12),
    ) {
        crowd(of_ports, slow, &edits)?;
    }
}

#[test]
fn who_waits_for_a_mount_must_get_it_when_its_writer_is_stopped_before_it_was_seen_running() {
    let edit = |who, wants, suspend| Edit { who, wants, suspend, image: 1, millis: 0 };
    let edits = [
        edit(0, None, true),
        edit(1, Some(1), false),
        edit(0, Some(1), false),
        edit(1, None, true),
    ];
    crowd(false, true, &edits).unwrap();
}

#[test]
fn who_waits_for_a_port_must_be_told_who_has_it_not_who_else_waits() {
    let edit = |who, wants, suspend| Edit { who, wants, suspend, image: 1, millis: 0 };
    let edits = [
        edit(0, None, true),
        edit(1, Some(1), false),
        edit(0, Some(1), false),
        edit(2, Some(1), false),
    ];
    crowd(true, false, &edits).unwrap();
}
