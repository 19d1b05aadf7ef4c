//! From one look to the next.

use std::collections::{BTreeMap, BTreeSet};

use super::claims::{Hold, Look, Speaker};
use super::{ApprovalRefused, Desired, Memory, Presence, Rules, Validity, Wanted};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::name::TaskName;
use crate::domain::record::Head;
use crate::domain::source::{FileState, Place, Snapshot};
use crate::domain::task::Task;
use crate::domain::time::Mono;

impl Desired {
    /// What was known before this process: from the DB, or from the labels of what runs. Every task
    /// counts as valid until the source is looked at, and as there, unless its removal was decided.
    pub fn restored<'a>(known: impl IntoIterator<Item = &'a Head>) -> Self {
        let wanted = |head: &Head| {
            let presence = if head.going { Presence::Gone } else { Presence::There };
            let wanted = Wanted { presence, ..accepted(head.task.clone(), head.place.clone()) };
            (head.name.clone(), wanted)
        };
        Self {
            tasks: known.into_iter().map(wanted).collect(),
            unavailable: None,
            read_once: false,
            prune_held: None,
            problems: Vec::new(),
            others: Vec::new(),
            memory: Memory::default(),
        }
    }

    /// A task that the labels of what runs tell of and that was not known: as those that were
    /// known before this process. One that is known stays as it is.
    pub fn remember(&mut self, task: Task, place: Place) {
        let name = task.name.clone();
        self.tasks.entry(name).or_insert_with(|| accepted(task, place));
    }

    /// The desired state after one look at the source.
    #[must_use]
    pub fn next(&self, snapshot: &Snapshot, rules: &Rules, now: Mono) -> Self {
        let mut next = self.clone();
        let _ = next.advance(snapshot, rules, now);
        next
    }

    /// As [`Desired::next`], in place. Returns the tasks of which something changed: what is
    /// wanted of them, or whether their removal is held, as each is before the source was read once.
    /// Whether the source is available concerns them all and is not among it.
    pub fn advance(&mut self, snapshot: &Snapshot, rules: &Rules, now: Mono) -> BTreeSet<TaskName> {
        let files = match snapshot {
            Snapshot::Unavailable { message } => {
                self.unavailable = Some(message.clone());
                return BTreeSet::new();
            }
            Snapshot::Read { files } => files,
        };
        let mut changed = BTreeSet::new();
        if self.unavailable.take().is_some() {
            changed = self.begin_tombstones_anew(now);
        }
        if !std::mem::replace(&mut self.read_once, true) {
            changed.extend(self.gone());
        }
        let known = self.tasks.values().filter(|task| task.presence != Presence::Gone).count();
        let look = Look::of(files);
        self.memory.suspects = look.suspects(&self.memory.suspects, now);
        self.problems.clear();
        self.others = look.foreign_documents();
        let absent = self.hear_known(&look, rules, now, &mut changed);
        self.hear_new(&look, &mut changed);
        self.count_foreign(&look, &absent);
        changed.extend(self.prune(&absent, known, rules, now));
        self.problems.sort_by(|a, b| order(a).cmp(&order(b)));
        self.problems.dedup();
        changed
    }

    /// When time alone changes something: [`Desired::next`] is to be called then, with the same
    /// snapshot if there is no newer one.
    #[must_use]
    pub fn wake_at(&self) -> Option<Mono> {
        self.memory.wake_at.filter(|_| self.unavailable.is_none())
    }

    /// Whether a task's manifest is gone and its tombstone runs. While removals are held, or the
    /// source can't be read, nobody knows for how long: then the task is kept as any other.
    #[must_use]
    pub fn is_in_doubt(&self, name: &TaskName) -> bool {
        let presence = self.tasks.get(name).map(|wanted| wanted.presence);
        let held = self.prune_held.as_ref().is_some_and(|held| held.tasks.contains(name));
        matches!(presence, Some(Presence::Missing { .. })) && !held && self.unavailable.is_none()
    }

    /// A person's consent that exactly these tasks go.
    ///
    /// # Errors
    /// If other tasks are held, or none, or nobody knows; nothing is changed then.
    pub fn approve_prune(&self, tasks: &BTreeSet<TaskName>) -> Result<Self, ApprovalRefused> {
        if self.unavailable.is_some() {
            return Err(ApprovalRefused::SourceUnavailable);
        }
        let held = self.prune_held.as_ref().ok_or(ApprovalRefused::NothingHeld)?;
        if held.tasks != *tasks {
            return Err(ApprovalRefused::OtherTasks { held: held.tasks.clone() });
        }
        let mut next = self.clone();
        next.prune_held = None;
        for name in tasks {
            next.let_go(name);
        }
        Ok(next)
    }

    /// A person's word that these tasks are to go, with their manifests (`delete`) or whatever the
    /// manifests say for as long as nobody looks again (`down`): at once, and not counted.
    ///
    /// A snapshot may still be on its way that was taken before the manifest was removed. So for
    /// the time of a tombstone a manifest that says just what it said before is not believed.
    #[must_use]
    pub fn remove_meant(&self, names: &BTreeSet<TaskName>, rules: &Rules, now: Mono) -> Self {
        let mut next = self.clone();
        let held = self.prune_held.as_ref().map(|held| &held.tasks);
        for name in names {
            let counted = self.memory.removals.get(name);
            if next.let_go(name) {
                if held.is_some_and(|held| held.contains(name))
                    && let Some(removal) = counted
                {
                    // A word for one of those that are held is none for the others.
                    next.memory.removals.insert(name.clone(), *removal);
                }
                next.memory.meant.insert(name.clone(), now);
                next.memory.wake_sooner(now + rules.tombstone);
            }
        }
        if let Some(held) = &mut next.prune_held {
            held.tasks.retain(|name| !names.contains(name));
        }
        next.prune_held = next.prune_held.filter(|held| !held.tasks.is_empty());
        next
    }

    /// Forgets a task that is gone and has nothing left. Any other is kept. In place: what is
    /// wanted of others is not looked at.
    pub fn forget(&mut self, name: &TaskName) {
        if self.tasks.get(name).is_some_and(|wanted| wanted.presence == Presence::Gone) {
            self.tasks.remove(name);
        }
    }

    /// The tasks that are to go.
    fn gone(&self) -> impl Iterator<Item = TaskName> {
        let gone = |(_, wanted): &(&TaskName, &Wanted)| wanted.presence == Presence::Gone;
        self.tasks.iter().filter(gone).map(|(name, _)| name.clone())
    }

    /// Marks a task as gone, by consent. Returns whether it is known.
    fn let_go(&mut self, name: &TaskName) -> bool {
        self.memory.removals.remove(name);
        let Some(wanted) = self.tasks.get_mut(name) else { return false };
        wanted.presence = Presence::Gone;
        true
    }

    /// What was missing before the source became unavailable has the whole time again: a source
    /// that comes back may come back in pieces. Returns which those are.
    fn begin_tombstones_anew(&mut self, now: Mono) -> BTreeSet<TaskName> {
        let mut begun = BTreeSet::new();
        for (name, wanted) in &mut self.tasks {
            if let Presence::Missing { since } = &mut wanted.presence {
                *since = now;
                begun.insert(name.clone());
            }
        }
        begun
    }

    /// Hears what the look says of each known task; returns those of which it says nothing.
    fn hear_known(
        &mut self,
        look: &Look<'_>,
        rules: &Rules,
        now: Mono,
        changed: &mut BTreeSet<TaskName>,
    ) -> BTreeSet<TaskName> {
        let Self { tasks, memory, problems, .. } = self;
        let mut absent = BTreeSet::new();
        let mut attached = BTreeSet::new();
        for (name, wanted) in tasks.iter_mut() {
            let heard = look.hear(name, wanted, problems);
            let before = wanted.presence;
            match heard {
                Speaker::Task { task, place } => {
                    let asked = memory.meant.get(name);
                    let fresh = asked.is_some_and(|at| now.since(*at) < rules.tombstone);
                    if fresh && wanted.task == *task && wanted.place == place {
                        continue;
                    }
                    memory.meant.remove(name);
                    if wanted.speak(task, place) {
                        changed.insert(name.clone());
                    }
                }
                Speaker::Broken { .. } if before == Presence::Gone => {}
                Speaker::Broken { problems, place } => {
                    if wanted.hold(problems.to_vec(), Some(place)) {
                        changed.insert(name.clone());
                    }
                }
                Speaker::Nobody => {
                    let counted = memory.foreign.get(&wanted.place.file).copied().unwrap_or(0);
                    let hold = look.hold(&wanted.place.file, counted);
                    match hold {
                        Some(_) if before == Presence::Gone => {}
                        Some(Hold { key, problems, .. }) => {
                            attached.insert(key);
                            if wanted.hold(problems, None) {
                                changed.insert(name.clone());
                            }
                        }
                        None => {
                            absent.insert(name.clone());
                        }
                    }
                }
            }
        }
        problems.extend(look.file_problems(&attached));
        absent
    }

    /// Takes up the names that are not known yet.
    fn hear_new(&mut self, look: &Look<'_>, changed: &mut BTreeSet<TaskName>) {
        for name in look.names() {
            if self.tasks.contains_key(name) {
                continue;
            }
            if let Some((task, place)) = look.hear_new(name, &mut self.problems) {
                self.tasks.insert(name.clone(), accepted(task.clone(), place));
                self.memory.meant.remove(name);
                changed.insert(name.clone());
            }
        }
    }

    /// Remembers how many documents of others each file has. A file that lost a task keeps its
    /// count while that is held: the document that became somebody else's may be that task.
    fn count_foreign(&mut self, look: &Look<'_>, absent: &BTreeSet<TaskName>) {
        if look.foreign_counts().next().is_none() {
            self.memory.foreign.clear();
            return;
        }
        let mut held = BTreeSet::new();
        for (name, wanted) in &self.tasks {
            if wanted.presence == Presence::There
                && !absent.contains(name)
                && !look.names_at(name, &wanted.place.file)
            {
                held.insert(wanted.place.file.as_str());
            }
        }
        let mut counts = BTreeMap::new();
        for (file, count) in look.foreign_counts() {
            let kept = self.memory.foreign.get(file).copied().unwrap_or(0);
            counts.insert(file.to_owned(), if held.contains(file) { kept } else { count });
        }
        self.memory.foreign = counts;
    }
}

