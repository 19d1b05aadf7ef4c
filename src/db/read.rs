//! How rows become what they were made from. A row that makes no sense is one sentence, and the
//! rest is read: what a flipped bit or another release left there must not stop what runs.

use std::collections::BTreeMap;
use std::error::Error;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{EventQuery, Mark, News, Stored, UNREADABLE};
use crate::domain::event::{Event, Severity};
use crate::domain::fingerprint::Fingerprint;
use crate::domain::instance::{ContainerId, Instance, InstanceId, Seat, Uid};
use crate::domain::name::{Label, TaskName};
use crate::domain::once::Run;
use crate::domain::record::{Head, Record, Revision};
use crate::domain::source::Place;
use crate::domain::time::{Mono, Timestamp};

/// What is wrong with a row.
type Flaw = Box<dyn Error + Send + Sync>;

/// Reads all but events and logs.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Stored> {
    let mut unreadable = Vec::new();
    let mut records: BTreeMap<TaskName, Record> = BTreeMap::new();
    for head in rows(connection, "task", "namespace || '/' || name", head)? {
        keep(head, &mut unreadable, |head| {
            records.insert(head.name.clone(), Record::accepted(head, Mono::default()));
            Ok(())
        });
    }
    let key = "namespace || '/' || name || ' ' || number";
    for revision in rows(connection, "revision", key, revision)? {
        keep(revision, &mut unreadable, |(task, revision)| {
            record(&mut records, &task)?.revisions.insert(revision.number, revision);
            Ok(())
        });
    }
    for instance in rows(connection, "instance", "id", instance)? {
        keep(instance, &mut unreadable, |instance| {
            record(&mut records, &instance.task)?.instances.insert(instance.seat, instance);
            Ok(())
        });
    }
    let key = "namespace || '/' || name || ' ' || slot || '.' || attempt";
    for run in rows(connection, "run", key, run)? {
        keep(run, &mut unreadable, |(task, run)| {
            let key = (run.seat.slot, run.fingerprint.clone());
            record(&mut records, &task)?.runs.insert(key, run);
            Ok(())
        });
    }
    let mut meta = BTreeMap::new();
    for pair in rows(connection, "meta", "key", |row| Ok((row.get("key")?, row.get("value")?)))? {
        keep(pair, &mut unreadable, |(key, value)| {
            meta.insert(key, value);
            Ok(())
        });
    }
    Ok(Stored { records: records.into_values().collect(), meta, unreadable })
}

/// Reads events, the oldest first.
pub(super) fn events(
    connection: &Connection,
    query: &EventQuery,
) -> rusqlite::Result<Vec<(i64, Event)>> {
    let of_task = if query.task.is_some() { "namespace = ?1 AND name = ?2" } else { "?1 IS ?2" };
    let order = if query.after.is_some() { "ASC" } else { "DESC" };
    let sql =
        format!("SELECT * FROM event WHERE {of_task} AND seq > ?3 ORDER BY seq {order} LIMIT ?4");
    let namespace = query.task.as_ref().map(|task| task.namespace.as_str());
    let name = query.task.as_ref().map(|task| task.name.as_str());
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows =
        statement.query(params![namespace, name, query.after.unwrap_or(i64::MIN), query.limit])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = row.get("seq")?;
        events.push((seq, event(row).unwrap_or_else(|flaw| stand_in(row, seq, &flaw))));
    }
    if query.after.is_none() {
        events.reverse();
    }
    Ok(events)
}

/// Reads what happened after `mark`.
pub(super) fn news(
    connection: &Connection,
    mark: Mark,
    task: Option<TaskName>,
    limit: u32,
) -> rusqlite::Result<News> {
    let newest = newest(connection)?;
    if !is_whole_after(connection, mark, task.as_ref(), newest)? {
        return Ok(News::Missed(newest));
    }
    let events = events(connection, &EventQuery { task, after: Some(mark.seq), limit })?;
    let is_full = u32::try_from(events.len()).is_ok_and(|count| count >= limit);
    let after = match events.last() {
        Some((seq, event)) if is_full => Mark { seq: *seq, at: Some(event.at) },
        Some(_) | None => newest,
    };
    Ok(News::Happened(events, after))
}

/// The place after the last event.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<Mark> {
    let last = connection
        .prepare_cached("SELECT seq, at FROM event ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((seq, at)) = last {
        return Ok(Mark { seq, at: Some(Timestamp::from_millis(at)) });
    }
    let seq = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'event'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(Mark { seq: seq.unwrap_or(0), at: None })
}

