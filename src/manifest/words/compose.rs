//! What people write who know Compose, as it is written here.

use serde_json::{Map, Value, json};

use super::example::flow;

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
