//! `run_task`: one look at a task, written down, and its steps begun.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::{debug, error, warn};
use uuid::Uuid;

use super::guard::caught;
use super::mail::{Mail, deliver, kept_log};
use super::report::tell;
use super::{Goal, RESTART_PACE, Worker, changes};
use crate::db::{Change, DbError};
use crate::domain::decide::decide;
use crate::domain::enact::enact;
use crate::domain::event::{Event, Note};
use crate::domain::happening::Happening;
use crate::domain::instance::{ContainerId, InstanceId};
use crate::domain::name::TaskName;
use crate::domain::plan::Plan;
use crate::domain::record::Record;
use crate::domain::settle;
use crate::domain::time::Now;
use crate::domain::waits::Waiting;
use crate::metrics::Look;
use crate::runtime::Runtime;

/// After how long a task that waits for something is looked at again in any case.
const LOST_WAKE: Duration = Duration::from_secs(30);

/// One look, before it is written down.
pub(super) struct Looked {
    name: TaskName,
    before: Option<Record>,
    pub(super) record: Record,
    pub(super) plan: Plan,
    changes: Vec<Change>,
    events: Vec<Event>,
    now: Now,
}

impl<R: Runtime> Worker<R> {
    /// Looks at `first` and at what else waits, writes all of it down at once, and begins the steps.
    pub(super) async fn run_tasks(&mut self, first: TaskName) {
        let mut names = vec![first];
        while names.len() < super::BATCH
            && let Some(name) = self.queue.try_next()
        {
            names.push(name);
        }
        let mut looks = Vec::with_capacity(names.len());
        for name in &names {
            if let Some(looked) = self.look_safely(name) {
                // The next look of the same batch sees what this one means to do.
                self.records.insert(name.clone(), looked.record.clone());
                looks.push(looked);
            }
        }
        let changes: Vec<Change> = looks.iter_mut().flat_map(|it| it.changes.drain(..)).collect();
        let written = self.write_down(changes).await;
        if written.is_ok() {
            let has_happened = looks.iter().any(|looked| !looked.events.is_empty());
            for looked in looks {
                self.begin(looked);
            }
            if has_happened {
                self.news.written();
            }
            for name in &names {
                self.unwritten.remove(name);
                self.queue.forget(name);
                self.queue.done(name);
            }
        } else {
            // No effect without intent: nothing is begun, and all is looked at again later.
            for looked in looks {
                self.show_unwritten(&looked);
                self.index_claims(&looked.name, looked.before.as_ref());
                match looked.before {
                    Some(before) => self.records.insert(looked.name, before),
                    None => self.records.remove(&looked.name),
                };
            }
            if let Err(error) = written {
                self.on_db_error(&error).await;
            }
            for name in names {
                self.queue.done(&name);
                self.unwritten.insert(name.clone());
                self.queue.retry(name);
            }
        }
    }

    /// What was seen is told, though it can't be written down and nothing is done about it.
    fn show_unwritten(&mut self, looked: &Looked) {
        self.metrics.work.looked(Look::Unwritten);
        let before = self.statuses.get(&looked.name).cloned();
        let before = before.as_deref();
        let status = self.status_of(&looked.record, &looked.plan, before, looked.now);
        self.show(looked.name.clone(), status);
    }

    /// Writes changes down. Where there are none, it is tried all the same while it is not known
    /// that it can be done.
    pub(super) async fn write_down(&mut self, mut changes: Vec<Change>) -> Result<(), DbError> {
        if changes.is_empty() {
            if self.db_trouble.is_none() {
                return Ok(());
            }
            let looks = Some(self.looks.to_string());
            changes.push(Change::SetMeta { key: "probe".to_owned(), value: looks });
        }
        self.db.write(changes).await?;
        if self.db_trouble.take().is_some() {
            warn!("the state DB can be written again");
        }
        Ok(())
    }

    pub(super) async fn on_db_error(&mut self, error: &DbError) {
        let mut trouble = error.told();
        if error.needs_rebuild()
            && let Err(why) = self.rebuild_db().await
        {
            trouble = format!("{trouble}; it can't be written anew: {}", why.told());
        }
        if self.db_trouble.as_ref() != Some(&trouble) {
            error!(
                "{trouble}; what runs runs on, and nothing new is started until the state DB can \
                 be written"
            );
        }
        self.db_trouble = Some(trouble);
    }

