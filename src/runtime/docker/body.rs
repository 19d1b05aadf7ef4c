//! What the engine is told to make a container of. Pure.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, EndpointSettings, HostConfig, HostConfigLogConfig,
    Mount as EngineMount, MountTmpfsOptions, MountType, MountVolumeOptions, NetworkingConfig,
    PortBinding, PortMap, RestartPolicy, RestartPolicyNameEnum,
};

use crate::domain::container::{ContainerSpec, NetworkAttachment};
use crate::domain::template::{Mount, MountSource, Port, Resources, SecurityContext};

/// What a container is made of.
///
/// # Errors
/// If the spec has no engine name for a volume that it mounts.
pub(super) fn create_body(spec: &ContainerSpec) -> Result<ContainerCreateBody, String> {
    let template = &spec.template;
    let security = &template.security_context;
    let ports = template.ports.iter().map(port_key);
    Ok(ContainerCreateBody {
        image: Some(spec.image_id.clone()),
        labels: Some(spec.labels.clone().into_iter().collect()),
        entrypoint: unless_empty(&template.command),
        cmd: unless_empty(&template.args),
        working_dir: template.working_dir.clone(),
        env: Some(template.env.iter().map(|var| format!("{}={}", var.name, var.value)).collect()),
        exposed_ports: Some(ports.collect()),
        tty: Some(template.tty),
        open_stdin: Some(template.stdin),
        user: user(security),
        stop_signal: template.stop_signal.clone(),
        stop_timeout: Some(i64::from(spec.stop_timeout_seconds)),
        host_config: Some(host_config(spec)?),
        networking_config: spec.network.as_ref().map(networking),
        ..ContainerCreateBody::default()
    })
}

/// What is told to change limits and what is kept. Restarts are ours alone.
pub(super) fn update_body(resources: &Resources) -> ContainerUpdateBody {
    let limits = &resources.limits;
    let reserved = resources.requests.reserved();
    ContainerUpdateBody {
        memory: limits.memory.map(signed),
        // The engine refuses memory above memory and swap together, so both move at once.
        memory_swap: limits.memory.map(signed),
        nano_cpus: limits.nano_cpus.map(signed),
        pids_limit: limits.pids.map(i64::from),
        cpu_shares: reserved.cpu_shares.map(signed),
        memory_reservation: reserved.memory.map(signed),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        ..ContainerUpdateBody::default()
    }
}

/// How a container is on a network.
pub(super) fn endpoint(network: &NetworkAttachment) -> EndpointSettings {
    EndpointSettings { aliases: Some(network.aliases.clone()), ..EndpointSettings::default() }
}

fn networking(network: &NetworkAttachment) -> NetworkingConfig {
    let endpoints = [(network.network.clone(), endpoint(network))];
    NetworkingConfig { endpoints_config: Some(endpoints.into()) }
}

fn host_config(spec: &ContainerSpec) -> Result<HostConfig, String> {
    let template = &spec.template;
    let security = &template.security_context;
    let limits = update_body(&template.resources);
    // Left out, it would be the engine's default bridge, where all containers see each other.
    let network_mode = match &spec.network {
        Some(network) => network.network.clone(),
        None if template.host_network => "host".to_owned(),
        None => "none".to_owned(),
    };
    let mounts: Result<Vec<_>, _> =
        template.mounts.iter().map(|mount| engine_mount(mount, spec)).collect();
    Ok(HostConfig {
        restart_policy: limits.restart_policy,
        network_mode: Some(network_mode),
        port_bindings: Some(port_bindings(&template.ports)),
        mounts: Some(mounts?),
        memory: limits.memory,
        memory_swap: limits.memory_swap,
        memory_reservation: limits.memory_reservation,
        nano_cpus: limits.nano_cpus,
        cpu_shares: limits.cpu_shares,
        pids_limit: limits.pids_limit,
        init: Some(template.init),
        log_config: Some(HostConfigLogConfig {
            typ: Some(template.logging.driver.clone()),
            config: Some(template.logging.options.clone().into_iter().collect()),
        }),
        privileged: Some(security.privileged),
        readonly_rootfs: Some(security.read_only_root_filesystem),
        cap_add: Some(security.capabilities_add.iter().cloned().collect()),
        cap_drop: Some(security.capabilities_drop.iter().cloned().collect()),
        group_add: Some(security.supplemental_groups.iter().map(u32::to_string).collect()),
        security_opt: Some(security_options(security)),
        ..HostConfig::default()
    })
}

fn security_options(security: &SecurityContext) -> Vec<String> {
    let mut options = Vec::new();
    if !security.allow_privilege_escalation {
        options.push("no-new-privileges".to_owned());
    }
    if security.seccomp_unconfined {
        options.push("seccomp=unconfined".to_owned());
    }
    if let Some(profile) = &security.apparmor_profile {
        options.push(format!("apparmor={profile}"));
    }
    options
}

