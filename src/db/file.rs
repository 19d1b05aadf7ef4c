//! The DB as files: made private, told apart, set aside, copied. Never opens one that is in use:
//! closing it again would drop this process's locks on it (POSIX).

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::error::{DbError, lacks_disk};

/// How the file is called in the state directory.
const NAME: &str = "state.db";

/// What `SQLite` puts beside it.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The smallest page of the format, in bytes.
const SMALLEST_PAGE: u64 = 512;

/// How many files that were set aside are left there. The oldest go, so that a broken disk is not
/// filled with them as well.
pub const SET_ASIDE_KEPT: usize = 3;

/// A file that could not be used, and where it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Where it was moved.
    pub path: PathBuf,
    /// What was wrong with it, in a sentence.
    pub why: String,
}

/// What stands in place of the DB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing, or a file of no bytes.
    Nothing,
    /// A file with something in it.
    File,
    /// A directory, a pipe or the like; or a file too short for any database, which `SQLite` takes
    /// for an empty one.
    Other,
}

/// Which files were opened: device and inode of the DB and of its write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    main: Option<(u64, u64)>,
    log: Option<(u64, u64)>,
}

impl Identity {
    /// Of what stands at `path` now.
    pub(super) fn of(path: &Path) -> Self {
        let inode =
            |path: &Path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        Self { main: inode(path), log: inode(&beside(path, "-wal")) }
    }
}

/// Where the DB of a state directory is.
pub(super) fn path_in(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// The size of the DB of a state directory with what is beside it, in bytes. Looks only.
///
/// # Errors
/// If it can't be looked at.
pub fn size(dir: &Path) -> io::Result<u64> {
    let path = path_in(dir);
    let main = fs::metadata(&path)?.len();
    let besides = COMPANIONS.iter().filter_map(|suffix| fs::metadata(beside(&path, suffix)).ok());
    Ok(main + besides.map(|it| it.len()).sum::<u64>())
}

/// Makes the state directory, for its owner alone. One that is there stays as it is.
pub(super) fn make_directory(dir: &Path) -> Result<(), DbError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| DbError::Directory { dir: dir.to_owned(), source })
}

/// What stands at `path`. Looks only: opening a pipe would wait for its other end.
pub(super) fn standing(path: &Path) -> Result<Standing, DbError> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Ok(Standing::Other),
        Ok(metadata) if metadata.len() == 0 => Ok(Standing::Nothing),
        Ok(metadata) if metadata.len() < SMALLEST_PAGE => Ok(Standing::Other),
        Ok(_) => Ok(Standing::File),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::symlink_metadata(path) {
            // A link that leads nowhere.
            Ok(_) => Ok(Standing::Other),
            Err(_) => Ok(Standing::Nothing),
        },
        Err(source) => Err(failed("look at", path, source)),
    }
}

/// Has a file there, with its log beside it, that nobody but its owner can read. What else `SQLite`
/// puts beside it gets the same rights.
pub(super) fn make_private(path: &Path) -> Result<(), DbError> {
    make_one_private(path)?;
    // Made by `SQLite`, it would not be said why it can't be.
    make_one_private(&beside(path, "-wal"))
}

fn make_one_private(path: &Path) -> Result<(), DbError> {
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = fs::metadata(path).map_err(|source| failed("look at", path, source))?;
            let for_others = metadata.mode() & 0o077;
            if for_others == 0 {
                return Ok(());
            }
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))
                .map_err(|source| failed("make private", path, source))
        }
        Err(source) => Err(failed("create", path, source)),
    }
}

/// Moves whatever stands at `path` out of the way, with what `SQLite` put beside it.
pub(super) fn set_aside(path: &Path, why: String) -> Result<SetAside, DbError> {
    let number = set_aside_numbers(path).last().map_or(1, |last| last.saturating_add(1));
    let to = numbered(path, number);
    // The DB first: without its log it is an older one, which must not be taken for the last.
    for suffix in [""].iter().chain(&COMPANIONS) {
        rename_if_there(&beside(path, suffix), &beside(&to, suffix))?;
    }
    Ok(SetAside { path: to, why })
}

/// Removes what was set aside, but the newest.
pub(super) fn remove_old_set_aside(path: &Path) {
    for old in set_aside_numbers(path).iter().rev().skip(SET_ASIDE_KEPT) {
        remove(&numbered(path, *old));
    }
}

/// Moves what was set aside back to where it stood.
pub(super) fn put_back(path: &Path, set_aside: &SetAside) {
    remove(path);
    for suffix in [""].iter().chain(&COMPANIONS) {
        // What can't be moved stays where it is, and nothing of it is lost.
        let _ = rename_if_there(&beside(&set_aside.path, suffix), &beside(path, suffix));
    }
}

/// Removes what stands at `path`, and what `SQLite` put beside it. A directory stays: it is not
/// ours, and whatever fails to go is found again.
pub(super) fn remove(path: &Path) {
    for suffix in [""].iter().chain(&COMPANIONS) {
        let _ = fs::remove_file(beside(path, suffix));
    }
}

/// A private copy of a DB and its write-ahead log, which goes when this is dropped.
#[derive(Debug)]
pub(super) struct PrivateCopy {
    dir: PathBuf,
}

impl PrivateCopy {
    /// Copies what stands at `path`; nothing, if there is nothing.
    pub(super) fn of(path: &Path) -> Result<Self, DbError> {
        let dir = std::env::temp_dir().join(format!("evenkeel-{}", Uuid::now_v7()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(|source| DbError::Directory { dir: dir.clone(), source })?;
        let copy = Self { dir };
        for suffix in ["", "-wal"] {
            let (from, to) = (beside(path, suffix), beside(&copy.path(), suffix));
            match fs::copy(&from, &to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    // Room is wanted where the copy is.
                    let at = if lacks_disk(&error) { &to } else { &from };
                    return Err(failed("copy", at, error));
                }
                _ => {}
            }
        }
        Ok(copy)
    }

    /// Where the copy is.
    pub(super) fn path(&self) -> PathBuf {
        path_in(&self.dir)
    }
}

impl Drop for PrivateCopy {
    fn drop(&mut self) {
        // What stays behind is private, and temporary directories are swept.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> DbError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DbError::Full { path },
        io::ErrorKind::ReadOnlyFilesystem => DbError::ReadOnly { path },
        _ => DbError::File { action, path, source },
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    beside(path, &format!(".broken-{number}"))
}

/// The numbers that are taken by files set aside before, rising.
fn set_aside_numbers(path: &Path) -> Vec<u32> {
    let prefix = format!("{NAME}.broken-");
    let entries = path.parent().and_then(|dir| fs::read_dir(dir).ok());
    let mut numbers: Vec<u32> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let rest = name.to_str()?.strip_prefix(&prefix)?.to_owned();
            rest.split('-').next()?.parse().ok()
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn rename_if_there(from: &Path, to: &Path) -> Result<(), DbError> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("set aside", from, error))
        }
        _ => Ok(()),
    }
}
