//! What keeps the file from growing without end.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{Change, Limits};
use crate::domain::name::TaskName;

/// After so many new events of one task its old ones go: not at every event, that would be slow.
const TASK_SLACK: u32 = 50;

/// After so many new events the old ones go.
const SLACK: u32 = 500;

/// How many events were added since the old ones last went.
#[derive(Debug, Default)]
pub(super) struct Added {
    total: u32,
    by_task: BTreeMap<Option<TaskName>, u32>,
}

impl Added {
    /// Counts the events among `changes`, and removes old ones once there are enough new ones.
    pub(super) fn trim(
        &mut self,
        connection: &Connection,
        changes: &[Change],
        limits: Limits,
    ) -> rusqlite::Result<()> {
        for change in changes {
            if let Change::AddEvent(event) = change {
                self.total += 1;
                *self.by_task.entry(event.task.clone()).or_default() += 1;
            }
        }
        let all = self.total >= SLACK;
        let due = |added: u32| all || added >= TASK_SLACK;
        for (task, _) in self.by_task.iter().filter(|(_, added)| due(**added)) {
            trim_task(connection, task.as_ref(), limits.events_per_task)?;
        }
        self.by_task.retain(|_, added| !due(*added));
        if all {
            trim_all(connection, limits.events)?;
            self.total = 0;
        }
        Ok(())
    }
}

/// Removes all that no limit allows, whoever wrote it: what a crash left untrimmed, and logs of
/// instances that are gone.
pub(super) fn sweep(connection: &Connection, limits: Limits) -> rusqlite::Result<()> {
    trim_all(connection, limits.events)?;
    connection.execute(
        "DELETE FROM event WHERE seq IN (SELECT seq FROM
           (SELECT seq, row_number() OVER (PARTITION BY namespace, name ORDER BY seq DESC) AS place
            FROM event)
         WHERE place > ?)",
        [limits.events_per_task],
    )?;
    connection
        .execute("DELETE FROM kept_log WHERE instance NOT IN (SELECT id FROM instance)", [])
        .map(drop)
}

/// Removes the older half of the history, to make room for what is.
pub(super) fn halve(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "DELETE FROM event WHERE seq <=
           (SELECT seq FROM event ORDER BY seq LIMIT 1 OFFSET (SELECT count(*) / 2 FROM event));
         DELETE FROM kept_log WHERE rowid <=
           (SELECT rowid FROM kept_log ORDER BY rowid LIMIT 1
            OFFSET (SELECT count(*) / 2 FROM kept_log));",
    )
}

fn trim_all(connection: &Connection, keep: u32) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM event WHERE seq <=
             (SELECT seq FROM event ORDER BY seq DESC LIMIT 1 OFFSET ?)",
        )?
        .execute([keep])
        .map(drop)
}

fn trim_task(connection: &Connection, task: Option<&TaskName>, keep: u32) -> rusqlite::Result<()> {
    let namespace = task.map(|task| task.namespace.as_str());
    let name = task.map(|task| task.name.as_str());
    connection
        .prepare_cached(
            "DELETE FROM event WHERE namespace IS ?1 AND name IS ?2 AND seq <=
             (SELECT seq FROM event WHERE namespace IS ?1 AND name IS ?2
              ORDER BY seq DESC LIMIT 1 OFFSET ?3)",
        )?
        .execute(params![namespace, name, keep])
        .map(drop)
}
