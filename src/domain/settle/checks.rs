//! How well instances are: what probes were told of them, or the health checks of their images.

use std::collections::BTreeMap;

use crate::domain::container::{HealthCheck, Status};
use crate::domain::event::Note;
use crate::domain::happening::Happening;
use crate::domain::health::{Health, Unwell, Witness};
use crate::domain::instance::{Seat, State};
use crate::domain::probe::Probes;
use crate::domain::ready::probes_of;
use crate::domain::record::Record;
use crate::domain::time::{Mono, Now};
use crate::domain::world::Seen;

/// Takes how well an instance is; told is what comes and goes once it was relied on.
pub fn take_health(record: &mut Record, seat: Seat, health: Health) -> Vec<Note> {
    let before = record.health.insert(seat, health.clone());
    let Some(instance) = record.instances.get(&seat) else { return Vec::new() };
    if let Some(unwell) = &health.doubtful
        && before.as_ref().is_none_or(|before| before.doubtful.is_none())
    {
        let message =
            format!("{unwell}; it is new to {seat}, and does not count before it has succeeded");
        return vec![Note::warning(seat, Happening::ProbeDoubtful, message)];
    }
    let was_ready = before.map_or(instance.proven, |before| before.ready);
    let counts = instance.proven
        && instance.state == State::Running
        && instance.stopping.is_none()
        && health.failed.is_none();
    if !counts || was_ready == health.ready {
        return Vec::new();
    }
    if health.ready {
        return vec![Note::normal(
            seat,
            Happening::ReadyAgain,
            format!("instance {seat} is ready again"),
        )];
    }
    let why = health.said.map_or_else(String::new, |why| format!(": {why}"));
    vec![Note::warning(
        seat,
        Happening::NotReady,
        format!("instance {seat} is not ready any more{why}"),
    )]
}

/// Takes what the health checks of images say, of instances whose manifest has no probe; where an
/// image has none either, nothing that a probe said before counts any more.
pub fn take_checks(record: &mut Record, seen: &BTreeMap<Seat, Seen>, now: Now) -> Vec<Note> {
    let mut found = Vec::new();
    let mut unasked = Vec::new();
    for (seat, instance) in &record.instances {
        let Some(Seen::Present(container)) = seen.get(seat) else { continue };
        let is_ours = probes_of(record, instance).is_none_or(Probes::is_empty);
        if instance.state != State::Running || !is_ours {
            continue;
        }
        if container.status != Status::Running {
            continue;
        }
        let Some(details) = &container.details else { continue };
        let before = record.health.get(seat);
        match &details.health {
            Some(check) => found.push((*seat, of_image(check, before, now.mono))),
            None => unasked.extend(before.map(|_| *seat)),
        }
    }
    for seat in unasked {
        record.health.remove(&seat);
    }
    found.retain(|(seat, health)| record.health.get(seat) != Some(health));
    found.into_iter().flat_map(|(seat, health)| take_health(record, seat, health)).collect()
}

fn of_image(check: &HealthCheck, before: Option<&Health>, now: Mono) -> Health {
    let ready = *check == HealthCheck::Healthy;
    let since = before.filter(|before| before.ready == ready).map_or(now, |before| before.since);
    let unwell = match check {
        HealthCheck::Unhealthy(message) => {
            Some(Unwell { by: Witness::HealthCheck, message: message.clone() })
        }
        HealthCheck::Starting | HealthCheck::Healthy => None,
    };
    Health { ready, since, failed: unwell.clone(), said: unwell, doubtful: None }
}
