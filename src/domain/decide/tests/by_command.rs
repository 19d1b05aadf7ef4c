//! What people ask by command, beside the manifest.

use expect_test::expect;

use super::play::*;
use crate::domain::happening::Happening;
use crate::domain::task::RestartPolicy::OnFailure;

#[test]
fn what_is_suspended_by_command_must_stay_so_until_it_is_resumed() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.hold(true);
    expect![[r#"
        768s stop 0.1 grace 10s: the task was suspended by alice (evenkeel suspend)
    "#]]
    .assert_eq(&play.run());
    play.restart();
    play.retag("app:2");
    play.edit(|task| task.replicas = 2);
    assert_eq!(play.run(), "", "whatever its manifest says by then");
    play.hold(true);
    play.hold(false);
    expect![[r#"
        2300s begin 0.2 revision 2: image changed from "app:1" to "app:2"
        2300s begin 1.1 revision 2: the manifest asks for it
        2300s pull app:2
        2300s create 0.2: image changed from "app:1" to "app:2"
        2300s create 1.1: the manifest asks for it
        2300s start 0.2: image changed from "app:1" to "app:2"
        2300s start 1.1: the manifest asks for it
        2302s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
    let asked = play.notes.iter().filter(|note| note.reason == Happening::SuspendAsked);
    assert_eq!(asked.count(), 1, "the second changed nothing");
}

#[test]
fn what_is_suspended_in_the_middle_of_a_rollout_must_go_on_with_it_when_it_is_resumed() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.retag("app:2");
    play.run_for(secs(1));
    play.hold(true);
    play.run();
    assert!(play.running().is_empty());
    play.told();
    play.hold(false);
    expect![[r#"
        1535s begin 0.3 revision 2: it is wanted again
        1535s create 0.3: it is wanted again
        1535s start 0.3: it is wanted again
        1537s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_job_that_is_suspended_by_command_must_have_had_its_run() {
    let mut play = Play::of(&job("mig", "app:1", OnFailure));
    play.run_for(secs(5));
    play.hold(true);
    play.run();
    assert!(play.running().is_empty());
    play.hold(false);
    play.told();
    assert_eq!(play.run(), "");
}

#[test]
fn a_suspend_by_command_must_be_told_to_be_lost_with_the_state() {
    let mut play = Play::of(&service("web", "app:1"));
    play.run();
    play.hold(true);
    play.run();
    play.lose_db();
    play.run();
    assert_eq!(play.running().len(), 1);
    let lost = play.notes.iter().find(|note| note.reason == Happening::StateLost).unwrap();
    assert!(lost.message.contains("a suspend by command"), "{}", lost.message);
}

/// A service of that many instances that runs.
fn running(replicas: u16) -> Play {
    let mut task = service("web", "app:1");
    task.replicas = replicas;
    let mut play = Play::of(&task);
    play.run();
    play.told();
    play
}

#[test]
fn a_restart_must_replace_all_one_after_the_other_and_each_once_the_new_one_is_up() {
    let mut play = running(2);
    play.renew().unwrap();
    expect![[r#"
        768s begin 0.2 revision 2: restart asked for by alice (evenkeel restart)
        768s pull app:1
        768s create 0.2: restart asked for by alice (evenkeel restart)
        768s start 0.2: restart asked for by alice (evenkeel restart)
        770s stop 0.1 grace 10s: 0.2 has taken over
        770s begin 1.2 revision 2: restart asked for by alice (evenkeel restart)
        770s create 1.2: restart asked for by alice (evenkeel restart)
        770s start 1.2: restart asked for by alice (evenkeel restart)
        772s stop 1.1 grace 10s: 1.2 has taken over
        772s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
    assert_eq!(play.running(), ["web.0.2".to_owned(), "web.1.2".to_owned()].into());
    play.renew().unwrap();
    play.run();
    assert_eq!(play.running(), ["web.0.3".to_owned(), "web.1.3".to_owned()].into());
}

#[test]
fn a_restart_must_go_on_after_a_crash_and_replace_none_twice() {
    let mut play = running(3);
    play.renew().unwrap();
    play.restart();
    play.run_for(secs(3));
    play.restart();
    play.run();
    let all = ["web.0.2", "web.1.2", "web.2.2"].map(str::to_owned);
    assert_eq!(play.running(), all.into());
}

#[test]
fn a_restart_must_go_the_way_of_the_update_strategy() {
    let mut play = running(2);
    play.edit(|task| task.update.strategy = crate::domain::task::Strategy::Recreate);
    play.run();
    play.told();
    play.renew().unwrap();
    expect![[r#"
        1534s begin 0.2 revision 2: restart asked for by alice (evenkeel restart)
        1534s begin 1.2 revision 2: restart asked for by alice (evenkeel restart)
        1534s pull app:1
        1534s create 0.2: restart asked for by alice (evenkeel restart)
        1534s create 1.2: restart asked for by alice (evenkeel restart)
        1534s stop 0.1 grace 10s: 0.2 can start only after it: its update strategy is Recreate
        1534s stop 1.1 grace 10s: 1.2 can start only after it: its update strategy is Recreate
        1534s start 0.2: restart asked for by alice (evenkeel restart)
        1534s start 1.2: restart asked for by alice (evenkeel restart)
        1536s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn a_restart_whose_instances_fail_must_leave_what_runs_and_be_tried_again_when_it_is_asked_for() {
    let mut play = running(2);
    play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(1), code: 1 });
    play.renew().unwrap();
    expect![[r#"
        768s begin 0.2 revision 2: restart asked for by alice (evenkeel restart)
        768s pull app:1
        768s create 0.2: restart asked for by alice (evenkeel restart)
        768s start 0.2: restart asked for by alice (evenkeel restart)
        769s begin 0.3 revision 2 failures 1: 0.2 ended: Error, exit code 1
        770s create 0.3: 0.2 ended: Error, exit code 1
        770s start 0.3: 0.2 ended: Error, exit code 1
        771s remove 0.2: it has ended and is not kept
        771s begin 0.4 revision 2 failures 2: 0.3 ended: Error, exit code 1
        771s forget 0.2: it has ended and is not kept
        773s create 0.4: 0.3 ended: Error, exit code 1
        773s start 0.4: 0.3 ended: Error, exit code 1
        774s refuse revision 2: CrashLoop: attempt 3 of 3: 0.4 ended: Error, exit code 1
        774s remove 0.3: it has ended and is not kept
        774s forget 0.3: it has ended and is not kept
    "#]]
    .assert_eq(&play.run());
    assert_eq!(play.running(), ["web.0.1".to_owned(), "web.1.1".to_owned()].into());
    let failed = play.notes.iter().rfind(|note| note.reason == Happening::RolledBack).unwrap();
    let until = "is not tried again until the manifest changes or it is restarted by command";
    assert!(failed.message.contains(until), "{}", failed.message);
    play.restart();
    assert_eq!(play.run(), "");
    play.engine.behaviours.clear();
    play.renew().unwrap();
    play.run();
    assert_eq!(play.only().record.head.refused, None);
    assert_eq!(play.running().len(), 2);
    assert!(!play.running().contains("web.0.1") && !play.running().contains("web.1.1"));
}

#[test]
fn a_restart_must_find_the_image_anew_and_go_back_to_the_old_one_if_that_is_bad() {
    let mut play = running(2);
    let image = |play: &mut Play| -> Vec<Option<String>> {
        let record = &play.only().record;
        let live = record.instances.values().filter(|it| it.is_live());
        live.map(|it| record.revisions[&it.revision].image_id.clone()).collect()
    };
    let old = image(&mut play);
    *play.engine.pushed.entry("app:1".into()).or_default() += 1;
    play.renew().unwrap();
    play.run();
    let new = image(&mut play);
    assert!(new[0] != old[0] && new[0] == new[1], "{old:?} {new:?}");
    *play.engine.pushed.entry("app:1".into()).or_default() += 1;
    play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(1), code: 1 });
    play.renew().unwrap();
    play.run();
    assert_eq!(image(&mut play), new);
}

#[test]
fn a_restart_of_what_was_gone_back_to_must_restart_that() {
    let mut play = running(1);
    play.engine.behaviours.insert("app:2".into(), Behaviour::Exits { after: secs(1), code: 1 });
    play.retag("app:2");
    play.run();
    assert_eq!(play.running(), ["web.0.1".to_owned()].into());
    play.told();
    play.renew().unwrap();
    expect![[r#"
        1540s begin 0.5 revision 3: restart asked for by alice (evenkeel restart)
        1540s pull app:1
        1540s create 0.5: restart asked for by alice (evenkeel restart)
        1540s start 0.5: restart asked for by alice (evenkeel restart)
        1542s stop 0.1 grace 10s: 0.5 has taken over
        1542s revision 3 is ready
        1542s remove 0.1: it has ended and is not kept
        1542s forget 0.1: it has ended and is not kept
    "#]]
    .assert_eq(&play.run());
    assert!(play.only().record.head.refused.is_some(), "the manifest is still refused");
    // The restart of that fails: what runs goes on, and the manifest is still refused.
    let runs = play.running();
    play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(1), code: 1 });
    play.renew().unwrap();
    play.run();
    assert_eq!(play.running(), runs);
    assert!(play.only().record.head.refused.is_some());
    play.engine.behaviours.clear();
    play.edit(|task| task.template.env.clear());
    play.retag("app:3");
    play.run();
    assert_eq!(play.only().record.head.refused.as_ref().map(|it| it.generation), Some(2));
    assert_eq!(play.running().len(), 1);
}

#[test]
fn a_restart_of_what_has_no_instances_or_is_a_job_must_be_refused() {
    let mut play = Play::of(&job("mig", "app:1", OnFailure));
    let why = play.renew().unwrap_err();
    assert!(why.starts_with("mig is a job, which is not restarted"), "{why}");
    let mut play = running(1);
    play.edit(|task| task.replicas = 0);
    let why = play.renew().unwrap_err();
    assert_eq!(why, "nothing of web runs: its manifest web.yaml:1 says replicas: 0");
    play.edit(|task| task.replicas = 1);
    play.hold(true);
    let why = play.renew().unwrap_err();
    assert!(why.contains("undo with: evenkeel resume web"), "{why}");
}

#[test]
fn a_restart_must_try_what_was_given_up_again() {
    let mut task = service("web", "app:1");
    task.backoff.limit = Some(1);
    let mut play = Play::of(&task);
    play.engine.behaviours.insert("app:1".into(), Behaviour::Exits { after: secs(1), code: 1 });
    play.run();
    play.told();
    play.engine.behaviours.clear();
    play.renew().unwrap();
    expect![[r#"
        769s begin 0.3 revision 2: restart asked for by alice (evenkeel restart)
        769s pull app:1
        769s create 0.3: restart asked for by alice (evenkeel restart)
        769s start 0.3: restart asked for by alice (evenkeel restart)
        771s revision 2 is ready
    "#]]
    .assert_eq(&play.run());
}

#[test]
fn what_a_restart_is_to_replace_must_be_begun_again_while_nothing_new_is_up() {
    let mut play = running(1);
    play.engine.images.remove("app:1");
    play.renew().unwrap();
    play.run_for(secs(5));
    play.told();
    let id = play.engine.running().next().unwrap().container.id.clone();
    play.engine.end(&id, 1);
    play.run_for(secs(5));
    let told = play.told();
    assert!(told.contains("begin 0.3 revision 1 failures 1: 0.1 ended: Error"), "{told}");
    assert_eq!(play.running(), ["web.0.3".to_owned()].into());
    play.engine.images.insert("app:1".into());
    play.run();
    assert_eq!(play.running(), ["web.0.2".to_owned()].into());
}
