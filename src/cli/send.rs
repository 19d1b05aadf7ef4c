//! Manifests that are named on the command line, as they are sent to the daemon; and how what came
//! of it is told.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use similar::TextDiff;

use super::pick::short;
use super::validate::gather::{STDIN, bounded, is_named_dir, prefix};
use super::{Exit, daemon, escape, fold, out};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::policy::{Level, Policy};
use crate::domain::source::{FileState, Snapshot};
use crate::manifest::incoming::{Others, Sent};
use crate::manifest::render::{self, Colour};
use crate::manifest::{self, Context};
use crate::watch::read_once;
use crate::worker::receive::{FileChange, Receipt};

/// What nobody is refused by here: the daemon has a policy of its own.
pub const ANYTHING: Policy = Policy { level: Level::Privileged, allowed_host_paths: Vec::new() };

/// Manifests to be sent, or what is wrong with their files.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The files.
    pub sent: Vec<Sent>,
    /// Why some can't be sent.
    pub problems: Vec<Diagnostic>,
    /// Where each file is, so that none is sent twice.
    known: BTreeSet<String>,
}

/// Reads files, directories and standard input.
///
/// # Errors
/// If one of them is not there or can't be read at all.
pub fn gather(paths: &[PathBuf]) -> anyhow::Result<Gathered> {
    let mut gathered = Gathered::default();
    for path in paths {
        if is_named_dir(path) {
            gathered.dir(path)?;
        } else {
            gathered.file(path)?;
        }
    }
    Ok(gathered)
}

impl Gathered {
    fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        if path.as_os_str() == STDIN.0 {
            let bytes = bounded(io::stdin().lock()).context("standard input")?;
            self.add(STDIN.1.to_owned(), None, &bytes, Others::Refuse);
            return Ok(());
        }
        let shown = path.display().to_string();
        let bytes = File::open(path).and_then(bounded).with_context(|| shown.clone())?;
        self.add(shown, Some(&daemon::absolute(path)?), &bytes, Others::Refuse);
        Ok(())
    }

    fn dir(&mut self, path: &Path) -> anyhow::Result<()> {
        let source = daemon::absolute(path)?;
        let options = daemon::watching(&source, &tokio::sync::watch::Sender::default());
        let texts = RefCell::new(BTreeMap::new());
        let context = Context { source: &source, policy: &ANYTHING };
        let snapshot = read_once(&options, |file, bytes| {
            texts.borrow_mut().insert(file.to_owned(), bytes.to_owned());
            manifest::read(file, bytes, &context)
        });
        let files = match snapshot {
            Snapshot::Read { files } => files,
            Snapshot::Unavailable { message } => bail!("{message}"),
        };
        let prefix = prefix(path);
        for (file, state) in files {
            let shown = format!("{prefix}{file}");
            match (texts.borrow().get(&file), state) {
                (Some(bytes), _) => {
                    self.add(shown, Some(&format!("{source}/{file}")), bytes, Others::PassOver);
                }
                (None, FileState::Unreadable { problems, .. }) => {
                    let under = |problem| Diagnostic { file: shown.clone(), ..problem };
                    self.problems.extend(problems.into_iter().map(under));
                }
                (None, FileState::Unlisted { problem }) => {
                    self.problems.push(Diagnostic { file: shown, ..problem });
                }
                (None, FileState::Read { .. } | FileState::Unsettled) => {}
            }
        }
        Ok(())
    }

    /// Adds a file that is at `path`, if it is anywhere.
    fn add(&mut self, name: String, path: Option<&str>, bytes: &[u8], others: Others) {
        if !self.known.insert(path.unwrap_or(STDIN.0).to_owned()) {
            return;
        }
        let folder = path
            .and_then(|path| path.rsplit_once('/'))
            .map(|(folder, _)| if folder.is_empty() { "/".to_owned() } else { folder.to_owned() });
        match str::from_utf8(bytes) {
            Ok(text) => self.sent.push(Sent { name, folder, text: text.to_owned(), others }),
            Err(_) => {
                let context = Context { source: "/", policy: &ANYTHING };
                if let FileState::Unreadable { problems, .. } =
                    manifest::read(&name, bytes, &context)
                {
                    self.problems.extend(problems);
                }
            }
        }
    }
}

/// Tells what is wrong, and that nothing was done.
pub fn refused(problems: &[Diagnostic], message: &str) -> Exit {
    let harmless: Vec<Diagnostic> = problems.iter().map(escape::problem).collect();
    let room = fold::room_to_talk();
    out::say(&fold::diagnostics(&render::people(&harmless, Colour::Always, room), room));
    out::say(&format!("error: {}", escape::line(message)));
    Exit::Failed
}

/// Tells what became of each manifest; of a dry run, what would be written.
///
/// # Errors
/// If it can't be written.
pub fn tell(receipt: &Receipt, dry_run: bool) -> anyhow::Result<()> {
    let mut text = String::new();
    let dry = if dry_run { " (dry run)" } else { "" };
    for task in &receipt.tasks {
        // Writing to a text can't fail.
        let _written = writeln!(text, "task/{} {}{dry}", short(&task.name), task.fate.word());
    }
    for change in &receipt.files {
        text.push_str(&escape::lines(&diff(change)));
    }
    out::data(&text)?;
    Ok(())
}

/// What would become of a file, as `diff -u` and `git` write it.
fn diff(change: &FileChange) -> String {
    let side = |text: &Option<String>, side: &str| match text {
        Some(_) => format!("{side}/{}", change.file),
        None => "/dev/null".to_owned(),
    };
    let (old, new) = (side(&change.before, "a"), side(&change.after, "b"));
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (before, after) = (text(&change.before), text(&change.after));
    TextDiff::from_lines(&before, &after).unified_diff().header(&old, &new).to_string()
}
