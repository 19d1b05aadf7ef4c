//! `evenkeel wait`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::args::{Common, Wait, WaitFor};
use super::following::{Following, Turn};
use super::pick::{named, short, unknown};
use super::reading::Standing;
use super::{Exit, daemon, escape, health, out};
use crate::api::client::Client;
use crate::domain::name::TaskName;
use crate::domain::status::{ConditionType, Kind, Phase, TaskStatus, Truth};
use crate::domain::time::Timestamp;

const GONE: &str = "its manifest is gone";

/// Waits until tasks are as is asked, or can't become so.
pub async fn wait(common: &Common, args: &Wait) -> anyhow::Result<Exit> {
    let client = Client::of(&daemon::state_dir(common)?);
    let mut goals = BTreeMap::new();
    for name in &args.names {
        goals.insert(named(name, args.named.namespace.as_ref())?, args.goal);
    }
    let mut waiting = Waiting::begin(&client, goals, args.timeout).await?;
    waiting.drop_unknown().await?;
    waiting.end(&is_so).await
}

/// Waits until each task is as is asked of it, or can't become so; tells of each with `told`.
///
/// # Errors
/// If the daemon does not answer.
pub async fn all(
    client: &Client,
    goals: BTreeMap<TaskName, WaitFor>,
    timeout: Duration,
    told: &dyn Fn(&TaskName, WaitFor) -> String,
) -> anyhow::Result<Exit> {
    if goals.is_empty() {
        return Ok(Exit::Ok);
    }
    Waiting::begin(client, goals, timeout).await?.end(told).await
}

/// That a task is as is asked of it.
pub fn is_so(name: &TaskName, goal: WaitFor) -> String {
    format!("{} is {}", short(name), word(goal))
}

/// Tasks that are waited for.
struct Waiting<'a> {
    client: &'a Client,
    goals: BTreeMap<TaskName, WaitFor>,
    /// Those that are not as is asked yet.
    open: BTreeSet<TaskName>,
    failed: bool,
    timeout: Duration,
    following: Following<'a>,
}

impl<'a> Waiting<'a> {
    async fn begin(
        client: &'a Client,
        goals: BTreeMap<TaskName, WaitFor>,
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        let open: BTreeSet<TaskName> = goals.keys().cloned().collect();
        // Of one task nothing else has to be told.
        let only = open.first().filter(|_| open.len() == 1);
        let following = Following::begin(client, &open, only, timeout).await?;
        Ok(Self { client, goals, open, failed: false, timeout, following })
    }

    /// Tells of those that there are not, and never were.
    async fn drop_unknown(&mut self) -> anyhow::Result<()> {
        self.following.look(&self.open).await?;
        for (name, goal) in &self.goals {
            // A file that asks for it may have been saved just now.
            let standing = self.following.standing(name);
            if matches!(standing, Standing::Unread | Standing::Refused(_)) {
                continue;
            }
            if let Some(why) = self.why_unknown(name, *goal).await? {
                out::say(&format!("error: {why}"));
                self.open.remove(name);
                self.failed = true;
            }
        }
        Ok(())
    }

    /// Why there is nothing to wait for: no such task is there, nor ever was.
    async fn why_unknown(&self, name: &TaskName, goal: WaitFor) -> anyhow::Result<Option<String>> {
        if self.following.tasks.contains_key(name) {
            return Ok(None);
        }
        if goal == WaitFor::Deleted && !self.client.events(Some(name), 1).await?.is_empty() {
            return Ok(None);
        }
        Ok(Some(unknown(name, &self.client.tasks().await?)))
    }

    async fn end(mut self, told: &dyn Fn(&TaskName, WaitFor) -> String) -> anyhow::Result<Exit> {
        loop {
            self.following.look(&self.open).await?;
            self.judge(told)?;
            if self.open.is_empty() {
                return Ok(if self.failed { Exit::Failed } else { Exit::Ok });
            }
            if self.failed {
                // What is left can't make it good again.
                return Ok(Exit::Failed);
            }
            if matches!(self.following.turn(&self.open).await?, Turn::Late) {
                break;
            }
        }
        for name in &self.open {
            let (goal, shown) = (word(self.goals[name]), short(name));
            let task = self.following.tasks.get(name);
            let how = match self.following.standing(name) {
                Standing::Unread => "; what its file says now is not read yet".to_owned(),
                _ => task.map_or_else(String::new, how),
            };
            let (timeout, how) = (self.timeout, escape::line(&how));
            out::say(&format!("{shown} is not {goal} after {timeout:?}{how}"));
        }
        Ok(Exit::Deadline)
    }

