//! What the operator's policy denies of what was accepted, with real directories and links.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use evenkeel::domain::diagnostic::InvalidReason;
use evenkeel::domain::policy::Level;
use evenkeel::domain::status::{ConditionType, Phase, TaskStatus, Truth};
use tempfile::TempDir;

use super::host::{Host, millis, secs, sleep, task};

const DATA: &str = "  mounts: [{path: /data, hostPath: ./data}]";

/// A host whose source is a real directory, with a place `in` in it, and one `out` beside it.
struct Place {
    home: TempDir,
    host: Host,
}

impl Place {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        for directory in ["tasks", "tasks/in", "out"] {
            fs::create_dir(home.path().join(directory)).unwrap();
        }
        let mut host = Host::new();
        host.source = home.path().join("tasks").to_str().unwrap().to_owned();
        Self { home, host }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Has `data` of the source lead to `out` or `in`. The watcher would have the worker look.
    fn lead(&self, target: &str) {
        let there = self.path(if target == "out" { "out" } else { "tasks/in" });
        symlink(there, self.path("next")).unwrap();
        fs::rename(self.path("next"), self.path("tasks/data")).unwrap();
    }

    /// A task that mounts `data`, which leads inside, up.
    async fn up() -> Self {
        let mut place = Self::new();
        place.lead("in");
        place.host.write("web.yaml", &task("web", DATA));
        place.host.start().await;
        place.host.settle().await;
        assert_eq!(place.host.live_names(), ["web.0.1"]);
        place
    }

    /// What is said of a link that leads out: which field, which path, where to, what to do.
    fn says(&self, text: &str) -> bool {
        let (link, out) = (self.path("tasks/data"), self.path("out"));
        let led = format!("`{}` leads to `{}`", link.display(), out.display());
        ["spec.mounts[0].hostPath", &led, "--allow-host-path"]
            .iter()
            .all(|part| text.contains(part))
    }
}

fn reason(status: &TaskStatus, type_: ConditionType) -> (Truth, &str) {
    let condition = status.condition(type_).unwrap();
    (condition.status, &condition.reason)
}

