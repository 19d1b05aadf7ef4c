//! What every engine must do, whichever it is: one story for each obligation of `Runtime`.
//!
//! Run on the simulated engine and on Docker Engine alike, so that a test on the first says
//! something about the second. It never touches what a bench has not made for it.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use evenkeel::domain::container::{
    Container, ContainerSpec, Details, Identity, NetworkAttachment, Status, label, network_name,
    volume_name,
};
use evenkeel::domain::exclusive::Written;
use evenkeel::domain::fingerprint::Fingerprint;
use evenkeel::domain::instance::{ContainerId, InstanceId, Seat, Uid};
use evenkeel::domain::name::{Label, TaskName, WorkerName};
use evenkeel::domain::outcome::{Cause, Outcome, Retry};
use evenkeel::domain::subnet::Subnet;
use evenkeel::domain::template::{
    HostPort, ImageRef, Limits, Logging, Mount, MountSource, Port, Protocol, PullPolicy, Requests,
    Resources, SecurityContext, Template,
};
use evenkeel::runtime::{EngineEvent, LogQuery, Runtime};
use futures_util::StreamExt;
use tokio::sync::watch;
use uuid::Uuid;

/// What a container's program shall do.
#[derive(Debug, Clone, Copy)]
pub enum Program {
    /// Run until it is told to stop, and end with 0.
    Runs,
    /// Ignore its stop signal.
    Stubborn,
    /// End at once with this code.
    Ends(u8),
    /// Write `out` and `err` and end.
    Writes,
    /// Write `out` and run.
    WritesAndRuns,
    /// Not be there.
    Missing,
}

/// Has an image there, and does not ask how far it has come.
pub async fn pull(engine: &impl Runtime, image: &ImageRef, policy: PullPolicy) -> Outcome<String> {
    engine.pull(image, policy, &watch::Sender::default()).await
}

/// An engine with what a story needs.
pub trait Bench: Sync {
    type Engine: Runtime;
    fn engine(&self) -> &Self::Engine;
    /// A worker that no other test has.
    fn worker(&self) -> &WorkerName;
    /// An image that is there.
    fn image(&self) -> ImageRef;
    /// The command that does that.
    fn command(&self, program: Program) -> Vec<String>;
    /// A part of the pool of networks for this test.
    fn pool(&self) -> Subnet;
    fn free_port(&self) -> u16;
    /// A path of the host that is not there.
    fn missing_path(&self) -> String;
    fn pause(&self, id: &ContainerId);
    /// A running container with this name and these labels, made by someone else.
    fn stranger(&self, name: &str, labels: &[(&str, &str)]) -> ContainerId;
    fn strangers_network(&self, name: &str);
    fn strangers_volume(&self, name: &str);
}

/// Calls `$run!` with the name of every obligation.
macro_rules! obligations {
    ($run:ident) => {
        $run! {
            a_container_lives_from_create_to_remove
            a_second_create_of_the_same_instance_is_the_first
            a_name_is_given_to_one_instance_only
            what_has_no_label_of_ours_is_not_listed
            every_step_may_be_done_twice
            the_engine_starts_an_ended_container_once_more
            an_exit_code_is_told
            a_stop_waits_for_the_grace_and_kills_then
            a_program_that_is_not_there_can_never_start
            a_taken_port_is_named_and_may_become_free
            a_port_is_taken_by_protocol_and_address
            a_port_is_published_where_it_was_asked_for
            an_image_that_is_not_there_is_missing
            an_image_that_is_there_is_not_pulled
            a_path_that_is_not_there_is_missing_and_not_made
            a_path_is_told_of_without_a_trace
            what_a_container_can_write_of_the_host_is_told
            a_network_is_made_once
            a_network_of_a_stranger_is_not_ours
            a_network_that_is_used_is_not_removed
            a_network_that_went_keeps_a_container_from_starting
            a_container_joins_a_further_network
            a_volume_is_made_once
            a_volume_that_comes_with_its_container_is_ours
            a_volume_of_a_stranger_is_not_ours
            a_container_is_renamed_but_not_over_another
            a_paused_container_goes_on_or_is_stopped
            limits_and_requests_change_in_place
            a_running_container_is_not_removed
            what_a_container_uses_is_told_while_it_runs
            events_wake_who_listens
            a_log_is_read_to_its_end
            a_log_is_followed_until_the_container_ends
            nothing_is_known_of_what_is_not_there
            the_engine_says_who_it_is
        }
    };
}
pub(crate) use obligations;

const GRACE: Duration = Duration::from_secs(1);

// ---- what stories are made of

fn label_of(text: &str) -> Label {
    Label::parse(text).unwrap()
}

fn namespace() -> Label {
    label_of("prod")
}

