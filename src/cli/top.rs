//! `evenkeel top`.
//!
//! What was used of a CPU is the difference of two readings; the daemon keeps none, so it is asked
//! twice.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::time::Duration;

use serde::Serialize;

use super::amount::{bytes, cpus, share};
use super::args::{Common, ListFormat, SortBy, Top};
use super::fold::{self, Room};
use super::pick::{Picked, pick, short};
use super::table::{Table, column};
use super::{Exit, daemon, out};
use crate::api::client::{Client, ClientError};
use crate::api::measure::InstanceUsage;
use crate::domain::name::TaskName;
use crate::domain::usage::Traffic;

/// How long what is shown is measured.
const WINDOW: Duration = Duration::from_secs(1);

/// Clears a terminal and goes to its beginning.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Tells what instances use.
pub async fn top(common: &Common, args: &Top) -> anyhow::Result<Exit> {
    let client = Client::of(&daemon::state_dir(common)?);
    let tasks = client.tasks().await?;
    let Picked { found, missing } = pick(&tasks, &args.names, args.named.namespace.as_ref());
    for sentence in &missing {
        out::say(&format!("error: {sentence}"));
    }
    if found.is_empty() && !missing.is_empty() {
        return Ok(Exit::Failed);
    }
    // With names only those; without, what comes later too.
    let only: BTreeSet<TaskName> = found.iter().map(|task| task.name.clone()).collect();
    let is_meant = |it: &InstanceUsage| match &args.named.namespace {
        _ if !args.names.is_empty() => only.contains(&it.task),
        Some(namespace) => it.task.namespace == *namespace,
        None => true,
    };
    let mut before = read(&client).await?;
    let clears = args.watch && std::io::stdout().is_terminal();
    loop {
        tokio::time::sleep(WINDOW).await;
        let now = match read(&client).await {
            Err(ClientError::NoDaemon(_)) if args.watch => return Err(ClientError::Ended.into()),
            read => read?,
        };
        let used = used(&before, &now, is_meant, args.sort_by);
        if used.is_empty() && !args.watch {
            out::say("nothing runs that is meant, or the engine does not tell what it uses");
        }
        let text = written(&used, args)?;
        let text = if clears { format!("{CLEAR}{text}") } else { text };
        if let Err(error) = out::raw(false, text.as_bytes()) {
            return out::unless_closed(error);
        }
        before = now;
        if !args.watch {
            return Ok(if missing.is_empty() { Exit::Ok } else { Exit::Failed });
        }
    }
}

/// What instances had used, by who they are.
type Reading = BTreeMap<(TaskName, u16, u32), InstanceUsage>;

async fn read(client: &Client) -> Result<Reading, ClientError> {
    let told = client.usage().await?;
    Ok(told.into_iter().map(|it| ((it.task.clone(), it.slot, it.attempt), it)).collect())
}

/// What an instance uses.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Used {
    /// CPUs; `None`: it was not there before.
    cpus: Option<f64>,
    #[serde(flatten)]
    told: InstanceUsage,
}

fn used(
    before: &Reading,
    now: &Reading,
    is_meant: impl Fn(&InstanceUsage) -> bool,
    sort_by: SortBy,
) -> Vec<Used> {
    let meant = now.iter().filter(|(_, told)| is_meant(told));
    let mut used: Vec<Used> = meant
        .map(|(who, told)| {
            let cpus = before.get(who).and_then(|before| cpus_between(before, told));
            Used { cpus, told: told.clone() }
        })
        .collect();
    let traffic = |traffic: Option<Traffic>| {
        let Traffic { in_bytes, out_bytes } = traffic.unwrap_or_default();
        in_bytes.saturating_add(out_bytes)
    };
    let rank = |it: &Used| match sort_by {
        SortBy::Cpu => it.cpus.unwrap_or_default(),
        SortBy::Memory => number(it.told.usage.memory_bytes),
        SortBy::Network => number(traffic(it.told.usage.network)),
        SortBy::Block => number(traffic(Some(it.told.usage.block))),
        SortBy::Name => 0.0,
    };
    // The most comes first; of what is the same the order by name stays.
    used.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
    used
}

/// How many CPUs were used from one reading to another.
fn cpus_between(before: &InstanceUsage, now: &InstanceUsage) -> Option<f64> {
    let spent = now.usage.cpu_nanos.checked_sub(before.usage.cpu_nanos)?;
    let passed = now.usage.read_at.since(before.usage.read_at);
    let spent = Duration::from_nanos(spent).as_secs_f64();
    (!passed.is_zero()).then(|| spent / passed.as_secs_f64())
}

fn written(used: &[Used], args: &Top) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct List<'a> {
        items: &'a [Used],
    }
    let list = List { items: used };
    Ok(match args.output {
        ListFormat::Table | ListFormat::Wide if used.is_empty() => String::new(),
        ListFormat::Table => table(used, false, fold::room()).text(""),
        // Who asks for all gets all.
        ListFormat::Wide => table(used, true, None).text(""),
        ListFormat::Json if args.watch => serde_json::to_string(&list)? + "\n",
        ListFormat::Json => serde_json::to_string_pretty(&list)? + "\n",
        ListFormat::Yaml if args.watch => format!("---\n{}", serde_yaml::to_string(&list)?),
        ListFormat::Yaml => serde_yaml::to_string(&list)?,
        ListFormat::Name => names(used),
    })
}

