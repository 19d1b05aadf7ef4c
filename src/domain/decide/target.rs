//! Which revision instances are made from, and when one has failed.

use std::time::Duration;

use super::again::failures_after;
use super::permit;
use crate::domain::blueprint::task_of;
use crate::domain::difference::Difference;
use crate::domain::exclusive::{self, Made};
use crate::domain::fingerprint::Form;
use crate::domain::instance::{EndReason, Instance, State};
use crate::domain::name::WorkerName;
use crate::domain::outcome::Cause;
use crate::domain::plan::{Failure, Plan, Reason};
use crate::domain::record::{Record, Refusal, Revision};
use crate::domain::task::Task;
use crate::domain::time::Mono;
use crate::domain::world::{Engine, World};

/// After so many ended attempts a revision that was never ready has failed.
const ATTEMPTS: u32 = 3;

/// Seconds a rollout that starts new instances first may take without getting further.
const DEADLINE_START_FIRST: u32 = 600;

/// The same where the old instance has to stop first.
const DEADLINE_STOP_FIRST: u32 = 60;

/// What instances are made from.
pub struct Target<'a> {
    /// The revision.
    pub revision: &'a Revision,
    /// The task as its instances are to be: of the newest revision, with what changed since and
    /// forces no new container.
    pub task: &'a Task,
    /// What tells whether a container is made of the same.
    pub form: Form<'a>,
    /// Why it is not the newest.
    pub refusal: Option<&'a Refusal>,
}

impl<'a> Target<'a> {
    fn of(revision: &'a Revision, task: &'a Task, refusal: Option<&'a Refusal>) -> Self {
        let form = Form::known(revision.fingerprint.clone(), task);
        Self { revision, task, form, refusal }
    }
}

impl Target<'_> {
    /// Whether it is gone back to: it is what another one failed before. What was begun of it since,
    /// by a restart, is a rollout like any other.
    pub fn is_gone_back_to(&self) -> Option<&Refusal> {
        self.refusal.filter(|refusal| self.revision.number <= refusal.revision)
    }

    /// Whether it has yet to be ready for the first time.
    fn is_rollout(&self) -> bool {
        self.is_gone_back_to().is_none() && !self.revision.ready && !self.task.is_job()
    }

    /// Whether an instance is of this form, and of no other restart by command. One of a later
    /// restart is as good, if that found the same image.
    pub fn covers(&self, record: &Record, instance: &Instance) -> bool {
        let made_from = record.revisions.get(&instance.revision);
        let is_restarted = made_from.is_none_or(|made_from| {
            let (is, wanted) = (made_from.restart, self.revision.restart);
            is == wanted || (is > wanted && made_from.image_id == self.revision.image_id)
        });
        self.form.covers(&instance.fingerprint) && (is_restarted || self.task.is_job())
    }
}

/// Which revision is to be used.
pub enum Choice<'a> {
    /// A new one has to be written down first, of this task as this generation had it.
    Revise(&'a Task, u64),
    /// This one.
    Use(Target<'a>),
}

/// The revision that instances are made from now.
pub fn choose(record: &Record) -> Choice<'_> {
    let head = &record.head;
    let anew = Choice::Revise(&head.task, head.generation);
    let Some(newest) = record.revisions.values().next_back() else { return anew };
    let is_restarted = newest.restart >= head.last_restart();
    match &head.refused {
        Some(refusal) if refusal.generation == head.generation => {
            let since = Some(newest).filter(|newest| newest.number > refusal.revision);
            let good = since.or_else(|| last_ready(record, refusal.revision));
            let (revision, refusal) = good.map_or((newest, None), |good| (good, Some(refusal)));
            let task = task_of(record, revision);
            if is_restarted {
                Choice::Use(Target::of(revision, task, refusal))
            } else {
                Choice::Revise(task, revision.generation)
            }
        }
        Some(refusal) if refusal.revision == newest.number => anew,
        Some(_) | None if is_restarted && newest.fingerprint.matches(&head.task) => {
            Choice::Use(Target::of(newest, &head.task, None))
        }
        Some(_) | None => anew,
    }
}

/// What is gone back to where revision `failed` has failed: the newest that was once ready. One of
/// the same form and image would fail the same way, but for what a restart was to replace: that may
/// still run.
fn last_ready(record: &Record, failed: u32) -> Option<&Revision> {
    let bad = record.revisions.get(&failed);
    let same = |good: &Revision| {
        bad.is_some_and(|bad| is_made_alike(bad, good) && bad.restart == good.restart)
    };
    let mut newest_first = record.revisions.values().rev();
    newest_first.find(|good| good.ready && good.number != failed && !same(good))
}

/// Whether containers of both are made of the same.
fn is_made_alike(one: &Revision, other: &Revision) -> bool {
    one.fingerprint == other.fingerprint && one.image_id == other.image_id
}

/// How far the rollout of a revision has come.
pub enum Progress {
    /// There is none: it was ready once, or is gone back to, or is a job's.
    Over,
    /// It has time left to get further.
    UnderWay {
        /// Until when.
        deadline: Mono,
    },
    /// It has failed.
    Failed(Failure),
}

