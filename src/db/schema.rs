//! The tables, and how those of an earlier release become those of this one.
//!
//! What people look for with `sqlite3` has a column; the rest is JSON. Times are milliseconds since
//! the epoch. A released migration is never changed. Nothing that `SQLite` 3.40 does not know.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

/// `evnk`: what tells our files from those of others.
const APPLICATION_ID: i64 = 0x6576_6e6b;

/// What brings a file from schema N to N+1.
const MIGRATIONS: [&str; 6] = [
    "
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE task (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    generation INTEGER NOT NULL,
    file TEXT NOT NULL,
    line INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    spec TEXT NOT NULL,
    refused TEXT,
    PRIMARY KEY (namespace, name)
) STRICT;

CREATE TABLE revision (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    image_id TEXT,
    ready INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    spec TEXT NOT NULL,
    PRIMARY KEY (namespace, name, number)
) STRICT;

CREATE TABLE instance (
    id TEXT PRIMARY KEY,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    slot INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT NOT NULL,
    container TEXT,
    exit_code INTEGER,
    reason TEXT,
    message TEXT,
    revision INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    failures INTEGER NOT NULL,
    start_sent INTEGER NOT NULL,
    hopeless INTEGER NOT NULL,
    proven INTEGER NOT NULL,
    because TEXT NOT NULL,
    stopping TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    seen_under INTEGER,
    finished_at INTEGER,
    UNIQUE (namespace, name, slot, attempt)
) STRICT;

CREATE TABLE kept_log (
    instance TEXT PRIMARY KEY,
    log BLOB NOT NULL
) STRICT;

CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    severity TEXT NOT NULL,
    namespace TEXT,
    name TEXT,
    uid TEXT,
    instance TEXT,
    slot INTEGER,
    attempt INTEGER,
    reason TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;

CREATE INDEX event_of_task ON event (namespace, name, seq);
",
    "ALTER TABLE task ADD COLUMN going INTEGER NOT NULL DEFAULT 0;",
    // What has run until now is known by the rows of its instances, which are kept until the first
    // look of this release has noted it.
    "
CREATE TABLE run (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    slot INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    reason TEXT,
    exit_code INTEGER,
    PRIMARY KEY (namespace, name, slot, fingerprint)
) STRICT;
",
    "ALTER TABLE instance ADD COLUMN unwell INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE task ADD COLUMN suspended TEXT;",
    "
ALTER TABLE task ADD COLUMN restart TEXT;
ALTER TABLE revision ADD COLUMN restart INTEGER NOT NULL DEFAULT 0;
",
];

/// The schema of this release.
#[expect(clippy::cast_possible_wrap, reason = "a handful, and `try_from` is not const")]
pub(super) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// Whose schema a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// It has none.
    Empty,
    /// One of ours, of this version.
    Ours(i64),
    /// Something else's.
    Foreign,
}

/// Whose schema the file has.
pub(super) fn of(connection: &Connection) -> rusqlite::Result<Schema> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (id, version) = (number("application_id")?, number("user_version")?);
    if id == APPLICATION_ID && version > 0 {
        return Ok(Schema::Ours(version));
    }
    let any = connection.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |_| Ok(()));
    let empty = any.optional()?.is_none() && id == 0 && version == 0;
    Ok(if empty { Schema::Empty } else { Schema::Foreign })
}

/// Brings the file from `version` to [`KNOWN`], whole or not at all.
pub(super) fn migrate(connection: &mut Connection, version: i64) -> rusqlite::Result<()> {
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    if done >= MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in &MIGRATIONS[done..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", KNOWN)?;
    transaction.commit()
}

/// What of our tables and indices is missing or is not as we made it.
pub(super) fn difference(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut model = Connection::open_in_memory()?;
    migrate(&mut model, 0)?;
    let (wanted, found) = (objects(&model)?, objects(connection)?);
    Ok(wanted.into_iter().find(|object| !found.contains(object)).map(|(name, _)| name))
}

fn objects(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}
