//! The manifests: whether they are right, what they may ask for, and whether somebody else has the
//! host ports that they want.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Finding, Subject};
use crate::cli::pick::short;
use crate::cli::validate::Report;
use crate::cli::validate::gather::{Gathered, gather};
use crate::domain::exclusive::{FixedPort, fixed_ports};
use crate::domain::name::TaskName;
use crate::domain::policy::{Level, Policy};
use crate::domain::source::FileState;
use crate::host::processes::{Listener, listeners, owner};
use crate::runtime::docker::Published;

const MANIFESTS: &str = "manifests";
const POLICY: &str = "policy";
const PORTS: &str = "ports";

/// A host port that a task wants.
type Wanted = (FixedPort, TaskName);

/// What there is to say of the manifests, where `publishers` are the containers that have host ports,
/// as far as the engine tells. What is no container is looked for only where the engine `is_local`.
pub async fn findings(
    subject: &Subject,
    publishers: Option<&[Published]>,
    is_local: bool,
) -> Vec<Finding> {
    let mut found = vec![policy(&subject.policy)];
    let Some(source) = subject.source.clone() else { return found };
    let (path, allowed) = (PathBuf::from(&source), subject.policy.clone());
    let read = move || gather(&[path], &allowed);
    match subject.look((MANIFESTS, Path::new(&source)), read).await {
        // The directory itself is told of elsewhere.
        Ok(Err(_)) => {}
        Err(late) => found.push(late),
        Ok(Ok(gathered)) => {
            found.push(problems(&gathered, &source));
            // Whether it is a container that has a port only the engine can tell.
            let Some(publishers) = publishers else { return found };
            let listening = if is_local { listeners() } else { Vec::new() };
            let worker = subject.common.worker.as_str();
            found.extend(ports(&wanted(&gathered), publishers, &listening, worker));
        }
    }
    found
}

fn policy(policy: &Policy) -> Finding {
    let paths = match &policy.allowed_host_paths[..] {
        [] => "no host path outside the directory".to_owned(),
        paths => format!("host paths in {}", paths.join(", ")),
    };
    let message = format!("{}, {paths}", policy.level.name());
    let everything = policy.allowed_host_paths.iter().any(|path| path == "/");
    if policy.level == Level::Privileged || everything {
        return Finding::warn(POLICY, message)
            .means("who can write the directory is root on this host")
            .todo(
                "nothing, if that is meant; else --policy baseline, and narrower --allow-host-path",
            );
    }
    Finding::ok(POLICY, message)
}

fn problems(gathered: &Gathered, source: &str) -> Finding {
    let report = Report::of(gathered);
    match report.errors.first() {
        None => Finding::ok(MANIFESTS, report.summary()),
        Some(first) => Finding::warn(MANIFESTS, format!("{}; first: {first}", report.summary()))
            .means("what is broken is not run, or runs on as it was before; all else is done")
            .todo(format!("evenkeel validate {source}")),
    }
}

fn wanted(gathered: &Gathered) -> Vec<Wanted> {
    let tasks = gathered.files.values().flat_map(FileState::tasks);
    let runs = tasks.filter(|task| !task.suspend && task.replicas > 0);
    runs.flat_map(|task| fixed_ports(&task.template).map(|port| (port, task.name.clone())))
        .collect()
}

/// Who has a port that is wanted, and is none of this worker's containers.
fn ports(
    wanted: &[Wanted],
    publishers: &[Published],
    listening: &[Listener],
    worker: &str,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for (port, task) in wanted {
        let meets = |it: &&Published| it.ports.iter().any(|other| other.meets(*port));
        let who = match publishers.iter().find(meets) {
            Some(it) if it.worker.as_deref() == Some(worker) => continue,
            Some(it) => format!("container {}", it.container),
            None => match listening.iter().find(|it| it.port.meets(*port)) {
                None => continue,
                Some(it) => {
                    owner(it).unwrap_or_else(|| "a program that is no container".to_owned())
                }
            },
        };
        let told = Finding::fail(
            PORTS,
            format!("{who} has host port {port}, which {} wants", short(task)),
        )
        .means("the task waits for it: PortConflict")
        .todo("stop the one, or give the other another hostPort");
        found.push(told);
    }
    if found.is_empty() && !wanted.is_empty() {
        let distinct: BTreeSet<String> = wanted.iter().map(|(port, _)| port.to_string()).collect();
        let names: Vec<String> = distinct.into_iter().collect();
        found.push(Finding::ok(PORTS, format!("nobody else has {}", names.join(", "))));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::cli::doctor::Level as Grade;
    use crate::domain::template::Protocol;

    fn tcp(number: u16, ip: Option<&str>) -> FixedPort {
        let ip = ip.map(|ip| ip.parse().unwrap());
        FixedPort { number, protocol: Protocol::Tcp, ip }
    }

    #[test]
    fn a_port_of_somebody_else_must_be_told_with_its_holder() {
        let name = |text: &str| TaskName::try_from(text.to_owned()).unwrap();
        let container = |name: &str, worker: Option<&str>, port| Published {
            container: name.to_owned(),
            worker: worker.map(str::to_owned),
            ports: vec![port],
        };
        let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
        let free = stranger.local_addr().unwrap().port();
        let wanted = [
            (tcp(8080, None), name("web")),
            (tcp(8081, None), name("shop/api")),
            (tcp(free, None), name("other")),
            (tcp(8083, None), name("free")),
        ];
        let publishers = [
            container("evenkeel.w.default.web.0.1", Some("w"), tcp(8080, Some("0.0.0.0"))),
            container("theirs", None, tcp(8081, Some("0.0.0.0"))),
        ];
        let found = ports(&wanted, &publishers, &listeners(), "w");
        let says: Vec<&str> = found.iter().map(|it| &*it.message).collect();
        let pid = std::process::id();
        assert_eq!(found.len(), 2, "{says:?}");
        assert_eq!(says[0], "container theirs has host port 8081/tcp, which shop/api wants");
        assert!(says[1].contains(&format!("(pid {pid}) has host port {free}/tcp")), "{says:?}");
        assert!(found.iter().all(|it| it.level == Grade::Fail));
        // The same containers are strangers to another worker.
        assert_eq!(ports(&wanted, &publishers, &[], "v").len(), 2);
        assert_eq!(ports(&wanted[3..], &publishers, &[], "w")[0].level, Grade::Ok);
    }

    #[test]
    fn a_policy_that_allows_everything_must_be_told_of() {
        let of = |level, paths: &[&str]| {
            let allowed_host_paths = paths.iter().map(|&it| it.to_owned()).collect();
            policy(&Policy { level, allowed_host_paths }).level
        };
        assert_eq!(of(Level::Baseline, &["/srv"]), Grade::Ok);
        assert_eq!(of(Level::Restricted, &["/"]), Grade::Warn);
        assert_eq!(of(Level::Privileged, &[]), Grade::Warn);
    }
}
