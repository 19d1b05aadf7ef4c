//! The signals that ask for an orderly end, and those of the terminal.

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// `SIGTERM` and `SIGINT`, heard from the moment this is made on: what arrives while nobody waits
/// is not lost, and does not kill.
#[derive(Debug)]
pub struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// The system allows no further handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// What was done to the terminal: it is of another size (`SIGWINCH`), or this process was stopped
/// and goes on (`SIGCONT`).
#[derive(Debug)]
pub struct Disturbances {
    resized: Signal,
    resumed: Signal,
}

impl Disturbances {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// The system allows no further handler.
    pub fn listen() -> io::Result<Self> {
        let resumed = SignalKind::from_raw(Number::CONT.as_raw());
        Ok(Self { resized: signal(SignalKind::window_change())?, resumed: signal(resumed)? })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.resized.recv() => {}
            _ = self.resumed.recv() => {}
        }
    }
}
