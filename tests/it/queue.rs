//! The desired-state queue, on a paused clock.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use evenkeel::metrics::{Exposition, Metrics, Moment};
use evenkeel::queue::{Queue, RetryPolicy};
use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::time::{Instant, advance};

use crate::exposition::sample;

const POLICY: RetryPolicy =
    RetryPolicy { base: Duration::from_millis(10), max: Duration::from_secs(30), seed: 1 };

fn queue() -> Queue<&'static str> {
    Queue::new(POLICY, Arc::default())
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// All names whose turn it is, each done at once.
fn drain(queue: &Queue<&'static str>) -> Vec<&'static str> {
    std::iter::from_fn(|| queue.try_next().inspect(|name| queue.done(name))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_name_waits_once_and_in_its_turn() {
    let queue = queue();
    for name in ["a", "b", "a", "c", "b"] {
        queue.add(name);
    }
    assert_eq!(queue.len(), 3);
    assert_eq!(drain(&queue), ["a", "b", "c"]);
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_name_is_never_handed_out_twice_at_once_and_news_is_kept_for_afterwards() {
    let queue = queue();
    queue.add("a");
    assert_eq!(queue.next().await, Some("a"));
    queue.add("a");
    queue.add("a");
    queue.add("b");
    assert_eq!(queue.try_next(), Some("b"));
    assert_eq!(queue.try_next(), None);
    queue.add("c");
    queue.done(&"a");
    assert_eq!(drain(&queue), ["c", "a"], "it queues up behind those that waited");
    queue.done(&"a");
    assert_eq!(queue.try_next(), None, "done twice is done");
}

#[tokio::test(start_paused = true)]
async fn next_wakes_up_for_what_is_added_later() {
    let queue = Arc::new(queue());
    let waiting = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.next().await }
    });
    tokio::task::yield_now().await;
    queue.add("a");
    assert_eq!(waiting.await.unwrap(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn every_waiter_gets_a_name_when_several_come_at_once() {
    let queue = Arc::new(queue());
    let wait = || {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.next().await })
    };
    let waiting = [wait(), wait(), wait()];
    tokio::task::yield_now().await;
    for name in ["a", "b", "c"] {
        queue.add(name);
    }
    let mut names = Vec::new();
    for handle in waiting {
        names.extend(handle.await.unwrap());
    }
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_loses_nothing() {
    let queue = queue();
    assert_eq!(queue.next().now_or_never(), None);
    queue.add("a");
    assert_eq!(queue.next().now_or_never(), Some(Some("a")));
}

#[tokio::test(start_paused = true)]
async fn a_delayed_name_comes_when_its_time_has_come() {
    let queue = queue();
    let start = Instant::now();
    queue.add_after("late", millis(200));
    queue.add_after("early", millis(100));
    queue.add_after("now", Duration::ZERO);
    assert_eq!((queue.next().await, start.elapsed()), (Some("now"), millis(0)));
    assert_eq!((queue.next().await, start.elapsed()), (Some("early"), millis(100)));
    assert_eq!((queue.next().await, start.elapsed()), (Some("late"), millis(200)));
}

#[tokio::test(start_paused = true)]
async fn the_earliest_of_several_delays_counts() {
    let queue = queue();
    for delay in [300, 100, 200] {
        queue.add_after("a", millis(delay));
    }
    let start = Instant::now();
    assert_eq!((queue.next().await, start.elapsed()), (Some("a"), millis(100)));
    queue.done(&"a");
    advance(millis(1000)).await;
    assert_eq!(queue.try_next(), None, "and the others don't");
}

#[tokio::test(start_paused = true)]
async fn a_shorter_delay_wakes_who_waits_for_a_longer_one() {
    let queue = Arc::new(queue());
    queue.add_after("late", millis(1000));
    let start = Instant::now();
    let waiting = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { (queue.next().await, start.elapsed()) }
    });
    tokio::task::yield_now().await;
    queue.add_after("early", millis(10));
    assert_eq!(waiting.await.unwrap(), (Some("early"), millis(10)));
}

#[tokio::test(start_paused = true)]
async fn a_delay_stays_when_the_name_is_looked_at_before() {
    let queue = queue();
    queue.add_after("a", millis(100));
    queue.add("a");
    assert_eq!(drain(&queue), ["a"]);
    let start = Instant::now();
    assert_eq!((queue.next().await, start.elapsed()), (Some("a"), millis(100)));
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_ends_while_its_name_is_worked_on_is_kept_for_afterwards() {
    let queue = queue();
    queue.add("a");
    assert_eq!(queue.next().await, Some("a"));
    queue.add_after("a", millis(10));
    advance(millis(20)).await;
    assert_eq!(queue.try_next(), None);
    queue.done(&"a");
    assert_eq!(queue.try_next(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_delay_without_end_harms_nobody() {
    let queue = queue();
    queue.add_after("never", Duration::MAX);
    queue.add_after("soon", millis(5));
    assert_eq!(queue.next().await, Some("soon"));
    assert_eq!(queue.next().now_or_never(), None);
}

#[tokio::test(start_paused = true)]
async fn retries_double_up_to_their_maximum_and_start_anew_once_forgotten() {
    let queue = queue();
    let mut full = POLICY.base;
    for _ in 0..40 {
        let delay = queue.retry("a");
        assert!(delay <= full && delay >= full / 2, "{delay:?} of {full:?}");
        full = (full * 2).min(POLICY.max);
        let start = Instant::now();
        assert_eq!(queue.next().await, Some("a"));
        assert!(start.elapsed() >= delay && start.elapsed() <= delay + millis(1));
        queue.done(&"a");
    }
    assert!(queue.retry("b") <= POLICY.base, "each name by itself");
    queue.forget(&"a");
    assert!(queue.retry("a") <= POLICY.base);
}

#[tokio::test(start_paused = true)]
async fn names_that_fail_together_come_back_apart_and_the_same_way_every_time() {
    let delays = |seed| -> Vec<Duration> {
        let queue = Queue::new(RetryPolicy { seed, ..POLICY }, Arc::default());
        (0..100).map(|number: u32| queue.retry(number)).collect()
    };
    let mut distinct = delays(1);
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() > 80, "{} of 100", distinct.len());
    assert_eq!(delays(1), delays(1));
    assert_ne!(delays(1), delays(2));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_hands_out_what_was_added_before_and_nothing_after() {
    let queue = Arc::new(queue());
    queue.add("worked");
    assert_eq!(queue.next().await, Some("worked"));
    queue.add("worked");
    queue.add("waiting");
    queue.add_after("delayed", millis(10));
    queue.shut_down();
    queue.add("late");
    queue.add_after("late", millis(5));
    queue.retry("late");
    assert_eq!(queue.next().await, Some("waiting"));
    let rest = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { (queue.next().await, queue.next().await) }
    });
    tokio::task::yield_now().await;
    assert!(!rest.is_finished(), "one that is worked on is still to come again");
    queue.done(&"worked");
    assert_eq!(rest.await.unwrap(), (Some("worked"), None));
    assert_eq!(queue.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_wakes_every_waiter() {
    let queue = Arc::new(queue());
    let wait = || {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.next().await })
    };
    let waiting = [wait(), wait(), wait()];
    tokio::task::yield_now().await;
    queue.shut_down();
    for handle in waiting {
        assert_eq!(handle.await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_does_is_counted() {
    let metrics = Metrics::default();
    let queue = Queue::new(POLICY, Arc::clone(&metrics.queue));
    let read = |name: &str| {
        let text = metrics.exposed(Moment::default(), Exposition::OpenMetrics);
        sample(&text, &format!("workqueue_{name}{{name=\"tasks\"}}")).unwrap()
    };
    for name in ["a", "b", "a"] {
        queue.add(name);
    }
    assert_eq!((read("adds_total"), read("depth")), (2.0, 2.0));
    advance(millis(30)).await;
    let name = queue.try_next().unwrap();
    let waited = (read("queue_duration_seconds_count"), read("queue_duration_seconds_sum"));
    assert_eq!((waited, read("depth")), ((1.0, 0.03), 1.0));
    advance(millis(5)).await;
    let other = queue.try_next().unwrap();
    advance(millis(2)).await;
    let under_way = || (read("unfinished_work_seconds"), read("longest_running_processor_seconds"));
    assert_eq!(under_way(), (0.007 + 0.002, 0.007));
    queue.done(&name);
    assert_eq!(under_way(), (0.002, 0.002));
    assert_eq!(
        (read("work_duration_seconds_count"), read("work_duration_seconds_sum")),
        (1.0, 0.007)
    );
    queue.done(&other);
    assert_eq!(under_way(), (0.0, 0.0));
    queue.retry(name);
    assert_eq!(read("retries_total"), 1.0);
}

#[derive(Debug, Clone)]
enum Op {
    Add(u8),
    After(u8, u64),
    Retry(u8),
    Take,
    Done(usize),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..5_u8).prop_map(Op::Add),
        (0..5_u8, 0..50_u64).prop_map(|(name, delay)| Op::After(name, delay)),
        (0..5_u8).prop_map(Op::Retry),
        Just(Op::Take),
        (0..5_usize).prop_map(Op::Done),
        (0..50_u64).prop_map(Op::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is done in whatever order: no name is out twice, and each name that was added is
    /// handed out at or after that.
    #[test]
    fn no_name_is_lost_or_handed_out_twice(ops in prop::collection::vec(op(), 1..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let queue = Queue::new(POLICY, Arc::default());
            let mut out: Vec<u8> = Vec::new();
            // Who was not handed out since it was last asked for.
            let mut owed = BTreeSet::new();
            for op in ops {
                match op {
                    Op::Add(name) => {
                        queue.add(name);
                        owed.insert(name);
                    }
                    Op::After(name, delay) => {
                        queue.add_after(name, millis(delay));
                        owed.insert(name);
                    }
                    Op::Retry(name) => {
                        queue.retry(name);
                        owed.insert(name);
                    }
                    Op::Take => {
                        if let Some(name) = queue.try_next() {
                            assert!(!out.contains(&name), "{name} is out twice");
                            owed.remove(&name);
                            out.push(name);
                        }
                    }
                    Op::Done(index) if index < out.len() => queue.done(&out.remove(index)),
                    Op::Done(_) => {}
                    Op::Pass(time) => advance(millis(time)).await,
                }
            }
            for name in out.drain(..) {
                queue.done(&name);
            }
            advance(POLICY.max).await;
            let mut seen = BTreeSet::new();
            while let Some(name) = queue.try_next() {
                assert!(seen.insert(name), "{name} waited twice");
                queue.done(&name);
            }
            assert!(owed.is_subset(&seen), "{owed:?} are owed, {seen:?} came");
        });
    }
}