pub fn ours(bench: &impl Bench) -> BTreeMap<String, String> {
    [(label::WORKER.to_owned(), bench.worker().to_string())].into()
}

/// A spec of slot 0; each number is another instance.
pub async fn spec(bench: &impl Bench, program: Program, instance: u128) -> ContainerSpec {
    let network = network_name(bench.worker(), &namespace());
    assert_eq!(
        bench.engine().make_network(&network, &ours(bench), bench.pool()).await,
        Outcome::Done(())
    );
    let identity = Identity {
        worker: bench.worker().clone(),
        source: "/srv/tasks".into(),
        task: TaskName { namespace: namespace(), name: label_of("web") },
        uid: Uid(Uuid::from_u128(1)),
        instance: InstanceId(Uuid::from_u128(instance)),
        seat: Seat { slot: 0, attempt: 1 },
        generation: 1,
        fingerprint: Fingerprint::stored("1:00"),
        manifest: "web.yaml:1".into(),
        spec: "{}".into(),
    };
    ContainerSpec {
        name: identity.derived_name(),
        labels: identity.to_labels(),
        image_id: done(pull(bench.engine(), &bench.image(), PullPolicy::Never).await),
        template: Template {
            image: bench.image(),
            image_pull_policy: PullPolicy::Never,
            command: bench.command(program),
            args: vec![],
            working_dir: None,
            env: vec![],
            ports: vec![],
            mounts: vec![],
            host_network: false,
            resources: Resources::default(),
            security_context: SecurityContext::default(),
            logging: Logging::default(),
            stop_signal: None,
            tty: false,
            stdin: false,
            init: false,
        },
        volumes: BTreeMap::new(),
        stop_timeout_seconds: 1,
        network: Some(NetworkAttachment { network, aliases: vec!["web".into(), "0.web".into()] }),
    }
}

/// The same as another attempt: another container.
pub fn attempt(spec: &ContainerSpec, attempt: u32) -> ContainerSpec {
    let mut identity = Identity::from_labels(&spec.labels).unwrap();
    identity.seat.attempt = attempt;
    identity.instance = InstanceId(Uuid::from_u128(u128::from(attempt) + 1000));
    ContainerSpec { name: identity.derived_name(), labels: identity.to_labels(), ..spec.clone() }
}

async fn create(bench: &impl Bench, program: Program) -> ContainerId {
    done(bench.engine().create(&spec(bench, program, 1).await).await)
}

async fn start(bench: &impl Bench, program: Program) -> ContainerId {
    let id = create(bench, program).await;
    done(bench.engine().start(&id).await);
    id
}

#[track_caller]
pub fn done<T: std::fmt::Debug>(outcome: Outcome<T>) -> T {
    match outcome {
        Outcome::Done(value) => value,
        other => panic!("expected it to be done: {other:?}"),
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Outcome<T>) -> (Cause, Retry) {
    match outcome {
        Outcome::Rejected(rejection) => {
            assert!(!rejection.message.is_empty());
            (rejection.cause, rejection.retry)
        }
        other => panic!("expected it to be refused: {other:?}"),
    }
}

async fn inspect(bench: &impl Bench, id: &ContainerId) -> Container {
    bench.engine().inspect(id).await.unwrap().expect("the container is there")
}

async fn details(bench: &impl Bench, id: &ContainerId) -> Details {
    inspect(bench, id).await.details.expect("an inspect tells details")
}

/// The networks that a container is on.
fn networks(details: &Details) -> Vec<String> {
    details.networks.keys().cloned().collect()
}

/// Looks until `look` sees something, for 20 s at most.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(tokio::time::Instant::now() < deadline, "in vain waited for: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn ended(bench: &impl Bench, id: &ContainerId) -> Details {
    until("the container to end", || async {
        let container = inspect(bench, id).await;
        container.details.filter(|_| container.status == Status::Exited)
    })
    .await
}

// ---- the obligations

