//! That what a manifest asks for is so inside the container, as its process sees it.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel::domain::container::{ContainerSpec, Status, label};
use evenkeel::domain::name::Label;
use evenkeel::domain::template::{
    EnvVar, Limits, Mount, MountSource, Requests, Resources, SecurityContext,
};
use evenkeel::runtime::{EngineEvent, LogQuery, Runtime};
use futures_util::StreamExt;

use crate::bench::{DockerBench, docker};
use crate::contract::{self, Bench, Program, done};

fn shell(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).into()
}

/// Runs a container to its end and tells its standard output.
async fn output_of(bench: &DockerBench, spec: &ContainerSpec) -> String {
    let engine = bench.engine();
    let id = done(engine.create(spec).await);
    done(engine.start(&id).await);
    let details = contract::ended(bench, &id).await;
    let log: Vec<_> = engine.logs(&id, &LogQuery::default()).collect().await;
    let text: Vec<u8> = log.into_iter().flat_map(|chunk| chunk.unwrap().bytes).collect();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(details.exit_code, 0, "{text}");
    text
}

#[tokio::test]
async fn rights_are_what_was_asked_for_and_no_more() {
    let Some(bench) = DockerBench::new() else { return };
    let mut spec = contract::spec(&bench, Program::Runs, 1).await;
    let script = "id; grep -E 'NoNewPrivs|CapBnd' /proc/self/status; \
        touch /x 2>/dev/null && echo writable || echo read-only; pwd; echo $A; cat /proc/1/comm; true";
    spec.template.command = shell(script);
    let plain = output_of(&bench, &spec).await;
    assert!(plain.starts_with("uid=0(root) gid=0(root)"), "{plain}");
    assert!(plain.contains("NoNewPrivs:\t1"), "{plain}");
    assert!(plain.contains("\nwritable\n/\n\nsh\n"), "{plain}");

    let mut spec = contract::attempt(&spec, 2);
    spec.template.working_dir = Some("/tmp".into());
    spec.template.env = vec![EnvVar { name: "A".into(), value: "b c=d $E".into() }];
    spec.template.init = true;
    spec.template.security_context = SecurityContext {
        run_as_user: Some(1234),
        run_as_group: Some(2345),
        supplemental_groups: [3456].into(),
        read_only_root_filesystem: true,
        capabilities_drop: BTreeSet::from(["ALL".to_owned()]),
        capabilities_add: BTreeSet::from(["NET_BIND_SERVICE".to_owned()]),
        allow_privilege_escalation: true,
        ..SecurityContext::default()
    };
    let told = output_of(&bench, &spec).await;
    assert!(told.starts_with("uid=1234 gid=2345 groups=2345,3456\n"), "{told}");
    assert!(told.contains("NoNewPrivs:\t0"), "{told}");
    assert!(told.contains("CapBnd:\t0000000000000400"), "{told}");
    assert!(told.contains("\nread-only\n/tmp\nb c=d $E\ndocker-init\n"), "{told}");
}

#[tokio::test]
async fn every_kind_of_mount_is_there() {
    let Some(bench) = DockerBench::new() else { return };
    let engine = bench.engine();
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("file"), "of the host\n").unwrap();
    let mut spec = contract::spec(&bench, Program::Runs, 1).await;
    let data = Label::parse("data").unwrap();
    let volume = format!("evenkeel.{}.prod.data", bench.worker());
    done(engine.make_volume(&volume, &contract::ours(&bench)).await);
    let mount = |path: &str, read_only, source| Mount {
        path: path.into(),
        read_only,
        shared: false,
        source,
    };
    let path = host.path().to_str().unwrap().to_owned();
    spec.template.mounts = vec![
        mount("/volume", false, MountSource::Volume(data.clone())),
        mount("/engine", true, MountSource::EngineVolume(volume.clone())),
        mount("/host", true, MountSource::HostPath { path, create: false }),
        mount("/memory", false, MountSource::Tmpfs { size: Some(1 << 20) }),
    ];
    spec.volumes = [(data, volume)].into();
    spec.template.command = shell(
        "echo kept > /volume/x; cat /engine/x /host/file; touch /engine/y /host/y 2>/dev/null || \
         echo read-only; dd if=/dev/zero of=/memory/x bs=1M count=2 2>/dev/null || echo full",
    );
    assert_eq!(output_of(&bench, &spec).await, "kept\nof the host\nread-only\nfull\n");
}

#[tokio::test]
async fn limits_and_logs_are_bounded_as_asked() {
    let Some(bench) = DockerBench::new() else { return };
    let mut spec = contract::spec(&bench, Program::Runs, 1).await;
    spec.template.resources = Resources {
        limits: Limits { nano_cpus: Some(250_000_000), memory: Some(32 << 20), pids: Some(64) },
        requests: Requests { nano_cpus: Some(500_000_000), memory: Some(16 << 20) },
    };
    spec.template.stop_signal = Some("SIGINT".into());
    let id = done(bench.engine().create(&spec).await);
    let of = |format: &str| docker(["inspect", "--format", format, id.as_str()]);
    let limits = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} \
        {{.HostConfig.PidsLimit}} {{.HostConfig.CpuShares}} {{.HostConfig.MemoryReservation}}";
    assert_eq!(of(limits), "33554432 33554432 250000000 64 512 16777216");
    let policy =
        "{{.HostConfig.RestartPolicy.Name}} {{.Config.StopSignal}} {{.Config.StopTimeout}}";
    assert_eq!(of(policy), "no SIGINT 1");
    let log = "{{.HostConfig.LogConfig.Type}} {{json .HostConfig.LogConfig.Config}}";
    assert_eq!(of(log), r#"json-file {"max-file":"3","max-size":"10m"}"#);
    assert_eq!(of("{{.HostConfig.NetworkMode}}"), format!("evenkeel.{}.prod", bench.worker()));
}

