//! Containers that no task has: nobody looks after them, and what they have is theirs all the same.

use evenkeel::domain::container::{ContainerSpec, label};
use evenkeel::domain::name::Label;
use evenkeel::domain::outcome::Outcome;
use evenkeel::domain::status::ConditionType;

use super::host::{Host, secs, sleep, task};
use super::promises;

const VOLUME: &str = "  mounts: [{path: /data, volume: data}]";
const PORT: &str = "  ports: [{containerPort: 80, hostPort: 8080}]";
const NAME: &str = "evenkeel.default.default.web.0.1";

/// A task whose containers are to be let go when its manifest goes.
fn kept(name: &str, spec: &str) -> String {
    task(name, spec).replace("spec:", "  annotations: {evenkeel/prune: \"false\"}\nspec:")
}

/// `web` was let go with this spec, as its manifest became that of `next`.
async fn renamed(spec: &str) -> Host {
    let mut host = Host::new();
    host.source = host.state.path().to_str().unwrap().to_owned();
    std::fs::create_dir(host.state.path().join("files")).unwrap();
    host.write("web.yaml", &kept("web", spec));
    host.start().await;
    host.settle().await;
    host.write("web.yaml", &kept("next", spec));
    host.until("it is let go", secs(30), async |host| {
        host.tasks().await.into_keys().eq(["default/next".to_owned()])
    })
    .await;
    host
}

/// What `next` waits for, in a sentence.
async fn waits(host: &Host, reason: &str) -> String {
    host.until_reason("next", ConditionType::Converged, reason).await;
    let status = host.status("next").await;
    status.condition(ConditionType::Converged).unwrap().message.clone()
}

