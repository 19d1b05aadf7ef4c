//! The handle's one connection over time: dropped when an error leaves it in doubt, opened anew
//! when it is next needed, given up when its file is gone.

use std::mem;
use std::path::{Path, PathBuf};

use super::connection::{Found, Open};
use super::error::DbError;
use super::file::{self, Identity, PrivateCopy, SetAside, Standing};
use super::{Change, Limits};

/// The one connection, and what it takes to open it anew.
#[derive(Debug)]
pub(super) struct Link {
    path: PathBuf,
    limits: Limits,
    state: State,
}

#[derive(Debug)]
enum State {
    /// In order. Boxed, because it is large and moved out for every job.
    Open(Box<Open>),
    /// What is read is a copy, which goes with the state. It can't be written.
    Copied {
        open: Box<Open>,
        /// Held for as long as it is read.
        _copy: PrivateCopy,
    },
    /// An error left the connection in doubt: these files are to be opened anew.
    Doubtful(Identity),
    /// The file is lost, and a new one was not finished.
    Lost,
    /// Nothing can be done any more.
    Closed,
}

impl Link {
    /// Opens the DB of `dir`; sets aside what can't be used.
    pub(super) fn open(dir: &Path, limits: Limits) -> Result<(Self, Found), DbError> {
        file::make_directory(dir)?;
        let path = file::path_in(dir);
        let (open, found) = match Open::connect(&path, &path, limits) {
            Err(DbError::Damaged { why, .. }) => replace(&path, &why, limits)?,
            other => other?,
        };
        file::remove_old_set_aside(&path);
        Ok((Self { path, limits, state: State::Open(Box::new(open)) }, found))
    }

    /// Opens a copy of the DB of `dir`, for reading. Where there is none, the copy is empty.
    pub(super) fn open_copy(dir: &Path) -> Result<(Self, Found), DbError> {
        let path = file::path_in(dir);
        if file::standing(&path)? == Standing::Other {
            return Err(no_database(&path));
        }
        let limits = Limits { bytes: u64::MAX, events: u32::MAX, events_per_task: u32::MAX };
        let copy = PrivateCopy::of(&path)?;
        let (open, found) = Open::connect(&copy.path(), &path, limits)?;
        Ok((
            Self { path, limits, state: State::Copied { open: Box::new(open), _copy: copy } },
            found,
        ))
    }

    /// Makes all of the changes or none.
    pub(super) fn write(&mut self, changes: &[Change]) -> Result<(), DbError> {
        if let State::Copied { .. } = self.state {
            return Err(DbError::ReadOnly { path: self.path.clone() });
        }
        self.with(|open, limits| {
            if !open.is_in_place() {
                return Err(DbError::Gone { path: open.shown.clone() });
            }
            match open.commit(changes, limits) {
                Err(DbError::Full { .. }) if open.nears(limits)? => {
                    open.halve_history()?;
                    open.commit(changes, limits)
                }
                other => other,
            }
        })
    }

    /// Reads something.
    pub(super) fn read<T>(
        &mut self,
        action: &'static str,
        job: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<T, DbError> {
        self.with(|open, _| job(&open.connection).map_err(|error| open.failed(action, error)))
    }

    /// Sets aside what stands there, and begins anew with `whole`.
    pub(super) fn rebuild(&mut self, whole: &[Change]) -> Result<Option<SetAside>, DbError> {
        match self.state {
            State::Closed => return Err(DbError::Closed),
            State::Copied { .. } => return Err(DbError::ReadOnly { path: self.path.clone() }),
            // The old connection goes first: two would disagree about the same files.
            State::Open(_) | State::Doubtful(_) | State::Lost => self.state = State::Lost,
        }
        if let Some(dir) = self.path.parent() {
            file::make_directory(dir)?;
        }
        let set_aside = match file::standing(&self.path)? {
            Standing::Nothing => None,
            Standing::File | Standing::Other => {
                let why = "it was damaged or replaced while it was in use".to_owned();
                Some(file::set_aside(&self.path, why)?)
            }
        };
        let begun = Open::connect(&self.path, &self.path, self.limits)
            .and_then(|(mut open, _)| open.commit(whole, self.limits).map(|()| open));
        match begun {
            Ok(open) => {
                file::remove_old_set_aside(&self.path);
                self.state = State::Open(Box::new(open));
                Ok(set_aside)
            }
            Err(error) => {
                // A new file with nothing in it must not be taken for the state, and the next try
                // has nothing to set aside.
                file::remove(&self.path);
                Err(error)
            }
        }
    }

    /// Closes the file, with all that was written in it alone.
    pub(super) fn close(&mut self) {
        if let State::Open(open) = mem::replace(&mut self.state, State::Closed) {
            open.close();
        }
    }

    /// Does a job on a connection that is in order. After an error that leaves it in doubt, and
    /// after a panic, it is dropped.
    fn with<T>(
        &mut self,
        job: impl FnOnce(&mut Open, Limits) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        if let State::Copied { open, .. } = &mut self.state {
            return job(open, self.limits);
        }
        let mut open = self.take()?;
        self.state = State::Doubtful(open.identity);
        let done = job(&mut open, self.limits);
        if done.as_ref().err().is_none_or(DbError::leaves_connection) {
            self.state = State::Open(open);
        }
        done
    }

    /// The connection, opened anew if it is in doubt. After an error the state is as before.
    fn take(&mut self) -> Result<Box<Open>, DbError> {
        match mem::replace(&mut self.state, State::Lost) {
            State::Open(open) => Ok(open),
            State::Doubtful(identity) => {
                self.state = State::Doubtful(identity);
                let emptied = file::standing(&self.path)? == Standing::Nothing;
                if emptied || Identity::of(&self.path) != identity {
                    return Err(DbError::Gone { path: self.path.clone() });
                }
                Open::connect(&self.path, &self.path, self.limits).map(|(open, _)| Box::new(open))
            }
            State::Lost => Err(DbError::Gone { path: self.path.clone() }),
            other @ (State::Copied { .. } | State::Closed) => {
                self.state = other;
                Err(DbError::Closed)
            }
        }
    }
}

/// Begins a new one in place of one that is damaged. If that can't be, nothing has changed.
fn replace(path: &Path, why: &str, limits: Limits) -> Result<(Open, Found), DbError> {
    let unreplaced = |source| DbError::Unreplaced {
        path: path.to_owned(),
        why: why.to_owned(),
        source: Box::new(source),
    };
    let set_aside = file::set_aside(path, why.to_owned()).map_err(unreplaced)?;
    match Open::connect(path, path, limits) {
        Ok((open, found)) => Ok((open, Found { set_aside: Some(set_aside), ..found })),
        Err(error) => {
            file::put_back(path, &set_aside);
            Err(unreplaced(error))
        }
    }
}

/// Something else stands in place of the DB.
pub(super) fn no_database(path: &Path) -> DbError {
    DbError::Damaged { path: path.to_owned(), why: "it is not the file of a database".to_owned() }
}
