//! Containers: how ours are known, what is asked of the engine, what the engine says.

use std::collections::BTreeMap;
use std::net::IpAddr;

use uuid::Uuid;

use super::exclusive::Written;
use super::fingerprint::Fingerprint;
use super::instance::{ContainerId, InstanceId, Seat, Uid};
use super::name::{Label, TaskName, WorkerName};
use super::template::{Limits, Reserved, Template};
use super::time::Timestamp;

/// Names of the labels on what we make.
pub mod label {
    /// The worker's name: on containers, networks and volumes.
    pub const WORKER: &str = "evenkeel.worker";
    /// The source directory, as given.
    pub const SOURCE: &str = "evenkeel.source";
    /// The namespace.
    pub const NAMESPACE: &str = "evenkeel.namespace";
    /// The task's name.
    pub const TASK: &str = "evenkeel.task";
    /// The task's uid.
    pub const UID: &str = "evenkeel.uid";
    /// The instance's UUID.
    pub const INSTANCE: &str = "evenkeel.instance";
    /// The slot.
    pub const SLOT: &str = "evenkeel.slot";
    /// The attempt.
    pub const ATTEMPT: &str = "evenkeel.attempt";
    /// The generation of the task.
    pub const GENERATION: &str = "evenkeel.generation";
    /// What the container is made of.
    pub const FINGERPRINT: &str = "evenkeel.fingerprint";
    /// The manifest, `file:line`, relative to the source.
    pub const MANIFEST: &str = "evenkeel.manifest";
    /// The checked task, as JSON.
    pub const SPEC: &str = "evenkeel.spec";
    /// What no label of a manifest may begin with.
    pub const PREFIX: &str = "evenkeel.";
}

/// The name of the container of a seat. The engine refuses a second one.
#[must_use]
pub fn container_name(worker: &WorkerName, task: &TaskName, seat: Seat) -> String {
    format!("evenkeel.{worker}.{}.{}.{seat}", task.namespace, task.name)
}

/// The name of a namespace's network.
#[must_use]
pub fn network_name(worker: &WorkerName, namespace: &Label) -> String {
    format!("evenkeel.{worker}.{namespace}")
}

/// The name of a namespace's volume.
#[must_use]
pub fn volume_name(worker: &WorkerName, namespace: &Label, volume: &Label) -> String {
    format!("evenkeel.{worker}.{namespace}.{volume}")
}

/// Who a container says it is, by its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The worker that made it.
    pub worker: WorkerName,
    /// The source directory of that worker.
    pub source: String,
    /// The task.
    pub task: TaskName,
    /// The task's uid.
    pub uid: Uid,
    /// The instance.
    pub instance: InstanceId,
    /// Slot and attempt.
    pub seat: Seat,
    /// The generation it was made at.
    pub generation: u64,
    /// What it is made of.
    pub fingerprint: Fingerprint,
    /// The manifest, `file:line`.
    pub manifest: String,
    /// The checked task, as JSON.
    pub spec: String,
}

impl Identity {
    /// Reads it from labels; `None` if one is missing or malformed.
    #[must_use]
    pub fn from_labels(labels: &BTreeMap<String, String>) -> Option<Self> {
        let text = |key: &str| labels.get(key).map(String::as_str);
        Some(Self {
            worker: Label::parse(text(label::WORKER)?).ok()?,
            source: text(label::SOURCE)?.to_owned(),
            task: TaskName {
                namespace: Label::parse(text(label::NAMESPACE)?).ok()?,
                name: Label::parse(text(label::TASK)?).ok()?,
            },
            uid: Uid(Uuid::try_parse(text(label::UID)?).ok()?),
            instance: InstanceId(Uuid::try_parse(text(label::INSTANCE)?).ok()?),
            seat: Seat {
                slot: text(label::SLOT)?.parse().ok()?,
                attempt: text(label::ATTEMPT)?.parse().ok()?,
            },
            generation: text(label::GENERATION)?.parse().ok()?,
            fingerprint: Fingerprint::stored(text(label::FINGERPRINT)?),
            manifest: text(label::MANIFEST)?.to_owned(),
            spec: text(label::SPEC)?.to_owned(),
        })
    }

