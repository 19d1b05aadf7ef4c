//! The manifests that were named on the command line, read as the daemon reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::cli::daemon;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::judge::Judge;
use crate::domain::policy::Policy;
use crate::domain::source::{Document, FileState, Snapshot};
use crate::files::leads;
use crate::manifest::{self, MAX_FILE_BYTES};
use crate::watch::read_once;

/// What stands for standard input, and how that is shown.
pub(in crate::cli) const STDIN: (&str, &str) = ("-", "<stdin>");

/// Manifests, by paths that can be opened from where the command was typed.
#[derive(Debug, Default)]
pub struct Gathered {
    /// What each file holds.
    pub files: BTreeMap<String, FileState>,
    /// Those that were named themselves.
    pub named: BTreeSet<String>,
    /// Where each file is, so that none is read twice.
    known: BTreeSet<String>,
}

/// Reads files, directories and standard input.
///
/// # Errors
/// If one of them is not there or can't be read at all.
pub fn gather(paths: &[PathBuf], policy: &Policy) -> anyhow::Result<Gathered> {
    let mut gathered = Gathered::default();
    // What was named counts as named, also where a directory that was named too holds it.
    let (dirs, files): (Vec<&PathBuf>, Vec<&PathBuf>) =
        paths.iter().partition(|path| is_named_dir(path));
    for path in files {
        gathered.file(path, policy)?;
    }
    for path in dirs {
        gathered.dir(path, policy)?;
    }
    Ok(gathered)
}

pub(in crate::cli) fn is_named_dir(path: &Path) -> bool {
    path.as_os_str() != STDIN.0 && path.is_dir()
}

impl Gathered {
    fn dir(&mut self, path: &Path, policy: &Policy) -> anyhow::Result<()> {
        let source = daemon::absolute(path)?;
        let options = daemon::watching(&source, &tokio::sync::watch::Sender::default());
        let files = match read_once(&options, daemon::reader(&source, policy)) {
            Snapshot::Read { files } => judged(files, &source, policy),
            Snapshot::Unavailable { message } => bail!("{message}"),
        };
        let prefix = prefix(path);
        for (file, state) in files {
            if self.known.insert(format!("{source}/{file}")) {
                let shown = format!("{prefix}{file}");
                self.files.insert(shown, under(state, &|file| format!("{prefix}{file}")));
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, policy: &Policy) -> anyhow::Result<()> {
        let (shown, bytes) = if path.as_os_str() == STDIN.0 {
            (STDIN.1.to_owned(), bounded(io::stdin().lock()).context("standard input")?)
        } else {
            let shown = path.display().to_string();
            // A pipe has no size and may be asked for on purpose: `validate <(generate)`.
            let bytes = File::open(path).and_then(bounded).with_context(|| shown.clone())?;
            (shown, bytes)
        };
        let (source, file) = placed(path)?;
        if !self.known.insert(format!("{source}/{file}")) {
            return Ok(());
        }
        let context = manifest::Context { source: &source, policy };
        let state = manifest::read(&file, &bytes, &context);
        for state in judged([(file, state)].into(), &source, policy).into_values() {
            self.files.insert(shown.clone(), under(state, &|_| shown.clone()));
        }
        self.named.insert(shown);
        Ok(())
    }
}

/// The same, with what is denied for where its host paths lead now.
fn judged(
    mut files: BTreeMap<String, FileState>,
    source: &str,
    policy: &Policy,
) -> BTreeMap<String, FileState> {
    let templates = files.values().flat_map(FileState::tasks).map(|task| &task.template);
    let leads = leads(policy, source, templates);
    let broken = Judge { policy, source, leads: &leads }.broken(&files);
    files.extend(broken);
    files
}

/// The source that a single file is read as part of, and its path in there. That is the directory
/// the command was typed in where the file lies beneath it, for a nested manifest may mount what
/// lies beside its folder; else its own folder.
fn placed(path: &Path) -> anyhow::Result<(String, String)> {
    let here = daemon::absolute(Path::new("."))?;
    if path.as_os_str() == STDIN.0 {
        return Ok((here, STDIN.1.to_owned()));
    }
    let whole = daemon::absolute(path)?;
    if let Some(file) = whole.strip_prefix(&here).and_then(|rest| rest.strip_prefix('/')) {
        return Ok((here.clone(), file.to_owned()));
    }
    let (folder, file) = whole.rsplit_once('/').unwrap_or(("", &whole));
    Ok((if folder.is_empty() { "/" } else { folder }.to_owned(), file.to_owned()))
}

/// What stands before the files of a directory: nothing for `.`, else the path as it was typed.
pub(in crate::cli) fn prefix(path: &Path) -> String {
    let typed = path.display().to_string();
    match typed.trim_end_matches('/') {
        "." => String::new(),
        typed => format!("{typed}/"),
    }
}

/// One byte more than a manifest may have, at most: that it is too long is told of it then.
pub(in crate::cli) fn bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a file holds, with its problems under the path that people see.
fn under(state: FileState, shown: &dyn Fn(&str) -> String) -> FileState {
    let one = |problem: Diagnostic| Diagnostic { file: shown(&problem.file), ..problem };
    let all = |problems: Vec<Diagnostic>| problems.into_iter().map(one).collect();
    let document = |document| match document {
        Document::Task { task, line } => Document::Task { task, line },
        Document::Broken { name, line, problems } => {
            Document::Broken { name, line, problems: all(problems) }
        }
        Document::Foreign { problem } => Document::Foreign { problem: one(problem) },
    };
    match state {
        FileState::Read { digest, documents } => {
            FileState::Read { digest, documents: documents.into_iter().map(document).collect() }
        }
        FileState::Unreadable { digest, problems } => {
            FileState::Unreadable { digest, problems: all(problems) }
        }
        FileState::Unlisted { problem } => FileState::Unlisted { problem: one(problem) },
        FileState::Unsettled => FileState::Unsettled,
    }
}
