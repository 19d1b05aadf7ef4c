//! What the engine says of itself: which it is, and since when it runs. Asked beside all else, once
//! for all who want to know; nobody waits for an answer but who can't do without.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::engine::Finished;
use super::{Afresh, Worker};
use crate::domain::instance::{ContainerId, Instance, State};
use crate::domain::name::TaskName;
use crate::domain::time::{Mono, Timestamp};
use crate::runtime::{EngineInfo, Runtime, Unreachable};

/// The longest wait before a question that got no answer is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What is asked.
#[derive(Debug, Default)]
pub(super) struct Itself {
    info: Question,
    start: Question,
    /// Whether it shares this host.
    pub(super) host: Question,
    /// The engine that has answered that, by its id.
    pub(super) host_of: Option<String>,
    /// When it was asked which it is, of what it has answered.
    info_asked: Option<Mono>,
    /// When it started, as it said last, however long ago.
    started_at: Option<Timestamp>,
    /// Since when it may have been another one without a word.
    gap_at: Mono,
}

/// A question, which is asked once at a time.
#[derive(Debug, Default)]
pub(super) struct Question {
    under_way: bool,
    wanted: bool,
    failures: u32,
    not_before: Mono,
}

impl Question {
    /// Whether to ask it now; else it is noted that it is to be asked.
    pub(super) fn begin(&mut self, now: Mono) -> bool {
        let may = !self.under_way && now >= self.not_before;
        (self.under_way, self.wanted) = (self.under_way || may, !may);
        may
    }

    /// Nobody wants to know any more.
    pub(super) fn withdraw(&mut self) {
        self.wanted = false;
    }

    /// It was answered, or not: then it is asked again later.
    pub(super) fn end(&mut self, is_answered: bool, now: Mono) {
        self.under_way = false;
        if is_answered {
            (self.failures, self.not_before) = (0, Mono::default());
            return;
        }
        let wait = Duration::from_secs(1 << self.failures.min(5)).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
        (self.wanted, self.not_before) = (true, now + wait);
    }

    /// When it is to be asked again.
    fn due(&self) -> Option<Mono> {
        (self.wanted && !self.under_way).then_some(self.not_before)
    }
}

impl Itself {
    /// When something is to be asked again.
    pub fn due(&self) -> Option<Mono> {
        [&self.info, &self.start, &self.host].into_iter().filter_map(Question::due).min()
    }

    /// Whether it has said which it is, and was asked at `asked` or later.
    pub fn said_since(&self, asked: Mono) -> bool {
        self.info_asked.is_some_and(|at| at >= asked.max(self.gap_at))
    }

    /// Whether it is being asked which it is.
    pub fn is_asked(&self) -> bool {
        self.info.under_way
    }
}

impl<R: Runtime> Worker<R> {
    /// Asks which the engine is.
    pub(super) fn ask_info(&mut self) {
        let asked = self.clock.now().mono;
        if self.itself.info.begin(asked) {
            let runtime = Arc::clone(&self.runtime);
            self.jobs.spawn(async move { Finished::Info { asked, answer: runtime.info().await } });
        }
    }

    /// Asks since when the engine runs.
    pub(super) fn ask_start(&mut self) {
        let asked = self.clock.now().mono;
        if self.itself.start.begin(asked) {
            let runtime = Arc::clone(&self.runtime);
            self.jobs.spawn(async move {
                Finished::Start { asked, answer: runtime.started_at().await }
            });
        }
    }

    /// Asks again what got no answer, or what somebody wanted to know meanwhile.
    pub(super) fn ask_again(&mut self, now: Mono) {
        if self.itself.info.due().is_some_and(|at| at <= now) {
            self.ask_info();
        }
        if self.itself.start.due().is_some_and(|at| at <= now) {
            self.ask_start();
        }
        if self.itself.host.due().is_some_and(|at| at <= now) {
            self.try_host();
        }
    }

