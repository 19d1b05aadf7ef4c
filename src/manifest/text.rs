//! The bytes of a file as text, and places in it.
//!
//! Refuses what is no text before a parser sees it. Knows nothing of YAML. The rest of `manifest`
//! calls it.

use std::cell::OnceCell;

use crate::domain::diagnostic::{Diagnostic, InvalidReason, Span};

/// The largest manifest file, in bytes.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A line is shown up to so many characters; of a longer one nothing is shown past them.
const LINE_SHOWN: usize = 400;

/// A stretch of one line, without its text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    /// Counted from 1; 0: the file as a whole.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// In characters; [`Spot::TO_LINE_END`] if it goes on in the next line.
    pub width: u32,
}

impl Spot {
    /// The width of what goes on in the next line.
    pub const TO_LINE_END: u32 = u32::MAX;

    /// The file as a whole.
    pub const FILE: Self = Self { line: 0, column: 0, width: 0 };
}

/// Something wrong, at a place of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// Where.
    pub spot: Spot,
    /// Of what kind.
    pub reason: InvalidReason,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Problem {
    /// A problem of the text itself.
    pub fn parse(spot: Spot, message: impl Into<String>, help: impl Into<String>) -> Self {
        let reason = InvalidReason::ParseFailed;
        Self { spot, reason, message: message.into(), help: Some(help.into()) }
    }
}

/// A file that is text.
#[derive(Debug)]
pub(super) struct Text<'a> {
    file: &'a str,
    body: &'a str,
    lines: OnceCell<Vec<&'a str>>,
}

impl<'a> Text<'a> {
    /// Takes the bytes of `file`, without a byte order mark.
    pub fn of(file: &'a str, bytes: &'a [u8]) -> Result<Self, Diagnostic> {
        let refused = |text: &Self, spot, message: String, help: &str| {
            text.diagnostic(Problem::parse(spot, message, help))
        };
        let empty = Self { file, body: "", lines: OnceCell::new() };
        if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE_BYTES) {
            let message = "the file is larger than 1 MiB, the most that is read".to_owned();
            return Err(refused(&empty, Spot::FILE, message, "split it into several files"));
        }
        let body = match std::str::from_utf8(bytes) {
            Ok(body) => body,
            Err(error) => {
                let readable = &bytes[..error.valid_up_to()];
                let text = Self::decoded(file, std::str::from_utf8(readable).unwrap_or_default());
                let message = "the file is not UTF-8 text".to_owned();
                return Err(refused(&text, text.end(), message, "save it as UTF-8"));
            }
        };
        let text = Self::decoded(file, body);
        match text.body.char_indices().find(|(_, character)| !is_printable(*character)) {
            None => Ok(text),
            Some((at, character)) => {
                let before = Self::decoded(file, &text.body[..at]);
                let message = format!(
                    "the control character U+{:04X} can't stand in a manifest",
                    u32::from(character)
                );
                let help = "remove it, or write it as an escape such as \"\\x1b\" in double quotes";
                let spot = Spot { width: 1, ..before.end() };
                Err(refused(&before, spot, message, help))
            }
        }
    }

    fn decoded(file: &'a str, body: &'a str) -> Self {
        let body = body.strip_prefix('\u{feff}').unwrap_or(body);
        Self { file, body, lines: OnceCell::new() }
    }

    /// The text itself.
    pub fn body(&self) -> &'a str {
        self.body
    }

    /// What stands at `spot`, as it was written.
    pub fn written(&self, spot: Spot) -> &'a str {
        let line = self.line(spot.line);
        let from = char_offset(line, spot.column.saturating_sub(1));
        let rest = &line[from..];
        &rest[..char_offset(rest, spot.width)]
    }

    /// `problem` as people get it.
    pub fn diagnostic(&self, problem: Problem) -> Diagnostic {
        Diagnostic {
            file: self.file.to_owned(),
            place: (problem.spot.line > 0).then(|| self.span(problem.spot)),
            reason: problem.reason,
            message: problem.message,
            help: problem.help,
        }
    }

    fn span(&self, spot: Spot) -> Span {
        let written = self.written(spot);
        let width = written.trim_end().chars().count().max(1);
        Span {
            line: spot.line,
            column: spot.column.max(1),
            width: u32::try_from(width).unwrap_or(u32::MAX),
            text: self.line(spot.line).chars().take(LINE_SHOWN).collect(),
        }
    }

    fn line(&self, number: u32) -> &'a str {
        let lines = self.lines.get_or_init(|| split_lines(self.body));
        usize::try_from(number)
            .ok()
            .and_then(|number| lines.get(number.checked_sub(1)?).copied())
            .unwrap_or_default()
    }

    /// Just after the last character.
    fn end(&self) -> Spot {
        let lines = split_lines(self.body);
        let last = lines.last().map_or(0, |line| line.chars().count());
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Spot { line: count(lines.len()).max(1), column: count(last + 1), width: 1 }
    }
}

/// The lines of a text, as YAML breaks them: at LF, CR LF and CR.
fn split_lines(body: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.find(['\n', '\r']) {
        lines.push(&rest[..at]);
        let width = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[at + width..];
    }
    lines.push(rest);
    lines
}

/// The byte that `text`'s character number `count` begins at, or its end.
fn char_offset(text: &str, count: u32) -> usize {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    text.char_indices().nth(count).map_or(text.len(), |(at, _)| at)
}

/// What YAML 1.2 lets stand in a text (section 5.1), but for a byte order mark within it.
fn is_printable(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' | '\u{85}' => true,
        '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        other => !other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        Text::of("a.yaml", bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_text() {
        assert_eq!(Text::of("a.yaml", "\u{feff}a: 1".as_bytes()).unwrap().body(), "a: 1");
    }

    #[test]
    fn what_is_no_text_is_refused_at_its_place() {
        assert!(refusal(b"a: 1\nb: \xff\n").starts_with("a.yaml:2:4: the file is not UTF-8"));
        assert!(
            refusal(b"a: 1\r\nb: \x00").starts_with("a.yaml:2:4: the control character U+0000")
        );
        assert!(refusal("a: \u{9b}".as_bytes()).contains("U+009B"));
        assert!(refusal("a: 1\n\u{feff}b: 2".as_bytes()).contains("U+FEFF"));
    }

    #[test]
    fn a_file_is_at_most_one_mebibyte() {
        let most = usize::try_from(MAX_FILE_BYTES).unwrap();
        assert!(Text::of("a.yaml", &vec![b'#'; most]).is_ok());
        assert!(refusal(&vec![b'#'; most + 1]).starts_with("a.yaml: the file is larger"));
    }

    #[test]
    fn a_place_is_counted_in_characters() {
        let text = Text::of("a.yaml", "x\rä: böse  \n".as_bytes()).unwrap();
        let spot = Spot { line: 2, column: 4, width: Spot::TO_LINE_END };
        assert_eq!(text.written(spot), "böse  ");
        let place = text.span(spot);
        assert_eq!((place.line, place.column, place.width), (2, 4, 4));
        assert_eq!(place.text, "ä: böse  ");
    }
}
