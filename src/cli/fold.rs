//! Text in a terminal: folded at its words, cut where that does no harm. In a pipe or a file nothing
//! is: what reads there wants all of it, a line a thing.

use std::io::{IsTerminal, stderr, stdout};
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;
use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm, wrap};

/// How many columns there are; `None`: as many as are needed.
pub type Room = Option<usize>;

/// No terminal is taken to be narrower.
const LEAST: usize = 20;

/// What a terminal is taken to have that does not say.
const USUAL_ROWS: usize = 24;

/// The columns of standard output.
#[must_use]
pub fn room() -> Room {
    of(&stdout())
}

/// The columns of standard error.
#[must_use]
pub fn room_to_talk() -> Room {
    of(&stderr())
}

fn of(stream: &(impl AsFd + IsTerminal)) -> Room {
    // Some terminals know their width and not their height.
    let size = tcgetwinsize(stream).ok().map(|size| size.ws_col);
    columns(stream.is_terminal(), std::env::var("COLUMNS").ok().as_deref(), size)
}

/// What was asked for comes before what the terminal says.
fn columns(is_terminal: bool, asked: Option<&str>, size: Option<u16>) -> Room {
    let asked = asked.and_then(|text| text.trim().parse().ok()).filter(|width| *width > 0);
    let size = size.map(usize::from).filter(|width| *width > 0);
    asked.or(size).filter(|_| is_terminal).map(|width| width.max(LEAST))
}

/// The rows of standard error.
#[must_use]
pub fn rows_to_talk() -> usize {
    let rows = tcgetwinsize(stderr()).ok().map(|size| usize::from(size.ws_row));
    rows.filter(|rows| *rows > 0).unwrap_or(USUAL_ROWS)
}

/// How many columns a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    display_width(text)
}

/// A line, folded at its words: what does not fit goes on beneath it, `hang` columns in, or less
/// where a word needs the place. A word that is too long stays whole, so that a path can be copied.
#[must_use]
pub fn line(text: &str, hang: usize, room: Room) -> String {
    let Some(room) = room.filter(|room| width(text) > *room) else { return text.to_owned() };
    let lead = " ".repeat(text.len() - text.trim_start_matches(' ').len());
    let longest = text.split(' ').map(width).max().unwrap_or(0);
    let fits = hang <= room / 2 && hang + longest <= room;
    let hang = " ".repeat(if fits { hang } else { hang.min(lead.len() + 2) });
    let options = options(room).initial_indent(&lead).subsequent_indent(&hang);
    wrap(text.trim_start_matches(' '), options).join("\n")
}

/// Lines, each as [`line()`]: what does not fit goes on two columns further in.
#[must_use]
pub fn lines(text: &str, room: Room) -> String {
    let fold = |text: &str| {
        let lead = text.len() - text.trim_start_matches(' ').len();
        line(text, lead + 2, room)
    };
    text.split('\n').map(fold).collect::<Vec<_>>().join("\n")
}

/// Lines, each as [`line()`]: what does not fit goes on beneath its beginning.
#[must_use]
pub fn paragraphs(text: &str, room: Room) -> String {
    let fold = |text: &str| line(text, text.len() - text.trim_start_matches(' ').len(), room);
    text.split('\n').map(fold).collect::<Vec<_>>().join("\n")
}

/// What [`crate::manifest::render`] made: the lines of files and where they stand are left alone.
#[must_use]
pub fn diagnostics(text: &str, room: Room) -> String {
    let fold = |text: &str| {
        let bare = anstream::adapter::strip_str(text).to_string();
        let is_sentence = bare.starts_with("error") || bare.starts_with("warning");
        let is_help = bare.trim_start().starts_with("= help: ");
        if is_sentence || is_help {
            line(text, if is_help { bare.find('=').unwrap_or(0) + 2 } else { 2 }, room)
        } else {
            text.to_owned()
        }
    };
    text.split('\n').map(fold).collect::<Vec<_>>().join("\n")
}

/// The parts of a text that fit one beneath the other into so many columns.
#[must_use]
pub fn parts(text: &str, room: usize) -> Vec<String> {
    wrap(text, options(room)).into_iter().map(std::borrow::Cow::into_owned).collect()
}

/// A text of at most so many columns; `…` stands for what is cut off.
#[must_use]
pub fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut cut = String::new();
    for c in text.chars() {
        cut.push(c);
        if width(&cut) >= room {
            cut.pop();
            break;
        }
    }
    cut + "…"
}

fn options<'a>(room: usize) -> Options<'a> {
    Options::new(room)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_must_be_as_wide_as_is_asked_for_or_it_says_and_a_pipe_without_end() {
        assert_eq!(columns(true, None, Some(40)), Some(40));
        assert_eq!(columns(true, Some("60"), Some(40)), Some(60));
        assert_eq!(columns(true, Some("0"), Some(40)), Some(40));
        assert_eq!(columns(true, Some("wide"), None), None);
        assert_eq!(columns(true, None, Some(0)), None);
        assert_eq!(columns(true, None, Some(3)), Some(LEAST));
        assert_eq!(columns(false, Some("40"), Some(40)), None);
    }

    #[test]
    fn a_sentence_must_be_folded_at_its_words_and_hang() {
        let text = "  0.1 because the manifest of a/rather/long/path/web.yaml asks for it";
        assert_eq!(line(text, 4, None), text);
        assert_eq!(line(text, 4, Some(200)), text);
        assert_eq!(
            line(text, 4, Some(30)),
            "  0.1 because the manifest of\n    a/rather/long/path/web.yaml\n    asks for it"
        );
        let field = "Name:        default/a-rather-long-name";
        assert_eq!(line(field, 13, Some(30)), "Name:\n  default/a-rather-long-name");
        let narrow = line(text, 4, Some(20));
        assert!(narrow.contains("\n    a/rather/long/path/web.yaml\n"), "{narrow}");
        assert_eq!(
            lines("one two three four five\n  six", Some(12)),
            "one two\n  three four\n  five\n  six"
        );
    }

    #[test]
    fn what_is_cut_must_say_so_and_fit() {
        assert_eq!(cut("nginx:1.27", 10), "nginx:1.27");
        assert_eq!(cut("nginx:1.27", 6), "nginx…");
        assert_eq!(cut("日本語です", 6), "日本…");
    }
}
