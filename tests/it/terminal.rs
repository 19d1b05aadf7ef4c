//! A terminal to run the program in, and what is seen in it.

use std::ffi::OsStr;
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, Stdio};

/// How many rows and columns.
pub type Size = (u16, u16);

/// What the program sends after the block beneath the log: rows are folded as before.
const DRAWN: &str = "\u{1b}[?7h";

/// All that a command writes to a terminal, where nobody types; its environment and directory hold.
pub fn written(command: &Command, size: Size) -> String {
    let output = terminal(command, size).stdin(Stdio::null()).output();
    String::from_utf8(output.expect("`script` makes terminals").stdout).unwrap()
}

/// What runs a command in a terminal, which writes to its standard output and is typed at through its
/// standard input.
pub fn terminal(command: &Command, (rows, columns): Size) -> Command {
    let quoted = |word: &OsStr| format!("'{}'", word.to_str().unwrap());
    let mut words = vec![quoted(command.get_program())];
    words.extend(command.get_args().map(quoted));
    let mut terminal = Command::new("script");
    terminal.env("TERM", "xterm").env_remove("COLUMNS").env_remove("NO_COLOR");
    // Set behind the shell's back: some shells overwrite `COLUMNS`.
    let mut typed = format!("stty rows {rows} cols {columns}; exec env");
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => typed += &format!(" {}={}", name.to_str().unwrap(), quoted(value)),
            None => drop(terminal.env_remove(name)),
        }
    }
    typed += &format!(" {}", words.join(" "));
    terminal.args(["-qec", &typed, "/dev/null"]).stdout(Stdio::piped());
    terminal.current_dir(command.get_current_dir().unwrap_or(Path::new(".")));
    terminal
}

/// What is seen each time the block was drawn, and in the end.
pub fn frames(written: &str, (rows, columns): Size) -> Vec<String> {
    let size = |count| NonZero::new(count).unwrap();
    let mut terminal = vt100::Parser::new(size(rows), size(columns), 0);
    let mut frames = Vec::new();
    for part in written.split_inclusive(DRAWN) {
        terminal.process(part.as_bytes());
        let screen = terminal.screen();
        let seen: Vec<String> =
            screen.rows(0, columns).map(|row| row.trim_end().to_owned()).collect();
        frames.push(seen.join("\n").trim_end().to_owned());
    }
    frames
}
