//! The loop that keeps a snapshot of the source up to date, on a thread of its own.
//!
//! It is level-triggered: a hint, a timer, another root all mean only "look there again".
#![expect(
    clippy::disallowed_methods,
    reason = "the thread sleeps by the clock, and a file's age is told by it"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::entry::{Clock, Trust};
use super::events::Events;
use super::hints::{Heard, Hints, Sign};
use super::names::{self, Name};
use super::scan::{Changes, Scanner};
use super::tree::{Id, Tree};
use super::{Options, WatchHealth};
use crate::domain::source::{FileState, Snapshot};
use crate::domain::time::jittered;

/// A look that takes that long, and twice as long as the last one, does not answer.
const SILENCE: Duration = Duration::from_secs(60);

/// Looking at everything takes at most one part in so many of the time.
const SHARE: u32 = 20;

/// Where looks end up.
pub(super) struct Publisher {
    out: watch::Sender<Arc<Snapshot>>,
    /// The files as they were last known, while the channel says that they are unavailable.
    shelved: Option<Arc<Snapshot>>,
}

/// The loop and all it owns.
pub(super) struct Follower<R> {
    options: Options,
    scanner: Scanner<R>,
    hints: Arc<Hints>,
    events: Option<Events>,
    /// The root whose events those are.
    armed: Option<Id>,
    watched: BTreeSet<String>,
    publisher: Publisher,
    health: watch::Sender<WatchHealth>,
    /// When everything is looked at next, and how that came about.
    next_whole: (Instant, Trust),
    /// Before that it would take too much of the time.
    earliest_whole: Instant,
    next_root_check: Instant,
}

impl Publisher {
    pub(super) fn new(out: watch::Sender<Arc<Snapshot>>) -> Self {
        let empty = Snapshot::Read { files: [].into() };
        Self { out, shelved: Some(Arc::new(empty)) }
    }

    /// Whether the source could not be read last time, or never was.
    fn is_unavailable(&self) -> bool {
        self.shelved.is_some()
    }

    /// The source was read; this changed.
    fn read(&mut self, changes: Changes) {
        if let Some(mut snapshot) = self.shelved.take() {
            apply(&mut snapshot, changes);
            self.out.send_replace(snapshot);
        } else if !changes.is_empty() {
            self.out.send_modify(|snapshot| apply(snapshot, changes));
        }
    }

    /// Says the same again: what a task mounts may lie elsewhere now, and that is in no file.
    fn repeat(&self) {
        if !self.is_unavailable() {
            self.out.send_modify(|_| {});
        }
    }

    /// The source can't be read.
    fn unavailable(&mut self, message: String) {
        let unavailable = Snapshot::Unavailable { message };
        if **self.out.borrow() == unavailable {
            return;
        }
        let before = self.out.send_replace(Arc::new(unavailable));
        if self.shelved.is_none() {
            self.shelved = Some(before);
        }
    }
}

/// Changes a snapshot: in place, if nobody else looks at it.
fn apply(snapshot: &mut Arc<Snapshot>, changes: Changes) {
    if let Snapshot::Read { files } = Arc::make_mut(snapshot) {
        for (path, state) in changes {
            match state {
                Some(state) => files.insert(path, state),
                None => files.remove(&path),
            };
        }
    }
}

impl<R: Fn(&str, &[u8]) -> FileState> Follower<R> {
    pub(super) fn new(
        options: Options,
        scanner: Scanner<R>,
        hints: Arc<Hints>,
        publisher: Publisher,
        health: watch::Sender<WatchHealth>,
    ) -> Self {
        let now = Instant::now();
        Self {
            options,
            scanner,
            hints,
            events: None,
            armed: None,
            watched: BTreeSet::new(),
            publisher,
            health,
            next_whole: (now, Trust::Fresh),
            earliest_whole: now,
            next_root_check: now,
        }
    }

    /// Runs until the hints say stop.
    pub(super) fn run(mut self) {
        loop {
            let heard = self.hints.wait(self.next_wake(), Instant::now);
            if heard.stop {
                return;
            }
            self.react(heard);
            let now = Instant::now();
            if self.next_root_check <= now {
                self.check_root();
                self.next_root_check = now + self.options.root_check;
            }
            if self.next_whole.0 <= now {
                self.look_whole();
            }
            self.look_at_due();
        }
    }

