//! Many tasks at once.

use std::time::Duration;

use evenkeel::domain::outcome::{Cause, Rejection, Retry};
use evenkeel::domain::status::TaskStatus;
use evenkeel::runtime::simulated::{Behaviour, Fault, Operation};

use super::host::{Host, millis, secs, sleep, task};

fn files(count: usize, spec: &str) -> Vec<(String, String)> {
    (0..count)
        .map(|number| (format!("{number:04}.yaml"), task(&format!("t{number:04}"), spec)))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn restarts_after_failures_must_keep_to_five_a_second_over_all() {
    let mut host = Host::new();
    host.engine.program(&["crash"], Behaviour::ends(millis(10), 1));
    host.write_all(files(100, "  command: [crash]\n  backoff: {initialSeconds: 1, maxSeconds: 2}"));
    host.start().await;
    sleep(secs(10)).await;
    let (mut worst, woken) = (0, host.wakes());
    let mut before = host.calls(Operation::Start);
    for _ in 0..12 {
        sleep(secs(5)).await;
        let now = host.calls(Operation::Start);
        worst = worst.max(now - before);
        before = now;
    }
    assert!(worst > 0, "they are tried again");
    // Each is begun at that pace and started after a wait of its own, so a few may meet.
    assert!(worst <= 5 * 5 + 5, "{worst} in 5 s");
    // A crowd that waits is not looked at again and again.
    let wakes = (host.wakes() - woken) / 60;
    assert!(wakes <= 100, "{wakes} looks a second");
}

#[tokio::test(start_paused = true)]
async fn many_tasks_must_converge_at_a_cost_that_grows_with_their_number_only() {
    const COUNT: usize = 2000;
    let mut host = Host::new();
    host.write_all(files(COUNT, ""));
    #[expect(clippy::disallowed_methods, reason = "how long it takes is told, not judged")]
    let began = std::time::Instant::now();
    host.start().await;
    host.until("all are settled", secs(120), async |host| {
        sleep(secs(1)).await;
        let tasks = host.tasks().await;
        tasks.len() == COUNT && tasks.values().all(TaskStatus::is_settled)
    })
    .await;
    let (took, calls): (Duration, u64) = (began.elapsed(), host.engine.calls().values().sum());
    let each = |number: u64| number as f64 / COUNT as f64;
    println!("{COUNT} tasks in {took:?}: {} calls, {} wakes each", each(calls), each(host.wakes()));
    assert_eq!(host.live().len(), COUNT);
    assert!(each(calls) <= 8.0, "{} calls each", each(calls));
    assert!(each(host.wakes()) <= 16.0, "{} wakes each", each(host.wakes()));

    let (wakes, calls) = (host.wakes(), host.engine.calls().values().sum::<u64>());
    let began = std::time::Instant::now();
    host.write("0007.yaml", &task("t0007", "  image: app:2"));
    host.until("it is replaced", secs(20), async |host| {
        sleep(secs(1)).await;
        host.live().contains_key("t0007.0.2") && !host.live().contains_key("t0007.0.1")
    })
    .await;
    println!("one edit in {:?}", began.elapsed());
    assert!(host.wakes() - wakes <= 40, "{} wakes", host.wakes() - wakes);
    let calls = host.engine.calls().values().sum::<u64>() - calls;
    assert!(calls <= 40, "{calls} calls");
}

#[tokio::test(start_paused = true)]
async fn what_many_tasks_need_must_be_made_by_one_call() {
    let shared = "  mounts: [{path: /data, volume: data, shared: true}]";
    for (count, slow, spec) in [(100, 0, ""), (100, 2, ""), (10, 2, shared)] {
        for refused in [false, true] {
            let mut host = Host::new();
            host.engine.set_latency(Operation::MakeNetwork, secs(slow));
            host.engine.set_latency(Operation::MakeVolume, secs(slow));
            if refused {
                let (cause, retry) = (Cause::Other, Retry::Later);
                let no = Rejection { cause, retry, message: "not now".to_owned() };
                host.engine.plan_fault(0, Fault::Rejected(no));
            }
            host.write_all(files(count, spec));
            host.start().await;
            host.until("all run", secs(60), async |host| host.live().len() == count).await;
            let calls = [Operation::MakeNetwork, Operation::MakeVolume].map(|it| host.calls(it));
            let wanted = [1 + u64::from(refused), u64::from(spec == shared)];
            assert_eq!(calls, wanted, "{slow} s, {spec}, refused: {refused}");
            let told = host.has_event("t0009", "StepFailed", "not now").await;
            assert_eq!(told, refused, "what came of it is told to all that waited");
        }
    }
}
