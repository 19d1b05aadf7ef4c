//! What `run` and `sync` show in a terminal, where there is no engine: one task that waits for it.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::{Shell, WEB};
use crate::terminal::{Size, frames, terminal, written};

/// What clears the block.
const CLEAR: &str = "\u{1b}[J";

const SIZES: [Size; 3] = [(24, 40), (24, 120), (9, 60)];

fn shell() -> Shell {
    let shell = Shell::new();
    shell.write("tasks/web.yaml", WEB);
    shell
}

/// All that a command writes to a terminal where somebody presses Ctrl-C once `seen` was written.
fn interrupted(command: &Command, size: Size, seen: &str) -> String {
    let mut terminal = terminal(command, size).stdin(Stdio::piped()).spawn().unwrap();
    let (mut keys, mut out) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    let mut is_seen = false;
    while let Ok(count @ 1..) = out.read(&mut part) {
        bytes.extend_from_slice(&part[..count]);
        if !is_seen && String::from_utf8_lossy(&bytes).contains(seen) {
            is_seen = true;
            keys.write_all(b"\x03").unwrap();
        }
    }
    terminal.wait().unwrap();
    String::from_utf8(bytes).unwrap()
}

/// What is seen while the block stands, and what in the end.
fn seen(written: &str, size: Size) -> (Vec<String>, String) {
    let mut frames = frames(written, size);
    let last = frames.pop().unwrap();
    frames.retain(|frame| frame.lines().last().is_some_and(|row| row.starts_with("1 task: ")));
    assert!(!frames.is_empty(), "no block: {last}");
    (frames, last)
}

#[test]
fn in_a_terminal_a_block_beneath_the_log_must_tell_what_is_under_way() {
    for (rows, columns) in SIZES {
        let shell = shell();
        let command = shell.command(&["sync", "tasks", "--timeout", "3s"]);
        let written = written(&command, (rows, columns));
        let (frames, last) = seen(&written, (rows, columns));
        for frame in &frames {
            assert_eq!(frame.matches("1 task: 1 Progressing").count(), 1, "{frame}");
            // No line of the log is torn, and no row of a block is left among them.
            let lines: Vec<&str> = frame.lines().collect();
            let (log, block) = lines.split_at(lines.len() - 2);
            assert!(!log.iter().any(|line| line.contains("can't be asked: ")), "{frame}");
            assert!(log.iter().all(|line| !line.starts_with("web ")), "{frame}");
            let is_told = block[0].starts_with("the engine can't be asked: ");
            assert!(is_told || block[0].starts_with("web "), "{frame}");
        }
        let accepted = "Accepted    accepted from web.yaml:1";
        assert!(columns < 60 || frames.iter().any(|it| it.contains(accepted)), "{frames:#?}");
        // It is gone in the end.
        assert!(!last.contains("1 task: "), "{last}");
        assert!(last.contains("not everything was done in time"), "{last}");
    }
}

#[test]
fn after_ctrl_c_nothing_of_the_block_must_be_left() {
    let shell = shell();
    let size = (24, 80);
    let written = interrupted(&shell.command(&["run", "tasks"]), size, "1 task: ");
    let (_, last) = seen(&written, size);
    assert!(!last.contains("1 task: ") && !last.contains("can't be asked: "), "{last}");
    assert!(last.ends_with("stopped"), "{last}");
    let after = written.split_once("stopping; containers keep running").unwrap().1;
    assert!(!after.contains(CLEAR), "{after:?}");
}

#[test]
fn no_color_must_take_the_colours_and_leave_the_block() {
    let shell = shell();
    let mut command = shell.command(&["sync", "tasks", "--timeout", "1s"]);
    let is_style =
        |part: &str| part.find(char::is_alphabetic).is_some_and(|at| part[at..].starts_with('m'));
    let has_colours = |written: &str| written.split("\u{1b}[").skip(1).any(is_style);
    let dressed = written(&command, SIZES[0]);
    assert!(has_colours(&dressed), "{dressed:?}");
    let bare = written(command.env("NO_COLOR", "1"), SIZES[0]);
    assert!(!has_colours(&bare), "{bare:?}");
    seen(&bare, SIZES[0]);
}

#[test]
fn who_asks_for_a_log_or_has_no_such_terminal_must_get_lines_alone() {
    let shell = shell();
    let sync = ["sync", "tasks", "--timeout", "1s"];
    let asked: [(&[&str], &str, &str); 4] = [
        (&["--log", "info"], "TERM", "xterm"),
        (&["--log-format", "json"], "TERM", "xterm"),
        (&[], "EVENKEEL_LOG", "warn"),
        (&[], "TERM", "dumb"),
    ];
    for (args, name, value) in asked {
        let mut command = shell.command(&[&sync, args].concat());
        let written = written(command.env(name, value), SIZES[1]);
        assert!(written.contains("not everything was done in time"), "{written}");
        assert!(
            !written.contains(CLEAR) && !written.contains("1 task: "),
            "{args:?} {value}: {written:?}"
        );
    }
    let piped = shell.run(&sync).exits(3).stderr;
    assert!(!piped.contains('\u{1b}') && !piped.contains("1 task: "), "{piped:?}");
}
