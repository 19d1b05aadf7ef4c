//! Probes, as written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::LABEL_PATTERN;

/// What is asked of an instance again and again: exactly one of `exec`, `httpGet` and `tcpSocket`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    /// Run a program in the container: exit code 0 is success.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("command", ["pg_isready", "-q"])]))]
    pub exec: Option<Exec>,
    /// Get a page from the instance: a status from 200 to 399 is success. evenkeel asks itself, so
    /// the image needs no shell.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "path": "/healthz", "port": 8080 }))]
    pub http_get: Option<HttpGet>,
    /// Connect to a port of the instance: a connection is success. evenkeel connects itself, so the
    /// image needs no shell.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("port", 5432)]))]
    pub tcp_socket: Option<TcpSocket>,
    /// Seconds from the start of the container to the first time.
    #[serde(default)]
    #[schemars(range(min = 0, max = 31_536_000), example = 5)]
    pub initial_delay_seconds: u32,
    /// Seconds from one time to the next.
    #[serde(default = "default_period")]
    #[schemars(range(min = 1, max = 31_536_000), example = 5)]
    pub period_seconds: u32,
    /// Seconds until an answer comes too late and counts as a failure.
    #[serde(default = "default_one")]
    #[schemars(range(min = 1, max = 31_536_000), example = 2)]
    pub timeout_seconds: u32,
    /// So many successes in a row it takes after a failure. Has to be 1 but for `readinessProbe`.
    #[serde(default = "default_one")]
    #[schemars(range(min = 1, max = 1_000_000), example = 2)]
    pub success_threshold: u32,
    /// So many failures in a row it takes after a success.
    #[serde(default = "default_failures")]
    #[schemars(range(min = 1, max = 1_000_000), example = 5)]
    pub failure_threshold: u32,
}

fn default_period() -> u32 {
    10
}
fn default_one() -> u32 {
    1
}
fn default_failures() -> u32 {
    3
}

/// A program that is run in the container.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exec {
    /// The program and its arguments. No shell is involved.
    #[schemars(length(min = 1), example = ["pg_isready", "-q"])]
    pub command: Vec<String>,
}

/// A page that is asked for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpGet {
    /// Its path, with what follows a `?`.
    #[serde(default = "default_path")]
    #[schemars(regex(pattern = r"^/[!-~]*$"), example = &"/healthz")]
    pub path: String,
    /// The port: a number, or the name of one of `ports`.
    #[schemars(example = 8080)]
    pub port: PortRef,
    /// With `HTTPS`, the certificate is not checked.
    #[serde(default)]
    #[schemars(example = &"HTTPS")]
    pub scheme: Scheme,
    /// Ask this host instead of the instance. Needs `--policy privileged`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-zA-Z0-9.:_-]+$"), example = &"127.0.0.1")]
    pub host: Option<String>,
    /// Headers of the request.
    #[serde(default)]
    #[schemars(length(max = 100), example = [BTreeMap::from([("name", "Host"), ("value", "shop.example")])])]
    pub http_headers: Vec<HttpHeader>,
}

fn default_path() -> String {
    "/".to_owned()
}

/// A header of a request.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpHeader {
    /// The name of the header.
    #[schemars(length(min = 1), regex(pattern = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"), example = &"Host")]
    pub name: String,
    /// What it says.
    #[schemars(regex(pattern = r"^[ -~]*$"), example = &"shop.example")]
    pub value: String,
}

/// A port that is connected to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpSocket {
    /// The port: a number, or the name of one of `ports`.
    #[schemars(example = 5432)]
    pub port: PortRef,
}

/// How a page is asked for.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
pub enum Scheme {
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    #[serde(rename = "HTTPS")]
    Https,
}

/// A port of the task: its number, or its name.
#[derive(Debug, Clone)]
pub enum PortRef {
    Number(u16),
    Name(String),
}

impl<'de> Deserialize<'de> for PortRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PortVisitor)
    }
}

struct PortVisitor;

impl de::Visitor<'_> for PortVisitor {
    type Value = PortRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port's number, or its name")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<PortRef, E> {
        let number = u16::try_from(number).ok().filter(|number| *number > 0);
        number.map(PortRef::Number).ok_or_else(|| E::custom("a port is a number from 1 to 65535"))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<PortRef, E> {
        self.visit_u64(u64::try_from(number).unwrap_or_default())
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<PortRef, E> {
        Ok(PortRef::Name(name.to_owned()))
    }
}

impl JsonSchema for PortRef {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PortRef".into()
    }

    /// One schema for both forms: each keyword concerns only the type it is for.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "minimum": 1,
            "maximum": 65535,
            "minLength": 1,
            "maxLength": 63,
            "pattern": LABEL_PATTERN
        })
    }
}
