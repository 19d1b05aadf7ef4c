//! What a scrape tells.

/// The value of a series, such as `up{job="a"}`.
pub fn sample(text: &str, series: &str) -> Option<f64> {
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(value.parse().unwrap())
}
