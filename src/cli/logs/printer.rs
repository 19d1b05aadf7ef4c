//! Where the pieces of several logs become lines that say whose they are.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use anstyle::{AnsiColor, Color, Style};

use crate::cli::out;
use crate::cli::pick::short;
use crate::domain::name::TaskName;
use crate::runtime::LogChunk;

/// A line that is longer is printed in pieces of so many bytes.
const LINE_MAX: usize = 64 * 1024;

/// The colours of slots, in turn.
const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightRed,
];

/// Prints logs: one as it is, of several each line with its slot before it.
pub struct Printer {
    name: String,
    slots: BTreeSet<u16>,
    colour: bool,
    /// Lines that have no end yet, by slot and whether they are of standard error.
    open: BTreeMap<(u16, bool), Vec<u8>>,
    /// So many were asked for.
    expected: usize,
}

impl Printer {
    /// For the logs of a task.
    #[must_use]
    pub fn of(name: &TaskName) -> Self {
        let choice = anstream::AutoStream::choice(&io::stdout());
        Self {
            name: short(name),
            slots: BTreeSet::new(),
            colour: choice != anstream::ColorChoice::Never,
            open: BTreeMap::new(),
            expected: 1,
        }
    }

    /// Says which slots there will be.
    pub fn expect(&mut self, slots: impl IntoIterator<Item = u16>) {
        self.slots.extend(slots);
        self.expected = self.slots.len();
    }

    /// Prints a piece of the log of a slot.
    ///
    /// # Errors
    /// If nobody reads it.
    pub fn chunk(&mut self, slot: u16, chunk: &LogChunk) -> io::Result<()> {
        if self.expected <= 1 {
            return out::raw(chunk.stderr, &chunk.bytes);
        }
        let prefix = self.prefix(slot);
        let open = self.open.entry((slot, chunk.stderr)).or_default();
        open.extend(&chunk.bytes);
        let whole = match open.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if open.len() > LINE_MAX => open.len(),
            None => return Ok(()),
        };
        let rest = open.split_off(whole);
        let lines = std::mem::replace(open, rest);
        out::raw(chunk.stderr, &with_prefix(&prefix, &lines))
    }

    /// The log of a slot has ended: a line without an end gets one, if others follow.
    ///
    /// # Errors
    /// If nobody reads it.
    pub fn end(&mut self, slot: u16) -> io::Result<()> {
        let prefix = self.prefix(slot);
        for stderr in [false, true] {
            let rest = self.open.remove(&(slot, stderr)).unwrap_or_default();
            if !rest.is_empty() {
                out::raw(stderr, &with_prefix(&prefix, &rest))?;
            }
        }
        Ok(())
    }

    /// Prints what was kept of a log.
    ///
    /// # Errors
    /// If nobody reads it.
    pub fn kept(&mut self, slot: u16, log: &[u8]) -> io::Result<()> {
        self.chunk(slot, &LogChunk { stderr: false, bytes: log.to_vec() })?;
        self.end(slot)
    }

    fn prefix(&self, slot: u16) -> String {
        let name = format!("{}.{slot} ", self.name);
        if !self.colour {
            return name;
        }
        let colour = COLOURS[usize::from(slot) % COLOURS.len()];
        let style = Style::new().fg_color(Some(Color::Ansi(colour)));
        format!("{style}{name}{style:#}")
    }
}

/// Each line with `prefix` before it; the last one is ended.
fn with_prefix(prefix: &str, lines: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(lines.len() + prefix.len());
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        text.extend(prefix.as_bytes());
        text.extend(line);
    }
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_says_whose_it_is_and_none_runs_into_the_next() {
        assert_eq!(with_prefix("web.1 ", b"a\n\nb"), b"web.1 a\nweb.1 \nweb.1 b\n");
    }
}
