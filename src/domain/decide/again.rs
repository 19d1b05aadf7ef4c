//! Another instance after one that has ended: why, after how many failures, and not too soon.

use std::time::Duration;

use super::drift::waits_to_repair;
use crate::domain::instance::{EndReason, Instance, Seat};
use crate::domain::outcome::Cause;
use crate::domain::plan::{Plan, Reason, Step};
use crate::domain::repair::Repair;
use crate::domain::task::Task;
use crate::domain::waits::Waiting;
use crate::domain::world::World;

/// How long the next name is waited with where one was taken: who takes one may take others. Doubled
/// with each, up to the longest.
const NAME_RETRY: Duration = Duration::from_secs(2);
const LONGEST_NAME_RETRY: Duration = Duration::from_secs(60);

/// Why there is another instance after `last`, which was of the same form.
fn why_again(last: &Instance) -> Reason {
    match last.reason {
        Some(EndReason::Stopped | EndReason::Cancelled) | None => Reason::Resumed,
        Some(reason) => Reason::Ended {
            seat: last.seat,
            reason,
            exit_code: last.exit_code,
            message: last.message.clone(),
        },
    }
}

/// Begins an instance in a slot where `last` has ended; those after failures at a bounded pace.
pub fn begin_again(
    world: &World,
    plan: &mut Plan,
    (seat, revision, failures): (Seat, u32, u32),
    last: &Instance,
) {
    let taken = world.record.names_taken.get(&last.seat.slot).copied().unwrap_or_default();
    let wait = NAME_RETRY * (1 << taken.saturating_sub(1).min(5));
    let at = last.moved_at + wait.min(LONGEST_NAME_RETRY);
    if last.reason == Some(EndReason::NameTaken) && world.now.mono < at {
        let message = last.message.clone().unwrap_or_default();
        plan.wait(Waiting::Retry { seat: last.seat, message, cause: Some(Cause::NotOurs), at });
        return;
    }
    let is_gone = last.reason == Some(EndReason::Lost);
    let told = last.message.as_deref().unwrap_or_default();
    if is_gone && waits_to_repair(world, plan, (last.seat, Repair::Remake), told) {
        return;
    }
    if failures > 0 {
        if world.now.mono < world.restart_at || plan.restarts > 0 {
            plan.wait(Waiting::RestartPace(world.restart_at.max(world.now.mono)));
            return;
        }
        plan.restarts += 1;
    }
    plan.step(seat, Step::Begin { revision, failures }, why_again(last));
}

/// The failures in a row that the end of `last` makes.
pub fn failures_after(task: &Task, last: &Instance) -> u32 {
    let ran = match (last.started_at, last.finished_at) {
        (Some(start), Some(end)) => end.since(start).as_secs(),
        _ => 0,
    };
    let before = if ran >= u64::from(task.backoff.reset_after_seconds) { 0 } else { last.failures };
    match last.reason {
        Some(
            EndReason::Exited
            | EndReason::Error
            | EndReason::OomKilled
            | EndReason::StartError
            | EndReason::ProbeFailed,
        ) => before.saturating_add(1),
        Some(EndReason::Lost) if !last.proven => before.saturating_add(1),
        // Not its own failure: counts for nothing, and makes nothing forgotten.
        Some(EndReason::Lost | EndReason::Disrupted | EndReason::NameTaken) => before,
        Some(EndReason::Stopped | EndReason::Cancelled) | None => 0,
    }
}
