//! Looks at the source, and what they change: which manifests there are, and what they hold.
//!
//! A look reads; what is published of it, and when the next one is, others decide.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::entry::{Clock, Entry, Print, Seen, Shown, Trust, Verdict, Writer, unclosed};
use super::listing::{self, Barred, Listing};
use super::mounts::{self, Mounts};
use super::outside::Outside;
use super::refusal::Refusal;
use super::tree::{Id, Kind, Lock, Tree};
use super::{names, unreliable};
use crate::domain::source::FileState;
use crate::metrics::Saved;

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
    /// How long a writer is waited for before that is told.
    pub(super) write_timeout: Duration,
    /// The size of the largest file that is read, in bytes.
    pub(super) max_file_bytes: u64,
    /// Keep others off the directory.
    pub(super) lock: bool,
    /// Where it is noted when files were saved.
    pub(super) saved: Arc<Saved>,
}

/// What is known of the source.
pub(super) struct Scanner<R> {
    manner: Manner,
    read: R,
    tree: Option<Tree>,
    /// What keeps others off the root that was opened last.
    lock: Option<Lock>,
    /// The device of the root as it was first seen, and of each directory beneath it.
    devices: BTreeMap<String, u64>,
    entries: BTreeMap<String, Entry>,
    listing: Listing,
    mounts: Mounts,
    outside: Outside,
    changes: Changes,
    hasher: RandomState,
    /// How many files were read.
    pub(super) reads: u64,
    /// How many of them were parsed.
    pub(super) parsed: u64,
}

impl<R: Fn(&str, &[u8]) -> FileState> Scanner<R> {
    /// Nothing is known yet but what tasks mount.
    pub(super) fn new(manner: Manner, mounts: Mounts, read: R) -> Self {
        Self {
            manner,
            read,
            tree: None,
            lock: None,
            devices: BTreeMap::new(),
            entries: BTreeMap::new(),
            listing: Listing::default(),
            mounts,
            outside: Outside::default(),
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
            self.replaced("");
        }
        self.collect_mounts(&tree);
        let mounts = self.mounts.paths().clone();
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
        for (path, why) in &listing.refused {
            self.refuse(path, why.clone());
        }
        let mut paths: Vec<&String> = listing.files.keys().collect();
        // What lies nearer to the root is read first: what it mounts is not read.
        paths.sort_by_key(|path| (path.matches('/').count(), *path));
        let mut moved = false;
        for path in paths {
            moved |= !self.look_beneath(&tree, path, trust, clock);
        }
        self.listing = listing;
        self.collect_mounts(&tree);
        self.tree = Some(tree);
        self.drop_mounted();
        Ok(moved || *self.mounts.paths() != mounts)
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
        if self.mounts.hold(path) {
            return;
        }
        let file = self.tree.as_ref().and_then(|tree| tree.file(path).ok());
        self.entries.entry(path.to_owned()).or_default().written(clock.now, file);
        self.wait_for(path);
    }

    /// Notes that whoever wrote to a file is done with it.
    pub(super) fn completed(&mut self, path: &str, clock: Clock) {
        if !self.mounts.hold(path) {
            self.entries.entry(path.to_owned()).or_default().completed(clock.now);
        }
    }

