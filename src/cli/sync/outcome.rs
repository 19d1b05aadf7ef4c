//! What came of a `sync`: told to people, and an exit code for programs.

use std::collections::BTreeSet;
use std::path::Path;

use crate::cli::args::Common;
use crate::cli::pick::short;
use crate::cli::table::{Table, column};
use crate::cli::{Exit, escape, fold, health, out};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::instance::State;
use crate::domain::name::TaskName;
use crate::domain::status::{ConditionType, Kind, Phase, TaskStatus};
use crate::manifest::render::{self, Colour};
use crate::worker::command::Overview;

/// What came of it.
pub struct Outcome {
    /// [`Exit::Ok`] if nothing is left to do, though it may have failed.
    pub ended: Exit,
    /// How the worker is.
    pub overview: Overview,
    /// How its tasks are.
    pub tasks: Vec<TaskStatus>,
    /// The tasks of which was not read what the files say now.
    pub unread: BTreeSet<TaskName>,
}

impl Outcome {
    /// Tells it: a table of tasks, and why what is not well is not. `dir` is the source as it was
    /// typed, so that paths can be opened from there.
    ///
    /// # Errors
    /// If the table can't be written.
    pub fn tell(&self, common: &Common, dir: &Path) -> anyhow::Result<Exit> {
        if !self.tasks.is_empty() {
            let columns = [column("NAME").cut(24), column("READY"), column("STATUS").cut(18)];
            let mut table = Table::of(&columns, fold::room());
            for task in &self.tasks {
                let ready = format!("{}/{}", task.ready_replicas, task.replicas);
                table.row([short(&task.name), ready, health::word(task)]);
            }
            out::data(&table.text(""))?;
        }
        let problems: Vec<Diagnostic> =
            self.overview.problems.iter().map(|it| escape::problem(&beneath(dir, it))).collect();
        if !problems.is_empty() {
            let room = fold::room_to_talk();
            let shown = render::people(&problems, Colour::Always, room);
            out::show(&format!("\n{}", fold::diagnostics(&shown, room)));
        }
        let suspended = self.tasks.iter().filter_map(|task| {
            let why = health::suspended(task, |words| common.again(words))?;
            Some(format!("{} is {}: {}", short(&task.name), health::word(task), escape::line(&why)))
        });
        let held = self.held(common).into_iter();
        for sentence in held.chain(self.of_tasks()).chain(suspended) {
            out::say(&sentence);
        }
        let exit = self.exit();
        match exit {
            Exit::Ok if self.tasks.is_empty() => {
                out::say("there are no manifests, so there is nothing to run");
            }
            Exit::Deadline => out::say("not everything was done in time"),
            _ => {}
        }
        Ok(exit)
    }

    /// Why tasks are not as they should be, a sentence for each; and which of them wait for what holds
    /// all of it.
    fn of_tasks(&self) -> Vec<String> {
        let is_late = self.ended == Exit::Deadline;
        let mut said = Vec::new();
        let mut held = Vec::new();
        for name in self.unread.iter().filter(|_| is_late) {
            said.push(format!("{}: what the files say of it now is not read yet", short(name)));
        }
        for task in self.tasks.iter().filter(|task| !self.unread.contains(&task.name)) {
            let late = is_late && !task.is_settled();
            // What is wrong with its manifest is shown as such.
            let trouble = health::trouble(task).filter(|_| task.problems.is_empty());
            let why = match trouble {
                Some((reason, _)) if health::is_general(reason) => {
                    held.extend(late.then(|| short(&task.name)));
                    continue;
                }
                Some((_, message)) if late => join(message, &awaited(task)),
                Some((_, message)) => message.to_owned(),
                None if late => awaited(task),
                None => continue,
            };
            let name = short(&task.name);
            said.push(format!("{name} is {}: {}", health::word(task), escape::line(&why)));
        }
        if !held.is_empty() {
            said.push(format!("waiting for that: {}", held.join(", ")));
        }
        said
    }

    /// What holds all of it.
    fn held(&self, common: &Common) -> Vec<String> {
        let worker = &self.overview;
        let mut said = Vec::new();
        if let Some(change) = &worker.engine_changed {
            said.push(format!(
                "{}: nothing was started or removed; to keep it from now on, let a daemon: {}",
                escape::line(&health::engine(change, &worker.worker)),
                common.again("approve engine")
            ));
        } else if let Some(why) = &worker.engine_unavailable {
            said.push(format!("the engine can't be asked: {}", escape::line(why)));
        }
        if let Some(source) = &worker.source_changed {
            said.push(format!(
                "containers of worker {} were made from {}: nothing was started or removed; \
                 use another --worker, or let a daemon take them over ({})",
                common.worker,
                escape::line(source),
                common.again("approve source")
            ));
        }
        if let Some(held) = &worker.prune_held {
            let names: Vec<String> = held.tasks.iter().map(short).collect();
            said.push(format!(
                "these were not removed: {}; {}",
                names.join(", "),
                escape::line(health::held(held))
            ));
        }
        if let Some(why) = &worker.db_trouble {
            said.push(format!("the state can't be written: {}", escape::line(why)));
        }
        said
    }

