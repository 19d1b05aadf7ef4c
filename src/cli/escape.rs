//! Text from files and from the engine, made harmless for a terminal: it is data, never obeyed.

use std::borrow::Cow;

use crate::domain::diagnostic::{Diagnostic, Span};

/// The text on one line: breaks become spaces, other control characters are shown and not sent.
/// As many characters come out as go in, so that columns stay where they are.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    each(text, |c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { shown(c) })
}

/// The text with its line breaks and tabs; other control characters are shown and not sent.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    each(text, |c| if matches!(c, '\n' | '\t') { c } else { shown(c) })
}

/// A diagnostic that does no harm to a terminal; its place stays right.
#[must_use]
pub fn problem(found: &Diagnostic) -> Diagnostic {
    let line = |text: &str| line(text).into_owned();
    Diagnostic {
        file: line(&found.file),
        place: found.place.clone().map(|place| Span { text: line(&place.text), ..place }),
        reason: found.reason,
        message: line(&found.message),
        help: found.help.as_deref().map(line),
    }
}

fn each(text: &str, change: impl Fn(char) -> char) -> Cow<'_, str> {
    if text.chars().all(|c| change(c) == c) {
        Cow::Borrowed(text)
    } else {
        text.chars().map(change).collect::<String>().into()
    }
}

/// Unicode has a picture of each ASCII control character. What would turn the order of the text
/// around is as bad as a control character.
fn shown(c: char) -> char {
    match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_must_not_be_steered_by_what_is_shown() {
        assert_eq!(line("a\u{1b}[31mb\r\nc\u{7f}\u{9b}\u{202e}"), "a␛[31mb  c␡��");
        assert_eq!(lines("a\tb\nc\u{1b}"), "a\tb\nc␛");
        assert!(matches!(line("plain – ä"), Cow::Borrowed(_)));
    }
}
