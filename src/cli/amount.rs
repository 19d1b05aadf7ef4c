//! How amounts are shown: as manifests write them, and short.

/// Bytes, in the largest unit of which there is one: `734Ki`, `2.1Mi`.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let mut unit = None;
    let (mut whole, mut rest) = (count, 0);
    for next in UNITS {
        if whole < 1024 {
            break;
        }
        (whole, rest) = (whole / 1024, whole % 1024);
        unit = Some(next);
    }
    match unit {
        None => format!("{count}B"),
        Some(unit) if whole < 10 => format!("{whole}.{}{unit}", rest * 10 / 1024),
        Some(unit) => format!("{whole}{unit}"),
    }
}

/// CPUs, in thousandths: `125m`.
#[must_use]
pub fn cpus(count: f64) -> String {
    format!("{:.0}m", count * 1000.0)
}

/// A share, in hundredths: `12.5%`.
#[must_use]
pub fn share(of_one: f64) -> String {
    format!("{:.1}%", of_one * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_short_and_tells_its_unit() {
        for (count, shown) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.0Ki"),
            (2_204_000, "2.1Mi"),
            (67_108_864, "64Mi"),
            (1 << 40, "1.0Ti"),
            (u64::MAX, "15Ei"),
        ] {
            assert_eq!(bytes(count), shown);
        }
        assert_eq!((cpus(0.1254), share(0.1254)), ("125m".to_owned(), "12.5%".to_owned()));
    }
}