    fn exit(&self) -> Exit {
        if self.ended != Exit::Ok {
            return self.ended;
        }
        let worker = &self.overview;
        let is_held = worker.prune_held.is_some()
            || worker.source_changed.is_some()
            || worker.engine_changed.is_some();
        let is_well = |task: &TaskStatus| {
            let is_up = matches!(task.phase, Phase::Running | Phase::Completed | Phase::Suspended);
            is_up && health::trouble(task).is_none() && task.suspended.is_none()
        };
        let is_broken = !worker.problems.is_empty();
        if is_held || is_broken || !self.tasks.iter().all(is_well) {
            Exit::Failed
        } else {
            Exit::Ok
        }
    }
}

fn beneath(dir: &Path, problem: &Diagnostic) -> Diagnostic {
    Diagnostic { file: dir.join(&problem.file).display().to_string(), ..problem.clone() }
}

/// What a task that is not settled waits for.
fn awaited(task: &TaskStatus) -> String {
    let waits = match task.waiting_for.as_slice() {
        [] => None,
        [one] => Some(format!("waiting for {one}")),
        [first, more @ ..] => Some(format!("waiting for {first}, and {} more", more.len())),
    };
    let running = task.instances.iter().filter(|it| it.state == State::Running);
    let running: Vec<String> = running.map(|it| format!("{}.{}", it.slot, it.attempt)).collect();
    let is_run = task.kind == Kind::Job && !running.is_empty();
    let run = || is_run.then(|| format!("waiting for {} to end", running.join(", ")));
    let said = || task.condition(ConditionType::Converged).map(|it| it.message.clone());
    let first = waits.or_else(|| task.doing.first().cloned()).or_else(run).or_else(said);
    first.unwrap_or_else(|| "waiting for the first look at it".to_owned())
}

/// Both, unless the first tells the second already.
fn join(message: &str, awaited: &str) -> String {
    let what = awaited.strip_prefix("waiting for ").unwrap_or(awaited);
    if message.contains(what) { message.to_owned() } else { format!("{message}; {awaited}") }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::name::Label;

    fn task(name: &str, changes: Value) -> TaskStatus {
        let condition = |type_: &str, status: &str, reason: &str, message: &str| {
            json!({
                "type": type_, "status": status, "reason": reason, "message": message,
                "lastTransitionTime": "2026-01-31T09:30:00Z", "observedGeneration": 1,
            })
        };
        let mut status = json!({
            "name": name, "uid": uuid::Uuid::nil(), "kind": "Service", "phase": "Progressing",
            "generation": 1, "observedGeneration": 1, "replicas": 1, "readyReplicas": 0,
            "updatedReplicas": 1, "restarts": 0, "instances": [],
            "conditions": [condition("Converged", "True", "Converged", "nothing is to be done")],
            "source": {"file": "web.yaml", "line": 1}, "image": "i",
            "createdAt": "2026-01-31T09:30:00Z",
        });
        let Value::Object(changes) = changes else { panic!("{changes}") };
        for (key, value) in changes {
            match (key.as_str(), value) {
                ("crash", message) => {
                    let message = message.as_str().unwrap();
                    let ready = condition("Ready", "False", "CrashLoop", message);
                    status["conditions"].as_array_mut().unwrap().push(ready);
                }
                ("engine", message) => {
                    let message = message.as_str().unwrap();
                    let it = condition("Converged", "Unknown", "EngineUnavailable", message);
                    status["conditions"] = json!([it]);
                }
                (key, value) => status[key] = value,
            }
        }
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn at_its_deadline_each_task_that_is_not_settled_must_be_told_with_what_it_waits_for() {
        let run = |slot: u16| {
            json!({
                "id": uuid::Uuid::nil(), "slot": slot, "attempt": 1, "state": "Running",
                "ready": true, "image": "i", "revision": 1, "because": "",
            })
        };
        let tasks = vec![
            task("well", json!({"phase": "Running", "readyReplicas": 1})),
            task("slow", json!({"waitingFor": ["0.1 to stay up"]})),
            task("wide", json!({"waitingFor": ["0.1 to stay up", "1.1 to stay up"]})),
            task(
                "crash",
                json!({"crash": "0.2 ended: Error", "waitingFor": ["back-off before 0.3"]}),
            ),
            task("busy", json!({"doing": ["create 0.1: the manifest asks for it"]})),
            task("job", json!({"kind": "Job", "instances": [run(0), run(1)]})),
            task("held", json!({"engine": "the engine can't be asked: refused"})),
        ];
        let overview = json!({
            "worker": "default", "version": "0", "pid": 1, "source": "/srv", "files": 1,
            "problems": [], "goingDown": false, "tasks": 6,
        });
        let overview: Overview = serde_json::from_value(overview).unwrap();
        let told = |ended| {
            let unread = [TaskName::parse("new", &Label::default_namespace()).unwrap()].into();
            let overview = overview.clone();
            let outcome = Outcome { ended, overview, tasks: tasks.clone(), unread };
            outcome.of_tasks().join("\n")
        };
        expect_test::expect![[r"
            new: what the files say of it now is not read yet
            slow is Progressing: waiting for 0.1 to stay up
            wide is Progressing: waiting for 0.1 to stay up, and 1 more
            crash is Progressing(CrashLoop): 0.2 ended: Error; waiting for back-off before 0.3
            busy is Progressing: create 0.1: the manifest asks for it
            job is Progressing: waiting for 0.1, 1.1 to end
            waiting for that: held"]]
        .assert_eq(&told(Exit::Deadline));
        expect_test::expect!["crash is Progressing(CrashLoop): 0.2 ended: Error"]
            .assert_eq(&told(Exit::Ok));
    }
}
