//! `evenkeel schema`.

use super::args::Schema;
use super::{Exit, out};
use crate::api::openapi;
use crate::manifest::schema::task_schema;

/// Prints the JSON Schema of manifests, or the description of the API.
pub fn schema(args: &Schema) -> anyhow::Result<Exit> {
    let schema = if args.openapi { openapi::document() } else { task_schema() };
    out::line(&serde_json::to_string_pretty(&schema)?)
}
