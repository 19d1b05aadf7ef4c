//! What the probes of one instance say, answer after answer.
//!
//! Counts and nothing else: the worker asks and brings the answers; `decide` reads the [`Health`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::probe::{Answer, Probe, ProbeKind, Probes};
use super::time::Mono;

/// How long what a failed probe said stands before a newer word takes its place, where nothing else
/// changes: words that are new each time are no reason to look at a task each time.
const SAID_STANDS: Duration = Duration::from_secs(10);

/// How well an instance is, as far as this process has asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// It is ready: started, and its readiness says so.
    pub ready: bool,
    /// Since when `ready` is what it is.
    pub since: Mono,
    /// It is not alive, or did not start in time: it has to be replaced.
    pub failed: Option<Unwell>,
    /// What was said last of why it is not well, since it was.
    pub said: Option<Unwell>,
    /// A probe that came to it while it ran fails, and has never succeeded: that says more of the
    /// probe, and does not count.
    pub doubtful: Option<Unwell>,
}

/// Why an instance is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwell {
    /// Who says so.
    pub by: Witness,
    /// What.
    pub message: String,
}

/// Who says how an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// A probe of the manifest.
    Probe(ProbeKind),
    /// The health check of its image, which the engine makes.
    HealthCheck,
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probe(kind) => write!(f, "the {kind} probe"),
            Self::HealthCheck => f.write_str("the image's health check"),
        }
    }
}

impl fmt::Display for Unwell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.by, self.message)
    }
}

/// The probes of one process of a container, from its start on.
#[derive(Debug)]
pub struct Checkup {
    probes: Arc<Probes>,
    turns: [Turn; 3],
    /// The probes that count only once they have succeeded.
    on_trial: [bool; 3],
    started: bool,
    said_at: Mono,
    health: Health,
}

/// How an instance was when it is asked for the first time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Before {
    /// How long its process has run.
    pub age: Duration,
    /// It was relied on once, so it has started.
    pub was_started: bool,
    /// It is ready as far as is known: it is taken for that until something says otherwise.
    pub was_ready: bool,
    /// The probes that came to it while it was relied on, by their kind.
    pub on_trial: [bool; 3],
    /// Where in its period, from 0 to 1, a probe of one that was ready is asked first: many are not
    /// asked at once.
    pub spread: f64,
}

/// Where one probe stands.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    /// When it is asked next; `None`: it is being asked, or is not asked any more.
    next: Option<Mono>,
    successes: u32,
    failures: u32,
}

impl Checkup {
    /// Begins at `now`.
    #[must_use]
    pub fn begin(probes: Arc<Probes>, before: Before, now: Mono) -> Self {
        let Before { age, was_started, was_ready, on_trial, spread } = before;
        let mut turns = [Turn::default(); 3];
        for (kind, probe) in probes.all() {
            let late = if was_started { probe.period().mul_f64(spread) } else { Duration::ZERO };
            turns[kind as usize].next =
                Some(now + probe.initial_delay().saturating_sub(age) + late);
        }
        let started = was_started || probes.startup.is_none();
        let ready = was_ready || !probes.hold_ready();
        let since = if was_ready { Mono::default() } else { now };
        let health = Health { ready, since, failed: None, said: None, doubtful: None };
        Self { probes, turns, on_trial, started, said_at: now, health }
    }

    /// What is asked.
    #[must_use]
    pub fn probes(&self) -> &Arc<Probes> {
        &self.probes
    }

    /// How it is.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The probe that is to be asked next, and when.
    #[must_use]
    pub fn next(&self) -> Option<(Mono, ProbeKind)> {
        if self.health.failed.is_some() {
            return None;
        }
        let is_on = |kind: &ProbeKind| (*kind == ProbeKind::Startup) != self.started;
        let all = ProbeKind::ALL.into_iter().filter(is_on);
        all.filter_map(|kind| Some((self.turns[kind as usize].next?, kind))).min()
    }

    /// That probe is being asked: it is not asked again before there is an answer.
    pub fn ask(&mut self, kind: ProbeKind) -> Option<&Probe> {
        self.turns[kind as usize].next = None;
        self.probes.of(kind)
    }

    /// Has that probe asked a period later, as if nothing had been.
    pub fn postpone(&mut self, kind: ProbeKind, now: Mono) {
        let period = self.probes.of(kind).map(Probe::period);
        self.turns[kind as usize].next = period.map(|period| now + period);
    }