    /// Notes that there are other files, or none, at and beneath a path, or that their writers may
    /// have done more than was heard of; no path is all of them.
    pub(super) fn replaced(&mut self, path: &str) {
        for (known, entry) in &mut self.entries {
            if path.is_empty() || names::is_at_or_beneath(known, path) {
                entry.replaced();
            }
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
            || self.is_refused(path)
            || matches!(kind, Some(Kind::Directory | Kind::Link))
    }

    /// Whether a path could not be read or entered when everything was listed last.
    pub(super) fn is_refused(&self, path: &str) -> bool {
        self.listing.refused.contains_key(path)
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
        if self.manner.lock && self.lock.as_ref().is_none_or(|lock| lock.id != tree.id) {
            self.lock = Some(tree.lock().map_err(|refusal| self.told(&refusal))?);
        }
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
        unreliable(&self.manner.root, what)
    }

    /// Lists until nothing that is known is missing, or is missing twice: while something is
    /// renamed a listing may miss both its names.
    fn list(
        &mut self,
        tree: &Tree,
        first: bool,
        entering: &mut dyn FnMut(&str),
    ) -> Result<Listing, String> {
        let (root, skip) = (&self.manner.root, self.mounts.paths());
        let mut asking = self.outside.begin();
        let mut list = |entering: &mut dyn FnMut(&str)| {
            listing::list(tree, skip, &mut asking, entering)
                .map_err(|refusal| unreliable(root, &refusal))
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
        if self.mounts.hold(path) {
            self.drop_entry(path);
            return true;
        }
        let write_timeout = self.manner.write_timeout;
        let entry = self.entries.get_mut(path);
        let there = || tree.file(path).ok();
        match entry.map(|entry| entry.writer(clock.now, write_timeout, there)) {
            Some(Writer::Awaited) => return true,
            Some(Writer::Overdue) => {
                self.refuse(path, Barred::Unread(unclosed(write_timeout)));
                return true;
            }
            Some(Writer::None) | None => {}
        }
        self.reads += 1;
        let content = match tree.read(path, self.manner.max_file_bytes) {
            Ok(content) => content,
            Err(Refusal::Absent) => {
                self.drop_entry(path);
                return false;
            }
            Err(Refusal::Changing) => {
                self.entries.entry(path.to_owned()).or_default().changing(clock.now);
                self.wait_for(path);
                return true;
            }
            Err(refusal) => {
                self.refuse(path, Barred::Unread(refusal.to_string()));
                return true;
            }
        };
        if self.mounts.hold(&content.real) {
            self.drop_entry(path);
            return true;
        }
        let hash = self.hasher.hash_one(&content.bytes);
        let print = Print { hash, length: content.bytes.len() };
        let seen = Seen { print, stamp: content.stamp, link: content.real != path };
        let entry = self.entries.entry(path.to_owned()).or_default();
        match entry.judge(seen, trust, clock, self.manner.settle) {
            Verdict::Same => {}
            Verdict::Wait => self.wait_for(path),
            Verdict::Take => {
                self.manner.saved.note(path, content.stamp.changed);
                self.take(tree, path, &content.bytes);
            }
        }
        true
    }

    /// Parses a content and shows it.
    fn take(&mut self, tree: &Tree, path: &str, bytes: &[u8]) {
        self.parsed += 1;
        let state = self.parse(path, bytes);
        let (mounts, clean) = mounts::declared(&state, path, tree);
        let entry = self.entries.entry(path.to_owned()).or_default();
        entry.shown = Shown::Documents;
        if clean {
            entry.mounts = mounts;
        } else {
            // The last good version of what is broken runs on, and so does what it mounts.
            entry.mounts.extend(mounts);
        }
        self.mounts.add(&entry.mounts);
        self.changes.insert(path.to_owned(), Some(state));
    }

    /// What a file holds. A bug that one file brings to light must not stop the reading of others.
    fn parse(&self, path: &str, bytes: &[u8]) -> FileState {
        let read = AssertUnwindSafe(|| (self.read)(path, bytes));
        catch_unwind(read).unwrap_or_else(|_| {
            let message = "evenkeel failed when it read this file: a bug of evenkeel".to_owned();
            FileState::unreadable(path, message)
        })
    }

    /// A file whose content is not believed yet keeps what is shown of it, if anything is.
    fn wait_for(&mut self, path: &str) {
        let entry = self.entries.entry(path.to_owned()).or_default();
        if entry.shown == Shown::Nothing {
            entry.shown = Shown::Unsettled;
            self.changes.insert(path.to_owned(), Some(FileState::Unsettled));
        }
    }

    fn refuse(&mut self, path: &str, why: Barred) {
        let entry = self.entries.entry(path.to_owned()).or_default();
        let news = entry.shown != Shown::Refusal(why.clone());
        entry.refused(why.clone());
        if !news {
            return;
        }
        let state = match why {
            Barred::Unread(message) => FileState::unreadable(path, message),
            Barred::Unlisted(message) => FileState::unlisted(path, message),
        };
        self.changes.insert(path.to_owned(), Some(state));
    }

    fn drop_entry(&mut self, path: &str) {
        if self.entries.remove(path).is_some_and(|entry| entry.shown != Shown::Nothing) {
            self.changes.insert(path.to_owned(), None);
        }
        self.manner.saved.forget(path);
    }

    fn drop_mounted(&mut self) {
        let mounted: Vec<String> =
            self.entries.keys().filter(|path| self.mounts.hold(path)).cloned().collect();
        for path in mounted {
            self.drop_entry(&path);
        }
    }

    fn collect_mounts(&mut self, tree: &Tree) {
        self.mounts.collect(tree, self.entries.values().flat_map(|entry| &entry.mounts));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> FileState {
        let digest = String::from_utf8_lossy(bytes).into_owned();
        FileState::Read { digest, documents: Vec::new() }
    }

    fn look(scanner: &mut Scanner<impl Fn(&str, &[u8]) -> FileState>) -> Changes {
        let clock = Clock { now: Instant::now(), wall: Duration::ZERO };
        scanner.look_whole(Trust::AsItIs, clock, &mut |_| {}).unwrap();
        scanner.take_changes()
    }

    #[test]
    fn a_directory_on_another_device_holds_what_was_in_it() {
        let home = tempfile::TempDir::new().unwrap();
        std::fs::create_dir_all(home.path().join("x/y")).unwrap();
        std::fs::write(home.path().join("x/y/a.yaml"), "one").unwrap();
        let (_known, receiver) = tokio::sync::watch::channel([].into());
        let mounts = Mounts::known(receiver);
        let manner = Manner {
            root: home.path().to_owned(),
            settle: Duration::ZERO,
            write_timeout: Duration::ZERO,
            max_file_bytes: 10,
            lock: false,
            saved: Arc::default(),
        };
        let mut scanner = Scanner::new(manner, mounts, |_, bytes| text(bytes));
        let one = Some(text(b"one"));
        assert_eq!(look(&mut scanner), [("x/y/a.yaml".to_owned(), one.clone())].into());
        // As if something else had been mounted there when its files were read.
        let device = scanner.devices.insert("x".into(), 0).unwrap();
        let changes = look(&mut scanner);
        assert_eq!(changes.keys().collect::<Vec<_>>(), ["x", "x/y/a.yaml"]);
        assert!(matches!(changes["x"], Some(FileState::Unlisted { .. })));
        assert_eq!(changes["x/y/a.yaml"], None);
        assert_eq!(look(&mut scanner), Changes::new(), "it stays so");
        scanner.devices.insert("x".into(), device);
        let changes = look(&mut scanner);
        assert_eq!((&changes["x"], &changes["x/y/a.yaml"]), (&None, &one));
    }
}
