//! The source directory, opened once: files and directories beneath it, and nothing outside.
//!
//! Every path is walked name by name from the open root without following links; a link is read
//! and resolved here, so nobody can swap one in between. Nothing here blocks: pipes and devices
//! are known by their kind before they are opened. The only place that names `rustix`, but
//! for terminals.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::names;
use super::refusal::Refusal;

/// How many links are followed for one path; the kernel's own limit.
const MAX_LINKS: usize = 40;

/// How often a file is read that changes meanwhile.
const MAX_READS: usize = 3;

/// What tells one file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    /// The device.
    pub(super) device: u64,
    /// The inode on it.
    pub(super) inode: u64,
}

/// What changes when a file does, as far as the file system tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Which file it is.
    pub(super) id: Id,
    size: u64,
    modified: Duration,
    /// When its inode changed last, since the epoch.
    pub(super) changed: Duration,
}

/// What a file holds.
pub(super) struct Content {
    /// All of it.
    pub(super) bytes: Vec<u8>,
    /// The same before and after it was read.
    pub(super) stamp: Stamp,
    /// Its path beneath the root with every link resolved.
    pub(super) real: String,
}

/// One name in a directory.
pub(super) struct Listed {
    /// The name.
    pub(super) name: Vec<u8>,
    /// What it is, links not followed.
    pub(super) kind: Kind,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A file, or something else that is no directory.
    Other,
}

/// The open root.
pub(super) struct Tree {
    root: OwnedFd,
    /// The root's path, as given and with its links resolved: what an absolute link may begin with.
    prefixes: Vec<PathBuf>,
    /// Which directory it is.
    pub(super) id: Id,
}

/// Keeps others off a directory until it is dropped. As long as it is held no other directory can
/// have the same [`Id`].
pub(super) struct Lock {
    _root: OwnedFd,
    /// Which directory it is.
    pub(super) id: Id,
}

/// Where a path ends.
struct Spot {
    /// Opened with `O_PATH`.
    fd: OwnedFd,
    /// The directory it is in; of the root, the root.
    parent: OwnedFd,
    stat: Stat,
    real: Vec<String>,
}