#[tokio::test(start_paused = true)]
async fn a_link_that_leads_out_must_start_nothing_before_it_leads_inside() {
    let mut place = Place::new();
    place.lead("out");
    place.host.write("web.yaml", &task("web", DATA));
    place.host.start().await;
    sleep(secs(300)).await;
    assert_eq!((place.host.engine.steps(), place.host.tasks().await.len()), (0, 0));
    let problems = place.host.overview().await.problems;
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert_eq!(problem.reason, InvalidReason::PolicyDenied);
    assert!(place.says(&problem.to_string()), "{problem}");
    let preview = place.host.plan().await;
    assert_eq!((&preview.problems, preview.has_actions()), (&problems, false));
    place.lead("in");
    place.host.send();
    sleep(secs(1)).await;
    assert_eq!(place.host.live_names(), ["web.0.1"]);
    assert!(place.host.overview().await.problems.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_runs_must_run_on_when_its_link_leads_out_and_not_be_started_again() {
    let place = Place::up().await;
    let (host, before) = (&place.host, place.host.live());
    place.lead("out");
    host.until_reason("web", ConditionType::Valid, "PolicyDenied").await;
    let status = host.status("web").await;
    assert_eq!((status.phase, host.live()), (Phase::Running, before));
    assert!(place.says(&status.condition(ConditionType::Valid).unwrap().message), "{status:#?}");
    assert!(place.says(&status.condition(ConditionType::Converged).unwrap().message));
    assert!(!host.plan().await.has_actions());
    let steps = host.engine.steps();
    host.engine.kill(&host.only("web"));
    sleep(secs(900)).await;
    assert_eq!((host.engine.steps(), host.starts("web")), (steps, 1), "no attempt is spent");
    let status = host.status("web").await;
    assert_eq!((status.phase, status.next_try_at), (Phase::Failed, None));
    assert_eq!(reason(&status, ConditionType::Converged), (Truth::False, "PolicyDenied"));
    assert_eq!(reason(&status, ConditionType::Ready), (Truth::False, "PolicyDenied"));
    assert!(place.says(&status.waiting_for[0]), "{:?}", status.waiting_for);
    assert_eq!(host.plan().await.tasks[0].waiting_for, status.waiting_for);
    assert!(host.has_event("web", "PolicyDenied", "leads to").await);
    // Nobody says that it leads elsewhere: it is asked again by and by.
    place.lead("in");
    sleep(secs(40)).await;
    assert_eq!(host.live_names(), ["web.0.2"]);
    let status = host.status("web").await;
    assert_eq!(reason(&status, ConditionType::Valid), (Truth::True, "Accepted"));
}

#[tokio::test(start_paused = true)]
async fn an_edit_to_a_link_that_leads_out_must_keep_the_last_good_version() {
    let mut place = Place::new();
    place.lead("out");
    place.host.write("web.yaml", &task("web", ""));
    place.host.start().await;
    place.host.settle().await;
    let before = place.host.live();
    place.host.write("web.yaml", &task("web", &format!("  replicas: 1\n{DATA}")));
    sleep(secs(900)).await;
    assert_eq!(place.host.live(), before);
    let status = place.host.status("web").await;
    assert_eq!(reason(&status, ConditionType::Valid), (Truth::False, "PolicyDenied"));
    place.host.engine.kill(&place.host.only("web"));
    place.host.settle().await;
    assert_eq!(place.host.live_names(), ["web.0.2"], "the good one is kept going");
    place.lead("in");
    place.host.send();
    place.host.settle().await;
    assert_eq!(place.host.live_names(), ["web.0.3"]);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_swapped_at_the_last_moment_must_make_nothing_and_take_no_attempt() {
    let mut place = Place::up().await;
    let before = place.host.live();
    // What is known of it is a moment old.
    place.lead("out");
    place.host.write("web.yaml", &task("web", &format!("  image: app:2\n{DATA}")));
    sleep(secs(900)).await;
    assert_eq!(place.host.live(), before, "{:?}", place.host.events("web").await);
    assert_eq!((place.host.ours().len(), place.host.starts("web")), (1, 1));
    let denied = place.host.events("web").await.into_iter().filter(|it| it.0 == "PolicyDenied");
    assert!((1..=2).contains(&denied.count()), "{:?}", place.host.events("web").await);
    let status = place.host.status("web").await;
    assert_eq!(reason(&status, ConditionType::Converged), (Truth::False, "PolicyDenied"));
    assert_eq!((status.refused, status.instances.len()), (None, 2));
    place.lead("in");
    place.host.send();
    place.host.settle().await;
    assert_eq!(place.host.live_names(), ["web.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_stricter_policy_denies_must_run_on_and_not_be_started_again() {
    let mut host = Host::new();
    host.policy.level = Level::Privileged;
    host.write("web.yaml", &task("web", "  hostNetwork: true"));
    host.start().await;
    host.settle().await;
    let (before, steps) = (host.live(), host.engine.steps());
    host.kill().await;
    host.policy.level = Level::Baseline;
    host.write("web.yaml", &task("web", "  hostNetwork: true"));
    // As if the state was lost too: then it is known by its labels alone.
    fs::remove_file(host.db_file()).unwrap();
    host.start().await;
    host.settle().await;
    assert_eq!((host.live(), host.engine.steps()), (before, steps));
    let status = host.status("web").await;
    assert_eq!(reason(&status, ConditionType::Valid), (Truth::False, "PolicyDenied"));
    host.engine.kill(&host.only("web"));
    host.settle().await;
    sleep(secs(900)).await;
    let status = host.status("web").await;
    assert_eq!((status.phase, host.starts("web"), host.engine.steps()), (Phase::Failed, 1, steps));
    let said = &status.condition(ConditionType::Converged).unwrap().message;
    assert!(said.contains("`spec.hostNetwork`") && said.contains("--policy privileged"), "{said}");
    assert_eq!(host.plan().await.tasks[0].waiting_for, status.waiting_for);
    host.kill().await;
    host.policy.level = Level::Privileged;
    host.write("web.yaml", &task("web", "  hostNetwork: true"));
    host.start().await;
    host.settle().await;
    assert_eq!(host.live_names(), ["web.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn a_last_good_version_must_be_judged_though_no_file_tells_of_it() {
    let mut place = Place::up().await;
    place.host.write("web.yaml", &task("web", "  imagge: app:2"));
    place.host.kill().await;
    place.host.engine.kill(&place.host.only("web"));
    place.host.start().await;
    place.host.until("it is up again", secs(5), async |host| host.live().len() == 1).await;
    place.host.kill().await;
    place.host.engine.kill(&place.host.only("web"));
    place.lead("out");
    place.host.start().await;
    place.host.until_reason("web", ConditionType::Ready, "PolicyDenied").await;
    let status = place.host.status("web").await;
    assert_eq!(reason(&status, ConditionType::Valid), (Truth::False, "SchemaInvalid"));
    sleep(secs(300)).await;
    assert_eq!(place.host.starts("web"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_host_path_must_cost_a_start_no_time() {
    let mut place = Place::new();
    place.host.write("web.yaml", &task("web", "  mounts: [{path: /data, hostPath: ./in}]"));
    place.host.start().await;
    place.host.settle().await;
    place
        .host
        .write("a.yaml", &task("a", "  mounts: [{path: /data, hostPath: ./in, readOnly: true}]"));
    place.host.write("b.yaml", &task("b", ""));
    let running = async |host: &Host| host.live().len() == 3;
    place.host.until("all run", millis(200), running).await;
}
