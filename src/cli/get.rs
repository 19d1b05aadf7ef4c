//! `evenkeel get`.

mod changes;

use serde::Serialize;

use super::age::age;
use super::args::{Common, Get, ListFormat};
use super::fold::{self, Room};
use super::pick::{Picked, pick, short};
use super::table::{Table, column};
use super::view::View;
use super::{Exit, health, out};
use crate::domain::status::TaskStatus;
use crate::domain::time::Timestamp;
use crate::worker::Clock;

/// Lists tasks.
pub async fn get(common: &Common, args: &Get) -> anyhow::Result<Exit> {
    if args.watch {
        return Box::pin(changes::watch(common, args)).await;
    }
    let view = View::open(common).await?;
    if let Some(note) = view.note() {
        out::say(note);
    }
    let Picked { found, missing } = pick(&view.tasks, &args.names, args.named.namespace.as_ref());
    let text = match args.output {
        ListFormat::Table | ListFormat::Wide => {
            if found.is_empty() && missing.is_empty() {
                out::say(&nothing(args));
                return Ok(Exit::Ok);
            }
            let with = Columns::of(args);
            if found.is_empty() { String::new() } else { table(&found, &with).text("") }
        }
        ListFormat::Name => found.iter().map(|task| short(&task.name) + "\n").collect(),
        ListFormat::Json => serde_json::to_string_pretty(&data(&found, &args.names))? + "\n",
        ListFormat::Yaml => serde_yaml::to_string(&data(&found, &args.names))?,
    };
    out::data(&text)?;
    for sentence in &missing {
        out::say(&format!("error: {sentence}"));
    }
    Ok(if missing.is_empty() { Exit::Ok } else { Exit::Failed })
}

fn nothing(args: &Get) -> String {
    match &args.named.namespace {
        Some(namespace) => format!("there are no tasks in namespace {namespace}"),
        None => {
            "there are no tasks; a manifest in the directory of the daemon makes one".to_owned()
        }
    }
}

/// Tasks for programs.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Data<'a, T> {
    /// One that was asked for by its name stands alone, as with kubectl.
    One(&'a T),
    /// What was found of several, or of all.
    List {
        /// Each.
        items: &'a [T],
    },
}

/// What was found of the tasks that were named.
pub fn data<'a, T>(found: &'a [T], names: &[String]) -> Data<'a, T> {
    match (found, names) {
        ([task], [_]) => Data::One(task),
        _ => Data::List { items: found },
    }
}

/// Which columns a table of tasks has.
struct Columns {
    wide: bool,
    namespace: bool,
    now: Timestamp,
    room: Room,
}

impl Columns {
    fn of(args: &Get) -> Self {
        let wide = args.output == ListFormat::Wide;
        Self {
            wide,
            namespace: args.all_namespaces,
            now: Clock::begin().now().wall,
            // Who asks for all gets all.
            room: if wide { None } else { fold::room() },
        }
    }
}

fn table(tasks: &[&TaskStatus], with: &Columns) -> Table {
    let mut columns = vec![
        column("NAME").cut(24),
        column("READY"),
        column("STATUS").cut(18),
        column("RESTARTS").rank(2),
        column("AGE").rank(1),
        column("IMAGE").cut(10).rank(3),
    ];
    if with.namespace {
        columns.insert(0, column("NAMESPACE"));
    }
    if with.wide {
        columns.extend([column("PORTS"), column("GENERATION"), column("SOURCE")]);
    }
    let mut table = Table::of(&columns, with.room);
    for task in tasks {
        table.row(row(task, &health::word(task), with));
    }
    table
}

/// The cells of a task that is so, in a word.
fn row(task: &TaskStatus, word: &str, with: &Columns) -> Vec<String> {
    let name = if with.namespace { task.name.name.to_string() } else { short(&task.name) };
    let mut row = vec![
        name,
        format!("{}/{}", task.ready_replicas, task.replicas),
        word.to_owned(),
        restarts(task, with.now),
        age(with.now.since(task.created_at)),
        task.image.clone(),
    ];
    if with.namespace {
        row.insert(0, task.name.namespace.to_string());
    }
    if with.wide {
        row.extend([ports(task), generation(task), task.source.to_string()]);
    }
    row
}

fn restarts(task: &TaskStatus, now: Timestamp) -> String {
    let last = task.instances.iter().filter_map(|instance| instance.finished_at).max();
    match last.filter(|_| task.restarts > 0) {
        Some(at) => format!("{} ({} ago)", task.restarts, age(now.since(at))),
        None => task.restarts.to_string(),
    }
}

fn ports(task: &TaskStatus) -> String {
    let live = task.instances.iter().filter(|instance| !instance.state.is_end());
    let mut ports: Vec<&str> = live.flat_map(|it| &it.ports).map(String::as_str).collect();
    ports.sort_unstable();
    ports.dedup();
    ports.join(",")
}

/// The generation that is wanted, and the one that runs if that is another.
#[must_use]
pub fn generation(task: &TaskStatus) -> String {
    match task.serving_generation {
        Some(serving) if serving != task.generation => {
            format!("{} ({serving} runs)", task.generation)
        }
        Some(_) | None => task.generation.to_string(),
    }
}
