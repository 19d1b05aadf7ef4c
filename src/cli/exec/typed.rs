//! What is typed or piped into this process, read by a thread that can be told to end while nothing
//! comes: what comes after the session is for whoever reads there next.

use std::io::{self, PipeReader, PipeWriter};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How much is read at once.
const PIECE: usize = 16 * 1024;

/// Standard input. Once this is dropped nothing more is read from it.
pub struct Typed {
    pieces: mpsc::Receiver<Vec<u8>>,
    /// The thread reads for as long as this is open.
    _open: PipeWriter,
}

impl Typed {
    /// Begins to read it, in a thread of `threads`.
    ///
    /// # Errors
    /// If the system has no place for a pipe.
    pub fn open(threads: &mut JoinSet<()>) -> io::Result<Self> {
        let (is_open, open) = io::pipe()?;
        let (to, pieces) = mpsc::channel(1);
        threads.spawn_blocking(move || read(&is_open, &to));
        Ok(Self { pieces, _open: open })
    }

    /// What comes next; `None`: nothing more, or it can't be read.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        self.pieces.recv().await
    }
}

fn read(is_open: &PipeReader, to: &mpsc::Sender<Vec<u8>>) {
    let stdin = io::stdin();
    let mut bytes = vec![0; PIECE];
    loop {
        let mut asked = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(is_open, PollFlags::IN)];
        match poll(&mut asked, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return,
        }
        if !asked[1].revents().is_empty() {
            return;
        }
        match rustix::io::read(&stdin, &mut bytes) {
            Ok(count @ 1..) => {
                if to.blocking_send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
            // Where several processes read, another one may have been faster.
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(0) | Err(_) => return,
        }
    }
}
