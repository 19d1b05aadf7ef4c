//! What is remembered of one manifest file, and when its content is believed. Pure: times come in.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::listing::Barred;
use super::tree::{Id, Stamp};

/// A file that changed less than this ago may have been opened again after its close; a write by now
/// would have been heard of after this time. Longer than the coarse clock of file times is off.
const QUIET: Duration = Duration::from_millis(12);

/// What is remembered of one manifest file.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// What the snapshot says of it.
    pub(super) shown: Shown,
    /// The content that was taken last.
    pub(super) taken: Option<Taken>,
    /// A content that is not believed yet.
    pending: Option<Pending>,
    /// A write was seen, and no close since.
    writing: Option<Writing>,
    /// A close was seen, and no write since.
    closed: Option<Instant>,
    /// It changed while it was read last.
    torn: Option<Instant>,
    /// Paths beneath the source that its tasks mount, as far as is known.
    pub(super) mounts: BTreeSet<String>,
}

/// What the snapshot says of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Shown {
    /// Nothing.
    #[default]
    Nothing,
    /// That it is still being written.
    Unsettled,
    /// The documents that were taken last.
    Documents,
    /// Why it is not read.
    Refusal(Barred),
}

/// A content, as far as it has to be known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Print {
    /// A hash of the bytes, good within this process.
    pub(super) hash: u64,
    /// How many they are.
    pub(super) length: usize,
}

/// A content that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// What it is.
    pub(super) print: Print,
    /// What the file system says of its file.
    pub(super) stamp: Stamp,
    /// Whether a link leads to it.
    pub(super) link: bool,
}

/// A content that was taken.
#[derive(Debug)]
pub(super) struct Taken {
    print: Print,
    file: Id,
}

/// Writes without a close.
#[derive(Debug, Clone, Copy)]
struct Writing {
    since: Instant,
    /// To which file; `None` if that could not be seen.
    file: Option<Id>,
    /// The close was waited for so long that this is told of.
    told: bool,
}

/// Whether somebody writes to a file, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// Nobody does.
    None,
    /// Its close is waited for.
    Awaited,
    /// Its close is waited for, and for so long that somebody should know.
    Overdue,
}

#[derive(Debug)]
struct Pending {
    print: Print,
    stamp: Stamp,
    since: Instant,
}

/// How a look at a file came about, so how far its content can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// It is asked for as it is.
    AsItIs,
    /// It is seen for the first time: believed if it has not changed lately.
    Fresh,
    /// Something was renamed nearby: believed if a link leads to another file than before.
    Swapped,
    /// It was just found.
    Found,
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// For waits.
    pub(super) now: Instant,
    /// Since the epoch, to compare with the times of files.
    pub(super) wall: Duration,
}

/// What to do with a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the one that is shown.
    Same,
    /// Parse it and show it.
    Take,
    /// Look again later.
    Wait,
}

impl Entry {
    /// Judges a content.
    pub(super) fn judge(
        &mut self,
        seen: Seen,
        trust: Trust,
        clock: Clock,
        settle: Duration,
    ) -> Verdict {
        let Seen { print, stamp, link } = seen;
        self.torn = None;
        let closed = self.closed.take();
        if let Some(taken) = self.taken.as_mut().filter(|taken| taken.print == print) {
            taken.file = stamp.id;
            self.pending = None;
            return if self.shown == Shown::Documents { Verdict::Same } else { Verdict::Take };
        }
        let age = clock.wall.checked_sub(stamp.changed);
        let quiet = age.is_some_and(|age| age >= settle);
        // One that changed after the clock was read is the youngest of all.
        let young = age.is_none_or(|age| age < QUIET);
        let another = self.taken.as_ref().is_some_and(|taken| taken.file != stamp.id);
        let believed = match trust {
            _ if closed.is_some() && !young => true,
            Trust::AsItIs => true,
            Trust::Fresh => quiet,
            Trust::Swapped => link && another,
            Trust::Found => false,
        };
        let before = self.pending.as_ref().filter(|it| it.print == print && it.stamp == stamp);
        let since = before.map_or(clock.now, |it| it.since);
        if believed || clock.now.duration_since(since) >= settle {
            self.taken = Some(Taken { print, file: stamp.id });
            self.pending = None;
            return Verdict::Take;
        }
        self.closed = closed.map(|_| clock.now);
        self.pending = Some(Pending { print, stamp, since });
        Verdict::Wait
    }

    /// A write was seen, to that file.
    pub(super) fn written(&mut self, now: Instant, file: Option<Id>) {
        let before = self.writing.filter(|writing| writing.file == file);
        self.writing = before.or(Some(Writing { since: now, file, told: false }));
        self.closed = None;
        self.pending = None;
    }

