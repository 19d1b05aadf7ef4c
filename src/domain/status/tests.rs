//! A status for each phase and each reason.
#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use std::collections::BTreeMap;

use expect_test::expect;

use super::{Condition, ConditionType, Phase, StatusInputs, TaskStatus, Truth, status};
use crate::domain::container::{Container, Identity};
use crate::domain::decide::tests::play::*;
use crate::domain::desired::{Presence, Validity};
use crate::domain::diagnostic::{Diagnostic, InvalidReason};
use crate::domain::instance::Seat;
use crate::domain::outcome::Cause;
use crate::domain::task::RestartPolicy::{Never, OnFailure};
use crate::domain::world::Engine;

/// What else a status is made from.
struct Around {
    validity: Validity,
    held: Option<&'static str>,
    source: Option<&'static str>,
    engine: Engine,
}

impl Default for Around {
    fn default() -> Self {
        Self { validity: Validity::Valid, held: None, source: None, engine: Engine::default() }
    }
}

fn with(play: &Play, around: &Around, previous: Option<&TaskStatus>) -> TaskStatus {
    let actor = play.actors.values().next().unwrap();
    let containers: BTreeMap<Seat, &Container> = play
        .engine
        .containers
        .values()
        .filter_map(|held| {
            let who = Identity::from_labels(&held.container.labels)?;
            (who.task == actor.record.head.name).then_some((who.seat, &held.container))
        })
        .collect();
    let inputs = StatusInputs {
        now: play.engine.time(),
        worker: &play.maker.worker,
        record: &actor.record,
        plan: &actor.plan,
        presence: actor.presence,
        validity: &around.validity,
        held: around.held,
        source_unavailable: around.source,
        containers,
        engine: &around.engine,
    };
    status(&inputs, previous)
}

fn of(play: &Play) -> TaskStatus {
    with(play, &Around::default(), None)
}

/// Phase, counts and conditions, a line each.
fn told(status: &TaskStatus) -> String {
    let conditions = status.conditions.iter().map(|it| {
        let Condition { type_, status, reason, message, .. } = it;
        format!("{type_}={status} {reason}: {message}\n")
    });
    let counts = format!(
        "{} {}/{} ready, {} updated, {} restarts\n",
        status.phase,
        status.ready_replicas,
        status.replicas,
        status.updated_replicas,
        status.restarts
    );
    counts + &conditions.collect::<String>()
}

fn exits(play: &mut Play, image: &str, after: u64, code: i64) {
    let ends = Behaviour::Exits { after: secs(after), code };
    play.engine.behaviours.insert(image.into(), ends);
}

fn reason(status: &TaskStatus, type_: ConditionType) -> (Truth, &str) {
    let condition = status.condition(type_).unwrap();
    (condition.status, &condition.reason)
}

