//! What a value breaks of the schema, in words for people who write manifests.
//!
//! The only place that names the JSON Schema library: it finds every problem at once, and the
//! words are ours. Pure; `manifest::read` calls it.

mod compose;
mod example;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::finding::{Finding, field, path, token};
use super::node::Node;
use super::raw;
use super::text::Text;
use super::{quantity, schema, suggest};
use crate::domain::name::Label;
use example::example_of;
pub(super) use example::flow;

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    jsonschema::validator_for(schema::shared()).expect("the schema is made by us, and is one")
});

/// How many problems of a document are put into words: more than anybody reads, so that a file made
/// to be slow isn't.
const MOST: usize = 100;

/// What the schema has against a document: `value`, whose places `root` knows.
pub(super) fn findings(value: &Value, root: &Node, text: &Text<'_>) -> Vec<Finding> {
    if let Some(finding) = compose::file(value) {
        return vec![finding];
    }
    let word = |error| Words::of(&error, root, text).findings(&error);
    merged(VALIDATOR.iter_errors(value).take(MOST).flat_map(word).take(MOST).collect())
}

/// Fields that are missing from one map are told of at once; one that is there under another name
/// is not missing.
fn merged(findings: Vec<Finding>) -> Vec<Finding> {
    let misspelt = |parent: &str, name: &str| {
        let help = format!("did you mean `{name}`?");
        findings.iter().any(|other| {
            other.help == help && other.pointer.rsplit_once('/').is_some_and(|(at, _)| at == parent)
        })
    };
    let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for finding in &findings {
        if let Some(name) = &finding.missing
            && !misspelt(&finding.pointer, name)
        {
            missing.entry(finding.pointer.clone()).or_default().push(name.clone());
        }
    }
    let mut merged: Vec<Finding> =
        missing.iter().map(|(pointer, names)| all_missing(pointer, names)).collect();
    merged.extend(findings.into_iter().filter(|finding| finding.missing.is_none()));
    merged
}

fn all_missing(pointer: &str, names: &[String]) -> Finding {
    let inner: Vec<String> = names.iter().map(|name| format!("{pointer}/{name}")).collect();
    let paths: Vec<String> = inner.iter().map(|inner| format!("`{}`", path(inner))).collect();
    let examples: Vec<String> =
        inner.iter().map(|inner| format!("`{}`", example_of(inner))).collect();
    let are = if names.len() == 1 { "is" } else { "are" };
    let message = format!("{} {are} missing", paths.join(", "));
    Finding {
        missing: Some(names.join(",")),
        ..Finding::key(pointer, message, format!("write {}", examples.join(", ")))
    }
}

/// A text as it may be shown: no control characters, not too long.
pub(super) fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == SHOWN {
            shown.push('…');
            break;
        }
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// What is known of the value that is wrong.
struct Words {
    pointer: String,
    /// The field it is the value of, or an entry of.
    field: String,
    /// As it was written; for a list or map, what it is.
    written: String,
    part: &'static Value,
}

impl Words {
    fn of(error: &ValidationError<'_>, root: &Node, text: &Text<'_>) -> Self {
        let pointer = error.instance_path().as_str().to_owned();
        let written = match &**error.instance() {
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "a map".to_owned(),
            Value::Null => "nothing".to_owned(),
            Value::String(value) if value.contains('\n') => format!("`{}`", shorten(value)),
            _ => format!("`{}`", shorten(text.written(root.value_at(&pointer)).trim_end())),
        };
        let part = schema::part(&pointer).unwrap_or(&Value::Null);
        Self { field: field(&pointer), pointer, written, part }
    }

