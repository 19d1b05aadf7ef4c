//! One request, on the disk: files are read, drafted and written. It blocks, and chooses nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{FileChange, Receipt, Received, Written};
use crate::domain::fingerprint::digest_of;
use crate::domain::judge::Judge;
use crate::domain::name::TaskName;
use crate::domain::source::{Document, FileState, Place};
use crate::files;
use crate::manifest::Context;
use crate::manifest::incoming::{Arrival, Edit, Fate, Intent, Refusal, Why, as_files, draft};
use crate::save::{self, Change, SaveError};
use crate::worker::Setting;

/// What becomes of each manifest, and where it stands.
type Fates = BTreeMap<TaskName, (Fate, Place)>;

/// What has to be done on the disk for one request.
pub(super) struct Job {
    pub intents: Vec<Intent>,
    /// In the order they were sent.
    pub arrivals: Vec<Arrival>,
    /// What was written before and is not read yet.
    pub unread: BTreeMap<String, Option<String>>,
    pub dry_run: bool,
    pub setting: Arc<Setting>,
}

impl Job {
    /// Does it. Blocks.
    pub fn perform(self) -> Result<Written, Refusal> {
        self.check_leads()?;
        let root = Path::new(&self.setting.maker.source);
        let mut fates = BTreeMap::new();
        let mut changes = Vec::new();
        for intent in &self.intents {
            let (drafted, change) = self.draft(root, intent)?;
            fates.extend(drafted);
            changes.extend(change);
        }
        if !self.dry_run {
            save::write(root, &changes).map_err(unsaved)?;
        }
        Ok(self.written(fates, &changes))
    }

    /// Where the host paths of what was sent lead is asked of the disk.
    fn check_leads(&self) -> Result<(), Refusal> {
        let (policy, source) = (&self.setting.policy, &self.setting.maker.source);
        let templates = self.arrivals.iter().map(|it| &it.task.template);
        let leads = files::leads(policy, source, templates);
        let broken = Judge { policy, source, leads: &leads }.broken(&as_files(&self.arrivals));
        let mut problems = Vec::new();
        for (_, state) in broken {
            let FileState::Read { documents, .. } = state else { continue };
            for document in documents {
                if let Document::Broken { problems: found, .. } = document {
                    problems.extend(found);
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Refusal::invalid(problems)) }
    }

    /// What becomes of one file, if it is still what was read, or what was written here since.
    fn draft(&self, root: &Path, intent: &Intent) -> Result<(Fates, Option<Change>), Refusal> {
        let file = &intent.file;
        let before = save::read(root, file).map_err(unsaved)?;
        let digest = before.as_deref().map(digest_of);
        if digest != intent.known && self.unread.get(file) != Some(&digest) {
            let is_new = intent.known.is_none();
            return Err(if is_new { Refusal::occupied(file) } else { Refusal::changed(file) });
        }
        let text = before.as_deref().map(str::from_utf8).transpose();
        let text = text.map_err(|_| Refusal::broken(file, Vec::new()))?;
        let (source, policy) = (&self.setting.maker.source, &self.setting.policy);
        let drawn = draft(file, text, &intent.edit, &Context { source, policy })
            .map_err(|why| Refusal::undraftable(file, why))?;
        let fates = drawn.fates.into_iter().map(|(name, fate, place)| (name, (fate, place)));
        let after = drawn.text.map(String::into_bytes);
        let change = (after != before).then(|| Change { file: file.clone(), before, after });
        Ok((fates.collect(), change))
    }

    fn written(&self, mut fates: BTreeMap<TaskName, (Fate, Place)>, changes: &[Change]) -> Written {
        let mut tasks = BTreeMap::new();
        for arrival in &self.arrivals {
            let name = &arrival.task.name;
            let is_new = |(fate, _): &(Fate, Place)| *fate != Fate::Unchanged;
            if fates.get(name).is_some_and(is_new) {
                tasks.insert(name.clone(), Some(arrival.task.clone()));
            }
        }
        let removed = self.intents.iter().filter_map(|intent| match &intent.edit {
            Edit::Remove(name) => Some(name),
            Edit::Put(_) => None,
        });
        let order = self.arrivals.iter().map(|it| &it.task.name).chain(removed);
        let received = order.filter_map(|name| {
            let (fate, source) = fates.remove(name)?;
            Some(Received { name: name.clone(), fate, source })
        });
        let receipt = Receipt {
            tasks: received.collect(),
            files: if self.dry_run { changes.iter().map(shown).collect() } else { Vec::new() },
            taken: true,
        };
        let digest = |change: &Change| change.after.as_deref().map(digest_of);
        let files = changes.iter().map(|change| (change.file.clone(), digest(change)));
        Written { receipt, files: files.collect(), tasks }
    }
}

fn shown(change: &Change) -> FileChange {
    let text = |bytes: &Option<Vec<u8>>| {
        bytes.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    let (before, after) = (text(&change.before), text(&change.after));
    FileChange { file: change.file.clone(), before, after }
}

/// Why nothing was written, as it is told.
fn unsaved(error: SaveError) -> Refusal {
    let text = error.to_string();
    match error {
        SaveError::Changed(file) => Refusal::changed(&file),
        SaveError::Linked { .. } => {
            Refusal::of(Why::Linked, format!("{text}: change it where it comes from"))
        }
        SaveError::ReadOnly(_) => {
            let help = "change the manifests where they come from, or let them be written";
            Refusal::of(Why::ReadOnly, format!("{text}: {help}"))
        }
        SaveError::NoFile(_) => Refusal::of(Why::NotEditable, text),
        SaveError::System { .. } | SaveError::Partly { .. } => Refusal::of(Why::NotWritten, text),
    }
}
