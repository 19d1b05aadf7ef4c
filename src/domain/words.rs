//! How plans, reasons and waits read: a sentence for people, a stable word for programs.

use std::fmt;

use super::by_command::ByCommand;
use super::difference::Difference;
use super::happening::Happening;
use super::loose::Holding;
use super::outcome::Cause;
use super::plan::{FieldChange, Plan, Planned, Reason, Step, StopFirst};
use super::waits::Waiting;

impl fmt::Display for Plan {
    /// One line a thing, for tests and logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.revise {
            writeln!(f, "revise")?;
        }
        if let Some(failure) = &self.refuse {
            writeln!(f, "refuse {}: {}: {}", failure.revision, failure.reason, failure.message)?;
        }
        if let Some(revision) = self.ready {
            writeln!(f, "ready {revision}")?;
        }
        for seat in &self.proven {
            writeln!(f, "proven {seat}")?;
        }
        if let Some(pull) = &self.pull {
            writeln!(f, "pull {} {:?}", pull.image, pull.policy)?;
        }
        for planned in &self.steps {
            writeln!(f, "{planned}")?;
        }
        if let Some(why) = &self.denied {
            writeln!(f, "denied: {why}")?;
        }
        for waiting in &self.waiting {
            writeln!(f, "wait: {waiting}")?;
        }
        if self.vanished {
            writeln!(f, "vanished")?;
        }
        Ok(())
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.step.name(), self.seat)?;
        match &self.step {
            Step::Begin { revision, failures: 0 } => write!(f, " revision {revision}")?,
            Step::Begin { revision, failures } => {
                write!(f, " revision {revision} failures {failures}")?;
            }
            Step::MakeVolume(volume) => write!(f, " {volume}")?,
            Step::Stop(_, grace) => write!(f, " grace {}s", grace.as_secs())?,
            _ => {}
        }
        write!(f, ": {}", self.reason)
    }
}

impl Reason {
    /// A stable CamelCase word, for metrics and events.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.happening().word()
    }

    /// What is told of what is done for this reason.
    #[must_use]
    pub fn happening(&self) -> Happening {
        match self {
            Self::Wanted => Happening::Wanted,
            Self::Resumed => Happening::Resumed,
            Self::Changed(_) => Happening::Changed,
            Self::Restart(_) => Happening::Renewed,
            Self::Ended { .. } => Happening::Restarted,
            Self::RolledBack { .. } => Happening::RolledBack,
            Self::ScaledDown(_) => Happening::ScaledDown,
            Self::Suspended(_) => Happening::Suspended,
            Self::Gone(_) => Happening::ManifestGone,
            Self::Down => Happening::Down,
            Self::Unwell(_) => Happening::ProbeFailed,
            Self::OfRemoved => Happening::OfRemovedTask,
            Self::Superseded(_) => Happening::Superseded,
            Self::MakesWay { .. } => Happening::MakesWay,
            Self::Drift(_) | Self::Differs(_) => Happening::Drift,
            Self::Edited(_) => Happening::Updated,
            Self::Because(_) => Happening::Begun,
            Self::Cleanup => Happening::Cleanup,
        }
    }

    /// The same without what the engine had to say of the end before: where that was told just now.
    #[must_use]
    pub fn in_brief(&self) -> Self {
        match self.clone() {
            Self::Ended { seat, reason, exit_code, .. } => {
                Self::Ended { seat, reason, exit_code, message: None }
            }
            other => other,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wanted => f.write_str("the manifest asks for it"),
            Self::Resumed => f.write_str("it is wanted again"),
            Self::Changed(changes) => listed(f, changes),
            Self::Edited(differing) => {
                let changes: Vec<_> = differing.iter().map(Difference::as_change).collect();
                listed(f, &changes)
            }
            Self::Restart(ByCommand { by, .. }) => {
                write!(f, "restart asked for by {by} (evenkeel restart)")
            }
            Self::Ended { seat, reason, exit_code, message } => {
                write!(f, "{seat} ended: {reason}")?;
                if let Some(code) = exit_code {
                    write!(f, ", exit code {code}")?;
                }
                match message {
                    Some(message) => write!(f, ": {message}"),
                    None => Ok(()),
                }
            }
            Self::RolledBack { from, to, message } => {
                write!(f, "revision {from} failed, back to revision {to}: {message}")
            }
            Self::ScaledDown(0) => f.write_str("none is wanted"),
            Self::ScaledDown(1) => f.write_str("only 1 is wanted"),
            Self::ScaledDown(replicas) => write!(f, "only {replicas} are wanted"),
            Self::Suspended(None) => f.write_str("the task is suspended"),
            Self::Suspended(Some(ByCommand { by, .. })) => {
                write!(f, "the task was suspended by {by} (evenkeel suspend)")
            }
            Self::Gone(place) => write!(f, "its manifest {place} is gone"),
            Self::Down => f.write_str("everything is taken down (evenkeel down)"),
            Self::Unwell(unwell) => unwell.fmt(f),
            Self::OfRemoved => f.write_str("it belongs to a task that was removed"),
            Self::Superseded(seat) => write!(f, "{seat} has taken over"),
            Self::MakesWay { seat, why } => write!(f, "{seat} can start only after it: {why}"),
            Self::Drift(what) | Self::Because(what) => f.write_str(what),
            Self::Differs(differing) => f.write_str(&Difference::told(differing)),
            Self::Cleanup => f.write_str("it has ended and is not kept"),
        }
    }
}