fn user(security: &SecurityContext) -> Option<String> {
    let user = security.run_as_user?;
    Some(security.run_as_group.map_or_else(|| user.to_string(), |group| format!("{user}:{group}")))
}

fn port_key(port: &Port) -> String {
    format!("{}/{}", port.container_port, port.protocol.lower())
}

fn port_bindings(ports: &[Port]) -> PortMap {
    let published = ports.iter().filter_map(|port| {
        let host = port.host?;
        let binding = PortBinding {
            host_ip: host.ip.map(|ip| ip.to_string()),
            host_port: Some(host.port.to_string()),
        };
        Some((port_key(port), Some(vec![binding])))
    });
    published.collect::<HashMap<_, _>>()
}

/// `Mounts`, and never `Binds`: those make a missing source, as root and without a word.
fn engine_mount(mount: &Mount, spec: &ContainerSpec) -> Result<EngineMount, String> {
    let (typ, source) = match &mount.source {
        MountSource::Volume(name) => {
            let engine_name = spec
                .volumes
                .get(name)
                .ok_or_else(|| format!("the volume {name} has no name in the engine"))?;
            (MountType::VOLUME, Some(engine_name.clone()))
        }
        MountSource::EngineVolume(name) => (MountType::VOLUME, Some(name.clone())),
        MountSource::HostPath { path, .. } => (MountType::BIND, Some(path.clone())),
        MountSource::Tmpfs { .. } => (MountType::TMPFS, None),
    };
    let tmpfs_options = match mount.source {
        MountSource::Tmpfs { size: Some(size) } => {
            Some(MountTmpfsOptions { size_bytes: Some(signed(size)), ..Default::default() })
        }
        _ => None,
    };
    // One that is gone since it was made comes back with its container: it is ours then too.
    let volume_options = matches!(mount.source, MountSource::Volume(_)).then(|| {
        let labels = spec.volume_labels();
        MountVolumeOptions { labels: Some(hash_map(&labels)), ..Default::default() }
    });
    Ok(EngineMount {
        volume_options,
        target: Some(mount.path.clone()),
        source,
        typ: Some(typ),
        read_only: Some(mount.read_only),
        tmpfs_options,
        ..EngineMount::default()
    })
}

fn unless_empty(words: &[String]) -> Option<Vec<String>> {
    (!words.is_empty()).then(|| words.to_vec())
}

/// The engine counts in signed numbers; nothing that it could grant is beyond them.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What was asked for and is not there in an inspect made afterwards, by the engine's own names:
/// an engine takes a field that it does not know without a word.
pub(super) fn dropped(body: &ContainerCreateBody, inspected: &serde_json::Value) -> Vec<String> {
    let Ok(serde_json::Value::Object(asked)) = serde_json::to_value(&body.host_config) else {
        return Vec::new();
    };
    let has = &inspected["HostConfig"];
    asked
        .iter()
        .filter(|(key, value)| is_set(value) && !is_set(&has[key.as_str()]))
        .map(|(key, _)| key.clone())
        .collect()
}

