//! The slots of a service: one instance each, replaced one after the other.

use std::collections::BTreeMap;

use super::advance::{advance, is_up};
use super::again::{begin_again, failures_after};
use super::give_up::given_up;
use super::retire::retire;
use super::stand_in;
use super::target::{self, Target, is_current};
use super::{last_ended, next_seat};
use crate::domain::container::{Container, Status};
use crate::domain::difference::Difference;
use crate::domain::exclusive::{self, Made};
use crate::domain::instance::{Instance, Seat, State};
use crate::domain::plan::{Plan, Reason, Step, StopFirst};
use crate::domain::record::Revision;
use crate::domain::task::{Strategy, Task};
use crate::domain::waits::Waiting;
use crate::domain::world::World;

/// The live instances of one slot.
#[derive(Default)]
struct Slot<'a> {
    /// As they are to be; the one to keep first.
    fresh: Vec<&'a Instance>,
    /// Made from something else; the one to keep first.
    stale: Vec<&'a Instance>,
    /// Told to end, whatever they are made from: nobody can take that back.
    leaving: Vec<&'a Instance>,
}

/// What may be done at once, counted over all slots.
struct Budget {
    /// So many further slots may get a second instance.
    surge: usize,
    /// So many further slots may be without an instance that can be relied on.
    down: usize,
    /// So many further slots may have a second instance that is made and not started.
    made: usize,
}

/// Gives each slot its instance.
pub fn slots(world: &World, plan: &mut Plan, target: &Target) {
    let slots = sort(world, target);
    let serving = stand_in::revision(world, target);
    let serving = serving.as_ref();
    let mut budget = budget(world, (target, serving), &slots);
    let all_made =
        slots.values().all(|slot| slot.fresh.first().is_some_and(|it| is_made(world, it)));
    let recreate = target.task.update.strategy == Strategy::Recreate;
    let of_old = slots.values().flat_map(|slot| slot.stale.iter().chain(&slot.leaving)).next();
    let of_old = of_old.map(|old| old.seat).filter(|_| recreate);
    for (number, slot) in &slots {
        for leaving in &slot.leaving {
            let why = leaving.stopping.clone().unwrap_or_default();
            retire(world, plan, leaving, Reason::Because(why));
        }
        for surplus in slot.fresh.iter().skip(1) {
            if is_told(world, plan, slot.fresh[0]) {
                retire(world, plan, surplus, Reason::Superseded(slot.fresh[0].seat));
            }
        }
        for surplus in slot.stale.iter().skip(1) {
            if is_told(world, plan, slot.stale[0]) {
                retire(world, plan, surplus, why_replaced(world, target, surplus));
            }
        }
        match (slot.fresh.first(), slot.stale.first()) {
            // At most two in a slot.
            (None, Some(_)) if slot.stale.len() + slot.leaving.len() > 1 => {}
            (None, None) if slot.leaving.iter().any(|it| it.unwell) => {
                // Its end is a failure, after which the next one waits.
            }
            (None, None) => {
                match serving.and_then(|it| Some((it, stand_in::gap(world, it, *number)?))) {
                    Some((serving, last)) if !budget.takes_two(world, (serving, target)) => {
                        stand_in::begin(world, plan, serving, last);
                    }
                    Some(_) | None => begin(world, plan, target, *number, None),
                }
            }
            (None, Some(old)) => {
                replace(world, plan, (target, serving), &mut budget, old);
            }
            (Some(new), None) => {
                let after = of_old.or_else(|| slot.blocker(world, target));
                advance(world, plan, target, new, after);
                if let Some(serving) = serving.filter(|_| slot.leaving.is_empty())
                    && let Some(last) = stand_in::gap(world, serving, *number)
                    && !is_next(world, (serving, target), new)
                    && !stand_in::comes_soon(world, plan, new, last)
                {
                    stand_in::begin(world, plan, serving, last);
                }
            }
            (Some(new), Some(old)) => {
                let turn = if recreate { all_made } else { is_made(world, new) };
                let after = slot.leaving.first().map(|leaving| leaving.seat);
                let both = (*new, *old, after);
                hand_over(world, plan, (target, serving), both, (&mut budget, turn));
            }
        }
    }
    let done = slots.values().all(|slot| {
        slot.stale.is_empty() && slot.fresh.first().is_some_and(|instance| instance.proven)
    });
    if done && !target.revision.ready {
        plan.ready = Some(target.revision.number);
    }
}

fn sort<'a>(world: &'a World, target: &Target) -> BTreeMap<u16, Slot<'a>> {
    let mut slots: BTreeMap<u16, Slot> =
        (0..target_slots(world)).map(|slot| (slot, Slot::default())).collect();
    for instance in super::of_this_task(world) {
        let Some(slot) = slots.get_mut(&instance.seat.slot) else { continue };
        if instance.stopping.is_some() {
            slot.leaving.push(instance);
        } else if is_current(world, target, instance) {
            slot.fresh.push(instance);
        } else {
            slot.stale.push(instance);
        }
    }
    for slot in slots.values_mut() {
        slot.fresh.sort_by_key(|instance| rank(instance));
        slot.stale.sort_by_key(|instance| rank(instance));
    }
    slots
}

