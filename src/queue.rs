//! The desired-state queue: whose turn it is to be looked at.
//!
//! It has the semantics of client-go's workqueue. A name waits once, however often it is added; it
//! is never handed out twice at once; what is added while it is worked on is kept for afterwards.
//! Names are handed out in the order they began to wait. The queue knows nothing of why. Whoever
//! has news adds names, the worker takes them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::metrics::QueueMetrics;

/// The longest delay. One that is longer means "not in the life of this process" as well.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How retries are spaced: doubling from `base` to `max`, each shortened by up to half of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The first delay.
    pub base: Duration,
    /// The longest delay.
    pub max: Duration,
    /// What the shortening is drawn from, with name and count, so that many names that failed at
    /// once come back one after the other.
    pub seed: u64,
}

impl RetryPolicy {
    /// From 5 ms to 30 s.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        Self { base: Duration::from_millis(5), max: Duration::from_secs(30), seed }
    }

    /// How long to wait after `failures` in a row.
    fn delay(&self, key: &impl Hash, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let full = self.base.saturating_mul(doubled).min(self.max);
        let mut hasher = DefaultHasher::new();
        (self.seed, failures).hash(&mut hasher);
        key.hash(&mut hasher);
        let part = u32::try_from(hasher.finish() % 1000).unwrap_or(0);
        full / 2 + full / 2000 * part
    }
}

/// A queue of names. Shared by reference; one owner.
#[derive(Debug)]
pub struct Queue<K> {
    retries: RetryPolicy,
    metrics: Arc<QueueMetrics>,
    inner: Mutex<Inner<K>>,
    changed: Notify,
}

/// Where a name is, if it is anywhere but among the delayed.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Waiting { since: Instant },
    Worked { since: Instant, again: Option<Instant> },
}

#[derive(Debug)]
struct Inner<K> {
    /// The names in [`Stage::Waiting`].
    waiting: VecDeque<K>,
    stages: HashMap<K, Stage>,
    /// By time, then by the order of adding.
    delayed: BTreeSet<(Instant, u64, K)>,
    /// The one entry of a name among the delayed.
    due: HashMap<K, (Instant, u64)>,
    added: u64,
    failures: HashMap<K, u32>,
    shut_down: bool,
}

impl<K: Ord + Hash + Clone> Queue<K> {
    /// An empty queue that counts into `metrics`.
    #[must_use]
    pub fn new(retries: RetryPolicy, metrics: Arc<QueueMetrics>) -> Self {
        let inner = Inner {
            waiting: VecDeque::new(),
            stages: HashMap::new(),
            delayed: BTreeSet::new(),
            due: HashMap::new(),
            added: 0,
            failures: HashMap::new(),
            shut_down: false,
        };
        Self { retries, metrics, inner: Mutex::new(inner), changed: Notify::new() }
    }

    /// Has `key` looked at: now, or once the work on it is done.
    pub fn add(&self, key: K) {
        let mut inner = self.lock();
        if !inner.shut_down {
            self.enter(&mut inner, key, Instant::now());
        }
    }

