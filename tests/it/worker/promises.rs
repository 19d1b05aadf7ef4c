//! What must never have been, whatever happened: read from the engine's own record of every begin
//! and end of a process.

use std::collections::BTreeMap;

use evenkeel::domain::container::label;
use evenkeel::domain::exclusive::{Written, clash};
use evenkeel::domain::instance::ContainerId;
use evenkeel::domain::name::Label;
use evenkeel::runtime::simulated::{Happened, Simulated};

/// Whether two containers may live in one slot for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Two {
    Never,
    /// If they are of different form.
    Unlike,
    /// Also of one form.
    Alike,
}

/// At most one live container in a slot, or two of different form; at most one writer of a volume or path.
pub fn assert_kept(engine: &Simulated, surge: bool, what: &str) {
    assert_most(engine, if surge { Two::Unlike } else { Two::Never }, what);
}

/// At most so many live containers in a slot; at most one writer of a volume or path.
pub fn assert_most(engine: &Simulated, two: Two, what: &str) {
    let mut live: BTreeMap<ContainerId, Happened> = BTreeMap::new();
    for happened in engine.happened() {
        if !happened.began {
            live.remove(&happened.id);
            continue;
        }
        live.insert(happened.id.clone(), happened);
        let mut slots: BTreeMap<[&str; 3], Vec<&str>> = BTreeMap::new();
        let mut writers = Vec::new();
        for it in live.values() {
            let label = |key: &str| it.labels.get(key).map_or("", String::as_str);
            let slot = [label(label::NAMESPACE), label(label::TASK), label(label::SLOT)];
            slots.entry(slot).or_default().push(label(label::FINGERPRINT));
            let names = [label::WORKER, label::NAMESPACE].map(|key| Label::parse(label(key)));
            let [Ok(worker), Ok(namespace)] = names else { continue };
            let written =
                it.template.mounts.iter().filter_map(|mount| {
                    Some((Written::by(&worker, &namespace, mount)?, mount.shared))
                });
            writers.extend(written.map(|written| (&it.id, written)));
        }
        for (slot, forms) in slots {
            let most = if two == Two::Never { 1 } else { 2 };
            assert!(forms.len() <= most, "{what}: {} live in slot {slot:?}", forms.len());
            let may_be_alike = two == Two::Alike || forms.len() < 2;
            assert!(may_be_alike || forms[0] != forms[1], "{what}: two alike in slot {slot:?}");
        }
        for (index, (id, written)) in writers.iter().enumerate() {
            for (_, theirs) in writers[..index].iter().filter(|(other, _)| other != id) {
                assert_eq!(clash(written, theirs), None, "{what}: two write that");
            }
        }
    }
}
