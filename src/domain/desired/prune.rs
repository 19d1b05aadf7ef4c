//! When an absence becomes a removal: after a tombstone, one at a time, and never by mistake.

use std::collections::BTreeSet;

use super::{Desired, Presence, PruneCause, PruneHeld, Rules, Validity};
use crate::domain::name::TaskName;
use crate::domain::time::Mono;

/// Removals that are too many for one stretch of time.
struct TooMany {
    tasks: BTreeSet<TaskName>,
    known: usize,
}

impl Desired {
    /// Moves the tasks without a manifest on: missing, then gone, unless that is held. `known` is
    /// how many tasks were known before this look. Returns the tasks of which something changed.
    pub(super) fn prune(
        &mut self,
        absent: &BTreeSet<TaskName>,
        known: usize,
        rules: &Rules,
        now: Mono,
    ) -> BTreeSet<TaskName> {
        let mut changed = self.miss(absent, known, now);
        self.drop_old_removals(rules, now);
        let due = self.due(rules, now);
        let too_many = self.too_many(rules).filter(|found| !found.tasks.is_disjoint(&due));
        let unreadable = self.held_by_unreadable(&due, rules);
        let before = self.prune_held.take();
        self.prune_held = match (too_many, unreadable) {
            (Some(TooMany { mut tasks, known }), other) => {
                tasks.extend(other.into_iter().flat_map(|held| held.tasks));
                Some(PruneHeld { tasks, cause: PruneCause::TooMany { known } })
            }
            (None, other) => other,
        };
        let held = |held: &Option<PruneHeld>| {
            held.as_ref().map(|held| held.tasks.clone()).unwrap_or_default()
        };
        let held_now = held(&self.prune_held);
        changed.extend(held(&before).symmetric_difference(&held_now).cloned());
        for name in due.difference(&held_now) {
            if let Some(wanted) = self.tasks.get_mut(name) {
                wanted.presence = Presence::Gone;
                changed.insert(name.clone());
            }
        }
        self.memory.meant.retain(|_, at| now.since(*at) < rules.tombstone);
        self.set_wake_at(rules, now);
        changed
    }

    /// Notes which manifests went away with this look, and lets go at once what was asked for.
    fn miss(&mut self, absent: &BTreeSet<TaskName>, known: usize, now: Mono) -> BTreeSet<TaskName> {
        let mut changed = BTreeSet::new();
        for name in absent {
            let meant = self.memory.meant.remove(name).is_some();
            let Some(wanted) = self.tasks.get_mut(name) else { continue };
            if wanted.presence == Presence::Gone {
                continue;
            }
            if meant {
                wanted.presence = Presence::Gone;
                self.memory.removals.remove(name);
                changed.insert(name.clone());
            } else if wanted.presence == Presence::There {
                wanted.presence = Presence::Missing { since: now };
                // There is no manifest that could be wrong.
                wanted.validity = Validity::Valid;
                self.memory.removals.insert(name.clone(), super::Removal { at: now, known });
                changed.insert(name.clone());
            }
        }
        changed
    }

    /// Forgets removals that count no more: those of tasks that are back, and those that are done
    /// and older than the window, unless a task that is still missing is counted with them. So time
    /// alone never ends a hold.
    fn drop_old_removals(&mut self, rules: &Rules, now: Mono) {
        let Self { tasks, memory, .. } = self;
        let presence = |name: &TaskName| tasks.get(name).map(|wanted| wanted.presence);
        memory.removals.retain(|name, _| presence(name) != Some(Presence::There));
        let waiting: BTreeSet<Mono> = memory
            .removals
            .iter()
            .filter(|(name, _)| matches!(presence(name), Some(Presence::Missing { .. })))
            .map(|(_, removal)| removal.at)
            .collect();
        memory.removals.retain(|_, removal| {
            let end = removal.at + rules.prune_window;
            now <= end || waiting.range(removal.at..=end).next().is_some()
        });
    }

