//! How a change becomes rows.

use rusqlite::{Connection, named_params, params};
use serde::Serialize;

use super::{Change, LOG_KEPT};
use crate::domain::event::Event;
use crate::domain::instance::{ContainerId, Instance, InstanceId};
use crate::domain::name::TaskName;
use crate::domain::once::Run;
use crate::domain::record::{Head, Revision};
use crate::domain::time::Timestamp;

/// The longest message of an event that is stored, in bytes: the engine's have no end.
const MESSAGE_KEPT: usize = 4096;

/// Makes one change, within the transaction that `connection` is in.
pub(super) fn apply(connection: &Connection, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::PutHead(head) => put_head(connection, head),
        Change::DropTask(task) => drop_task(connection, task),
        Change::PutRevision { task, revision } => put_revision(connection, task, revision),
        Change::DropRevision { task, number } => connection
            .prepare_cached("DELETE FROM revision WHERE namespace = ? AND name = ? AND number = ?")?
            .execute(params![task.namespace.as_str(), task.name.as_str(), number])
            .map(drop),
        Change::PutInstance(instance) => put_instance(connection, instance),
        Change::DropInstance(id) => drop_instance(connection, *id),
        Change::PutRun { task, run } => put_run(connection, task, run),
        Change::DropRun { task, slot, fingerprint } => connection
            .prepare_cached(
                "DELETE FROM run WHERE namespace = ? AND name = ? AND slot = ? AND fingerprint = ?",
            )?
            .execute(params![
                task.namespace.as_str(),
                task.name.as_str(),
                slot,
                fingerprint.as_str()
            ])
            .map(drop),
        Change::AddEvent(event) => add_event(connection, event),
        Change::KeepLog { instance, log } => connection
            // What is read again can only be less: the container has ended.
            .prepare_cached(
                "INSERT INTO kept_log (instance, log) VALUES (?, ?)
                 ON CONFLICT (instance) DO UPDATE SET log = excluded.log
                 WHERE length(excluded.log) > length(log)",
            )?
            .execute(params![instance.0.to_string(), &log[log.len().saturating_sub(LOG_KEPT)..]])
            .map(drop),
        Change::SetMeta { key, value: Some(value) } => connection
            .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)")?
            .execute(params![key, value])
            .map(drop),
        Change::SetMeta { key, value: None } => {
            connection.prepare_cached("DELETE FROM meta WHERE key = ?")?.execute([key]).map(drop)
        }
    }
}

fn put_head(connection: &Connection, head: &Head) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO task
             (namespace, name, uid, generation, file, line, created_at, spec, refused, going,
              suspended, restart)
             VALUES (:namespace, :name, :uid, :generation, :file, :line, :created_at, :spec,
                     :refused, :going, :suspended, :restart)",
        )?
        .execute(named_params! {
            ":namespace": head.name.namespace.as_str(),
            ":name": head.name.name.as_str(),
            ":uid": head.uid.0.to_string(),
            ":generation": count(head.generation),
            ":file": head.place.file,
            ":line": head.place.line,
            ":created_at": head.created_at.millis(),
            ":spec": json(&head.task),
            ":refused": head.refused.as_ref().map(json),
            ":going": head.going,
            ":suspended": head.suspended.as_ref().map(json),
            ":restart": head.restart.as_ref().map(json),
        })
        .map(drop)
}

fn drop_task(connection: &Connection, task: &TaskName) -> rusqlite::Result<()> {
    for statement in [
        "DELETE FROM kept_log WHERE instance IN
         (SELECT id FROM instance WHERE namespace = ? AND name = ?)",
        "DELETE FROM instance WHERE namespace = ? AND name = ?",
        "DELETE FROM revision WHERE namespace = ? AND name = ?",
        "DELETE FROM run WHERE namespace = ? AND name = ?",
        "DELETE FROM task WHERE namespace = ? AND name = ?",
    ] {
        let key = [task.namespace.as_str(), task.name.as_str()];
        connection.prepare_cached(statement)?.execute(key)?;
    }
    Ok(())
}

fn put_revision(
    connection: &Connection,
    task: &TaskName,
    revision: &Revision,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO revision
             (namespace, name, number, generation, fingerprint, image_id, ready, created_at, spec,
              restart)
             VALUES (:namespace, :name, :number, :generation, :fingerprint, :image_id, :ready,
                     :created_at, :spec, :restart)",
        )?
        .execute(named_params! {
            ":namespace": task.namespace.as_str(),
            ":name": task.name.as_str(),
            ":number": revision.number,
            ":generation": count(revision.generation),
            ":fingerprint": revision.fingerprint.as_str(),
            ":image_id": revision.image_id,
            ":ready": revision.ready,
            ":created_at": revision.created_at.millis(),
            ":spec": json(&revision.task),
            ":restart": revision.restart,
        })
        .map(drop)
}

