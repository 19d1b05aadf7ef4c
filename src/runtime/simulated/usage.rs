//! What the containers of the simulated engine use: a tenth of a CPU, and always the same memory.

use tokio::time::Instant;

use super::world::World;
use crate::domain::instance::ContainerId;
use crate::domain::usage::{Traffic, Usage};

impl World {
    pub(super) fn usage(&self, id: &ContainerId, now: Instant) -> Option<Usage> {
        let body = self.containers.get(id).filter(|body| body.process.is_alive())?;
        let read_at = self.wall(now);
        let ran = body.details.started_at.map(|at| read_at.since(at)).unwrap_or_default();
        Some(Usage {
            read_at,
            cpu_nanos: u64::try_from(ran.as_nanos() / 10).unwrap_or(u64::MAX),
            memory_bytes: 8 << 20,
            network: Some(Traffic { in_bytes: ran.as_secs() * 1000, out_bytes: 50 }),
            block: Traffic { in_bytes: 4096, out_bytes: 0 },
        })
    }
}