impl Tree {
    /// Opens the directory at `path`, following links.
    pub(super) fn open(path: &Path) -> Result<Self, Refusal> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let root = rustix::fs::open(path, flags, Mode::empty())?;
        let id = id_of(&rustix::fs::fstat(&root)?);
        let resolved = path.canonicalize().ok();
        let prefixes = [path.to_owned()].into_iter().chain(resolved).collect();
        Ok(Self { root, prefixes, id })
    }

    /// Locks the root itself; nothing is written there.
    pub(super) fn lock(&self) -> Result<Lock, Refusal> {
        let root = rustix::io::dup(&self.root)?;
        match rustix::fs::flock(&root, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { _root: root, id: self.id }),
            Err(Errno::WOULDBLOCK) => Err(Refusal::Locked),
            Err(error) => Err(error.into()),
        }
    }

    /// Which directory is at `path` now.
    pub(super) fn id_at(path: &Path) -> Result<Id, Refusal> {
        Ok(id_of(&rustix::fs::statat(CWD, path, AtFlags::empty())?))
    }

    /// The path beneath the root that an absolute path stands for.
    pub(super) fn relative(&self, path: &str) -> Option<String> {
        let beneath = |prefix: &PathBuf| Path::new(path).strip_prefix(prefix).ok();
        self.prefixes.iter().find_map(beneath)?.to_str().map(str::to_owned)
    }

    /// Which directory is at `path`, and the names in it, sorted; `.` and `..` left out.
    pub(super) fn list(&self, path: &str) -> Result<(Id, Vec<Listed>), Refusal> {
        let spot = self.find(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = rustix::fs::openat(&spot.fd, ".", flags, Mode::empty())?;
        let id = id_of(&rustix::fs::fstat(&fd)?);
        let mut all = Vec::new();
        for entry in Dir::read_from(&fd)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                // Not every file system tells.
                FileType::Unknown => match rustix::fs::statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW)
                {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(Errno::NOENT) => continue,
                    Err(error) => return Err(error.into()),
                },
                known => known,
            };
            all.push(Listed { name: name.to_bytes().to_owned(), kind: kind.into() });
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((id, all))
    }

    /// What a path stands for, links not followed at its end.
    pub(super) fn kind(&self, path: &str) -> Result<Kind, Refusal> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let spot = self.find(above)?;
        let stat = rustix::fs::statat(&spot.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(FileType::from_raw_mode(stat.st_mode).into())
    }

    /// The directory that a path leads to, and its path with every link resolved; `None` if it
    /// leads to something else.
    pub(super) fn directory(&self, path: &str) -> Result<Option<(Id, String)>, Refusal> {
        let spot = self.find(path)?;
        let found = FileType::from_raw_mode(spot.stat.st_mode) == FileType::Directory;
        Ok(found.then(|| (id_of(&spot.stat), spot.real.join("/"))))
    }

    /// Which file a path leads to.
    pub(super) fn file(&self, path: &str) -> Result<Id, Refusal> {
        Ok(id_of(&self.find(path)?.stat))
    }

    /// What tells whether a path leads to a directory, be it outside. Nothing is opened; but the
    /// disk there may never answer.
    pub(super) fn leads_to_directory(
        &self,
        path: &str,
    ) -> Result<impl FnOnce() -> bool + Send + 'static, Refusal> {
        let (root, path) = (rustix::io::dup(&self.root)?, path.to_owned());
        Ok(move || {
            let stat = rustix::fs::statat(&root, &path, AtFlags::empty());
            stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
        })
    }

    /// Reads a file of at most `limit` bytes.
    pub(super) fn read(&self, path: &str, limit: u64) -> Result<Content, Refusal> {
        // It may be replaced at any moment; a second or third time it is likely to hold still.
        for _ in 1..MAX_READS {
            match self.read_now(path, limit) {
                Err(Refusal::Changing) => {}
                other => return other,
            }
        }
        self.read_now(path, limit)
    }

    fn read_now(&self, path: &str, limit: u64) -> Result<Content, Refusal> {
        let spot = self.find(path)?;
        let refused = match FileType::from_raw_mode(spot.stat.st_mode) {
            FileType::RegularFile => None,
            FileType::Directory => Some("a directory"),
            FileType::Fifo => Some("a named pipe"),
            FileType::Socket => Some("a socket"),
            FileType::BlockDevice | FileType::CharacterDevice => Some("a device"),
            _ => Some("no file"),
        };
        if let Some(kind) = refused {
            return Err(Refusal::NoFile(kind));
        }
        let name = spot.real.last().ok_or(Refusal::NoFile("a directory"))?;
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let mut file = match rustix::fs::openat(&spot.parent, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT | Errno::LOOP) => return Err(Refusal::Changing),
            Err(error) => return Err(error.into()),
        };
        let before = stamp_of(&rustix::fs::fstat(&file)?);
        if before.id != id_of(&spot.stat) {
            return Err(Refusal::Changing);
        }
        if before.size > limit {
            return Err(Refusal::TooLarge(limit));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(before.size + 1).unwrap_or(0));
        (&mut file).take(limit + 1).read_to_end(&mut bytes).map_err(Refusal::System)?;
        if bytes.len() as u64 > limit {
            return Err(Refusal::TooLarge(limit));
        }
        if stamp_of(&rustix::fs::fstat(&file)?) != before {
            return Err(Refusal::Changing);
        }
        Ok(Content { bytes, stamp: before, real: spot.real.join("/") })
    }

    /// Walks a path from the root, name by name, resolving links beneath the root.
    fn find(&self, path: &str) -> Result<Spot, Refusal> {
        let mut todo: VecDeque<String> = path.split('/').map(str::to_owned).collect();
        let mut above: Vec<(OwnedFd, String)> = Vec::new();
        let mut links: Option<(usize, String)> = None;
        while let Some(name) = todo.pop_front() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    above.pop().ok_or_else(|| left(links.as_ref()))?;
                    continue;
                }
                _ => {}
            }
            let here = above.last().map_or(&self.root, |(fd, _)| fd);
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = match rustix::fs::openat(here, &name, flags, Mode::empty()) {
                Ok(fd) => fd,
                Err(Errno::NOENT | Errno::NOTDIR) => return Err(missing(links)),
                Err(error) => return Err(error.into()),
            };
            let stat = rustix::fs::fstat(&fd)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => {
                    let target = rustix::fs::readlinkat(&fd, "", Vec::new())?.into_bytes();
                    let (count, first) = links.unwrap_or_else(|| (0, names::shown(&target)));
                    if count == MAX_LINKS {
                        return Err(Refusal::Loops);
                    }
                    links = Some((count + 1, first));
                    let target = names::printable(&target).ok_or_else(|| left(links.as_ref()))?;
                    let target = match target.strip_prefix('/') {
                        Some(_) => {
                            above.clear();
                            self.relative(target).ok_or_else(|| left(links.as_ref()))?
                        }
                        None => target.to_owned(),
                    };
                    for part in target.rsplit('/') {
                        todo.push_front(part.to_owned());
                    }
                }
                FileType::Directory => above.push((fd, name)),
                _ if todo.iter().any(|rest| !rest.is_empty()) => return Err(missing(links)),
                _ => {
                    let mut real: Vec<String> =
                        above.iter().map(|(_, name)| name.clone()).collect();
                    real.push(name);
                    return Ok(Spot { fd, parent: self.last_of(above)?, stat, real });
                }
            }
        }
        let real = above.iter().map(|(_, name)| name.clone()).collect();
        let last = above.pop().map(|(fd, _)| fd);
        let parent = self.last_of(above)?;
        let fd = last.map_or_else(|| rustix::io::dup(&parent), Ok)?;
        let stat = rustix::fs::fstat(&fd)?;
        Ok(Spot { fd, parent, stat, real })
    }

    /// The last directory of a walk.
    fn last_of(&self, mut above: Vec<(OwnedFd, String)>) -> Result<OwnedFd, Refusal> {
        Ok(above.pop().map_or_else(|| rustix::io::dup(&self.root), |(fd, _)| Ok(fd))?)
    }
}