/// The row of another instance of the same seat goes, by the table's UNIQUE; its log first.
fn put_instance(connection: &Connection, instance: &Instance) -> rusqlite::Result<()> {
    let (task, id) = (&instance.task, instance.id.0.to_string());
    connection
        .prepare_cached(
            "DELETE FROM kept_log WHERE instance IN (SELECT id FROM instance
             WHERE namespace = ? AND name = ? AND slot = ? AND attempt = ? AND id <> ?)",
        )?
        .execute(params![
            task.namespace.as_str(),
            task.name.as_str(),
            instance.seat.slot,
            instance.seat.attempt,
            id
        ])?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO instance
             (id, namespace, name, uid, slot, attempt, state, container, exit_code, reason,
              message, revision, fingerprint, failures, start_sent, hopeless, proven, because,
              stopping, unwell, created_at, started_at, seen_under, finished_at)
             VALUES (:id, :namespace, :name, :uid, :slot, :attempt, :state, :container,
                     :exit_code, :reason, :message, :revision, :fingerprint, :failures,
                     :start_sent, :hopeless, :proven, :because, :stopping, :unwell, :created_at,
                     :started_at, :seen_under, :finished_at)",
        )?
        .execute(named_params! {
            ":id": id,
            ":namespace": task.namespace.as_str(),
            ":name": task.name.as_str(),
            ":uid": instance.uid.0.to_string(),
            ":slot": instance.seat.slot,
            ":attempt": instance.seat.attempt,
            ":state": instance.state.to_string(),
            ":container": instance.container.as_ref().map(ContainerId::as_str),
            ":exit_code": instance.exit_code,
            ":reason": instance.reason.map(|reason| reason.to_string()),
            ":message": instance.message,
            ":revision": instance.revision,
            ":fingerprint": instance.fingerprint.as_str(),
            ":failures": instance.failures,
            ":start_sent": instance.start_sent,
            ":hopeless": instance.hopeless,
            ":proven": instance.proven,
            ":because": instance.because,
            ":stopping": instance.stopping,
            ":unwell": instance.unwell,
            ":created_at": instance.created_at.millis(),
            ":started_at": instance.started_at.map(Timestamp::millis),
            ":seen_under": instance.seen_under.map(Timestamp::millis),
            ":finished_at": instance.finished_at.map(Timestamp::millis),
        })
        .map(drop)
}

fn drop_instance(connection: &Connection, id: InstanceId) -> rusqlite::Result<()> {
    let id = id.0.to_string();
    connection.prepare_cached("DELETE FROM kept_log WHERE instance = ?")?.execute([&id])?;
    connection.prepare_cached("DELETE FROM instance WHERE id = ?")?.execute([&id]).map(drop)
}

fn put_run(connection: &Connection, task: &TaskName, run: &Run) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO run
             (namespace, name, uid, slot, attempt, fingerprint, reason, exit_code)
             VALUES (:namespace, :name, :uid, :slot, :attempt, :fingerprint, :reason, :exit_code)",
        )?
        .execute(named_params! {
            ":namespace": task.namespace.as_str(),
            ":name": task.name.as_str(),
            ":uid": run.uid.0.to_string(),
            ":slot": run.seat.slot,
            ":attempt": run.seat.attempt,
            ":fingerprint": run.fingerprint.as_str(),
            ":reason": run.reason.map(|reason| reason.to_string()),
            ":exit_code": run.exit_code,
        })
        .map(drop)
}

fn add_event(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let end = (0..=event.message.len().min(MESSAGE_KEPT))
        .rfind(|end| event.message.is_char_boundary(*end))
        .unwrap_or(0);
    connection
        .prepare_cached(
            "INSERT INTO event
             (at, severity, namespace, name, uid, instance, slot, attempt, reason, message)
             VALUES (:at, :severity, :namespace, :name, :uid, :instance, :slot, :attempt, :reason,
                     :message)",
        )?
        .execute(named_params! {
            ":at": event.at.millis(),
            ":severity": event.severity.to_string(),
            ":namespace": event.task.as_ref().map(|task| task.namespace.as_str()),
            ":name": event.task.as_ref().map(|task| task.name.as_str()),
            ":uid": event.uid.map(|uid| uid.0.to_string()),
            ":instance": event.instance.map(|id| id.0.to_string()),
            ":slot": event.seat.map(|seat| seat.slot),
            ":attempt": event.seat.map(|seat| seat.attempt),
            ":reason": event.reason,
            ":message": &event.message[..end],
        })
        .map(drop)
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("what is stored is plain data whose keys are text")
}
