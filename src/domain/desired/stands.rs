//! Where the manifest of a task stands, for who is to change it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Desired, Presence, Validity};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::name::TaskName;
use crate::domain::source::{Document, FileState, Place};

/// Where the manifest of a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    /// In a file that is as it should be, and was read as one with this SHA-256.
    In {
        /// The file, relative to the source.
        file: String,
        /// The SHA-256 of its bytes, in hex.
        digest: String,
    },
    /// Nowhere.
    Nowhere,
    /// In a file of which something is broken, or that can't be read.
    Broken {
        /// The file, relative to the source.
        file: String,
        /// What is wrong; nothing if nothing is known to be wrong yet: it may be being written.
        problems: Vec<Diagnostic>,
    },
    /// In two places.
    Twice(Place, Place),
}

impl Desired {
    /// Where the manifests of these tasks stand, by what was desired and by the files as they were
    /// read.
    #[must_use]
    pub fn stands(
        &self,
        names: &BTreeSet<TaskName>,
        files: &BTreeMap<String, FileState>,
    ) -> BTreeMap<TaskName, Stands> {
        let mut places: BTreeMap<&TaskName, Vec<Place>> = BTreeMap::new();
        for (file, state) in files {
            let FileState::Read { documents, .. } = state else { continue };
            for document in documents {
                let (name, line) = match document {
                    Document::Task { task, line } => (&task.name, *line),
                    Document::Broken { name: Some(name), line, .. } => (name, *line),
                    Document::Broken { name: None, .. } | Document::Foreign { .. } => continue,
                };
                if names.contains(name) {
                    places.entry(name).or_default().push(Place { file: file.clone(), line });
                }
            }
        }
        let stands = |name: &TaskName| match places.get(name).map_or(&[][..], Vec::as_slice) {
            [] => self.without_document(name),
            [place] => in_file(&place.file, files),
            [one, other, ..] => Stands::Twice(one.clone(), other.clone()),
        };
        names.iter().map(|name| (name.clone(), stands(name))).collect()
    }

    /// Of a task that no document names.
    fn without_document(&self, name: &TaskName) -> Stands {
        match self.tasks.get(name) {
            Some(wanted) if wanted.presence == Presence::There => {
                let problems = match &wanted.validity {
                    Validity::Held { problems, .. } => problems.clone(),
                    Validity::Valid => Vec::new(),
                };
                Stands::Broken { file: wanted.place.file.clone(), problems }
            }
            Some(_) | None => Stands::Nowhere,
        }
    }
}

fn in_file(file: &str, files: &BTreeMap<String, FileState>) -> Stands {
    let file = file.to_owned();
    let Some(FileState::Read { digest, documents }) = files.get(&file) else {
        return Stands::Broken { file, problems: Vec::new() };
    };
    let broken = documents.iter().filter_map(|document| match document {
        Document::Broken { problems, .. } => Some(problems),
        Document::Task { .. } | Document::Foreign { .. } => None,
    });
    let mut broken = broken.peekable();
    if broken.peek().is_some() {
        return Stands::Broken { file, problems: broken.flatten().cloned().collect() };
    }
    Stands::In { file, digest: digest.clone() }
}