/// What leaving the root means: without a link it can't happen.
fn left(links: Option<&(usize, String)>) -> Refusal {
    Refusal::Leaves(links.map_or_else(|| "..".to_owned(), |(_, first)| first.clone()))
}

/// What it means that a name is not there.
fn missing(links: Option<(usize, String)>) -> Refusal {
    links.map_or(Refusal::Absent, |(_, first)| Refusal::Dangles(first))
}

fn id_of(stat: &Stat) -> Id {
    Id { device: stat.st_dev, inode: stat.st_ino }
}

fn stamp_of(stat: &Stat) -> Stamp {
    // Before 1970 counts as 1970: only differences and "a while ago" are asked for.
    let time = |seconds, nanos| {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        Duration::from_secs(seconds) + Duration::from_nanos(nanos)
    };
    Stamp {
        id: id_of(stat),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified: time(stat.st_mtime, stat.st_mtime_nsec),
        changed: time(stat.st_ctime, stat.st_ctime_nsec),
    }
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Link,
            _ => Self::Other,
        }
    }
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT => Self::Absent,
            other => Self::System(other.into()),
        }
    }
}

/// A stamp for tests: an inode, and the second at which it changed.
#[cfg(test)]
pub(super) fn stamp(inode: u64, changed: u64) -> Stamp {
    let changed = Duration::from_secs(changed);
    Stamp { id: Id { device: 1, inode }, size: 1, modified: changed, changed }
}
