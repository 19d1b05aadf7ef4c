//! A status for each reason, and what else it tells.

use expect_test::expect;

use super::*;
use crate::domain::engine::SharedHost;

#[test]
fn an_image_that_is_not_there_must_be_named() {
    let mut play = Play::of(&service("web", "nope:9"));
    play.run_for(secs(5));
    expect![[r#"
        Progressing 0/1 ready, 1 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=False ImagePullFailed: waiting for the next try to pull nope:9: manifest unknown
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
fn an_image_that_is_not_there_must_be_named_while_the_old_version_serves() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.retag("nope:9");
    play.run_for(secs(5));
    let status = of(&play);
    assert_eq!((status.ready_replicas, status.replicas), (1, 1));
    assert_eq!(
        reason(&status, ConditionType::Converged),
        (Truth::False, "ImagePullFailed"),
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
        Converged=False PortConflict: waiting for host port 8080/tcp, which default/a (a.yaml:1) has
        Progressing=True RolloutUnderWay: revision 1 is being rolled out
        Ready=False Starting: 0 of 1 ready: waiting for host port 8080/tcp, which default/a (a.yaml:1) has
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
fn a_removal_must_be_told_to_wait_for_the_source_only_where_it_does() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.gone();
    let around = Around { source: Some("no such directory"), ..Around::default() };
    for (read, told, settled) in [(false, "SourceUnavailable", true), (true, "InProgress", false)] {
        play.source_read = read;
        play.look();
        let status = with(&play, &around, None);
        let of = (status.phase, reason(&status, ConditionType::Converged));
        assert_eq!(of, (Phase::Stopping, (Truth::False, told)));
        assert_eq!(status.is_settled(), settled);
    }
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
    let text = serde_json::to_string(&status).unwrap();
    let keys = serde_json::to_value(&status).unwrap();
    let keys: Vec<&String> = keys.as_object().unwrap().keys().collect();
    expect![[r#"["conditions", "createdAt", "generation", "image", "instances", "kind", "name", "observedGeneration", "phase", "readyReplicas", "replicas", "restarts", "servingGeneration", "source", "uid", "updatedReplicas"]"#]].assert_eq(&format!("{keys:?}"));
    let instance = serde_json::to_string_pretty(&status.instances[0]).unwrap();
    expect![[r#"
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
        }"#]]
    .assert_eq(&instance);
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

#[test]
fn what_the_policy_denies_must_be_named_with_what_to_do() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.policy.level = Level::Restricted;
    play.look();
    let status = of(&play);
    expect![[r#"
        Running 1/1 ready, 1 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=True Converged: nothing is to be done; what runs is left alone, and nothing new is made of it: `spec.securityContext.runAsUser`: `runAsUser` has to be set, and not 0, under the policy `restricted`; write `securityContext: {runAsUser: 1000}` (and 1 more)
        Progressing=False Complete: revision 1 is rolled out
        Ready=True Ready: 1 of 1 ready
    "#]]
    .assert_eq(&told(&status));
    assert!(status.is_settled() && status.is_as_asked());
    let id = play.engine.containers.keys().next().unwrap().clone();
    play.engine.end(&id, 1);
    play.look();
    let status = of(&play);
    expect![[r#"
        Failed 0/1 ready, 0 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=False PolicyDenied: waiting for something that the policy allows: `spec.securityContext.runAsUser`: `runAsUser` has to be set, and not 0, under the policy `restricted`; write `securityContext: {runAsUser: 1000}` (and 1 more)
        Progressing=False PolicyDenied: `spec.securityContext.runAsUser`: `runAsUser` has to be set, and not 0, under the policy `restricted`; write `securityContext: {runAsUser: 1000}` (and 1 more)
        Ready=False PolicyDenied: 0 of 1 ready: `spec.securityContext.runAsUser`: `runAsUser` has to be set, and not 0, under the policy `restricted`; write `securityContext: {runAsUser: 1000}` (and 1 more)
    "#]]
    .assert_eq(&told(&status));
    assert!(status.is_settled() && !status.is_as_asked(), "a person has to do something");
    assert_eq!(status.next_try_at, None);
}

#[test]
fn an_engine_elsewhere_must_be_named_where_a_path_of_this_host_is_wanted() {
    let mut task = service("web", "app:1");
    task.template.mounts.push(path("/srv/tasks/data"));
    let mut play = Play::of(&task);
    play.engine.host = SharedHost::Apart("/state/mark".to_owned());
    play.look();
    let status = of(&play);
    let why = "the engine does not share this host: there is nothing at `/state/mark` for it; run evenkeel on the engine's own host, and where it runs in a container, mount directories there under the paths that they have on that host";
    let wanted = format!(
        "Failed 0/1 ready, 0 updated, 0 restarts\n\
         Valid=True Accepted: the manifest was accepted\n\
         Converged=False NoSharedHost: waiting for an engine on this host: {why}\n\
         Progressing=False NoSharedHost: {why}\n\
         Ready=False NoSharedHost: 0 of 1 ready: {why}\n"
    );
    assert_eq!(told(&status), wanted);
    assert!(status.is_settled() && !status.is_as_asked(), "a person has to do something");
}