    /// Tells of those that are as is asked, and of those that can't become so.
    fn judge(&mut self, told: &dyn Fn(&TaskName, WaitFor) -> String) -> anyhow::Result<()> {
        for name in self.open.clone() {
            let (task, goal) = (self.following.tasks.get(&name), self.goals[&name]);
            match verdict_on(self.following.standing(&name), goal, task) {
                Verdict::So => {
                    out::line(&told(&name, goal))?;
                }
                Verdict::Never(why) => {
                    let (name, goal) = (short(&name), word(goal));
                    out::say(&format!("{name} can't become {goal}: {}", escape::line(&why)));
                    self.failed = true;
                }
                Verdict::NotYet => continue,
            }
            self.open.remove(&name);
        }
        Ok(())
    }
}

fn word(goal: WaitFor) -> &'static str {
    match goal {
        WaitFor::Ready => "Ready",
        WaitFor::Completed => "Completed",
        WaitFor::Deleted => "Deleted",
        WaitFor::Restarted(_) => "Restarted",
    }
}

/// How a task is, for who waited in vain.
fn how(task: &TaskStatus) -> String {
    let trouble = health::trouble(task).map(|(_, message)| message.to_owned());
    let waits = || task.waiting_for.first().map(|it| format!("waiting for {it}"));
    let why = trouble.or_else(waits).or_else(|| task.doing.first().cloned());
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    format!("; it is {}{why}", health::word(task))
}

/// Whether a task is as is asked.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    So,
    NotYet,
    /// It can't become so by itself, and why.
    Never(String),
}

/// The verdict on what is told of a task, if that is of what its file says.
fn verdict_on(standing: &Standing, goal: WaitFor, task: Option<&TaskStatus>) -> Verdict {
    match standing {
        // What is restarted is what runs, whatever its file says now.
        _ if matches!(goal, WaitFor::Restarted(_)) => verdict(goal, task),
        Standing::Unread => Verdict::NotYet,
        Standing::Refused(why) if goal != WaitFor::Deleted => {
            Verdict::Never(format!("its manifest is not accepted: {why}"))
        }
        Standing::Gone if goal != WaitFor::Deleted => Verdict::Never(GONE.to_owned()),
        Standing::Refused(_)
        | Standing::Gone
        | Standing::Unknown
        | Standing::Read(..)
        | Standing::Any => verdict(goal, task),
    }
}

fn verdict(goal: WaitFor, task: Option<&TaskStatus>) -> Verdict {
    let never = |why: &str| Verdict::Never(why.to_owned());
    let task = match (goal, task) {
        (WaitFor::Deleted, None) => return Verdict::So,
        (WaitFor::Deleted, Some(_)) => return Verdict::NotYet,
        (_, None) => return never("it was removed"),
        (_, Some(task)) => task,
    };
    match task.phase {
        Phase::Stopping => return never(GONE),
        Phase::Failed => {
            let ready = task.condition(ConditionType::Ready);
            return never(ready.map_or("it has failed", |it| &it.message));
        }
        _ => {}
    }
    if let WaitFor::Restarted(at) = goal {
        return restarted(at, task);
    }
    if let Some(refusal) = &task.refused {
        return Verdict::Never(format!(
            "generation {} was refused: {}",
            refusal.generation, refusal.message
        ));
    }
    match (goal, task.phase, task.kind) {
        (WaitFor::Completed, _, Kind::Service) => never("it is a service, which has no end"),
        (WaitFor::Completed, Phase::Completed, Kind::Job) => Verdict::So,
        (_, Phase::Suspended, _) => {
            let by = task.suspended.as_ref().map(|it| format!(" {it} (evenkeel suspend)"));
            Verdict::Never(format!("it is suspended{}", by.unwrap_or_default()))
        }
        (WaitFor::Ready, Phase::Completed, _) => never("it is a job that has completed"),
        (WaitFor::Ready, ..) if is_ready(task) => Verdict::So,
        (WaitFor::Ready | WaitFor::Completed | WaitFor::Deleted | WaitFor::Restarted(_), ..) => {
            Verdict::NotYet
        }
    }
}

/// Whether the restart that was asked for `at` that time has come to its end. What was refused before
/// is no matter: what was gone back to then is what is restarted.
fn restarted(at: Timestamp, task: &TaskStatus) -> Verdict {
    let failed = task.refused.as_ref().filter(|refusal| refusal.at >= at);
    let is_new = task.refused.is_some() || task.updated_replicas >= task.replicas;
    let is_ready =
        || task.condition(ConditionType::Ready).is_some_and(|it| it.status == Truth::True);
    match (failed, task.phase) {
        (Some(failed), _) => Verdict::Never(failed.message.clone()),
        (None, Phase::Suspended) => Verdict::Never("it is suspended".to_owned()),
        (None, Phase::Running) if is_new && is_ready() => Verdict::So,
        (None, _) => Verdict::NotYet,
    }
}

