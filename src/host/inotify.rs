//! How many inotify instances and watches this user has, and how many they may be.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;

/// Inotify's limits for this user, and what of them is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inotify {
    /// Each program that watches has one or more.
    pub instances: Share,
    /// One for each directory that is watched.
    pub watches: Share,
}

/// How much of something is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// So much, as far as this user may see.
    pub used: u64,
    /// Of so much.
    pub limit: u64,
}

impl Share {
    /// How much is left.
    #[must_use]
    pub fn free(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

/// Inotify's limits for this user, and what of them is used.
///
/// # Errors
/// If the kernel does not tell.
pub fn inotify() -> io::Result<Inotify> {
    let user = fs::metadata("/proc/self")?.uid();
    let (mut instances, mut watches) = (0, 0);
    for process in fs::read_dir("/proc")?.flatten() {
        let is_own = process.metadata().is_ok_and(|it| it.uid() == user);
        let is_process =
            process.file_name().to_string_lossy().bytes().all(|it| it.is_ascii_digit());
        if !is_own || !is_process {
            continue;
        }
        // It may end meanwhile.
        for file in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let is_inotify =
                fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == "anon_inode:inotify");
            if is_inotify {
                let told = process.path().join("fdinfo").join(file.file_name());
                let told = fs::read_to_string(told).unwrap_or_default();
                instances += 1;
                watches += told.lines().filter(|line| line.starts_with("inotify ")).count();
            }
        }
    }
    let share = |count: usize, name: &str| {
        limit(name).map(|limit| Share { used: count.try_into().unwrap_or(u64::MAX), limit })
    };
    Ok(Inotify {
        instances: share(instances, "max_user_instances")?,
        watches: share(watches, "max_user_watches")?,
    })
}

fn limit(name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/sys/fs/inotify/{name}"))?;
    text.trim().parse().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use notify::{RecursiveMode, Watcher};

    use super::*;

    #[test]
    fn what_this_process_watches_must_be_counted() {
        let directory = tempfile::tempdir().unwrap();
        let mut watcher = notify::recommended_watcher(|_| {}).unwrap();
        watcher.watch(directory.path(), RecursiveMode::NonRecursive).unwrap();
        let after = inotify().unwrap();
        assert!(after.instances.used >= 1 && after.watches.used >= 1, "{after:?}");
        assert!(after.instances.limit > 1 && after.watches.limit > 100, "{after:?}");
        assert_eq!(Share { used: 5, limit: 3 }.free(), 0);
    }
}
