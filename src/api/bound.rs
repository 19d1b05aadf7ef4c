//! The socket that the API is served on: where somebody removed or replaced it, it is made anew.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::warn;

use super::server::ApiError;

/// How often it is looked whether the socket is still there.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A socket that is listened at.
#[derive(Debug)]
pub struct Bound {
    path: PathBuf,
    listener: UnixListener,
    file: Made,
    looks: tokio::time::Interval,
    /// It was told that it can't be made anew.
    is_told: bool,
}

/// Which file it is. The number of one that was removed may be given to another at once.
#[derive(Debug, PartialEq, Eq)]
struct Made {
    device: u64,
    inode: u64,
    at: (i64, i64),
}

impl Made {
    fn of(file: &Metadata) -> Self {
        let at = (file.mtime(), file.mtime_nsec());
        Self { device: file.dev(), inode: file.ino(), at }
    }
}

impl Bound {
    /// Listens at `path`. Only who has locked the state directory may call this: a socket that is
    /// left of another process is replaced.
    ///
    /// # Errors
    /// If that can't be: a path of more than about 100 bytes can't.
    pub fn listen(path: &Path) -> Result<Self, ApiError> {
        let (listener, file) =
            bind(path).map_err(|error| ApiError::Listen(path.to_owned(), error))?;
        let mut looks = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { path: path.to_owned(), listener, file, looks, is_told: false })
    }

    /// Listens anew if another file is in the place of the socket, or none.
    async fn look(&mut self) {
        let there = tokio::fs::symlink_metadata(&self.path).await.ok();
        if there.is_some_and(|it| Made::of(&it) == self.file) {
            return;
        }
        match bind(&self.path) {
            Ok((listener, file)) => {
                let path = self.path.display();
                warn!(%path, "the socket of the API was removed or replaced; it is made anew");
                (self.listener, self.file, self.is_told) = (listener, file, false);
            }
            Err(error) if !self.is_told => {
                let path = self.path.display();
                warn!(%path, %error, "the socket of the API is gone and can't be made anew");
                self.is_told = true;
            }
            Err(_) => {}
        }
    }
}

impl Listener for Bound {
    type Io = UnixStream;
    type Addr = ();

    async fn accept(&mut self) -> (UnixStream, ()) {
        loop {
            tokio::select! {
                (stream, _address) = Listener::accept(&mut self.listener) => return (stream, ()),
                _now = self.looks.tick() => self.look().await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

fn bind(path: &Path) -> io::Result<(UnixListener, Made)> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    let made = std::fs::symlink_metadata(path)?;
    Ok((listener, Made::of(&made)))
}
