//! Something wrong with a value, before its place is looked up.
//!
//! `words` and `check` make them; `manifest::read` places them.

use super::node::Node;
use super::text::Problem;
use crate::domain::diagnostic::InvalidReason;
pub(super) use crate::domain::diagnostic::field_path as path;

/// Something wrong with the value at a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// Which value.
    pub pointer: String,
    /// Whether its key is to be shown rather than the value.
    pub on_key: bool,
    /// The field that is missing from the value, if that is it.
    pub missing: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl Finding {
    /// Something wrong with a value.
    pub fn value(
        pointer: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let (pointer, message, help) = (pointer.into(), message.into(), help.into());
        Self { pointer, on_key: false, missing: None, message, help }
    }

    /// Something wrong with a field, whatever its value.
    pub fn key(
        pointer: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { on_key: true, ..Self::value(pointer, message, help) }
    }

    /// The same, at its place in a document.
    pub fn placed(self, root: &Node, reason: InvalidReason) -> Problem {
        let spot =
            if self.on_key { root.key_at(&self.pointer) } else { root.value_at(&self.pointer) };
        Problem { spot, reason, message: self.message, help: Some(self.help) }
    }
}

/// `key` as a part of a JSON pointer (RFC 6901).
pub(super) fn token(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The name of the field that a JSON pointer leads to; of a list's entry, the list's.
pub(super) fn field(pointer: &str) -> String {
    let named = pointer.rsplit('/').find(|part| !part.bytes().all(|byte| byte.is_ascii_digit()));
    named.unwrap_or_default().replace("~1", "/").replace("~0", "~")
}
