//! What people ask of a task by command: it holds beside the files, over restarts of evenkeel.

use std::fs;

use evenkeel::domain::container::label;
use evenkeel::domain::name::TaskName;
use evenkeel::domain::record::Restart;
use evenkeel::domain::status::{ConditionType, Phase};
use evenkeel::runtime::simulated::{Behaviour, Operation};
use evenkeel::worker::command::Command;
use evenkeel::worker::command::task::{Asked, NotDone, Suspension};
use evenkeel::worker::{Ended, Goal};

use super::host::{End, Host, full, secs, sleep, task};
use super::promises;

fn asked(name: &str) -> Asked {
    Asked { task: TaskName::try_from(full(name)).unwrap(), by: Some("alice".to_owned()) }
}

async fn suspend(host: &Host, name: &str) -> Result<Suspension, NotDone> {
    host.ask(|reply| Command::Suspend(asked(name), reply)).await
}

async fn resume(host: &Host, name: &str) -> Result<Suspension, NotDone> {
    host.ask(|reply| Command::Resume(asked(name), reply)).await
}

pub async fn restart(host: &Host, name: &str) -> Result<Restart, NotDone> {
    host.ask(|reply| Command::Restart(asked(name), reply)).await
}

/// A host with `web` and `other`.
async fn two() -> Host {
    Host::with(&[("web.yaml", task("web", "")), ("other.yaml", task("other", ""))]).await
}

#[tokio::test(start_paused = true)]
async fn what_was_suspended_by_command_must_stay_so_over_restarts_and_edits_until_it_is_resumed() {
    let mut host = two().await;
    let now = suspend(&host, "web").await.unwrap();
    assert!(now.changed && now.by_manifest.is_none(), "{now:?}");
    // Who asks next is told so, though nothing was stopped yet.
    let status = host.status("web").await;
    assert_eq!((status.phase, &status.suspended), (Phase::Suspended, &now.by_command));
    // Killed before anybody has looked.
    host.kill().await;
    for image in ["app:1", "app:2"] {
        host.write("web.yaml", &task("web", &format!("  image: {image}")));
        host.start().await;
        host.settle().await;
        assert_eq!(host.live_names(), ["other.0.1"]);
        let status = host.status("web").await;
        assert_eq!((status.phase, &status.suspended), (Phase::Suspended, &now.by_command));
        let ready = status.condition(ConditionType::Ready).unwrap();
        assert!(ready.message.contains("suspended by alice at "), "{ready:?}");
        assert!(ready.message.ends_with("; undo with: evenkeel resume web"), "{ready:?}");
        host.kill().await;
    }
    host.start().await;
    let again = suspend(&host, "web").await.unwrap();
    assert_eq!(again, Suspension { changed: false, ..now });
    let now = resume(&host, "web").await.unwrap();
    assert_eq!(now, Suspension { changed: true, by_command: None, by_manifest: None });
    assert_eq!(host.status("web").await.phase, Phase::Progressing);
    host.settle().await;
    assert_eq!(host.live_names(), ["other.0.1", "web.0.2"]);
    assert!(host.has_event("web", "SuspendAsked", "suspended by alice (evenkeel suspend)").await);
    assert!(host.has_event("web", "ResumeAsked", "resumed by alice (evenkeel resume)").await);
    let events = host.events("web").await;
    assert_eq!(events.iter().filter(|(reason, _)| reason == "SuspendAsked").count(), 1);
    promises::assert_kept(&host.engine, false, "resumed");
}

