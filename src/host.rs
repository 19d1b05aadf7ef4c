//! What this host, this process and the disks have and use, as the kernel tells it.
//!
//! Blocking. What is in memory answers at once; a disk that is away may never answer, so who asks
//! for one waits with patience. Who shows metrics calls it, and who looks whether all is well. Only
//! here: `procfs`, `fs4`.

pub mod inotify;
pub mod processes;

use std::io;
use std::path::Path;
use std::time::Duration;

use procfs::process::{LimitValue, Process};
use procfs::{Current, CurrentSI, KernelStats, Meminfo, ProcResult};

use crate::metrics::{DiskUse, HostUse, ProcessUse};

/// This process; `None` where the kernel does not tell.
#[must_use]
pub fn process() -> Option<ProcessUse> {
    read_process().inspect_err(|error| tracing::debug!(%error, "the process is not told of")).ok()
}

fn read_process() -> ProcResult<ProcessUse> {
    let process = Process::myself()?;
    let stat = process.stat()?;
    let max_files = match process.limits()?.max_open_files.soft_limit {
        LimitValue::Value(limit) => Some(limit),
        LimitValue::Unlimited => None,
    };
    Ok(ProcessUse {
        cpu: ticks(stat.utime + stat.stime),
        resident: stat.rss * procfs::page_size(),
        virtual_memory: stat.vsize,
        open_files: process.fd_count()?.try_into().unwrap_or(u64::MAX),
        max_files,
        threads: stat.num_threads.try_into().unwrap_or_default(),
        started: Duration::from_secs(procfs::boot_time_secs()?) + ticks(stat.starttime),
    })
}

/// This host; `None` where the kernel does not tell.
#[must_use]
pub fn whole() -> Option<HostUse> {
    read_host().inspect_err(|error| tracing::debug!(%error, "the host is not told of")).ok()
}

fn read_host() -> ProcResult<HostUse> {
    let (kernel, memory) = (KernelStats::current()?, Meminfo::current()?);
    let total = &kernel.total;
    let mut cpu = vec![
        ("user", ticks(total.user)),
        ("nice", ticks(total.nice)),
        ("system", ticks(total.system)),
        ("idle", ticks(total.idle)),
    ];
    let newer = [
        ("iowait", total.iowait),
        ("irq", total.irq),
        ("softirq", total.softirq),
        ("steal", total.steal),
    ];
    cpu.extend(newer.into_iter().filter_map(|(mode, time)| Some((mode, ticks(time?)))));
    Ok(HostUse {
        cpus: kernel.cpu_time.len().try_into().unwrap_or(u64::MAX),
        cpu,
        memory: memory.mem_total,
        available: memory.mem_available,
    })
}

/// The file system that a directory is on.
///
/// # Errors
/// If it can't be asked.
pub fn disk(at: &Path) -> io::Result<DiskUse> {
    let told = fs4::statvfs(at)?;
    Ok(DiskUse { size: told.total_space(), available: told.available_space() })
}

fn ticks(count: u64) -> Duration {
    let a_second = procfs::ticks_per_second().max(1);
    Duration::from_secs(count / a_second)
        + Duration::from_nanos(count % a_second * 1_000_000_000 / a_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_must_make_sense() {
        let now = process().unwrap();
        assert!(now.resident > 1 << 20 && now.resident < now.virtual_memory, "{now:?}");
        assert!(now.open_files > 2 && now.threads >= 1, "{now:?}");
        let age = std::time::UNIX_EPOCH.elapsed().unwrap().saturating_sub(now.started);
        assert!(age < Duration::from_secs(3600), "{now:?}");
        let host = whole().unwrap();
        assert!(host.cpus >= 1 && host.available.unwrap() < host.memory, "{host:?}");
        let idle = host.cpu.iter().find(|(mode, _)| *mode == "idle").unwrap();
        assert!(idle.1 > Duration::from_secs(1), "{host:?}");
        let root = disk(Path::new("/")).unwrap();
        assert!(root.available <= root.size && root.size > 1 << 20, "{root:?}");
        assert!(disk(Path::new("/nowhere/at/all")).is_err());
    }
}
