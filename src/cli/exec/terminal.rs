//! The terminal on this side of a session.

use std::io;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::runtime::docker::TerminalSize;

/// Standard input, each key of which is passed on as it is pressed: the terminal on the other side
/// makes lines of them, shows them, and makes signals. As it was before, once this is dropped.
pub struct Raw {
    before: Termios,
}

impl Raw {
    /// Begins to pass on.
    ///
    /// # Errors
    /// If it is no terminal.
    pub fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone is no matter.
        let _gone = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// How large it is; `None`: standard output is no terminal, or one that does not know.
pub fn size() -> Option<TerminalSize> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    let size = TerminalSize { columns: size.ws_col, rows: size.ws_row };
    (size.columns > 0 && size.rows > 0).then_some(size)
}
