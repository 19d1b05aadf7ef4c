//! A status for each phase.

use expect_test::expect;

use super::*;

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
    assert!(status.next_try_at.is_some_and(|at| at > status.created_at), "{status:?}");
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
        Progressing=False Failed: 0.1 ended: Error, exit code 3; given up: failed once, limit 0 reached; change the manifest, or restart it by command, to run it again
        Ready=False CrashLoop: 0 of 1 ready: 0.1 ended: Error, exit code 3; given up: failed once, limit 0 reached; change the manifest, or restart it by command, to run it again
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
        Progressing=False Paused: the task is suspended by its manifest web.yaml:1
        Ready=False Stopped: the task is suspended by its manifest web.yaml:1
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
fn a_task_suspended_by_command_must_say_by_whom_and_how_it_is_undone() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.hold(true);
    play.run();
    expect![[r#"
        Suspended 0/0 ready, 0 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=True Converged: nothing is to be done
        Progressing=False Paused: the task is suspended by alice at 2027-01-15T08:12:48.000Z; undo with: evenkeel resume web
        Ready=False Stopped: the task is suspended by alice at 2027-01-15T08:12:48.000Z; undo with: evenkeel resume web
    "#]].assert_eq(&told(&of(&play)));
    play.edit(|task| task.suspend = true);
    let status = of(&play);
    assert!(status.suspended.is_some() && !status.is_as_asked(), "{status:?}");
    let ready = status.condition(ConditionType::Ready).unwrap();
    assert!(ready.message.ends_with("; its manifest web.yaml:1 suspends it too"), "{ready:?}");
    play.hold(false);
    let status = of(&play);
    assert_eq!((status.phase, status.suspended), (Phase::Suspended, None));
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
        Progressing=False Failed: 0.1 ended: Error, exit code 7; given up: it runs at most once; change the manifest to run it again
        Ready=False CrashLoop: 0 of 1 ready: 0.1 ended: Error, exit code 7; given up: it runs at most once; change the manifest to run it again
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
        Progressing=False Failed: 0.1 ended: Stopped, exit code 143; a run that was stopped was its run; change the manifest to run it again
        Ready=False Stopped: 0 of 1 ready: 0.1 ended: Stopped, exit code 143; a run that was stopped was its run; change the manifest to run it again
    "#]]
    .assert_eq(&told(&of(&play)));
}

#[test]
fn a_job_that_is_edited_back_to_what_ran_long_ago_must_tell_how_that_went() {
    for (code, phase) in [(0, Phase::Completed), (3, Phase::Failed)] {
        let mut play = Play::of(&job("mig", "app:1", Never));
        exits(&mut play, "app:1", 1, code);
        play.run();
        for image in ["app:2", "app:3", "app:4", "app:5"] {
            play.engine.images.insert(image.to_owned());
            exits(&mut play, image, 1, 0);
            play.retag(image);
            play.run();
        }
        play.retag("app:1");
        play.run();
        let status = of(&play);
        assert!(status.instances.iter().all(|it| it.attempt > 1), "its instance is not kept");
        assert_eq!(status.phase, phase);
        assert!(status.is_settled(), "{}", told(&status));
        if code == 0 {
            assert_eq!(reason(&status, ConditionType::Ready), (Truth::True, "Completed"));
            continue;
        }
        expect![[r#"
            Failed 0/1 ready, 0 updated, 0 restarts
            Valid=True Accepted: the manifest was accepted
            Converged=True Converged: nothing is to be done
            Progressing=False Failed: 0.1 ended: Error, exit code 3; given up: it runs at most once; change the manifest to run it again
            Ready=False CrashLoop: 0 of 1 ready: 0.1 ended: Error, exit code 3; given up: it runs at most once; change the manifest to run it again
        "#]]
        .assert_eq(&told(&status));
    }
}

#[test]
fn a_restart_must_be_progressing_from_the_moment_it_is_asked_for() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.renew().unwrap();
    expect![[r#"
        Progressing 1/1 ready, 0 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=True Converged: nothing is to be done
        Progressing=True RolloutUnderWay: revision 1 is being rolled out
        Ready=True Ready: 1 of 1 ready
    "#]]
    .assert_eq(&told(&of(&play)));
    play.run_for(secs(1));
    expect![[r#"
        Progressing 1/1 ready, 1 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=False Waiting: waiting for 0.2 to stay up
        Progressing=True RolloutUnderWay: revision 2 is being rolled out
        Ready=True Ready: 1 of 1 ready
    "#]]
    .assert_eq(&told(&of(&play)));
    play.run();
    expect![[r#"
        Running 1/1 ready, 1 updated, 0 restarts
        Valid=True Accepted: the manifest was accepted
        Converged=True Converged: nothing is to be done
        Progressing=False Complete: revision 2 is rolled out
        Ready=True Ready: 1 of 1 ready
    "#]]
    .assert_eq(&told(&of(&play)));
}
