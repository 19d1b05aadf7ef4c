//! Doing one step: a call to the engine and what came of it. No behaviour belongs here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;

use crate::db::LOG_KEPT;
use crate::domain::blueprint::Maker;
use crate::domain::container::{ContainerSpec, NetworkAttachment, label};
use crate::domain::instance::{ContainerId, InstanceId};
use crate::domain::name::Label;
use crate::domain::outcome::{Outcome, Rejection};
use crate::domain::policy::Policy;
use crate::domain::settle::Report;
use crate::domain::subnet::Subnet;
use crate::domain::template::{MountSource, Resources};
use crate::files;
use crate::patience::Patience;
use crate::runtime::{LogQuery, Runtime, Unreachable};

/// How long the last words of a failed container are read at most.
const LOG_DEADLINE: Duration = Duration::from_secs(5);

/// How many of the last lines are read at most: more than [`LOG_KEPT`] holds of most.
const LINES: u32 = 10_000;

/// One call to the engine, with all it takes.
#[derive(Debug, Clone)]
pub enum Call {
    /// Have a network there.
    MakeNetwork(String, Label),
    /// Have a volume there.
    MakeVolume(String, Label),
    /// Make a container.
    Create(Box<ContainerSpec>),
    /// Make none: the policy forbids it.
    Refuse(Rejection),
    /// Start it.
    Start(ContainerId),
    /// Stop it.
    Stop(ContainerId, Duration),
    /// Read the last words of a failed instance.
    ReadLog(ContainerId, InstanceId, Try),
    /// Remove it.
    Remove(ContainerId),
    /// Let it go on.
    Unpause(ContainerId),
    /// Give it its name back.
    Rename(ContainerId, String),
    /// Change its limits and what is kept for it, and have the engine not restart it by itself.
    Update(ContainerId, Resources),
    /// Put it back on its network.
    Connect(ContainerId, NetworkAttachment),
}

/// Whether what can't be read is asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// It is.
    Again,
    /// What can be read now is all there will be.
    Last,
}

/// What came of a call.
#[derive(Debug, Clone)]
pub struct Done {
    /// For the record.
    pub report: Report,
    /// The last words of a failed instance.
    pub log: Option<(InstanceId, Vec<u8>)>,
    /// The network or volume that it was about.
    pub resource: Option<String>,
}

/// What every call needs to know.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Who makes what is made.
    pub maker: Maker,
    /// What the operator allows.
    pub policy: Policy,
    /// Where networks get their addresses.
    pub network_pool: Subnet,
}

/// Does one call that is prepared.
pub async fn perform<R: Runtime>(runtime: &R, setting: &Setting, call: Call) -> Done {
    let mut log = None;
    let mut resource = None;
    let report = match call {
        Call::MakeNetwork(name, namespace) => {
            let labels = labels(&setting.maker, &namespace);
            let made = runtime.make_network(&name, &labels, setting.network_pool).await;
            resource = Some(name);
            Report::Other("make-network", made)
        }
        Call::MakeVolume(name, namespace) => {
            let labels = labels(&setting.maker, &namespace);
            let made = runtime.make_volume(&name, &labels).await;
            resource = Some(name);
            Report::Other("make-volume", made)
        }
        Call::Create(spec) => Report::Created(runtime.create(&spec).await),
        Call::Refuse(rejection) => Report::Created(Outcome::Rejected(rejection)),
        Call::Start(id) => Report::Started(runtime.start(&id).await),
        Call::Stop(id, grace) => Report::Other("stop", runtime.stop(&id, grace).await),
        Call::ReadLog(id, instance, attempt) => {
            let (words, read) = last_words(runtime, &id).await;
            let done = matches!(read, Outcome::Done(())) || attempt == Try::Last;
            log = done.then_some((instance, words));
            Report::Other("read-log", if done { Outcome::Done(()) } else { read })
        }
        Call::Remove(id) => Report::Other("remove", runtime.remove(&id).await),
        Call::Unpause(id) => Report::Other("unpause", runtime.unpause(&id).await),
        Call::Rename(id, name) => Report::Other("rename", runtime.rename(&id, &name).await),
        Call::Update(id, resources) => {
            Report::Other("update", runtime.update(&id, &resources).await)
        }
        Call::Connect(id, network) => {
            Report::Other("connect", runtime.connect(&id, &network).await)
        }
    };
    Done { report, log, resource }
}

/// What a call needs of the host first: that a container's host paths are there, which a disk that
/// is away may keep one waiting for.
///
/// # Errors
/// What came of it, if it can't be done.
pub async fn prepare(
    setting: &Arc<Setting>,
    patience: &Patience,
    call: Call,
) -> Result<Call, Done> {
    let Call::Create(mut spec) = call else { return Ok(call) };
    let paths = spec.template.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::HostPath { path, .. } => Some(path.as_str()),
        MountSource::Volume(_) | MountSource::EngineVolume(_) | MountSource::Tmpfs { .. } => None,
    });
    let paths: Vec<&str> = paths.collect();
    if paths.is_empty() {
        return Ok(Call::Create(spec));
    }
    let paths = paths.join(", ");
    let (setting, mut template) = (Arc::clone(setting), spec.template.clone());
    let prepare = move || {
        let prepared = files::prepare(&mut template, &setting.maker.source, &setting.policy);
        prepared.map(|()| template)
    };
    let outcome = match patience.run(&paths, prepare).await {
        Ok(Ok(template)) => {
            spec.template = template;
            return Ok(Call::Create(spec));
        }
        Ok(Err(rejection)) => Outcome::Rejected(rejection),
        Err(error) => Outcome::Unknown(format!("host path {paths}: {error}")),
    };
    Err(Done { report: Report::Created(outcome), log: None, resource: None })
}

/// The last of what a container wrote, [`LOG_KEPT`] bytes at most, and whether it was read to its
/// end.
async fn last_words<R: Runtime>(runtime: &R, id: &ContainerId) -> (Vec<u8>, Outcome) {
    let query = LogQuery { tail: Some(LINES), ..LogQuery::default() };
    let mut chunks = runtime.logs(id, &query);
    let mut words = Vec::new();
    let read = async {
        while let Some(chunk) = chunks.next().await {
            words.extend(chunk?.bytes);
            if words.len() > 2 * LOG_KEPT {
                words.drain(..words.len() - LOG_KEPT);
            }
        }
        Ok::<(), Unreachable>(())
    };
    let read = match tokio::time::timeout(LOG_DEADLINE, read).await {
        Ok(Ok(())) => Outcome::Done(()),
        Ok(Err(Unreachable(message))) => Outcome::Unknown(message),
        Err(_late) => {
            Outcome::Unknown(format!("the log was not read within {} s", LOG_DEADLINE.as_secs()))
        }
    };
    words.drain(..words.len().saturating_sub(LOG_KEPT));
    (words, read)
}

fn labels(maker: &Maker, namespace: &Label) -> BTreeMap<String, String> {
    [
        (label::WORKER, maker.worker.to_string()),
        (label::SOURCE, maker.source.clone()),
        (label::NAMESPACE, namespace.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}