/// How far the rollout of `target` has come by `now`. While its image is on its way (`pulling`) its
/// time does not run: a pull has deadlines of its own, and nothing old was touched.
pub fn progress(
    record: &Record,
    worker: &WorkerName,
    target: &Target,
    (engine, now, pulling): (&Engine, Mono, bool),
) -> Progress {
    let revision = target.revision;
    if !target.is_rollout() {
        return Progress::Over;
    }
    let failed =
        |reason, message| Progress::Failed(Failure { revision: revision.number, reason, message });
    let limit = target.task.backoff.limit.unwrap_or(u32::MAX);
    let most = ATTEMPTS.min(limit.saturating_add(1));
    for instance in record.instances.values().filter(|it| it.revision == revision.number) {
        if instance.reason == Some(EndReason::StartError) && instance.hopeless {
            return failed("StartError", instance.told_end());
        }
        let counts = instance.state.is_end() && !instance.proven && is_own_end(instance);
        if counts && failures_after(target.task, instance) >= most {
            let message = format!("attempt {most} of {most}: {}", instance.told_end());
            return failed("CrashLoop", message);
        }
    }
    let stop_first = last_ready(record, revision.number).is_some_and(|good| {
        exclusive::stop_first(worker, Made::of(&good.task), Made::of(target.task)).is_some()
    });
    // Before the image is there, nothing has stopped.
    let stops = stop_first && revision.image_id.is_some();
    let default = if stops { DEADLINE_STOP_FIRST } else { DEADLINE_START_FIRST };
    let seconds = target.task.update.progress_deadline_seconds.unwrap_or(default);
    // It can't get further while its names are taken or its registry has to be spared, and what is
    // tried meanwhile touches nothing.
    let slots = 0..target.task.replicas;
    let is_kept_out = record.names_taken.keys().any(|slot| slots.contains(slot));
    let cause = record.pull_trouble.as_ref().map(|trouble| trouble.cause);
    let is_pulled = pulling && cause.is_none();
    let stands =
        record.denied || is_kept_out || is_pulled || cause == Some(Some(Cause::RateLimited));
    let began = if stands { now } else { record.progressed_at.max(engine.reached_at) };
    let deadline = began + Duration::from_secs(u64::from(seconds));
    if now < deadline {
        return Progress::UnderWay { deadline };
    }
    let said = record.pull_trouble.iter().chain(record.troubles.values()).next();
    let unwell = || {
        record.health.iter().find_map(|(seat, health)| {
            let of = record.instances.get(seat)?;
            let said =
                health.said.as_ref().filter(|_| of.revision == revision.number && !health.ready);
            said.map(ToString::to_string)
        })
    };
    let why = said.map(|trouble| trouble.message.clone()).or_else(unwell);
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    failed("DeadlineExceeded", format!("it got no further for {seconds} s{why}"))
}

/// What is relied on while `target` is rolled out, and gone back to should that fail: the last ready
/// revision.
pub fn serving<'a>(record: &'a Record, target: &Target) -> Option<Target<'a>> {
    let good = last_ready(record, target.revision.number).filter(|_| target.is_rollout())?;
    Some(Target::of(good, task_of(record, good), None))
}

/// Whether the rollout of `target` has failed and there is something to go back to; if it still
/// may, `plan` wakes for its deadline.
pub fn failed(world: &World, target: &Target, plan: &mut Plan) -> Option<Failure> {
    let good = last_ready(world.record, target.revision.number)?;
    let good_target = Target::of(good, task_of(world.record, good), None);
    let runs = |it: &Instance| it.state == State::Running && is_current(world, &good_target, it);
    let may_start = permit::is_free(world, good_target.task);
    // What is begun anew would fail the same way: only what runs is worth going back to.
    let is_alike = is_made_alike(good, target.revision);
    if (!may_start || is_alike) && !world.record.instances.values().any(runs) {
        return None;
    }
    let state = (world.engine, world.now.mono, world.pulling);
    match progress(world.record, world.worker, target, state) {
        Progress::Over => None,
        Progress::UnderWay { deadline } => {
            plan.wake(deadline);
            None
        }
        Progress::Failed(failure) => Some(failure),
    }
}

/// Whether an instance ended by itself, or could not be started.
pub fn is_own_end(instance: &Instance) -> bool {
    match instance.reason {
        Some(
            EndReason::Exited
            | EndReason::Error
            | EndReason::OomKilled
            | EndReason::StartError
            | EndReason::ProbeFailed,
        ) => true,
        Some(
            EndReason::Stopped
            | EndReason::Lost
            | EndReason::Disrupted
            | EndReason::Cancelled
            | EndReason::NameTaken,
        )
        | None => false,
    }
}

/// Whether an instance is what `target` asks for, as far as that needs a new container.
pub fn is_current(world: &World, target: &Target, instance: &Instance) -> bool {
    instance.uid == world.record.head.uid
        && target.covers(world.record, instance)
        && !loses_resource(world, target, instance)
}

/// Whether its container has a limit or a request that is to be none: the engine can't take one
/// away.
fn loses_resource(world: &World, target: &Target, instance: &Instance) -> bool {
    differences(world, target, instance).iter().any(Difference::takes_away)
}

/// Why an instance's container is given what it differs in, by an update or by another container:
/// the manifest's change, unless somebody changed some of it on the engine.
pub fn why_differs(world: &World, instance: &Instance, differing: Vec<Difference>) -> Reason {
    let record = world.record;
    let made_with = || {
        let revision = record.revisions.get(&instance.revision)?;
        Some(&revision.task.template.resources)
    };
    let before = record.confirmed.get(&instance.seat).or_else(made_with);
    let is_edit = |it: &Difference| before.is_some_and(|before| it.is_edit(before));
    if differing.iter().all(is_edit) {
        Reason::Edited(differing)
    } else {
        Reason::Differs(differing)
    }
}

/// In what an instance's container is not as an update could make it; nothing while that is not
/// known.
pub fn differences(world: &World, target: &Target, instance: &Instance) -> Vec<Difference> {
    let details = world.container(instance.seat).and_then(|container| container.details.as_ref());
    let between = |has| Difference::between(has, &target.task.template.resources);
    details.map(between).unwrap_or_default()
}
