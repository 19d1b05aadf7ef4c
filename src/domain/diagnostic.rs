//! A problem in a file that a person wrote: where it is, what is wrong, what to write instead.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One problem, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnostic {
    /// The file, relative to the source, `/` between parts.
    pub file: String,
    /// Where in the file; `None`: the file as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Span>,
    /// What a manifest is refused for: one of the reasons of the condition `Valid`.
    pub reason: InvalidReason,
    /// What is wrong, in one line.
    pub message: String,
    /// What to write instead, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// A stretch of one line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// In characters; at least 1.
    pub width: u32,
    /// The line itself.
    pub text: String,
}

impl Span {
    /// A whole line whose text is not at hand any more: it is enough to find it.
    #[must_use]
    pub fn of_line(line: u32) -> Self {
        Self { line, column: 1, width: 1, text: String::new() }
    }
}

/// Why the manifest that is there now was not accepted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum InvalidReason {
    /// It can't be read, or is no YAML, or passes a limit.
    ParseFailed,
    /// It is YAML that is no `Task`.
    SchemaInvalid,
    /// Another manifest has that name or host port.
    NameConflict,
    /// The operator's policy does not allow it.
    PolicyDenied,
}

impl InvalidReason {
    /// The stable word of it: a reason of the condition `Valid`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ParseFailed => "ParseFailed",
            Self::SchemaInvalid => "SchemaInvalid",
            Self::NameConflict => "NameConflict",
            Self::PolicyDenied => "PolicyDenied",
        }
    }
}

/// A JSON pointer as people write paths: `spec.ports[0].hostPort`; empty for the document.
#[must_use]
pub fn field_path(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) && !path.is_empty() {
            path.extend(["[", part, "]"]);
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&part.replace("~1", "/").replace("~0", "~"));
        }
    }
    path
}

impl fmt::Display for InvalidReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Diagnostic {
    /// One line: `web.yaml:7:3: unknown field 'imgae' (did you mean 'image'?)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = &self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}
