//! The directory of manifests and the state directory: whether they are there, and who may write.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::statfs;

use super::{Finding, Subject};

const DIRECTORY: &str = "directory";
const STATE: &str = "state";

/// How many entries of a directory are looked at, at most.
const ENTRIES: usize = 10_000;

/// The permission of everybody to write, and of the group.
const BY_ALL: u32 = 0o002;
const BY_GROUP: u32 = 0o020;

/// What is in such a directory can only be moved by its owner.
const STICKY: u32 = 0o1000;

/// File systems that tell of no change that another host makes, by their magic numbers (`statfs(2)`).
const WITHOUT_EVENTS: [(i64, &str); 6] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "SMB"),
    (0xfe53_4d42, "SMB"),
    (0x0102_1997, "9P"),
    (0x6573_5546, "FUSE"),
];

const AS_ROOT: &str =
    "who can write there can run containers on this host, which is as good as root";

/// What there is to say of both directories.
pub async fn findings(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(source) = &subject.source {
        let (path, own) = (PathBuf::from(source), Own::of_process());
        let told = subject.look((DIRECTORY, &path.clone()), move || of_source(&path, own)).await;
        found.extend(told.unwrap_or_else(|late| vec![late]));
    } else {
        let told = Finding::ok(DIRECTORY, "none was named, and no daemon runs that has one");
        found.push(told);
    }
    let (path, own) = (subject.state_dir.clone(), Own::of_process());
    let told = subject.look((STATE, &path.clone()), move || of_state(&path, own)).await;
    found.push(told.unwrap_or_else(|late| late));
    found
}

/// This user and its group, by their numbers.
#[derive(Debug, Clone, Copy)]
struct Own {
    user: u32,
    group: u32,
}

impl Own {
    /// Root's, if the kernel does not tell.
    fn of_process() -> Self {
        let told = fs::metadata("/proc/self");
        told.map_or(Self { user: 0, group: 0 }, |it| Self { user: it.uid(), group: it.gid() })
    }
}

fn of_source(path: &Path, own: Own) -> Vec<Finding> {
    let shown = path.display();
    let metadata = match fs::metadata(path).and_then(|it| fs::read_dir(path).map(|_| it)) {
        Ok(metadata) => metadata,
        Err(error) => {
            let told = Finding::fail(DIRECTORY, format!("{shown}: {error}"))
                .means("a daemon waits for it, and starts and removes nothing meanwhile")
                .todo("make it, mount it, or name another one");
            return vec![told];
        }
    };
    let mut found = vec![match writers(path, own) {
        Ok(None) => Finding::ok(DIRECTORY, format!("{shown}: {}", rights(&metadata))),
        Ok(Some(told)) => told,
        Err(error) => Finding::warn(DIRECTORY, error.to_string())
            .means("what is in there is not read, and none of what was read there is removed")
            .todo("let the user of the daemon read it"),
    }];
    found.extend(without_events(path));
    found
}

/// Who may write that should not, the worst of all.
fn writers(path: &Path, own: Own) -> io::Result<Option<Finding>> {
    let real = fs::canonicalize(path)?;
    for above in real.ancestors().skip(1) {
        let mode = fs::metadata(above)?.mode();
        if mode & BY_ALL != 0 && mode & STICKY == 0 {
            let message = format!("everybody may write {}, which it lies in", above.display());
            let todo = format!("chmod o-w {}", above.display());
            return Ok(Some(Finding::fail(DIRECTORY, message).means(AS_ROOT).todo(todo)));
        }
    }
    let mut worst: Option<Finding> = None;
    let mut open = vec![real];
    let mut left = ENTRIES;
    while let Some(path) = open.pop() {
        let metadata = fs::symlink_metadata(&path)?;
        let told = judge(&path, &metadata, own);
        if told.as_ref().map(|it| it.level) > worst.as_ref().map(|it| it.level) {
            worst = told;
        }
        if metadata.is_dir() {
            let cannot = |error: io::Error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            };
            for entry in fs::read_dir(&path).map_err(cannot)?.take(left) {
                left -= 1;
                open.push(entry?.path());
            }
        }
    }
    Ok(worst)
}

fn judge(path: &Path, metadata: &Metadata, own: Own) -> Option<Finding> {
    let (shown, mode) = (path.display(), metadata.mode());
    if metadata.is_symlink() {
        return None;
    }
    if mode & BY_ALL != 0 {
        let told = Finding::fail(DIRECTORY, format!("everybody may write {shown}"));
        return Some(told.means(AS_ROOT).todo(format!("chmod o-w {shown}")));
    }
    if ![0, own.user].contains(&metadata.uid()) {
        let message = format!("{shown} belongs to user {}", metadata.uid());
        return Some(Finding::warn(DIRECTORY, message).means(AS_ROOT).todo(format!(
            "nothing, if that user is trusted like root; else: chown {} {shown}",
            own.user
        )));
    }
    if mode & BY_GROUP != 0 && ![0, own.group].contains(&metadata.gid()) {
        let message = format!("group {} may write {shown}", metadata.gid());
        return Some(Finding::warn(DIRECTORY, message).means(AS_ROOT).todo(format!(
            "nothing, if all in that group are trusted like root; else: chmod g-w {shown}"
        )));
    }
    None
}

