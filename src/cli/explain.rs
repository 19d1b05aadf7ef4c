//! `evenkeel explain`.

use std::fmt::Write as _;

use super::args::{Explain, TextFormat};
use super::{Exit, fold, out};
use crate::manifest::explain::{Explained, explain as field};

/// Tells what a field of a manifest means and what may stand there; asks no daemon.
pub fn explain(args: &Explain) -> anyhow::Result<Exit> {
    let found = field(&args.path).map_err(anyhow::Error::msg)?;
    if args.output == TextFormat::Json {
        return out::line(&serde_json::to_string_pretty(&found)?);
    }
    out::data(&fold::paragraphs(&page(&found, args.recursive), fold::room()))
}

/// As `kubectl explain` lays it out.
fn page(found: &Explained, recursive: bool) -> String {
    let mut text = "KIND:     Task\nVERSION:  evenkeel/v1\n".to_owned();
    if !found.path.is_empty() {
        let _ = write!(text, "\nFIELD:    {} <{}>{}\n", found.path, found.kind, marks(found));
        if let Some(example) = &found.example {
            let name = found.path.rsplit('.').next().unwrap_or_default();
            let _ = writeln!(text, "EXAMPLE:  {name}: {example}");
        }
    }
    text.push_str("\nDESCRIPTION:\n");
    indented(&mut text, &found.description, "  ");
    if !found.fields.is_empty() {
        text.push_str("\nFIELDS:\n");
        if recursive { tree(&mut text, &found.fields, "  ") } else { list(&mut text, found) }
    }
    text
}

/// Each field beneath, with what it means.
fn list(text: &mut String, of: &Explained) {
    for (at, field) in of.fields.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        let _ = writeln!(text, "  {} <{}>{}", name(field), field.kind, marks(field));
        indented(text, &field.description, "    ");
    }
}

/// The names alone, all the way down.
fn tree(text: &mut String, fields: &[Explained], indent: &str) {
    for field in fields {
        let _ = writeln!(text, "{indent}{} <{}>{}", name(field), field.kind, marks(field));
        tree(text, &field.fields, &format!("{indent}  "));
    }
}

fn name(field: &Explained) -> &str {
    field.path.rsplit('.').next().unwrap_or_default().trim_end_matches("[]")
}

/// What a value has to be, after its kind.
fn marks(field: &Explained) -> String {
    let mut marks = Vec::new();
    if field.required {
        marks.push("required".to_owned());
    }
    if !field.values.is_empty() {
        marks.push(format!("one of {}", field.values.join(", ")));
    }
    match (&field.least, &field.most) {
        (Some(least), Some(most)) => marks.push(format!("{least} to {most}")),
        (Some(least), None) => marks.push(format!("{least} or more")),
        (None, Some(most)) => marks.push(format!("at most {most}")),
        (None, None) => {}
    }
    if let Some(default) = &field.default {
        marks.push(format!("default {default}"));
    }
    if marks.is_empty() { String::new() } else { format!("  {}", marks.join("; ")) }
}

fn indented(text: &mut String, paragraphs: &str, indent: &str) {
    for line in paragraphs.lines() {
        let _ = writeln!(text, "{}", format!("{indent}{line}").trim_end());
    }
}
