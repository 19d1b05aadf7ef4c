//! `evenkeel exec`.

mod target;
mod terminal;
mod typed;

use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::bail;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use super::args::{Common, Exec};
use super::{Exit, daemon, escape, out};
use crate::runtime::docker::{Input, Output, Program, Session, SessionSpec};
use terminal::Raw;
use typed::Typed;

/// How soon it is asked whether the program has ended, once it writes no more: at first, and at last.
const ASK: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How often a terminal that is just being made is told its size.
const SIZE_TRIES: (u32, Duration) = (20, Duration::from_millis(50));

/// Runs a program in a container of a task, and ends with its exit code.
pub async fn exec(common: &Common, args: &Exec) -> anyhow::Result<Exit> {
    if args.stdin && args.tty && !io::stdin().is_terminal() {
        bail!("standard input is no terminal: leave -t out");
    }
    let docker = daemon::docker(common)?;
    let container = target::container(common, args, &docker).await?;
    let spec = SessionSpec {
        command: args.command.clone(),
        stdin: args.stdin,
        terminal: args.tty,
        size: terminal::size(),
    };
    let signals = Signals::listen()?;
    let session = docker.join(&container, spec).await?;
    let raw = if args.stdin && args.tty { Some(Raw::begin()?) } else { None };
    let ended = attend(session, args, signals).await;
    // What is said from here on is for the terminal as it was.
    drop(raw);
    match ended? {
        Ended::Exited(code) => Ok(Exit::Command(code)),
        Ended::Unread(error) => out::unless_closed(error),
        Ended::Signal(number) => {
            out::say("the session has ended; the program may still run in the container");
            Ok(Exit::Command(128 + number))
        }
    }
}

/// How a session ended.
enum Ended {
    /// The program did, with this code.
    Exited(u8),
    /// Nobody reads what it writes.
    Unread(io::Error),
    /// This process was told to end.
    Signal(u8),
}

/// Passes on what is typed and what is written, until the end of the program.
async fn attend(session: Session, args: &Exec, mut signals: Signals) -> anyhow::Result<Ended> {
    let Session { input, mut output, program } = session;
    let mut beside = JoinSet::new();
    if args.tty {
        beside.spawn(keep_size(program.clone(), signal(SignalKind::window_change())?));
    }
    // It is kept open where nothing is given: an end of it may end the output too.
    let _input = if args.stdin {
        let typed = Typed::open(&mut beside)?;
        beside.spawn(feed(typed, input));
        None
    } else {
        Some(input)
    };
    let ended = tokio::select! {
        ended = follow(&mut output, &program) => ended,
        number = signals.next() => Ok(Ended::Signal(number)),
    };
    beside.shutdown().await;
    ended
}

/// Writes what the program writes, and waits for its end.
async fn follow(output: &mut Output, program: &Program) -> anyhow::Result<Ended> {
    while let Some(chunk) = output.next().await {
        let chunk = chunk.map_err(|error| anyhow::anyhow!("{}", escape::line(&error.0)))?;
        if let Err(error) = out::raw(chunk.stderr, &chunk.bytes) {
            return Ok(Ended::Unread(error));
        }
    }
    let mut wait = ASK.0;
    loop {
        let code = program.exit_code().await;
        let code = code.map_err(|error| anyhow::anyhow!("how it ended is not known: {error}"))?;
        if let Some(code) = code {
            // A program that a signal ended has 128 and that signal's number.
            return Ok(Ended::Exited(u8::try_from(code).unwrap_or(u8::MAX)));
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(ASK.1);
    }
}

/// Passes on what is typed, to its end. A program that reads no more may go on all the same.
async fn feed(mut typed: Typed, mut input: Input) {
    while let Some(bytes) = typed.next().await {
        if input.write(&bytes).await.is_err() {
            return;
        }
    }
    let _closed = input.close().await;
}

/// Keeps the terminal of the program as large as the one on this side.
async fn keep_size(program: Program, mut changed: Signal) {
    loop {
        if let Some(size) = terminal::size() {
            for _ in 0..SIZE_TRIES.0 {
                if program.resize(size).await.is_ok() {
                    break;
                }
                tokio::time::sleep(SIZE_TRIES.1).await;
            }
        }
        if changed.recv().await.is_none() {
            return;
        }
    }
}

/// The signals that end a session, heard from the moment this is made on.
struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The number of the next one.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.hangup.recv() => 1,
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
        }
    }
}