#[tokio::test]
async fn two_containers_of_a_namespace_find_each_other_by_name() {
    let Some(bench) = DockerBench::new() else { return };
    let server = contract::spec(&bench, Program::Runs, 1).await;
    let id = done(bench.engine().create(&server).await);
    done(bench.engine().start(&id).await);
    let mut client = contract::attempt(&server, 2);
    client.network.as_mut().unwrap().aliases = vec!["1.web".into()];
    client.template.command = shell("ping -c 1 -w 5 0.web >/dev/null && echo found");
    assert_eq!(output_of(&bench, &client).await, "found\n");
}

#[tokio::test]
async fn a_terminal_has_one_output_without_frames() {
    let Some(bench) = DockerBench::new() else { return };
    let mut spec = contract::spec(&bench, Program::Runs, 1).await;
    spec.template.tty = true;
    spec.template.command = shell("echo out; echo err >&2; printf '\\001\\000\\000\\000no frame'");
    let text = output_of(&bench, &spec).await;
    assert_eq!(text, "out\r\nerr\r\n\u{1}\0\0\0no frame");
}

#[tokio::test]
async fn an_image_that_brings_our_labels_changes_nothing() {
    let Some(bench) = DockerBench::new() else { return };
    let engine = bench.engine();
    let first = contract::spec(&bench, Program::Runs, 1).await;
    let id = done(engine.create(&first).await);
    let image = docker(["commit", id.as_str()]);
    let mut second = contract::attempt(&first, 2);
    second.image_id.clone_from(&image);
    let made = done(engine.create(&second).await);
    let container = engine.inspect(&made).await.unwrap().unwrap();
    assert_eq!(container.labels, second.labels);
    // A stranger made of it carries our labels, but another name than they say.
    let stranger = docker(["create", "--network=none", &image]);
    let listed = engine.list(bench.worker()).await.unwrap();
    let found = listed.iter().find(|container| container.id.as_str() == stranger).unwrap();
    assert_eq!(found.labels[label::INSTANCE], first.labels[label::INSTANCE]);
    assert_ne!(found.name, first.name);
}

#[tokio::test]
async fn what_people_do_by_hand_is_heard_of() {
    let Some(bench) = DockerBench::new() else { return };
    let engine = bench.engine();
    let spec = contract::spec(&bench, Program::Runs, 1).await;
    let id = done(engine.create(&spec).await);
    done(engine.start(&id).await);
    let mut events = engine.events(bench.worker());
    assert_eq!(events.next().await, Some(EngineEvent::Relist));
    let event = EngineEvent::Container(id.clone());
    let network = &spec.network.as_ref().unwrap().network;
    let renamed = format!("{}-by-hand", spec.name);
    let deeds: [&[&str]; 7] = [
        &["pause", id.as_str()],
        &["unpause", id.as_str()],
        &["rename", id.as_str(), &renamed],
        &["update", "--memory", "64m", "--memory-swap", "64m", id.as_str()],
        &["network", "disconnect", network, id.as_str()],
        &["kill", id.as_str()],
        &["rm", "-f", id.as_str()],
    ];
    for deed in deeds {
        docker(deed.iter().copied());
        let heard = async { while events.next().await.as_ref() != Some(&event) {} };
        let heard = tokio::time::timeout(Duration::from_secs(20), heard).await;
        assert!(heard.is_ok(), "{deed:?} was not heard of");
    }
    // An `exec` is nobody's business.
    let other = contract::attempt(&spec, 2);
    let id = done(engine.create(&other).await);
    done(engine.start(&id).await);
    // A volume that goes is told of after all that happened to containers before.
    let volume = format!("evenkeel.{}.prod.marker", bench.worker());
    let mark = || {
        docker(["volume", "create", "--label", &bench.stranger_label(), &volume]);
        docker(["volume", "rm", &volume]);
    };
    mark();
    while events.next().await != Some(EngineEvent::Resource) {}
    docker(["exec", id.as_str(), "true"]);
    mark();
    assert_eq!(events.next().await, Some(EngineEvent::Resource));
}

#[tokio::test]
async fn a_removal_that_someone_else_began_is_waited_for() {
    let Some(bench) = DockerBench::new() else { return };
    let engine = bench.engine();
    let spec = contract::spec(&bench, Program::Runs, 1).await;
    let id = done(engine.create(&spec).await);
    let removals = (0..16).map(|_| engine.remove(&id));
    for outcome in futures_util::future::join_all(removals).await {
        done(outcome);
    }
    assert_eq!(engine.inspect(&id).await.unwrap(), None);
}

#[tokio::test]
async fn a_container_that_ran_out_of_memory_says_so() {
    let Some(bench) = DockerBench::new() else { return };
    let mut spec = contract::spec(&bench, Program::Runs, 1).await;
    spec.template.resources.limits.memory = Some(8 << 20);
    spec.template.command = shell("x=x; while :; do x=$x$x$x$x; done");
    let id = done(bench.engine().create(&spec).await);
    done(bench.engine().start(&id).await);
    let details = contract::ended(&bench, &id).await;
    // The flag comes and goes between engines; the code or the flag is there.
    assert!(details.oom_killed || details.exit_code == 137, "{details:?}");
    let container = bench.engine().inspect(&id).await.unwrap().unwrap();
    assert_eq!(container.status, Status::Exited);
}
