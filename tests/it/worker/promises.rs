//! What must never have been, whatever happened: read from the engine's own record of every begin
//! and end of a process.

use std::collections::BTreeMap;

use evenkeel::domain::container::label;
use evenkeel::domain::instance::ContainerId;
use evenkeel::domain::template::MountSource;
use evenkeel::runtime::simulated::{Happened, Simulated};

/// At most one live container in a slot, or two of different form; at most one writer of a volume.
pub fn assert_kept(engine: &Simulated, surge: bool, what: &str) {
    let mut live: BTreeMap<ContainerId, Happened> = BTreeMap::new();
    for happened in engine.happened() {
        if !happened.began {
            live.remove(&happened.id);
            continue;
        }
        live.insert(happened.id.clone(), happened);
        let mut slots: BTreeMap<[&str; 3], Vec<&str>> = BTreeMap::new();
        let mut writers: BTreeMap<String, u32> = BTreeMap::new();
        for it in live.values() {
            let label = |key: &str| it.labels.get(key).map_or("", String::as_str);
            let slot = [label(label::NAMESPACE), label(label::TASK), label(label::SLOT)];
            slots.entry(slot).or_default().push(label(label::FINGERPRINT));
            for mount in it.template.mounts.iter().filter(|mount| !mount.read_only && !mount.shared)
            {
                if let MountSource::Volume(volume) = &mount.source {
                    *writers.entry(volume.to_string()).or_default() += 1;
                }
            }
        }
        for (slot, forms) in slots {
            let most = if surge { 2 } else { 1 };
            assert!(forms.len() <= most, "{what}: {} live in slot {slot:?}", forms.len());
            assert!(forms.len() < 2 || forms[0] != forms[1], "{what}: two alike in slot {slot:?}");
        }
        for (volume, count) in writers {
            assert!(count <= 1, "{what}: {count} write volume {volume}");
        }
    }
}
