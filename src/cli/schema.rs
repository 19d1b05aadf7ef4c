//! `evenkeel schema`.

use super::{Exit, out};
use crate::manifest::schema::task_schema;

/// Prints the JSON Schema of manifests.
pub fn schema() -> anyhow::Result<Exit> {
    out::line(&serde_json::to_string_pretty(&task_schema())?)
}