    fn next_wake(&self) -> Instant {
        // Single files wait while the source itself is not there.
        let there = !self.publisher.is_unavailable();
        let due = self.scanner.due().map(|(_, at)| at).filter(|_| there).min();
        let fixed = self.next_whole.0.min(self.next_root_check);
        due.map_or(fixed, |due| due.min(fixed))
    }

    /// Has everything looked at as soon as that does not take too much of the time.
    fn want_whole(&mut self, trust: Trust) {
        let at = self.earliest_whole.max(Instant::now());
        let trust = if self.next_whole.1 == Trust::Swapped { Trust::Swapped } else { trust };
        self.next_whole = (self.next_whole.0.min(at), trust);
    }

    /// Whether the root is the directory that was looked at; if not, it is looked at next. Events
    /// don't tell when the root itself is replaced.
    fn check_root(&mut self) -> bool {
        let there = Tree::id_at(&self.options.root).ok();
        let same = there.is_some()
            && there == self.scanner.root_id()
            && (self.events.is_none() || self.armed == there)
            && !self.publisher.is_unavailable();
        if !same {
            self.next_whole.0 = Instant::now();
        }
        same
    }

    fn look_whole(&mut self) {
        let begun = Instant::now();
        let trust = self.next_whole.1;
        let unarmed = self.arm();
        let (events, root) = (&mut self.events, &self.options.root);
        let (mut entered, mut unwatched) = (BTreeSet::new(), BTreeMap::new());
        let mut entering = |path: &str| {
            if let Some(events) = events.as_mut()
                && entered.insert(path.to_owned())
                && let Err(message) = events.watch(&root.join(path))
            {
                unwatched.insert(path.to_owned(), message);
            }
        };
        let found = self.scanner.look_whole(trust, clock(), &mut entering);
        // Of a directory that can't be listed nobody says more than that.
        unwatched.retain(|path, _| !self.scanner.is_refused(path));
        let degraded = unarmed.or(unwatched.into_values().next());
        let end = Instant::now();
        self.earliest_whole = end + end.duration_since(begun) * (SHARE - 1);
        self.next_whole = (self.earliest_whole.max(end + self.rescan()), Trust::Found);
        let due = self.next_whole.0.duration_since(end);
        let (reads, parsed) = (self.scanner.reads, self.scanner.parsed);
        self.health.send_modify(|health| {
            health.degraded = degraded;
            health.listings += 1;
            (health.reads, health.parsed) = (reads, parsed);
            health.last_look = Some(end);
            health.look_within = due + SILENCE.max(2 * end.duration_since(begun));
            if found.is_ok() {
                health.last_full_read = Some(end);
            }
        });
        match found {
            Ok(again) => {
                self.unwatch_all_but(entered);
                self.say_changes();
                if trust == Trust::Swapped {
                    self.publisher.repeat();
                }
                if again {
                    self.want_whole(Trust::Found);
                }
            }
            Err(message) => {
                // Another root may be there next time: its watches are made anew.
                self.events = None;
                self.watched.clear();
                self.publisher.unavailable(message);
            }
        }
    }

    /// Begins to listen to events, if that is wanted and not the case, or if the root that is
    /// listened to is not the one that is there. Returns why it can't.
    fn arm(&mut self) -> Option<String> {
        let there = Tree::id_at(&self.options.root).ok();
        if there != self.armed || self.events.as_ref().is_some_and(|events| !events.is_alive()) {
            self.events = None;
            self.watched.clear();
        }
        if self.events.is_some() || !self.options.events || there.is_none() {
            return None;
        }
        match Events::open(&self.options.root, &self.hints) {
            Ok(events) => {
                // Nothing was heard until now.
                self.scanner.replaced("");
                self.events = Some(events);
                self.armed = there;
                None
            }
            Err(message) => Some(message),
        }
    }

    fn unwatch_all_but(&mut self, entered: BTreeSet<String>) {
        if let Some(events) = self.events.as_mut() {
            for path in self.watched.difference(&entered) {
                events.unwatch(&self.options.root.join(path));
            }
        }
        self.watched = entered;
    }

