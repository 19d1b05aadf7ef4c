//! What a person asks of a task by command, beside what its manifest asks: it holds until a person
//! takes it back, or the task is removed.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decide::in_force;
use super::event::Note;
use super::fingerprint::{CURRENT_SCHEME, Fingerprint};
use super::happening::Happening;
use super::name::typed;
use super::plan::Reason;
use super::record::{Record, Restart};
use super::time::{Mono, Timestamp};

/// The longest name of a person that is kept, in characters.
const LONGEST: usize = 64;

/// Who is told of where nobody says who asks.
const SOMEBODY: &str = "somebody";

/// Who asked for something by command, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ByCommand {
    /// Who, as they say themselves: all who can ask have the same rights.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl ByCommand {
    /// Somebody asks `at` that time; `by`: who they say they are.
    #[must_use]
    pub fn asked(by: Option<&str>, at: Timestamp) -> Self {
        let by = by.map(str::trim).filter(|by| !by.is_empty()).unwrap_or(SOMEBODY);
        Self { by: by.chars().take(LONGEST).collect(), at }
    }
}

impl fmt::Display for ByCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, at } = self;
        write!(f, "by {by} at {at}")
    }
}

/// Suspends a task, whatever its manifest says. `None`: somebody did so before.
#[must_use]
pub fn suspend(record: &mut Record, asked: &ByCommand) -> Option<Note> {
    let head = &mut record.head;
    if head.suspended.is_some() {
        return None;
    }
    let message = format!(
        "suspended by {} (evenkeel suspend); undo with: evenkeel resume {}",
        asked.by,
        typed(&head.name)
    );
    head.suspended = Some(asked.clone());
    Some(Note::normal(None, Happening::SuspendAsked, message))
}

/// Takes back that a task was suspended by command. `None`: nobody did so. A rollout that was under
/// way has all of its time again.
#[must_use]
pub fn resume(record: &mut Record, asked: &ByCommand, now: Mono) -> Option<Note> {
    let head = &mut record.head;
    head.suspended.take()?;
    record.progressed_at = now;
    let still = if head.task.suspend {
        format!("; its manifest {} still suspends it", head.place)
    } else {
        String::new()
    };
    let message = format!("resumed by {} (evenkeel resume){still}", asked.by);
    Some(Note::normal(None, Happening::ResumeAsked, message))
}

/// Has all instances of a service replaced by new ones, as its update strategy says. Where a restart
/// before had failed, it is tried again.
///
/// # Errors
/// If there is nothing to replace; why, in a sentence.
pub fn restart(record: &mut Record, asked: &ByCommand) -> Result<Note, String> {
    let head = &record.head;
    let name = typed(&head.name);
    if head.task.is_job() {
        return Err(format!(
            "{name} is a job, which is not restarted: it runs to its end, and again when its \
             manifest {} changes",
            head.place
        ));
    }
    if let Some(suspended) = head.told_suspended() {
        return Err(format!("nothing of {name} runs: {suspended}"));
    }
    if head.task.replicas == 0 {
        return Err(format!(
            "nothing of {name} runs: its manifest {} says replicas: 0",
            head.place
        ));
    }
    let number = head.last_restart() + 1;
    if Fingerprint::of(in_force(record), CURRENT_SCHEME).matches(&head.task) {
        record.head.refused = None;
    }
    record.head.restart = Some(Restart { number, asked: asked.clone() });
    let message = Reason::Restart(asked.clone()).to_string();
    Ok(Note::normal(None, Happening::RestartAsked, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_must_be_told_by_their_name_or_as_somebody() {
        let at = Timestamp::from_millis(0);
        let told = |by| ByCommand::asked(by, at).to_string();
        assert_eq!(told(Some(" alice ")), "by alice at 1970-01-01T00:00:00.000Z");
        for none in [None, Some(""), Some(" ")] {
            assert_eq!(told(none), "by somebody at 1970-01-01T00:00:00.000Z");
        }
        let long = "ä".repeat(1000);
        assert_eq!(ByCommand::asked(Some(&long), at).by.chars().count(), 64);
    }
}
