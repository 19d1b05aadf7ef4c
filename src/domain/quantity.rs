//! Amounts as a manifest writes them, exactly: Kubernetes' quantities.

/// A processor, in billionths.
const CPU: u64 = 1_000_000_000;

/// The engine's weight for one processor.
const SHARES: u64 = 1024;

/// Bytes, in the largest unit of which there is a whole number: `64Mi`, `1G`, `1023`.
#[must_use]
pub fn bytes(count: u64) -> String {
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    const DECIMAL: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    if count.is_multiple_of(1024) {
        in_units(count, 1024, BINARY)
    } else {
        in_units(count, 1000, DECIMAL)
    }
}

/// `count` in the largest unit that divides it; each is `step` of the one before.
fn in_units(count: u64, step: u64, units: [&str; 6]) -> String {
    let (mut left, mut suffix) = (count, "");
    for unit in units {
        if left == 0 || !left.is_multiple_of(step) {
            break;
        }
        (left, suffix) = (left / step, unit);
    }
    format!("{left}{suffix}")
}

/// Processors, of billionths: `2`, `250m`, `7n`.
#[must_use]
pub fn cpus(nano_cpus: u64) -> String {
    let units = [(CPU, ""), (CPU / 1000, "m"), (1000, "u")];
    let whole = units.into_iter().find(|(size, _)| nano_cpus.is_multiple_of(*size));
    let (size, suffix) = whole.unwrap_or((1, "n"));
    format!("{}{suffix}", nano_cpus / size)
}

/// Processors, of the engine's weight: the thousandths that a manifest asks for to get it.
#[must_use]
pub fn cpus_of_shares(shares: u64) -> String {
    let millis = u128::from(shares) * 1000;
    let millis = millis.div_ceil(u128::from(SHARES));
    cpus(u64::try_from(millis).unwrap_or(u64::MAX).saturating_mul(CPU / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_reads_as_a_manifest_has_it() {
        for (count, shown) in [
            (0, "0"),
            (1, "1"),
            (1023, "1023"),
            (64 << 20, "64Mi"),
            (1 << 30, "1Gi"),
            (3 << 29, "1536Mi"),
            (1_000_000_000, "1G"),
            (1_000_000, "1M"),
            (1 << 60, "1Ei"),
        ] {
            assert_eq!(bytes(count), shown);
        }
        for (nanos, shown) in [
            (0, "0"),
            (7, "7n"),
            (2_000, "2u"),
            (250_000_000, "250m"),
            (1_500_000_000, "1500m"),
            (2_000_000_000, "2"),
        ] {
            assert_eq!(cpus(nanos), shown);
        }
    }

    #[test]
    fn a_weight_reads_as_the_thousandths_that_ask_for_it() {
        use crate::domain::template::Requests;

        for millis in 2..5000 {
            let asked = Requests { nano_cpus: Some(millis * 1_000_000), memory: None };
            let shares = asked.reserved().cpu_shares.unwrap();
            assert_eq!(cpus_of_shares(shares), cpus(millis * 1_000_000), "{shares}");
        }
    }
}
