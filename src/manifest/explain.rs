//! What the schema says of one field, for `evenkeel explain`.
//!
//! Pure: the same schema that the parser checks with and that editors read, so the three never
//! differ. The command prints what this finds.

use serde::Serialize;
use serde_json::Value;

use super::suggest::{known_otherwise, nearest};
use super::words::flow;
use super::{finding, schema};

/// One field of the format: what it is for and what may stand there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The path it is known by, such as `spec.ports[].hostPort`; of the whole, empty.
    pub path: String,
    /// What may stand there, such as `string` or `[]object`.
    pub kind: String,
    /// What it means: paragraphs of one line each, with lists of lines that begin with `- `.
    pub description: String,
    /// The values that it may have, where those are few.
    pub values: Vec<String>,
    /// What holds where it is left out, in YAML's flow style.
    pub default: Option<String>,
    /// As it may be written, in YAML's flow style.
    pub example: Option<String>,
    /// The least number, where there is one.
    pub least: Option<String>,
    /// The greatest number, where there is one.
    pub most: Option<String>,
    /// Whether what holds it can't be without.
    pub required: bool,
    /// What may stand beneath it, in the order of their names.
    pub fields: Vec<Explained>,
}

/// What `path` (such as `spec.update`, `task.spec.mounts.volume` or only `mounts.volume`) is.
///
/// # Errors
/// If there is no such field: a sentence that says what may be meant.
pub fn explain(path: &str) -> Result<Explained, String> {
    let mut words: Vec<&str> = path
        .split('.')
        .map(|word| word.trim_end_matches("[]"))
        .filter(|it| !it.is_empty())
        .collect();
    if words.first().is_some_and(|word| matches!(*word, "task" | "tasks" | "Task")) {
        words.remove(0);
    }
    match walk("", &words) {
        Ok(pointer) => Ok(explained(&pointer)),
        // What stands in the spec is known without it: `ports.hostPort`.
        Err(wrong) => match walk("/spec", &words) {
            Ok(pointer) => Ok(explained(&pointer)),
            // A word that stands nowhere was more likely one of the spec's many.
            Err(inner) if inner.known > 0 || (wrong.known == 0 && words.len() == 1) => {
                Err(inner.sentence(path))
            }
            Err(_) => Err(wrong.sentence(path)),
        },
    }
}

/// A word that leads nowhere.
struct Wrong<'a> {
    /// How many words before it led somewhere.
    known: usize,
    /// Where they led.
    at: String,
    word: &'a str,
}

impl Wrong<'_> {
    fn sentence(&self, path: &str) -> String {
        let fields = field_names(&self.at);
        if let Some(help) = known_otherwise(&with_items(&self.at), self.word) {
            return format!("there is no field `{path}`: {help}");
        }
        let help = match (self.meant(&fields), fields.is_empty()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, true) => format!("`{}` has no fields of its own", shown(&self.at)),
            (None, false) => {
                let known: Vec<String> = fields.iter().map(|it| format!("`{it}`")).collect();
                let place = shown(&self.at);
                let place = if place.is_empty() { place } else { format!(" in `{place}`") };
                format!("known{place}: {}", known.join(", "))
            }
        };
        format!("there is no field `{path}`: {help}")
    }

    /// The field that may be meant: one beside it, else one of that name or nearly so anywhere.
    fn meant(&self, fields: &[String]) -> Option<String> {
        if let Some(field) = nearest(self.word, fields.iter().map(String::as_str), 3) {
            return Some(shown(&format!("{}/{field}", with_items(&self.at))));
        }
        let paths = all_paths();
        let name = |path: &'_ String| path.rsplit('.').next().unwrap_or_default().to_owned();
        let names: Vec<String> = paths.iter().map(name).collect();
        let near = nearest(self.word, names.iter().map(String::as_str), 1)?;
        let of_it = paths.iter().filter(|path| name(path) == near);
        of_it.min_by_key(|path| path.matches('.').count()).cloned()
    }
}

/// Where `words` lead from a place of the schema.
fn walk<'a>(from: &str, words: &[&'a str]) -> Result<String, Wrong<'a>> {
    let mut at = from.to_owned();
    for (known, word) in words.iter().enumerate() {
        let inner = format!("{}/{word}", with_items(&at));
        let is_field = schema::part(&with_items(&at))
            .is_some_and(|part| part.get("properties").is_some_and(|all| all.get(word).is_some()));
        if !is_field {
            return Err(Wrong { known, at, word });
        }
        at = inner;
    }
    Ok(at)
}

/// The place of the entries, of a list.
fn with_items(pointer: &str) -> String {
    let is_list = schema::part(pointer).is_some_and(|part| part.get("items").is_some());
    if is_list { format!("{pointer}/*") } else { pointer.to_owned() }
}

/// A place of the schema as people write it.
fn shown(pointer: &str) -> String {
    finding::path(pointer).replace(".*", "[]")
}

