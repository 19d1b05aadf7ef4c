//! Stretches of time as people read them at a glance, like kubectl's.

use std::time::Duration;

/// With one unit or two: `45s`, `5m12s`, `3h7m`, `3d4h`, `12d`, `2y30d`.
#[must_use]
pub fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |first: u64, unit: &str, rest: u64, small: &str| {
        if rest == 0 { format!("{first}{unit}") } else { format!("{first}{unit}{rest}{small}") }
    };
    if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        two(minutes, "m", seconds % 60, "s")
    } else if hours < 3 {
        format!("{minutes}m")
    } else if hours < 8 {
        two(hours, "h", minutes % 60, "m")
    } else if days < 2 {
        format!("{hours}h")
    } else if days < 8 {
        two(days, "d", hours % 24, "h")
    } else if days < 730 {
        format!("{days}d")
    } else if days < 365 * 8 {
        two(days / 365, "y", days % 365, "d")
    } else {
        format!("{}y", days / 365)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_written_as_kubectl_writes_it() {
        let table = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (312, "5m12s"),
            (3600, "60m"),
            (3 * 3600 + 7 * 60 + 5, "3h7m"),
            (9 * 3600 + 7 * 60, "9h"),
            (3 * 86_400 + 4 * 3600, "3d4h"),
            (3 * 86_400, "3d"),
            (12 * 86_400 + 5 * 3600, "12d"),
            (760 * 86_400, "2y30d"),
            (3650 * 86_400, "10y"),
        ];
        for (seconds, wanted) in table {
            assert_eq!(age(Duration::from_secs(seconds)), wanted);
        }
    }
}
