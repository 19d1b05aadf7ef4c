//! Fingerprints: what a container is made of, as a hash that carries its scheme's version.
//!
//! A release must never restart what an earlier one started. So a released scheme is never
//! changed: desired state is hashed under the scheme found on the container, and a field that is
//! added later enters the hash only when it is set.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::task::Task;
use super::template::{Logging, Mount, MountSource, Port, SecurityContext, Template};

/// `1:` and 32 hex digits.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Fingerprint(String);

/// A way of hashing, never changed once released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// The first: SHA-256, its first half, over JSON with sorted keys of what is set.
    V1,
}

/// The scheme of what is made now.
pub const CURRENT_SCHEME: Scheme = Scheme::V1;

impl Fingerprint {
    /// What `task`'s containers are made of, under `scheme`.
    #[must_use]
    pub fn of(task: &Task, scheme: Scheme) -> Self {
        match scheme {
            Scheme::V1 => {
                let hash = Sha256::digest(sorted(content_v1(task)).to_string());
                let half =
                    hash.iter().take(16).fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
                Self(format!("1:{half:032x}"))
            }
        }
    }

    /// Wraps a stored text, such as a label's.
    #[must_use]
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether `task`'s containers are made of the same, whatever the scheme of this one.
    /// One of a scheme that this release does not know is taken as the same.
    #[must_use]
    pub fn matches(&self, task: &Task) -> bool {
        match self.0.split_once(':') {
            Some(("1", _)) => *self == Self::of(task, Scheme::V1),
            _ => true,
        }
    }

    /// The text of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part of it that says how it was made.
    fn scheme(&self) -> Option<&str> {
        self.0.split_once(':').map(|(scheme, _)| scheme)
    }
}

/// What a task's containers are made of, hashed once and compared with many.
#[derive(Debug, Clone)]
pub struct Form<'a> {
    fingerprint: Fingerprint,
    task: &'a Task,
}

impl<'a> Form<'a> {
    /// Of a task.
    #[must_use]
    pub fn of(task: &'a Task) -> Self {
        Self::known(Fingerprint::of(task, CURRENT_SCHEME), task)
    }

    /// Of a task whose fingerprint, of whatever scheme, is known.
    #[must_use]
    pub fn known(fingerprint: Fingerprint, task: &'a Task) -> Self {
        Self { fingerprint, task }
    }

    /// Whether `other` is of the same form: as [`Fingerprint::matches`], without hashing where both
    /// are of one scheme.
    #[must_use]
    pub fn covers(&self, other: &Fingerprint) -> bool {
        if other.scheme() == self.fingerprint.scheme() {
            *other == self.fingerprint
        } else {
            other.matches(self.task)
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 of `bytes`, as 64 hex digits.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing into a text can't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Every field of a task that its containers are made of, by the path people know it by, with the
/// value it is compared by.
#[must_use]
pub fn fields(task: &Task) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    if let Value::Object(mut map) = content_v1(task) {
        // Hashed is one form or another, depending on whether it is read-only.
        map.remove("mounts");
        for mount in &task.template.mounts {
            let place = format!("mounts.{}", mount.path);
            flatten(&place, mount_source_v1(mount), &mut flat);
            if mount.read_only {
                flat.insert(format!("{place}.readOnly"), Value::Bool(true));
            }
        }
        for (key, value) in map {
            flatten(&key, value, &mut flat);
        }
    }
    flat
}

fn flatten(path: &str, value: Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                flatten(&format!("{path}.{key}"), inner, into);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.into_iter().enumerate() {
                flatten(&format!("{path}[{index}]"), inner, into);
            }
        }
        other => {
            into.insert(path.to_owned(), other);
        }
    }
}

/// Sorts the keys of every object, however the JSON library is built to keep them.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let sorted_map: BTreeMap<String, Value> =
                map.into_iter().map(|(key, inner)| (key, sorted(inner))).collect();
            Value::Object(sorted_map.into_iter().collect())
        }
        other => other,
    }
}

/// What scheme 1 hashes. Only what is set is in it; lists whose order means nothing are keyed by
/// what makes their entries different.
fn content_v1(task: &Task) -> Value {
    let template = &task.template;
    let mut content = Map::new();
    let mut set = |key: &str, value: Value| {
        let empty = match &value {
            Value::Null => true,
            Value::Bool(flag) => !flag,
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::Number(_) | Value::String(_) => false,
        };
        if !empty {
            content.insert(key.to_owned(), value);
        }
    };
    set("image", json!(template.image));
    set("command", json!(template.command));
    set("args", json!(template.args));
    set("workingDir", json!(template.working_dir));
    set("env", env_v1(template));
    set("ports", template.ports.iter().map(port_v1).collect());
    set(
        "mounts",
        template.mounts.iter().map(|mount| (mount.path.clone(), mount_v1(mount))).collect(),
    );
    set("hostNetwork", json!(template.host_network));
    set("securityContext", security_v1(&template.security_context));
    set("logging", logging_v1(&template.logging));
    set("stopSignal", json!(template.stop_signal));
    set("tty", json!(template.tty));
    set("stdin", json!(template.stdin));
    set("init", json!(template.init));
    set("labels", json!(task.labels));
    Value::Object(content)
}

fn env_v1(template: &Template) -> Value {
    template.env.iter().map(|var| (var.name.clone(), json!(var.value))).collect()
}

fn port_v1(port: &Port) -> (String, Value) {
    let key = format!("{}/{}", port.container_port, port.protocol.lower());
    let value = match port.host {
        None => json!("not published"),
        Some(host) => match host.ip {
            None => json!(host.port.to_string()),
            Some(ip) => json!(format!("{ip}:{}", host.port)),
        },
    };
    (key, value)
}

fn mount_v1(mount: &Mount) -> Value {
    let source = mount_source_v1(mount);
    if mount.read_only { json!({ "source": source, "readOnly": true }) } else { source }
}

fn mount_source_v1(mount: &Mount) -> Value {
    match &mount.source {
        MountSource::Volume(name) => json!({ "volume": name }),
        MountSource::EngineVolume(name) => json!({ "engineName": name }),
        MountSource::HostPath { path, .. } => json!({ "hostPath": path }),
        MountSource::Tmpfs { size } => json!({ "tmpfs": size }),
    }
}

fn security_v1(security: &SecurityContext) -> Value {
    let mut map = match serde_json::to_value(security) {
        Ok(Value::Object(map)) => map,
        Ok(_) | Err(_) => Map::new(),
    };
    map.retain(|_, value| *value != Value::Bool(false));
    Value::Object(map)
}

fn logging_v1(logging: &Logging) -> Value {
    if *logging == Logging::default() { Value::Null } else { json!(logging) }
}