pub async fn a_container_lives_from_create_to_remove(bench: &impl Bench) {
    let engine = bench.engine();
    let spec = spec(bench, Program::WritesAndRuns, 1).await;
    assert_eq!(engine.list(bench.worker()).await.unwrap(), []);

    let id = done(engine.create(&spec).await);
    let made = inspect(bench, &id).await;
    assert_eq!(made.status, Status::Created);
    assert_eq!((&made.name, &made.image_id), (&spec.name, &spec.image_id));
    for (key, value) in &spec.labels {
        assert_eq!(made.labels.get(key), Some(value), "{key}");
    }
    let network = network_name(bench.worker(), &namespace());
    assert_eq!(networks(&made.details.unwrap()), [network]);

    done(engine.start(&id).await);
    let running = inspect(bench, &id).await;
    assert_eq!(running.status, Status::Running);
    let started_at = running.details.as_ref().unwrap().started_at.expect("it was started");
    let listed = engine.list(bench.worker()).await.unwrap();
    assert_eq!(listed, [Container { details: None, ..running }]);

    // Once it has written, it hears the signal.
    let mut log = engine.logs(&id, &LogQuery { follow: true, ..LogQuery::default() });
    assert_eq!(log.next().await.unwrap().unwrap().bytes, b"out\n");
    done(engine.stop(&id, GRACE).await);
    let stopped = inspect(bench, &id).await;
    assert_eq!(stopped.status, Status::Exited);
    let details = stopped.details.unwrap();
    assert_eq!((details.exit_code, details.oom_killed), (0, false));
    assert!(details.finished_at.unwrap() >= started_at);

    done(engine.remove(&id).await);
    assert_eq!(engine.inspect(&id).await.unwrap(), None);
    assert_eq!(engine.list(bench.worker()).await.unwrap(), []);
}

pub async fn a_second_create_of_the_same_instance_is_the_first(bench: &impl Bench) {
    let engine = bench.engine();
    let spec = spec(bench, Program::Runs, 1).await;
    let (one, two, three) =
        futures_util::join!(engine.create(&spec), engine.create(&spec), engine.create(&spec));
    let id = done(one);
    assert_eq!((done(two), done(three)), (id.clone(), id.clone()));
    done(engine.start(&id).await);
    assert_eq!(done(engine.create(&spec).await), id);
    assert_eq!(engine.list(bench.worker()).await.unwrap().len(), 1);
}

pub async fn a_name_is_given_to_one_instance_only(bench: &impl Bench) {
    let engine = bench.engine();
    let first = spec(bench, Program::Runs, 1).await;
    let id = done(engine.create(&first).await);
    let second = spec(bench, Program::Runs, 2).await;
    assert_eq!(second.name, first.name);
    assert_eq!(refused(engine.create(&second).await), (Cause::NameTaken, Retry::Later));
    done(engine.remove(&id).await);
    assert_ne!(done(engine.create(&second).await), id);

    let third = attempt(&first, 7);
    bench.stranger(&third.name, &[]);
    assert_eq!(refused(engine.create(&third).await), (Cause::NotOurs, Retry::Later));
    // Labels prove nothing without the worker's: an image may have brought them.
    let fourth = attempt(&first, 8);
    bench.stranger(&fourth.name, &[(label::INSTANCE, &fourth.labels[label::INSTANCE])]);
    assert_eq!(refused(engine.create(&fourth).await), (Cause::NotOurs, Retry::Later));
}

pub async fn what_has_no_label_of_ours_is_not_listed(bench: &impl Bench) {
    let id = create(bench, Program::Runs).await;
    let name = |suffix: &str| format!("evenkeel.{}.prod.web.{suffix}", bench.worker());
    bench.stranger(&name("0.99"), &[]);
    let other = format!("{}-2", bench.worker());
    bench.stranger(&name("0.98"), &[(label::WORKER, &other)]);
    let listed = bench.engine().list(bench.worker()).await.unwrap();
    assert_eq!(listed.into_iter().map(|container| container.id).collect::<Vec<_>>(), [id]);
}

pub async fn every_step_may_be_done_twice(bench: &impl Bench) {
    let engine = bench.engine();
    let id = create(bench, Program::Runs).await;
    done(engine.stop(&id, GRACE).await);
    assert_eq!(inspect(bench, &id).await.status, Status::Created);
    done(engine.start(&id).await);
    let since = details(bench, &id).await.started_at;
    done(engine.start(&id).await);
    assert_eq!(details(bench, &id).await.started_at, since, "it was not started anew");
    done(engine.unpause(&id).await);
    for _ in 0..2 {
        done(engine.stop(&id, GRACE).await);
    }
    done(engine.unpause(&id).await);
    let (one, two, three) =
        futures_util::join!(engine.remove(&id), engine.remove(&id), engine.remove(&id));
    for outcome in [one, two, three] {
        done(outcome);
    }
    done(engine.remove(&id).await);
    done(engine.stop(&id, GRACE).await);
}

pub async fn the_engine_starts_an_ended_container_once_more(bench: &impl Bench) {
    let id = start(bench, Program::Ends(3)).await;
    let first = ended(bench, &id).await;
    done(bench.engine().start(&id).await);
    let second = until("it to end again", || async {
        let container = inspect(bench, &id).await;
        let details = container.details.unwrap();
        (container.status == Status::Exited && details.finished_at != first.finished_at)
            .then_some(details)
    })
    .await;
    assert_eq!(second.exit_code, 3);
    assert!(second.started_at > first.started_at);
}

