//! What the policy denies, of what was accepted before; and what an engine elsewhere can't have.

use expect_test::expect;

use super::play::*;
use crate::domain::engine::SharedHost;
use crate::domain::judge::Lead;
use crate::domain::outcome::Cause;
use crate::domain::policy::Level;
use crate::domain::task::RestartPolicy::OnFailure;
use crate::domain::task::{Strategy, Task};
use crate::domain::template::ImageRef;

const DATA: &str = "/srv/tasks/data";

/// `data` of the source leads there; `None`: nobody knows.
fn leads(play: &mut Play, real: Option<&str>) {
    match real {
        Some(real) => play.leads.insert(DATA.into(), Lead::To(real.into())),
        None => play.leads.remove(DATA),
    };
}

/// A task that mounts `data`, which leads inside.
fn mounting(mut task: Task) -> Play {
    task.template.mounts.push(path(DATA));
    let mut play = Play::of(&task);
    play.policy.level = Level::Baseline;
    leads(&mut play, Some(DATA));
    play
}

/// A service that mounts `data`, up.
fn up() -> Play {
    let mut play = mounting(service("web", "app:1"));
    play.run();
    play.told();
    play
}

fn kill(play: &mut Play) {
    let id = play.engine.running().next().expect("one runs").container.id.clone();
    play.engine.end(&id, 137);
}