fn target_slots(world: &World) -> u16 {
    world.record.head.task.replicas
}

/// The lower, the more an instance is worth keeping: of those that are proven the last, which was
/// to take over from the one before; of others the first, which has run the longest.
fn rank(instance: &Instance) -> (bool, bool, u32) {
    let attempt = instance.seat.attempt;
    let age = if instance.proven { u32::MAX - attempt } else { attempt };
    (!instance.proven, instance.state != State::Running, age)
}

fn budget(
    world: &World,
    (target, serving): (&Target, Option<&Target>),
    slots: &BTreeMap<u16, Slot>,
) -> Budget {
    let task = target.task;
    // Where one that served ended beside a new one, it may be begun again.
    let lost_one = |number: u16, slot: &Slot| {
        slot.fresh.first().is_some_and(|new| !new.proven)
            && serving.is_some_and(|it| stand_in::gap(world, it, number).is_some())
    };
    let has_two = |slot: &Slot| slot.fresh.len() + slot.stale.len() > 1;
    let surging = slots.iter().filter(|(number, slot)| has_two(slot) || lost_one(**number, slot));
    let surging = surging.count();
    let down = slots.values().filter(|slot| !slot.is_up(world, task)).count();
    let most_down = match task.update.strategy {
        Strategy::Recreate => slots.len(),
        Strategy::Rolling => usize::from(task.update.max_unavailable.max(1)),
    };
    Budget {
        surge: usize::from(task.update.max_surge).saturating_sub(surging),
        down: most_down.saturating_sub(down),
        made: slots.len(),
    }
}

impl Budget {
    /// Whether one slot more may get a new instance beside one that serves; it is counted then.
    fn takes_two(&mut self, world: &World, (serving, target): (&Target, &Target)) -> bool {
        let free = if is_apart(world, serving, target) { &mut self.made } else { &mut self.surge };
        let has_place = *free > 0;
        *free = free.saturating_sub(1);
        has_place
    }
}

/// Whether what serves has to stop before what `target` makes can start.
fn is_apart(world: &World, serving: &Target, target: &Target) -> bool {
    let (before, after) = (Made::of(serving.task), Made::of(target.task));
    exclusive::stop_first(world.worker, before, after).is_some()
}

/// Whether a new instance needs none that serves beside it: it runs, or is made and next to be
/// started where both can't run at once.
fn is_next(world: &World, (serving, target): (&Target, &Target), new: &Instance) -> bool {
    new.state == State::Running || (is_made(world, new) && is_apart(world, serving, target))
}

impl Slot<'_> {
    /// Whether one of its instances can be relied on.
    fn is_up(&self, world: &World, task: &Task) -> bool {
        self.fresh.iter().chain(&self.stale).any(|instance| is_up(world, task, instance))
    }

    /// The instance that has to be gone before another one is started here: one that can't run
    /// beside it, or else one of two.
    fn blocker(&self, world: &World, target: &Target) -> Option<Seat> {
        let leaving = || self.leaving.iter();
        let new = self.fresh.first().copied();
        let apart = leaving().find(|old| stop_first(world, target, (old, new)).is_some());
        apart.or_else(|| leaving().nth(1)).map(|old| old.seat)
    }
}

/// Whether one that another has to go for still runs, as far as it ever did. Where the engine has
/// not told of its end yet, that is waited for: the other may be all there is.
fn is_told(world: &World, plan: &mut Plan, kept: &Instance) -> bool {
    let runs = |it: &Container| matches!(it.status, Status::Running | Status::Paused);
    let told = kept.state != State::Running || world.container(kept.seat).is_some_and(runs);
    if !told {
        plan.wait(Waiting::Observation(kept.seat));
    }
    told
}

/// Whether an instance has a container that is made.
pub fn is_made(world: &World, instance: &Instance) -> bool {
    instance.state == State::Running
        || world.container(instance.seat).is_some_and(|it| it.status == Status::Created)
}

/// Begins the next instance in a slot, where `old` still runs or nothing does: after what was begun
/// before it if that was of the same form, else because something changed.
fn begin(world: &World, plan: &mut Plan, target: &Target, slot: u16, old: Option<&Instance>) {
    let revision = target.revision.number;
    let seat = next_seat(world, slot);
    let ended = last_ended(world, slot);
    let last = ended
        .filter(|last| target.covers(world.record, last))
        .filter(|last| old.is_none_or(|old| old.seat < last.seat));
    let Some(last) = last else {
        let reason = old.or(ended).map_or(Reason::Wanted, |it| why_replaced(world, target, it));
        plan.step(seat, Step::Begin { revision, failures: 0 }, reason);
        return;
    };
    if last.revision < revision {
        // The same was tried before and given up; the manifest asks for it anew.
        let reason = old.map_or(Reason::Resumed, |old| why_replaced(world, target, old));
        plan.step(seat, Step::Begin { revision, failures: 0 }, reason);
        return;
    }
    let failures = failures_after(target.task, last);
    if given_up(target.task, last).is_some() {
        return;
    }
    begin_again(world, plan, (seat, revision, failures), last);
}

