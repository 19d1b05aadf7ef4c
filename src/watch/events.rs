//! File events of the directories that were listed, turned into hints. The only place that names
//! `notify`.
//!
//! Nothing is decided here, and nothing is read: what our own reading raises is dropped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Config, ErrorKind, Event, EventHandler, EventKind, RecommendedWatcher};
use notify::{RecursiveMode, Watcher};

use super::hints::{Hints, Sign};

/// How long the library's thread may take to end.
const END: Duration = Duration::from_secs(5);

/// File events, while this is kept.
pub(super) struct Events {
    watcher: Option<RecommendedWatcher>,
    /// Ends with the library's thread.
    alive: Receiver<()>,
}

/// Listens on the library's thread. It has to be quick: while it works, the kernel's queue fills.
struct Handler {
    root: PathBuf,
    hints: Arc<Hints>,
    _alive: Sender<()>,
}

impl Events {
    /// Begins to listen; no directory is watched yet. Paths of hints are relative to `root`.
    ///
    /// # Errors
    /// If the system has no more of what that takes; in a sentence.
    pub(super) fn open(root: &Path, hints: &Arc<Hints>) -> Result<Self, String> {
        let (sender, alive) = channel();
        let handler = Handler { root: root.to_owned(), hints: Arc::clone(hints), _alive: sender };
        let config = Config::default().with_follow_symlinks(false);
        let watcher = RecommendedWatcher::new(handler, config).map_err(|error| told(&error))?;
        Ok(Self { watcher: Some(watcher), alive })
    }

    /// Watches one directory, without those in it. One that is not there any more is none.
    ///
    /// # Errors
    /// If it can't be watched; in a sentence.
    pub(super) fn watch(&mut self, directory: &Path) -> Result<(), String> {
        let Some(watcher) = self.watcher.as_mut() else { return Ok(()) };
        match watcher.watch(directory, RecursiveMode::NonRecursive) {
            Err(error) if is_missing(&error) => Ok(()),
            other => other.map_err(|error| told(&error)),
        }
    }

    /// Stops watching a directory, if it is watched.
    pub(super) fn unwatch(&mut self, directory: &Path) {
        if let Some(watcher) = self.watcher.as_mut() {
            // One that was removed has lost its watch already.
            let _ = watcher.unwatch(directory);
        }
    }

    /// Whether the library still listens: its thread may have ended by a panic.
    pub(super) fn is_alive(&self) -> bool {
        self.alive.try_recv() == Err(TryRecvError::Empty)
    }
}

impl Drop for Events {
    /// Ends the library's thread and waits for its end.
    fn drop(&mut self) {
        if !self.is_alive() {
            // It would panic on a thread that has ended.
            if let Some(watcher) = self.watcher.take() {
                std::mem::forget(watcher);
            }
            return;
        }
        drop(self.watcher.take());
        if self.alive.recv_timeout(END) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the thread that listens to file events does not end");
        }
    }
}

impl EventHandler for Handler {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        match event {
            Ok(event) if event.need_rescan() => self.hints.lost(),
            Ok(event) => self.hint(&event),
            Err(error) => self.hints.broken(told(&error)),
        }
    }
}

impl Handler {
    fn hint(&self, event: &Event) {
        let signs: &[Sign] = match signs(event.kind) {
            Some(signs) => signs,
            None => return,
        };
        if event.paths.is_empty() {
            self.hints.lost();
        }
        for (path, sign) in event.paths.iter().zip(signs.iter().chain(std::iter::repeat(&signs[0])))
        {
            let beneath = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
            match beneath {
                // Something happened to the root itself, or its name can't be a hint.
                None | Some("") => self.hints.unclear(),
                Some(beneath) => self.hints.note(beneath.to_owned(), *sign),
            }
        }
    }
}

/// What an event's kind says of each of its paths; `None`: nothing.
fn signs(kind: EventKind) -> Option<&'static [Sign]> {
    Some(match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => &[Sign::Complete],
        // Our own looking raises these: to look again for them would never end.
        EventKind::Access(_) => return None,
        EventKind::Modify(ModifyKind::Data(_)) => &[Sign::Written],
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => &[Sign::Replaced, Sign::Complete],
        EventKind::Modify(ModifyKind::Metadata(_)) | EventKind::Any | EventKind::Other => {
            &[Sign::Touched]
        }
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(_) => &[Sign::Replaced],
    })
}

fn is_missing(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound | ErrorKind::WatchNotFound => true,
        ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn told(error: &notify::Error) -> String {
    match &error.kind {
        ErrorKind::MaxFilesWatch => {
            "no more directories can be watched (sysctl fs.inotify.max_user_watches)".to_owned()
        }
        ErrorKind::Io(error) if error.raw_os_error() == Some(24) => {
            "no more watches can be opened (sysctl fs.inotify.max_user_instances)".to_owned()
        }
        _ => format!("file events don't work here: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use notify::event::Flag;

    use super::*;
    use crate::watch::hints::Heard;

    fn heard(events: Vec<notify::Result<Event>>) -> Heard {
        let hints = Arc::new(Hints::default());
        let (sender, _alive) = channel();
        let mut handler = Handler { root: "/s".into(), hints: Arc::clone(&hints), _alive: sender };
        for event in events {
            handler.handle_event(event);
        }
        let now = Instant::now();
        hints.wait(now, || now)
    }

    fn event(kind: EventKind, paths: &[&str]) -> Event {
        paths.iter().fold(Event::new(kind), |event, path| event.add_path(path.into()))
    }

    #[test]
    fn our_own_reading_is_no_hint() {
        let open = EventKind::Access(AccessKind::Open(AccessMode::Any));
        let close = EventKind::Access(AccessKind::Close(AccessMode::Read));
        let all = vec![Ok(event(open, &["/s/a.yaml"])), Ok(event(close, &["/s/a.yaml"]))];
        assert_eq!(heard(all), Heard::default());
    }

    #[test]
    fn a_rename_is_two_hints() {
        let both = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        let heard = heard(vec![Ok(event(both, &["/s/a.yaml", "/s/x/b.yaml"]))]);
        let all = [("a.yaml", Sign::Replaced), ("x/b.yaml", Sign::Complete)];
        assert_eq!(heard.paths, all.map(|(path, sign)| (path.to_owned(), sign)).into());
    }

    #[test]
    fn an_overflow_is_a_loss_and_what_happens_to_the_root_itself_is_unclear() {
        let overflow = Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan));
        assert!(heard(vec![overflow]).lost);
        assert!(heard(vec![Ok(event(EventKind::Any, &["/s"]))]).unclear);
        assert!(heard(vec![Ok(event(EventKind::Any, &[]))]).lost);
        assert!(heard(vec![Err(notify::Error::generic("x"))]).broken.is_some());
    }
}