    /// One look at a task; nothing is done yet.
    pub(super) fn look(&mut self, name: &TaskName) -> Option<Looked> {
        self.looks += 1;
        let now = self.clock.now();
        let before = self.records.get(name).cloned();
        let Some((mut record, mut notes)) = self.accept(name, before.clone(), now) else {
            // Nobody waits for what comes of its last steps.
            self.mail.remove(name);
            return None;
        };
        for mail in self.mail.get(name).cloned().unwrap_or_default() {
            notes.extend(deliver(&mut record, mail, now));
        }
        let strays = self.strays(&record);
        notes.extend(settle::adopt(&mut record, strays, &self.engine, now));
        self.index_claims(name, Some(&record));
        let seen = self.seen(&record);
        notes.extend(settle::settle(&mut record, &seen, &self.engine, now));
        self.ask_for(&record, false);
        let mut plan = decide(&self.world(&record, seen, now));
        notes.extend(self.blocked(name, &plan));
        self.keep_pace(name, &plan, now);
        notes.extend(enact(&mut record, &mut plan, || InstanceId(Uuid::now_v7()), now));
        let mut changes = changes::between(before.as_ref(), &record);
        changes.extend(self.mail.get(name).into_iter().flatten().filter_map(kept_log));
        if plan.vanished {
            // Written with every try: that it is known here does not say that it was written.
            if containers(&record).next().is_some() {
                self.let_go.extend(containers(&record).cloned());
                changes.push(self.let_go_written());
            }
            changes.push(Change::DropTask(name.clone()));
            notes.push(gone(&record));
        }
        let events: Vec<Event> =
            notes.iter().map(|note| changes::event(note, &record, now)).collect();
        changes.extend(events.iter().cloned().map(Change::AddEvent));
        debug!(task = %name, %plan, "look");
        Some(Looked { name: name.clone(), before, record, plan, changes, events, now })
    }

    /// What keeps a task from something that others have, or that is denied, when that begins.
    fn blocked(&self, name: &TaskName, plan: &Plan) -> Option<Note> {
        // Of what no task has, nobody but a person can do something about it.
        let kind = |it: &Waiting| Some((it.happening()?, matches!(it, Waiting::Loose { .. })));
        let of = |plan: &Plan| plan.waiting.iter().find_map(kind);
        let known = self.plans.get(name).and_then(of);
        let now = plan.waiting.iter().find(|it| kind(it).is_some())?;
        let note = Note::warning(None, now.happening()?, format!("waiting for {now}"));
        (known != kind(now)).then_some(note)
    }

    /// Who has to wait for a restart gets a time of its own, so that a crowd does not come back all
    /// at once to be sent away but for one.
    fn keep_pace(&mut self, name: &TaskName, plan: &Plan, now: Now) {
        let free = self.restart_at.max(now.mono);
        let waits = plan.waiting.iter().any(|it| matches!(it, Waiting::RestartPace(_)));
        if plan.restarts > 0 {
            if self.restart_turns.remove(name).is_none() {
                self.restart_at = free + RESTART_PACE;
            }
        } else if waits && !self.restart_turns.contains_key(name) {
            self.restart_turns.insert(name.clone(), free);
            self.restart_at = free + RESTART_PACE;
        } else if !waits {
            self.restart_turns.remove(name);
        }
    }

    /// What was looked at is written down: it holds, and its steps begin.
    fn begin(&mut self, looked: Looked) {
        let Looked { name, before, record, plan, events, now, .. } = looked;
        self.measure(before.as_ref(), (&record, &plan), now);
        self.keep_logs(&name, &record);
        self.mail.remove(&name);
        for event in events {
            tell(&event);
        }
        if plan.vanished {
            self.vanish(&name, before.as_ref());
            return;
        }
        self.index_host_paths(&name, Some(&record));
        self.forget_containers(before.as_ref(), &record);
        self.records.insert(name.clone(), record);
        if plan.is_about_pulls() {
            self.want_pull(&name, plan.pull.as_ref());
        }
        let mut again = plan.revise || plan.refuse.is_some() || plan.ready.is_some();
        again |= !plan.proven.is_empty();
        for planned in &plan.steps {
            if planned.step.is_effect() {
                self.start_step(&name, planned);
            } else {
                again = true;
            }
        }
        if again {
            self.queue.add(name.clone());
        } else if let Some(at) = plan.wake_at {
            self.queue.add_after(name.clone(), at.since(now.mono));
        } else if !plan.is_idle() {
            // What is waited for wakes; should that ever be lost, it costs time and nothing else.
            self.queue.add_after(name.clone(), LOST_WAKE);
        }
        self.probe_instances(&name);
        self.keep_plan(name, plan, now);
    }

