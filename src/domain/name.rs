//! Names: what may be one, and how tasks and workers are called.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest DNS-1123 label, in bytes (RFC 1123 section 2.1).
pub const LABEL_MAX: usize = 63;

/// The namespace of a task that names none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// A DNS-1123 label: 1 to 63 of `a-z`, `0-9` and `-`, beginning and ending with a letter or digit.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
pub struct Label(String);

/// Why a text is no [`Label`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It has no characters.
    #[error("a name can't be empty")]
    Empty,
    /// It is longer than [`LABEL_MAX`].
    #[error("a name has at most 63 characters, this one has {0}")]
    TooLong(usize),
    /// It has a character that no label may have, or has it at the beginning or the end.
    #[error("a name is made of a-z, 0-9 and '-', and begins and ends with a letter or digit")]
    BadCharacter,
}

impl Label {
    /// Checks `text` and keeps it.
    ///
    /// # Errors
    /// Says which rule of RFC 1123 it breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > LABEL_MAX {
            return Err(NameError::TooLong(text.chars().count()));
        }
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let inner = text.bytes().all(|byte| plain(byte) || byte == b'-');
        let ends = [text.bytes().next(), text.bytes().next_back()];
        if !inner || !ends.into_iter().flatten().all(plain) {
            return Err(NameError::BadCharacter);
        }
        Ok(Self(text.to_owned()))
    }

    /// The namespace that is meant where none is named.
    #[must_use]
    pub fn default_namespace() -> Self {
        Self(DEFAULT_NAMESPACE.to_owned())
    }

    /// The text of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Label {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The name of a worker (`--worker`): part of the name and labels of all it makes.
pub type WorkerName = Label;

/// What a task is called: unique within a worker. Written `namespace/name`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend(
    "pattern" = "^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
    "examples" = ["default/web"]
))]
pub struct TaskName {
    /// The group of tasks it belongs to.
    pub namespace: Label,
    /// Its name within the namespace.
    pub name: Label,
}

impl TaskName {
    /// Reads `name` (in `namespace`) or `namespace/name`.
    ///
    /// # Errors
    /// Where a part is no [`Label`].
    pub fn parse(text: &str, namespace: &Label) -> Result<Self, NameError> {
        match text.split_once('/') {
            Some((space, name)) => {
                Ok(Self { namespace: Label::parse(space)?, name: Label::parse(name)? })
            }
            None => Ok(Self { namespace: namespace.clone(), name: Label::parse(text)? }),
        }
    }
}

impl TryFrom<String> for TaskName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text, &Label::default_namespace())
    }
}

impl From<TaskName> for String {
    fn from(name: TaskName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A name as people type it: without the namespace that is meant where none is named.
#[must_use]
pub fn typed(name: &TaskName) -> String {
    if name.namespace.as_str() == DEFAULT_NAMESPACE {
        name.name.to_string()
    } else {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_follows_rfc_1123() {
        for good in ["a", "0", "web-1", &"x".repeat(63)] {
            assert!(Label::parse(good).is_ok(), "{good}");
        }
        assert_eq!(Label::parse(""), Err(NameError::Empty));
        assert_eq!(Label::parse(&"x".repeat(64)), Err(NameError::TooLong(64)));
        for bad in ["-a", "a-", "A", "a.b", "a_b", "ä", "a b", "a/b"] {
            assert_eq!(Label::parse(bad), Err(NameError::BadCharacter), "{bad}");
        }
    }

    #[test]
    fn a_task_name_has_a_namespace_written_or_meant() {
        let space = Label::parse("prod").unwrap();
        assert_eq!(TaskName::parse("web", &space).unwrap().to_string(), "prod/web");
        assert_eq!(TaskName::parse("a/web", &space).unwrap().to_string(), "a/web");
        assert!(TaskName::parse("a/b/c", &space).is_err());
    }
}