fn field_names(pointer: &str) -> Vec<String> {
    let fields =
        schema::part(&with_items(pointer)).and_then(|it| it.get("properties")?.as_object());
    fields.map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
}

/// The path of each field there is.
#[must_use]
pub fn all_paths() -> Vec<String> {
    fn collect(pointer: &str, paths: &mut Vec<String>) {
        for name in field_names(pointer) {
            let inner = format!("{}/{name}", with_items(pointer));
            paths.push(shown(&inner));
            collect(&inner, paths);
        }
    }
    let mut paths = Vec::new();
    collect("", &mut paths);
    paths
}

fn explained(pointer: &str) -> Explained {
    let part = schema::part(pointer).unwrap_or(&Value::Null);
    let text = |key: &str| part.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let entries = part.get("items");
    let choice = entries.unwrap_or(part).get("enum").and_then(Value::as_array);
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    let required = schema::part(parent).and_then(|it| it.get("required")?.as_array());
    let bound = |key: &str| part.get(key).map(flow);
    Explained {
        path: shown(pointer),
        kind: kind(part),
        description: text("description"),
        values: choice.map(|all| all.iter().map(flow).collect()).unwrap_or_default(),
        default: part.get("default").map(flow),
        example: part.get("examples").and_then(|all| all.get(0)).map(flow),
        least: bound("minimum"),
        most: bound("maximum"),
        required: required.is_some_and(|all| all.iter().any(|it| it == name)),
        fields: field_names(pointer)
            .iter()
            .map(|name| explained(&format!("{}/{name}", with_items(pointer))))
            .collect(),
    }
}

/// The kind of value, as kubectl writes it: `string`, `[]object`, `map[string]string`.
fn kind(part: &Value) -> String {
    if let Some(items) = part.get("items") {
        return format!("[]{}", kind(items));
    }
    if let Some(values) = part.get("additionalProperties").filter(|it| it.is_object()) {
        return format!("map[string]{}", kind(values));
    }
    match part.get("type") {
        Some(Value::Array(kinds)) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(" or ")
        }
        Some(Value::String(kind)) => kind.clone(),
        _ => "value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_must_be_found_by_each_path_that_people_write() {
        for path in [
            "spec.ports.hostPort",
            "task.spec.ports.hostPort",
            "spec.ports[].hostPort",
            "ports.hostPort",
            "Task.spec.ports[].hostPort",
        ] {
            let found = explain(path).unwrap();
            assert_eq!(found.path, "spec.ports[].hostPort", "{path}");
            assert_eq!(found.kind, "integer", "{path}");
        }
        assert_eq!(explain("task").unwrap().path, "");
        assert_eq!(explain("").unwrap().fields.len(), 4);
    }

    #[test]
    fn every_field_of_the_schema_must_be_explained_with_a_text() {
        let paths = all_paths();
        assert!(paths.len() > 60, "{}", paths.len());
        for path in paths {
            let found = explain(&path).unwrap();
            assert_eq!(found.path, path);
            assert!(!found.description.is_empty(), "{path} has no description");
            assert!(found.kind != "value", "{path} has no type");
        }
    }

    #[test]
    fn what_is_required_and_what_holds_without_it_must_be_told() {
        let update = explain("spec.update").unwrap();
        let surge = update.fields.iter().find(|it| it.path == "spec.update.maxSurge").unwrap();
        assert_eq!(surge.default.as_deref(), Some("1"));
        assert_eq!(surge.least.as_deref(), Some("0"));
        assert_eq!(surge.most.as_deref(), Some("250"));
        assert!(!surge.required);
        assert!(explain("metadata.name").unwrap().required);
        assert_eq!(explain("restartPolicy").unwrap().values, ["Always", "OnFailure", "Never"]);
        assert_eq!(explain("metadata.labels").unwrap().kind, "map[string]string");
        assert_eq!(explain("mounts").unwrap().kind, "[]object");
    }

    #[test]
    fn a_field_that_is_not_there_must_lead_to_the_one_that_was_meant() {
        for (path, help) in [
            ("spec.imgae", "did you mean `spec.image`?"),
            ("ports.hostport", "did you mean `spec.ports[].hostPort`?"),
            ("spec.hostPort", "did you mean `spec.ports[].hostPort`?"),
            ("restart", "write `restartPolicy`"),
            ("lifecycle", "this release does not have it yet: remove it"),
            ("spec.mounts.mountPath", "write `path`"),
            ("metdata", "did you mean `metadata`?"),
            ("spec.image.tag", "`spec.image` has no fields of its own"),
            ("spec.resources.xyzzyx", "known in `spec.resources`: `limits`, `requests`"),
        ] {
            let said = explain(path).unwrap_err();
            assert_eq!(said, format!("there is no field `{path}`: {help}"));
        }
    }
}
