//! Why something of the source is not read, as people are told it.

use std::fmt;
use std::io;

/// Why something is not read.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is not there.
    Absent,
    /// It changed while it was read.
    Changing,
    /// A link that leads out of the source.
    Leaves(String),
    /// A link that leads out of the source, to where nobody answers.
    Silent(String),
    /// A link that leads to where it is.
    Loops,
    /// A link to something that is not there.
    Dangles(String),
    /// No file, but what this says.
    NoFile(&'static str),
    /// Another process has locked it.
    Locked,
    /// More bytes than this.
    TooLarge(u64),
    /// The system refuses.
    System(io::Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("it is not there"),
            Self::Changing => f.write_str("it changed while it was read"),
            Self::Leaves(target) => write!(f, "the link leads out of the source: {target}"),
            Self::Silent(target) => {
                write!(f, "the link leads out of the source, to what does not answer: {target}")
            }
            Self::Loops => f.write_str("the link leads round in a circle"),
            Self::Dangles(target) => write!(f, "the link leads to what is not there: {target}"),
            Self::NoFile(kind) => write!(f, "it is {kind}, and only files are read"),
            Self::Locked => f.write_str(
                "another evenkeel keeps it; stop that one, or give this one another directory",
            ),
            Self::TooLarge(limit) => write!(f, "it has more than {limit} bytes"),
            Self::System(error) => write!(f, "it can't be read: {error}"),
        }
    }
}
