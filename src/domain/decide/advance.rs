//! The life of an instance that is wanted: written down, made, started, kept as it is meant to be.

use std::time::Duration;

use super::drift::mend;
use super::target::Target;
use super::{loose, waits_to_retry};
use crate::domain::container::{Container, Status};
use crate::domain::exclusive::{self, FixedPort, Made, clash};
use crate::domain::instance::{Instance, Seat, State};
use crate::domain::outcome::Cause;
use crate::domain::plan::{Plan, Pull, Reason, Step};
use crate::domain::ready::available_at;
use crate::domain::record::Revision;
use crate::domain::task::{RestartPolicy, Task};
use crate::domain::template::{MountSource, Template};
use crate::domain::time::jittered;
use crate::domain::waits::Waiting;
use crate::domain::world::{PortRival, Seen, World};

/// How long the engine, once it answers, may take over a start that nobody waits for any more.
const DOUBT: Duration = Duration::from_secs(10);

/// How often a port that something else listens at is tried again.
const PORT_RETRY: Duration = Duration::from_secs(2);

/// The next step of `instance`. It is not started before `after`, if there is one, has ended.
pub fn advance(
    world: &World,
    plan: &mut Plan,
    target: &Target,
    instance: &Instance,
    after: Option<Seat>,
) {
    let seat = instance.seat;
    if let Some(step) = world.in_flight.get(&seat) {
        plan.wait(Waiting::Step(seat, step));
        return;
    }
    if let Some(why) = &instance.stopping {
        super::retire::retire(world, plan, instance, Reason::Because(why.clone()));
        return;
    }
    if waits_to_retry(world, plan, seat) {
        return;
    }
    match instance.state {
        State::Pending | State::Scheduled if instance.container.is_none() => {
            make(world, plan, target, instance);
        }
        State::Pending | State::Scheduled => made(world, plan, target, instance, after),
        State::Running => keep(world, plan, target, instance),
        State::Completed | State::Failed => {}
    }
}

/// Brings an instance to a container that is made.
fn make(world: &World, plan: &mut Plan, target: &Target, instance: &Instance) {
    let seat = instance.seat;
    if instance.state == State::Pending && instance.failures > 0 {
        let at = instance.moved_at
            + jittered(target.task.backoff.delay(instance.failures), world.jitter);
        if world.now.mono < at {
            plan.wait(Waiting::BackOff { seat, failures: instance.failures, at });
            return;
        }
    }
    let revision = world.record.revisions.get(&instance.revision).unwrap_or(target.revision);
    let may_make = has_image(world, plan, revision) && !rival_has_port(world, plan);
    if !may_make || loose::has_port(world, plan, target.task) {
        return;
    }
    let template = &target.task.template;
    let missing = template.mounts.iter().find_map(|mount| match &mount.source {
        MountSource::Volume(name) => (!world.volumes.contains(name)).then_some(name),
        MountSource::EngineVolume(_) | MountSource::HostPath { .. } | MountSource::Tmpfs { .. } => {
            None
        }
    });
    let step = if !template.host_network && !world.network {
        Step::MakeNetwork
    } else if let Some(volume) = missing {
        Step::MakeVolume(volume.clone())
    } else {
        Step::Create
    };
    if let Some(other) = is_being_made(world, plan, &step) {
        plan.wait(Waiting::Step(other, step.name()));
        return;
    }
    plan.step(seat, step, Reason::Because(instance.because.clone()));
}

/// The instance for which the network or volume of `step` is being made already: the engine may
/// make two of one name if it is asked twice at once.
pub fn is_being_made(world: &World, plan: &Plan, step: &Step) -> Option<Seat> {
    if *step == Step::Create {
        return None;
    }
    let in_flight = world.in_flight.iter().find(|(_, name)| **name == step.name());
    let planned = plan.steps.iter().find(|planned| planned.step == *step);
    in_flight.map(|(seat, _)| *seat).or(planned.map(|planned| planned.seat))
}