    /// Has `key` looked at after `delay`. Of several delays of one name the earliest end counts; it
    /// is kept when the name is looked at for another reason before.
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        let at = Instant::now() + delay.min(FAR);
        let mut inner = self.lock();
        if inner.shut_down || inner.due.get(&key).is_some_and(|(earlier, _)| *earlier <= at) {
            return;
        }
        inner.added += 1;
        let order = inner.added;
        if let Some((later, order)) = inner.due.insert(key.clone(), (at, order)) {
            inner.delayed.remove(&(later, order, key.clone()));
        }
        inner.delayed.insert((at, order, key));
        self.changed.notify_one();
    }

    /// Has `key` looked at again after a failure, the later the more failures in a row there were.
    /// Says after how long.
    pub fn retry(&self, key: K) -> Duration {
        let failures = {
            let mut inner = self.lock();
            let failures = inner.failures.entry(key.clone()).or_default();
            *failures = failures.saturating_add(1);
            *failures
        };
        self.metrics.retries.inc();
        let delay = self.retries.delay(&key, failures);
        self.add_after(key, delay);
        delay
    }

    /// Forgets the failures of `key`: it succeeded, or is gone.
    pub fn forget(&self, key: &K) {
        self.lock().failures.remove(key);
    }

    /// Waits for a name whose turn it is. Every name that is handed out must be given back with
    /// [`Queue::done`]. After [`Queue::shut_down`], `None` once all that was added before is done
    /// with. Nothing is lost if the wait is given up.
    pub async fn next(&self) -> Option<K> {
        loop {
            let until = {
                let mut inner = self.lock();
                if let Some(key) = self.take(&mut inner) {
                    return Some(key);
                }
                if inner.is_drained() {
                    // Somebody else may be waiting for the same.
                    self.changed.notify_one();
                    return None;
                }
                inner.delayed.first().map(|(at, _, _)| *at)
            };
            match until {
                None => self.changed.notified().await,
                Some(until) => tokio::select! {
                    () = self.changed.notified() => {}
                    () = sleep_until(until) => {}
                },
            }
        }
    }

    /// A name whose turn it is, if there is one now; as [`Queue::next`].
    #[must_use]
    pub fn try_next(&self) -> Option<K> {
        self.take(&mut self.lock())
    }

    /// Gives back a name that was handed out. What was added in the meantime waits from here on.
    pub fn done(&self, key: &K) {
        let mut inner = self.lock();
        let Some(Stage::Worked { since, again }) = inner.stages.get(key).copied() else {
            return;
        };
        inner.stages.remove(key);
        self.metrics.done(since);
        match again {
            Some(wanted) => self.enter(&mut inner, key.clone(), wanted),
            // The last one to be done with may be what a shutdown waits for.
            None => self.changed.notify_one(),
        }
    }

    /// How many names wait for their turn, those that are delayed not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Whether no name waits for its turn.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes no names any more and drops those that are delayed.
    pub fn shut_down(&self) {
        let mut inner = self.lock();
        inner.shut_down = true;
        inner.delayed.clear();
        inner.due.clear();
        self.changed.notify_one();
    }

    /// Has `key` wait for its turn, wanted since `since`.
    fn enter(&self, inner: &mut Inner<K>, key: K, since: Instant) {
        match inner.stages.get_mut(&key) {
            Some(Stage::Waiting { .. }) => {}
            Some(Stage::Worked { again, .. }) => {
                again.get_or_insert(since);
            }
            None => {
                inner.stages.insert(key.clone(), Stage::Waiting { since });
                inner.waiting.push_back(key);
                self.metrics.adds.inc();
                self.metrics.depth.set(depth(inner));
                self.changed.notify_one();
            }
        }
    }

    fn take(&self, inner: &mut Inner<K>) -> Option<K> {
        let now = Instant::now();
        while inner.delayed.first().is_some_and(|(at, _, _)| *at <= now) {
            if let Some((at, _, key)) = inner.delayed.pop_first() {
                inner.due.remove(&key);
                self.enter(inner, key, at);
            }
        }
        let key = inner.waiting.pop_front()?;
        let worked = Stage::Worked { since: now, again: None };
        if let Some(Stage::Waiting { since }) = inner.stages.insert(key.clone(), worked) {
            self.metrics.latency.observe(now.saturating_duration_since(since));
        }
        self.metrics.began(now);
        self.metrics.depth.set(depth(inner));
        if !inner.waiting.is_empty() {
            // Several adds may have woken one waiter: it passes that on.
            self.changed.notify_one();
        }
        Some(key)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<K>> {
        self.inner.lock().expect("nothing panics while it holds the queue")
    }
}

impl<K> Inner<K> {
    /// Whether nothing will be handed out any more.
    fn is_drained(&self) -> bool {
        let again = |stage: &Stage| matches!(stage, Stage::Worked { again: Some(_), .. });
        self.shut_down && self.waiting.is_empty() && !self.stages.values().any(again)
    }
}

fn depth<K>(inner: &Inner<K>) -> i64 {
    i64::try_from(inner.waiting.len()).unwrap_or(i64::MAX)
}