pub async fn an_exit_code_is_told(bench: &impl Bench) {
    let id = start(bench, Program::Ends(42)).await;
    let details = ended(bench, &id).await;
    assert_eq!((details.exit_code, details.oom_killed), (42, false));
    assert_eq!(details.error, "");
}

pub async fn a_stop_waits_for_the_grace_and_kills_then(bench: &impl Bench) {
    let id = start(bench, Program::Stubborn).await;
    // Its shell has to come so far as to ignore the signal.
    let mut log = bench.engine().logs(&id, &LogQuery { follow: true, ..LogQuery::default() });
    assert!(log.next().await.unwrap().is_ok());
    let begun = tokio::time::Instant::now();
    done(bench.engine().stop(&id, GRACE).await);
    assert!(begun.elapsed() >= GRACE, "it was given {:?}", begun.elapsed());
    let details = ended(bench, &id).await;
    assert_eq!(details.exit_code, 137);
}

pub async fn a_program_that_is_not_there_can_never_start(bench: &impl Bench) {
    let id = create(bench, Program::Missing).await;
    let outcome = bench.engine().start(&id).await;
    assert_eq!(refused(outcome), (Cause::BadCommand, Retry::Never));
    let container = inspect(bench, &id).await;
    assert_eq!(container.status, Status::Created);
    let details = container.details.unwrap();
    assert_eq!(details.exit_code, 127);
    assert_ne!(details.error, "");
    assert_eq!(details.started_at, None);
    done(bench.engine().remove(&id).await);
}

fn publish(spec: &mut ContainerSpec, port: u16) {
    let ip = Some([127, 0, 0, 1].into());
    let host = Some(HostPort { ip, port });
    spec.template.ports =
        vec![Port { name: None, container_port: 80, host, protocol: Protocol::Tcp }];
}

pub async fn a_taken_port_is_named_and_may_become_free(bench: &impl Bench) {
    let engine = bench.engine();
    let mut first = spec(bench, Program::Runs, 1).await;
    publish(&mut first, bench.free_port());
    let holder = done(engine.create(&first).await);
    done(engine.start(&holder).await);

    let id = done(engine.create(&attempt(&first, 2)).await);
    assert_eq!(refused(engine.start(&id).await), (Cause::PortTaken, Retry::Later));
    let container = inspect(bench, &id).await;
    assert_eq!(container.status, Status::Created);
    assert_eq!(container.details.unwrap().exit_code, 128);

    done(engine.stop(&holder, GRACE).await);
    done(engine.start(&id).await);
    assert_eq!(inspect(bench, &id).await.status, Status::Running);
}

pub async fn a_port_is_taken_by_protocol_and_address(bench: &impl Bench) {
    let engine = bench.engine();
    let first = spec(bench, Program::Runs, 1).await;
    let number = bench.free_port();
    let local = |last| Some([127, 0, 0, last].into());
    let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
    let places = [
        (local(1), tcp, true),
        (local(2), tcp, true),
        (local(1), udp, true),
        (None, udp, false),
        (Some([0, 0, 0, 0].into()), tcp, false),
        (local(2), tcp, false),
    ];
    for (number_of, (ip, protocol, free)) in (1..).zip(places) {
        let mut spec = attempt(&first, number_of);
        let host = Some(HostPort { ip, port: number });
        spec.template.ports = vec![Port { name: None, container_port: 80, host, protocol }];
        let id = done(engine.create(&spec).await);
        let started = engine.start(&id).await;
        if free {
            done(started);
        } else {
            assert_eq!(refused(started), (Cause::PortTaken, Retry::Later), "{ip:?} {protocol:?}");
        }
    }
}

pub async fn a_port_is_published_where_it_was_asked_for(bench: &impl Bench) {
    let engine = bench.engine();
    let mut fixed = spec(bench, Program::Runs, 1).await;
    let port = bench.free_port();
    publish(&mut fixed, port);
    let id = done(engine.create(&fixed).await);
    done(engine.start(&id).await);
    let place = format!("127.0.0.1:{port}");
    assert_eq!(details(bench, &id).await.published, [("80/tcp".into(), vec![place])].into());

    let mut any = attempt(&fixed, 2);
    publish(&mut any, 0);
    let id = done(engine.create(&any).await);
    done(engine.start(&id).await);
    let published = details(bench, &id).await.published;
    let place = &published["80/tcp"][0];
    let (ip, port) = place.rsplit_once(':').unwrap();
    assert_eq!(ip, "127.0.0.1");
    assert_ne!(port.parse::<u16>().unwrap(), 0);
}

