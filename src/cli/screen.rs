//! Standard error: lines that stay, and in a terminal a block beneath them that is drawn anew.
//!
//! The cursor rests where the block begins. Whatever the size of a terminal comes to, and whether it
//! folds its lines anew or cuts them, it keeps the cursor there: so what is drawn over is the block,
//! never a line above it. That is why no library draws it: those count the rows that they drew, and
//! after a resize erase too many or too few.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::args::{Common, LogFormat};

/// Goes to the beginning of the row, and clears what is from there on.
const CLEAR: &str = "\r\x1b[J";

/// No row is folded: should a terminal take a character for wider than it is, a row is cut by that.
const CUT: &str = "\x1b[?7l";

/// Rows are folded as before.
const FOLD: &str = "\x1b[?7h";

/// Lines that come sooner after the block was drawn leave it out, so that many at once are not each
/// followed by all of it.
const CALM: Duration = Duration::from_millis(20);

/// There is one standard error, and so one block.
static BLOCK: Mutex<Block> = Mutex::new(Block::NONE);

/// Tells that lines have left the block out.
static LEFT_OUT: Notify = Notify::const_new();

/// A terminal in which a block is shown; without it, lines alone.
#[derive(Debug)]
pub struct Screen(&'static Mutex<Block>);

impl Screen {
    /// `None` where there are lines alone: no terminal, one that can't move its cursor, or somebody
    /// who has asked for a log of their own.
    #[must_use]
    pub fn open(common: &Common) -> Option<Self> {
        let is_able =
            std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
        let is_asked = common.log.as_ref().is_some_and(|log| !log.is_empty())
            || common.log_format != LogFormat::Text;
        (io::stderr().is_terminal() && is_able && !is_asked).then_some(Self(&BLOCK))
    }

    /// Shows these rows, none of which may be wider than the terminal; nothing is written where they
    /// stand there already, or where another process has the terminal.
    pub fn show(&self, rows: &[String]) {
        let rows = rows.iter().map(|row| dressed(row)).collect();
        with(self.0, |block| {
            block.is_left_out = false;
            if is_ours() { block.show(rows) } else { String::new() }
        });
    }

    /// Waits until lines have left the block out and it is time to show it again.
    pub async fn left_out(&self) {
        while !lock(self.0).is_left_out {
            LEFT_OUT.notified().await;
        }
        sleep(CALM).await;
    }

    /// Something else was done to the terminal: the next rows are drawn even if they are the same.
    pub fn disturbed(&self) {
        with(self.0, Block::clear);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.show(&[]);
    }
}

/// Writes lines that stay.
pub fn line(text: &str) {
    let text = dressed(text);
    with(&BLOCK, |block| block.above(&text, Instant::now()));
    if lock(&BLOCK).is_left_out {
        LEFT_OUT.notify_one();
    }
}

fn lock(block: &Mutex<Block>) -> MutexGuard<'_, Block> {
    block.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with(block: &Mutex<Block>, change: impl FnOnce(&mut Block) -> String) {
    // The lock is held while it is written, so that what several threads say comes in turn.
    let mut block = lock(block);
    block.is_drawn = block.is_drawn && is_ours();
    let bytes = change(&mut block);
    if !bytes.is_empty() {
        let mut stderr = io::stderr().lock();
        // Where nobody listens there is nobody to tell so.
        let _closed = stderr.write_all(bytes.as_bytes()).and_then(|()| stderr.flush());
    }
}

/// The text with its colours, or without where none are wanted.
fn dressed(text: &str) -> String {
    match AutoStream::choice(&io::stderr()) {
        ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
        ColorChoice::Auto | ColorChoice::AlwaysAnsi | ColorChoice::Always => text.to_owned(),
    }
}

/// Whether the terminal is this process's to draw in: not where a shell has it in the background.
fn is_ours() -> bool {
    tcgetpgrp(io::stderr()).map_or(true, |group| group == getpgrp())
}

/// What is beneath the lines that stay.
#[derive(Debug)]
struct Block {
    rows: Vec<String>,
    /// It stands in the terminal, with the cursor at its beginning.
    is_drawn: bool,
    /// When it was drawn beneath lines last.
    followed: Option<Instant>,
    /// It does not stand beneath the last lines, though it did before them.
    is_left_out: bool,
}

impl Block {
    const NONE: Self =
        Self { rows: Vec::new(), is_drawn: false, followed: None, is_left_out: false };

    /// What shows these rows.
    fn show(&mut self, rows: Vec<String>) -> String {
        if self.rows == rows && self.is_drawn != rows.is_empty() {
            return String::new();
        }
        let clear = self.clear();
        self.is_drawn = !rows.is_empty();
        self.rows = rows;
        clear + &self.drawn()
    }

    /// What clears it.
    fn clear(&mut self) -> String {
        let clear = if self.is_drawn { CLEAR } else { "" };
        self.is_drawn = false;
        clear.to_owned()
    }

    /// What writes lines, and draws it beneath them, unless that was done just before.
    fn above(&mut self, text: &str, now: Instant) -> String {
        let is_drawn = self.is_drawn;
        let clear = self.clear();
        if is_drawn {
            self.is_left_out = self.followed.is_some_and(|before| now - before < CALM);
            self.is_drawn = !self.is_left_out;
            self.followed = if self.is_drawn { Some(now) } else { self.followed };
        }
        format!("{clear}{text}\n{}", self.drawn())
    }

    fn drawn(&self) -> String {
        if !self.is_drawn {
            return String::new();
        }
        let up = match self.rows.len() {
            0 | 1 => String::new(),
            rows => format!("\x1b[{}A", rows - 1),
        };
        format!("{CUT}{}\r{up}{FOLD}", self.rows.join("\r\n"))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use super::*;

    /// A terminal with a block in it.
    struct Terminal(vt100::Parser, Block, Instant);

    impl Terminal {
        fn of(rows: u16, columns: u16) -> Self {
            let size = |count| NonZero::new(count).unwrap();
            Self(vt100::Parser::new(size(rows), size(columns), 100), Block::NONE, Instant::now())
        }

        fn take(&mut self, bytes: &str) -> bool {
            // As the terminal driver passes it on.
            self.0.process(bytes.replace('\n', "\r\n").as_bytes());
            !bytes.is_empty()
        }

        fn show(&mut self, rows: &[&str]) -> bool {
            let bytes = self.1.show(rows.iter().map(|row| (*row).to_owned()).collect());
            self.take(&bytes)
        }

        /// A line that comes a while after the one before.
        fn line(&mut self, text: &str) {
            self.2 += CALM;
            self.line_at_once(text);
        }

        fn line_at_once(&mut self, text: &str) {
            let bytes = self.1.above(text, self.2);
            self.take(&bytes);
        }

        /// What is seen, and the row that the cursor is in.
        fn seen(&self) -> (String, u16) {
            let screen = self.0.screen();
            (screen.contents().trim_end().to_owned(), screen.cursor_position().0)
        }
    }

    fn is(text: &str, row: u16) -> (String, u16) {
        (text.to_owned(), row)
    }

    #[test]
    fn lines_stay_above_the_block_and_the_cursor_at_its_beginning() {
        let mut terminal = Terminal::of(6, 20);
        terminal.line("one");
        assert!(terminal.show(&["a 10%", "b waits", "2 tasks"]));
        assert_eq!(terminal.seen(), is("one\na 10%\nb waits\n2 tasks", 1));
        terminal.line("two");
        assert_eq!(terminal.seen(), is("one\ntwo\na 10%\nb waits\n2 tasks", 2));
        // Where it is at the bottom, what is above it goes up.
        terminal.line("three\nfour");
        assert_eq!(terminal.seen(), is("two\nthree\nfour\na 10%\nb waits\n2 tasks", 3));
        assert!(terminal.show(&["a 20%", "2 tasks"]));
        assert_eq!(terminal.seen(), is("two\nthree\nfour\na 20%\n2 tasks", 3));
        assert!(terminal.show(&[]));
        assert_eq!(terminal.seen(), is("two\nthree\nfour", 3));
        terminal.line("five");
        assert_eq!(terminal.seen(), is("two\nthree\nfour\nfive", 4));
    }

    #[test]
    fn lines_that_come_all_at_once_must_not_each_be_followed_by_all_of_the_block() {
        let mut terminal = Terminal::of(8, 20);
        terminal.show(&["a 10%", "1 task"]);
        terminal.line("one");
        assert_eq!(terminal.seen(), is("one\na 10%\n1 task", 1));
        terminal.line_at_once("two");
        terminal.line_at_once("three");
        assert_eq!(terminal.seen(), is("one\ntwo\nthree", 3));
        assert!(terminal.1.is_left_out);
        assert!(terminal.show(&["a 10%", "1 task"]));
        assert_eq!(terminal.seen(), is("one\ntwo\nthree\na 10%\n1 task", 3));
        terminal.line("four");
        assert_eq!(terminal.seen(), is("one\ntwo\nthree\nfour\na 10%\n1 task", 4));
    }

    #[test]
    fn what_stands_there_already_must_not_be_written_again() {
        let mut terminal = Terminal::of(6, 20);
        assert!(!terminal.show(&[]));
        assert!(terminal.show(&["a"]));
        assert!(!terminal.show(&["a"]));
        let bytes = terminal.1.clear();
        assert!(terminal.take(&bytes));
        assert_eq!(terminal.seen(), is("", 0));
        assert!(terminal.show(&["a"]));
    }

    #[test]
    fn a_row_that_the_terminal_takes_for_too_wide_must_be_cut_by_it_and_no_line_be() {
        let mut block = Block::NONE;
        let rows = ["a".to_owned(), "b".to_owned()];
        assert_eq!(block.show(rows.into()), "\x1b[?7la\r\nb\r\x1b[1A\x1b[?7h");
        assert_eq!(block.above("c", Instant::now()), "\r\x1b[Jc\n\x1b[?7la\r\nb\r\x1b[1A\x1b[?7h");
    }

    #[test]
    fn a_terminal_that_folds_its_lines_anew_must_keep_what_is_above_the_block() {
        let mut terminal = Terminal::of(10, 20);
        terminal.line("one");
        terminal.show(&["a 10% of everything", "b waits for a while"]);
        let bytes = terminal.1.clear();
        // As such a terminal has it once it is half as wide: the cursor went with its line.
        let mut folded = Terminal::of(10, 10);
        folded.take("one\r\na 10% of ev\r\nerything\r\nb waits fo\r\nr a while\x1b[2;1H");
        folded.1 = terminal.1;
        folded.take(&bytes);
        folded.show(&["a 10% of…", "b waits f…"]);
        assert_eq!(folded.seen(), is("one\na 10% of…\nb waits f…", 1));
    }
}
