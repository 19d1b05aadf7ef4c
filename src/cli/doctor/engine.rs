//! The engine: whether it answers, what it lacks, whether its clock and its host are ours.

use super::{Finding, Subject};
use crate::cli::validate::counted;
use crate::domain::engine::SharedHost;
use crate::domain::time::Timestamp;
use crate::runtime::docker::{Docker, Portrait};
use crate::worker::{Clock, shared_host};

const ENGINE: &str = "engine";
const CLOCK: &str = "clock";
const HOST: &str = "host";

/// The oldest API that evenkeel is tried with: Docker 20.10.
const OLDEST_API: (u32, u32) = (1, 41);

/// The largest difference of two clocks that is no matter, in milliseconds.
const SKEW: i64 = 2_000;

/// What there is to say of the engine, and what it says of itself, if it answers.
pub async fn findings(docker: &Docker) -> (Vec<Finding>, Option<Portrait>) {
    let clock = Clock::begin();
    let before = clock.now().wall;
    match docker.portrait().await {
        Ok(portrait) => {
            let mut found = vec![of(&portrait)];
            found.extend(lacks(&portrait));
            found.extend(security(&portrait));
            found.push(live_restore(&portrait));
            found.extend(portrait.clock.map(|its| skew(its, (before, clock.now().wall))));
            (found, Some(portrait))
        }
        Err(error) => {
            let told = Finding::fail(ENGINE, format!("it can't be asked: {error}"))
                .means("a daemon decides nothing until it can; what runs is left alone")
                .todo(
                    "start Docker, or say where it listens (--docker-host); this user has to be \
                     root or in the group of its socket",
                );
            (vec![told], None)
        }
    }
}

fn of(portrait: &Portrait) -> Finding {
    let Portrait { version, api_version, os, storage, .. } = portrait;
    let message = format!("Docker {version} (API {api_version}), {storage}");
    if os != "linux" {
        return Finding::fail(ENGINE, format!("{message}: its containers are of {os}"))
            .means("evenkeel is made for Linux containers")
            .todo("switch it to Linux containers");
    }
    if api(api_version).is_none_or(|it| it < OLDEST_API) {
        let (major, minor) = OLDEST_API;
        return Finding::warn(ENGINE, message)
            .means(format!("evenkeel is tried with the API from {major}.{minor} on (Docker 20.10)"))
            .todo("upgrade Docker");
    }
    Finding::ok(ENGINE, message)
}