pub async fn an_image_that_is_not_there_is_missing(bench: &impl Bench) {
    let engine = bench.engine();
    let mut spec = spec(bench, Program::Runs, 1).await;
    spec.image_id = format!("sha256:{}", "0".repeat(64));
    assert_eq!(refused(engine.create(&spec).await), (Cause::ImageMissing, Retry::Later));
    let image = ImageRef::checked("evenkeel/no-such-image:1");
    let outcome = pull(engine, &image, PullPolicy::Never).await;
    assert_eq!(refused(outcome), (Cause::ImageMissing, Retry::Later));
}

pub async fn an_image_that_is_there_is_not_pulled(bench: &impl Bench) {
    let engine = bench.engine();
    let id = done(pull(engine, &bench.image(), PullPolicy::Never).await);
    assert_eq!(id.strip_prefix("sha256:").unwrap().len(), 64);
    assert_eq!(done(pull(engine, &bench.image(), PullPolicy::IfNotPresent).await), id);
}

pub async fn a_path_that_is_not_there_is_missing_and_not_made(bench: &impl Bench) {
    let mut spec = spec(bench, Program::Runs, 1).await;
    let path = bench.missing_path();
    let source = MountSource::HostPath { path: path.clone(), create: false };
    let mount = Mount { path: "/data".into(), read_only: true, shared: false, source };
    spec.template.mounts = vec![mount];
    let outcome = bench.engine().create(&spec).await;
    assert_eq!(refused(outcome), (Cause::MountMissing, Retry::Later));
    assert!(!std::path::Path::new(&path).exists());
    assert_eq!(bench.engine().list(bench.worker()).await.unwrap(), []);
}

pub async fn a_path_is_told_of_without_a_trace(bench: &impl Bench) {
    let (engine, path) = (bench.engine(), bench.missing_path());
    assert_eq!(engine.sees(&path).await, Ok(Some(false)));
    assert_eq!(engine.sees("/").await, Ok(Some(true)));
    assert!(!std::path::Path::new(&path).exists());
    assert_eq!(bench.engine().list(bench.worker()).await.unwrap(), []);
}

pub async fn what_a_container_can_write_of_the_host_is_told(bench: &impl Bench) {
    let engine = bench.engine();
    let mut spec = spec(bench, Program::Runs, 1).await;
    let mount = |path: &str, read_only, source| Mount {
        path: path.into(),
        read_only,
        shared: false,
        source,
    };
    let tmp = || MountSource::HostPath { path: "/tmp".into(), create: false };
    let volume = |name| MountSource::Volume(label_of(name));
    let engine_name = |name| volume_name(bench.worker(), &namespace(), &label_of(name));
    let named = ["one", "two"].map(|name| (label_of(name), engine_name(name)));
    spec.volumes = named.clone().into();
    for (_, name) in &named {
        done(engine.make_volume(name, &ours(bench)).await);
    }
    spec.template.mounts = vec![
        mount("/host", false, tmp()),
        mount("/read", true, tmp()),
        mount("/memory", false, MountSource::Tmpfs { size: None }),
        mount("/volume", false, volume("one")),
        mount("/read-volume", true, volume("two")),
        mount("/engine", false, MountSource::EngineVolume(engine_name("two"))),
    ];
    let id = done(engine.create(&spec).await);
    let writes = [
        ("/host".to_owned(), Written::HostPath("/tmp".to_owned())),
        ("/volume".to_owned(), Written::Volume(engine_name("one"))),
        ("/engine".to_owned(), Written::Volume(engine_name("two"))),
    ];
    let writes = writes.into();
    for start in [false, true] {
        if start {
            done(engine.start(&id).await);
        }
        assert_eq!(inspect(bench, &id).await.writes, writes);
        assert_eq!(engine.list(bench.worker()).await.unwrap()[0].writes, writes);
    }
}

pub async fn a_network_is_made_once(bench: &impl Bench) {
    let engine = bench.engine();
    let (one, two) =
        (format!("evenkeel.{}.a", bench.worker()), format!("evenkeel.{}.b", bench.worker()));
    let labels = ours(bench);
    let (first, again, other) = futures_util::join!(
        engine.make_network(&one, &labels, bench.pool()),
        engine.make_network(&one, &labels, bench.pool()),
        engine.make_network(&two, &labels, bench.pool()),
    );
    for outcome in [first, again, other] {
        done(outcome);
    }
    let mut networks = engine.list_resources(bench.worker()).await.unwrap().networks;
    networks.sort();
    assert_eq!(networks, [one.clone(), two.clone()]);
    for _ in 0..2 {
        done(engine.remove_network(&one).await);
    }
    assert_eq!(engine.list_resources(bench.worker()).await.unwrap().networks, [two]);
}

