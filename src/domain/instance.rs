//! One run of a task as one container, and the states it moves through.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fingerprint::Fingerprint;
use super::name::TaskName;
use super::time::{Mono, Now, Timestamp};

/// The UUID (version 7) of an instance.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct InstanceId(pub Uuid);

/// The UUID (version 7) of a task: made when its name is first accepted, ended with its removal.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Uid(pub Uuid);

/// The full 64 hex digits of a container's id.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ContainerId(String);

impl ContainerId {
    /// Takes 64 hex digits and nothing else: a short id or a name may mean another container.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 64 && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    /// All 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12, as people know them.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The place of an instance among a task's: slot, counted from 0, and attempt, counted from 1.
///
/// Together with worker, namespace and task it is the container's name, so the engine itself
/// refuses a second one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Seat {
    /// Which of the task's replicas.
    pub slot: u16,
    /// Which try at it.
    pub attempt: u32,
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.attempt)
    }
}

/// One run of a task as one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// Its UUID.
    pub id: InstanceId,
    /// The task it is of.
    pub task: TaskName,
    /// The uid of that task.
    pub uid: Uid,
    /// Slot and attempt.
    pub seat: Seat,
    /// The number of the revision it is made from.
    pub revision: u32,
    /// What its container is made of.
    pub fingerprint: Fingerprint,
    /// Its state.
    pub state: State,
    /// Its container, once the engine has given an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerId>,
    /// The failures in its slot, one after the other, before this attempt.
    #[serde(default)]
    pub failures: u32,
    /// A start of its container was sent to the engine.
    #[serde(default)]
    pub start_sent: bool,
    /// The engine refuses it as long as its manifest is what it is.
    #[serde(default)]
    pub hopeless: bool,
    /// It was seen up for long enough to be relied on.
    #[serde(default)]
    pub proven: bool,
    /// Why it was begun, in a sentence.
    #[serde(default)]
    pub because: String,
    /// Why its end was asked for, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<String>,
    /// It is stopped because it was not well: its end is a failure.
    #[serde(default)]
    pub unwell: bool,
    /// When it was first wanted.
    pub created_at: Timestamp,
    /// When its process began, as the engine says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// The start time of the engine under which it was last seen running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_under: Option<Timestamp>,
    /// When its process ended, as the engine says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// How its process ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<EndReason>,
    /// What the engine or we have to say to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When this process of evenkeel saw its state change last. Not kept over a restart: a present
    /// wait begins anew then.
    #[serde(skip)]
    pub moved_at: Mono,
}

/// The state of an instance.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum State {
    /// Wanted; may be waiting.
    Pending,
    /// Its steps have begun.
    Scheduled,
    /// Its container was seen running.
    Running,
    /// It ended as it should.
    Completed,
    /// It ended otherwise.
    Failed,
}

impl State {
    /// Whether nothing comes after it.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }

    /// Whether an instance may go from this state to `to`: the table in the manifest's contract.
    #[must_use]
    pub fn may_become(self, to: Self) -> bool {
        match self {
            Self::Pending => to == Self::Scheduled,
            Self::Scheduled => matches!(to, Self::Scheduled | Self::Running | Self::Failed),
            Self::Running => matches!(to, Self::Running | Self::Completed | Self::Failed),
            Self::Completed | Self::Failed => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pending => "Pending",
            Self::Scheduled => "Scheduled",
            Self::Running => "Running",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
        })
    }
}

/// Why an instance ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum EndReason {
    /// By itself, with 0.
    Exited,
    /// It was no longer wanted.
    Stopped,
    /// By itself, not with 0.
    Error,
    /// The kernel ended it for its memory.
    #[serde(rename = "OOMKilled")]
    OomKilled,
    /// Its container could not be made or started.
    StartError,
    /// Its container is gone.
    Lost,
    /// It ended with the engine.
    Disrupted,
    /// It was no longer wanted before it ran.
    Cancelled,
    /// It was stopped because it was not well.
    ProbeFailed,
    /// Something that is not known had the name of its container: another attempt has another name.
    NameTaken,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Exited => "Exited",
            Self::Stopped => "Stopped",
            Self::Error => "Error",
            Self::OomKilled => "OOMKilled",
            Self::StartError => "StartError",
            Self::Lost => "Lost",
            Self::Disrupted => "Disrupted",
            Self::Cancelled => "Cancelled",
            Self::ProbeFailed => "ProbeFailed",
            Self::NameTaken => "NameTaken",
        })
    }
}

/// A move that the table of states does not allow: a bug of ours, refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an instance can't go from {from} to {to}")]
pub struct IllegalMove {
    /// The state it is in.
    pub from: State,
    /// The state it was to go to.
    pub to: State,
}

impl Instance {
    /// One that is wanted, of which nothing was made yet; for `of`, at `seat`.
    #[must_use]
    pub fn pending(id: InstanceId, of: (TaskName, Uid), seat: Seat, now: Now) -> Self {
        let (task, uid) = of;
        Self {
            id,
            task,
            uid,
            seat,
            revision: 0,
            fingerprint: Fingerprint::stored(""),
            state: State::Pending,
            container: None,
            failures: 0,
            start_sent: false,
            hopeless: false,
            proven: false,
            because: String::new(),
            stopping: None,
            unwell: false,
            created_at: now.wall,
            started_at: None,
            seen_under: None,
            finished_at: None,
            exit_code: None,
            reason: None,
            message: None,
            moved_at: now.mono,
        }
    }

    /// Moves it to `to`.
    ///
    /// # Errors
    /// If the table of states does not allow it; the instance is unchanged then.
    pub fn become_state(&mut self, to: State, now: Mono) -> Result<(), IllegalMove> {
        if !self.state.may_become(to) {
            return Err(IllegalMove { from: self.state, to });
        }
        if self.state != to {
            self.moved_at = now;
        }
        self.state = to;
        Ok(())
    }

    /// How it ended, for people: `0.1 ended: Error, exit code 3`.
    #[must_use]
    pub fn told_end(&self) -> String {
        let reason = self.reason.map_or_else(String::new, |reason| reason.to_string());
        let code = self.exit_code.map_or_else(String::new, |code| format!(", exit code {code}"));
        let text = self.message.as_ref().map_or_else(String::new, |text| format!(": {text}"));
        format!("{} ended: {reason}{code}{text}", self.seat)
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.state.is_end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [State; 5] =
        [State::Pending, State::Scheduled, State::Running, State::Completed, State::Failed];

    #[test]
    fn states_move_exactly_as_the_table_says() {
        let allowed: Vec<String> = ALL
            .into_iter()
            .flat_map(|from| ALL.into_iter().map(move |to| (from, to)))
            .filter(|(from, to)| from.may_become(*to))
            .map(|(from, to)| format!("{from}>{to}"))
            .collect();
        assert_eq!(
            allowed,
            [
                "Pending>Scheduled",
                "Scheduled>Scheduled",
                "Scheduled>Running",
                "Scheduled>Failed",
                "Running>Running",
                "Running>Completed",
                "Running>Failed",
            ]
        );
    }

    #[test]
    fn a_container_id_is_whole_or_none() {
        assert!(ContainerId::parse(&"a1".repeat(32)).is_some());
        for bad in ["", "a1b2c3d4e5f6", &"A1".repeat(32), &"g1".repeat(32)] {
            assert!(ContainerId::parse(bad).is_none(), "{bad}");
        }
    }
}