/// Why an instance made from `target` takes the place of `old`.
fn why_replaced(world: &World, target: &Target, old: &Instance) -> Reason {
    if let Some(refusal) = target.is_gone_back_to() {
        return Reason::RolledBack {
            from: refusal.revision,
            to: target.revision.number,
            message: refusal.message.clone(),
        };
    }
    let Some(made_from) = world.record.revisions.get(&old.revision) else {
        return Reason::Wanted;
    };
    let changes = super::changes(&made_from.task, target.task);
    if !changes.is_empty() {
        return Reason::Changed(changes);
    }
    if let Some(restart) = &world.record.head.restart
        && made_from.restart < target.revision.restart
    {
        return Reason::Restart(restart.asked.clone());
    }
    let differing = target::differences(world, target, old);
    if differing.is_empty() {
        return Reason::Resumed;
    }
    match target::why_differs(world, old, differing) {
        // That takes another container.
        Reason::Edited(differing) => {
            Reason::Changed(differing.iter().map(Difference::as_change).collect())
        }
        by_hand => by_hand,
    }
}

/// A slot whose only instance is made from something else.
fn replace(
    world: &World,
    plan: &mut Plan,
    (target, serving): (&Target, Option<&Target>),
    budget: &mut Budget,
    old: &Instance,
) {
    let is_kept = stand_in::keep(world, plan, serving, old);
    if old.state != State::Running {
        match serving {
            Some(serving) if is_kept => {
                if budget.takes_two(world, (serving, target)) {
                    begin(world, plan, target, old.seat.slot, Some(old));
                }
            }
            Some(_) | None => retire(world, plan, old, why_replaced(world, target, old)),
        }
        return;
    }
    let free = match stop_first(world, target, (old, None)) {
        None => &mut budget.surge,
        // It is down as it is.
        Some(_) if !is_up(world, target.task, old) => &mut budget.made,
        // Made beside the old one, and started only after it.
        Some(StopFirst::Recreate) => &mut budget.made,
        Some(_) => &mut budget.down,
    };
    if *free == 0 {
        return;
    }
    *free -= 1;
    begin(world, plan, target, old.seat.slot, Some(old));
}

/// A slot with a new instance and an old one.
fn hand_over(
    world: &World,
    plan: &mut Plan,
    (target, serving): (&Target, Option<&Target>),
    (new, old, after): (&Instance, &Instance, Option<Seat>),
    (budget, turn): (&mut Budget, bool),
) {
    let serves = serving.is_some_and(|serving| is_current(world, serving, old));
    let is_left = old.state != State::Running && !serves;
    if (new.proven && is_told(world, plan, new)) || is_left {
        let later = old.seat > new.seat;
        let reason =
            if later { why_replaced(world, target, old) } else { Reason::Superseded(new.seat) };
        retire(world, plan, old, reason);
        advance(world, plan, target, new, Some(old.seat));
        return;
    }
    let Some(why) = stop_first(world, target, (old, Some(new))) else {
        advance(world, plan, target, new, after);
        stand_in::keep(world, plan, serving, old);
        return;
    };
    advance(world, plan, target, new, Some(old.seat));
    // One that can't be relied on makes it no worse.
    let free = !is_up(world, target.task, old);
    if turn && (free || budget.down > 0) && super::advance::may_start(world, plan, target, new) {
        budget.down = budget.down.saturating_sub(usize::from(!free));
        retire(world, plan, old, Reason::MakesWay { seat: new.seat, why });
    } else {
        stand_in::keep(world, plan, serving, old);
    }
}

/// Why `old` has to stop before `new`, which is or will be made from `target`, can start, if it has
/// to.
fn stop_first(
    world: &World,
    target: &Target,
    (old, new): (&Instance, Option<&Instance>),
) -> Option<StopFirst> {
    let made_from: Option<&Revision> = world.record.revisions.get(&old.revision);
    let made_from = made_from.map_or(target.task, |revision| &revision.task);
    let writes = |it: &Instance| world.container(it.seat).map(|container| &container.writes);
    let before = Made::seen(made_from, writes(old));
    let after = Made::seen(target.task, new.and_then(writes));
    exclusive::stop_first(world.worker, before, after).or_else(|| {
        let leaving = world.port_rivals.iter().find(|rival| rival.holds && !rival.wants);
        leaving.map(|rival| StopFirst::TakesOver(rival.port, rival.task.clone()))
    })
}
