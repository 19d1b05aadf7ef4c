//! Writes manifest files: each whole or not at all, and only over what is known to be there.
//!
//! A new text goes into a dot-file beside its place, which nobody reads, and is renamed. So whoever
//! reads the file, at whatever instant a process or the machine dies, finds the old text or the new
//! one. Knows nothing of manifests. Who receives them calls it; the calls block.
//!
//! A file that is reached by a link, or whose directory is, is refused: such links are moved by what
//! puts the directory there (`git-sync`, Kubernetes), and what was written behind them is gone then.

#[cfg(test)]
mod tests;

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::iter;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Component, Path, PathBuf};

/// What a file is called while it is written, after its own name.
const UNFINISHED: &str = ".evenkeel-new";

/// The permission of anybody to write.
const WRITABLE: u32 = 0o222;

/// Why a file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// A link leads to it.
    #[error(
        "{path} is reached by a link ({link}), and what is written behind a link is lost when it is moved"
    )]
    Linked {
        /// The file.
        path: String,
        /// The link.
        link: String,
    },
    /// It is no file.
    #[error("{0} is no file")]
    NoFile(String),
    /// It is not what it was when it was read.
    #[error("{0} was changed meanwhile")]
    Changed(String),
    /// Nobody may write it.
    #[error("{0} is read-only")]
    ReadOnly(String),
    /// The system refuses.
    #[error("can't {action} {path}: {source}")]
    System {
        /// What was to be done.
        action: &'static str,
        /// The file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// Some files were written and others not.
    #[error("{error}; written were: {}", .written.join(", "))]
    Partly {
        /// Why not all were.
        error: Box<SaveError>,
        /// Which were.
        written: Vec<String>,
    },
}

/// A file that is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which, relative to the source.
    pub file: String,
    /// What is in it; `None`: it is not there.
    pub before: Option<Vec<u8>>,
    /// What is to be in it; `None`: it is to go.
    pub after: Option<Vec<u8>>,
}

/// What is in a file; `None`: it is not there.
///
/// # Errors
/// If it can't be read, or is one that would not be written.
pub fn read(root: &Path, file: &str) -> Result<Option<Vec<u8>>, SaveError> {
    Place::of(root, file)?.read()
}

/// Makes all these changes, or none. All that can fail is tried before the first file is changed;
/// where something fails after that, [`SaveError::Partly`] tells how far it came.
///
/// # Errors
/// If a file is not as it was said to be, or can't be written.
pub fn write(root: &Path, changes: &[Change]) -> Result<(), SaveError> {
    write_in_steps(root, changes, &mut || {})
}

/// As [`write`]; calls `step` before each thing that is done. Should that never return, everything
/// is as if the process had died there.
fn write_in_steps(
    root: &Path,
    changes: &[Change],
    step: &mut dyn FnMut(),
) -> Result<(), SaveError> {
    let mut prepared = Vec::new();
    for change in changes {
        let place = Place::of(root, &change.file)?;
        let ready = place.prepare(change, step);
        prepared.push((place, change));
        if let Err(error) = ready {
            return Err(given_up(&prepared, error));
        }
    }
    // One that has been changed meanwhile keeps all of them from being written.
    if let Err(error) = prepared.iter().try_for_each(|(place, change)| place.expect(change)) {
        return Err(given_up(&prepared, error));
    }
    for (at, (place, change)) in prepared.iter().enumerate() {
        if let Err(error) = place.expect(change).and_then(|()| place.finish(change, step)) {
            return Err(partly(&prepared[..at], given_up(&prepared[at..], error)));
        }
    }
    for (place, _) in &prepared {
        step();
        let kept = File::open(&place.folder).and_then(|folder| folder.sync_all());
        kept.map_err(place.failed("write")).map_err(|error| partly(&prepared, error))?;
    }
    Ok(())
}

/// Takes away what was prepared.
fn given_up(prepared: &[(Place, &Change)], error: SaveError) -> SaveError {
    for (place, _) in prepared {
        // What is left of it nobody reads, and the next one takes its place.
        let _left = fs::remove_file(&place.unfinished);
    }
    error
}

fn partly(written: &[(Place, &Change)], error: SaveError) -> SaveError {
    if written.is_empty() {
        return error;
    }
    let written = written.iter().map(|(place, _)| place.file.clone()).collect();
    SaveError::Partly { error: Box::new(error), written }
}

/// Where a file is.
struct Place {
    root: PathBuf,
    file: String,
    path: PathBuf,
    folder: PathBuf,
    /// Where its new text is until it is whole.
    unfinished: PathBuf,
}