/// Whether `mark` is a place of this DB, and every event after it is kept. Old events go before
/// newer ones of the same task, so one of a task that is kept from before says that none is missing.
fn is_whole_after(
    connection: &Connection,
    mark: Mark,
    task: Option<&TaskName>,
    newest: Mark,
) -> rusqlite::Result<bool> {
    let at: Option<i64> = connection
        .prepare_cached("SELECT at FROM event WHERE seq = ?")?
        .query_row([mark.seq], |row| row.get(0))
        .optional()?;
    let is_other = mark.at.zip(at).is_some_and(|(told, kept)| told.millis() != kept);
    if is_other || mark.seq > newest.seq {
        return Ok(false);
    }
    let kept: i64 = connection
        .prepare_cached("SELECT count(*) FROM event WHERE seq > ?")?
        .query_row([mark.seq], |row| row.get(0))?;
    let Some(task) = task.filter(|_| kept != newest.seq - mark.seq) else {
        return Ok(kept == newest.seq - mark.seq);
    };
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM event WHERE namespace = ? AND name = ? AND seq <= ?)",
        )?
        .query_row(params![task.namespace.as_str(), task.name.as_str(), mark.seq], |row| row.get(0))
}

/// Whether nothing has happened yet, or all of it was forgotten.
pub(super) fn has_no_events(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM event)", [], |row| row.get(0))
}

/// Reads what was kept of a log.
pub(super) fn log(
    connection: &Connection,
    instance: InstanceId,
) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT log FROM kept_log WHERE instance = ?")?
        .query_row([instance.0.to_string()], |row| row.get(0))
        .optional()
}

/// All rows of a table, each read or a sentence that names it by `key`.
fn rows<T>(
    connection: &Connection,
    table: &str,
    key: &str,
    read: impl Fn(&Row<'_>) -> Result<T, Flaw>,
) -> rusqlite::Result<Vec<Result<(String, T), String>>> {
    let mut statement =
        connection.prepare(&format!("SELECT *, {key} AS row_key FROM {table} ORDER BY rowid"))?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let key: String = row.get("row_key").unwrap_or_else(|_| "of no readable name".to_owned());
        let subject = format!("{table} {key}");
        all.push(match read(row) {
            Ok(value) => Ok((subject, value)),
            Err(flaw) => Err(sentence(&subject, &flaw)),
        });
    }
    Ok(all)
}

fn sentence(subject: &str, flaw: &Flaw) -> String {
    format!("the stored {subject} can't be read: {flaw}")
}

fn keep<T>(
    row: Result<(String, T), String>,
    unreadable: &mut Vec<String>,
    take: impl FnOnce(T) -> Result<(), Flaw>,
) {
    let taken =
        row.and_then(|(subject, value)| take(value).map_err(|flaw| sentence(&subject, &flaw)));
    unreadable.extend(taken.err());
}

fn record<'a>(
    records: &'a mut BTreeMap<TaskName, Record>,
    task: &TaskName,
) -> Result<&'a mut Record, Flaw> {
    records.get_mut(task).ok_or_else(|| format!("nothing readable is stored of task {task}").into())
}

fn head(row: &Row<'_>) -> Result<Head, Flaw> {
    Ok(Head {
        name: task_name(row)?,
        uid: Uid(uuid(row, "uid")?),
        generation: count(row, "generation")?,
        task: json(row, "spec")?,
        place: Place { file: row.get("file")?, line: row.get("line")? },
        refused: optional_json(row, "refused")?,
        going: row.get("going")?,
        suspended: optional_json(row, "suspended")?,
        restart: optional_json(row, "restart")?,
        created_at: time(row, "created_at")?,
    })
}

fn revision(row: &Row<'_>) -> Result<(TaskName, Revision), Flaw> {
    let revision = Revision {
        number: row.get("number")?,
        generation: count(row, "generation")?,
        fingerprint: fingerprint(row)?,
        task: json(row, "spec")?,
        image_id: row.get("image_id")?,
        ready: row.get("ready")?,
        restart: row.get("restart")?,
        created_at: time(row, "created_at")?,
    };
    Ok((task_name(row)?, revision))
}

