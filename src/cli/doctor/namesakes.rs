//! Other workers of the same name: on this host, and by what is on the engine.

use std::collections::BTreeSet;

use super::{Finding, Subject};
use crate::cli::daemon::is_same_dir;
use crate::domain::container::label;
use crate::host::processes::{Running, running};
use crate::runtime::Runtime;
use crate::runtime::docker::Docker;

const CHECK: &str = "worker";

/// What there is to say of who else has this worker's name.
pub async fn findings(subject: &Subject, engine: Option<&Docker>) -> Vec<Finding> {
    let name = subject.common.worker.as_str();
    let own = subject.daemon.as_ref().map(|it| it.pid);
    let mut found = Vec::new();
    // Of a daemon that can't be asked it is not known which process it is.
    if !subject.is_hidden {
        let all = running("evenkeel");
        let others = all.iter().filter(|it| Some(it.pid.unsigned_abs()) != own && keeps(it, name));
        found.extend(others.map(|it| twin(name, it)));
    }
    if let Some(engine) = engine
        && let Ok(containers) = engine.list(&subject.common.worker).await
    {
        let sources = containers.iter().filter_map(|it| it.labels.get(label::SOURCE).cloned());
        found.extend(strays(subject, &sources.collect()).await);
    }
    if found.is_empty() {
        found.push(Finding::ok(CHECK, format!("no other one of the name {name} is known of")));
    }
    found
}

/// Whether a program keeps a directory as a worker of that name.
fn keeps(program: &Running, name: &str) -> bool {
    const DEFAULT: &str = "default";
    let words = &program.words;
    let is_keeper = words.iter().skip(1).any(|word| word == "run" || word == "sync");
    let given = words.iter().enumerate().find_map(|(at, word)| match word.as_str() {
        "--worker" => words.get(at + 1).map(String::as_str),
        word => word.strip_prefix("--worker="),
    });
    let meant = given.or_else(|| program.environment.get("EVENKEEL_WORKER").map(String::as_str));
    is_keeper && meant.unwrap_or(DEFAULT) == name
}

fn twin(name: &str, program: &Running) -> Finding {
    let line = program.words.join(" ");
    Finding::warn(CHECK, format!("pid {} is a worker {name} as well: {line}", program.pid))
        .means("on one engine each takes what the other has made for its own")
        .todo("nothing, if they have different engines; else give one another --worker")
}

/// Directories that containers of this name were made from, and that are not this worker's.
async fn strays(subject: &Subject, sources: &BTreeSet<String>) -> Option<Finding> {
    let name = &subject.common.worker;
    let daemon = subject.daemon.as_ref();
    // A daemon that runs keeps its own, whatever directory was named.
    let own = daemon.map(|it| &it.source).or(subject.source.as_ref());
    let own = own?;
    let is_approved =
        |source: &&String| daemon.is_some_and(|it| it.approved_sources.contains(*source));
    let mut others = Vec::new();
    for source in sources.iter().filter(|source| !is_approved(source)) {
        if !is_same_dir(own, source).await.unwrap_or(true) {
            others.push(source);
        }
    }
    let other = others.first()?;
    let told = Finding::fail(CHECK, format!("containers of worker {name} were made from {other}"))
        .means("nothing is started or removed: SourceChanged")
        .todo(format!(
            "to take them over: {}, with a daemon; else use another --worker",
            subject.common.again("approve source")
        ));
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_of_the_same_name_must_be_known_by_its_words_or_its_environment() {
        let program = |line: &str, worker: Option<&str>| Running {
            pid: 7,
            words: line.split(' ').map(str::to_owned).collect(),
            environment: worker
                .map(|it| ("EVENKEEL_WORKER".into(), it.into()))
                .into_iter()
                .collect(),
        };
        for (line, worker, is_twin) in [
            ("evenkeel run tasks", None, false),
            ("evenkeel run tasks", Some("w"), true),
            ("evenkeel run tasks --worker w", None, true),
            ("evenkeel --worker=w sync tasks", None, true),
            ("evenkeel run tasks --worker v", Some("w"), false),
            ("evenkeel get --worker w", None, false),
            ("evenkeel run --worker", None, false),
        ] {
            assert_eq!(keeps(&program(line, worker), "w"), is_twin, "{line}");
        }
        assert!(keeps(&program("evenkeel run tasks", None), "default"));
    }
}
