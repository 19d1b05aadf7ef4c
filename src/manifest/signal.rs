//! Names of signals, as the engine knows them.
//!
//! Pure; `check` calls it.

/// Signals of Linux by number, from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// The first real-time signal that programs may use.
const RTMIN: usize = 34;
/// The last real-time signal.
const RTMAX: usize = 64;

/// The full name of a signal that is written as `SIGTERM`, `TERM`, `15` or `RTMIN+3`.
pub(super) fn parse(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Ok(number) = name.parse::<usize>() {
        return by_number(number).filter(|_| !name.starts_with('+') && name == upper);
    }
    if NAMES.contains(&name) {
        return Some(format!("SIG{name}"));
    }
    let number = if let Some(offset) = name.strip_prefix("RTMIN") {
        RTMIN + after(offset, '+')?
    } else {
        RTMAX.checked_sub(after(name.strip_prefix("RTMAX")?, '-')?)?
    };
    by_number(number).filter(|_| number >= RTMIN)
}

/// All names, for suggestions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter()
}

fn by_number(number: usize) -> Option<String> {
    match number {
        RTMIN => Some("SIGRTMIN".to_owned()),
        RTMAX => Some("SIGRTMAX".to_owned()),
        // The engine counts the lower half from the first, the upper one from the last.
        35..=49 => Some(format!("SIGRTMIN+{}", number - RTMIN)),
        50..=63 => Some(format!("SIGRTMAX-{}", RTMAX - number)),
        _ => NAMES.get(number.checked_sub(1)?).map(|name| format!("SIG{name}")),
    }
}

fn after(offset: &str, sign: char) -> Option<usize> {
    if offset.is_empty() {
        return Some(0);
    }
    let digits = offset.strip_prefix(sign)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_one_name() {
        for (text, name) in [
            ("SIGTERM", "SIGTERM"),
            ("term", "SIGTERM"),
            ("15", "SIGTERM"),
            ("9", "SIGKILL"),
            ("31", "SIGSYS"),
            ("RTMIN", "SIGRTMIN"),
            ("SIGRTMIN+3", "SIGRTMIN+3"),
            ("37", "SIGRTMIN+3"),
            ("RTMAX-1", "SIGRTMAX-1"),
            ("63", "SIGRTMAX-1"),
            ("RTMIN+30", "SIGRTMAX"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(name), "{text}");
        }
        for text in
            ["", "0", "32", "65", "SIG15", "+15", "SIGSIGTERM", "RTMIN+31", "RTMIN-1", "QUITE"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