impl Place {
    /// A file of the source, if no link leads there.
    fn of(root: &Path, file: &str) -> Result<Self, SaveError> {
        let path = root.join(file);
        let is_plain = |part| matches!(part, Component::Normal(_));
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(SaveError::NoFile(file.to_owned()));
        };
        if !Path::new(file).components().all(is_plain) {
            return Err(SaveError::NoFile(file.to_owned()));
        }
        let unfinished = format!(".{}{UNFINISHED}", name.to_string_lossy());
        let (folder, unfinished) = (folder.to_owned(), folder.join(unfinished));
        let place = Self { root: root.to_owned(), file: file.to_owned(), path, folder, unfinished };
        place.check_links()?;
        Ok(place)
    }

    /// That no link leads there, now.
    fn check_links(&self) -> Result<(), SaveError> {
        let parts = Path::new(&self.file).iter();
        let beneath = parts.scan(self.root.clone(), |above, part| {
            above.push(part);
            Some(above.clone())
        });
        for above in iter::once(self.root.clone()).chain(beneath) {
            match fs::symlink_metadata(&above) {
                Ok(found) if found.is_symlink() => {
                    let (path, link) = (self.file.clone(), above.display().to_string());
                    return Err(SaveError::Linked { path, link });
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(self.failed("read")(error)),
            }
        }
        Ok(())
    }

    /// What is in it; `None`: it is not there.
    fn read(&self) -> Result<Option<Vec<u8>>, SaveError> {
        if self.metadata()?.is_none() {
            return Ok(None);
        }
        fs::read(&self.path).map(Some).map_err(self.failed("read"))
    }

    /// What the file system says of it; `None`: it is not there.
    fn metadata(&self) -> Result<Option<Metadata>, SaveError> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if found.is_file() => Ok(Some(found)),
            Ok(_) => Err(SaveError::NoFile(self.file.clone())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read")(error)),
        }
    }

    /// That it is still what it was.
    fn expect(&self, change: &Change) -> Result<(), SaveError> {
        self.check_links()?;
        let is_same = self.read()? == change.before;
        if is_same { Ok(()) } else { Err(SaveError::Changed(self.file.clone())) }
    }

    /// Does all of a change that nobody notices.
    fn prepare(&self, change: &Change, step: &mut dyn FnMut()) -> Result<(), SaveError> {
        self.expect(change)?;
        let old = self.metadata()?;
        let folder = fs::metadata(&self.folder).map_err(self.failed("write"))?;
        let is_closed = |metadata: &Metadata| metadata.mode() & WRITABLE == 0;
        if is_closed(&folder) {
            return Err(SaveError::ReadOnly(self.folder.display().to_string()));
        }
        if old.as_ref().is_some_and(is_closed) {
            return Err(SaveError::ReadOnly(self.path.display().to_string()));
        }
        match &change.after {
            Some(text) => self.write_beside(text, old.as_ref(), &folder, step),
            None => Ok(()),
        }
    }

    /// Writes a text beside the file, so that only its name is missing: with the owner and the mode
    /// of the old one. One that is new can be read by those who can list its directory, and belongs
    /// to whom that belongs to, where that can be.
    fn write_beside(
        &self,
        text: &[u8],
        old: Option<&Metadata>,
        folder: &Metadata,
        step: &mut dyn FnMut(),
    ) -> Result<(), SaveError> {
        // One that was left by a process that died.
        match fs::remove_file(&self.unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(self.failed("write")(error));
            }
            Ok(()) | Err(_) => step(),
        }
        let mut options = OpenOptions::new();
        let new = options.write(true).create_new(true).mode(0o600).open(&self.unfinished);
        let mut new = new.map_err(self.failed("write"))?;
        step();
        new.write_all(text).map_err(self.failed("write"))?;
        step();
        let mode = match old {
            Some(old) => {
                own_as(&new, old).map_err(self.failed("keep the owner of"))?;
                old.mode() & 0o7777
            }
            None => {
                // A file that belongs to who writes it does as well.
                let _own = own_as(&new, folder);
                0o600 | (folder.mode() & 0o044)
            }
        };
        new.set_permissions(Permissions::from_mode(mode)).map_err(self.failed("write"))?;
        new.sync_all().map_err(self.failed("write"))
    }

    /// Puts the new text into its place, or takes the file away.
    fn finish(&self, change: &Change, step: &mut dyn FnMut()) -> Result<(), SaveError> {
        step();
        match &change.after {
            Some(_) => fs::rename(&self.unfinished, &self.path).map_err(self.failed("write")),
            None => fs::remove_file(&self.path).map_err(self.failed("remove")),
        }
    }

    /// What went wrong with it.
    fn failed(&self, action: &'static str) -> impl FnOnce(io::Error) -> SaveError {
        let path = self.path.display().to_string();
        move |source| match source.kind() {
            ErrorKind::ReadOnlyFilesystem => SaveError::ReadOnly(path),
            _ => SaveError::System { action, path, source },
        }
    }
}

/// Gives a file to whom another one belongs, if it does not belong to them.
fn own_as(file: &File, other: &Metadata) -> io::Result<()> {
    let is = file.metadata()?;
    if (is.uid(), is.gid()) == (other.uid(), other.gid()) {
        return Ok(());
    }
    fchown(file, Some(other.uid()), Some(other.gid()))
}