fn is_set(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// Labels as the engine's models want them.
pub(super) fn hash_map(labels: &BTreeMap<String, String>) -> HashMap<String, String> {
    labels.clone().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::Label;
    use crate::domain::template::{
        EnvVar, HostPort, ImageRef, Limits, Logging, Protocol, PullPolicy, Requests, Template,
    };
    use serde_json::json;

    fn plain() -> ContainerSpec {
        ContainerSpec {
            name: "evenkeel.w.default.web.0.1".into(),
            labels: BTreeMap::new(),
            image_id: "sha256:1".into(),
            template: Template {
                image: ImageRef::checked("web"),
                image_pull_policy: PullPolicy::Never,
                command: vec![],
                args: vec![],
                working_dir: None,
                env: vec![],
                ports: vec![],
                mounts: vec![],
                host_network: false,
                resources: Resources::default(),
                security_context: SecurityContext::default(),
                logging: Logging::default(),
                stop_signal: None,
                tty: false,
                stdin: false,
                init: false,
            },
            volumes: BTreeMap::new(),
            stop_timeout_seconds: 10,
            network: Some(NetworkAttachment {
                network: "evenkeel.w.default".into(),
                aliases: vec!["web".into()],
            }),
        }
    }

    fn json_of(spec: &ContainerSpec) -> serde_json::Value {
        serde_json::to_value(create_body(spec).unwrap()).unwrap()
    }

    #[test]
    fn a_plain_container_is_hardened_bounded_and_on_its_own_network() {
        let body = json_of(&plain());
        let host = &body["HostConfig"];
        assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]));
        assert_eq!(host["RestartPolicy"], json!({ "Name": "no" }));
        assert_eq!(
            host["LogConfig"],
            json!({ "Type": "json-file", "Config": { "max-size": "10m", "max-file": "3" } })
        );
        assert_eq!(host["NetworkMode"], "evenkeel.w.default");
        assert_eq!(
            body["NetworkingConfig"]["EndpointsConfig"]["evenkeel.w.default"]["Aliases"],
            json!(["web"])
        );
        assert_eq!(host["Binds"], json!(null));
        // The image's own command and user stand.
        assert_eq!(
            (&body["Entrypoint"], &body["Cmd"], &body["User"]),
            (&json!(null), &json!(null), &json!(null))
        );
    }

    #[test]
    fn nobody_lands_on_the_default_bridge() {
        let mut spec = plain();
        spec.network = None;
        assert_eq!(json_of(&spec)["HostConfig"]["NetworkMode"], "none");
        spec.template.host_network = true;
        assert_eq!(json_of(&spec)["HostConfig"]["NetworkMode"], "host");
    }

    #[test]
    fn limits_and_requests_become_the_engines_numbers() {
        let mut spec = plain();
        spec.template.resources = Resources {
            limits: Limits { nano_cpus: Some(500_000_000), memory: Some(64 << 20), pids: Some(9) },
            requests: Requests { nano_cpus: Some(250_000_000), memory: Some(32 << 20) },
        };
        let host = &json_of(&spec)["HostConfig"];
        assert_eq!(host["NanoCpus"], 500_000_000);
        assert_eq!((&host["Memory"], &host["MemorySwap"]), (&json!(64 << 20), &json!(64 << 20)));
        assert_eq!((&host["CpuShares"], &host["PidsLimit"]), (&json!(256), &json!(9)));
        assert_eq!(host["MemoryReservation"], 32 << 20);
        spec.template.resources.requests.nano_cpus = Some(1);
        assert_eq!(json_of(&spec)["HostConfig"]["CpuShares"], 2, "the engine's least");
    }

    #[test]
    fn mounts_ports_and_rights_are_passed_on() {
        let mut spec = plain();
        let data = Label::parse("data").unwrap();
        let mount = |path: &str, source| Mount {
            path: path.into(),
            read_only: false,
            shared: false,
            source,
        };
        let worker = ("evenkeel.worker".to_owned(), "w".to_owned());
        spec.labels = [worker, ("own".to_owned(), "1".to_owned())].into();
        spec.template.mounts = vec![
            mount("/a", MountSource::Volume(data.clone())),
            mount("/b", MountSource::EngineVolume("other".into())),
            Mount {
                read_only: true,
                ..mount("/c", MountSource::HostPath { path: "/srv".into(), create: false })
            },
            mount("/d", MountSource::Tmpfs { size: Some(5) }),
        ];
        assert!(create_body(&spec).is_err(), "a volume without a name");
        spec.volumes = [(data, "evenkeel.w.default.data".to_owned())].into();
        spec.template.env = vec![EnvVar { name: "A".into(), value: "b=c".into() }];
        let host = Some(HostPort { ip: Some([127, 0, 0, 1].into()), port: 8080 });
        let port = Port { name: None, container_port: 80, host, protocol: Protocol::Udp };
        spec.template.ports = vec![port.clone(), Port { container_port: 81, host: None, ..port }];
        spec.template.security_context = SecurityContext {
            run_as_user: Some(5),
            run_as_group: Some(6),
            allow_privilege_escalation: true,
            seccomp_unconfined: true,
            apparmor_profile: Some("p".into()),
            ..SecurityContext::default()
        };
        let body = json_of(&spec);
        assert_eq!(body["User"], "5:6");
        assert_eq!(body["Env"], json!(["A=b=c"]));
        let host = &body["HostConfig"];
        assert_eq!(host["SecurityOpt"], json!(["seccomp=unconfined", "apparmor=p"]));
        assert_eq!(
            host["PortBindings"],
            json!({ "80/udp": [{ "HostIp": "127.0.0.1", "HostPort": "8080" }] })
        );
        assert_eq!(
            host["Mounts"],
            json!([
                { "Target": "/a", "VolumeOptions": {"Labels": {"evenkeel.worker": "w"}}, "Source": "evenkeel.w.default.data", "Type": "volume", "ReadOnly": false },
                { "Target": "/b", "Source": "other", "Type": "volume", "ReadOnly": false },
                { "Target": "/c", "Source": "/srv", "Type": "bind", "ReadOnly": true },
                { "Target": "/d", "Type": "tmpfs", "ReadOnly": false, "TmpfsOptions": { "SizeBytes": 5 } },
            ])
        );
    }

    #[test]
    fn a_field_that_the_engine_dropped_is_named() {
        let mut spec = plain();
        spec.template.init = true;
        let body = create_body(&spec).unwrap();
        let mut inspected =
            json!({ "HostConfig": serde_json::to_value(&body.host_config).unwrap() });
        assert_eq!(dropped(&body, &inspected), Vec::<String>::new());
        inspected["HostConfig"]["Init"] = json!(null);
        assert_eq!(dropped(&body, &inspected), ["Init"]);
    }
}