#[tokio::test(start_paused = true)]
async fn a_renamed_task_must_wait_for_what_was_let_go_and_say_whom_to_stop() {
    let ends: [fn(&mut Host); 2] = [
        |host| host.engine.exit(&host.only("web"), 0),
        |host| host.engine.remove_by_hand(&host.only("web")),
    ];
    for (spec, reason, what) in [
        (VOLUME, "VolumeInUse", "volume evenkeel.default.default.data"),
        ("  mounts: [{path: /data, hostPath: ./files}]", "VolumeInUse", "host path "),
        (PORT, "PortConflict", "host port 8080/tcp"),
    ] {
        for end in ends {
            let mut host = renamed(spec).await;
            let told = waits(&host, reason).await;
            assert!(told.contains(what) && told.contains(NAME), "{told}");
            assert!(told.contains("stop it or remove it"), "{told}");
            assert!(host.has_event("next", reason, NAME).await);
            sleep(secs(300)).await;
            host.kill().await;
            host.start().await;
            sleep(secs(300)).await;
            waits(&host, reason).await;
            assert_eq!(host.live_names(), ["web.0.1"], "{what}");
            end(&mut host);
            host.until("it goes on", secs(5), async |host| host.live_names() == ["next.0.1"]).await;
            host.settle().await;
            promises::assert_kept(&host.engine, false, what);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_wants_nothing_of_what_was_let_go_must_not_wait() {
    let mut host = renamed(VOLUME).await;
    host.write("other.yaml", &task("other", "  mounts: [{path: /data, volume: other}]"));
    host.write(
        "reads.yaml",
        &task("reads", "  mounts: [{path: /data, volume: data, readOnly: true}]"),
    );
    host.until("they run", secs(5), async |host| host.live().len() == 3).await;
}

#[tokio::test(start_paused = true)]
async fn what_runs_must_not_be_stopped_for_what_it_could_not_have() {
    let recreate = "  update: {strategy: Recreate}\n";
    let mut host = Host::with(&[("web.yaml", kept("web", &format!("{VOLUME}\n{PORT}")))]).await;
    host.write("next.yaml", &task("next", recreate));
    host.write("x.yaml", &task("x", ""));
    host.settle().await;
    host.remove(&["web.yaml"]);
    host.until("it is let go", secs(30), async |host| host.tasks().await.len() == 2).await;
    for spec in [VOLUME, PORT] {
        host.write("next.yaml", &task("next", &format!("{recreate}{spec}")));
        sleep(secs(30)).await;
        assert_eq!(host.live_names(), ["next.0.1", "web.0.1", "x.0.1"], "{spec}");
    }
}

/// Something that is done to a host, and what it is.
type Deed = (&'static str, fn(&mut Host));

/// What the person who has it now may well do, and what they do to evenkeel.
#[tokio::test(start_paused = true)]
async fn what_was_let_go_must_be_known_whatever_became_of_it() {
    let deeds: [Deed; 4] = [
        ("paused", |host| host.engine.pause_by_hand(&host.only("web"))),
        ("renamed", |host| drop(host.engine.rename_by_hand(&host.only("web"), "mine"))),
        ("not heard of", |host| host.engine.mute(&host.only("web"), true)),
        ("state lost", |host| std::fs::remove_file(host.db_file()).unwrap()),
    ];
    for (what, deed) in deeds {
        let mut host = renamed(VOLUME).await;
        deed(&mut host);
        sleep(secs(60)).await;
        waits(&host, "VolumeInUse").await;
        host.kill().await;
        host.start().await;
        sleep(secs(300)).await;
        waits(&host, "VolumeInUse").await;
        assert_eq!(host.starts("next"), 0, "{what}");
    }
}

/// The engine's end is the end of what it ran, and that is seen before anything is begun.
#[tokio::test(start_paused = true)]
async fn an_engine_that_is_started_anew_must_be_asked_first() {
    let host = renamed(VOLUME).await;
    waits(&host, "VolumeInUse").await;
    host.engine.restart_engine();
    host.settle().await;
    assert_eq!(host.live_names(), ["next.0.1"]);
    promises::assert_kept(&host.engine, false, "an engine's restart");
}

#[tokio::test(start_paused = true)]
async fn what_was_let_go_must_still_be_taken_back_by_its_own_name() {
    let mut host = renamed(VOLUME).await;
    let before = host.only("web");
    host.write("web.yaml", &kept("web", VOLUME));
    host.until("web is known", secs(30), async |host| {
        host.tasks().await.contains_key("default/web")
    })
    .await;
    host.settle().await;
    assert_eq!(host.only("web"), before);
}

/// The engine says what it mounts, whatever its labels say.
#[tokio::test(start_paused = true)]
async fn what_says_nothing_that_can_be_read_must_have_what_the_engine_says() {
    let mut host = Host::with(&[("web.yaml", kept("web", VOLUME))]).await;
    host.kill().await;
    let old = host.ours().remove(NAME).unwrap();
    let mut labels = old.labels;
    labels.insert(label::SPEC.to_owned(), "{\"of\": \"a release to come\"}".to_owned());
    let volume = Label::parse("data").unwrap();
    let spec = ContainerSpec {
        name: NAME.to_owned(),
        labels,
        image_id: old.image_id,
        template: host.engine.happened().last().unwrap().template.clone(),
        volumes: [(volume, "evenkeel.default.default.data".to_owned())].into(),
        stop_timeout_seconds: 10,
        network: None,
    };
    host.engine.remove_by_hand(&old.id);
    let id = host.engine.add_container(&spec).unwrap();
    assert_eq!(host.engine.start_by_hand(&id), Outcome::Done(()));
    host.state = tempfile::tempdir().unwrap();
    // Nor can it be looked at, at first.
    host.engine.mute(&id, true);
    host.write("web.yaml", &task("next", VOLUME));
    host.write("other.yaml", &task("other", "  mounts: [{path: /data, volume: other}]"));
    host.start().await;
    host.until("nobody else waits", secs(5), async |host| host.live().len() == 2).await;
    for muted in [true, false] {
        host.engine.mute(&id, muted);
        sleep(secs(300)).await;
        let told = waits(&host, "VolumeInUse").await;
        assert!(told.contains(NAME) && told.contains("stop it or remove it"), "{told}");
        assert_eq!(host.live_names(), ["other.0.1", "web.0.1"]);
    }
    host.engine.exit(&id, 0);
    host.until("it goes on", secs(5), async |host| host.live().len() == 2).await;
    assert_eq!(host.live_names(), ["next.0.1", "other.0.1"]);
}
