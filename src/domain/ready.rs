//! Whether an instance can be relied on now.

use std::time::Duration;

use super::blueprint::task_of;
use super::decide::PROOF;
use super::health::{Before, Health};
use super::instance::{Instance, State};
use super::probe::{ProbeKind, Probes};
use super::record::Record;
use super::time::Mono;

/// The probes of an instance: of the task that it is made from.
#[must_use]
pub fn probes_of<'a>(record: &'a Record, instance: &Instance) -> Option<&'a Probes> {
    let revision = record.revisions.get(&instance.revision)?;
    Some(&task_of(record, revision).probes)
}

/// Whether an instance is ready: it runs, and no check says otherwise.
#[must_use]
pub fn is_ready(record: &Record, instance: &Instance) -> bool {
    let runs = instance.state == State::Running && instance.stopping.is_none();
    runs && match record.health.get(&instance.seat) {
        Some(health) => health.ready,
        // Nothing was asked by this process yet: what was so before holds.
        None => instance.proven || !is_checked(record, instance),
    }
}

/// When an instance that runs has been ready for so many seconds, if it is ready. Where no check
/// says anything, it has to stay up for a while instead.
#[must_use]
pub fn available_at(record: &Record, instance: &Instance, min_ready_seconds: u32) -> Option<Mono> {
    if !is_ready(record, instance) {
        return None;
    }
    let long = Duration::from_secs(u64::from(min_ready_seconds));
    match record.health.get(&instance.seat) {
        Some(Health { since, .. }) if is_checked(record, instance) => Some(*since + long),
        Some(_) | None if instance.proven => Some(Mono::default()),
        Some(_) | None => Some(instance.moved_at + long.max(PROOF)),
    }
}

/// How an instance is that is asked by `probes` from now on, its process having run for `age`. A probe
/// that came to it while it ran is on trial: no rollout has shown that it asks the right thing.
#[must_use]
pub fn before(record: &Record, instance: &Instance, probes: &Probes, age: Duration) -> Before {
    let was = record.revisions.get(&instance.revision).map(|revision| &revision.task.probes);
    let is_new = |kind| instance.proven && was.is_none_or(|was| was.of(kind) != probes.of(kind));
    // Any number that differs from one to the next and stays the same.
    let spread = u32::try_from(instance.id.0.as_u128() % 1000).unwrap_or_default();
    Before {
        age,
        was_started: instance.proven,
        was_ready: instance.proven && is_ready(record, instance),
        on_trial: ProbeKind::ALL.map(is_new),
        spread: f64::from(spread) / 1000.0,
    }
}

/// Whether a check says when it is ready: a probe of its manifest, or its image's.
fn is_checked(record: &Record, instance: &Instance) -> bool {
    let probes = probes_of(record, instance);
    let by_image = || {
        let health = record.health.get(&instance.seat);
        health.is_some() && probes.is_none_or(Probes::is_empty)
    };
    probes.is_some_and(Probes::hold_ready) || by_image()
}
