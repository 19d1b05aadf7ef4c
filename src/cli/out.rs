//! Where output goes: data to standard output, talk to standard error.

use std::io::{self, IsTerminal, Write};

use super::{Exit, escape, fold, screen};

/// Writes a line of data. A reader that has gone away is no matter.
///
/// # Errors
/// If it can't be written for another reason.
pub fn line(text: &str) -> anyhow::Result<Exit> {
    data(&format!("{text}\n"))
}

/// Writes data as it is.
///
/// # Errors
/// If it can't be written, but for a reader that has gone away.
pub fn data(text: &str) -> anyhow::Result<Exit> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(Exit::Ok),
    }
}

/// Writes bytes as they are, to standard output or error: what a container wrote is not ours to
/// change, as with docker.
///
/// # Errors
/// If they can't be written, a reader that has gone away included.
pub fn raw(stderr: bool, bytes: &[u8]) -> io::Result<()> {
    fn write(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
        to.write_all(bytes)?;
        to.flush()
    }
    if stderr { write(io::stderr().lock(), bytes) } else { write(io::stdout().lock(), bytes) }
}

/// How a command ends whose output can't be written: whoever read it may have read enough.
///
/// # Errors
/// If it is for another reason.
pub fn unless_closed(error: io::Error) -> anyhow::Result<Exit> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(Exit::Ok) } else { Err(error.into()) }
}

/// Says something to a person.
pub fn say(text: &str) {
    show(&fold::lines(text, fold::room_to_talk()));
}

/// Shows something to a person that is laid out already.
pub fn show(text: &str) {
    screen::line(text);
}

/// Prints an error and what lies beneath it.
pub fn error(error: &anyhow::Error) {
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1) {
        text.push_str(": ");
        text.push_str(&cause.to_string());
    }
    say(&escape::lines(&text));
}

/// Asks a person; no without a terminal.
///
/// # Errors
/// If the answer can't be read.
pub fn ask(question: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        anyhow::bail!("{question} There is nobody to ask: say --yes if that is meant");
    }
    let mut stderr = anstream::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
