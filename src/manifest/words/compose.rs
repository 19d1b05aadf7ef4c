//! What people write who know Compose, as it is written here.

use serde_json::{Map, Value, json};

use super::example::flow;
use super::shorten;
use crate::manifest::finding::Finding;

/// What a whole Compose file is told: once, not field by field.
pub(super) fn file(document: &Value) -> Option<Finding> {
    let fields = document.as_object()?;
    let services = fields.get("services")?.as_object()?;
    let is_ours =
        ["apiVersion", "kind", "metadata", "spec"].iter().any(|it| fields.contains_key(*it));
    if is_ours {
        return None;
    }
    let names: Vec<String> =
        services.keys().take(3).map(|name| format!("`{}`", shorten(name))).collect();
    let more = if services.len() > names.len() { ", …" } else { "" };
    let whose =
        if names.is_empty() { String::new() } else { format!(" ({}{more})", names.join(", ")) };
    let message = "this is a Compose file, which evenkeel does not read";
    let help = format!(
        "write a manifest for each of its services{whose}, with what it has under `spec`, and keep \
         the Compose file in another directory"
    );
    Some(Finding::key("/services", message, help))
}

/// An entry of a list that was written as one line: `8080:80`, `./site:/www`, `KEY=value`.
pub(super) fn entry(pointer: &str, text: &str) -> Option<String> {
    let (list, _) = pointer.rsplit_once('/')?;
    let entry = match list {
        "/spec/env" => {
            let (name, value) = text.split_once('=')?;
            json!({ "name": name, "value": value })
        }
        "/spec/ports" => {
            let (host, container) = text.rsplit_once(':')?;
            let (container, protocol) = container.split_once('/').unwrap_or((container, "tcp"));
            let mut port = json!({
                "containerPort": container.parse::<u16>().ok()?,
                "hostPort": host.parse::<u16>().ok()?,
            });
            if protocol != "tcp" {
                port["protocol"] = protocol.to_uppercase().into();
            }
            port
        }
        "/spec/mounts" => {
            let (source, rest) = text.split_once(':')?;
            let (path, mode) = rest.split_once(':').unwrap_or((rest, "rw"));
            let kind = if source.starts_with(['.', '/']) { "hostPath" } else { "volume" };
            let mut mount = json!({ "path": path, kind: source });
            if mode == "ro" {
                mount["readOnly"] = true.into();
            }
            mount
        }
        _ => return None,
    };
    shown(&entry)
}

/// Variables that were written as a map.
pub(super) fn variables(fields: &Map<String, Value>) -> Option<String> {
    let variable = |(name, value): (&String, &Value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        json!({ "name": name, "value": text })
    };
    shown(&fields.iter().map(variable).collect())
}

/// What is short enough to be a help.
fn shown(value: &Value) -> Option<String> {
    const LONGEST: usize = 100;
    let text = flow(value);
    (text.len() <= LONGEST && !text.chars().any(char::is_control)).then_some(text)
}