pub async fn a_network_of_a_stranger_is_not_ours(bench: &impl Bench) {
    let name = network_name(bench.worker(), &namespace());
    bench.strangers_network(&name);
    let outcome = bench.engine().make_network(&name, &ours(bench), bench.pool()).await;
    assert_eq!(refused(outcome), (Cause::NotOurs, Retry::Later));
    assert_eq!(bench.engine().list_resources(bench.worker()).await.unwrap().networks, [""; 0]);
}

pub async fn a_network_that_is_used_is_not_removed(bench: &impl Bench) {
    let id = start(bench, Program::Runs).await;
    let name = network_name(bench.worker(), &namespace());
    let outcome = bench.engine().remove_network(&name).await;
    assert_eq!(refused(outcome), (Cause::Busy, Retry::Later));
    done(bench.engine().stop(&id, GRACE).await);
    done(bench.engine().remove_network(&name).await);
}

pub async fn a_network_that_went_keeps_a_container_from_starting(bench: &impl Bench) {
    let id = create(bench, Program::Runs).await;
    let name = network_name(bench.worker(), &namespace());
    done(bench.engine().remove_network(&name).await);
    let outcome = bench.engine().start(&id).await;
    assert_eq!(refused(outcome), (Cause::NetworkMissing, Retry::Later));
    assert_eq!(inspect(bench, &id).await.status, Status::Created);
}

pub async fn a_container_joins_a_further_network(bench: &impl Bench) {
    let engine = bench.engine();
    let id = start(bench, Program::Runs).await;
    let further = network_name(bench.worker(), &label_of("further"));
    let attachment = NetworkAttachment { network: further.clone(), aliases: vec!["web".into()] };
    let outcome = engine.connect(&id, &attachment).await;
    assert_eq!(refused(outcome), (Cause::NetworkMissing, Retry::Later));
    done(engine.make_network(&further, &ours(bench), bench.pool()).await);
    for _ in 0..2 {
        done(engine.connect(&id, &attachment).await);
    }
    let own = network_name(bench.worker(), &namespace());
    let mut wanted = [own, further];
    wanted.sort();
    assert_eq!(networks(&details(bench, &id).await), wanted);
}

/// Has a container mount the volume `data` of its namespace, which is `name` to the engine.
fn mount_data(spec: &mut ContainerSpec, name: &str) {
    let source = MountSource::Volume(label_of("data"));
    spec.template.mounts =
        vec![Mount { path: "/data".into(), read_only: false, shared: false, source }];
    spec.volumes = [(label_of("data"), name.to_owned())].into();
}

pub async fn a_volume_is_made_once(bench: &impl Bench) {
    let engine = bench.engine();
    let name = volume_name(bench.worker(), &namespace(), &label_of("data"));
    for _ in 0..2 {
        done(engine.make_volume(&name, &ours(bench)).await);
    }
    assert_eq!(engine.list_resources(bench.worker()).await.unwrap().volumes, [name.as_str()]);
    // A container that mounts it takes nothing of it along.
    let mut spec = spec(bench, Program::Ends(0), 1).await;
    mount_data(&mut spec, &name);
    let id = done(engine.create(&spec).await);
    done(engine.start(&id).await);
    ended(bench, &id).await;
    done(engine.remove(&id).await);
    assert_eq!(engine.list_resources(bench.worker()).await.unwrap().volumes, [name]);
}

pub async fn a_volume_that_comes_with_its_container_is_ours(bench: &impl Bench) {
    let engine = bench.engine();
    let name = volume_name(bench.worker(), &namespace(), &label_of("data"));
    let mut spec = spec(bench, Program::Ends(0), 1).await;
    mount_data(&mut spec, &name);
    let id = done(engine.create(&spec).await);
    done(engine.make_volume(&name, &ours(bench)).await);
    assert_eq!(engine.list_resources(bench.worker()).await.unwrap().volumes, [name]);
    done(engine.remove(&id).await);
}

pub async fn a_volume_of_a_stranger_is_not_ours(bench: &impl Bench) {
    let name = volume_name(bench.worker(), &namespace(), &label_of("data"));
    bench.strangers_volume(&name);
    let outcome = bench.engine().make_volume(&name, &ours(bench)).await;
    assert_eq!(refused(outcome), (Cause::NotOurs, Retry::Later));
}

pub async fn a_container_is_renamed_but_not_over_another(bench: &impl Bench) {
    let engine = bench.engine();
    let first = spec(bench, Program::Runs, 1).await;
    let id = done(engine.create(&first).await);
    let moved = format!("{}-moved", first.name);
    for _ in 0..2 {
        done(engine.rename(&id, &moved).await);
    }
    assert_eq!(inspect(bench, &id).await.name, moved);
    let other = done(engine.create(&attempt(&first, 2)).await);
    assert_eq!(refused(engine.rename(&other, &moved).await), (Cause::NameTaken, Retry::Later));
    bench.stranger(&first.name, &[]);
    assert_eq!(refused(engine.rename(&id, &first.name).await), (Cause::NotOurs, Retry::Later));
}