    /// Has asked what the worker has to know and does not.
    pub(super) fn ask_unknown(&mut self) {
        if self.engine_info.is_none() {
            self.ask_info();
        }
        if !self.sightings.knows_start() {
            self.ask_start();
        }
    }

    pub(super) fn on_info(&mut self, asked: Mono, answer: Result<EngineInfo, Unreachable>) {
        let answer =
            answer.inspect_err(|error| warn!(%error, "the engine does not say which it is"));
        self.itself.info.end(answer.is_ok(), self.clock.now().mono);
        self.forget_questions();
        if let Ok(info) = answer {
            self.learn_info(info, asked);
        }
        if self.meeting.is_in_doubt() {
            self.relist(Afresh::Containers);
        }
    }

    /// Which the engine is.
    pub(super) fn learn_info(&mut self, info: EngineInfo, asked: Mono) {
        if asked < self.itself.gap_at {
            self.ask_info();
            return;
        }
        self.itself.info_asked = Some(asked);
        self.engine_info = Some(info);
        self.try_host();
    }

    pub(super) fn on_start(&mut self, asked: Mono, answer: Result<Option<Timestamp>, Unreachable>) {
        let answer =
            answer.inspect_err(|error| warn!(%error, "the engine does not say since when it runs"));
        let now = self.clock.now().mono;
        self.itself.start.end(answer.is_ok(), now);
        self.forget_questions();
        if let Ok(started_at) = answer
            && self.learn_start(started_at, asked)
        {
            self.relist(Afresh::Everything);
        }
        self.look_at_seen_under();
        self.ask_again(now);
    }

    /// Has looked at what runs and was last seen so under an engine of another start. While that is
    /// not known, nor is it known under which it runs.
    pub(super) fn look_at_seen_under(&self) {
        let now = self.engine.started_at;
        for (name, record) in &self.records {
            let runs = |it: &&Instance| it.state == State::Running;
            if record.instances.values().filter(runs).any(|it| it.seen_under != now) {
                self.queue.add(name.clone());
            }
        }
    }

    /// Since when the engine runs. Of one that was started anew, nothing that was said before holds;
    /// whether it was.
    pub(super) fn learn_start(&mut self, started_at: Option<Timestamp>, asked: Mono) -> bool {
        if asked < self.itself.gap_at {
            self.ask_start();
            return false;
        }
        let before = self.itself.started_at;
        let anew = before.is_some() && before != started_at;
        (self.itself.started_at, self.engine.started_at) = (started_at, started_at);
        for (id, task) in self.sightings.learn_start(asked) {
            if self.wants_to_know(&id, &task) {
                self.on_news(task);
            }
        }
        if anew {
            for id in self.sightings.doubt(self.clock.now().mono) {
                self.inspect(&id);
            }
        }
        anew
    }

    /// A container was looked at. If it has ended, whose doing that was is found out.
    pub(super) fn judge_end(&mut self, id: &ContainerId, task: &TaskName) {
        if self.sightings.is_open(id) && self.wants_to_know(id, task) {
            self.ask_start();
        }
    }

    /// Whether the end of a container is news.
    fn wants_to_know(&self, id: &ContainerId, task: &TaskName) -> bool {
        let instances = self.records.get(task).into_iter().flat_map(|it| it.instances.values());
        let mut of_it = instances.filter(|instance| instance.container.as_ref() == Some(id));
        of_it.next().is_none_or(Instance::is_live)
    }

    /// It was not heard of for a while: since when it runs is not known any more.
    pub(super) fn lose_start(&mut self) {
        self.itself.gap_at = self.clock.now().mono;
        self.engine.started_at = None;
        self.sightings.lose_start();
    }

    /// It can't be asked.
    pub(super) fn lose_itself(&mut self) {
        self.lose_start();
        self.engine_info = None;
    }

    /// While it can't be asked at all, the list is what it is asked for.
    pub(super) fn forget_questions(&mut self) {
        if self.engine.unavailable.is_some() {
            let Itself { info, start, host, .. } = &mut self.itself;
            [info, start, host].into_iter().for_each(Question::withdraw);
        }
    }
}