/// A directory whose changes nobody tells of.
fn without_events(path: &Path) -> Option<Finding> {
    let kind = statfs(path).ok()?.f_type;
    let (_, name) = WITHOUT_EVENTS.into_iter().find(|(magic, _)| *magic == kind)?;
    let told = Finding::warn(DIRECTORY, format!("{} is on {name}", path.display()))
        .means("changes that another host makes are found only when all is read again, every 20 s")
        .todo("nothing, if that is soon enough; else put it on a disk of this host");
    Some(told)
}

fn of_state(path: &Path, own: Own) -> Finding {
    let shown = path.display();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::ok(STATE, format!("{shown} is made at the first start"));
        }
        Err(error) => {
            return Finding::fail(STATE, format!("{shown}: {error}"))
                .means("a daemon can't start without its state")
                .todo("mend that, or name another --state-dir");
        }
    };
    if !metadata.is_dir() {
        return Finding::fail(STATE, format!("{shown} is no directory"))
            .means("a daemon can't start without its state")
            .todo("name another --state-dir");
    }
    if metadata.uid() != own.user {
        return Finding::warn(STATE, format!("{shown} belongs to user {}", metadata.uid()))
            .means("only that user can ask the daemon, or run it with this state")
            .todo("do it as that user; or name another --worker or --state-dir");
    }
    if metadata.mode() & 0o077 != 0 {
        return Finding::warn(
            STATE,
            format!("others may look into {shown}: {}", rights(&metadata)),
        )
        .means("what manifests say, env included, is in the state DB")
        .todo(format!("chmod 700 {shown}"));
    }
    Finding::ok(STATE, format!("{shown}: {}", rights(&metadata)))
}

/// `user 0, mode 0755`.
fn rights(metadata: &Metadata) -> String {
    format!("user {}, mode {:04o}", metadata.uid(), metadata.mode() & 0o7777)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::cli::doctor::Level;

    fn allow(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// A directory with a file in a folder.
    fn home() -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("tasks");
        fs::create_dir_all(path.join("deep")).unwrap();
        fs::write(path.join("deep/web.yaml"), "").unwrap();
        for (path, mode) in [("", 0o755), ("deep", 0o755), ("deep/web.yaml", 0o644)] {
            allow(&home.path().join("tasks").join(path), mode);
        }
        (home, path)
    }

    fn told(path: &Path) -> (Level, String) {
        let found = of_source(path, Own::of_process());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].level == Level::Ok, found[0].todo.is_none(), "{found:?}");
        (found[0].level, found[0].message.clone())
    }

    #[test]
    fn who_may_write_the_directory_must_be_told_wherever_in_it_that_is() {
        let (home, path) = home();
        assert_eq!(told(&path).0, Level::Ok);
        let file = path.join("deep/web.yaml");
        symlink(&file, path.join("link.yaml")).unwrap();
        for place in [&path, &path.join("deep"), &file] {
            let before = fs::metadata(place).unwrap().mode();
            allow(place, before | 0o002);
            let (level, says) = told(&path);
            assert_eq!(level, Level::Fail);
            assert_eq!(says, format!("everybody may write {}", place.display()));
            allow(place, before);
        }
        assert_eq!(told(&path).0, Level::Ok);
        // Who may move the directory away may put another one in its place.
        allow(home.path(), 0o777);
        assert!(told(&path).1.contains("which it lies in"), "{:?}", told(&path));
        allow(home.path(), 0o1777);
        assert_eq!(told(&path).0, Level::Ok);
    }

    #[test]
    fn who_else_may_write_must_be_told_but_for_root() {
        let (_home, path) = home();
        allow(&path, 0o775);
        let metadata = fs::metadata(&path).unwrap();
        let (user, group) = (metadata.uid(), metadata.gid());
        let level = |own: Own| judge(&path, &metadata, own).map(|it| it.level);
        assert_eq!(level(Own { user, group }), None);
        let warned = |id: u32| (id != 0).then_some(Level::Warn);
        assert_eq!(level(Own { user, group: group + 1 }), warned(group));
        assert_eq!(level(Own { user: user + 1, group }), warned(user));
    }

    #[test]
    fn a_directory_that_is_not_there_must_fail() {
        let (_home, path) = home();
        assert_eq!(told(&path.join("none")).0, Level::Fail);
        assert_eq!(told(&path.join("deep/web.yaml")).0, Level::Fail);
    }

    #[test]
    fn a_state_directory_must_be_its_owners_alone() {
        let (_home, path) = home();
        let level = |path: &Path, own: Own| of_state(path, own).level;
        let own = Own::of_process();
        assert_eq!(level(&path, own), Level::Warn, "{:?}", of_state(&path, own));
        allow(&path, 0o700);
        assert_eq!(level(&path, own), Level::Ok);
        assert_eq!(level(&path, Own { user: own.user + 1, ..own }), Level::Warn);
        assert_eq!(level(&path.join("none"), own), Level::Ok);
        assert_eq!(level(&path.join("deep/web.yaml"), own), Level::Fail);
    }
}