pub async fn a_paused_container_goes_on_or_is_stopped(bench: &impl Bench) {
    let engine = bench.engine();
    let id = start(bench, Program::Runs).await;
    bench.pause(&id);
    assert_eq!(inspect(bench, &id).await.status, Status::Paused);
    assert_eq!(engine.list(bench.worker()).await.unwrap()[0].status, Status::Paused);
    assert_eq!(refused(engine.start(&id).await), (Cause::Busy, Retry::Later));
    assert_eq!(refused(engine.remove(&id).await), (Cause::Busy, Retry::Later));
    done(engine.unpause(&id).await);
    assert_eq!(inspect(bench, &id).await.status, Status::Running);
    bench.pause(&id);
    done(engine.stop(&id, GRACE).await);
    assert_eq!(inspect(bench, &id).await.status, Status::Exited);
}

pub async fn limits_and_requests_change_in_place(bench: &impl Bench) {
    let engine = bench.engine();
    let mut spec = spec(bench, Program::Runs, 1).await;
    let limits = Limits { nano_cpus: Some(500_000_000), memory: Some(32 << 20), pids: Some(20) };
    let requests = Requests { nano_cpus: Some(250_000_001), memory: Some(16 << 20) };
    spec.template.resources = Resources { limits, requests };
    let id = done(engine.create(&spec).await);
    let seen = details(bench, &id).await;
    assert_eq!((seen.limits, seen.reserved), (limits, requests.reserved()));
    done(engine.start(&id).await);
    let more = Limits { nano_cpus: None, memory: Some(64 << 20), pids: Some(30) };
    let weight = Requests { nano_cpus: Some(1_500_000_000), memory: None };
    let resources = Resources { limits: more, requests: weight };
    for _ in 0..2 {
        done(engine.update(&id, &resources).await);
    }
    done(engine.update(&id, &Resources::default()).await);
    let expected = Limits { nano_cpus: limits.nano_cpus, ..more };
    let kept = Requests { memory: requests.memory, ..weight };
    let seen = details(bench, &id).await;
    assert_eq!((seen.limits, seen.reserved), (expected, kept.reserved()));
    let more = Requests { nano_cpus: None, memory: Some(24 << 20) };
    done(engine.update(&id, &Resources { requests: more, ..Resources::default() }).await);
    let kept = Requests { memory: more.memory, ..weight };
    let seen = details(bench, &id).await;
    assert_eq!((seen.limits, seen.reserved), (expected, kept.reserved()));
    assert_eq!(inspect(bench, &id).await.status, Status::Running);

    let limits = Limits { memory: Some(4096), ..Limits::default() };
    let requests = Requests { memory: Some(4096), ..Requests::default() };
    for few in [
        Resources { limits, ..Resources::default() },
        Resources { requests, ..Resources::default() },
    ] {
        assert_eq!(refused(engine.update(&id, &few).await), (Cause::Invalid, Retry::Never));
    }
}

pub async fn a_running_container_is_not_removed(bench: &impl Bench) {
    let id = start(bench, Program::Runs).await;
    assert_eq!(refused(bench.engine().remove(&id).await), (Cause::Busy, Retry::Later));
    assert_eq!(inspect(bench, &id).await.status, Status::Running);
}

