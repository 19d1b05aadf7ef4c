//! Whether there are inotify watches enough to follow the directory.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Finding, Subject};
use crate::host::inotify::{Inotify, inotify};

const CHECK: &str = "inotify";

/// How many directories are counted at most.
const MOST: u64 = 1_000_000;

/// What there is to say of inotify's limits.
pub async fn findings(subject: &Subject) -> Option<Finding> {
    if let Some(why) = subject.daemon.as_ref().and_then(|it| it.watch_degraded.as_ref()) {
        return Some(degraded(why));
    }
    let at = PathBuf::from(subject.source.clone().unwrap_or_default());
    // What a daemon watches that runs is counted as used already.
    let is_new = subject.daemon.is_none();
    let look = move || {
        let needed = if is_new { directories(&at) } else { 0 };
        inotify().map(|found| judge(found, u64::from(is_new), needed))
    };
    match subject.look((CHECK, Path::new("/proc")), look).await {
        Ok(told) => told.ok(),
        Err(late) => Some(late),
    }
}

fn degraded(why: &str) -> Finding {
    Finding::warn(CHECK, why.to_owned())
        .means("changes of files are found only when all is read again, every 20 s")
        .todo("raise the limit: sysctl fs.inotify.max_user_watches, fs.inotify.max_user_instances")
}

/// The directories in a directory, itself and the one above it included.
fn directories(root: &Path) -> u64 {
    let mut count = 1;
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        count += 1;
        if count >= MOST {
            break;
        }
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|it| it.is_dir());
        open.extend(entries.filter(is_directory).map(|entry| entry.path()));
    }
    count
}

fn judge(found: Inotify, instances: u64, watches: u64) -> Finding {
    let Inotify { instances: of_instances, watches: of_watches } = found;
    let of = |name: &str, share: crate::host::inotify::Share| {
        format!("{} of {} {name} are used", share.used, share.limit)
    };
    let message = format!("{}, {}", of("instances", of_instances), of("watches", of_watches));
    let short = [
        (of_instances, instances, "max_user_instances"),
        (of_watches, watches, "max_user_watches"),
    ];
    match short.into_iter().find(|(share, needed, _)| share.free() < *needed) {
        None => Finding::ok(CHECK, message),
        Some((share, needed, name)) => {
            let enough = (share.used + needed).max(share.limit) * 2;
            Finding::warn(CHECK, format!("{message}, and {needed} more are needed"))
                .means("changes of files would be found only when all is read again, every 20 s")
                .todo(format!("sysctl fs.inotify.{name}={enough}, and the same in /etc/sysctl.d"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Level;
    use crate::host::inotify::Share;

    #[test]
    fn limits_must_hold_what_is_needed() {
        let share = |used, limit| Share { used, limit };
        let found = Inotify { instances: share(127, 128), watches: share(100, 8192) };
        assert_eq!(judge(found, 1, 8092).level, Level::Ok);
        assert_eq!(judge(found, 0, 0).level, Level::Ok);
        let short = judge(found, 1, 8093);
        assert_eq!(short.level, Level::Warn);
        assert!(short.todo.unwrap().contains("max_user_watches=16386"));
        let short = judge(Inotify { instances: share(128, 128), ..found }, 1, 1);
        assert!(short.todo.unwrap().contains("max_user_instances=258"));
    }

    #[test]
    fn each_directory_is_a_watch() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("a/b")).unwrap();
        fs::write(home.path().join("a/file"), "").unwrap();
        std::os::unix::fs::symlink(home.path(), home.path().join("a/link")).unwrap();
        assert_eq!(directories(home.path()), 4);
    }
}
