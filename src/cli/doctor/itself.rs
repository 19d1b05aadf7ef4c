//! The daemon: whether it runs, which release it is, and what it says of itself.

use std::path::Path;

use super::Finding;
use crate::api::client::ClientError;
use crate::cli::args::Common;
use crate::cli::daemon::is_same_dir;
use crate::cli::status::Told;
use crate::cli::validate::counted;
use crate::domain::status::TaskStatus;
use crate::worker::command::Overview;

const CHECK: &str = "daemon";

/// What a daemon says, and the tasks that it tells of.
pub type Asked<'a> = (&'a Result<Option<Overview>, ClientError>, &'a [TaskStatus]);

/// What there is to say of the daemon of `state_dir`, where `given` is the directory that was named.
pub async fn findings(
    common: &Common,
    (found, tasks): Asked<'_>,
    state_dir: &Path,
    given: Option<&str>,
) -> Vec<Finding> {
    let overview = match found {
        Ok(Some(overview)) => overview,
        Ok(None) => return vec![none(state_dir)],
        Err(error @ ClientError::Forbidden(_)) => {
            let told = Finding::warn(CHECK, error.to_string())
                .means("this user can't ask it, so not all is known here")
                .todo(format!("do it as that user, root perhaps: sudo {}", common.again("doctor")));
            return vec![told];
        }
        Err(error) => {
            let told =
                Finding::fail(CHECK, format!("a daemon is there and does not answer: {error}"))
                    .means("it hangs, or is another program or release")
                    .todo("look at its log; restart it: containers run on meanwhile");
            return vec![told];
        }
    };
    let own = env!("CARGO_PKG_VERSION");
    let message = format!(
        "evenkeel {} runs, pid {}, and keeps {}",
        overview.version, overview.pid, overview.source
    );
    let mut found = vec![if overview.version == own {
        Finding::ok(CHECK, message)
    } else {
        Finding::warn(CHECK, format!("{message}; this is {own}"))
            .means("what is new takes effect once the daemon is started anew")
            .todo("restart the daemon: containers run on meanwhile")
    }];
    // What a disk does not tell is said of the disk.
    if let Some(given) = given
        && !is_same_dir(given, &overview.source).await.unwrap_or(true)
    {
        let message = format!("the daemon keeps {}, not {given}", overview.source);
        let told = Finding::warn(CHECK, message)
            .means(format!("what is in {given} is not run by it"))
            .todo("name the daemon's directory, or another --worker");
        found.push(told);
    }
    found.push(status(common, overview, tasks));
    found
}

fn none(state_dir: &Path) -> Finding {
    if !state_dir.join("state.db").exists() {
        return Finding::ok(
            CHECK,
            format!("none has run yet with its state in {}", state_dir.display()),
        );
    }
    Finding::warn(CHECK, "none runs")
        .means("its containers run on, but what ends is not started again, and no file is followed")
        .todo("evenkeel run DIR, best as a service with Restart=always: the README has one")
}

/// What `evenkeel status` would say.
fn status(common: &Common, overview: &Overview, tasks: &[TaskStatus]) -> Finding {
    const CHECK: &str = "status";
    let told = Told::of(common, overview.clone(), tasks);
    let Some(first) = told.troubles.first() else {
        return Finding::ok(CHECK, format!("{}, all well", counted(tasks.len(), "task")));
    };
    let more = told.troubles.len() - 1;
    let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    Finding::warn(CHECK, format!("{first}{more}"))
        .means("the daemon does what it can; this needs a look")
        .todo(common.again("status"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use clap::Parser;

    use super::*;
    use crate::cli::args::Args;
    use crate::cli::doctor::Level;

    fn overview(version: &str) -> Overview {
        let told = serde_json::json!({
            "worker": "default", "version": version, "pid": 7, "source": "/srv/tasks",
            "files": 0, "problems": [], "goingDown": false, "tasks": 0,
        });
        serde_json::from_value(told).unwrap()
    }

    async fn levels(
        found: &Result<Option<Overview>, ClientError>,
        given: Option<&str>,
    ) -> Vec<Level> {
        let common = Args::parse_from(["evenkeel", "doctor"]).common;
        let found = findings(&common, (found, &[]), Path::new("/nowhere"), given).await;
        for it in &found {
            assert_eq!(it.level == Level::Ok, it.meaning.is_none(), "{it:?}");
            assert_eq!(it.level == Level::Ok, it.todo.is_none(), "{it:?}");
        }
        found.into_iter().map(|it| it.level).collect()
    }

    #[tokio::test]
    async fn a_daemon_must_be_this_release_and_keep_the_directory_that_is_meant() {
        let (own, state) = (env!("CARGO_PKG_VERSION"), PathBuf::from("/nowhere"));
        let of = |version| Ok(Some(overview(version)));
        assert_eq!(levels(&of(own), Some("/srv/tasks")).await, [Level::Ok, Level::Ok]);
        assert_eq!(levels(&of("0.0.9"), None).await, [Level::Warn, Level::Ok]);
        assert_eq!(levels(&of(own), Some("/srv")).await, [Level::Ok, Level::Warn, Level::Ok]);
        let troubled = Overview { db_trouble: Some("full".to_owned()), ..overview(own) };
        assert_eq!(levels(&Ok(Some(troubled)), None).await, [Level::Ok, Level::Warn]);
        assert_eq!(levels(&Ok(None), None).await, [Level::Ok]);
        assert_eq!(levels(&Err(ClientError::Forbidden(state)), None).await, [Level::Warn]);
        assert_eq!(levels(&Err(ClientError::Ended), None).await, [Level::Fail]);
        let left = tempfile::tempdir().unwrap();
        std::fs::write(left.path().join("state.db"), "").unwrap();
        assert_eq!(none(left.path()).level, Level::Warn);
    }
}