    /// The writer closed it, or it was renamed into place: it is believed as soon as it is sure
    /// that nobody opened it again at once.
    pub(super) fn completed(&mut self, now: Instant) {
        self.writing = None;
        self.closed = Some(now);
    }

    /// It changed while it was read.
    pub(super) fn changing(&mut self, now: Instant) {
        self.torn = Some(now);
        self.closed = self.closed.map(|_| now);
        self.pending = None;
    }

    /// It can't be read: there is nothing to wait for.
    pub(super) fn refused(&mut self, why: Barred) {
        self.shown = Shown::Refusal(why);
        (self.pending, self.closed, self.torn) = (None, None, None);
    }

    /// Another file is at its path now, or none, or a close may not have been told of: from now on
    /// only what is found counts.
    pub(super) fn replaced(&mut self) {
        self.writing = None;
        self.closed = None;
    }

    /// Whether a writer has it, where `there` says which file is there now. The kernel tells of every
    /// close, be it of a process that died: so it is waited for however long that takes, and after
    /// `timeout` somebody should know.
    pub(super) fn writer(
        &mut self,
        now: Instant,
        timeout: Duration,
        there: impl FnOnce() -> Option<Id>,
    ) -> Writer {
        let Some(writing) = self.writing.as_mut() else { return Writer::None };
        if writing.file.is_none() || writing.file != there() {
            self.replaced();
            return Writer::None;
        }
        writing.told = now.duration_since(writing.since) >= timeout;
        if writing.told { Writer::Overdue } else { Writer::Awaited }
    }

    /// When to look at it again by itself.
    pub(super) fn due(&self, settle: Duration, timeout: Duration) -> Option<Instant> {
        if let Some(writing) = self.writing {
            return (!writing.told).then_some(writing.since + timeout);
        }
        let closed = self.closed.map(|since| since + QUIET);
        let pending = self.pending.as_ref().map(|pending| pending.since);
        closed.or_else(|| pending.or(self.torn).map(|since| since + settle))
    }
}

