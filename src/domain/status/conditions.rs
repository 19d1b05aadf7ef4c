//! What is so about a task and what is not, each with a reason.

use super::facts::{Facts, Slot};
use super::phase::is_progressing;
use super::{Condition, ConditionType, StatusInputs, TaskStatus, Truth};
use crate::domain::decide::again::failures_after;
use crate::domain::decide::job::Verdict;
use crate::domain::decide::target::Progress;
use crate::domain::desired::{Presence, Validity};
use crate::domain::instance::{EndReason, State};
use crate::domain::plan::Plan;
use crate::domain::task::Task;
use crate::domain::waits::Waiting;

/// A condition without its times.
struct Finding {
    status: Truth,
    reason: &'static str,
    message: String,
}

/// The four conditions, in the order of the manifest's contract.
pub fn conditions(
    inputs: &StatusInputs,
    facts: &Facts,
    previous: Option<&TaskStatus>,
) -> Vec<Condition> {
    let found = [
        (ConditionType::Valid, valid(inputs.validity)),
        (ConditionType::Converged, converged(inputs)),
        (ConditionType::Progressing, progressing(inputs, facts)),
        (ConditionType::Ready, ready(inputs, facts)),
    ];
    let since = |type_, status| {
        let before = previous.and_then(|previous| previous.condition(type_));
        let same = before.filter(|before| before.status == status);
        same.map_or(inputs.now.wall, |before| before.last_transition_time)
    };
    found
        .into_iter()
        .map(|(type_, finding)| Condition {
            type_,
            status: finding.status,
            reason: finding.reason.to_owned(),
            message: finding.message,
            last_transition_time: since(type_, finding.status),
            observed_generation: inputs.record.head.generation,
        })
        .collect()
}

fn is(reason: &'static str, message: impl Into<String>) -> Finding {
    Finding { status: Truth::True, reason, message: message.into() }
}

fn is_not(reason: &'static str, message: impl Into<String>) -> Finding {
    Finding { status: Truth::False, reason, message: message.into() }
}

fn valid(validity: &Validity) -> Finding {
    match validity {
        Validity::Valid => is("Accepted", "the manifest was accepted"),
        Validity::Held { reason, problems } => {
            let first = problems.first().map_or_else(String::new, ToString::to_string);
            let message = match problems.len() {
                0 | 1 => first,
                number => format!("{first}, and {} more", number - 1),
            };
            is_not(reason.word(), message)
        }
    }
}

fn converged(inputs: &StatusInputs) -> Finding {
    let plan = inputs.plan;
    if let Some(unknown) = of_engine(inputs) {
        return unknown;
    }
    // What was decided before goes on without the source.
    let stays = inputs.presence != Presence::Gone || plan.waiting.contains(&Waiting::Source);
    if let Some(message) = inputs.source_unavailable.filter(|_| stays) {
        return is_not("SourceUnavailable", message);
    }
    if let Some(message) = inputs.held {
        return is_not("PruneHeld", message);
    }
    // What somebody has to do something about comes before what goes on by itself.
    let named = [
        "SourceChanged",
        "PolicyDenied",
        "NoSharedHost",
        "NotOurs",
        "PortConflict",
        "VolumeInUse",
        "FeatureUnsupported",
        "Drift",
        "StuckRemoving",
        "ImagePullFailed",
    ];
    let blocked = named
        .into_iter()
        .find_map(|word| plan.waiting.iter().find(|waiting| waiting.word() == word));
    if let Some(waiting) = blocked {
        return is_not(waiting.word(), format!("waiting for {waiting}"));
    }
    let pull = plan.pull.as_ref().zip(inputs.record.pull_trouble.as_ref());
    if let Some((pull, trouble)) = pull {
        let message = format!("pulling {} once more: {}", pull.image, trouble.message);
        return is_not("ImagePullFailed", message);
    }
    if let Some(doing) = super::doing(plan).first() {
        return is_not("InProgress", doing.clone());
    }
    if plan.revise || plan.refuse.is_some() || plan.vanished {
        return is_not("InProgress", going_on(plan));
    }
    match plan.waiting.first() {
        Some(waiting) if waiting.word() == "InProgress" => {
            is_not("InProgress", waiting.to_string())
        }
        Some(waiting) => is_not("Waiting", format!("waiting for {waiting}")),
        None => is("Converged", nothing_to_do(plan)),
    }
}

/// Why nothing is known of containers, if that is so.
fn of_engine(inputs: &StatusInputs) -> Option<Finding> {
    let unknown = |reason, message| Finding { status: Truth::Unknown, reason, message };
    if let Some(change) = &inputs.engine.changed {
        let message = format!("the engine is another one: {change}");
        return Some(unknown("EngineChanged", message));
    }
    let message = inputs.engine.unavailable.as_ref()?;
    Some(unknown("EngineUnavailable", format!("the engine can't be asked: {message}")))
}

fn nothing_to_do(plan: &Plan) -> String {
    let left = |why| format!("; what runs is left alone, and nothing new is made of it: {why}");
    format!("nothing is to be done{}", plan.denied.as_ref().map(left).unwrap_or_default())
}