    /// Files that have to be looked at again by themselves.
    fn look_at_due(&mut self) {
        let now = Instant::now();
        let due = self.scanner.due().filter(|(_, at)| *at <= now);
        let due: Vec<String> = due.map(|(path, _)| path.to_owned()).collect();
        if due.is_empty() || self.publisher.is_unavailable() {
            return;
        }
        for path in due {
            // What is heard of it right now comes first.
            if !self.hints.mention(&path) {
                self.look_at(&path);
            }
        }
        self.publish();
    }

    fn react(&mut self, heard: Heard) {
        let events_end = self.events.as_ref().is_some_and(|events| !events.is_alive());
        let lost = heard.lost || heard.broken.is_some() || events_end;
        if heard.unclear || lost {
            self.want_whole(Trust::Swapped);
        }
        if let Some(message) = heard.broken {
            self.events = None;
            self.health.send_modify(|health| health.degraded = Some(message));
        }
        self.react_to_all(heard.paths);
        if lost {
            // The last that was heard of a writer may not be the last that it did.
            self.scanner.replaced("");
        }
    }

    fn react_to_all(&mut self, paths: BTreeMap<String, Sign>) {
        if paths.is_empty() {
            return;
        }
        if !self.check_root() {
            // It is another root: what was heard may be of the old one.
            return;
        }
        // A directory after what is in it: what was heard of that may be of the one before.
        for (path, sign) in paths.into_iter().rev() {
            self.react_to(&path, sign);
        }
        self.publish();
    }

    fn react_to(&mut self, path: &str, sign: Sign) {
        let mut names = path.split('/').map(|part| names::judge(part.as_bytes()));
        let never = names.clone().any(|name| name == Name::Never);
        if never || names.next_back() != Some(Name::Manifest) {
            // A link may lead through anything; and a directory that comes or goes says nothing
            // of what is in it.
            let concerns = if never {
                self.scanner.has_links()
            } else {
                self.scanner.is_more_than_a_file(path)
            };
            if matches!(sign, Sign::Replaced | Sign::Complete) && concerns {
                self.scanner.replaced(path);
            }
            if sign != Sign::Written && concerns {
                self.want_whole(Trust::Swapped);
            }
            return;
        }
        match sign {
            Sign::Written => self.scanner.written(path, clock()),
            Sign::Complete => self.scanner.completed(path, clock()),
            Sign::Replaced => self.scanner.replaced(path),
            Sign::Touched => {}
        }
        self.look_at(path);
    }

    fn look_at(&mut self, path: &str) {
        if self.scanner.look_at(path, Trust::Found, clock()) {
            self.want_whole(Trust::Found);
        }
    }

    /// Says what looks at single files changed.
    fn publish(&mut self) {
        if self.publisher.is_unavailable() {
            return;
        }
        let counts = (self.scanner.reads, self.scanner.parsed);
        self.health.send_if_modified(|health| {
            let before = (health.reads, health.parsed);
            (health.reads, health.parsed) = counts;
            before != counts
        });
        self.say_changes();
    }

    fn say_changes(&mut self) {
        let changes = self.scanner.take_changes();
        if changes.values().any(Option::is_none) {
            // Somebody may be about to take it for deleted: before that it is looked for again.
            let soon = self.earliest_whole.max(Instant::now() + self.options.settle);
            self.next_whole.0 = self.next_whole.0.min(soon);
        }
        self.publisher.read(changes);
    }

    /// The time between two looks at everything, spread by a tenth either way.
    fn rescan(&self) -> Duration {
        jittered(self.options.rescan, RandomState::new().hash_one(0))
    }
}

fn clock() -> Clock {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Clock { now: Instant::now(), wall }
}

/// One look at everything, believing each file as it is.
pub(super) fn look_once<R: Fn(&str, &[u8]) -> FileState>(mut scanner: Scanner<R>) -> Snapshot {
    // The second look knows what the first found mounted.
    for _ in 0..2 {
        match scanner.look_whole(Trust::AsItIs, clock(), &mut |_| {}) {
            Ok(true) => {}
            Ok(false) => break,
            Err(message) => return Snapshot::Unavailable { message },
        }
    }
    let changes = scanner.take_changes();
    let files = changes.into_iter().filter_map(|(path, state)| Some((path, state?))).collect();
    Snapshot::Read { files }
}
