//! Looks at the source, and what they change: which manifests there are, and what they hold.
//!
//! A look reads; what is published of it, and when the next one is, others decide.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::entry::{Clock, Entry, Print, Shown, Trust, Verdict};
use super::listing::{self, Listing};
use super::names;
use super::tree::{Id, Kind, Refusal, Tree};
use crate::domain::diagnostic::{Diagnostic, InvalidReason};
use crate::domain::source::{Document, FileState};
use crate::domain::template::MountSource;

/// How often a listing is made again because the directory moves under it.
const MAX_LISTINGS: usize = 4;

/// What a look changed: the new state of each file, `None` of one that is no more.
pub(super) type Changes = BTreeMap<String, Option<FileState>>;

/// How looks are made.
pub(super) struct Manner {
    /// The directory.
    pub(super) root: PathBuf,
    /// How long a content has to stay the same to be believed.
    pub(super) settle: Duration,
    /// How long a writer is waited for.
    pub(super) write_timeout: Duration,
    /// The size of the largest file that is read, in bytes.
    pub(super) max_file_bytes: u64,
}

/// What is known of the source.
pub(super) struct Scanner<R> {
    manner: Manner,
    read: R,
    tree: Option<Tree>,
    /// The device of the root as it was first seen, and of each directory beneath it.
    devices: BTreeMap<String, u64>,
    entries: BTreeMap<String, Entry>,
    listing: Listing,
    /// Paths that are mounted by tasks that were known before, until every file could be read.
    known_mounts: Vec<String>,
    /// What the tasks of the source mount: not read, not watched.
    mounts: BTreeSet<String>,
    changes: Changes,
    hasher: RandomState,
    /// How many files were read.
    pub(super) reads: u64,
    /// How many of them were parsed.
    pub(super) parsed: u64,
}

impl<R: Fn(&str, &[u8]) -> FileState> Scanner<R> {
    /// Nothing is known yet but what tasks mount that were known before.
    pub(super) fn new(manner: Manner, known_mounts: Vec<String>, read: R) -> Self {
        Self {
            manner,
            read,
            tree: None,
            devices: BTreeMap::new(),
            entries: BTreeMap::new(),
            listing: Listing::default(),
            known_mounts,
            mounts: BTreeSet::new(),
            changes: Changes::new(),
            hasher: RandomState::new(),
            reads: 0,
            parsed: 0,
        }
    }

    /// Lists everything, reads every manifest. Says each directory to `entering` before it is
    /// listed. Returns whether another look is needed soon.
    ///
    /// # Errors
    /// Where nothing can be said of the source; in a sentence.
    pub(super) fn look_whole(
        &mut self,
        trust: Trust,
        clock: Clock,
        entering: &mut dyn FnMut(&str),
    ) -> Result<bool, String> {
        let tree = self.open()?;
        let before = self.tree.as_ref().map(|tree| tree.id);
        let another = before != Some(tree.id);
        let trust = match trust {
            Trust::Found | Trust::Swapped if another => Trust::Fresh,
            other => other,
        };
        if another {
            // What was heard of writers was of the files in the old one.
            self.entries.values_mut().for_each(Entry::replaced);
        }
        self.collect_mounts(&tree);
        let mounts = self.mounts.clone();
        let mut listing = self.list(&tree, before.is_none(), entering)?;
        if Tree::id_at(&self.manner.root).ok() != Some(tree.id) {
            return Err(self.told("it is being replaced"));
        }
        self.hold_other_devices(&mut listing);
        let gone = |path: &&String| {
            !listing.files.contains_key(*path) && !listing.refused.contains_key(*path)
        };
        let gone: Vec<String> = self.entries.keys().filter(gone).cloned().collect();
        for path in gone {
            self.drop_entry(&path);
        }
        for (path, message) in &listing.refused {
            self.refuse(path, message.clone());
        }
        let mut paths: Vec<&String> = listing.files.keys().collect();
        // What lies nearer to the root is read first: what it mounts is not read.
        paths.sort_by_key(|path| (path.matches('/').count(), *path));
        let mut moved = false;
        for path in paths {
            moved |= !self.look_beneath(&tree, path, trust, clock);
        }
        self.listing = listing;
        self.forget_known_mounts();
        self.collect_mounts(&tree);
        self.tree = Some(tree);
        self.drop_mounted();
        Ok(moved || self.mounts != mounts)
    }

    /// Reads one path, which may be new or gone. Returns whether a look at everything is needed:
    /// a task mounts something else than before.
    pub(super) fn look_at(&mut self, path: &str, trust: Trust, clock: Clock) -> bool {
        let Some(tree) = self.tree.take() else { return true };
        let mounts = self.entries.get(path).map(|entry| entry.mounts.clone()).unwrap_or_default();
        self.look_beneath(&tree, path, trust, clock);
        self.tree = Some(tree);
        self.entries.get(path).map_or(!mounts.is_empty(), |entry| entry.mounts != mounts)
    }