pub async fn what_a_container_uses_is_told_while_it_runs(bench: &impl Bench) {
    let engine = bench.engine();
    let id = create(bench, Program::Runs).await;
    assert_eq!(engine.usage(&id).await.unwrap(), None, "it was not started");
    done(engine.start(&id).await);
    let first = engine.usage(&id).await.unwrap().unwrap();
    assert!(first.memory_bytes > 0 && first.network.is_some(), "{first:?}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let second = engine.usage(&id).await.unwrap().unwrap();
    assert!(second.read_at > first.read_at && second.cpu_nanos >= first.cpu_nanos, "{second:?}");
    done(engine.stop(&id, GRACE).await);
    assert_eq!(engine.usage(&id).await.unwrap(), None, "it has ended");
    done(engine.remove(&id).await);
    assert_eq!(engine.usage(&id).await.unwrap(), None, "it is gone");
}

pub async fn events_wake_who_listens(bench: &impl Bench) {
    let engine = bench.engine();
    let spec = spec(bench, Program::Ends(0), 1).await;
    let mut events = engine.events(bench.worker());
    assert_eq!(events.next().await, Some(EngineEvent::Relist));
    let hears = async |events: &mut futures_util::stream::BoxStream<'static, EngineEvent>,
                       event: EngineEvent| {
        let heard = async { while events.next().await.as_ref() != Some(&event) {} };
        let deadline = Duration::from_secs(20);
        let heard = tokio::time::timeout(deadline, heard).await;
        assert!(heard.is_ok(), "{event:?} was not heard of");
    };
    let id = done(engine.create(&spec).await);
    hears(&mut events, EngineEvent::Container(id.clone())).await;
    done(engine.start(&id).await);
    hears(&mut events, EngineEvent::Container(id.clone())).await;
    ended(bench, &id).await;
    done(engine.remove(&id).await);
    until("the removal to be heard of", || async {
        engine.inspect(&id).await.unwrap().is_none().then_some(())
    })
    .await;
    hears(&mut events, EngineEvent::Container(id.clone())).await;
    let network = network_name(bench.worker(), &namespace());
    done(engine.remove_network(&network).await);
    hears(&mut events, EngineEvent::Resource).await;
}

async fn read_log(bench: &impl Bench, id: &ContainerId, query: &LogQuery) -> (String, String) {
    let chunks: Vec<_> = bench.engine().logs(id, query).collect().await;
    let (mut out, mut err) = (String::new(), String::new());
    for chunk in chunks {
        let chunk = chunk.unwrap();
        let text = String::from_utf8(chunk.bytes).unwrap();
        if chunk.stderr { err.push_str(&text) } else { out.push_str(&text) }
    }
    (out, err)
}

pub async fn a_log_is_read_to_its_end(bench: &impl Bench) {
    let id = start(bench, Program::Writes).await;
    let details = ended(bench, &id).await;
    let all = LogQuery::default();
    assert_eq!(read_log(bench, &id, &all).await, ("out\n".into(), "err\n".into()));
    let none = LogQuery { tail: Some(0), ..all.clone() };
    assert_eq!(read_log(bench, &id, &none).await, (String::new(), String::new()));
    let (out, _) = read_log(bench, &id, &LogQuery { timestamps: true, ..all.clone() }).await;
    let (stamp, text) = out.split_once(' ').unwrap();
    assert!(evenkeel::domain::time::Timestamp::parse(stamp).is_ok(), "{stamp}");
    assert_eq!(text, "out\n");
    let since = details
        .finished_at
        .map(|end| evenkeel::domain::time::Timestamp::from_millis(end.millis() + 60_000));
    let later = LogQuery { since, ..all };
    assert_eq!(read_log(bench, &id, &later).await, (String::new(), String::new()));
}

pub async fn a_log_is_followed_until_the_container_ends(bench: &impl Bench) {
    let id = start(bench, Program::WritesAndRuns).await;
    let mut log = bench.engine().logs(&id, &LogQuery { follow: true, ..LogQuery::default() });
    let first = log.next().await.unwrap().unwrap();
    assert_eq!((first.stderr, first.bytes.as_slice()), (false, "out\n".as_bytes()));
    done(bench.engine().stop(&id, GRACE).await);
    let end = tokio::time::timeout(Duration::from_secs(20), log.next()).await;
    assert_eq!(end.expect("the log ends with the container"), None);
}

pub async fn nothing_is_known_of_what_is_not_there(bench: &impl Bench) {
    let engine = bench.engine();
    let id = ContainerId::parse(&"0123456789abcdef".repeat(4)).unwrap();
    assert_eq!(engine.inspect(&id).await.unwrap(), None);
    assert_eq!(refused(engine.start(&id).await), (Cause::NotFound, Retry::Later));
    assert_eq!(refused(engine.unpause(&id).await), (Cause::NotFound, Retry::Later));
    assert_eq!(refused(engine.rename(&id, "evenkeel-none").await), (Cause::NotFound, Retry::Later));
    let limits = Limits { memory: Some(64 << 20), ..Limits::default() };
    let resources = Resources { limits, ..Resources::default() };
    assert_eq!(refused(engine.update(&id, &resources).await), (Cause::NotFound, Retry::Later));
    let log: Vec<_> = engine.logs(&id, &LogQuery::default()).collect().await;
    assert!(matches!(log.as_slice(), [Err(_)]), "{log:?}");
}

pub async fn the_engine_says_who_it_is(bench: &impl Bench) {
    let info = bench.engine().info().await.unwrap();
    assert_ne!((info.id.as_str(), info.version.as_str()), ("", ""));
    assert_eq!(bench.engine().info().await.unwrap(), info);
    let started_at = bench.engine().started_at().await.unwrap();
    assert!(started_at.is_some());
    assert_eq!(bench.engine().started_at().await.unwrap(), started_at);
}
