//! How a word of the command line becomes a value.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::cli::daemon;
use crate::domain::name::{Label, WorkerName};
use crate::domain::subnet::Subnet;
use crate::domain::time::Timestamp;

/// The beginning of what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(Timestamp),
}

impl Since {
    /// The moment that is meant.
    #[must_use]
    pub fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => {
                let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
                Timestamp::from_millis(now.millis().saturating_sub(ago).max(0))
            }
        }
    }
}

pub(super) fn parse_worker(text: &str) -> Result<WorkerName, String> {
    Label::parse(text).map_err(|error| error.to_string())
}

pub(super) fn parse_namespace(text: &str) -> Result<Label, String> {
    Label::parse(text).map_err(|error| error.to_string())
}

pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "write a number from 0 to 1, such as 0.5")?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("write 0 to 1".to_owned()) }
}

pub(super) fn parse_pool(text: &str) -> Result<Subnet, String> {
    text.parse().map_err(|error| format!("{error}; write a range such as 10.213.0.0/16"))
}

pub(super) fn parse_prefix(text: &str) -> Result<String, String> {
    let path = daemon::absolute(Path::new(text)).map_err(|it| it.to_string())?;
    Ok(path)
}

pub(super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:9464".to_owned())
}

/// Reads `90`, `90s`, `5m`, `1h`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(end) => text.split_at(end),
        None => (text, "s"),
    };
    let seconds = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let total = number.parse::<u64>().ok().zip(seconds).and_then(|(n, unit)| n.checked_mul(unit));
    total.map(Duration::from_secs).ok_or_else(|| "write a time such as 90s, 5m or 1h".to_owned())
}

/// Reads a time before now, or a moment as RFC 3339 writes it.
pub(super) fn parse_since(text: &str) -> Result<Since, String> {
    let moment = || Timestamp::parse(text).map(Since::At);
    parse_duration(text)
        .map(Since::Ago)
        .or_else(|_| moment())
        .map_err(|_| "write a time such as 10m or 2026-01-31T09:30:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("1h"), Ok(Duration::from_secs(3600)));
        for bad in ["", "m", "-1s", "1.5h", "5 m", "99999999999999999999s", "9999999999999999999h"]
        {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_beginning_is_a_time_ago_or_a_moment() {
        assert_eq!(parse_since("10m"), Ok(Since::Ago(Duration::from_secs(600))));
        let moment = Timestamp::from_millis(1_000);
        assert_eq!(parse_since("1970-01-01T01:00:01+01:00"), Ok(Since::At(moment)));
        for bad in ["", "yesterday", "2026-01-31"] {
            assert!(parse_since(bad).is_err(), "{bad}");
        }
    }
}
