//! What a plain scalar means: the core schema of YAML 1.2 (section 10.3), without its traps.
//!
//! `yes`, `on` and `22:22` are text. What people and other readers understand differently
//! (`0755`), and numbers that JSON has no word for, are refused. Pure; `read` calls it.

use serde_json::{Number, Value};

/// Why a scalar is refused, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// The value that a plain scalar means.
pub(super) fn resolve(text: &str) -> Result<Value, Refused> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let number = text.bytes().next().is_some_and(|first| b"+-.0123456789".contains(&first));
    if number { resolve_number(text) } else { Ok(Value::from(text)) }
}

fn resolve_number(text: &str) -> Result<Value, Refused> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|digit| digit.is_digit(radix))
        {
            let too_large = |_| refused_number(text, "is larger than any number here can be");
            return u64::from_str_radix(digits, radix).map(Value::from).map_err(too_large);
        }
    }
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(refused_number(text, "is no number that a manifest can hold"));
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return resolve_integer(text, unsigned);
    }
    if is_float(unsigned) {
        return resolve_float(text);
    }
    Ok(Value::from(text))
}

fn resolve_integer(text: &str, digits: &str) -> Result<Value, Refused> {
    if digits.len() > 1 && digits.starts_with('0') {
        let decimal = digits.trim_start_matches('0');
        let decimal = if decimal.is_empty() { "0" } else { decimal };
        let octal =
            i64::from_str_radix(digits, 8).map(|value| format!("`{value}` if octal is meant, "));
        return Err(Refused {
            message: format!("`{text}` is octal to some readers and decimal to others"),
            help: format!(
                "write {}`{decimal}` if not, or \"{text}\" for text",
                octal.unwrap_or_default()
            ),
        });
    }
    let signed = text.strip_prefix('+').unwrap_or(text);
    if let Ok(value) = signed.parse::<u64>() {
        return Ok(Value::from(value));
    }
    if let Ok(value) = signed.parse::<i64>() {
        return Ok(Value::from(value));
    }
    resolve_float(text)
}

/// A float without a fraction is that whole number, as JSON Schema has it too.
fn resolve_float(text: &str) -> Result<Value, Refused> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let value: f64 = text.parse().unwrap_or(f64::INFINITY);
    if !value.is_finite() {
        return Err(refused_number(text, "is larger than any number here can be"));
    }
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and within 2^53")]
        return Ok(Value::from(value as i64));
    }
    Number::from_f64(value).map(Value::Number).ok_or_else(|| refused_number(text, "is no number"))
}

fn refused_number(text: &str, what: &str) -> Refused {
    let shown: String = text.chars().take(40).collect();
    Refused {
        message: format!("`{shown}` {what}"),
        help: "write a smaller number, or put it into quotes if text is meant".to_owned(),
    }
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(unsigned: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let plain = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !plain.is_empty() && digits(plain)
    });
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && digits(mantissa),
    };
    exponent_fits && mantissa_fits
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalars_mean_what_the_core_schema_says() {
        let cases = [
            ("", Value::Null),
            ("~", Value::Null),
            ("True", json!(true)),
            ("yes", json!("yes")),
            ("on", json!("on")),
            ("12", json!(12)),
            ("-12", json!(-12)),
            ("+12", json!(12)),
            ("0", json!(0)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0o8", json!("0o8")),
            ("1.5", json!(1.5)),
            ("2.0", json!(2)),
            ("1e3", json!(1000)),
            (".5", json!(0.5)),
            ("5.", json!(5)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1e400x", json!("1e400x")),
            (".", json!(".")),
            ("-", json!("-")),
            ("1.2.3", json!("1.2.3")),
            ("22:22", json!("22:22")),
            ("1_000", json!("1_000")),
            ("2026-01-31", json!("2026-01-31")),
        ];
        for (text, value) in cases {
            assert_eq!(resolve(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn numbers_that_mean_two_things_or_nothing_are_refused() {
        let octal = resolve("0755").unwrap_err();
        assert_eq!(octal.message, "`0755` is octal to some readers and decimal to others");
        assert_eq!(octal.help, "write `493` if octal is meant, `755` if not, or \"0755\" for text");
        assert_eq!(resolve("089").unwrap_err().help, "write `89` if not, or \"089\" for text");
        for text in [".nan", "-.inf", "1e309", "0xffffffffffffffffff", "007"] {
            assert!(resolve(text).is_err(), "{text}");
        }
    }
}