    /// Takes the answer to what was asked at `asked`; tells whether the health is another one.
    pub fn take(&mut self, kind: ProbeKind, answer: Answer, (asked, now): (Mono, Mono)) -> bool {
        let probes = Arc::clone(&self.probes);
        let Some(probe) = probes.of(kind) else { return false };
        let on_trial = self.on_trial[kind as usize];
        let turn = &mut self.turns[kind as usize];
        turn.next = Some(now.max(asked + probe.period()));
        let before = self.health.clone();
        match answer {
            Answer::Success => {
                (turn.successes, turn.failures) = (turn.successes.saturating_add(1), 0);
                if turn.successes >= probe.success_threshold {
                    self.succeed(kind, now);
                }
            }
            Answer::Failure(message) if on_trial => {
                self.health.doubtful = Some(Unwell { by: Witness::Probe(kind), message });
            }
            Answer::Failure(message) => {
                (turn.successes, turn.failures) = (0, turn.failures.saturating_add(1));
                let failures = turn.failures;
                self.say(kind, message, now);
                if failures >= probe.failure_threshold {
                    self.fail(kind, failures, now);
                }
            }
            Answer::Unknown(message) => self.say(kind, message, now),
        }
        self.health != before
    }

    fn succeed(&mut self, kind: ProbeKind, now: Mono) {
        self.on_trial[kind as usize] = false;
        let of_it = |it: &Unwell| it.by == Witness::Probe(kind);
        self.health.doubtful.take_if(|it| of_it(it));
        if self.health.said.as_ref().is_some_and(of_it) {
            self.health.said = None;
        }
        match kind {
            ProbeKind::Startup => {
                self.started = true;
                if self.probes.readiness.is_none() {
                    self.become_ready(true, now);
                }
            }
            ProbeKind::Readiness => self.become_ready(true, now),
            ProbeKind::Liveness => {}
        }
    }

    fn fail(&mut self, kind: ProbeKind, failures: u32, now: Mono) {
        match kind {
            ProbeKind::Readiness => self.become_ready(false, now),
            ProbeKind::Startup | ProbeKind::Liveness => {
                self.become_ready(false, now);
                let said = self.health.said.as_ref().map_or("", |said| said.message.as_str());
                let times = if failures == 1 {
                    String::new()
                } else {
                    format!(" ({failures} times in a row)")
                };
                let message = format!("{said}{times}");
                self.health.failed = Some(Unwell { by: Witness::Probe(kind), message });
            }
        }
    }

    fn become_ready(&mut self, ready: bool, now: Mono) {
        if self.health.ready != ready {
            (self.health.ready, self.health.since) = (ready, now);
        }
    }