/// Whether the image of a revision is there; if not, it is asked for.
fn has_image(world: &World, plan: &mut Plan, revision: &Revision) -> bool {
    if revision.image_id.is_some() {
        return true;
    }
    let image = &revision.task.template.image;
    let policy = revision.task.template.image_pull_policy;
    let trouble = world.record.pull_trouble.as_ref();
    // Who has not heard of it yet may find the image there, without asking a registry.
    let limited = trouble.filter(|trouble| trouble.cause == Some(Cause::RateLimited));
    let all = trouble.into_iter().chain(limited.and_then(|_| world.registries.of(image)));
    let last = all.map(|trouble| (trouble.retry_at(world.jitter), trouble)).max_by_key(|it| it.0);
    match last.filter(|(at, _)| world.now.mono < *at) {
        Some((at, trouble)) => plan.wait(Waiting::PullRetry {
            image: image.clone(),
            message: trouble.message.clone(),
            at,
        }),
        None => {
            plan.pull = Some(Pull { image: image.clone(), policy, revision: revision.number });
            if world.pulling {
                plan.wait(Waiting::Pulling(image.clone()));
            }
        }
    }
    false
}

/// Whether another task keeps a host port of this one.
fn rival_has_port(world: &World, plan: &mut Plan) -> bool {
    // Who has it keeps it; where nobody has, the first by name gets it.
    let wanting = || world.port_rivals.iter().filter(|rival| rival.wants);
    let first =
        |rival: &&PortRival| !we_hold(world, rival.port) && rival.task < world.record.head.name;
    let rival = wanting().find(|rival| rival.holds).or_else(|| wanting().find(first));
    if let Some(rival) = rival {
        plan.wait(Waiting::Port {
            port: rival.port,
            task: rival.task.clone(),
            place: rival.place.clone(),
            leaving: false,
        });
    }
    rival.is_some()
}

/// Whether an instance of this task is published there.
fn we_hold(world: &World, port: FixedPort) -> bool {
    let is_held = |template| exclusive::fixed_ports(template).any(|held| held.meets(port));
    started(world).any(is_held)
}

/// Whether an instance of this task may listen there.
fn we_listen(world: &World, port: FixedPort) -> bool {
    // In the host's network it may do so anywhere.
    we_hold(world, port) || started(world).any(|template| template.host_network)
}

/// What the instances of this task that were started are made of.
fn started<'a>(world: &'a World) -> impl Iterator<Item = &'a Template> {
    let started = super::live(world).filter(|instance| instance.start_sent);
    let revisions = started.filter_map(|it| world.record.revisions.get(&it.revision));
    revisions.map(|revision| &revision.task.template)
}

/// An instance with a container that has not been seen running.
fn made(world: &World, plan: &mut Plan, target: &Target, instance: &Instance, after: Option<Seat>) {
    let seat = instance.seat;
    match world.seen(seat) {
        Seen::Unknown | Seen::Absent => plan.wait(Waiting::Observation(seat)),
        Seen::Present(container) => match container.status {
            Status::Created => {
                if let Some(other) = after.or_else(|| of_removed(world)) {
                    plan.wait(Waiting::Stopping(other));
                } else if is_doubtful(target.task, instance) {
                    let at = instance.moved_at.max(world.engine.reached_at) + DOUBT;
                    if world.now.mono < at {
                        plan.wait(Waiting::Doubt(seat, at));
                        return;
                    }
                    // A start was sent and nothing came of it that could be seen. Taking the
                    // container away makes sure that nothing will: it must run at most once.
                    let why = "its start was sent, and it must not run twice".to_owned();
                    plan.step(seat, Step::Remove(container.id.clone()), Reason::Drift(why));
                } else if may_start(world, plan, target, instance)
                    && !written(world, plan, target, (instance, container))
                {
                    let because = Reason::Because(instance.because.clone());
                    plan.step(seat, Step::Start(container.id.clone()), because);
                }
            }
            Status::Running | Status::Paused | Status::Exited => {
                plan.wait(Waiting::Observation(seat));
            }
            Status::Removing | Status::Other(_) => plan.wait(Waiting::Observation(seat)),
        },
    }
}

