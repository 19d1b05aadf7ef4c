//! The JSON Schema of a manifest, made from the types of `raw`.
//!
//! It is what the parser checks with, what `schema/task.v1.json` holds for editors, and where
//! messages take their examples from. Pure; `words` calls it, and whoever prints the schema.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Map, Value};

use super::raw::Manifest;

/// The URI that the schema goes by; it names it, and leads nowhere.
const ID: &str = "urn:evenkeel:schema:task:v1";

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema =
        settings.with_transform(Plain).into_generator().into_root_schema_for::<Manifest>();
    schema.insert("$id".to_owned(), ID.into());
    schema.to_value()
});

/// The JSON Schema (draft 2020-12) of a task manifest.
#[must_use]
pub fn task_schema() -> Value {
    SCHEMA.clone()
}

/// The schema itself, without a copy.
pub(super) fn shared() -> &'static Value {
    &SCHEMA
}

/// The part of the schema for what stands at a JSON pointer of a manifest.
pub(super) fn part(pointer: &str) -> Option<&'static Value> {
    let mut part = shared();
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let inner = match part.get("properties").and_then(|fields| fields.get(&token)) {
            Some(field) => field,
            None if part.get("items").is_some() => part.get("items")?,
            None => part.get("additionalProperties").filter(|other| other.is_object())?,
        };
        part = inner;
    }
    Some(part)
}

/// Takes from a schema what editors and strict validators stumble over.
#[derive(Debug, Clone)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(object) = schema.as_object_mut() {
            without_null(object);
            merge_documented_variants(object);
            // JSON Schema knows no `uint16`; minimum and maximum say it.
            object.remove("format");
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = joined_lines(text);
            }
        }
        transform_subschemas(self, schema);
    }
}

/// What may be left out is left out, not null.
fn without_null(object: &mut Map<String, Value>) {
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let Some(Value::Array(options)) = object.remove("anyOf") else { return };
    let is_null = |option: &Value| option.get("type").is_some_and(|name| name == "null");
    let mut others = options.into_iter().filter(|option| !is_null(option));
    if let Some(Value::Object(only)) = others.next() {
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}

/// `oneOf` over documented constants becomes one `enum`, their texts part of the description:
/// no validator can word a failed `oneOf`.
fn merge_documented_variants(object: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = object.get("oneOf") else { return };
    let mut values = Vec::new();
    let mut texts = Vec::new();
    for variant in variants {
        match (variant.get("const"), variant.get("enum")) {
            (Some(value), _) => {
                if let (Some(name), Some(text)) =
                    (value.as_str(), variant.get("description").and_then(Value::as_str))
                {
                    texts.push(format!("- `{name}`: {}", joined_lines(text)));
                }
                values.push(value.clone());
            }
            (None, Some(Value::Array(plain))) => values.extend(plain.iter().cloned()),
            _ => return,
        }
    }
    object.remove("oneOf");
    object.insert("type".to_owned(), "string".into());
    object.insert("enum".to_owned(), Value::Array(values));
    if !texts.is_empty() {
        let said = object.get("description").and_then(Value::as_str).unwrap_or_default();
        let text = format!("{}\n\n{}", joined_lines(said), texts.join("\n"));
        object.insert("description".to_owned(), text.into());
    }
}

/// Lines of one paragraph become one line; lists and paragraphs stay.
fn joined_lines(text: &str) -> String {
    let mut joined = String::new();
    for line in text.lines().map(str::trim_end) {
        let starts_anew = line.is_empty() || line.starts_with("- ");
        if !joined.is_empty() {
            joined.push(if starts_anew || joined.ends_with('\n') { '\n' } else { ' ' });
        }
        joined.push_str(line);
    }
    joined
}
