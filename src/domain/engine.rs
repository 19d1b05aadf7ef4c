//! Which engine it is: the one that the records are about, or another one.
//!
//! What an engine does not have says nothing of another engine, and what is on another one may be
//! somebody else's, though it has this worker's name: the same directory is kept on many hosts.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// It is another engine than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EngineChange {
    /// The engine that the records are about, by its id.
    pub before: String,
    /// The one that is there.
    pub now: String,
}

/// Whether the engine has at a path what this process has there: both are on one host then, and see
/// its files alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SharedHost {
    /// It has, as far as that can be told.
    #[default]
    Shared,
    /// That was not tried yet.
    Untried,
    /// There is nothing at this path for it, where this process has something.
    Apart(String),
}

impl SharedHost {
    /// Why no path of the host can be mounted, if that is so, and what to do about it.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let Self::Apart(path) = self else { return None };
        Some(format!(
            "the engine does not share this host: there is nothing at `{path}` for it; run evenkeel on \
             the engine's own host, and where it runs in a container, mount directories there under \
             the paths that they have on that host"
        ))
    }
}

/// What a list of this worker's containers tells of the engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence {
    /// One is there that is written down.
    pub known: bool,
    /// One is there that is not.
    pub others: bool,
    /// One that is written down, and was there before, is not.
    pub missed: bool,
}

impl Evidence {
    /// Whether it shows nothing that another engine would show.
    #[must_use]
    pub fn is_plain(self) -> bool {
        self.known || !(self.others || self.missed)
    }
}

/// Which engine it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Met {
    /// The one that the records are about, as far as there is reason to ask.
    Same,
    /// The same with another id: what is written down is there.
    Renamed(EngineChange),
    /// Another one, with nothing of this worker on it.
    Another(EngineChange),
    /// Another one, with containers of this worker's name on it that are not written down.
    Strange(EngineChange),
    /// It has to say first.
    Unsaid,
}

/// Which engine it is that says it is `told`, where the records are about `known`.
#[must_use]
pub fn meet(known: Option<&str>, told: Option<&str>, there: Evidence) -> Met {
    match (known, told) {
        (Some(known), Some(told)) if known != told => {
            let change = EngineChange { before: known.to_owned(), now: told.to_owned() };
            if there.known {
                Met::Renamed(change)
            } else if there.others {
                Met::Strange(change)
            } else {
                Met::Another(change)
            }
        }
        (Some(_), None) if !there.is_plain() => Met::Unsaid,
        _ => Met::Same,
    }
}

impl fmt::Display for EngineChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, where it was {}", self.now, self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(known: Option<&str>, told: Option<&str>, there: [bool; 3]) -> &'static str {
        let [known_there, others, missed] = there;
        match meet(known, told, Evidence { known: known_there, others, missed }) {
            Met::Same => "same",
            Met::Renamed(_) => "renamed",
            Met::Another(_) => "another",
            Met::Strange(_) => "strange",
            Met::Unsaid => "unsaid",
        }
    }

    #[test]
    fn another_id_is_another_engine_only_where_nothing_of_before_is_there() {
        let (one, two) = (Some("one"), Some("two"));
        for missed in [false, true] {
            assert_eq!(met(one, two, [true, false, missed]), "renamed");
            assert_eq!(met(one, two, [true, true, missed]), "renamed");
            assert_eq!(met(one, two, [false, true, missed]), "strange");
            assert_eq!(met(one, two, [false, false, missed]), "another");
            for others in [false, true] {
                assert_eq!(met(one, one, [false, others, missed]), "same");
                assert_eq!(met(None, two, [false, others, missed]), "same");
                assert_eq!(met(None, None, [false, others, missed]), "same");
            }
        }
    }

    #[test]
    fn an_engine_has_to_say_which_it_is_only_where_it_looks_like_another_one() {
        let one = Some("one");
        assert_eq!(met(one, None, [false, false, false]), "same");
        assert_eq!(met(one, None, [true, true, true]), "same");
        assert_eq!(met(one, None, [false, true, false]), "unsaid");
        assert_eq!(met(one, None, [false, false, true]), "unsaid");
    }
}
