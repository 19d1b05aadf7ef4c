//! An open file: every check there is before it is relied on, then one transaction at a time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, TransactionBehavior};

use super::error::DbError;
use super::file::{self, Identity, SetAside, Standing};
use super::link::no_database;
use super::schema::{self, Schema};
use super::trim::{self, Added};
use super::{Change, Limits, Stored, read, write};

/// How long another program's lock is waited for: a `sqlite3` that only looks is gone by then.
const BUSY: Duration = Duration::from_secs(2);

/// Once its content is in the DB itself, the log is cut back to so many bytes.
const LOG_SIZE: u32 = 16 << 20;

/// How much of the file may be kept in memory, in KiB: enough for one transaction that writes
/// thousands of tasks. Nothing is taken before it is needed.
const CACHE: i32 = 16 * 1024;

/// A file of at least so many pages, more than half of them free, is made smaller at start.
const COMPACT_FROM_PAGES: i64 = 1024;

/// A file that passed every check.
#[derive(Debug)]
pub(super) struct Open {
    /// The connection. It holds the file's lock from its first look until it is dropped.
    pub(super) connection: Connection,
    /// Which files were opened.
    pub(super) identity: Identity,
    /// What people are told of as the file.
    pub(super) shown: PathBuf,
    path: PathBuf,
    added: Added,
}

/// What was found when a file was opened.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) stored: Stored,
    pub(super) set_aside: Option<SetAside>,
    pub(super) fresh: bool,
}

impl Open {
    /// Opens the file at `path`, which people know as `shown`, and reads it; makes what is missing.
    pub(super) fn connect(
        path: &Path,
        shown: &Path,
        limits: Limits,
    ) -> Result<(Self, Found), DbError> {
        if file::standing(path)? == Standing::Other {
            return Err(no_database(shown));
        }
        file::make_private(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)
            .map_err(|error| DbError::of("open", shown, error))?;
        if connection.is_readonly(MAIN_DB).unwrap_or(false) {
            return Err(DbError::ReadOnly { path: shown.to_owned() });
        }
        let found = prepare(&mut connection, shown, limits)?;
        let identity = Identity::of(path);
        let open = Self {
            connection,
            identity,
            shown: shown.to_owned(),
            path: path.to_owned(),
            added: Added::default(),
        };
        Ok((open, found))
    }

    /// Whether the files that were opened are the ones that stand there.
    pub(super) fn is_in_place(&self) -> bool {
        Identity::of(&self.path) == self.identity
    }

    /// Makes all of the changes or none, in one transaction.
    pub(super) fn commit(&mut self, changes: &[Change], limits: Limits) -> Result<(), DbError> {
        self.transact(changes, limits).map_err(|error| self.failed("write", error))
    }

    fn transact(&mut self, changes: &[Change], limits: Limits) -> rusqlite::Result<()> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for change in changes {
            write::apply(&transaction, change)?;
        }
        self.added.trim(&transaction, changes, limits)?;
        transaction.commit()
    }

    /// Whether the file is larger than half of what it may be, so that a lack of space is more
    /// likely its own than the disk's.
    pub(super) fn nears(&self, limits: Limits) -> Result<bool, DbError> {
        let bytes = number(&self.connection, "page_count")
            .and_then(|pages| Ok(pages * number(&self.connection, "page_size")?))
            .map_err(|error| self.failed("measure", error))?;
        Ok(u64::try_from(bytes).is_ok_and(|bytes| bytes > limits.bytes / 2))
    }

    /// Removes the older half of the history.
    pub(super) fn halve_history(&self) -> Result<(), DbError> {
        trim::halve(&self.connection).map_err(|error| self.failed("make room in", error))
    }

    /// Puts everything into the one file. Where that fails the log stays beside it, as after a
    /// crash, and nothing is lost.
    pub(super) fn close(self) {
        if self.is_in_place() {
            let _ =
                self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        }
    }

    /// What `error` means to whoever tried `action`.
    pub(super) fn failed(&self, action: &'static str, error: rusqlite::Error) -> DbError {
        DbError::of(action, &self.shown, error)
    }
}

/// Looks at everything, brings the file to the schema of this release, and reads it.
fn prepare(connection: &mut Connection, shown: &Path, limits: Limits) -> Result<Found, DbError> {
    let damaged = |why: String| DbError::Damaged { path: shown.to_owned(), why };
    // The file could be opened for writing, and our own statements make sense: what does not, or is
    // not of the type that was asked for, is in the file.
    let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
        None | Some(ErrorCode::Unknown | ErrorCode::ReadOnly | ErrorCode::TooBig) => {
            damaged(error.to_string())
        }
        Some(_) => DbError::of("open", shown, error),
    };
    guard(connection).map_err(failed)?;
    let version = match schema::of(connection).map_err(failed)? {
        Schema::Foreign => {
            return Err(damaged("it is a database of another program".to_owned()));
        }
        Schema::Ours(found) if found > schema::KNOWN => {
            return Err(DbError::Newer { path: shown.to_owned(), found, known: schema::KNOWN });
        }
        Schema::Ours(version) => version,
        Schema::Empty => 0,
    };
    if let Some(why) = quick_check(connection).map_err(failed)? {
        return Err(damaged(why));
    }
    make_durable(connection, limits).map_err(failed)?;
    schema::migrate(connection, version).map_err(failed)?;
    if let Some(name) = schema::difference(connection).map_err(failed)? {
        return Err(damaged(format!("its table or index {name:?} is missing or changed")));
    }
    let stored = read::load(connection).map_err(failed)?;
    let fresh = stored == Stored::default() && read::has_no_events(connection).map_err(failed)?;
    match tidy(connection, limits, version == 0) {
        // A full disk stops no start: what runs is kept running.
        Err(error) if error.sqlite_error_code() != Some(ErrorCode::DiskFull) => Err(failed(error)),
        _ => Ok(Found { stored, set_aside: None, fresh }),
    }
}

/// Takes the file for this connection alone, trusts nothing in it, and writes nothing to it.
fn guard(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    for (setting, value) in [
        // Closing must not touch a file that is damaged, newer or replaced.
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        connection.set_db_config(setting, value)?;
    }
    // Set before the log is first used, this also keeps its index in memory: no `-shm` file that
    // could be deleted, and nobody else who writes (before 3.51.3 two writers could corrupt it).
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "cache_size", -CACHE)?;
    connection.pragma_update(None, "cell_size_check", true)
}

/// What is wrong with the structure of the file.
fn quick_check(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((found != "ok").then_some(found))
}

/// What is committed is on the disk.
fn make_durable(connection: &Connection, limits: Limits) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", LOG_SIZE)?;
    let page_size = number(connection, "page_size")?.max(1);
    let pages = i64::try_from(limits.bytes).unwrap_or(i64::MAX) / page_size;
    connection.pragma_update(None, "max_page_count", pages.clamp(1, i64::from(u32::MAX - 1)))
}

/// Removes what is not kept, makes the file smaller where that is worth it.
fn tidy(connection: &Connection, limits: Limits, made: bool) -> rusqlite::Result<()> {
    trim::sweep(connection, limits)?;
    let (pages, free) = (number(connection, "page_count")?, number(connection, "freelist_count")?);
    if pages >= COMPACT_FROM_PAGES && free > pages / 2 {
        connection.execute_batch("VACUUM")?;
    }
    if made {
        // From here on the file is a DB of ours even without its log.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(())
}

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, pragma, |row| row.get(0))
}
