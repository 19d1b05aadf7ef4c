//! What manifest files there are beneath the root: names only, nothing is read.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{self, Name};
use super::outside::Asking;
use super::refusal::Refusal;
use super::tree::{Id, Kind, Listed, Tree};

/// How many directories may lie within one another.
const MAX_DEPTH: usize = 32;

/// One listing of the whole source.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// Manifest files, by path; whether each is a link.
    pub(super) files: BTreeMap<String, bool>,
    /// What can't be read or entered, and why.
    pub(super) refused: BTreeMap<String, Barred>,
    /// The directories that were entered, by path; the root's is empty.
    pub(super) directories: BTreeMap<String, Id>,
    /// Some of it is reached by links.
    pub(super) links: bool,
}

/// Why something is not read or not entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Barred {
    /// It can't be, or never is.
    Unread(String),
    /// It is a directory that the system keeps from being listed: what is in it would count.
    Unlisted(String),
}

impl Listing {
    /// Takes out all that lies beneath a directory, which can't be relied on.
    pub(super) fn refuse(&mut self, directory: &str, message: String) {
        let beneath = |path: &String| names::is_at_or_beneath(path, directory);
        self.files.retain(|path, _| !beneath(path));
        self.refused.retain(|path, _| !beneath(path));
        self.refused.insert(directory.to_owned(), Barred::Unlisted(message));
    }
}

impl Barred {
    /// Why a directory, or a link that may lead to one, is not entered.
    fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::System(_) => Self::Unlisted(refusal.to_string()),
            _ => Self::Unread(refusal.to_string()),
        }
    }
}

/// Lists the source, but what is at or beneath the paths in `skip`. Says each directory to
/// `entering` before it is listed, so that nothing is missed if that begins to watch it.
///
/// # Errors
/// If the root itself can't be listed. Of any other directory that is an entry of the listing.
pub(super) fn list(
    tree: &Tree,
    skip: &BTreeSet<String>,
    asking: &mut Asking<'_>,
    entering: &mut dyn FnMut(&str),
) -> Result<Listing, Refusal> {
    let (listing, links) = (Listing::default(), BTreeSet::new());
    let mut walk = Walk { tree, skip, asking, entering, listing, links };
    walk.enter("")?;
    // Directories that are reached by links come last: each one is listed once, and where it is
    // in the source itself, under its own name.
    while let Some(path) = walk.links.pop_first() {
        walk.follow(&path);
    }
    Ok(walk.listing)
}

struct Walk<'a, 'b> {
    tree: &'a Tree,
    skip: &'a BTreeSet<String>,
    asking: &'a mut Asking<'b>,
    entering: &'a mut dyn FnMut(&str),
    listing: Listing,
    /// Links that are no manifests by their names, and may lead to directories.
    links: BTreeSet<String>,
}

impl Walk<'_, '_> {
    /// Lists a directory and all beneath it.
    fn enter(&mut self, path: &str) -> Result<(), Refusal> {
        if path.split('/').count() > MAX_DEPTH {
            let message = format!("it lies more than {MAX_DEPTH} directories deep");
            self.listing.refused.insert(path.to_owned(), Barred::Unread(message));
            return Ok(());
        }
        (self.entering)(path);
        let (id, all) = self.tree.list(path)?;
        self.listing.directories.insert(path.to_owned(), id);
        for listed in all {
            self.take(path, &listed);
        }
        Ok(())
    }

    fn take(&mut self, directory: &str, listed: &Listed) {
        let name = names::judge(&listed.name);
        if name == Name::Never || (name == Name::Other && listed.kind == Kind::Other) {
            return;
        }
        let shown = names::shown(&listed.name);
        let path = if directory.is_empty() { shown } else { format!("{directory}/{shown}") };
        if self.skip.contains(&path) {
            return;
        }
        if names::printable(&listed.name).is_none() {
            let message = "its name is not UTF-8, or has control characters".to_owned();
            self.listing.refused.insert(path, Barred::Unread(message));
            return;
        }
        match (name, listed.kind) {
            // What a file is, is seen when it is read; a directory of such a name is refused then.
            (Name::Manifest, kind) => {
                self.listing.links |= kind == Kind::Link;
                self.listing.files.insert(path, kind == Kind::Link);
            }
            (_, Kind::Link) => {
                self.links.insert(path);
            }
            _ => match self.enter(&path) {
                // It went away meanwhile.
                Ok(()) | Err(Refusal::Absent) => {}
                Err(refusal) => {
                    self.listing.refused.insert(path, Barred::of(&refusal));
                }
            },
        }
    }

    /// Enters the directory that a link leads to.
    fn follow(&mut self, path: &str) {
        self.listing.links = true;
        let refusal = match self.tree.directory(path) {
            Ok(None) | Err(Refusal::Absent) => return,
            Ok(Some((id, real))) => {
                let holds_itself = names::is_at_or_beneath(path, &real) || real.is_empty();
                let skipped = self.skip.iter().any(|skip| names::is_at_or_beneath(&real, skip));
                let listed = self.listing.directories.values().any(|known| *known == id);
                if holds_itself {
                    Refusal::Loops
                } else if skipped || listed {
                    return;
                } else {
                    match self.enter(path) {
                        Ok(()) | Err(Refusal::Absent) => return,
                        Err(refusal) => refusal,
                    }
                }
            }
            // Whatever a link outside leads to, only a directory could have held manifests.
            Err(Refusal::Leaves(target)) => match self.tree.leads_to_directory(path) {
                Ok(question) => match self.asking.ask(path, question) {
                    Some(false) => return,
                    Some(true) => Refusal::Leaves(target),
                    None => Refusal::Silent(target),
                },
                Err(refusal) => refusal,
            },
            Err(refusal) => refusal,
        };
        self.listing.refused.insert(path.to_owned(), Barred::of(&refusal));
    }
}