    /// Notes that somebody writes to a file.
    pub(super) fn written(&mut self, path: &str, clock: Clock) {
        if self.is_mounted(path) {
            return;
        }
        let entry = self.entries.entry(path.to_owned()).or_default();
        entry.written(clock.now);
        if entry.shown == Shown::Nothing {
            entry.shown = Shown::Unsettled;
            self.changes.insert(path.to_owned(), Some(FileState::Unsettled));
        }
    }

    /// Notes that whoever wrote to a file is done with it.
    pub(super) fn completed(&mut self, path: &str, clock: Clock) {
        if !self.is_mounted(path) {
            self.entries.entry(path.to_owned()).or_default().completed(clock.now);
        }
    }

    /// Notes that another file is at a path, or none.
    pub(super) fn replaced(&mut self, path: &str) {
        if let Some(entry) = self.entries.get_mut(path) {
            entry.replaced();
        }
    }

    /// Which directory the last whole look was at.
    pub(super) fn root_id(&self) -> Option<Id> {
        self.tree.as_ref().map(|tree| tree.id)
    }

    /// Whether something at `path` concerns more than a file: a directory, or a link.
    pub(super) fn is_more_than_a_file(&self, path: &str) -> bool {
        let kind = self.tree.as_ref().and_then(|tree| tree.kind(path).ok());
        self.listing.directories.contains_key(path)
            || self.listing.refused.contains_key(path)
            || matches!(kind, Some(Kind::Directory | Kind::Link))
    }

    /// Whether some of the source is reached by links.
    pub(super) fn has_links(&self) -> bool {
        self.listing.links
    }

    /// Files that have to be looked at again by themselves, and when.
    pub(super) fn due(&self) -> impl Iterator<Item = (&str, Instant)> {
        let Manner { settle, write_timeout, .. } = self.manner;
        self.entries.iter().filter_map(move |(path, entry)| {
            entry.due(settle, write_timeout).map(|at| (path.as_str(), at))
        })
    }

    /// Takes what has changed since the last time.
    pub(super) fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    fn open(&mut self) -> Result<Tree, String> {
        let tree = Tree::open(&self.manner.root).map_err(|refusal| self.told(&refusal))?;
        let device = *self.devices.entry(String::new()).or_insert(tree.id.device);
        if device == tree.id.device {
            return Ok(tree);
        }
        Err(self.told(
            "it is on another device than before: something was mounted or unmounted there; \
             start evenkeel again to take it as it is now",
        ))
    }

    fn told(&self, what: &(impl std::fmt::Display + ?Sized)) -> String {
        let root = names::shown(self.manner.root.as_os_str().as_encoded_bytes());
        format!("the source {root} can't be relied on: {what}")
    }

    /// Lists until nothing that is known is missing, or is missing twice: while something is
    /// renamed a listing may miss both its names.
    fn list(
        &self,
        tree: &Tree,
        first: bool,
        entering: &mut dyn FnMut(&str),
    ) -> Result<Listing, String> {
        let list = |entering: &mut dyn FnMut(&str)| {
            listing::list(tree, &self.mounts, entering).map_err(|refusal| self.told(&refusal))
        };
        let mut listing = list(entering)?;
        let listed = |path| listing.files.contains_key(path) || listing.refused.contains_key(path);
        let complete = self.entries.keys().all(listed);
        if complete && !first {
            return Ok(listing);
        }
        for _ in 1..MAX_LISTINGS {
            let again = list(entering)?;
            if again == listing {
                break;
            }
            listing = again;
        }
        Ok(listing)
    }

    /// A directory of which files are known, and that is on another device now, is not the one
    /// they were in.
    fn hold_other_devices(&mut self, listing: &mut Listing) {
        let directories = std::mem::take(&mut listing.directories);
        self.devices.retain(|path, _| path.is_empty() || directories.contains_key(path));
        for (path, id) in &directories {
            let before = *self.devices.get(path).unwrap_or(&id.device);
            let beneath = |known: &String| names::is_at_or_beneath(known, path);
            if before != id.device && self.entries.keys().any(beneath) {
                let message = "it is on another device than before: something was mounted or \
                               unmounted there; start evenkeel again to take it as it is now";
                listing.refuse(path, message.to_owned());
            } else {
                self.devices.insert(path.clone(), id.device);
            }
        }
        listing.directories = directories;
    }

