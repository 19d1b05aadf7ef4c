//! Kubernetes quantities, exactly: a value that is not whole in its unit is refused, never rounded.
//!
//! The grammar is apimachinery's `resource.Quantity`, without signs. Pure; `check` calls it.

/// Why a text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuantityError {
    /// It is not written as a quantity.
    Malformed,
    /// It is a part of a unit that can't be divided.
    Fraction,
    /// It is more than can be counted.
    TooLarge,
}

/// Billionths of a processor.
pub(super) fn nano_cpus(text: &str) -> Result<u64, QuantityError> {
    exact(text, 9)
}

/// Bytes.
pub(super) fn bytes(text: &str) -> Result<u64, QuantityError> {
    exact(text, 0)
}

/// `text` as it is surely meant, if that is a quantity: `128 MB` is `128M`.
pub(super) fn mended(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    let number = plain.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let unit = match plain[number.len()..].to_lowercase().as_str() {
        "b" | "byte" | "bytes" => "",
        "k" | "kb" => "k",
        "kib" | "ki" => "Ki",
        "mb" => "M",
        "mib" | "mi" => "Mi",
        "g" | "gb" => "G",
        "gib" | "gi" => "Gi",
        "t" | "tb" => "T",
        "tib" | "ti" => "Ti",
        _ => return None,
    };
    let mended = format!("{number}{unit}");
    (exact(&mended, 0) != Err(QuantityError::Malformed)).then_some(mended)
}

/// The value of `text` in units of 10 to the minus `digits`.
fn exact(text: &str, digits: i32) -> Result<u64, QuantityError> {
    let end = text.find(|next: char| !next.is_ascii_digit() && next != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(QuantityError::Malformed);
    }
    let (factor, exponent) = unit(suffix).ok_or(QuantityError::Malformed)?;
    let fraction = fraction.trim_end_matches('0');
    let places = i32::try_from(fraction.len()).map_err(|_| QuantityError::Fraction)?;
    let all = format!("{whole}{fraction}");
    let all = all.trim_start_matches('0');
    if all.is_empty() {
        return Ok(0);
    }
    let mantissa: u128 = all.parse().map_err(|_| QuantityError::TooLarge)?;
    let scaled = mantissa.checked_mul(factor).ok_or(QuantityError::TooLarge)?;
    let exponent = exponent.saturating_add(digits).saturating_sub(places);
    let power = 10_u128.checked_pow(exponent.unsigned_abs());
    let value = if exponent >= 0 {
        power.and_then(|power| scaled.checked_mul(power)).ok_or(QuantityError::TooLarge)?
    } else {
        let power = power.ok_or(QuantityError::Fraction)?;
        if scaled % power != 0 {
            return Err(QuantityError::Fraction);
        }
        scaled / power
    };
    // The engine counts with 64 bits and a sign.
    let value = i64::try_from(value).map_err(|_| QuantityError::TooLarge)?;
    Ok(value.unsigned_abs())
}

/// What a suffix multiplies with: a factor, and a power of ten.
fn unit(suffix: &str) -> Option<(u128, i32)> {
    let unit = match suffix {
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "" => (1, 0),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let limit = if exponent.starts_with('-') { -1000 } else { 1000 };
            (1, exponent.parse().unwrap_or(limit).clamp(-1000, 1000))
        }
    };
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_what_kubernetes_makes_of_them() {
        for (text, nanos) in [
            ("1", 1_000_000_000),
            ("500m", 500_000_000),
            ("0.5", 500_000_000),
            (".5", 500_000_000),
            ("1.", 1_000_000_000),
            ("1n", 1),
            ("0", 0),
            ("2e-3", 2_000_000),
        ] {
            assert_eq!(nano_cpus(text), Ok(nanos), "{text}");
        }
        for (text, count) in [
            ("128Mi", 134_217_728),
            ("1G", 1_000_000_000),
            ("1e3", 1000),
            ("1E", 1_000_000_000_000_000_000),
            ("1E3", 1000),
            ("128.5Ki", 131_584),
            ("0.5Ki", 512),
            ("7E", 7_000_000_000_000_000_000),
        ] {
            assert_eq!(bytes(text), Ok(count), "{text}");
        }
    }

    #[test]
    fn what_is_not_exact_is_refused() {
        use QuantityError::{Fraction, Malformed, TooLarge};
        for (text, error) in [
            ("", Malformed),
            (".", Malformed),
            ("1.2.3", Malformed),
            ("-1", Malformed),
            ("1 Mi", Malformed),
            ("1MB", Malformed),
            ("1e", Malformed),
            ("1e+", Malformed),
            ("0.5", Fraction),
            ("100m", Fraction),
            ("1e-99999999999", Fraction),
            ("10E", TooLarge),
            ("1e99999999999", TooLarge),
            ("99999999999999999999999999999999999999999999", TooLarge),
        ] {
            assert_eq!(bytes(text), Err(error), "{text}");
        }
    }

    #[test]
    fn what_is_surely_meant_is_offered() {
        assert_eq!(mended("128 MB").as_deref(), Some("128M"));
        assert_eq!(mended("1GiB").as_deref(), Some("1Gi"));
        assert_eq!(mended("64mi").as_deref(), Some("64Mi"));
        assert_eq!(mended("lots"), None);
        assert_eq!(mended("b"), None);
    }
}
