//! Examples for messages, as one would write them in YAML.

use serde_json::Value;

use super::super::finding::field;
use super::super::{scalar, schema};

/// What may stand at a JSON pointer: `replicas: 2`. For an entry of a list, the list with one.
pub(super) fn example_of(pointer: &str) -> String {
    let mut pointer = pointer;
    loop {
        if let Some((list, entry)) = pointer.rsplit_once('/')
            && entry.parse::<usize>().is_ok()
        {
            pointer = list;
            continue;
        }
        let part = schema::part(pointer);
        let example = part.and_then(|part| part.get("examples")?.get(0));
        if let Some(example) = example {
            return format!("{}: {}", field(pointer), flow(example));
        }
        if let Some(fields) = part.and_then(|part| part.get("required")?.as_array()) {
            let first = fields.first().and_then(Value::as_str).unwrap_or_default();
            return format!(
                "{}: {{ {} }}",
                field(pointer),
                example_of(&format!("{pointer}/{first}"))
            );
        }
        match pointer.rsplit_once('/') {
            // A free key, such as a label's: the value is text.
            Some(_) => return format!("{}: \"text\"", field(pointer)),
            None => return "apiVersion: evenkeel/v1".to_owned(),
        }
    }
}

/// A value in YAML's flow style.
pub(in super::super) fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if reads_as_text(text) => text.clone(),
        Value::Array(items) => {
            let quoted = |item: &Value| match item {
                Value::String(_) => item.to_string(),
                other => flow(other),
            };
            format!("[{}]", items.iter().map(quoted).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let pairs = fields.iter().map(|(key, inner)| format!("{key}: {}", flow(inner)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Whether YAML takes `text` as itself without quotes.
fn reads_as_text(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.:_+-".contains(&byte);
    text.bytes().all(plain)
        && text.starts_with(|first: char| first.is_ascii_alphanumeric() || "./".contains(first))
        && !text.ends_with(':')
        && scalar::resolve(text) == Ok(Value::from(text))
}
