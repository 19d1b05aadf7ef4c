//! Mounts, as written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, de};

use super::LABEL_PATTERN;
use super::quantity::Quantity;

/// Something that the container sees at a path: exactly one of `volume`, `hostPath` and `tmpfs`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mount {
    /// Where the container sees it: an absolute path.
    #[schemars(length(min = 1), regex(pattern = "^/"), example = &"/data")]
    pub path: String,
    /// The container can't write it.
    #[serde(default)]
    #[schemars(example = true)]
    pub read_only: bool,
    /// Several instances may write it at once. Without it, a volume or host path that can be
    /// written, with all beneath it and whatever link leads there, belongs to one instance at a
    /// time, whichever task that is of.
    #[serde(default)]
    #[schemars(example = true)]
    pub shared: bool,
    /// A volume of the namespace by its name, made when missing and never removed by evenkeel; or
    /// `{engineName: …}` for one that exists under the engine's own name.
    #[serde(default)]
    #[schemars(example = &"data")]
    pub volume: Option<Volume>,
    /// A file or directory of the host; a relative path begins at the manifest's own folder. It
    /// has to exist, unless `create` is set.
    #[serde(default)]
    #[schemars(length(min = 1), example = &"./site")]
    pub host_path: Option<String>,
    /// Make a directory at `hostPath` if there is nothing.
    #[serde(default)]
    #[schemars(example = true)]
    pub create: bool,
    /// Memory that is empty at every start, and gone at the end.
    #[serde(default)]
    #[schemars(example = std::collections::BTreeMap::from([("size", "64Mi")]))]
    pub tmpfs: Option<Tmpfs>,
}

/// Memory.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tmpfs {
    /// At most so many bytes. Left out: half of the host's memory.
    #[serde(default)]
    #[schemars(example = &"64Mi")]
    pub size: Option<Quantity>,
}

/// A volume: by its name in the namespace, or by the engine's.
#[derive(Debug, Clone)]
pub enum Volume {
    Named(String),
    Engine(String),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EngineVolume {
    engine_name: String,
}

impl<'de> Deserialize<'de> for Volume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VolumeVisitor)
    }
}

struct VolumeVisitor;

impl<'de> de::Visitor<'de> for VolumeVisitor {
    type Value = Volume;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a volume's name, or {engineName: …}")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Volume, E> {
        Ok(Volume::Named(name.to_owned()))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Volume, A::Error> {
        let volume = EngineVolume::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Volume::Engine(volume.engine_name))
    }
}

impl JsonSchema for Volume {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Volume".into()
    }

    /// One schema for both forms: each keyword concerns only the type it is for, and a message
    /// says what is wrong with the form that was written.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "object"],
            "minLength": 1,
            "maxLength": 63,
            "pattern": LABEL_PATTERN,
            "properties": {
                "engineName": {
                    "description": "A volume that exists under the engine's own name; evenkeel \
                                    neither makes nor removes it.",
                    "type": "string",
                    "pattern": "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
                    "maxLength": 255,
                    "examples": ["app_pgdata"]
                }
            },
            "required": ["engineName"],
            "additionalProperties": false
        })
    }
}
