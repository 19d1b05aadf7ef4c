//! What a container has used: the engine's statistics, of which one reading is taken.

use std::time::Duration;

use serde_json::Value;

use super::ask::{get, unanswered};
use super::connect::Address;
use super::observe::time;
use crate::domain::instance::ContainerId;
use crate::domain::usage::{Traffic, Usage};
use crate::runtime::Unreachable;

/// How long the engine may take. It reads all that is asked for once a second and answers then.
const DEADLINE: Duration = Duration::from_secs(3);

/// What a container has used; `None` if it does not run.
pub(super) async fn usage(
    address: &Address,
    id: &ContainerId,
) -> Result<Option<Usage>, Unreachable> {
    // Without `one-shot` the engine waits for two readings, a second apart.
    let path = format!("/containers/{id}/stats?stream=false&one-shot=true");
    let late = || unanswered(&path, format!("no answer within {} s", DEADLINE.as_secs()));
    let told = tokio::time::timeout(DEADLINE, get(address, &path)).await.map_err(|_| late())??;
    Ok(told.as_ref().and_then(read))
}

fn read(told: &Value) -> Option<Usage> {
    Some(Usage {
        // Of what does not run it is the year 1.
        read_at: time(&told["read"])?,
        cpu_nanos: told["cpu_stats"]["cpu_usage"]["total_usage"].as_u64()?,
        memory_bytes: memory(&told["memory_stats"])?,
        network: told["networks"].as_object().map(|networks| {
            let sum = |key: &str| networks.values().filter_map(|it| it[key].as_u64()).sum();
            Traffic { in_bytes: sum("rx_bytes"), out_bytes: sum("tx_bytes") }
        }),
        block: block(&told["blkio_stats"]["io_service_bytes_recursive"]),
    })
}

/// As `docker stats` has it: files that are read are no longer counted once the kernel would drop
/// them first. The two versions of cgroups have two words for those.
fn memory(told: &Value) -> Option<u64> {
    let usage = told["usage"].as_u64()?;
    let idle = ["total_inactive_file", "inactive_file"];
    let idle = idle.into_iter().find_map(|key| told["stats"][key].as_u64()).unwrap_or(0);
    Some(if idle < usage { usage - idle } else { usage })
}

fn block(told: &Value) -> Traffic {
    let sum = |wanted: &str| {
        let entries = told.as_array().into_iter().flatten();
        let of = entries
            .filter(|it| it["op"].as_str().is_some_and(|op| op.eq_ignore_ascii_case(wanted)));
        of.filter_map(|it| it["value"].as_u64()).sum()
    };
    Traffic { in_bytes: sum("read"), out_bytes: sum("write") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_used_must_be_read_under_both_versions_of_cgroups() {
        for (idle, read_op) in [("total_inactive_file", "Read"), ("inactive_file", "read")] {
            let told = json!({
                "read": "2026-01-31T09:30:00.5Z",
                "cpu_stats": { "cpu_usage": { "total_usage": 28_080_888 } },
                "memory_stats": { "usage": 5000, "limit": 9000, "stats": { idle: 2000 } },
                "networks": { "eth0": { "rx_bytes": 5, "tx_bytes": 7 },
                              "eth1": { "rx_bytes": 1, "tx_bytes": 1 } },
                "blkio_stats": { "io_service_bytes_recursive": [
                    { "op": read_op, "value": 10 }, { "op": "write", "value": 3 },
                    { "op": read_op, "value": 1 }, { "op": "Total", "value": 14 },
                ] },
            });
            let usage = read(&told).unwrap();
            assert_eq!((usage.cpu_nanos, usage.memory_bytes), (28_080_888, 3000));
            assert_eq!(usage.network, Some(Traffic { in_bytes: 6, out_bytes: 8 }));
            assert_eq!(usage.block, Traffic { in_bytes: 11, out_bytes: 3 });
        }
    }

    #[test]
    fn of_what_does_not_run_nothing_must_be_told() {
        let ended = json!({
            "read": "0001-01-01T00:00:00Z", "memory_stats": {},
            "cpu_stats": { "cpu_usage": { "total_usage": 0 } },
            "blkio_stats": { "io_service_bytes_recursive": null },
        });
        assert_eq!(read(&ended), None);
        assert_eq!(read(&json!("nonsense")), None);
    }
}