    fn findings(&self, error: &ValidationError<'_>) -> Vec<Finding> {
        let instance = &**error.instance();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                unexpected.iter().take(MOST).map(|name| self.unknown(name)).collect()
            }
            ValidationErrorKind::Required { property } => {
                vec![self.missing(property.as_str().unwrap_or_default())]
            }
            ValidationErrorKind::Type { .. } => vec![self.mistyped(instance)],
            ValidationErrorKind::Enum { options } => vec![self.no_option(instance, options)],
            ValidationErrorKind::Minimum { .. } | ValidationErrorKind::Maximum { .. } => {
                vec![self.out_of_range(error.kind())]
            }
            ValidationErrorKind::MinLength { .. } => {
                vec![self.value(format!("`{}` is empty", self.field), self.write_example())]
            }
            ValidationErrorKind::MaxLength { limit } => vec![self.value(
                format!("{} is longer than {limit} characters", self.written),
                format!("write at most {limit} characters"),
            )],
            ValidationErrorKind::MaxItems { limit } => vec![self.value(
                format!("`{}` has more than {limit} entries", self.field),
                format!("write at most {limit}"),
            )],
            ValidationErrorKind::Pattern { pattern } => {
                vec![self.misshapen(pattern, instance.as_str().unwrap_or_default())]
            }
            _ => vec![self.value(error.masked().to_string(), self.write_example())],
        }
    }

    fn value(&self, message: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding::value(&self.pointer, message, help)
    }

    fn unknown(&self, name: &str) -> Finding {
        let shown = shorten(name);
        let message = if self.pointer.is_empty() {
            format!("unknown field `{shown}`")
        } else {
            format!("unknown field `{shown}` in `{}`", path(&self.pointer))
        };
        let pointer = format!("{}/{}", self.pointer, token(name));
        Finding::key(pointer, message, suggest::for_field(&self.pointer, name))
    }

    fn missing(&self, name: &str) -> Finding {
        Finding { missing: Some(name.to_owned()), ..Finding::key(&self.pointer, "", "") }
    }

    fn mistyped(&self, instance: &Value) -> Finding {
        let Self { field, written, .. } = self;
        if self.pointer.is_empty() {
            let message = "a manifest is a map of `apiVersion`, `kind`, `metadata` and `spec`";
            return self.value(message, "begin with `apiVersion: evenkeel/v1`");
        }
        if instance.is_null() {
            let message = format!("`{field}` has no value");
            let or = if self.is_required() { "" } else { ", or remove the line" };
            return self.value(message, format!("{}{or}", self.write_example()));
        }
        let expected: Vec<&str> = match self.part.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        match expected.as_slice() {
            ["integer"] => {
                self.value(format!("{written} is not a whole number"), self.write_example())
            }
            ["boolean"] => {
                let meant = match instance.as_str().map(str::to_lowercase).as_deref() {
                    Some("yes" | "on" | "y" | "true") => "write `true`",
                    Some("no" | "off" | "n" | "false") => "write `false`",
                    _ => "write `true` or `false`",
                };
                self.value(format!("{written} is neither `true` nor `false`"), meant)
            }
            ["string"] => self.no_text(instance),
            ["array"] => self.no_list(instance),
            ["object"] => self.no_map(instance),
            _ => self
                .value(format!("{written} is nothing that `{field}` can be"), self.write_example()),
        }
    }

    fn no_map(&self, instance: &Value) -> Finding {
        let Self { field, written, .. } = self;
        let is_entry =
            self.pointer.rsplit('/').next().is_some_and(|last| last.parse::<usize>().is_ok());
        let subject =
            if is_entry { format!("an entry of `{field}`") } else { format!("`{field}`") };
        let meant = instance.as_str().and_then(|text| compose::entry(&self.pointer, text));
        self.value(
            format!("{subject} has fields of its own, and is not {written}"),
            meant.map_or_else(|| self.write_example(), |entry| format!("write `{entry}`")),
        )
    }

    fn no_text(&self, instance: &Value) -> Finding {
        let Self { field, written, .. } = self;
        let kind = match instance {
            Value::Number(_) => "a number",
            Value::Bool(_) => "a truth value",
            _ => {
                let message = format!("`{field}` takes text, not {written}");
                return self.value(message, self.write_example());
            }
        };
        self.value(
            format!("{written} without quotes is {kind}, and `{field}` takes text"),
            format!("write \"{}\"", written.trim_matches('`')),
        )
    }

    fn no_list(&self, instance: &Value) -> Finding {
        let help = match instance {
            Value::Object(fields) if self.pointer == "/spec/env" => compose::variables(fields)
                .map_or_else(|| self.write_example(), |env| format!("write `env: {env}`")),
            Value::String(line) if !line.contains(['"', '\'', '\n', '$', '|', '&', ';']) => {
                let words = line.split_whitespace().map(Value::from).collect();
                format!("write `{}: {}`", self.field, flow(&Value::Array(words)))
            }
            Value::Object(_) => {
                format!("put `- ` before its first field, or write `{}`", example_of(&self.pointer))
            }
            _ => self.write_example(),
        };
        self.value(format!("`{}` takes a list, not {}", self.field, self.written), help)
    }

    fn no_option(&self, instance: &Value, options: &Value) -> Finding {
        let known: Vec<&str> =
            options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let written = instance.as_str().unwrap_or_default();
        let help = match (suggest::nearest(written, known.iter().copied(), 3), known.as_slice()) {
            _ if self.pointer == "/apiVersion" => {
                let message = format!("{} is no version that this release knows", self.written);
                return self.value(message, "write `apiVersion: evenkeel/v1`");
            }
            _ if self.pointer == "/spec/update/onFailure" && written == "Pause" => {
                "this release does not have it yet: write `Rollback`".to_owned()
            }
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, [only]) => format!("write `{}: {only}`", self.field),
            (None, _) => {
                let list: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                format!("write one of {}", list.join(", "))
            }
        };
        self.value(format!("{} is nothing that `{}` can be", self.written, self.field), help)
    }

    fn out_of_range(&self, kind: &ValidationErrorKind) -> Finding {
        let limit = |name: &str| self.part.get(name).map(ToString::to_string);
        let message = match kind {
            ValidationErrorKind::Minimum { limit } => {
                format!("{} is too small: `{}` is at least {limit}", self.written, self.field)
            }
            ValidationErrorKind::Maximum { limit } => {
                format!("{} is too large: `{}` is at most {limit}", self.written, self.field)
            }
            _ => format!("{} is out of range", self.written),
        };
        let help = match (limit("minimum"), limit("maximum")) {
            (Some(least), Some(most)) => format!("write a number from {least} to {most}"),
            _ => self.write_example(),
        };
        self.value(message, help)
    }

    fn misshapen(&self, pattern: &str, text: &str) -> Finding {
        let Self { field, written, .. } = self;
        match pattern {
            raw::LABEL_PATTERN => {
                let why = Label::parse(text).err().map(|error| error.to_string());
                let mended: String = text
                    .to_lowercase()
                    .replace(['_', '.', ' ', '/'], "-")
                    .trim_matches('-')
                    .to_owned();
                let help = match Label::parse(&mended) {
                    Ok(name) => format!("write `{field}: {name}`"),
                    Err(_) => self.write_example(),
                };
                self.value(format!("{written} is no name: {}", why.unwrap_or_default()), help)
            }
            raw::QUANTITY_PATTERN => {
                let help = quantity::mended(text).map_or_else(
                    || self.write_example(),
                    |mended| format!("write `{field}: {mended}`"),
                );
                self.value(format!("{written} is no quantity"), help)
            }
            "^/" => self.value(
                format!("{written} is no absolute path"),
                format!("write `{field}: /{}`", shorten(text.trim_start_matches("./"))),
            ),
            "^[^=]*$" => {
                let (name, value) = text.split_once('=').unwrap_or((text, ""));
                let value = flow(&Value::from(shorten(value)));
                self.value(
                    "a variable's name can't hold `=`",
                    format!("write `name: {}` and `value: {value}`", shorten(name)),
                )
            }
            raw::CAPABILITY_PATTERN => self.value(
                format!("{written} is no capability: they are written in capitals"),
                format!("write `{}`", shorten(&text.to_uppercase())),
            ),
            _ => self
                .value(format!("{written} is nothing that `{field}` can be"), self.write_example()),
        }
    }

    fn is_required(&self) -> bool {
        let (parent, name) = self.pointer.rsplit_once('/').unwrap_or_default();
        let required = schema::part(parent).and_then(|part| part.get("required")?.as_array());
        required.is_some_and(|names| names.iter().any(|required| required == name))
    }

    fn write_example(&self) -> String {
        format!("write `{}`", example_of(&self.pointer))
    }
}
