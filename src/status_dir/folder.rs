//! The directory that the files are in, each of them whole at any instant: a text goes into a
//! dot-file first, which takes the place of the old one.
//!
//! Only what has a name of ours and holds what we write under it is ever replaced or removed, so
//! that a directory named by mistake loses nothing. The calls block.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::domain::name::{Label, TaskName};

/// The file of the worker itself. No namespace has such a name.
pub const WORKER: &str = "_worker.json";

/// What a file is called while it is written, after a dot and its own name.
const UNFINISHED: &str = ".evenkeel-new";

/// The most that is read of a file to see whose it is, in bytes: none of ours has more.
const MOST: u64 = 16 << 20;

/// Why the files can't be written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process writes there.
    #[error("another evenkeel shows its status in {0}: each needs a directory of its own")]
    Held(PathBuf),
    /// The system refuses.
    #[error("can't {action} {path}: {source}")]
    System {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What is to be in files, by name; `None`: the file is to go.
pub type Texts = BTreeMap<String, Option<Vec<u8>>>;

/// A directory of status files.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Keeps others away for as long as it is open.
    lock: Mutex<Option<File>>,
}

/// What has the name of a file.
enum Standing {
    /// Nothing.
    Free,
    /// A file that we wrote, and what is in it.
    Ours(Vec<u8>),
    /// Something of somebody else.
    Theirs,
}

/// The file of a task.
pub fn file_of(task: &TaskName) -> String {
    format!("{}.{}.json", task.namespace, task.name)
}

/// The task whose file has that name.
fn task_of(file: &str) -> Option<TaskName> {
    let (namespace, name) = file.strip_suffix(".json")?.split_once('.')?;
    Some(TaskName { namespace: Label::parse(namespace).ok()?, name: Label::parse(name).ok()? })
}

impl Folder {
    /// The directory at `path`, which need not be there yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, lock: Mutex::new(None) }
    }

    /// Makes the directory, for its owner alone, if it is not there; keeps others from writing
    /// there; and removes what an earlier run has left but the files of `known`.
    ///
    /// # Errors
    /// If that can't be done, or another one has it.
    pub fn begin(&self, known: &BTreeSet<TaskName>) -> Result<(), FolderError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        made.map_err(failed("make", &self.path))?;
        self.take()?;
        let listed = fs::read_dir(&self.path).map_err(failed("list", &self.path))?;
        for entry in listed {
            let name = entry.map_err(failed("list", &self.path))?.file_name();
            // What is no text is none of ours.
            let Some(name) = name.to_str() else { continue };
            if let Some(task) = task_of(name) {
                if !known.contains(&task) {
                    self.remove(name)?;
                }
            } else if is_unfinished(name) {
                self.delete(name)?;
            }
        }
        Ok(())
    }

    /// Locks the directory that is there now.
    fn take(&self) -> Result<(), FolderError> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        *lock = None;
        let file = File::open(&self.path).map_err(failed("open", &self.path))?;
        match file.try_lock() {
            Ok(()) => *lock = Some(file),
            Err(TryLockError::WouldBlock) => return Err(FolderError::Held(self.path.clone())),
            // Some file systems have no locks.
            Err(TryLockError::Error(_)) => {}
        }
        Ok(())
    }

    /// Has these texts in these files, and tells the names that are somebody else's: those stay as
    /// they are. A file that says the same already is left alone.
    ///
    /// # Errors
    /// If one can't be written; those before it are.
    pub fn write(&self, texts: &Texts) -> Result<Vec<String>, FolderError> {
        let mut theirs = Vec::new();
        for (name, text) in texts {
            let is_ours = match text {
                Some(text) => self.put(name, text)?,
                None => self.remove(name)?,
            };
            if !is_ours {
                theirs.push(name.clone());
            }
        }
        Ok(theirs)
    }

    /// Whether that name is ours, and the text there now.
    fn put(&self, name: &str, text: &[u8]) -> Result<bool, FolderError> {
        match self.standing(name)? {
            Standing::Theirs => return Ok(false),
            Standing::Ours(before) if before == text => return Ok(true),
            Standing::Ours(_) | Standing::Free => {}
        }
        let unfinished = self.path.join(format!(".{name}{UNFINISHED}"));
        let written = self.write_beside(&unfinished, text).and_then(|()| {
            let path = self.path.join(name);
            fs::rename(&unfinished, &path).map_err(failed("write", &path))
        });
        if written.is_err() {
            // Should it stay, it is in nobody's way, and the next one takes its place.
            let _left = fs::remove_file(&unfinished);
        }
        written.map(|()| true)
    }

    /// Whether that name is ours, and free now.
    fn remove(&self, name: &str) -> Result<bool, FolderError> {
        match self.standing(name)? {
            Standing::Free => Ok(true),
            Standing::Ours(_) => self.delete(name).map(|()| true),
            Standing::Theirs => Ok(false),
        }
    }

    fn delete(&self, name: &str) -> Result<(), FolderError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed("remove", &path)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn standing(&self, name: &str) -> Result<Standing, FolderError> {
        let path = self.path.join(name);
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Standing::Free),
            Err(error) => return Err(failed("look at", &path)(error)),
        };
        if !metadata.is_file() || metadata.len() > MOST {
            return Ok(Standing::Theirs);
        }
        let text = fs::read(&path).map_err(failed("read", &path))?;
        Ok(if is_ours(name, &text) { Standing::Ours(text) } else { Standing::Theirs })
    }

    /// Who may list the directory may read what is in it.
    fn write_beside(&self, path: &Path, text: &[u8]) -> Result<(), FolderError> {
        let mode = fs::metadata(&self.path).map_err(failed("look at", &self.path))?.mode();
        let written = || {
            // One that was left by a process that died.
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(text)?;
            file.set_permissions(Permissions::from_mode(0o600 | (mode & 0o044)))
        };
        written().map_err(failed("write", path))
    }
}

