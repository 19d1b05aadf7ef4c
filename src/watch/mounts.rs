//! What the tasks of the source mount of the source itself: not manifests, and not watched.
//!
//! A container may write there, and what it writes must never become a task.

use std::collections::BTreeSet;

use tokio::sync::watch::Receiver;

use super::names;
use super::tree::Tree;
use crate::domain::source::{Document, FileState};
use crate::domain::template::MountSource;

/// Paths beneath the root that are mounted.
pub(super) struct Mounts {
    /// Absolute paths that tasks mount, as the worker knows them.
    known: Receiver<BTreeSet<String>>,
    /// Those, and what was read since, relative to the root.
    paths: BTreeSet<String>,
}

impl Mounts {
    /// Before anything was read.
    pub(super) fn known(known: Receiver<BTreeSet<String>>) -> Self {
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
        let known = known.iter().filter_map(|path| tree.relative(path));
        let known = known.filter(|path| !path.is_empty());
        self.paths = known.chain(declared.cloned()).collect();
    }
}

/// The paths beneath the source that the tasks of a file mount, and whether all its documents could
/// be read. A path that the file itself lies beneath is left out: it would hide its own manifest.
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
                let beneath = tree.relative(host).filter(|beneath| !beneath.is_empty());
                mounts.extend(beneath.filter(|mount| !names::is_at_or_beneath(path, mount)));
            }
        }
    }
    (mounts, clean)
}
