//! CPU, memory and processes.

use super::Findings;
use crate::domain::template::{Limits, Requests, Resources};
use crate::manifest::quantity::{self, QuantityError};
use crate::manifest::raw;
use crate::manifest::words::shorten;

/// The engine refuses less memory.
const LEAST_MEMORY: u64 = 6 * 1024 * 1024;
/// The kernel's scheduler takes no smaller share: 1 ms of each 100 ms.
const LEAST_NANO_CPUS: u64 = 10_000_000;

pub(super) fn check(raw: Option<&raw::Resources>, findings: &mut Findings) -> Resources {
    let Some(raw) = raw else { return Resources::default() };
    let raw_limits = raw.limits.clone().unwrap_or_default();
    let raw_requests = raw.requests.clone().unwrap_or_default();
    let base = "/spec/resources";
    let limits = Limits {
        nano_cpus: cpus(raw_limits.cpu.as_ref(), &format!("{base}/limits/cpu"), findings),
        memory: memory(raw_limits.memory.as_ref(), &format!("{base}/limits/memory"), findings),
        pids: raw_limits.pids,
    };
    let requests = Requests {
        nano_cpus: cpus(raw_requests.cpu.as_ref(), &format!("{base}/requests/cpu"), findings),
        memory: memory(raw_requests.memory.as_ref(), &format!("{base}/requests/memory"), findings),
    };
    for (name, limit, request) in
        [("cpu", limits.nano_cpus, requests.nano_cpus), ("memory", limits.memory, requests.memory)]
    {
        if let (Some(limit), Some(request)) = (limit, request)
            && request > limit
        {
            findings.value(
                format!("{base}/requests/{name}"),
                format!("more {name} is requested than the limit allows"),
                "write no more than the limit, or raise that",
            );
        }
    }
    Resources { limits, requests }
}

fn cpus(raw: Option<&raw::Quantity>, pointer: &str, findings: &mut Findings) -> Option<u64> {
    let raw::Quantity(text) = raw?;
    match quantity::nano_cpus(text) {
        Ok(nanos) if nanos < LEAST_NANO_CPUS => {
            let message = format!("`{}` of a processor is too little to run on", shorten(text));
            findings.value(pointer, message, "write `10m` or more; `500m` is half a processor");
            None
        }
        Ok(nanos) => Some(nanos),
        Err(error) => {
            let help = "write `500m` for half a processor, or `2` for two";
            refuse(text, error, pointer, help, findings);
            None
        }
    }
}

fn memory(raw: Option<&raw::Quantity>, pointer: &str, findings: &mut Findings) -> Option<u64> {
    let count = bytes(raw?, pointer, findings)?;
    if count < LEAST_MEMORY {
        let message = format!("{count} bytes of memory are fewer than the engine takes");
        findings.value(pointer, message, "write `6Mi` or more");
        return None;
    }
    Some(count)
}

/// Bytes; what is wrong is noted.
pub(super) fn bytes(raw: &raw::Quantity, pointer: &str, findings: &mut Findings) -> Option<u64> {
    let raw::Quantity(text) = raw;
    match quantity::bytes(text) {
        Ok(count) => Some(count),
        Err(QuantityError::Fraction) if text.ends_with('m') => {
            let number = text.trim_end_matches('m');
            let message = format!("`{}` is thousandths of a byte", shorten(text));
            findings.value(pointer, message, format!("did you mean `{}Mi`?", shorten(number)));
            None
        }
        Err(error) => {
            refuse(text, error, pointer, "write `128Mi`, or a number of bytes", findings);
            None
        }
    }
}

fn refuse(text: &str, error: QuantityError, pointer: &str, help: &str, findings: &mut Findings) {
    let shown = shorten(text);
    let message = match error {
        QuantityError::Malformed => format!("`{shown}` is no quantity"),
        QuantityError::Fraction => format!("`{shown}` has a part too small to count"),
        QuantityError::TooLarge => format!("`{shown}` is more than can be counted"),
    };
    findings.value(pointer, message, help);
}