fn listed(f: &mut fmt::Formatter<'_>, changes: &[FieldChange]) -> fmt::Result {
    for (index, change) in changes.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{change}")?;
    }
    Ok(())
}

impl fmt::Display for StopFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mount(mount) => write!(f, "both write {mount}"),
            Self::HostPort(port) => write!(f, "both want host port {port}"),
            Self::HostNetwork => f.write_str("one of them uses the host's network"),
            Self::Job => f.write_str("a job runs once at a time"),
            Self::Recreate => f.write_str("its update strategy is Recreate"),
            Self::NoSurge => f.write_str("its update has maxSurge: 0"),
            Self::TakesOver(port, task) => {
                write!(f, "it takes host port {port} over from {task}")
            }
        }
    }
}

impl fmt::Display for FieldChange {
    /// Long values are cut to where they differ.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.field;
        match (&self.from, &self.to) {
            (None, Some(to)) => write!(f, "{field} set to {}", cut(to, 0)),
            (Some(from), None) => write!(f, "{field} removed (was {})", cut(from, 0)),
            (Some(from), Some(to)) => {
                let same = from.chars().zip(to.chars()).take_while(|(a, b)| a == b).count();
                write!(f, "{field} changed from {} to {}", cut(from, same), cut(to, same))
            }
            (None, None) => write!(f, "{field} unchanged"),
        }
    }
}

/// The longest value that is shown whole, in characters.
const WHOLE: usize = 60;

/// What is shown of a longer one before the place where it differs.
const BEFORE: usize = 16;

/// A text cut to what stands around its character number `place`.
fn cut(text: &str, place: usize) -> String {
    let length = text.chars().count();
    if length <= WHOLE {
        return text.to_owned();
    }
    let start = place.saturating_sub(BEFORE).min(length - WHOLE);
    let head = if start > 0 { "…" } else { "" };
    let tail = if start + WHOLE < length { "…" } else { "" };
    let shown: String = text.chars().skip(start).take(WHOLE).collect();
    format!("{head}{shown}{tail}")
}