fn is_ready(task: &TaskStatus) -> bool {
    let is = |type_, truth| task.condition(type_).is_some_and(|it| it.status == truth);
    // A job that runs is ready though its run is under way.
    let is_over = task.kind == Kind::Job || is(ConditionType::Progressing, Truth::False);
    let is_new = task.updated_replicas >= task.replicas
        && task.serving_generation.is_none_or(|serving| serving == task.generation);
    is(ConditionType::Ready, Truth::True) && is_over && is_new
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn task(changes: &Value) -> TaskStatus {
        let condition = |type_: &str, status: &str| {
            json!({
                "type": type_, "status": status, "reason": "R", "message": "0.3 ended: Error",
                "lastTransitionTime": "2026-01-31T09:30:00Z", "observedGeneration": 1,
            })
        };
        let mut status = json!({
            "name": "web", "uid": uuid::Uuid::nil(), "kind": "Service", "phase": "Running",
            "generation": 2, "observedGeneration": 2, "servingGeneration": 2, "replicas": 1,
            "readyReplicas": 1, "updatedReplicas": 1, "restarts": 0, "instances": [],
            "conditions": [condition("Ready", "True"), condition("Progressing", "False")],
            "source": {"file": "web.yaml", "line": 1}, "image": "i",
            "createdAt": "2026-01-31T09:30:00Z",
        });
        for (key, value) in changes.as_object().unwrap() {
            match key.as_str() {
                "ready" => status["conditions"][0]["status"] = value.clone(),
                "progressing" => status["conditions"][1]["status"] = value.clone(),
                _ => status[key] = value.clone(),
            }
        }
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn a_wait_must_end_when_it_is_so_or_can_not_become_so() {
        let refused = json!({
            "generation": 2, "revision": 2, "reason": "CrashLoop", "message": "0.3 ended: Error",
            "at": "2026-01-31T09:30:00Z",
        });
        let table = [
            (json!({}), "so", "service"),
            (json!({"ready": "False"}), "not yet", "service"),
            (json!({"progressing": "True"}), "not yet", "service"),
            (json!({"servingGeneration": 1}), "not yet", "service"),
            (json!({"updatedReplicas": 0}), "not yet", "service"),
            (json!({"refused": refused}), "generation 2 was refused: 0.3", "generation 2 was"),
            (json!({"phase": "Failed", "ready": "False"}), "0.3 ended", "0.3 ended"),
            (json!({"phase": "Suspended"}), "suspended", "service"),
            (json!({"phase": "Stopping"}), "manifest is gone", "manifest is gone"),
            (json!({"kind": "Job", "phase": "Completed"}), "has completed", "so"),
            (
                json!({"kind": "Job", "phase": "Progressing", "progressing": "True"}),
                "so",
                "not yet",
            ),
            (json!({"kind": "Job", "phase": "Suspended"}), "suspended", "suspended"),
        ];
        for (changes, ready, completed) in table {
            let task = task(&changes);
            for (goal, wanted) in [(WaitFor::Ready, ready), (WaitFor::Completed, completed)] {
                let is = match verdict(goal, Some(&task)) {
                    Verdict::So => "so".to_owned(),
                    Verdict::NotYet => "not yet".to_owned(),
                    Verdict::Never(why) => why,
                };
                assert!(is.contains(wanted), "{goal:?} of {changes}: {is}");
            }
            assert_eq!(verdict(WaitFor::Deleted, Some(&task)), Verdict::NotYet);
        }
        assert_eq!(verdict(WaitFor::Deleted, None), Verdict::So);
        assert!(matches!(verdict(WaitFor::Ready, None), Verdict::Never(_)));
    }

    #[test]
    fn a_wait_for_a_restart_must_end_with_it_whatever_was_refused_before() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let goal = WaitFor::Restarted(at("2026-01-31T09:30:00Z"));
        let refused = |at: &str| json!({"generation": 2, "revision": 2, "reason": "CrashLoop", "message": "0.3 ended: Error", "at": at});
        let earlier = refused("2026-01-31T09:29:59Z");
        let later = refused("2026-01-31T09:30:01Z");
        let never = || Verdict::Never("0.3 ended: Error".to_owned());
        for (changes, wanted) in [
            (json!({}), Verdict::So),
            (json!({"ready": "False"}), Verdict::NotYet),
            (json!({"phase": "Progressing"}), Verdict::NotYet),
            (json!({"updatedReplicas": 0}), Verdict::NotYet),
            (
                json!({"refused": earlier, "updatedReplicas": 0, "servingGeneration": 1}),
                Verdict::So,
            ),
            (json!({"refused": earlier, "phase": "Progressing"}), Verdict::NotYet),
            (json!({"refused": later}), never()),
        ] {
            let standing = Standing::Refused("broken".to_owned());
            assert_eq!(verdict_on(&standing, goal, Some(&task(&changes))), wanted, "{changes}");
        }
    }
}
