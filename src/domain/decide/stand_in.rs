//! The last ready revision while a newer one is rolled out: its instances are kept as they are meant
//! to be, and one that ends by itself is begun again, for as long as nothing new has taken over.

use std::time::Duration;

use super::advance::advance;
use super::again::{begin_again, failures_after};
use super::give_up::given_up;
use super::permit;
use super::target::{self, Target, is_current};
use super::{last_ended_of, next_seat};
use crate::domain::instance::{EndReason, Instance};
use crate::domain::plan::Plan;
use crate::domain::world::World;

/// How long a new instance has to be made before another one stands in for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The revision that serves while `target` is rolled out, if more of it may be made. One of the same
/// form needs nobody to stand in for it, unless a restart is to replace it.
pub fn revision<'a>(world: &World<'a>, target: &Target) -> Option<Target<'a>> {
    let serving = target::serving(world.record, target)?;
    let is_other = !target.form.covers(&serving.revision.fingerprint)
        || serving.revision.restart != target.revision.restart;
    let may_be_made = serving.revision.image_id.is_some() && permit::is_free(world, serving.task);
    (is_other && may_be_made).then_some(serving)
}

/// Keeps `old` as it is meant to be, if it is one that serves; tells whether it is.
pub fn keep(world: &World, plan: &mut Plan, serving: Option<&Target>, old: &Instance) -> bool {
    let serving = serving.filter(|serving| is_current(world, serving, old));
    if let Some(serving) = serving {
        advance(world, plan, serving, old, None);
    }
    serving.is_some()
}

/// Whether `new` may be there before anything could stand in for it: `last` ended a moment ago, and
/// nothing has gone wrong.
pub fn comes_soon(world: &World, plan: &mut Plan, new: &Instance, last: &Instance) -> bool {
    let record = world.record;
    let in_trouble = record.pull_trouble.is_some()
        || new.failures > 0
        || record.troubles.contains_key(&new.seat);
    let at = last.moved_at + PATIENCE;
    if in_trouble || world.now.mono >= at {
        return false;
    }
    plan.wake(at);
    true
}

/// The last instance of what serves in a slot where none is left, if that ended by itself: it is to
/// be begun again.
pub fn gap<'a>(world: &'a World, serving: &Target, slot: u16) -> Option<&'a Instance> {
    let last = last_ended_of(world, slot, serving)?;
    let was_ended = matches!(last.reason, Some(EndReason::Stopped | EndReason::Cancelled) | None);
    (!was_ended && given_up(serving.task, last).is_none()).then_some(last)
}

/// Begins an instance of what serves again, after `last`.
pub fn begin(world: &World, plan: &mut Plan, serving: &Target, last: &Instance) {
    let seat = next_seat(world, last.seat.slot);
    let failures = failures_after(serving.task, last);
    begin_again(world, plan, (seat, serving.revision.number, failures), last);
}
