//! What came of a `sync`: told to people, and an exit code for programs.

use std::path::Path;

use crate::cli::args::Common;
use crate::cli::pick::short;
use crate::cli::table::{Table, column};
use crate::cli::{Exit, escape, fold, health, out};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::status::{Phase, TaskStatus};
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
        for sentence in self.held(common) {
            out::say(&sentence);
        }
        let is_late = self.ended == Exit::Deadline;
        for task in self.tasks.iter().filter(|task| task.problems.is_empty()) {
            let suspended = health::suspended(task, |words| common.again(words));
            if let Some(why) = why(task, is_late).or(suspended) {
                let name = short(&task.name);
                out::say(&format!("{name} is {}: {}", health::word(task), escape::line(&why)));
            }
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

/// Why a task is not as it should be; of one that is late, what it still waits for.
fn why(task: &TaskStatus, is_late: bool) -> Option<String> {
    match health::trouble(task) {
        // That is told once for all of them.
        Some((reason, _)) if health::is_general(reason) => return None,
        Some((_, message)) => return Some(message.to_owned()),
        None => {}
    }
    let waits = task.waiting_for.first().map(|it| format!("waiting for {it}"));
    let unsettled = is_late && !task.is_settled();
    unsettled.then(|| waits.or_else(|| task.doing.first().cloned())).flatten()
}