fn api(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// What its host can't do, and what it warns of.
fn lacks(portrait: &Portrait) -> Vec<Finding> {
    let mut found = Vec::new();
    if !portrait.lacks.is_empty() {
        let message = format!("its host can't set {}", portrait.lacks.join(", "));
        let told = Finding::warn(ENGINE, message)
            .means("a task that asks for it runs without, and says FeatureUnsupported")
            .todo("have the kernel's cgroup controllers turned on");
        found.push(told);
    }
    if let Some(first) = portrait.warnings.first() {
        let count = counted(portrait.warnings.len(), "warning");
        let told = Finding::warn(ENGINE, format!("it has {count}: {first}"))
            .means("its own words; some settings of manifests may have no effect")
            .todo("docker info shows all");
        found.push(told);
    }
    found
}

fn security(portrait: &Portrait) -> Option<Finding> {
    let has = |name: &str| {
        portrait.security.iter().any(|it| it.split(',').next() == Some(&*format!("name={name}")))
    };
    if has("rootless") {
        let told = Finding::ok(
            ENGINE,
            "it is rootless: host ports below 1024, and paths of other users, may be refused",
        );
        return Some(told);
    }
    if !has("seccomp") {
        let told = Finding::warn(ENGINE, "it has no seccomp")
            .means("a container may make any system call that its user may")
            .todo("use a kernel and a Docker with seccomp");
        return Some(told);
    }
    None
}

fn live_restore(portrait: &Portrait) -> Finding {
    Finding::ok(
        ENGINE,
        if portrait.live_restore {
            "live-restore is on: containers run on while Docker is restarted"
        } else {
            "live-restore is off: a restart of Docker ends all containers, and evenkeel starts its own again"
        },
    )
}

/// How its clock goes, which was asked between two moments of ours.
fn skew(its: Timestamp, (before, after): (Timestamp, Timestamp)) -> Finding {
    let early = before.millis() - its.millis();
    let late = its.millis() - after.millis();
    let off = early.max(late).max(0);
    if off <= SKEW {
        return Finding::ok(CLOCK, "the engine's is this host's");
    }
    let seconds = off / 1000;
    let which = if early > late { "behind" } else { "ahead of" };
    Finding::warn(CLOCK, format!("the engine's is {seconds} s {which} this host's"))
        .means("ages and the times of events are wrong by that, and deadlines after a restart")
        .todo("set both by NTP; run evenkeel on the engine's own host")
}

/// Whether the engine is on this host: the daemon has tried that, if one runs.
pub async fn host(subject: &Subject, docker: &Docker) -> Option<Finding> {
    let here = "it shares this host: host paths can be mounted";
    if let Some(daemon) = &subject.daemon {
        let known = daemon.engine.is_some() && daemon.engine_unavailable.is_none();
        return known.then(|| match &daemon.no_shared_host {
            Some(why) => apart(why.clone()),
            None => Finding::ok(HOST, here),
        });
    }
    let state = Some(&*subject.state_dir).filter(|dir| dir.is_dir());
    let source = subject.source.as_deref().map(std::path::Path::new);
    if state.or(source).is_none() {
        return Some(Finding::ok(
            HOST,
            "whether the engine shares this host is tried at the first start",
        ));
    }
    let places = (state, source.unwrap_or(&subject.state_dir));
    Some(match shared_host::shared_host(docker, &subject.patience, places).await {
        Ok(SharedHost::Shared | SharedHost::Untried) => Finding::ok(HOST, here),
        Ok(host @ SharedHost::Apart(_)) => apart(host.trouble().unwrap_or_default()),
        Err(error) => {
            Finding::warn(HOST, format!("whether it shares this host is not told: {error}"))
                .means("host paths may not be mounted")
                .todo("try it again")
        }
    })
}

/// `why` says what to do as well, as it does where a task is told of.
fn apart(why: String) -> Finding {
    let (message, todo) = match why.split_once("; ") {
        Some((message, todo)) => (message.to_owned(), todo.to_owned()),
        None => (why, "run evenkeel on the engine's own host".to_owned()),
    };
    Finding::fail(HOST, message)
        .means("what mounts a hostPath is not made: NoSharedHost; all else is")
        .todo(todo)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Level;

    fn portrait() -> Portrait {
        Portrait {
            version: "27.1".to_owned(),
            api_version: "1.46".to_owned(),
            os: "linux".to_owned(),
            security: vec!["name=seccomp,profile=builtin".to_owned()],
            ..Portrait::default()
        }
    }

    #[test]
    fn what_an_engine_lacks_must_be_told_with_what_to_do() {
        let sound = portrait();
        assert_eq!((of(&sound).level, lacks(&sound), security(&sound)), (Level::Ok, vec![], None));
        let old = Portrait { api_version: "1.40".to_owned(), ..portrait() };
        assert_eq!(of(&old).level, Level::Warn);
        assert_eq!(of(&Portrait { api_version: String::new(), ..portrait() }).level, Level::Warn);
        let windows = Portrait { os: "windows".to_owned(), ..portrait() };
        assert_eq!(of(&windows).level, Level::Fail);
        let poor = Portrait {
            lacks: vec!["resources.limits.memory"],
            warnings: vec!["WARNING: no swap".to_owned(), "WARNING: no cpuset".to_owned()],
            security: Vec::new(),
            ..portrait()
        };
        let told: Vec<String> =
            lacks(&poor).into_iter().chain(security(&poor)).map(|it| it.message).collect();
        assert_eq!(
            told,
            [
                "its host can't set resources.limits.memory",
                "it has 2 warnings: WARNING: no swap",
                "it has no seccomp"
            ]
        );
    }

    #[test]
    fn a_clock_that_goes_otherwise_must_be_told_of_and_a_slow_answer_not() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let told = |its| skew(at(its), (at(100), at(105)));
        for its in [98, 100, 103, 105, 107] {
            assert_eq!(told(its).level, Level::Ok, "{its}");
        }
        assert_eq!(told(110).message, "the engine's is 5 s ahead of this host's");
        assert_eq!(told(40).message, "the engine's is 60 s behind this host's");
    }

    #[test]
    fn an_engine_elsewhere_must_fail() {
        let why = SharedHost::Apart("/state/mark".to_owned()).trouble().unwrap();
        let told = apart(why);
        assert_eq!(told.level, Level::Fail);
        assert!(told.message.ends_with("nothing at `/state/mark` for it"), "{}", told.message);
        assert!(told.todo.unwrap().starts_with("run evenkeel on the engine's own host"));
    }
}
