//! `evenkeel events`.

use std::io;

use serde_json::json;

use super::age::age;
use super::args::{Common, EventFormat, Events};
use super::pick::{named, short, unknown};
use super::table::{Table, column, sentences};
use super::view::{Teller, View};
use super::{Exit, fold, out};
use crate::api::Numbered;
use crate::api::client::ClientError;
use crate::api::watching::{Missed, Told, Untold};
use crate::domain::name::TaskName;
use crate::domain::time::Timestamp;
use crate::worker::Clock;

/// Lists what happened, and goes on if that is asked for.
pub async fn events(common: &Common, args: &Events) -> anyhow::Result<Exit> {
    let view = View::open(common).await?;
    if let Some(note) = view.note().filter(|_| !args.follow) {
        out::say(note);
    }
    let namespace = args.named.namespace.as_ref();
    let only = args.name.as_ref().map(|name| named(name, namespace)).transpose()?;
    // Listened to before it is listed, so that nothing falls between.
    let mut follow = match &view.teller {
        Teller::Daemon(client) if args.follow => Some(client.watch(only.as_ref(), None).await?),
        Teller::State(..) if args.follow => {
            return Err(ClientError::NoDaemon(super::daemon::state_dir(common)?).into());
        }
        Teller::Daemon(_) | Teller::State(..) => None,
    };
    let mut listed = view.numbered(only.as_ref()).await?;
    if let Some(name) = &only
        && listed.is_empty()
        && !view.tasks.iter().any(|task| task.name == *name)
    {
        anyhow::bail!("{}", unknown(name, &view.tasks));
    }
    let last = listed.last().map_or(0, |it| it.seq);
    let since = args.since.map(|since| since.moment(Clock::begin().now().wall));
    let is_meant = |it: &Numbered| {
        let is_in = |task: &TaskName| namespace.is_none_or(|meant| task.namespace == *meant);
        let is_of = only.is_some() || it.event.task.as_ref().map_or(namespace.is_none(), is_in);
        is_of && since.is_none_or(|since| it.event.at >= since)
    };
    listed.retain(is_meant);
    let mut table = table(&listed, args.output);
    if args.follow {
        table.at_least(match args.output {
            EventFormat::Wide => &[6, 24, 7, 11, 12],
            EventFormat::Table | EventFormat::Json => &[4, 7, 11, 12],
        });
    }
    if let Err(error) = begin(&listed, &table, args) {
        return out::unless_closed(error);
    }
    while let Some(watching) = &mut follow {
        let text = match watching.next().await? {
            Told::Happened(it) if it.seq > last && is_meant(&it) => match args.output {
                EventFormat::Json => serde_json::to_string(&it)? + "\n",
                format => table.more(row(&it, format, Clock::begin().now().wall)),
            },
            Told::Reset(Missed { message, .. }) | Told::Untold(Untold { message }) => {
                out::say(&message);
                continue;
            }
            _ => continue,
        };
        if let Err(error) = out::raw(false, text.as_bytes()) {
            return out::unless_closed(error);
        }
    }
    Ok(Exit::Ok)
}

/// Writes what happened before.
fn begin(listed: &[Numbered], table: &Table, args: &Events) -> io::Result<()> {
    let text = match args.output {
        EventFormat::Json if args.follow => {
            let lines = listed.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
            lines.into_iter().map(|line| line + "\n").collect()
        }
        EventFormat::Json => serde_json::to_string_pretty(&json!({ "items": listed }))? + "\n",
        EventFormat::Table | EventFormat::Wide if listed.is_empty() && !args.follow => {
            out::say("nothing happened, as far as is kept");
            return Ok(());
        }
        EventFormat::Table | EventFormat::Wide => table.text(""),
    };
    out::raw(false, text.as_bytes())
}

fn table(listed: &[Numbered], format: EventFormat) -> Table {
    let mut columns = vec![
        column("AGE"),
        column("TYPE").rank(1),
        column("REASON").cut(10),
        column("OBJECT").cut(12),
        sentences("MESSAGE"),
    ];
    if format == EventFormat::Wide {
        columns.splice(0..1, [column("NUMBER"), column("AT")]);
    }
    // Who asks for all gets all.
    let room = if format == EventFormat::Wide { None } else { fold::room() };
    let mut table = Table::of(&columns, room);
    let now = Clock::begin().now().wall;
    for it in listed {
        table.row(row(it, format, now));
    }
    table
}

fn row(it: &Numbered, format: EventFormat, now: Timestamp) -> Vec<String> {
    let event = &it.event;
    let mut row = match format {
        EventFormat::Wide => vec![it.seq.to_string(), event.at.to_string()],
        EventFormat::Table | EventFormat::Json => vec![age(now.since(event.at))],
    };
    let task = event.task.as_ref().map(short).unwrap_or_default();
    let object = event.seat.map_or(task.clone(), |seat| format!("{task}.{seat}"));
    row.extend([event.severity.to_string(), event.reason.clone(), object, event.message.clone()]);
    row
}