    /// Reads one path. Returns whether something was there.
    fn look_beneath(&mut self, tree: &Tree, path: &str, trust: Trust, clock: Clock) -> bool {
        if self.is_mounted(path) {
            self.drop_entry(path);
            return true;
        }
        let timeout = self.manner.write_timeout;
        let entry = self.entries.get_mut(path);
        if entry.is_some_and(|entry| entry.is_being_written(clock.now, timeout)) {
            return true;
        }
        self.reads += 1;
        let content = match tree.read(path, self.manner.max_file_bytes) {
            Ok(content) => content,
            Err(Refusal::Absent) => {
                self.drop_entry(path);
                return false;
            }
            Err(Refusal::Changing) => {
                self.wait_for(path, clock);
                return true;
            }
            Err(refusal) => {
                self.refuse(path, refusal.to_string());
                return true;
            }
        };
        if self.is_mounted(&content.real) {
            self.drop_entry(path);
            return true;
        }
        let hash = self.hasher.hash_one(&content.bytes);
        let print = Print { hash, length: content.bytes.len() };
        let seen = (print, content.stamp, content.real != path);
        let entry = self.entries.entry(path.to_owned()).or_default();
        match entry.judge(seen, trust, clock, self.manner.settle) {
            Verdict::Wait if entry.shown == Shown::Nothing => {
                entry.shown = Shown::Unsettled;
                self.changes.insert(path.to_owned(), Some(FileState::Unsettled));
            }
            Verdict::Same | Verdict::Wait => {}
            Verdict::Take => self.take(tree, path, &content.bytes),
        }
        true
    }

    /// Parses a content and shows it.
    fn take(&mut self, tree: &Tree, path: &str, bytes: &[u8]) {
        self.parsed += 1;
        let state = (self.read)(path, bytes);
        let (mounts, clean) = mounts_of(&state, path, tree);
        let entry = self.entries.entry(path.to_owned()).or_default();
        entry.shown = Shown::Documents;
        entry.clean = clean;
        if clean {
            entry.mounts = mounts;
        } else {
            // The last good version of what is broken runs on, and so does what it mounts.
            entry.mounts.extend(mounts);
        }
        self.mounts.extend(entry.mounts.iter().cloned());
        self.changes.insert(path.to_owned(), Some(state));
    }

    /// A file that changes while it is read is as one that is being written.
    fn wait_for(&mut self, path: &str, clock: Clock) {
        let fresh = !self.entries.contains_key(path);
        let entry = self.entries.entry(path.to_owned()).or_default();
        entry.changing(clock.now);
        if fresh {
            entry.shown = Shown::Unsettled;
            self.changes.insert(path.to_owned(), Some(FileState::Unsettled));
        }
    }

    fn refuse(&mut self, path: &str, message: String) {
        let entry = self.entries.entry(path.to_owned()).or_default();
        entry.clean = false;
        if entry.shown == Shown::Refusal(message.clone()) {
            return;
        }
        entry.shown = Shown::Refusal(message.clone());
        let problem = Diagnostic {
            file: path.to_owned(),
            place: None,
            reason: InvalidReason::ParseFailed,
            message,
            help: None,
        };
        let state = FileState::Unreadable { digest: None, problems: vec![problem] };
        self.changes.insert(path.to_owned(), Some(state));
    }

    fn drop_entry(&mut self, path: &str) {
        if self.entries.remove(path).is_some_and(|entry| entry.shown != Shown::Nothing) {
            self.changes.insert(path.to_owned(), None);
        }
    }

    fn is_mounted(&self, path: &str) -> bool {
        self.mounts.contains(path)
            || path.match_indices('/').any(|(end, _)| self.mounts.contains(&path[..end]))
    }

    fn drop_mounted(&mut self) {
        let mounted: Vec<String> =
            self.entries.keys().filter(|path| self.is_mounted(path)).cloned().collect();
        for path in mounted {
            self.drop_entry(&path);
        }
    }

    fn collect_mounts(&mut self, tree: &Tree) {
        let known = self.known_mounts.iter().filter_map(|path| tree.relative(path));
        let known = known.filter(|path| !path.is_empty());
        let declared = self.entries.values().flat_map(|entry| entry.mounts.iter().cloned());
        self.mounts = known.chain(declared).collect();
    }

    /// What tasks mounted before this process is needed only until their manifests were read.
    fn forget_known_mounts(&mut self) {
        if self.entries.values().all(|entry| entry.clean) {
            self.known_mounts.clear();
        }
    }
}

/// The paths beneath the source that the tasks of a file mount, and whether all its documents could
/// be read. A path that the file itself lies beneath is left out: it would hide its own manifest.
fn mounts_of(state: &FileState, path: &str, tree: &Tree) -> (BTreeSet<String>, bool) {
    let FileState::Read { documents, .. } = state else { return (BTreeSet::new(), false) };
    let mut mounts = BTreeSet::new();
    let mut clean = true;
    for document in documents {
        let task = match document {
            Document::Task { task, .. } => task,
            Document::Broken { .. } => {
                clean = false;
                continue;
            }
            Document::Foreign { .. } => continue,
        };
        for mount in &task.template.mounts {
            if let MountSource::HostPath { path: host, .. } = &mount.source {
                let beneath = tree.relative(host).filter(|beneath| !beneath.is_empty());
                mounts.extend(beneath.filter(|mount| !names::is_at_or_beneath(path, mount)));
            }
        }
    }
    (mounts, clean)
}
