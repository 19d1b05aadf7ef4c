//! What the engine has of a container that is not as it is to be, and that an update puts right.

use std::fmt;

use super::container::Details;
use super::plan::FieldChange;
use super::template::{Limits, Reserved, Resources};

/// A number of a container that an update changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// Of its CPU, in billionths, at most so much.
    CpuLimit,
    /// Of memory, in bytes, at most so much.
    MemoryLimit,
    /// Of processes at most so many.
    PidsLimit,
    /// So much of the CPU, in 1024ths, is kept for it.
    CpuRequest,
    /// So much memory, in bytes, is kept for it.
    MemoryRequest,
}

/// Something that the engine has of a container and that is not as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub number: Number,
    /// What the engine has; `None`: nothing.
    pub is: Option<u64>,
    /// What it is to be.
    pub wanted: Option<u64>,
}

impl Number {
    const ALL: [Self; 5] =
        [Self::CpuLimit, Self::MemoryLimit, Self::PidsLimit, Self::CpuRequest, Self::MemoryRequest];

    /// Its place in a manifest, with its unit where that is another one there.
    fn field(self) -> &'static str {
        match self {
            Self::CpuLimit => "resources.limits.cpu (billionths)",
            Self::MemoryLimit => "resources.limits.memory",
            Self::PidsLimit => "resources.limits.pids",
            Self::CpuRequest => "resources.requests.cpu (1024ths)",
            Self::MemoryRequest => "resources.requests.memory",
        }
    }

    fn of(self, limits: Limits, reserved: Reserved) -> Option<u64> {
        match self {
            Self::CpuLimit => limits.nano_cpus,
            Self::MemoryLimit => limits.memory,
            Self::PidsLimit => limits.pids.map(u64::from),
            Self::CpuRequest => reserved.cpu_shares,
            Self::MemoryRequest => reserved.memory,
        }
    }
}

impl Difference {
    /// All in which a container is not as `wanted` says.
    #[must_use]
    pub fn between(has: &Details, wanted: &Resources) -> Vec<Self> {
        let of = |number: Number| Self {
            number,
            is: number.of(has.limits, has.reserved),
            wanted: number.of(wanted.limits, wanted.requests.reserved()),
        };
        Number::ALL.into_iter().map(of).filter(|it| it.is != it.wanted).collect()
    }

    /// Whether a container still is as was found.
    #[must_use]
    pub fn is_still(&self, has: &Details) -> bool {
        self.number.of(has.limits, has.reserved) == self.is
    }

    /// Whether something that the engine has is to be none: it can't take anything away.
    #[must_use]
    pub fn takes_away(&self) -> bool {
        self.wanted.is_none()
    }

    /// As a change of the manifest's field.
    #[must_use]
    pub fn as_change(&self) -> FieldChange {
        let text = |number: Option<u64>| number.map(|number| number.to_string());
        let field = self.number.field().to_owned();
        FieldChange { field, from: text(self.is), to: text(self.wanted) }
    }

    /// Several, for people.
    #[must_use]
    pub fn told(all: &[Self]) -> String {
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        all.join(", ")
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |number: Option<u64>| number.map_or_else(|| "none".into(), |it| it.to_string());
        write!(f, "{} is {}, wanted {}", self.number.field(), text(self.is), text(self.wanted))
    }
}