#[tokio::test(start_paused = true)]
async fn what_its_manifest_suspends_must_be_told_so_when_it_is_resumed() {
    let mut host = two().await;
    let resumed = resume(&host, "web").await.unwrap();
    assert_eq!(resumed, Suspension { changed: false, by_command: None, by_manifest: None });
    suspend(&host, "web").await.unwrap();
    host.write("web.yaml", &task("web", "  suspend: true"));
    host.settle().await;
    for changed in [true, false] {
        let resumed = resume(&host, "web").await.unwrap();
        let place = resumed.by_manifest.as_ref().unwrap().to_string();
        assert_eq!((resumed.changed, &*place), (changed, "web.yaml:1"));
        assert_eq!(host.status("web").await.phase, Phase::Suspended);
    }
    let said = "; its manifest web.yaml:1 still suspends it";
    assert!(host.has_event("web", "ResumeAsked", said).await);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_comes_anew_must_not_be_suspended() {
    for is_back_early in [false, true] {
        let mut host = two().await;
        if is_back_early {
            host.engine.set_latency(Operation::Stop, secs(30));
        }
        suspend(&host, "web").await.unwrap();
        host.remove(&["web.yaml"]);
        sleep(secs(10)).await;
        let goes = host.tasks().await.get("default/web").map(|status| status.phase);
        assert_eq!(goes, is_back_early.then_some(Phase::Stopping));
        let refused = suspend(&host, "web").await.unwrap_err();
        match refused {
            NotDone::Refused(why) if is_back_early => {
                assert_eq!(why, "default/web is being removed: its manifest is gone");
            }
            other => assert_eq!(other, NotDone::Unknown),
        }
        host.write("web.yaml", &task("web", ""));
        host.settle().await;
        assert_eq!(host.status("web").await.suspended, None);
        assert_eq!(host.live().len(), 2, "{:?}", host.live_names());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_renamed_into_another_file_must_stay_suspended() {
    let mut host = two().await;
    suspend(&host, "web").await.unwrap();
    host.rename("web.yaml", "moved.yaml");
    sleep(secs(60)).await;
    assert_eq!(host.status("web").await.phase, Phase::Suspended);
    assert_eq!(host.live_names(), ["other.0.1"]);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_written_down_must_not_hold() {
    let host = two().await;
    let away = host.state.path().with_extension("away");
    fs::rename(host.state.path(), &away).unwrap();
    fs::write(host.state.path(), "in the way").unwrap();
    let refused = suspend(&host, "web").await.unwrap_err();
    assert!(matches!(refused, NotDone::NotWritten(_)), "{refused:?}");
    fs::remove_file(host.state.path()).unwrap();
    fs::rename(&away, host.state.path()).unwrap();
    sleep(secs(60)).await;
    assert_eq!(host.status("web").await.suspended, None);
    assert_eq!(host.live_names(), ["other.0.1", "web.0.1"]);
}

#[tokio::test(start_paused = true)]
async fn a_sync_must_end_short_of_what_is_suspended_by_command() {
    let mut host = two().await;
    suspend(&host, "web").await.unwrap();
    host.stop().await;
    host.start_for(Goal::Settled { deadline: secs(60) }).await;
    assert_eq!(host.buried().await, End::Ended(Ended::Short));
    assert_eq!(host.live_names(), ["other.0.1"]);
}

#[tokio::test(start_paused = true)]
async fn a_host_port_must_be_free_for_others_while_its_task_is_suspended() {
    let port = "  ports: [{containerPort: 80, hostPort: 8080}]";
    let mut host = Host::with(&[("a.yaml", task("a", port))]).await;
    host.write("b.yaml", &task("b", port));
    host.until_reason("b", ConditionType::Converged, "PortConflict").await;
    assert_eq!(host.live_names(), ["a.0.1"]);
    suspend(&host, "a").await.unwrap();
    host.until("the other has it", secs(20), async |host| host.live_names() == ["b.0.1"]).await;
    host.remove(&["b.yaml"]);
    resume(&host, "a").await.unwrap();
    host.settle().await;
    assert_eq!(host.live_names(), ["a.0.2"]);
}

/// The least that lived of a task at once, from its `first` begins on.
fn fewest(host: &Host, name: &str, first: usize) -> usize {
    let (mut live, mut began, mut fewest) = (0, 0, usize::MAX);
    for it in host.engine.happened() {
        if it.labels.get(label::TASK).map(String::as_str) != Some(name) {
            continue;
        }
        if it.began {
            (live, began) = (live + 1, began + 1);
        } else {
            live -= 1;
        }
        if began >= first {
            fewest = fewest.min(live);
        }
    }
    fewest
}

#[tokio::test(start_paused = true)]
async fn a_restart_must_replace_each_once_the_new_one_is_up_and_tell_who_asked() {
    let mut host = Host::with(&[
        ("web.yaml", task("web", "  replicas: 3")),
        ("other.yaml", task("other", "")),
    ])
    .await;
    sleep(secs(3)).await;
    let other = host.only("other");
    let asked = restart(&host, "web").await.unwrap();
    assert_eq!((asked.number, &*asked.asked.by), (1, "alice"));
    assert_eq!(host.status("web").await.phase, Phase::Progressing);
    // Killed before anybody has looked, and once more in the middle of it.
    host.kill().await;
    host.start().await;
    sleep(secs(4)).await;
    host.kill().await;
    host.start().await;
    host.settle().await;
    sleep(secs(60)).await;
    assert_eq!(host.live_names(), ["other.0.1", "web.0.2", "web.1.2", "web.2.2"]);
    assert_eq!((host.only("other"), host.starts("web"), fewest(&host, "web", 3)), (other, 6, 3));
    let why = "restart asked for by alice (evenkeel restart)";
    assert!(host.has_event("web", "RestartAsked", why).await);
    let begins = format!("revision 2 begins, {why}");
    assert!(host.has_event("web", "Revision", &begins).await, "{:?}", host.events("web").await);
    assert!(host.has_event("web", "Renewed", why).await);
    for it in host.status("web").await.instances.iter().filter(|it| !it.state.is_end()) {
        assert_eq!(it.because, why);
    }
    // A comment in its file, or another start of evenkeel, restarts nothing more.
    host.write("web.yaml", &format!("# again\n{}", task("web", "  replicas: 3")));
    host.settle().await;
    assert_eq!(host.starts("web"), 6);
    assert_eq!(restart(&host, "web").await.unwrap().number, 2);
    host.settle().await;
    assert_eq!(host.live_names(), ["other.0.1", "web.0.3", "web.1.3", "web.2.3"]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_must_find_the_image_anew() {
    let host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let image = async || host.status("web").await.instances.pop().unwrap().image_id;
    let before = image().await;
    host.engine.add_image("app:1");
    restart(&host, "web").await.unwrap();
    host.settle().await;
    assert_ne!(image().await, before);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_restarted_must_be_told_why() {
    let mut host = Host::new();
    host.engine.task("default/mig", Behaviour::ends(secs(1), 0));
    host.write("mig.yaml", &task("mig", "  restartPolicy: OnFailure"));
    host.write("off.yaml", &task("off", "  suspend: true"));
    host.write("none.yaml", &task("none", "  replicas: 0"));
    host.start().await;
    host.settle().await;
    let steps = host.engine.steps();
    for (name, why) in [
        ("mig", "mig is a job, which is not restarted"),
        ("off", "nothing of off runs: the task is suspended by its manifest off.yaml:1"),
        ("none", "nothing of none runs: its manifest none.yaml:1 says replicas: 0"),
    ] {
        let refused = restart(&host, name).await.unwrap_err();
        assert!(matches!(&refused, NotDone::Refused(it) if it.starts_with(why)), "{refused:?}");
    }
    assert_eq!(restart(&host, "zzz").await, Err(NotDone::Unknown));
    sleep(secs(60)).await;
    assert_eq!(host.engine.steps(), steps);
}