impl Memory {
    /// Has `wake_at` no later than `at`.
    pub(super) fn wake_sooner(&mut self, at: Mono) {
        self.wake_at = Some(self.wake_at.map_or(at, |known| known.min(at)));
    }
}

impl Wanted {
    /// A manifest that passed every check says this. Returns whether that is news.
    fn speak(&mut self, task: &Task, place: Place) -> bool {
        let same_task = self.task == *task;
        if same_task
            && self.place == place
            && self.validity == Validity::Valid
            && self.presence == Presence::There
        {
            return false;
        }
        if !same_task {
            self.task = task.clone();
        }
        self.place = place;
        self.validity = Validity::Valid;
        self.presence = Presence::There;
        true
    }

    /// The last good version is kept, for these problems; for none, if nothing is known to be
    /// wrong yet. Returns whether that is news.
    fn hold(&mut self, problems: Vec<Diagnostic>, place: Option<Place>) -> bool {
        let validity = match problems.first() {
            Some(first) => Validity::Held { reason: first.reason, problems },
            None => self.validity.clone(),
        };
        let place = place.unwrap_or_else(|| self.place.clone());
        let same =
            self.validity == validity && self.place == place && self.presence == Presence::There;
        self.validity = validity;
        self.place = place;
        self.presence = Presence::There;
        !same
    }
}

fn accepted(task: Task, place: Place) -> Wanted {
    Wanted { task, place, validity: Validity::Valid, presence: Presence::There }
}

/// What problems are sorted by.
fn order(problem: &Diagnostic) -> (&str, Option<(u32, u32)>, &str) {
    let place = problem.place.as_ref().map(|span| (span.line, span.column));
    (&problem.file, place, &problem.message)
}

/// What a file is remembered by.
pub(super) fn digest(state: &FileState) -> Option<String> {
    match state {
        FileState::Read { digest, .. } => Some(digest.clone()),
        FileState::Unreadable { digest, .. } => digest.clone(),
        FileState::Unlisted { .. } | FileState::Unsettled => None,
    }
}
