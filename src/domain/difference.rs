//! What the engine has of a container that is not as it is to be, and that an update puts right.

use std::fmt;

use super::container::Details;
use super::plan::FieldChange;
use super::quantity::{bytes, cpus, cpus_of_shares};
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
pub enum Difference {
    /// A number.
    Number {
        /// Which.
        number: Number,
        /// What the engine has; `None`: nothing.
        is: Option<u64>,
        /// What it is to be.
        wanted: Option<u64>,
    },
    /// The engine restarts it by itself, by a policy that it calls so: restarts are ours alone.
    Restarts(String),
}

impl Number {
    const ALL: [Self; 5] =
        [Self::CpuLimit, Self::MemoryLimit, Self::PidsLimit, Self::CpuRequest, Self::MemoryRequest];

    /// Its place in a manifest.
    fn field(self) -> &'static str {
        match self {
            Self::CpuLimit => "resources.limits.cpu",
            Self::MemoryLimit => "resources.limits.memory",
            Self::PidsLimit => "resources.limits.pids",
            Self::CpuRequest => "resources.requests.cpu",
            Self::MemoryRequest => "resources.requests.memory",
        }
    }

    /// As a manifest writes so much of it.
    fn written(self, amount: u64) -> String {
        match self {
            Self::CpuLimit => cpus(amount),
            Self::CpuRequest => cpus_of_shares(amount),
            Self::MemoryLimit | Self::MemoryRequest => bytes(amount),
            Self::PidsLimit => amount.to_string(),
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

    fn among(self, resources: &Resources) -> Option<u64> {
        self.of(resources.limits, resources.requests.reserved())
    }
}

impl Difference {
    /// All in which a container is not as `wanted` says.
    #[must_use]
    pub fn between(has: &Details, wanted: &Resources) -> Vec<Self> {
        let of = |number: Number| {
            let is = number.of(has.limits, has.reserved);
            let wanted = number.among(wanted);
            (is != wanted).then_some(Self::Number { number, is, wanted })
        };
        let numbers = Number::ALL.into_iter().filter_map(of);
        numbers.chain(has.restarts.clone().map(Self::Restarts)).collect()
    }

    /// Whether a container still is as was found.
    #[must_use]
    pub fn is_still(&self, has: &Details) -> bool {
        match self {
            Self::Number { number, is, .. } => number.of(has.limits, has.reserved) == *is,
            Self::Restarts(policy) => has.restarts.as_ref() == Some(policy),
        }
    }

    /// Whether the engine has nothing where something is wanted: its host may lack what that takes.
    #[must_use]
    pub fn has_nothing(&self) -> bool {
        matches!(self, Self::Number { is: None, .. })
    }

    /// Whether something that the engine has is to be none: it can't take anything away.
    #[must_use]
    pub fn takes_away(&self) -> bool {
        matches!(self, Self::Number { wanted: None, .. })
    }

    /// Whether it is there because what is wanted has changed since `before` was wanted: the engine
    /// still has that. Else somebody changed what the engine has.
    #[must_use]
    pub fn is_edit(&self, before: &Resources) -> bool {
        match self {
            Self::Number { number, is, .. } => number.among(before) == *is,
            Self::Restarts(_) => false,
        }
    }

    /// As a change of a field.
    #[must_use]
    pub fn as_change(&self) -> FieldChange {
        let quoted = |value: Option<String>| value.map(|value| format!("{value:?}"));
        let (from, to) = self.values();
        FieldChange { field: self.field().to_owned(), from: quoted(from), to: quoted(to) }
    }

    fn field(&self) -> &'static str {
        match self {
            Self::Number { number, .. } => number.field(),
            Self::Restarts(_) => "the engine's restart policy",
        }
    }

    /// What is, and what is wanted.
    fn values(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::Number { number, is, wanted } => {
                let text = |amount: &Option<u64>| amount.map(|amount| number.written(amount));
                (text(is), text(wanted))
            }
            Self::Restarts(policy) => (Some(policy.clone()), Some("no".to_owned())),
        }
    }

    /// Several, for people.
    #[must_use]
    pub fn told(all: &[Self]) -> String {
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        all.join("; ")
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (is, wanted) = self.values();
        let is = is.unwrap_or_else(|| "not set".to_owned());
        write!(f, "{} is {is}, ", self.field())?;
        match (self, wanted) {
            (Self::Number { .. }, Some(wanted)) => write!(f, "the manifest says {wanted}"),
            (Self::Number { .. }, None) => f.write_str("the manifest sets none"),
            (Self::Restarts(_), wanted) => write!(f, "wanted {}", wanted.unwrap_or_default()),
        }
    }
}