#[test]
fn what_is_denied_must_run_on_and_not_be_started_again_before_it_is_allowed() {
    let mut play = up();
    leads(&mut play, Some("/etc"));
    assert_eq!(play.run(), "");
    assert_eq!(play.running(), ["web.0.1".to_owned()].into());
    expect![[r#"
        denied: `spec.mounts[0].hostPath`: `/srv/tasks/data` leads to `/etc`, outside the source, `/srv/tasks`; let it lead inside, or let the operator start evenkeel with `--allow-host-path PREFIX`
    "#]]
    .assert_eq(&play.look());
    kill(&mut play);
    play.run_for(secs(3600));
    assert_eq!(play.told(), "");
    let told = play.look();
    assert!(told.contains("\nwait: something that the policy allows: `spec.mounts[0]"), "{told}");
    leads(&mut play, Some(DATA));
    play.run_for(secs(0));
    expect![[r#"
        5134s begin 0.2 revision 1 failures 1: 0.1 ended: Error, exit code 137
    "#]]
    .assert_eq(&play.told());
    play.run();
    assert_eq!(play.running(), ["web.0.2".to_owned()].into());
}

#[test]
fn a_stricter_policy_must_start_nothing_that_was_accepted_under_another() {
    let mut play = up();
    play.policy.level = Level::Restricted;
    play.restart();
    kill(&mut play);
    play.run_for(secs(900));
    assert_eq!(play.told(), "");
    let told = play.look();
    assert!(told.contains("spec.securityContext.runAsUser") && told.contains("more)"), "{told}");
    assert!(told.contains("runAsUser: 1000"), "it says what to do: {told}");
}

#[test]
fn a_denied_version_must_stop_nothing_and_run_into_no_deadline() {
    for strategy in [Strategy::Rolling, Strategy::Recreate] {
        let mut play = up();
        leads(&mut play, Some("/etc"));
        play.edit(|task| {
            task.update.strategy = strategy;
            task.replicas = 1;
        });
        play.retag("app:2");
        play.run_for(secs(10_000));
        assert_eq!(play.told(), "", "{strategy:?}");
        leads(&mut play, Some(DATA));
        play.run();
        assert_eq!(play.running(), ["web.0.2".to_owned()].into(), "{strategy:?}");
        assert_eq!(play.only().record.head.refused, None, "{strategy:?}");
    }
}

#[test]
fn a_rollout_that_is_denied_on_its_way_must_leave_both_alone_and_go_on_with_all_its_time() {
    let mut play = up();
    play.engine.slow_stops = secs(3);
    play.retag("app:2");
    play.look();
    play.look();
    leads(&mut play, Some("/etc"));
    play.told();
    play.run_for(secs(10_000));
    assert_eq!(play.told(), "");
    assert_eq!(play.running(), ["web.0.1".to_owned()].into(), "it makes way for nobody");
    leads(&mut play, Some(DATA));
    play.run();
    assert_eq!(play.running(), ["web.0.2".to_owned()].into());
    assert_eq!(play.only().record.head.refused, None);
}

#[test]
fn a_run_of_a_job_must_not_be_stopped_for_a_version_that_is_denied() {
    let mut play = mounting(job("once", "app:1", OnFailure));
    play.run_for(secs(5));
    play.retag("app:2");
    play.look();
    play.told();
    leads(&mut play, Some("/etc"));
    play.run_for(secs(900));
    assert_eq!(play.told(), "");
    assert_eq!(play.running(), ["once.0.1".to_owned()].into());
}

#[test]
fn a_version_that_is_denied_must_be_gone_back_to_only_while_it_runs() {
    for surge in [1, 0] {
        let mut play = Play::of(&service("web", "app:1"));
        play.run();
        play.policy.level = Level::Restricted;
        play.engine.behaviours.insert("app:2".into(), Behaviour::Exits { after: secs(1), code: 1 });
        play.edit(|task| {
            let security = &mut task.template.security_context;
            security.run_as_user = Some(1000);
            security.capabilities_drop = ["ALL".to_owned()].into();
            task.update.max_surge = surge;
            task.template.image = ImageRef::checked("app:2");
        });
        play.told();
        play.run_for(secs(300));
        let refused = play.only().record.head.refused.is_some();
        if surge == 1 {
            assert!(refused && play.running() == ["web.0.1".to_owned()].into());
        } else {
            let attempts = play.told().matches("begin").count();
            assert!(!refused && attempts > 5, "there is nothing to go back to: {attempts}");
        }
    }
}

#[test]
fn what_is_found_denied_while_it_is_made_must_take_no_attempt() {
    let mut play = mounting(service("web", "app:1"));
    play.engine.refuse_create = Some((1, never(Cause::PolicyDenied, "`data` leads to `/etc`")));
    expect![[r#"
        0s begin 0.1 revision 1: the manifest asks for it
        0s pull app:1
        0s make-network 0.1: the manifest asks for it
        0s create 0.1: the manifest asks for it
        1s create 0.1: the manifest asks for it
        1s start 0.1: the manifest asks for it
        3s revision 1 is ready
    "#]]
    .assert_eq(&play.run());
    assert!(play.notes.iter().any(|note| note.reason.word() == "PolicyDenied"), "{:?}", play.notes);
}

#[test]
fn where_a_path_leads_must_be_known_first() {
    let mut play = mounting(service("web", "app:1"));
    leads(&mut play, None);
    expect!["wait: the host to tell where /srv/tasks/data leads\n"].assert_eq(&play.look());
    for lead in [Lead::Silent, Lead::To(DATA.to_owned())] {
        play.leads.insert(DATA.to_owned(), lead.clone());
        play.run_for(secs(5));
        assert_eq!(play.running().len(), usize::from(lead != Lead::Silent), "{lead:?}");
    }
}

#[test]
fn an_engine_elsewhere_must_make_nothing_that_mounts_a_path_of_this_host() {
    let mut play = mounting(service("web", "app:1"));
    play.engine.host = SharedHost::Untried;
    expect!["wait: the host to tell where /srv/tasks/data leads\n"].assert_eq(&play.look());
    play.engine.host = SharedHost::Apart("/state/mark".to_owned());
    play.run_for(secs(10_000));
    assert_eq!(play.told(), "");
    let told = play.look();
    assert!(told.contains("\nwait: an engine on this host: the engine does not share"), "{told}");
    assert!(told.contains("nothing at `/state/mark` for it; run evenkeel on"), "{told}");
    play.engine.host = SharedHost::Shared;
    play.run();
    assert_eq!(play.running(), ["web.0.1".to_owned()].into());
    // It is another one now: what runs is left alone, and what ended is not begun again.
    play.engine.host = SharedHost::Apart("/state/mark".to_owned());
    play.told();
    assert_eq!(play.run(), "");
    kill(&mut play);
    play.run_for(secs(900));
    assert_eq!(play.told(), "");
    assert_eq!(play.only().record.head.refused, None);
}

#[test]
fn an_engine_elsewhere_is_no_matter_to_what_mounts_no_path_of_this_host() {
    let mut task = service("web", "app:1");
    task.template.mounts.push(volume("data"));
    let mut play = Play::of(&task);
    play.engine.host = SharedHost::Apart("/state/mark".to_owned());
    play.run();
    assert_eq!(play.running(), ["web.0.1".to_owned()].into());
}
