//! CPU, memory and processes, as written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// What Kubernetes writes quantities with, but for a minus.
pub(in crate::manifest) const QUANTITY_PATTERN: &str =
    r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$";

/// How much CPU and memory, and how many processes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// What the container can't exceed. A change of limits or requests alone is made on the
    /// running container, without a restart; to take one away it is replaced.
    #[serde(default)]
    #[schemars(example = std::collections::BTreeMap::from([("memory", "128Mi")]))]
    pub limits: Option<Limits>,
    /// What the container is meant to get when there is little.
    #[serde(default)]
    #[schemars(example = std::collections::BTreeMap::from([("cpu", "250m")]))]
    pub requests: Option<Requests>,
}

/// What a container can't exceed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Processors: `2`, `0.5`, or thousandths of one such as `500m`.
    #[serde(default)]
    #[schemars(example = &"500m")]
    pub cpu: Option<Quantity>,
    /// Bytes: `128Mi` (of 1024 × 1024), `1G` (of 1000 × 1000 × 1000). A process that takes more
    /// is killed. At least `6Mi`.
    #[serde(default)]
    #[schemars(example = &"128Mi")]
    pub memory: Option<Quantity>,
    /// Processes and threads.
    #[serde(default)]
    #[schemars(range(min = 1, max = 4_194_304), example = 100)]
    pub pids: Option<u32>,
}

/// What a container is meant to get when there is little.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requests {
    /// Processors: weighs the container against the others when all are busy.
    #[serde(default)]
    #[schemars(example = &"250m")]
    pub cpu: Option<Quantity>,
    /// Bytes that are kept for the container when memory is short.
    #[serde(default)]
    #[schemars(example = &"64Mi")]
    pub memory: Option<Quantity>,
}

/// A number with a unit, as Kubernetes writes it; the text of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity(pub String);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor)
    }
}

struct QuantityVisitor;

impl de::Visitor<'_> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity such as 500m or 128Mi")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
        Ok(Quantity(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
        Ok(Quantity(number.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
        Ok(Quantity(number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
        // The shortest text that reads as this number: what was written, but for useless digits.
        Ok(Quantity(number.to_string()))
    }
}

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"], "pattern": QUANTITY_PATTERN, "minimum": 0 })
    }
}
