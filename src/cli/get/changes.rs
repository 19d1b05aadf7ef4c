//! `evenkeel get -w`: the tasks, and then each that changes.

use std::collections::BTreeMap;

use super::{Columns, row, table};
use crate::api::client::Client;
use crate::api::watching::Told;
use crate::cli::args::{Common, Get, ListFormat};
use crate::cli::pick::{Picked, pick, short};
use crate::cli::table::Table;
use crate::cli::{Exit, daemon, health, out};
use crate::domain::name::TaskName;
use crate::domain::status::TaskStatus;

/// Lists tasks, and goes on with those that change.
pub(super) async fn watch(common: &Common, args: &Get) -> anyhow::Result<Exit> {
    let client = Client::of(&daemon::state_dir(common)?);
    let mut watching = client.watch(None, None).await?;
    let mut shown: Option<Shown<'_>> = None;
    let mut synced = false;
    // While all tasks are told anew, what is told is only gathered.
    let mut gathered: BTreeMap<TaskName, TaskStatus> = BTreeMap::new();
    loop {
        let text = match (watching.next().await?, &mut shown) {
            (Told::Task(status), Some(shown)) if synced => shown.change(&status, None)?,
            (Told::Task(status), _) => {
                gathered.insert(status.name.clone(), *status);
                continue;
            }
            (Told::Removed(of), Some(shown)) if synced => shown.gone(&of.name)?,
            (Told::Removed(of), _) => {
                gathered.remove(&of.name);
                continue;
            }
            (Told::Reset(missed), _) if missed.tasks => {
                synced = false;
                continue;
            }
            (Told::Reset(_) | Told::Happened(_) | Told::Untold(_), _) => continue,
            (Told::Synced {}, Some(shown)) => {
                synced = true;
                shown.anew(&std::mem::take(&mut gathered))?
            }
            (Told::Synced {}, None) => {
                synced = true;
                let tasks: Vec<TaskStatus> = std::mem::take(&mut gathered).into_values().collect();
                let Picked { found, missing } =
                    pick(&tasks, &args.names, args.named.namespace.as_ref());
                for sentence in &missing {
                    out::say(&format!("error: {sentence}"));
                }
                if found.is_empty() && !missing.is_empty() {
                    return Ok(Exit::Failed);
                }
                let (begun, text) = Shown::begin(args, &found)?;
                shown = Some(begun);
                text
            }
        };
        if let Err(error) = out::raw(false, text.as_bytes()) {
            return out::unless_closed(error);
        }
    }
}

/// What was shown.
struct Shown<'a> {
    args: &'a Get,
    table: Table,
    tasks: BTreeMap<TaskName, TaskStatus>,
}

impl<'a> Shown<'a> {
    fn begin(args: &'a Get, found: &[&TaskStatus]) -> anyhow::Result<(Self, String)> {
        let mut table = table(found, &Columns::of(args));
        // `Progressing`, and mostly what is wrong.
        let least: &[usize] = if args.all_namespaces { &[9, 12, 5, 20] } else { &[12, 5, 20] };
        table.at_least(least);
        let mut shown = Self { args, table, tasks: BTreeMap::new() };
        let text = match args.output {
            ListFormat::Table | ListFormat::Wide => shown.table.text(""),
            ListFormat::Json | ListFormat::Yaml | ListFormat::Name => String::new(),
        };
        let mut each = String::new();
        for task in found {
            each += &shown.change(task, None)?;
        }
        Ok((shown, if text.is_empty() { each } else { text }))
    }

    /// What is shown of a task that is so now: nothing, where that reads as before.
    fn change(&mut self, task: &TaskStatus, word: Option<&str>) -> anyhow::Result<String> {
        if !self.is_meant(&task.name) {
            return Ok(String::new());
        }
        let with = Columns::of(self.args);
        let cells = |task: &TaskStatus, word: Option<&str>| {
            let word = word.map_or_else(|| health::word(task), str::to_owned);
            row(task, &word, &with)
        };
        let (now, before) = (cells(task, word), self.tasks.insert(task.name.clone(), task.clone()));
        Ok(match self.args.output {
            ListFormat::Table | ListFormat::Wide => {
                // Both at this moment: that time passes is no change.
                let is_same = before.is_some_and(|before| cells(&before, None) == now);
                if is_same { String::new() } else { self.table.more(now) }
            }
            ListFormat::Name => short(&task.name) + "\n",
            ListFormat::Json => serde_json::to_string(task)? + "\n",
            ListFormat::Yaml => format!("---\n{}", serde_yaml::to_string(task)?),
        })
    }

    fn gone(&mut self, name: &TaskName) -> anyhow::Result<String> {
        let Some(last) = self.tasks.remove(name) else { return Ok(String::new()) };
        let text = self.change(&last, Some("Removed"))?;
        self.tasks.remove(name);
        Ok(text)
    }

    /// What is shown where all tasks were told anew.
    fn anew(&mut self, tasks: &BTreeMap<TaskName, TaskStatus>) -> anyhow::Result<String> {
        let gone: Vec<TaskName> =
            self.tasks.keys().filter(|name| !tasks.contains_key(*name)).cloned().collect();
        let mut text = String::new();
        for name in gone {
            text += &self.gone(&name)?;
        }
        for task in tasks.values() {
            text += &self.change(task, None)?;
        }
        Ok(text)
    }

    /// Whether a task is asked for; names that were not there may come.
    fn is_meant(&self, name: &TaskName) -> bool {
        let Get { names, named, .. } = self.args;
        let namespace = named.namespace.as_ref();
        if names.is_empty() {
            return namespace.is_none_or(|meant| name.namespace == *meant);
        }
        let is = |text: &String| {
            crate::cli::pick::named(text, namespace).is_ok_and(|meant| meant == *name)
        };
        names.iter().any(is)
    }
}