fn instance(row: &Row<'_>) -> Result<Instance, Flaw> {
    let container = match row.get::<_, Option<String>>("container")? {
        None => None,
        Some(text) => Some(ContainerId::parse(&text).ok_or("its container's id is none")?),
    };
    Ok(Instance {
        id: InstanceId(uuid(row, "id")?),
        task: task_name(row)?,
        uid: Uid(uuid(row, "uid")?),
        seat: Seat { slot: row.get("slot")?, attempt: row.get("attempt")? },
        revision: row.get("revision")?,
        fingerprint: fingerprint(row)?,
        state: word(row.get("state")?)?,
        container,
        failures: row.get("failures")?,
        start_sent: row.get("start_sent")?,
        hopeless: row.get("hopeless")?,
        proven: row.get("proven")?,
        because: row.get("because")?,
        stopping: row.get("stopping")?,
        unwell: row.get("unwell")?,
        created_at: time(row, "created_at")?,
        started_at: optional_time(row, "started_at")?,
        seen_under: optional_time(row, "seen_under")?,
        finished_at: optional_time(row, "finished_at")?,
        exit_code: row.get("exit_code")?,
        reason: row.get::<_, Option<String>>("reason")?.map(word).transpose()?,
        message: row.get("message")?,
        moved_at: Mono::default(),
    })
}

fn run(row: &Row<'_>) -> Result<(TaskName, Run), Flaw> {
    // That it has run counts, whatever can be read of how it ended.
    let reason = row.get::<_, Option<String>>("reason")?.and_then(|text| word(text).ok());
    let run = Run {
        uid: Uid(uuid(row, "uid")?),
        seat: Seat { slot: row.get("slot")?, attempt: row.get("attempt")? },
        fingerprint: fingerprint(row)?,
        reason,
        exit_code: row.get("exit_code")?,
    };
    Ok((task_name(row)?, run))
}

fn event(row: &Row<'_>) -> Result<Event, Flaw> {
    let optional_uuid = |column: &str| -> Result<Option<Uuid>, Flaw> {
        let text: Option<String> = row.get(column)?;
        Ok(text.map(|text| Uuid::try_parse(&text)).transpose()?)
    };
    let task = match row.get::<_, Option<String>>("name")? {
        None => None,
        Some(_) => Some(task_name(row)?),
    };
    let seat = match (row.get("slot")?, row.get("attempt")?) {
        (Some(slot), Some(attempt)) => Some(Seat { slot, attempt }),
        _ => None,
    };
    Ok(Event {
        at: time(row, "at")?,
        severity: word(row.get("severity")?)?,
        task,
        uid: optional_uuid("uid")?.map(Uid),
        instance: optional_uuid("instance")?.map(InstanceId),
        seat,
        reason: row.get("reason")?,
        message: row.get("message")?,
    })
}

/// What is told in place of an event that makes no sense, so that none after it is hidden.
fn stand_in(row: &Row<'_>, seq: i64, flaw: &Flaw) -> Event {
    Event {
        at: time(row, "at").unwrap_or(Timestamp::from_millis(0)),
        severity: Severity::Warning,
        task: task_name(row).ok(),
        uid: None,
        instance: None,
        seat: None,
        reason: UNREADABLE.to_owned(),
        message: sentence(&format!("event {seq}"), flaw),
    }
}

fn task_name(row: &Row<'_>) -> Result<TaskName, Flaw> {
    let (namespace, name): (String, String) = (row.get("namespace")?, row.get("name")?);
    Ok(TaskName { namespace: Label::parse(&namespace)?, name: Label::parse(&name)? })
}

fn uuid(row: &Row<'_>, column: &str) -> Result<Uuid, Flaw> {
    Ok(Uuid::try_parse(&row.get::<_, String>(column)?)?)
}

fn fingerprint(row: &Row<'_>) -> Result<Fingerprint, Flaw> {
    Ok(Fingerprint::stored(row.get::<_, String>("fingerprint")?))
}

fn count(row: &Row<'_>, column: &str) -> Result<u64, Flaw> {
    Ok(u64::try_from(row.get::<_, i64>(column)?)?)
}

fn time(row: &Row<'_>, column: &str) -> Result<Timestamp, Flaw> {
    Ok(Timestamp::from_millis(row.get(column)?))
}

fn optional_time(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>, Flaw> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<T, Flaw> {
    Ok(serde_json::from_str(&row.get::<_, String>(column)?)?)
}

fn optional_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<Option<T>, Flaw> {
    let text: Option<String> = row.get(column)?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// A value that is one word, by the name it is serialised as.
fn word<T: DeserializeOwned>(text: String) -> Result<T, Flaw> {
    Ok(serde_json::from_value(serde_json::Value::String(text))?)
}