    /// Notes whose last words are written down now: their containers may be removed.
    fn keep_logs(&mut self, name: &TaskName, record: &Record) {
        for mail in self.mail.get(name).into_iter().flatten() {
            if let Mail::Log(id, _) = mail {
                let of = record.instances.values().find(|instance| instance.id == *id);
                self.logs_kept.extend(of.and_then(|instance| instance.container.clone()));
            }
        }
    }

    /// Notes what a task wants and has, for the looks at others.
    pub(super) fn index_claims(&mut self, name: &TaskName, record: Option<&Record>) {
        self.index.update(&self.setting.maker.worker, name, record, &self.sightings);
    }

    /// Notes what a task mounts, for the watch.
    pub(super) fn index_host_paths(&mut self, name: &TaskName, record: Option<&Record>) {
        if let Some(paths) = self.index.update_host_paths(name, record) {
            self.host_paths.send_replace(paths);
        }
    }

    /// Nobody will ask any more about the containers of instances that are no longer kept.
    fn forget_containers(&mut self, before: Option<&Record>, after: &Record) {
        for id in before.into_iter().flat_map(containers) {
            let kept = after.instances.values().any(|it| it.container.as_ref() == Some(id));
            if !kept {
                self.sightings.forget(id);
                self.logs_kept.remove(id);
            }
        }
    }

    /// Keeps what was planned, for whoever asks; those who wait for the same things look again.
    fn keep_plan(&mut self, name: TaskName, plan: Plan, now: Now) {
        let before = self.statuses.get(&name).cloned();
        let status = self.records.get(&name).and_then(|record| {
            caught(&name, "status", || self.status_of(record, &plan, before.as_deref(), now))
        });
        self.plans.insert(name.clone(), plan);
        if let Some(status) = status {
            let moved = before.is_none_or(|before| {
                before.instances != status.instances
                    || before.generation != status.generation
                    || before.refused != status.refused
            });
            if moved {
                for neighbour in self.index.neighbours(&name) {
                    self.queue.add(neighbour);
                }
            }
            self.show(name, status);
        }
    }

    /// Nothing is left of a task: it is forgotten.
    fn vanish(&mut self, name: &TaskName, before: Option<&Record>) {
        for neighbour in self.index.neighbours(name) {
            self.queue.add(neighbour);
        }
        let record = self.records.remove(name);
        let let_go: BTreeSet<&ContainerId> = record.iter().flat_map(containers).collect();
        for id in before.into_iter().flat_map(containers).filter(|id| !let_go.contains(id)) {
            self.sightings.forget(id);
        }
        let is_let_go = !let_go.is_empty();
        self.index_claims(name, None);
        self.index_host_paths(name, None);
        self.restart_turns.remove(name);
        self.probe_instances(name);
        self.plans.remove(name);
        self.statuses.remove(name);
        self.news.gone(name);
        self.pulls.want(name, None, |_, _| unreachable!("no pull is wanted"));
        self.desired.forget(name);
        if !is_let_go || self.goal == Goal::Down {
            self.remove_network(&name.namespace);
        }
    }
}

/// The containers of a task's instances.
fn containers(record: &Record) -> impl Iterator<Item = &ContainerId> {
    record.instances.values().filter_map(|instance| instance.container.as_ref())
}

/// What is told of a task that is no longer looked after.
fn gone(record: &Record) -> Note {
    let left = containers(record).count();
    let (happening, message) = match left {
        0 => (Happening::Removed, "nothing is left of it".to_owned()),
        _ => (
            Happening::LetGo,
            format!("its manifest lets its containers go: {left} stay as they are"),
        ),
    };
    Note::normal(None, happening, message)
}
