//! An engine that is somewhere else: what needs this host is refused, and nothing else is.

use std::fs;

use evenkeel::domain::status::{ConditionType, Phase};
use evenkeel::runtime::simulated::Operation;

use super::host::{Host, secs, sleep, task};

const DATA: &str = "  mounts: [{path: /data, hostPath: /tmp}]";

/// What is left in the state directory of what was made there to ask for.
fn marks(host: &Host) -> usize {
    let names = fs::read_dir(host.state.path()).unwrap().map(|it| it.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with("shared-host-")).count()
}

fn here() -> Host {
    let mut host = Host::new();
    host.policy.allowed_host_paths.push("/".to_owned());
    host.write("web.yaml", &task("web", DATA));
    host.write("plain.yaml", &task("plain", ""));
    host
}

#[tokio::test(start_paused = true)]
async fn an_engine_elsewhere_must_be_given_no_path_of_this_host() {
    let mut host = here();
    host.engine.move_elsewhere(true);
    host.start().await;
    sleep(secs(300)).await;
    assert_eq!(host.live_names(), ["plain.0.1"]);
    let status = host.status("web").await;
    let converged = status.condition(ConditionType::Converged).unwrap();
    assert_eq!((status.phase, &*converged.reason), (Phase::Failed, "NoSharedHost"));
    assert!(converged.message.contains("shared-host-"), "{}", converged.message);
    assert!(host.has_event("web", "NoSharedHost", "run evenkeel on").await);
    let told = host.overview().await.no_shared_host;
    assert!(told.is_some_and(|why| converged.message.contains(&why)));
    assert_eq!((host.calls(Operation::Sees), marks(&host)), (1, 0), "it is tried once");
    // It is tried again with the next engine, or at the next start.
    host.engine.move_elsewhere(false);
    host.stop().await;
    fs::create_dir(host.state.path().join("shared-host-left")).unwrap();
    host.start().await;
    sleep(secs(5)).await;
    assert_eq!(host.live_names(), ["plain.0.1", "web.0.1"]);
    assert_eq!((host.overview().await.no_shared_host, marks(&host)), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_shares_this_host_must_be_asked_once_and_before_anything_is_mounted() {
    let mut host = here();
    host.engine.set_latency(Operation::Sees, secs(3));
    host.start().await;
    sleep(secs(2)).await;
    assert_eq!(host.live_names(), ["plain.0.1"]);
    sleep(secs(4)).await;
    assert_eq!(host.live_names(), ["plain.0.1", "web.0.1"]);
    // One that does not answer is asked again, and that keeps nobody else.
    host.stop().await;
    host.engine.set_latency(Operation::Sees, secs(20));
    host.write("web.yaml", &task("web", &format!("{DATA}\n  command: [other]")));
    host.start().await;
    sleep(secs(60)).await;
    assert_eq!(host.live_names(), ["plain.0.1", "web.0.1"]);
    host.engine.set_latency(Operation::Sees, secs(0));
    sleep(secs(60)).await;
    assert_eq!(host.live_names(), ["plain.0.1", "web.0.2"]);
    let asked = host.calls(Operation::Sees);
    sleep(secs(3600)).await;
    assert_eq!(host.calls(Operation::Sees), asked);
}
