//! A removal that is decided is remembered: over a restart it goes on, and begins nothing again.

use evenkeel::domain::status::{ConditionType, Phase};
use evenkeel::runtime::simulated::Fault;

use super::host::{End, Host, secs, sleep, task};

/// Two tasks, and the removal of `web` begun: its container has ended, and the worker with it.
async fn dead_within_a_removal() -> Host {
    let mut host = Host::with(&[("web.yaml", task("web", "")), ("x.yaml", task("x", ""))]).await;
    host.engine.plan_fault(host.engine.steps() + 1, Fault::FreezeBefore);
    host.remove(&["web.yaml"]);
    assert_eq!(host.buried().await, End::Killed);
    host.engine.thaw();
    assert_eq!((host.live_names(), host.ours().len()), (vec!["x.0.1".to_owned()], 2));
    host
}

#[tokio::test(start_paused = true)]
async fn while_the_source_is_not_read_what_is_going_must_neither_go_nor_come_back() {
    let mut host = dead_within_a_removal().await;
    let steps = host.engine.steps();
    host.lose_source(Some("not mounted"));
    host.start().await;
    sleep(secs(300)).await;
    assert_eq!((host.live_names(), host.engine.steps()), (vec!["x.0.1".to_owned()], steps));
    let status = host.status("web").await;
    assert_eq!(status.phase, Phase::Stopping);
    let converged = status.condition(ConditionType::Converged).unwrap();
    assert_eq!((&*converged.reason, &*converged.message), ("SourceUnavailable", "not mounted"));
    assert_eq!(status.waiting_for, ["the source to be read: its manifest was gone"]);
    host.lose_source(None);
    // Nobody asks once more whether it is meant.
    host.until("it is removed", secs(4), async |host| host.ours().len() == 1).await;
    assert_eq!((host.starts("web"), host.starts("x")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_manifest_that_is_back_must_make_a_new_task_with_a_restart_or_without() {
    let mut uids = Vec::new();
    for restarted in [false, true] {
        let mut host =
            Host::with(&[("web.yaml", task("web", "")), ("x.yaml", task("x", ""))]).await;
        let before = host.status("web").await.uid;
        if restarted {
            host = dead_within_a_removal().await;
            host.write("web.yaml", &task("web", ""));
            host.start().await;
        } else {
            host.engine.set_latency(evenkeel::runtime::simulated::Operation::Stop, secs(3));
            host.remove(&["web.yaml"]);
            host.until_reason("web", ConditionType::Ready, "Stopped").await;
            host.write("web.yaml", &task("web", ""));
        }
        host.settle().await;
        let back = host.has_event("web", "Accepted", "its manifest is back").await;
        assert!(back, "{:?}", host.events("web").await);
        assert_ne!(host.status("web").await.uid, before);
        assert_eq!(
            (host.live_names(), host.ours().len()),
            (vec!["web.0.2".to_owned(), "x.0.1".to_owned()], 2)
        );
        uids.push(host.status("web").await.generation);
        // It is no longer remembered as one that goes.
        host.kill().await;
        host.lose_source(Some("not mounted"));
        host.engine.kill(&host.only("web"));
        host.start().await;
        host.until("it is begun again", secs(30), async |host| host.live().len() == 2).await;
    }
    assert_eq!(uids[0], uids[1]);
}

#[tokio::test(start_paused = true)]
async fn what_ends_while_its_manifest_is_just_gone_must_not_be_begun_again() {
    let mut host = Host::with(&[("web.yaml", task("web", "")), ("x.yaml", task("x", ""))]).await;
    host.remove(&["web.yaml"]);
    host.engine.remove_by_hand(&host.only("web"));
    sleep(secs(3)).await;
    let waits = host.status("web").await.waiting_for;
    assert_eq!(waits, ["its manifest to come back: it is just gone"]);
    assert_eq!((host.live_names(), host.starts("web")), (vec!["x.0.1".to_owned()], 1));
    // It is back in time.
    host.write("web.yaml", &task("web", ""));
    host.until("it is begun again", secs(1), async |host| host.live().len() == 2).await;
    assert_eq!(host.starts("web"), 2);
    host.settle().await;
    host.remove(&["web.yaml"]);
    host.engine.remove_by_hand(&host.only("web"));
    sleep(secs(60)).await;
    assert_eq!((host.live_names(), host.starts("web")), (vec!["x.0.1".to_owned()], 2));
    assert!(!host.tasks().await.contains_key("web"));
}

#[tokio::test(start_paused = true)]
async fn what_ends_while_its_removal_is_held_must_be_begun_again() {
    let mut host = Host::with(&[("web.yaml", task("web", "")), ("x.yaml", task("x", ""))]).await;
    host.remove(&["web.yaml", "x.yaml"]);
    sleep(secs(3)).await;
    host.engine.remove_by_hand(&host.only("web"));
    sleep(secs(1)).await;
    assert_eq!((host.live().len(), host.starts("web")), (1, 1));
    host.until("it is held", secs(3), async |host| host.live().len() == 2).await;
    // As long as a source can't be read nobody knows whether it is meant either.
    sleep(secs(5)).await;
    host.lose_source(Some("not mounted"));
    host.engine.remove_by_hand(&host.only("web"));
    host.until("it is begun again", secs(1), async |host| host.live().len() == 2).await;
}

/// More than are looked at in one go.
#[tokio::test(start_paused = true)]
async fn an_approval_must_hold_for_all_of_it_from_its_answer_on() {
    let names: Vec<String> = (0..150).map(|number| format!("t{number}")).collect();
    let files: Vec<String> = names.iter().map(|name| format!("{name}.yaml")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let mut host = Host::new();
    let texts = names.iter().map(|name| task(name, ""));
    host.write_all(files.iter().map(|file| (*file).to_owned()).zip(texts));
    host.start().await;
    host.settle().await;
    host.remove(&files);
    host.until_reason("t0", ConditionType::Converged, "PruneHeld").await;
    host.engine.plan_fault(host.engine.steps(), Fault::FreezeBefore);
    host.approve_prune(&names).await.unwrap();
    assert_eq!(host.buried().await, End::Killed);
    host.engine.thaw();
    host.start().await;
    host.settle().await;
    assert_eq!(host.overview().await.prune_held, None);
    assert!(host.ours().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_cannot_be_written_down_must_be_refused() {
    let mut host = Host::with(&[("a.yaml", task("a", "")), ("b.yaml", task("b", ""))]).await;
    host.remove(&["a.yaml", "b.yaml"]);
    host.until_reason("a", ConditionType::Converged, "PruneHeld").await;
    std::fs::remove_file(host.db_file()).unwrap();
    assert!(host.approve_prune(&["a", "b"]).await.is_err());
    sleep(secs(60)).await;
    assert_eq!(host.live().len(), 2);
    // What is missing was written anew.
    host.approve_prune(&["a", "b"]).await.unwrap();
    host.settle().await;
    assert!(host.ours().is_empty());
}