/// An instance of a task of that name that was removed before, and is not down yet.
fn of_removed(world: &World) -> Option<Seat> {
    let uid = world.record.head.uid;
    super::live(world).find(|instance| instance.uid != uid).map(|instance| instance.seat)
}

fn is_doubtful(task: &Task, instance: &Instance) -> bool {
    task.restart_policy == RestartPolicy::Never && instance.start_sent
}

/// Whether the ports of an instance are free of others, of rivals that leave and of strangers, and
/// nothing that no record has is in its way.
pub fn may_start(world: &World, plan: &mut Plan, target: &Target, instance: &Instance) -> bool {
    if rival_has_port(world, plan) {
        return false;
    }
    let made = world.container(instance.seat).map(|container| &container.writes);
    if loose::has_port(world, plan, target.task)
        || loose::writes(world, plan, Made::seen(target.task, made))
    {
        return false;
    }
    let ours_to_leave = super::live(world).any(|other| {
        other.seat != instance.seat && other.start_sent && other.seat.slot == instance.seat.slot
    });
    if let Some(rival) = world.port_rivals.iter().find(|rival| rival.holds) {
        if !ours_to_leave {
            plan.wait(Waiting::Port {
                port: rival.port,
                task: rival.task.clone(),
                place: rival.place.clone(),
                leaving: true,
            });
        }
        return ours_to_leave;
    }
    let busy = exclusive::fixed_ports(&target.task.template)
        .find(|port| world.busy_ports.contains(port) && !we_listen(world, *port));
    if let Some(port) = busy {
        plan.wait(Waiting::BusyPort(port, world.now.mono + PORT_RETRY));
    }
    busy.is_none()
}

/// Whether another instance writes a mount of this one.
fn written(
    world: &World,
    plan: &mut Plan,
    target: &Target,
    (instance, container): (&Instance, &Container),
) -> bool {
    let me = (&world.record.head.name, instance.seat);
    let wants: Vec<_> =
        Made::seen(target.task, Some(&container.writes)).written(world.worker).collect();
    let mut others = world.writers.iter().filter(|writer| (&writer.task, writer.seat) != me);
    let clash = others.find_map(|writer| {
        let both = wants.iter().find_map(|own| clash(own, &writer.written))?;
        Some((both, writer))
    });
    if let Some((mount, writer)) = clash {
        plan.wait(Waiting::Mount {
            mount: mount.clone(),
            task: writer.task.clone(),
            seat: writer.seat,
        });
    }
    clash.is_some()
}

/// An instance that runs: proven after a while, and kept as it is meant to be.
fn keep(world: &World, plan: &mut Plan, target: &Target, instance: &Instance) {
    let seat = instance.seat;
    let Some(container) = world.container(seat) else {
        plan.wait(Waiting::Observation(seat));
        return;
    };
    match container.status {
        Status::Running | Status::Paused => {}
        // What has ended is that once its end was inspected; the rest the engine has to end.
        Status::Created | Status::Exited | Status::Removing | Status::Other(_) => {
            plan.wait(Waiting::Observation(seat));
            return;
        }
    }
    let health = world.record.health.get(&seat);
    if let Some(unwell) = health.and_then(|health| health.failed.clone()) {
        super::retire::retire(world, plan, instance, Reason::Unwell(unwell));
        return;
    }
    if let Some((step, why)) = mend(world, plan, target, instance, container) {
        plan.step(seat, step, why);
    }
    if instance.proven || container.status != Status::Running {
        return;
    }
    match available_at(world.record, instance, target.task.update.min_ready_seconds) {
        Some(at) if at <= world.now.mono => plan.proven.push(seat),
        Some(at) => plan.wait(Waiting::Proof(seat, at)),
        None => {
            let said = health.and_then(|health| health.said.clone());
            plan.wait(Waiting::Readiness(seat, said));
        }
    }
}

/// Whether an instance has been ready for long enough to be relied on.
pub fn is_up(world: &World, task: &Task, instance: &Instance) -> bool {
    available_at(world.record, instance, task.update.min_ready_seconds)
        .is_some_and(|at| at <= world.now.mono)
}
