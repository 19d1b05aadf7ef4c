//! Whether the engine shares this host, which host paths need: tried once for each engine.
//!
//! A directory is made in the state directory under a name that is nowhere else, and the engine is
//! asked whether it has it. That holds however the engine is reached: by a socket that leads into a
//! virtual machine or to another host, too, and from within a container. It says nothing of other
//! mounts, so the engine is asked for something in the source as well.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{debug, info, warn};
use uuid::Uuid;

use super::engine::Finished;
use super::report::EVENT_TARGET;
use super::{Goal, Worker};
use crate::domain::engine::SharedHost;
use crate::patience::Patience;
use crate::runtime::{Runtime, Unreachable};

/// How the directories begin that are made for this.
const MARK: &str = "shared-host-";

impl<R: Runtime> Worker<R> {
    /// Tries whether the engine shares this host, if that was not tried with this one.
    pub(super) fn try_host(&mut self) {
        let id = self.engine_info.as_ref().map(|info| &info.id);
        if self.goal == Goal::Down || id.is_none() || id == self.itself.host_of.as_ref() {
            self.itself.host.withdraw();
            return;
        }
        if self.itself.host.begin(self.clock.now().mono) {
            let (runtime, state) = (Arc::clone(&self.runtime), self.state_dir.clone());
            let (source, id) = (PathBuf::from(&self.setting.maker.source), id.cloned());
            let patience = self.patience.clone();
            self.jobs.spawn(async move {
                let answer = shared_host(&*runtime, &patience, (state.as_deref(), &source)).await;
                Finished::Host { of: id, answer }
            });
        }
    }

    pub(super) fn on_host(&mut self, of: Option<String>, answer: Result<SharedHost, Unreachable>) {
        let answer = answer.inspect_err(
            |error| warn!(%error, "the engine does not say whether it is on this host"),
        );
        self.itself.host.end(answer.is_ok(), self.clock.now().mono);
        self.forget_questions();
        let Ok(host) = answer else { return };
        self.itself.host_of = of;
        if self.engine.host != host {
            match (host.trouble(), &self.engine.host) {
                (Some(why), _) => {
                    warn!(target: EVENT_TARGET, reason = "NoSharedHost", "{why}; no host path is mounted");
                }
                (None, SharedHost::Apart(_)) => {
                    info!(target: EVENT_TARGET, reason = "SharedHost", "the engine shares this host");
                }
                (None, _) => {}
            }
            self.engine.host = host;
            self.look_at_all();
        }
    }
}

/// Asks the engine for what is here: a new directory in `state`, and something in `source`, as far
/// as they are there and their disks answer.
///
/// # Errors
/// If the engine can't be asked.
pub async fn shared_host<R: Runtime>(
    runtime: &R,
    patience: &Patience,
    (state, source): (Option<&Path>, &Path),
) -> Result<SharedHost, Unreachable> {
    let mark = match state {
        Some(state) => make_mark(patience, state.to_owned()).await,
        None => None,
    };
    let of_source = within(patience, source).await;
    for path in mark.iter().map(|mark| &mark.0).chain(&of_source) {
        let Some(text) = path.to_str() else { continue };
        // What went meanwhile tells nothing.
        if runtime.sees(text).await? == Some(false) && is_there(patience, path).await {
            return Ok(SharedHost::Apart(text.to_owned()));
        }
    }
    Ok(SharedHost::Shared)
}

async fn make_mark(patience: &Patience, state: PathBuf) -> Option<Mark> {
    match patience.run("state", move || Mark::make(&state)).await.ok()? {
        Ok(mark) => Some(mark),
        Err(error) => {
            debug!(%error, "no directory can be made to ask the engine for");
            None
        }
    }
}

/// Something in a directory: where an empty one has its name, the engine sees that one.
async fn within(patience: &Patience, directory: &Path) -> Option<PathBuf> {
    let (subject, path) = (directory.display().to_string(), directory.to_owned());
    let first = move || std::fs::read_dir(path)?.next().transpose();
    let first = patience.run(&subject, first).await.ok()?.ok()?;
    Some(first.map_or_else(|| directory.to_owned(), |entry| entry.path()))
}

async fn is_there(patience: &Patience, path: &Path) -> bool {
    let (subject, path) = (path.display().to_string(), path.to_owned());
    patience.run(&subject, move || path.exists()).await.unwrap_or(false)
}

/// A directory that is nowhere else; it goes when it is dropped.
struct Mark(PathBuf);

impl Mark {
    fn make(state: &Path) -> io::Result<Self> {
        tidy_up(state);
        let path = state.join(format!("{MARK}{}", Uuid::now_v7()));
        std::fs::create_dir(&path).map(|()| Self(path))
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir(&self.0);
    }
}

/// Removes what a process has left that died while it asked.
fn tidy_up(state: &Path) {
    for entry in std::fs::read_dir(state).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(MARK) {
            let _gone = std::fs::remove_dir(entry.path());
        }
    }
}
