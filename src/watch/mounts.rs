//! What the tasks of the source mount of the source itself: not manifests, and not watched.
//!
//! A container may write there, and what it writes must never become a task.

use std::collections::BTreeSet;

use tokio::sync::watch::Receiver;

use super::names;
use super::tree::Tree;
use crate::domain::source::{Document, FileState, Mounted};
use crate::domain::template::MountSource;

/// Paths beneath the root that are mounted.
pub(super) struct Mounts {
    /// What tasks mount, as the worker knows it.
    known: Receiver<BTreeSet<Mounted>>,
    /// Those, and what was read since, relative to the root.
    paths: BTreeSet<String>,
}

impl Mounts {
    /// Before anything was read.
    pub(super) fn known(known: Receiver<BTreeSet<Mounted>>) -> Self {
        Self { known, paths: BTreeSet::new() }
    }

    /// All of them.
    pub(super) fn paths(&self) -> &BTreeSet<String> {
        &self.paths
    }

    /// Whether `path` is one of them, or lies beneath one.
    pub(super) fn hold(&self, path: &str) -> bool {
        let mut above = path.match_indices('/').map(|(end, _)| &path[..end]);
        self.paths.contains(path) || above.any(|above| self.paths.contains(above))
    }

    /// Takes further ones up.
    pub(super) fn add(&mut self, paths: &BTreeSet<String>) {
        self.paths.extend(paths.iter().cloned());
    }

    /// Has these, and those that were known before.
    pub(super) fn collect<'a>(&mut self, tree: &Tree, declared: impl Iterator<Item = &'a String>) {
        let known = self.known.borrow();
        let known = known.iter().filter_map(|it| hidden(&it.path, &it.manifest, tree));
        self.paths = known.chain(declared.cloned()).collect();
    }
}

/// What a mount of `host` hides of the source: the path beneath the root, but for one that is the
/// root, or that the manifest itself lies beneath: it would hide what says that it is mounted.
fn hidden(host: &str, manifest: &str, tree: &Tree) -> Option<String> {
    let beneath = tree.relative(host).filter(|beneath| !beneath.is_empty())?;
    (!names::is_at_or_beneath(manifest, &beneath)).then_some(beneath)
}

/// The paths beneath the source that the tasks of a file mount, and whether all its documents could
/// be read.
pub(super) fn declared(state: &FileState, path: &str, tree: &Tree) -> (BTreeSet<String>, bool) {
    let FileState::Read { documents, .. } = state else { return (BTreeSet::new(), false) };
    let mut mounts = BTreeSet::new();
    let mut clean = true;
    for document in documents {
        let task = match document {
            Document::Task { task, .. } => task,
            Document::Broken { .. } => {
                clean = false;
                continue;
            }
            Document::Foreign { .. } => continue,
        };
        for mount in &task.template.mounts {
            if let MountSource::HostPath { path: host, .. } = &mount.source {
                mounts.extend(hidden(host, path, tree));
            }
        }
    }
    (mounts, clean)
}