/// Each task once, in the order of its first instance.
fn names(used: &[Used]) -> String {
    let mut seen = BTreeSet::new();
    let first = used.iter().filter(|it| seen.insert(&it.told.task));
    first.map(|it| short(&it.told.task) + "\n").collect()
}

fn table(used: &[Used], wide: bool, room: Room) -> Table {
    let mut columns = vec![
        column("NAME").cut(16),
        column("INSTANCE"),
        column("CPU"),
        column("MEMORY"),
        column("NET I/O").rank(1),
        column("BLOCK I/O").rank(2),
    ];
    if wide {
        columns.extend([column("CPU%"), column("MEMORY%")]);
    }
    let mut table = Table::of(&columns, room);
    for it in used {
        table.row(row(it, wide));
    }
    table
}

fn row(used: &Used, wide: bool) -> Vec<String> {
    let Used { cpus: of_cpus, told } = used;
    let InstanceUsage { task, slot, attempt, memory_limit_bytes, usage } = told;
    let traffic = |it: Traffic| format!("{}/{}", bytes(it.in_bytes), bytes(it.out_bytes));
    let memory = bytes(usage.memory_bytes);
    let mut row = vec![
        short(task),
        format!("{slot}.{attempt}"),
        of_cpus.map(cpus).unwrap_or_default(),
        memory_limit_bytes
            .map_or_else(|| memory.clone(), |limit| format!("{memory}/{}", bytes(limit))),
        usage.network.map(traffic).unwrap_or_default(),
        traffic(usage.block),
    ];
    if wide {
        row.push(of_cpus.map(share).unwrap_or_default());
        row.push(memory_limit_bytes.map(|all| part(usage.memory_bytes, all)).unwrap_or_default());
    }
    row
}

fn part(of: u64, all: u64) -> String {
    share(number(of) / number(all.max(1)))
}

#[expect(clippy::cast_precision_loss, reason = "what is shown is rounded anyway")]
fn number(whole: u64) -> f64 {
    whole as f64
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::domain::time::Timestamp;
    use crate::domain::usage::Usage;

    /// A reading at a second, of (name, attempt, CPU time in ms, memory).
    fn reading(second: i64, all: &[(&str, u32, u64, u64)]) -> Reading {
        let one = |&(name, attempt, millis, memory): &(&str, u32, u64, u64)| {
            let task: TaskName = format!("default/{name}").try_into().unwrap();
            let usage = Usage {
                read_at: Timestamp::from_millis(second * 1000),
                cpu_nanos: millis * 1_000_000,
                memory_bytes: memory,
                network: (name != "host").then_some(Traffic { in_bytes: 2048, out_bytes: 5 }),
                block: Traffic { in_bytes: 0, out_bytes: memory },
            };
            let memory_limit_bytes = (name == "web").then_some(64 << 20);
            let told =
                InstanceUsage { task: task.clone(), slot: 0, attempt, memory_limit_bytes, usage };
            ((task, 0, attempt), told)
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn what_is_used_must_be_shown_by_cpu_the_most_first() {
        let before = reading(0, &[("db", 1, 100, 0), ("host", 1, 0, 0), ("web", 1, 5000, 0)]);
        let now = reading(
            2,
            &[
                ("db", 1, 350, 3 << 20),
                ("host", 1, 2, 100 << 20),
                ("web", 1, 8000, 16 << 20),
                ("web", 2, 9000, 1 << 20),
            ],
        );
        let by = |sort_by| used(&before, &now, |_| true, sort_by);
        expect![[r"
            NAME   INSTANCE   CPU     MEMORY       NET I/O    BLOCK I/O   CPU%     MEMORY%
            web    0.1        1500m   16Mi/64Mi    2.0Ki/5B   0B/16Mi     150.0%   25.0%
            db     0.1        125m    3.0Mi        2.0Ki/5B   0B/3.0Mi    12.5%    -
            host   0.1        1m      100Mi        -          0B/100Mi    0.1%     -
            web    0.2        -       1.0Mi/64Mi   2.0Ki/5B   0B/1.0Mi    -        1.6%
        "]]
        .assert_eq(&table(&by(SortBy::Cpu), true, None).text(""));
        assert_eq!(names(&by(SortBy::Memory)), "host\nweb\ndb\n");
        assert_eq!(names(&by(SortBy::Network)), "db\nweb\nhost\n");
        assert_eq!(names(&by(SortBy::Name)), "db\nhost\nweb\n");
        let one = used(&before, &now, |it| it.attempt == 2, SortBy::Cpu);
        let one = serde_json::to_value(&one).unwrap();
        assert_eq!((&one[0]["cpus"], &one[0]["task"]), (&().into(), &"default/web".into()));
        assert_eq!(one[0]["memoryLimitBytes"], 64 << 20);
    }
}