#[test]
fn a_first_start_must_be_progressing_and_then_running() {
    let mut play = Play::of(&service("web", "app:1"));
    play.look();
    expect![[r#"
        Progressing 0/1 ready, 0 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=False InProgress: a rollout begins
        Progressing=True RolloutUnderWay: revision 1 is being rolled out
        Ready=False Starting: 0 of 1 ready: a rollout begins
    "#]]
    .assert_eq(&told(&of(&play)));
    play.run_for(secs(1));
    expect![[r#"
        Progressing 1/1 ready, 1 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=False Waiting: waiting for 0.1 to stay up
        Progressing=True RolloutUnderWay: revision 1 is being rolled out
        Ready=True Ready: 1 of 1 ready
    "#]]
    .assert_eq(&told(&of(&play)));
    play.run();
    expect![[r#"
        Running 1/1 ready, 1 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=True Converged: nothing is to be done
        Progressing=False Complete: revision 1 is rolled out
        Ready=True Ready: 1 of 1 ready
    "#]]
    .assert_eq(&told(&of(&play)));
}

#[test]
fn a_rollout_must_tell_what_serves_meanwhile() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.retag("app:2");
    play.run_for(secs(1));
    let status = of(&play);
    expect![[r#"
        Progressing 1/1 ready, 1 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=False Waiting: waiting for 0.2 to stay up
        Progressing=True RolloutUnderWay: revision 2 is being rolled out
        Ready=True Ready: 1 of 1 ready
    "#]]
    .assert_eq(&told(&status));
    assert_eq!((status.generation, status.serving_generation), (2, Some(1)));
    play.run();
    assert_eq!(of(&play).serving_generation, Some(2));
    play.edit(|task| task.replicas = 2);
    play.run();
    assert_eq!(of(&play).serving_generation, Some(3), "the same form serves the new generation");
}

#[test]
fn a_rollout_that_went_back_must_say_so() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    exits(&mut play, "app:2", 1, 3);
    play.retag("app:2");
    play.run();
    let status = of(&play);
    expect![[r#"
        Running 1/1 ready, 0 updated, 2 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=True Converged: nothing is to be done
        Progressing=False RolledBack: CrashLoop: attempt 3 of 3: 0.4 ended: Error, exit code 3
        Ready=True Ready: 1 of 1 ready
    "#]]
    .assert_eq(&told(&status));
    assert_eq!((status.generation, status.serving_generation), (2, Some(1)));
    assert_eq!(status.refused.map(|it| it.generation), Some(2));
}

#[test]
fn a_crash_loop_must_be_pending_once_the_first_start_has_failed() {
    let mut play = Play::of(&service("web", "app:1"));
    exits(&mut play, "app:1", 1, 3);
    play.run_for(secs(2));
    expect![[r#"
        Progressing 1/1 ready, 1 updated, 1 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=False Waiting: waiting for 0.2 to stay up
        Progressing=True RolloutUnderWay: revision 1 is being rolled out
        Ready=True Ready: 1 of 1 ready
    "#]]
    .assert_eq(&told(&of(&play)));
    play.run_for(secs(6));
    let status = of(&play);
    expect![[r#"
        Pending 0/1 ready, 1 updated, 2 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=False Waiting: waiting for back-off before 0.4 after 3 failures
        Progressing=True RolloutUnderWay: attempt 3 of 3: 0.3 ended: Error, exit code 3
        Ready=False CrashLoop: 0 of 1 ready: 0.3 ended: Error, exit code 3
    "#]]
    .assert_eq(&told(&status));
    expect!["back-off before 0.4 after 3 failures"].assert_eq(&status.waiting_for.join("\n"));
    assert!(status.next_try_in_seconds.is_some_and(|wait| (1..9).contains(&wait)), "{status:?}");
}

#[test]
fn one_of_two_down_must_be_degraded() {
    let mut task = service("web", "app:1");
    task.replicas = 2;
    let mut play = Play::of(&task);
    play.run();
    let id = play.engine.containers.keys().next().unwrap().clone();
    play.engine.end(&id, 137);
    play.look();
    play.look();
    expect![[r#"
        Degraded 1/2 ready, 2 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=False Waiting: waiting for back-off before 0.2 after 1 failure
        Progressing=False Complete: revision 1 is rolled out
        Ready=False BackOff: 1 of 2 ready: 0.1 ended: Error, exit code 137
    "#]]
    .assert_eq(&told(&of(&play)));
}

#[test]
fn an_image_that_is_not_there_must_be_named() {
    let mut play = Play::of(&service("web", "nope:9"));
    play.run_for(secs(5));
    expect![[r#"
        Progressing 0/1 ready, 1 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=False Waiting: waiting for the next try to pull nope:9: manifest unknown
        Progressing=True RolloutUnderWay: revision 1 is being rolled out
        Ready=False ImagePullFailed: 0 of 1 ready: manifest unknown
    "#]]
    .assert_eq(&told(&of(&play)));
    play.run_for(secs(700));
    let status = of(&play);
    assert_eq!(status.phase, Phase::Pending);
    assert_eq!(
        reason(&status, ConditionType::Progressing),
        (Truth::False, "DeadlineExceeded"),
        "{}",
        told(&status)
    );
}

#[test]
fn a_start_that_fails_must_be_named() {
    let mut play = Play::of(&service("web", "app:1"));
    let fails = Behaviour::StartFails(never(Cause::BadCommand, "no such program: ap"));
    play.engine.behaviours.insert("app:1".into(), fails);
    play.run_for(secs(2));
    expect![[r#"
        Pending 0/1 ready, 1 updated, 1 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=False Waiting: waiting for back-off before 0.3 after 2 failures
        Progressing=True RolloutUnderWay: 0.2 ended: StartError: no such program: ap
        Ready=False StartError: 0 of 1 ready: 0.2 ended: StartError: no such program: ap
    "#]]
    .assert_eq(&told(&of(&play)));
}

#[test]
fn a_limit_of_failures_must_be_failed() {
    let mut task = service("web", "app:1");
    task.backoff.limit = Some(0);
    let mut play = Play::of(&task);
    exits(&mut play, "app:1", 1, 3);
    play.run();
    expect![[r#"
        Failed 0/1 ready, 0 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=True Converged: nothing is to be done
        Progressing=False Failed: 0.1 ended: Error, exit code 3
        Ready=False CrashLoop: 0 of 1 ready: 0.1 ended: Error, exit code 3
    "#]]
    .assert_eq(&told(&of(&play)));
}

#[test]
fn a_suspended_task_must_be_suspended() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.edit(|task| task.suspend = true);
    play.run();
    expect![[r#"
        Suspended 0/0 ready, 0 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=True Converged: nothing is to be done
        Progressing=False Paused: the task is suspended
        Ready=False Stopped: the task is suspended
    "#]]
    .assert_eq(&told(&of(&play)));
    play.edit(|task| {
        task.suspend = false;
        task.replicas = 0;
    });
    play.run();
    expect![[r#"
        Running 0/0 ready, 0 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=True Converged: nothing is to be done
        Progressing=False Complete: revision 1 is rolled out
        Ready=True Ready: 0 of 0 ready
    "#]]
    .assert_eq(&told(&of(&play)));
}

#[test]
fn a_task_whose_manifest_is_gone_must_be_stopping() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.gone();
    assert_eq!(play.only().presence, Presence::Gone);
    play.look();
    expect![[r#"
        Stopping 0/1 ready, 1 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=False InProgress: stop 0.1 grace 10s: its manifest web.yaml:1 is gone
        Progressing=False Complete: revision 1 is rolled out
        Ready=False Stopped: its manifest is gone
    "#]]
    .assert_eq(&told(&of(&play)));
}

#[test]
fn a_job_must_be_progressing_while_it_runs_and_completed_after() {
    let mut play = Play::of(&job("mig", "app:1", OnFailure));
    exits(&mut play, "app:1", 5, 0);
    play.run_for(secs(2));
    expect![[r#"
        Progressing 1/1 ready, 1 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=True Converged: nothing is to be done
        Progressing=True RolloutUnderWay: a run is under way
        Ready=True Ready: 1 of 1 ready
    "#]]
    .assert_eq(&told(&of(&play)));
    play.run();
    expect![[r#"
        Completed 0/1 ready, 0 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=True Converged: nothing is to be done
        Progressing=False Complete: revision 1 is rolled out
        Ready=True Completed: all that was to run has run
    "#]]
    .assert_eq(&told(&of(&play)));
}

#[test]
fn a_job_that_failed_must_be_failed() {
    let mut play = Play::of(&job("mig", "app:1", Never));
    exits(&mut play, "app:1", 1, 7);
    play.run();
    expect![[r#"
        Failed 0/1 ready, 0 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=True Converged: nothing is to be done
        Progressing=False Failed: 0.1 ended: Error, exit code 7
        Ready=False CrashLoop: 0 of 1 ready: 0.1 ended: Error, exit code 7
    "#]]
    .assert_eq(&told(&of(&play)));
}

#[test]
fn a_job_that_was_stopped_must_be_failed() {
    let mut play = Play::of(&job("mig", "app:1", OnFailure));
    play.run_for(secs(3));
    play.edit(|task| task.suspend = true);
    play.run();
    play.edit(|task| task.suspend = false);
    play.run();
    expect![[r#"
        Failed 0/1 ready, 0 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=True Converged: nothing is to be done
        Progressing=False Failed: 0.1 ended: Stopped, exit code 143
        Ready=False Stopped: 0 of 1 ready: 0.1 ended: Stopped, exit code 143
    "#]]
    .assert_eq(&told(&of(&play)));
}

#[test]
fn ends_that_are_not_its_own_must_be_named() {
    let mut lost = Play::of(&service("web", "app:1"));
    lost.run();
    lost.engine.containers.clear();
    lost.look();
    assert_eq!(reason(&of(&lost), ConditionType::Ready), (Truth::False, "Lost"));

    let mut disrupted = Play::of(&service("web", "app:1"));
    disrupted.run();
    disrupted.engine.restart();
    disrupted.look();
    assert_eq!(reason(&of(&disrupted), ConditionType::Ready), (Truth::False, "Disrupted"));

    let mut killed = Play::of(&service("web", "app:1"));
    killed.run();
    let id = killed.engine.containers.keys().next().unwrap().clone();
    killed.tamper("web.0.1", |it| it.details.as_mut().unwrap().oom_killed = true);
    killed.engine.end(&id, 137);
    killed.look();
    assert_eq!(reason(&of(&killed), ConditionType::Ready), (Truth::False, "OOMKilled"));
}

#[test]
fn a_port_or_volume_that_another_task_has_must_be_named() {
    let mut first = service("a", "app:1");
    first.template.ports.push(port(8080));
    let mut second = service("b", "app:1");
    second.template.ports.push(port(8080));
    let mut play = Play::of(&second);
    play.accept(&first);
    play.run_for(secs(5));
    play.actors.retain(|name, _| name.name.as_str() == "b");
    expect![[r#"
        Progressing 0/1 ready, 1 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=False PortConflict: waiting for host port 8080, which default/a (a.yaml:1) has
        Progressing=True RolloutUnderWay: revision 1 is being rolled out
        Ready=False Starting: 0 of 1 ready: waiting for host port 8080, which default/a (a.yaml:1) has
    "#]].assert_eq(&told(&of(&play)));

    first.template.ports.clear();
    first.template.mounts.push(volume("data"));
    second.template.ports.clear();
    second.template.mounts.push(volume("data"));
    let mut play = Play::of(&first);
    play.run();
    play.accept(&second);
    play.run_for(secs(5));
    play.actors.retain(|name, _| name.name.as_str() == "b");
    expect![[r#"
        Progressing 0/1 ready, 1 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=False VolumeInUse: waiting for volume evenkeel.default.default.data, which default/a 0.1 still writes
        Progressing=True RolloutUnderWay: revision 1 is being rolled out
        Ready=False Starting: 0 of 1 ready: waiting for volume evenkeel.default.default.data, which default/a 0.1 still writes
    "#]].assert_eq(&told(&of(&play)));
}

#[test]
fn what_is_wrong_around_it_must_be_named() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    let converged = |around: &Around| {
        let status = with(&play, around, None);
        let (truth, reason) = reason(&status, ConditionType::Converged);
        format!("{truth} {reason}")
    };
    let held = Around { held: Some("2 of 3 would go"), ..Around::default() };
    assert_eq!(converged(&held), "False PruneHeld");
    let source = Around { source: Some("no such directory"), ..Around::default() };
    assert_eq!(converged(&source), "False SourceUnavailable");
    let engine = Engine { unavailable: Some("refused".into()), ..Engine::default() };
    let away = Around { engine, ..Around::default() };
    assert_eq!(converged(&away), "Unknown EngineUnavailable");
    let status = with(&play, &away, None);
    assert_eq!(reason(&status, ConditionType::Ready), (Truth::Unknown, "EngineUnavailable"));
}

#[test]
fn a_bad_file_must_be_told_while_the_last_good_version_runs() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    let problem = Diagnostic {
        file: "web.yaml".into(),
        place: None,
        reason: InvalidReason::SchemaInvalid,
        message: "unknown field 'imgae'".into(),
        help: None,
    };
    let validity = Validity::Held {
        reason: InvalidReason::SchemaInvalid,
        problems: vec![problem.clone(), problem],
    };
    let status = with(&play, &Around { validity, ..Around::default() }, None);
    expect![[r#"
        Running 1/1 ready, 1 updated, 0 restarts
        Valid=False SchemaInvalid: web.yaml: unknown field 'imgae', and 1 more
        Converged=True Converged: nothing is to be done
        Progressing=False Complete: revision 1 is rolled out
        Ready=True Ready: 1 of 1 ready
    "#]]
    .assert_eq(&told(&status));
    assert_eq!(status.problems.len(), 2);
}

#[test]
fn a_condition_must_keep_its_time_until_it_turns() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run_for(secs(1));
    let first = of(&play);
    play.run();
    let second = with(&play, &Around::default(), Some(&first));
    let time = |status: &TaskStatus, type_| status.condition(type_).unwrap().last_transition_time;
    let valid = ConditionType::Valid;
    assert_eq!(time(&first, valid), time(&second, valid));
    let progressing = ConditionType::Progressing;
    assert!(time(&first, progressing) < time(&second, progressing));
}

#[test]
fn a_status_must_be_written_in_the_manifests_words() {
    let mut task = service("web", "app:1");
    task.template.ports.push(port(8080));
    let mut play = Play::of(&task);
    play.run();
    play.tamper("web.0.1", |it| {
        let details = it.details.as_mut().unwrap();
        details.published.insert("8080/tcp".into(), vec!["0.0.0.0:8080".into()]);
    });
    let status = of(&play);
    let text = serde_json::to_string_pretty(&status).unwrap();
    expect![[r#"
        {
          "name": "default/web",
          "uid": "00000000-0000-0000-0000-000000000001",
          "kind": "Service",
          "phase": "Running",
          "generation": 1,
          "observedGeneration": 1,
          "servingGeneration": 1,
          "replicas": 1,
          "readyReplicas": 1,
          "updatedReplicas": 1,
          "restarts": 0,
          "conditions": [
            {
              "type": "Valid",
              "status": "True",
              "reason": "Accepted",
              "message": "the manifest was accepted",
              "lastTransitionTime": "2027-01-15T08:12:48.000Z",
              "observedGeneration": 1
            },
            {
              "type": "Converged",
              "status": "True",
              "reason": "Converged",
              "message": "nothing is to be done",
              "lastTransitionTime": "2027-01-15T08:12:48.000Z",
              "observedGeneration": 1
            },
            {
              "type": "Progressing",
              "status": "False",
              "reason": "Complete",
              "message": "revision 1 is rolled out",
              "lastTransitionTime": "2027-01-15T08:12:48.000Z",
              "observedGeneration": 1
            },
            {
              "type": "Ready",
              "status": "True",
              "reason": "Ready",
              "message": "1 of 1 ready",
              "lastTransitionTime": "2027-01-15T08:12:48.000Z",
              "observedGeneration": 1
            }
          ],
          "instances": [
            {
              "id": "00000000-0000-0000-0000-000000000002",
              "slot": 0,
              "attempt": 1,
              "state": "Running",
              "ready": true,
              "containerId": "0000000000000000000000000000000000000000000000000000000000000001",
              "image": "app:1",
              "imageId": "sha256:app:1",
              "startedAt": "2027-01-15T08:00:00.000Z",
              "ports": [
                "0.0.0.0:8080->8080/tcp"
              ],
              "revision": 1,
              "because": "the manifest asks for it"
            }
          ],
          "source": {
            "file": "web.yaml",
            "line": 1
          },
          "image": "app:1",
          "createdAt": "2027-01-15T08:00:00.000Z"
        }"#]]
    .assert_eq(&text);
    assert_eq!(serde_json::from_str::<TaskStatus>(&text).unwrap(), status);
}

#[test]
fn restarts_must_be_counted_over_all_slots() {
    let mut task = service("web", "app:1");
    task.replicas = 2;
    let mut play = Play::of(&task);
    exits(&mut play, "app:1", 5, 1);
    play.run_for(secs(19));
    assert_eq!(of(&play).restarts, 4, "{:?}", of(&play).instances);
}
