//! What the policy denies, and what an engine elsewhere can't have: nothing new is made of such a
//! version, what of it runs is left alone, and no attempt and no time is spent on it. The same while
//! it can't be told.

use super::target::Target;
use crate::domain::engine::SharedHost;
use crate::domain::judge::{Judgement, host_paths};
use crate::domain::outcome::Cause;
use crate::domain::plan::{Plan, Planned, Reason, Step};
use crate::domain::policy::Violation;
use crate::domain::repair::Repair;
use crate::domain::task::Task;
use crate::domain::waits::Waiting;
use crate::domain::world::World;

/// Why nothing new may be made of `task`, if so; noted in `plan` if it is denied.
pub fn against(world: &World, plan: &mut Plan, task: &Task) -> Option<Waiting> {
    match world.judge.judge(task) {
        Judgement::Allowed => apart(world, plan, task),
        Judgement::Denied(found) => {
            let why = told(&found);
            plan.denied = Some(why.clone());
            Some(Waiting::Denied(why))
        }
        Judgement::Open { path, .. } => Some(Waiting::HostPath(path)),
    }
}

/// Whether something new may be made of `task`.
pub fn is_free(world: &World, task: &Task) -> bool {
    against(world, &mut Plan::default(), task).is_none()
}

/// Why the engine can't mount the paths of the host that `task` mounts, if so; noted in `plan`.
fn apart(world: &World, plan: &mut Plan, task: &Task) -> Option<Waiting> {
    let (_, path) = host_paths(&task.template).next()?;
    if world.engine.host == SharedHost::Untried {
        return Some(Waiting::HostPath(path.to_owned()));
    }
    let why = world.engine.host.trouble()?;
    plan.denied = Some(why.clone());
    Some(Waiting::NoSharedHost(why))
}

/// What is denied, and what to do about it.
fn told(found: &[Violation]) -> String {
    let first = found.first().map_or_else(String::new, |it| format!("{it}; {}", it.help));
    match found.len() {
        0 | 1 => first,
        count => format!("{first} (and {} more)", count - 1),
    }
}

/// Takes all that makes something new of `target` out of a plan, and what was waited for to do so.
pub fn hold_back(plan: &mut Plan, target: &Target, why: Waiting) {
    let steps = plan.steps.len();
    plan.steps.retain(|planned| !is_for_new(planned, target.task.is_job()));
    let mut held = plan.pull.take().is_some() || plan.steps.len() < steps;
    plan.restarts = 0;
    plan.wake_at = None;
    for waiting in std::mem::take(&mut plan.waiting) {
        if is_before_start(&waiting) {
            held = true;
        } else {
            plan.wait(waiting);
        }
    }
    if held {
        plan.wait(why);
    }
}

/// Whether a step makes something new, or makes way for it.
fn is_for_new(planned: &Planned, is_job: bool) -> bool {
    let makes = match planned.step {
        Step::Begin { .. }
        | Step::MakeNetwork
        | Step::MakeVolume(_)
        | Step::Create
        | Step::Start(_) => true,
        Step::Drop
        | Step::Cancel
        | Step::Forget
        | Step::Stop(..)
        | Step::Remove(_)
        | Step::Unpause(_)
        | Step::Rename(_)
        | Step::Update(..)
        | Step::Connect(_) => false,
    };
    // A job's run is stopped for the next one by nothing else than a change.
    let makes_way = matches!(planned.reason, Reason::MakesWay { .. })
        || (is_job && matches!(planned.reason, Reason::Changed(_)));
    makes || makes_way
}

/// Whether something is waited for only to make something new then.
fn is_before_start(waiting: &Waiting) -> bool {
    match waiting {
        Waiting::Pulling(_)
        | Waiting::PullRetry { .. }
        | Waiting::Retry { cause: Some(Cause::PolicyDenied | Cause::NotOurs), .. }
        | Waiting::BackOff { .. }
        | Waiting::Repair { repair: Repair::Remake, .. }
        | Waiting::RestartPace(_)
        | Waiting::Port { .. }
        | Waiting::BusyPort(..)
        | Waiting::Mount { .. }
        | Waiting::Loose { .. }
        | Waiting::Stopping(_) => true,
        Waiting::Engine(_)
        | Waiting::EngineChanged(_)
        | Waiting::SourceChanged(_)
        | Waiting::Source
        | Waiting::Manifest
        | Waiting::Denied(_)
        | Waiting::HostPath(_)
        | Waiting::NoSharedHost(_)
        | Waiting::Step(..)
        | Waiting::Observation(_)
        | Waiting::Discovery
        | Waiting::Retry { .. }
        | Waiting::Repair { .. }
        | Waiting::Unsupported(..)
        | Waiting::StuckRemoving(..)
        | Waiting::Proof(..)
        | Waiting::Readiness(..)
        | Waiting::Doubt(..) => false,
    }
}