    /// Writes it as labels.
    #[must_use]
    pub fn to_labels(&self) -> BTreeMap<String, String> {
        [
            (label::WORKER, self.worker.to_string()),
            (label::SOURCE, self.source.clone()),
            (label::NAMESPACE, self.task.namespace.to_string()),
            (label::TASK, self.task.name.to_string()),
            (label::UID, self.uid.0.to_string()),
            (label::INSTANCE, self.instance.0.to_string()),
            (label::SLOT, self.seat.slot.to_string()),
            (label::ATTEMPT, self.seat.attempt.to_string()),
            (label::GENERATION, self.generation.to_string()),
            (label::FINGERPRINT, self.fingerprint.to_string()),
            (label::MANIFEST, self.manifest.clone()),
            (label::SPEC, self.spec.clone()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// The name that a container of this identity was made with.
    #[must_use]
    pub fn derived_name(&self) -> String {
        container_name(&self.worker, &self.task, self.seat)
    }
}

/// All that the engine is told to make a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Its name.
    pub name: String,
    /// All its labels: ours and the manifest's.
    pub labels: BTreeMap<String, String>,
    /// The id of its image (`sha256:…`).
    pub image_id: String,
    /// What it is made of. `MountSource::Volume` stands for the volume named by
    /// [`volume_name`] in [`ContainerSpec::volumes`].
    pub template: Template,
    /// The engine's name of each named volume of the namespace in the template.
    pub volumes: BTreeMap<Label, String>,
    /// Seconds the engine gives it to stop where nobody says otherwise.
    pub stop_timeout_seconds: u32,
    /// The network it is on; `None` with the host's network.
    pub network: Option<NetworkAttachment>,
}

impl ContainerSpec {
    /// The labels of a volume of its namespace.
    #[must_use]
    pub fn volume_labels(&self) -> BTreeMap<String, String> {
        let of_all = [label::WORKER, label::SOURCE, label::NAMESPACE];
        let labels = self.labels.iter().filter(|(key, _)| of_all.contains(&key.as_str()));
        labels.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// A container on a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkAttachment {
    /// The network's name.
    pub network: String,
    /// The names it answers to there.
    pub aliases: Vec<String>,
}

/// One container as the engine describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// Its name now, without the leading `/`.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The id of its image.
    pub image_id: String,
    /// What its process does.
    pub status: Status,
    /// The volumes, by the engine's names, and the paths of the host, links resolved, that it can
    /// write, by where it sees them.
    pub writes: BTreeMap<String, Written>,
    /// What only an inspect tells; `None` if the container was only listed.
    pub details: Option<Details>,
}

/// What the process of a container does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Made, never started; or its start failed.
    Created,
    /// Running.
    Running,
    /// Stopped by the cgroup freezer.
    Paused,
    /// Ended.
    Exited,
    /// The engine is removing it, or failed to.
    Removing,
    /// Something this release does not know: nothing is decided on it.
    Other(String),
}

/// What only an inspect tells of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// When its process began last.
    pub started_at: Option<Timestamp>,
    /// When its process ended last.
    pub finished_at: Option<Timestamp>,
    /// How it ended last; means nothing while it runs.
    pub exit_code: i64,
    /// The kernel ended it for its memory.
    pub oom_killed: bool,
    /// What the engine had to say of its start.
    pub error: String,
    /// Its limits as the engine has them.
    pub limits: Limits,
    /// What the engine keeps for it.
    pub reserved: Reserved,
    /// By which policy of its own the engine restarts it, if it does.
    pub restarts: Option<String>,
    /// The networks it is on, by name.
    pub networks: BTreeMap<String, Endpoint>,
    /// What the health check of its image says, where it has one.
    pub health: Option<HealthCheck>,
    /// Where its ports are published: `80/tcp` to `0.0.0.0:8080`.
    pub published: BTreeMap<String, Vec<String>>,
}

/// A container on a network, as the engine has it there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address there, while it runs.
    pub address: Option<IpAddr>,
}

/// What the health check of an image says of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthCheck {
    /// Nothing yet.
    Starting,
    /// It is well.
    Healthy,
    /// It is not, and what the check printed last.
    Unhealthy(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_back_from_its_labels() {
        let identity = Identity {
            worker: Label::parse("default").unwrap(),
            source: "/srv/tasks".into(),
            task: TaskName::try_from("prod/web".to_owned()).unwrap(),
            uid: Uid(Uuid::from_u128(1)),
            instance: InstanceId(Uuid::from_u128(2)),
            seat: Seat { slot: 3, attempt: 4 },
            generation: 5,
            fingerprint: Fingerprint::stored("1:00"),
            manifest: "web.yaml:1".into(),
            spec: "{}".into(),
        };
        assert_eq!(identity.derived_name(), "evenkeel.default.prod.web.3.4");
        assert_eq!(Identity::from_labels(&identity.to_labels()), Some(identity.clone()));
        for key in identity.to_labels().keys() {
            let mut labels = identity.to_labels();
            labels.remove(key);
            assert_eq!(Identity::from_labels(&labels), None, "without {key}");
        }
    }
}