/// Whether a text is what we write under that name, or nothing: that is what a power failure may
/// leave of it.
fn is_ours(name: &str, text: &[u8]) -> bool {
    if text.is_empty() {
        return true;
    }
    let Ok(Value::Object(found)) = serde_json::from_slice(text) else { return false };
    match task_of(name) {
        Some(task) => found.get("name").and_then(Value::as_str) == Some(&*task.to_string()),
        None => found.get("worker").is_some_and(|worker| worker["pid"].is_u64()),
    }
}

fn is_unfinished(name: &str) -> bool {
    let name = name.strip_prefix('.').and_then(|name| name.strip_suffix(UNFINISHED));
    name.is_some_and(|name| name == WORKER || task_of(name).is_some())
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::System { action, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn task(text: &str) -> TaskName {
        TaskName::try_from(text.to_owned()).unwrap()
    }

    fn texts(files: &[(&str, Option<&str>)]) -> Texts {
        let text = |text: &str| text.as_bytes().to_vec();
        files.iter().map(|(name, of)| ((*name).to_owned(), of.map(text))).collect()
    }

    const WEB: &str = r#"{"name": "default/web"}"#;
    const OLD: &str = r#"{"name": "default/old"}"#;

    #[test]
    fn what_an_earlier_run_left_must_go_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let theirs = [
            ("package.lock.json", "{}"),
            ("default.other.json", OLD),
            ("default.list.json", "[]"),
            ("notes.txt", ""),
            ("old.json", OLD),
            (".default.json.evenkeel-new", ""),
            ("Default.old.json", r#"{"name": "Default/old"}"#),
        ];
        let ours = [
            ("default.old.json", OLD),
            ("default.empty.json", ""),
            (".default.old.json.evenkeel-new", "{"),
            ("._worker.json.evenkeel-new", ""),
        ];
        for (name, text) in theirs.iter().chain(&ours) {
            fs::write(at(name), text).unwrap();
        }
        fs::write(at("default.web.json"), WEB).unwrap();
        symlink(at("default.web.json"), at("default.link.json")).unwrap();
        fs::create_dir(at("default.dir.json")).unwrap();
        let folder = Folder::new(home.path().to_owned());
        folder.begin(&BTreeSet::from([task("web")])).unwrap();
        for (name, text) in theirs.iter().chain(&[("default.web.json", WEB)]) {
            assert_eq!(fs::read_to_string(at(name)).unwrap(), *text, "{name}");
        }
        assert!(at("default.link.json").is_symlink() && at("default.dir.json").is_dir());
        for (name, _) in ours {
            assert!(!at(name).exists(), "{name}");
        }
        // Nor is it written over, or removed, once a task has that name.
        let name = "default.other.json";
        let asked = texts(&[
            (name, Some(r#"{"name": "default/other"}"#)),
            ("default.link.json", None),
            ("default.dir.json", None),
        ]);
        let told = folder.write(&asked).unwrap();
        assert_eq!(told, ["default.dir.json", "default.link.json", name]);
        assert_eq!(fs::read_to_string(at(name)).unwrap(), OLD);
    }

    #[test]
    fn a_file_must_be_replaced_as_a_whole_and_only_by_something_else() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::new(home.path().join("above/status"));
        let path = home.path().join("above/status/default.web.json");
        folder.begin(&BTreeSet::new()).unwrap();
        let inode = || fs::metadata(&path).unwrap().ino();
        let put = |text: &str| folder.write(&texts(&[("default.web.json", Some(text))])).unwrap();
        assert!(put(WEB).is_empty());
        let before = File::open(&path).unwrap();
        let first = inode();
        put(WEB);
        assert_eq!(inode(), first, "it says the same");
        let longer = r#"{"name": "default/web", "phase": "Running"}"#;
        put(longer);
        assert_ne!(inode(), first);
        assert_eq!(fs::read_to_string(&path).unwrap(), longer);
        assert_eq!(io::read_to_string(before).unwrap(), WEB, "who reads it has it whole");
        let listed = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(listed, 1, "nothing else is left there");
        folder.write(&texts(&[("default.web.json", None), ("default.none.json", None)])).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn who_may_list_the_directory_may_read_the_files() {
        let home = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        for (name, directory, file) in [("made", 0o700, 0o600), ("open", 0o755, 0o644)] {
            let path = home.path().join(name);
            if name == "open" {
                fs::create_dir(&path).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(directory)).unwrap();
            }
            let folder = Folder::new(path.clone());
            folder.begin(&BTreeSet::new()).unwrap();
            folder.write(&texts(&[(WORKER, Some("{}"))])).unwrap();
            assert_eq!(mode(&path), directory, "{name}");
            assert_eq!(mode(&path.join(WORKER)), file, "{name}");
        }
    }

    #[test]
    fn two_must_not_write_into_one_directory() {
        let home = tempfile::tempdir().unwrap();
        let [one, other] = [(), ()].map(|()| Folder::new(home.path().join("status")));
        one.begin(&BTreeSet::new()).unwrap();
        assert!(matches!(other.begin(&BTreeSet::new()), Err(FolderError::Held(_))));
        // It begins anew by itself where the directory was removed.
        fs::remove_dir(home.path().join("status")).unwrap();
        assert!(one.write(&texts(&[("default.web.json", Some(WEB))])).is_err());
        one.begin(&BTreeSet::new()).unwrap();
        drop(one);
        other.begin(&BTreeSet::new()).unwrap();
    }
}
