//! Where host paths lead: asked of the disk beside the looks, so that a look knows it before.
//!
//! A disk that is away may never answer: nobody waits here for one, and none is asked twice at once.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::engine::Finished;
use super::{Setting, Worker};
use crate::domain::judge::{Judge, Lead, Leads};
use crate::domain::record::Record;
use crate::domain::source::Snapshot;
use crate::domain::task::Task;
use crate::domain::time::Mono;
use crate::files;
use crate::runtime::Runtime;

/// A disk that has not answered for so long is silent.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many paths are asked for at once.
const AT_ONCE: usize = 64;

/// Answers that come in together are taken together, so many at most.
const TOGETHER: usize = 1024;

/// Answers as they come in: each path, and where it leads.
pub(super) type Answers = BoxStream<'static, Vec<(String, String)>>;

/// Where host paths lead.
#[derive(Debug, Default)]
pub(super) struct Known {
    leads: Leads,
    /// Those that are asked for and have not answered, since when.
    asked: BTreeMap<String, Mono>,
    /// How many of the jobs wait for such answers.
    pub(super) jobs: usize,
}

impl<R: Runtime> Worker<R> {
    /// What may be made of a task, as far as it is known.
    pub(super) fn judge(&self) -> Judge<'_> {
        let Setting { policy, maker, .. } = &*self.setting;
        Judge { policy, source: &maker.source, leads: &self.leads.leads }
    }

    /// What a snapshot holds, as it counts: what may not be accepted is broken. What is not known of
    /// it is asked for, and what is denied once more.
    pub(super) fn judged(&mut self, mut snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        let judge = self.judge();
        let tasks = snapshot.tasks().filter(|task| !judge.judge(task).is_allowed());
        let paths: BTreeSet<String> = asks(judge, tasks).collect();
        self.ask(paths);
        let Snapshot::Read { files } = &*snapshot else { return snapshot };
        let broken = self.judge().broken(files);
        if !broken.is_empty()
            && let Snapshot::Read { files } = Arc::make_mut(&mut snapshot)
        {
            files.extend(broken);
        }
        snapshot
    }

    /// Asks for what is not known of what may be made of a task; `again`: for all of it.
    pub(super) fn ask_for(&mut self, record: &Record, again: bool) {
        let judge = self.judge();
        let paths = asks(judge, forms(record));
        let paths = paths.filter(|path| again || !judge.leads.contains_key(path)).collect();
        self.ask(paths);
    }

    /// Asks for everything again, and forgets what nobody wants any more.
    pub(super) fn ask_all(&mut self) {
        let snapshot = Arc::clone(&self.snapshots.borrow());
        let known = self.desired.tasks.values().map(|wanted| &wanted.task);
        let tasks = snapshot.tasks().chain(known).chain(self.records.values().flat_map(forms));
        let wanted: BTreeSet<String> = asks(self.judge(), tasks).collect();
        drop(snapshot);
        let now = self.clock.now().mono;
        let Known { leads, asked, .. } = &mut self.leads;
        leads.retain(|path, _| wanted.contains(path));
        let late = asked.iter().filter(|(path, since)| {
            now.since(**since) >= PATIENCE && wanted.contains(path.as_str())
        });
        let silent = late.map(|(path, _)| (path.clone(), Lead::Silent)).collect();
        self.learn_leads(silent);
        self.ask(wanted);
    }

    fn ask(&mut self, paths: BTreeSet<String>) {
        let now = self.clock.now().mono;
        let asked = &mut self.leads.asked;
        let paths: Vec<String> =
            paths.into_iter().filter(|path| !asked.contains_key(path)).collect();
        if paths.is_empty() {
            return;
        }
        asked.extend(paths.iter().map(|path| (path.clone(), now)));
        let ask = |path: String| {
            tokio::task::spawn_blocking(move || {
                let real = files::lead(&path);
                (path, real)
            })
        };
        let answers = stream::iter(paths).map(ask).buffer_unordered(AT_ONCE);
        let answers = answers.filter_map(|joined| ready(joined.ok()));
        self.listen_to(answers.ready_chunks(TOGETHER).boxed());
    }

    /// Some paths were told, and more are to come.
    pub(super) fn on_led(&mut self, found: Vec<(String, String)>, more: Answers) {
        self.leads.jobs -= 1;
        if found.is_empty() {
            return;
        }
        self.listen_to(more);
        for (path, _) in &found {
            self.leads.asked.remove(path);
        }
        self.learn_leads(found.into_iter().map(|(path, real)| (path, Lead::To(real))).collect());
    }

    fn listen_to(&mut self, answers: Answers) {
        self.leads.jobs += 1;
        self.jobs.spawn(next(answers));
    }

    /// What changed by these is judged again.
    fn learn_leads(&mut self, found: Leads) {
        let mut news = BTreeSet::new();
        for (path, lead) in found {
            if self.leads.leads.get(&path) != Some(&lead) {
                self.leads.leads.insert(path.clone(), lead);
                news.insert(path);
            }
        }
        if news.is_empty() {
            return;
        }
        self.take_snapshot();
        let judge = self.judge();
        for (name, record) in &self.records {
            if asks(judge, forms(record)).any(|path| news.contains(&path)) {
                self.queue.add(name.clone());
            }
        }
    }
}

/// The next answers, once there are some; none at the end.
async fn next(mut answers: Answers) -> Finished {
    let found = answers.next().await.unwrap_or_default();
    Finished::Led(found, answers)
}

/// The paths of which it has to be known where they lead to judge these.
fn asks<'a>(
    judge: Judge<'a>,
    tasks: impl Iterator<Item = &'a Task>,
) -> impl Iterator<Item = String> {
    tasks.flat_map(move |task| {
        judge.policy.asks(judge.source, &task.template).map(ToOwned::to_owned).collect::<Vec<_>>()
    })
}

/// What something may be made of for a task.
fn forms(record: &Record) -> impl Iterator<Item = &Task> {
    let revisions = record.revisions.values().map(|revision| &revision.task);
    std::iter::once(&record.head.task).chain(revisions)
}