    fn say(&mut self, kind: ProbeKind, message: String, now: Mono) {
        let by = Witness::Probe(kind);
        let stands = self.health.said.as_ref().is_some_and(|it| it.by == by)
            && now < self.said_at + SAID_STANDS;
        let failures = self.turns[kind as usize].failures;
        let decides = self.probes.of(kind).is_some_and(|it| failures == it.failure_threshold);
        if !stands || decides {
            self.said_at = now;
            self.health.said = Some(Unwell { by, message });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::domain::probe::Action;

    fn probe(successes: u32, failures: u32) -> Probe {
        Probe {
            action: Action::TcpSocket(80),
            initial_delay_seconds: 5,
            period_seconds: 10,
            timeout_seconds: 1,
            success_threshold: successes,
            failure_threshold: failures,
        }
    }

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    /// Asks what is due, at its time, with these answers (`+` well, `-` not, `?` unknown); tells
    /// when and what was asked, and how it was after each.
    fn ask(checkup: &mut Checkup, answers: &str) -> String {
        let mut told = String::new();
        for answer in answers.chars() {
            let Some((now, kind)) = checkup.next() else { return told + "never" };
            checkup.ask(kind).unwrap();
            let answer = match answer {
                '+' => Answer::Success,
                '-' => Answer::Failure("no".to_owned()),
                _ => Answer::Unknown("away".to_owned()),
            };
            checkup.take(kind, answer, (now, now));
            let Health { ready, failed, .. } = checkup.health();
            let state =
                if failed.is_some() { "dead" } else { ["not", "ready"][usize::from(*ready)] };
            let _ = write!(told, "{}s {kind} {state}; ", now.0.as_secs());
        }
        told
    }

    #[test]
    fn readiness_must_come_and_go_by_its_thresholds() {
        let readiness = Some(probe(2, 3));
        let probes = Arc::new(Probes { readiness, ..Probes::default() });
        let mut checkup = Checkup::begin(probes, Before::default(), at(100));
        assert!(!checkup.health().ready);
        assert_eq!(
            ask(&mut checkup, "+-++--?-"),
            "105s readiness not; 115s readiness not; 125s readiness not; 135s readiness ready; \
             145s readiness ready; 155s readiness ready; 165s readiness ready; 175s readiness not; "
        );
        assert_eq!(checkup.health().since, at(175));
        assert_eq!(
            checkup.health().said.as_ref().unwrap().to_string(),
            "the readiness probe failed: no"
        );
    }

    #[test]
    fn until_it_has_started_nothing_else_must_be_asked() {
        let all = Some(probe(1, 2));
        let probes = Probes { startup: all.clone(), readiness: all.clone(), liveness: all };
        let mut checkup = Checkup::begin(Arc::new(probes), Before::default(), at(0));
        assert_eq!(
            ask(&mut checkup, "-++-++"),
            "5s startup not; 15s startup not; 5s readiness ready; 5s liveness ready; \
             15s readiness ready; 15s liveness ready; "
        );
    }

    #[test]
    fn what_has_not_started_or_is_not_alive_must_be_dead_and_asked_no_more() {
        let startup = Probes { startup: Some(probe(1, 2)), ..Probes::default() };
        let mut checkup = Checkup::begin(Arc::new(startup), Before::default(), at(0));
        assert_eq!(ask(&mut checkup, "---"), "5s startup not; 15s startup dead; never");
        let liveness = Probes { liveness: Some(probe(1, 2)), ..Probes::default() };
        let mut checkup = Checkup::begin(Arc::new(liveness), Before::default(), at(0));
        assert!(checkup.health().ready, "nothing holds it up");
        assert_eq!(
            ask(&mut checkup, "-+--+"),
            "5s liveness ready; 15s liveness ready; 25s liveness ready; 35s liveness dead; never"
        );
        let failed = checkup.health().failed.as_ref().unwrap().to_string();
        assert_eq!(failed, "the liveness probe failed: no (2 times in a row)");
    }

    #[test]
    fn what_was_ready_must_stay_so_until_it_has_failed() {
        let all = Some(probe(1, 2));
        let probes = Probes { startup: all.clone(), readiness: all, liveness: None };
        let before = Before {
            age: Duration::from_secs(60),
            was_started: true,
            was_ready: true,
            spread: 0.5,
            ..Before::default()
        };
        let mut checkup = Checkup::begin(Arc::new(probes), before, at(0));
        assert!(checkup.health().ready);
        assert_eq!(ask(&mut checkup, "--"), "5s readiness ready; 15s readiness not; ");
    }

    #[test]
    fn a_probe_that_is_new_to_it_must_count_only_once_it_has_succeeded() {
        let all = Some(probe(1, 1));
        let probes = Probes { liveness: all.clone(), readiness: all, startup: None };
        let before =
            Before { was_started: true, was_ready: true, on_trial: [true; 3], ..Before::default() };
        let mut checkup = Checkup::begin(Arc::new(probes), before, at(0));
        ask(&mut checkup, "----");
        let Health { ready, failed, doubtful, .. } = checkup.health();
        assert!(*ready && failed.is_none() && doubtful.is_some());
        assert_eq!(
            ask(&mut checkup, "++--"),
            "25s readiness ready; 25s liveness ready; 35s readiness not; 35s liveness dead; "
        );
        assert_eq!(checkup.health().doubtful, None);
    }

    #[test]
    fn words_that_are_new_each_time_must_not_be_news_each_time() {
        let mut each = probe(1, 1000);
        each.period_seconds = 1;
        let probes = Probes { readiness: Some(each), ..Probes::default() };
        let mut checkup = Checkup::begin(Arc::new(probes), Before::default(), at(0));
        let mut news = 0;
        for second in 0..100 {
            let (_, kind) = checkup.next().unwrap();
            checkup.ask(kind);
            let answer = Answer::Failure(format!("at {second}"));
            news += u32::from(checkup.take(kind, answer, (at(second), at(second))));
        }
        assert_eq!(news, 10);
    }
}