/// Why a file is not read whose writer does not close it.
pub(super) fn unclosed(timeout: Duration) -> String {
    format!(
        "it is not done being written: its writer has it open since {timeout:?} or more; it is read \
         when that closes it, or another file takes its place"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::tree::stamp;

    const SETTLE: Duration = Duration::from_secs(2);
    const TIMEOUT: Duration = Duration::from_secs(30);

    struct Case {
        entry: Entry,
        start: Instant,
    }

    impl Case {
        fn new() -> Self {
            Self { entry: Entry::default(), start: Instant::now() }
        }

        /// Judges, at a millisecond after 1000 s since the epoch, a content and the file's times.
        fn judge(
            &mut self,
            at: u64,
            (hash, inode, changed): (u64, u64, u64),
            trust: Trust,
        ) -> Verdict {
            let at = Duration::from_millis(at);
            let clock = Clock { now: self.start + at, wall: Duration::from_secs(1000) + at };
            let print = Print { hash, length: 1 };
            let seen = Seen { print, stamp: stamp(inode, changed), link: true };
            let verdict = self.entry.judge(seen, trust, clock, SETTLE);
            if verdict == Verdict::Take {
                self.entry.shown = Shown::Documents;
            }
            verdict
        }

        /// A write to the file of that inode.
        fn written(&mut self, second: u64, inode: u64) {
            let at = self.start + Duration::from_secs(second);
            self.entry.written(at, Some(stamp(inode, 0).id));
        }

        /// Who writes, where the file of that inode is there.
        fn writer(&mut self, second: u64, inode: u64) -> Writer {
            let at = self.start + Duration::from_secs(second);
            self.entry.writer(at, TIMEOUT, || Some(stamp(inode, 0).id))
        }
    }

    #[test]
    fn a_content_that_was_just_found_has_to_stay_the_same_for_a_while() {
        let mut case = Case::new();
        assert_eq!(case.judge(0, (1, 1, 0), Trust::Found), Verdict::Wait);
        assert_eq!(case.judge(1999, (1, 1, 0), Trust::Found), Verdict::Wait);
        assert_eq!(case.entry.due(SETTLE, TIMEOUT), Some(case.start + SETTLE));
        assert_eq!(case.judge(2000, (1, 1, 0), Trust::Found), Verdict::Take);
        assert_eq!(case.judge(2001, (1, 1, 0), Trust::Found), Verdict::Same);
        assert_eq!(case.entry.due(SETTLE, TIMEOUT), None);
    }

    #[test]
    fn every_change_begins_the_wait_anew() {
        let mut case = Case::new();
        case.judge(0, (1, 1, 0), Trust::Found);
        for changed in [(2, 1, 0), (2, 2, 0), (2, 2, 9)] {
            assert_eq!(case.judge(2000, changed, Trust::Found), Verdict::Wait, "{changed:?}");
        }
        assert_eq!(case.judge(4000, (2, 2, 9), Trust::Found), Verdict::Take);
    }

    #[test]
    fn a_file_that_was_closed_is_believed() {
        let mut case = Case::new();
        case.entry.completed(case.start);
        assert_eq!(case.judge(0, (1, 1, 999), Trust::Found), Verdict::Take);
        assert_eq!(case.judge(1, (2, 1, 999), Trust::Found), Verdict::Wait, "another content");
        assert_eq!(case.judge(2, (3, 1, 999), Trust::AsItIs), Verdict::Take);
    }

    #[test]
    fn a_file_that_was_closed_just_now_may_be_open_again() {
        let mut case = Case::new();
        case.entry.completed(case.start);
        assert_eq!(case.judge(5, (1, 1, 1000), Trust::Found), Verdict::Wait);
        let due = case.start + Duration::from_millis(5) + QUIET;
        assert_eq!(case.entry.due(SETTLE, TIMEOUT), Some(due));
        assert_eq!(case.judge(17, (1, 1, 1000), Trust::Found), Verdict::Take);
        case.entry.completed(case.start);
        assert_eq!(case.judge(18, (9, 1, 1001), Trust::Found), Verdict::Wait, "the future");
        // One that was written to meanwhile is not believed.
        case.entry.completed(case.start);
        case.written(0, 1);
        assert_eq!(case.judge(40, (2, 1, 1000), Trust::Found), Verdict::Wait);
    }

    #[test]
    fn at_the_start_a_file_is_believed_if_it_was_left_alone() {
        assert_eq!(Case::new().judge(0, (1, 1, 998), Trust::Fresh), Verdict::Take);
        assert_eq!(Case::new().judge(0, (1, 1, 999), Trust::Fresh), Verdict::Wait);
        assert_eq!(Case::new().judge(0, (1, 1, 5000), Trust::Fresh), Verdict::Wait, "the future");
    }

    #[test]
    fn a_swapped_link_is_believed() {
        let mut case = Case::new();
        assert_eq!(case.judge(0, (1, 1, 0), Trust::AsItIs), Verdict::Take);
        assert_eq!(case.judge(1, (2, 1, 0), Trust::Swapped), Verdict::Wait, "the same file");
        assert_eq!(case.judge(2, (3, 7, 0), Trust::Swapped), Verdict::Take, "another one");
    }

    #[test]
    fn what_was_taken_is_shown_again_when_it_can_be_read_again() {
        let mut case = Case::new();
        case.judge(0, (1, 1, 0), Trust::AsItIs);
        case.entry.shown = Shown::Refusal(Barred::Unread("no".into()));
        assert_eq!(case.judge(1, (1, 1, 0), Trust::Found), Verdict::Take);
    }

    #[test]
    fn a_writer_is_waited_for_until_it_closes_its_file() {
        let mut case = Case::new();
        case.written(0, 1);
        assert_eq!(case.entry.due(SETTLE, TIMEOUT), Some(case.start + TIMEOUT));
        assert_eq!(case.writer(29, 1), Writer::Awaited);
        case.written(29, 1);
        assert_eq!(case.writer(30, 1), Writer::Overdue, "told of, since its first write");
        assert_eq!(case.entry.due(SETTLE, TIMEOUT), None, "time does not end it");
        case.written(70, 1);
        assert_eq!(case.writer(9999, 1), Writer::Overdue);
        case.entry.completed(case.start);
        assert_eq!(case.writer(9999, 1), Writer::None);
        case.written(9999, 1);
        assert_eq!(case.writer(10_000, 1), Writer::Awaited, "what was before is over");
    }

    #[test]
    fn a_writer_of_another_file_than_is_there_is_not_waited_for() {
        let mut case = Case::new();
        case.written(0, 1);
        assert_eq!(case.writer(1, 2), Writer::None);
        assert_eq!(case.judge(1000, (1, 2, 0), Trust::Found), Verdict::Wait);
        assert_eq!(case.judge(3000, (1, 2, 0), Trust::Found), Verdict::Take);
        case.entry.written(case.start, None);
        assert_eq!(case.writer(1, 2), Writer::None, "it could not be seen which one that was");
    }

    #[test]
    fn where_a_close_may_have_been_missed_a_rest_is_enough() {
        let mut case = Case::new();
        case.written(0, 1);
        assert_eq!(case.writer(40, 1), Writer::Overdue);
        case.entry.replaced();
        assert_eq!(case.writer(40, 1), Writer::None);
        assert_eq!(case.judge(40_000, (1, 1, 0), Trust::Found), Verdict::Wait);
        assert_eq!(case.judge(42_000, (1, 1, 0), Trust::Found), Verdict::Take);
    }
}