    /// Missing for long enough.
    fn due(&self, rules: &Rules, now: Mono) -> BTreeSet<TaskName> {
        let due = |presence| match presence {
            Presence::Missing { since } => now.since(since) >= rules.tombstone,
            Presence::There | Presence::Gone => false,
        };
        self.tasks
            .iter()
            .filter(|(_, wanted)| due(wanted.presence))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Looks at the window that begins with each removal. In those where too many go, every task
    /// that is still missing is held.
    fn too_many(&self, rules: &Rules) -> Option<TooMany> {
        let mut removals: Vec<_> = self.memory.removals.iter().collect();
        // Of two looks at one instant, the one that knew fewer tasks begins the window of both.
        removals.sort_by_key(|(name, removal)| (removal.at, removal.known, *name));
        let mut found: Option<TooMany> = None;
        let (mut end, mut marked) = (0, 0);
        for (start, (_, first)) in removals.iter().enumerate() {
            let last = first.at + rules.prune_window;
            while end < removals.len() && removals[end].1.at <= last {
                end += 1;
            }
            if !exceeds(end - start, first.known, rules.max_prune) {
                continue;
            }
            let held =
                found.get_or_insert_with(|| TooMany { tasks: BTreeSet::new(), known: first.known });
            for (name, _) in &removals[start.max(marked)..end] {
                let presence = self.tasks.get(*name).map(|wanted| wanted.presence);
                if matches!(presence, Some(Presence::Missing { .. })) {
                    held.tasks.insert((*name).clone());
                }
            }
            marked = end;
        }
        found
    }

    /// A file that can't be read as far as its names, and came up when a task's manifest went or
    /// after that, may be where the manifest went; and so may a directory that can't be listed,
    /// whenever that came up.
    fn held_by_unreadable(&self, due: &BTreeSet<TaskName>, rules: &Rules) -> Option<PruneHeld> {
        let suspects = &self.memory.suspects;
        let unlisted = suspects.iter().find(|(_, suspect)| suspect.unlisted);
        if let Some((directory, _)) = unlisted.filter(|_| !due.is_empty()) {
            let cause = PruneCause::Unlisted { directory: directory.clone() };
            return Some(PruneHeld { tasks: due.clone(), cause });
        }
        // Of a rename, the new name may be seen a little before the old one is seen to be gone.
        let near = |since: Mono, at: Mono| since + rules.tombstone >= at;
        let latest = suspects.values().map(|suspect| suspect.since).max()?;
        let missing_since = |name: &&TaskName| self.memory.removals.get(*name).map(|it| it.at);
        let tasks: BTreeSet<TaskName> = due
            .iter()
            .filter(|name| missing_since(name).is_none_or(|at| near(latest, at)))
            .cloned()
            .collect();
        let earliest = tasks.iter().filter_map(|name| missing_since(&name)).min();
        let near_any = |since| earliest.is_none_or(|at| near(since, at));
        let (file, _) = suspects.iter().find(|(_, suspect)| near_any(suspect.since))?;
        let cause = PruneCause::Unreadable { file: file.clone() };
        Some(PruneHeld { tasks, cause }).filter(|held| !held.tasks.is_empty())
    }

    fn set_wake_at(&mut self, rules: &Rules, now: Mono) {
        let missing = self.tasks.values().filter_map(|wanted| match wanted.presence {
            Presence::Missing { since } => Some(since),
            Presence::There | Presence::Gone => None,
        });
        let begun = missing.chain(self.memory.meant.values().copied());
        self.memory.wake_at = begun.map(|at| at + rules.tombstone).filter(|at| *at > now).min();
    }
}

/// Whether so many of so many are more than a person is likely to mean.
fn exceeds(going: usize, known: usize, max_prune: f64) -> bool {
    let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    going > 1 && float(going) > max_prune * float(known)
}