fn progressing(inputs: &StatusInputs, facts: &Facts) -> Finding {
    if let Some(suspended) = inputs.record.head.told_suspended() {
        return is_not("Paused", suspended);
    }
    if let Some(refusal) = facts.refusal {
        let message = format!("{}: {}", refusal.reason, refusal.message);
        return is_not("RolledBack", message);
    }
    if let Some((word, why)) = super::denied(inputs.plan) {
        return is_not(word, why);
    }
    let newest = inputs.record.revisions.keys().next_back().copied().unwrap_or(0);
    let given_up = |slot: &Slot| Some(format!("{}; {}", slot.told_end()?, slot.given_up.as_ref()?));
    if let Some(message) = facts.slots.iter().find_map(given_up) {
        return is_not("Failed", message);
    }
    match &facts.progress {
        Progress::Failed(failure) if failure.reason == "DeadlineExceeded" => {
            is_not("DeadlineExceeded", failure.message.clone())
        }
        // There is nothing to go back to, so it goes on.
        Progress::Failed(failure) => is("RolloutUnderWay", failure.message.clone()),
        Progress::UnderWay { .. } if facts.wanted > 0 && inputs.presence != Presence::Gone => {
            is("RolloutUnderWay", format!("revision {newest} is being rolled out"))
        }
        Progress::Over if is_progressing(inputs, facts) => {
            let kind = if inputs.record.head.task.is_job() { "a run" } else { "a start" };
            is("RolloutUnderWay", format!("{kind} is under way"))
        }
        Progress::UnderWay { .. } | Progress::Over => {
            is_not("Complete", format!("revision {newest} is rolled out"))
        }
    }
}

fn ready(inputs: &StatusInputs, facts: &Facts) -> Finding {
    let task = &inputs.record.head.task;
    if let Some(unknown) = of_engine(inputs) {
        return unknown;
    }
    if inputs.presence == Presence::Gone {
        let down = "everything is taken down (evenkeel down)";
        return is_not("Stopped", if inputs.going_down { down } else { "its manifest is gone" });
    }
    if let Some(suspended) = inputs.record.head.told_suspended() {
        return is_not("Stopped", suspended);
    }
    let is_fine = |slot: &&Slot| slot.ready || slot.verdict == Some(Verdict::Done);
    let worst = facts.slots.iter().find(|slot| !is_fine(slot) && slot.given_up.is_some());
    let Some(slot) = worst.or_else(|| facts.slots.iter().find(|slot| !is_fine(slot))) else {
        let is_over = facts.wanted > 0 && facts.slots.iter().all(|slot| !slot.ready);
        return if is_over {
            is("Completed", "all that was to run has run")
        } else {
            is("Ready", format!("{} of {} ready", facts.ready, facts.wanted))
        };
    };
    let (reason, why) = not_ready(inputs, task, slot);
    is_not(reason, format!("{} of {} ready: {why}", facts.ready, facts.wanted))
}

/// Why a slot has no ready instance.
fn not_ready(inputs: &StatusInputs, task: &Task, slot: &Slot) -> (&'static str, String) {
    let waits = || inputs.plan.waiting.iter();
    let unwell = slot.live.and_then(|live| {
        let health = inputs.record.health.get(&live.seat);
        health.and_then(|health| health.said.as_ref()).filter(|_| live.state == State::Running)
    });
    if let Some((word, why)) = super::denied(inputs.plan) {
        return (word, why.to_owned());
    }
    if let Some(trouble) = &inputs.record.pull_trouble {
        return ("ImagePullFailed", trouble.message.clone());
    }
    let seat = slot.live.map(|instance| instance.seat);
    if let Some(trouble) = seat.and_then(|seat| inputs.record.troubles.get(&seat)) {
        return ("StartError", trouble.message.clone());
    }
    if let Some(unwell) = unwell {
        return ("ProbeFailed", unwell.to_string());
    }
    let pace = waits().find(|waiting| matches!(waiting, Waiting::RestartPace(_)));
    let ended = slot.ended.filter(|last| slot.live.is_none_or(|live| live.seat > last.seat));
    let of_end = match (ended, slot.ran) {
        (Some(last), _) => {
            last.reason.and_then(|reason| of_end(slot, reason, failures_after(task, last)))
        }
        (None, Some(run)) => of_end(slot, run.reason.unwrap_or(EndReason::Lost), 1),
        (None, None) => None,
    };
    match (of_end, pace) {
        (Some(of_end), _) => of_end,
        (None, Some(pace)) => ("BackOff", pace.to_string()),
        (None, None) => ("Starting", going_on(inputs.plan)),
    }
}

/// What the end before, which made so many failures in a row, says of a slot that has no ready
/// instance.
fn of_end(slot: &Slot, reason: EndReason, failures: u32) -> Option<(&'static str, String)> {
    let word = match reason {
        EndReason::OomKilled => "OOMKilled",
        EndReason::StartError => "StartError",
        EndReason::Lost => "Lost",
        EndReason::Disrupted => "Disrupted",
        EndReason::ProbeFailed => "ProbeFailed",
        EndReason::Stopped if slot.given_up.is_some() => "Stopped",
        EndReason::Exited | EndReason::Error => {
            // The first may happen to anybody.
            if slot.given_up.is_some() || failures > 1 { "CrashLoop" } else { "BackOff" }
        }
        EndReason::Stopped | EndReason::Cancelled | EndReason::NameTaken => return None,
    };
    let given_up = slot.given_up.as_ref().map_or_else(String::new, |why| format!("; {why}"));
    Some((word, format!("{}{given_up}", slot.told_end()?)))
}

fn going_on(plan: &Plan) -> String {
    let doing = super::doing(plan).into_iter().next();
    let waiting = || plan.waiting.first().map(|waiting| format!("waiting for {waiting}"));
    let begins = || plan.revise.then(|| "a rollout begins".to_owned());
    let next = || "the next look is due".to_owned();
    doing.or_else(waiting).or_else(begins).unwrap_or_else(next)
}