impl Waiting {
    /// A stable CamelCase word: a reason of the conditions `Converged` and `Ready`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Engine(_) => "EngineUnavailable",
            Self::EngineChanged(_) => "EngineChanged",
            Self::SourceChanged(_) => "SourceChanged",
            Self::Denied(_) | Self::Retry { cause: Some(Cause::PolicyDenied), .. } => {
                "PolicyDenied"
            }
            Self::NoSharedHost(_) => "NoSharedHost",
            Self::Source
            | Self::Step(..)
            | Self::Observation(_)
            | Self::Discovery
            | Self::HostPath(_)
            | Self::Doubt(..)
            | Self::Pulling(_) => "InProgress",
            Self::PullRetry { .. } => "ImagePullFailed",
            Self::Retry { cause: Some(Cause::NotOurs), .. } => "NotOurs",
            Self::Retry { .. } => "StartError",
            Self::BackOff { .. } | Self::RestartPace(_) => "BackOff",
            Self::Port { .. }
            | Self::BusyPort(..)
            | Self::Loose { holding: Holding::Port(_), .. } => "PortConflict",
            Self::Mount { .. } | Self::Loose { holding: Holding::Mount(_), .. } => "VolumeInUse",
            Self::Unsupported(..) => "FeatureUnsupported",
            Self::Repair { .. } => "Drift",
            Self::StuckRemoving(..) => "StuckRemoving",
            Self::Readiness(_, Some(_)) => "ProbeFailed",
            Self::Manifest | Self::Proof(..) | Self::Readiness(_, None) | Self::Stopping(_) => {
                "Waiting"
            }
        }
    }

    /// What is told when this begins: that others have what is wanted, or that it can't be had.
    #[must_use]
    pub fn happening(&self) -> Option<Happening> {
        match self {
            Self::Denied(_) => Some(Happening::PolicyDenied),
            Self::StuckRemoving(..) => Some(Happening::StuckRemoving),
            Self::NoSharedHost(_) => Some(Happening::NoSharedHost),
            Self::Port { .. }
            | Self::BusyPort(..)
            | Self::Loose { holding: Holding::Port(_), .. } => Some(Happening::PortConflict),
            Self::Mount { .. } | Self::Loose { holding: Holding::Mount(_), .. } => {
                Some(Happening::VolumeInUse)
            }
            Self::Engine(_)
            | Self::EngineChanged(_)
            | Self::SourceChanged(_)
            | Self::Source
            | Self::Manifest
            | Self::HostPath(_)
            | Self::Step(..)
            | Self::Observation(_)
            | Self::Discovery
            | Self::Pulling(_)
            | Self::PullRetry { .. }
            | Self::Retry { .. }
            | Self::BackOff { .. }
            | Self::RestartPace(_)
            | Self::Repair { .. }
            | Self::Doubt(..)
            | Self::Proof(..)
            | Self::Readiness(..)
            | Self::Unsupported(..)
            | Self::Stopping(_) => None,
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(message) => write!(f, "the engine can't be asked: {message}"),
            Self::EngineChanged(change) => {
                write!(
                    f,
                    "a person's word (evenkeel approve engine): the engine is another one, {change}"
                )
            }
            Self::SourceChanged(source) => {
                write!(
                    f,
                    "a person's word (evenkeel approve source): containers of this worker were \
                     made from {source}"
                )
            }
            Self::Source => f.write_str("the source to be read: its manifest was gone"),
            Self::Manifest => f.write_str("its manifest to come back: it is just gone"),
            Self::Denied(why) => write!(f, "something that the policy allows: {why}"),
            Self::HostPath(path) => write!(f, "the host to tell where {path} leads"),
            Self::NoSharedHost(why) => write!(f, "an engine on this host: {why}"),
            Self::Step(seat, step) => write!(f, "{step} of {seat} is under way"),
            Self::Observation(seat) => write!(f, "the engine's answer about {seat}"),
            Self::Doubt(seat, _) => {
                write!(f, "whether the start of {seat} that was sent takes effect")
            }
            Self::Discovery => f.write_str("the engine's answer about a container that was found"),
            Self::Pulling(image) => write!(f, "image {image} is being pulled"),
            Self::PullRetry { image, message, .. } => {
                write!(f, "the next try to pull {image}: {message}")
            }
            Self::Retry { seat, message, .. } => write!(f, "the next try at {seat}: {message}"),
            Self::BackOff { seat, failures, .. } => {
                let plural = if *failures == 1 { "" } else { "s" };
                write!(f, "back-off before {seat} after {failures} failure{plural}")
            }
            Self::Repair { seat, before: 1, what, .. } => {
                write!(f, "the next repair of {seat}, as the one before did not last: {what}")
            }
            Self::Repair { seat, before, what, .. } => {
                write!(f, "the next repair of {seat}, as {before} before it did not last: {what}")
            }
            Self::StuckRemoving(seat, said) => {
                let said = said.as_ref().map_or_else(String::new, |said| format!(": {said}"));
                write!(
                    f,
                    "the engine to get through with the removal of {seat}, which it has been at \
                     for more than a minute{said}"
                )
            }
            Self::RestartPace(_) => f.write_str("a place among the restarts after failures"),
            Self::Port { port, task, place, leaving } => {
                let verb = if *leaving { "is leaving" } else { "has" };
                write!(f, "host port {port}, which {task} ({place}) {verb}")
            }
            Self::BusyPort(port, _) => {
                write!(f, "host port {port}, which a process that is not ours listens at")
            }
            Self::Mount { mount, task, seat } => {
                write!(f, "{mount}, which {task} {seat} still writes")
            }
            Self::Loose { holding: Holding::Port(port), container, fate } => {
                write!(f, "host port {port}, which container {container} has; {fate}")
            }
            Self::Loose { holding: Holding::Mount(mount), container, fate } => {
                write!(f, "{mount}, which container {container} still writes; {fate}")
            }
            Self::Unsupported(seat, what) => {
                write!(f, "an engine that takes it: it was told of {seat}, and still {what}")
            }
            Self::Proof(seat, _) => write!(f, "{seat} to stay up"),
            Self::Readiness(seat, None) => write!(f, "{seat} to become ready"),
            Self::Readiness(seat, Some(unwell)) => write!(f, "{seat} to become ready: {unwell}"),
            Self::Stopping(seat) => write!(f, "{seat} to stop"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::instance::{EndReason, Seat};

    #[test]
    fn a_long_value_must_be_cut_to_where_it_differs() {
        let long = |middle: &str| format!("{}{middle}{}", "a".repeat(100), "b".repeat(100));
        let change =
            FieldChange { field: "args[0]".into(), from: Some(long("ONE")), to: Some(long("TWO")) };
        let shown = change.to_string();
        assert!(shown.contains("aaaONEbbb") && shown.contains("aaaTWObbb"), "{shown}");
        assert!(shown.chars().count() < 170, "{shown}");
        let short = FieldChange { field: "image".into(), from: Some("\"a\"".into()), to: None };
        assert_eq!(short.to_string(), "image removed (was \"a\")");
    }

    #[test]
    fn in_brief_an_end_must_be_told_without_the_words_of_the_engine() {
        let message = Some("no such program".to_owned());
        let reason = EndReason::StartError;
        let ended =
            Reason::Ended { seat: Seat { slot: 0, attempt: 1 }, reason, exit_code: None, message };
        assert_eq!(ended.to_string(), "0.1 ended: StartError: no such program");
        assert_eq!(ended.in_brief().to_string(), "0.1 ended: StartError");
    }
}
