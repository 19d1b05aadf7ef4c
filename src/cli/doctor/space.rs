//! Whether there is room on the disks that are written.

use std::io;
use std::path::{Path, PathBuf};

use super::{Finding, Subject};
use crate::cli::amount::bytes;
use crate::host;
use crate::metrics::DiskUse;

const CHECK: &str = "disk";

/// Below so many bytes nothing can be relied on, and below so many it is told of.
#[derive(Debug, Clone, Copy)]
struct Least {
    fail: u64,
    warn: u64,
}

const STATE: Least = Least { fail: 32 << 20, warn: 256 << 20 };
const DATA: Least = Least { fail: 256 << 20, warn: 2 << 30 };

/// What there is to say of the disks of the state directory and of the engine's data, where that is
/// on this host.
pub async fn findings(subject: &Subject, data_root: Option<String>) -> Vec<Finding> {
    let mut found = Vec::new();
    let state = subject.state_dir.clone();
    let places = [
        ("the state", state, STATE, "a daemon keeps what runs, and starts nothing new"),
        (
            "images, volumes and logs",
            PathBuf::from(data_root.unwrap_or_default()),
            DATA,
            "images can't be pulled, containers not made, and what runs may fail to write",
        ),
    ];
    for (what, path, least, meaning) in places {
        if path.as_os_str().is_empty() {
            continue;
        }
        let at = path.clone();
        match subject.look((CHECK, &path), move || there(&at).and_then(|it| host::disk(&it))).await
        {
            Ok(Ok(disk)) => found.push(judge((what, &path), disk, least, meaning)),
            // Another host's, or this user may not see it.
            Ok(Err(_)) => {}
            Err(late) => found.push(late),
        }
    }
    found
}

/// The path, or what there is above it already.
fn there(path: &Path) -> io::Result<PathBuf> {
    let found = path.ancestors().find(|it| it.exists());
    found.map(Path::to_owned).ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn judge((what, path): (&str, &Path), disk: DiskUse, least: Least, meaning: &str) -> Finding {
    let message = format!(
        "{} of {} are free for {what}, in {}",
        bytes(disk.available),
        bytes(disk.size),
        path.display()
    );
    let todo = "make room: docker system df shows what images and containers take";
    if disk.available < least.fail {
        Finding::fail(CHECK, message).means(meaning).todo(todo)
    } else if disk.available < least.warn {
        Finding::warn(CHECK, message).means(format!("soon {meaning}")).todo(todo)
    } else {
        Finding::ok(CHECK, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Level;

    #[test]
    fn a_disk_must_have_room() {
        let level = |available| {
            let disk = DiskUse { size: 1 << 40, available };
            judge(("the state", Path::new("/")), disk, STATE, "it stands").level
        };
        assert_eq!(level(1 << 30), Level::Ok);
        assert_eq!(level(200 << 20), Level::Warn);
        assert_eq!(level(1 << 20), Level::Fail);
        assert_eq!(there(Path::new("/proc/none/at/all")).unwrap(), Path::new("/proc"));
    }
}
