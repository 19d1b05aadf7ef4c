//! Who looks at the engine all the time beside a test, and the dice that tests throw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel::domain::container::label;

use crate::house::{House, listed};

/// Who looks at the engine every 20 ms, and counts the live containers of each slot.
pub struct Poller {
    stop: Arc<AtomicBool>,
    looking: Option<JoinHandle<BTreeMap<String, Slot>>>,
}

/// What was seen of one slot, `TASK.SLOT`.
#[derive(Debug, Default)]
pub struct Slot {
    /// The most live containers at one moment.
    pub most: usize,
    /// The fewest, once one was seen.
    pub least: usize,
    /// Every container that was ever seen live.
    pub ids: BTreeSet<String>,
}

impl Poller {
    pub fn start(house: &House) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (engine, stopped) = (house.engine.clone(), Arc::clone(&stop));
        let worker = format!("{}={}", label::WORKER, house.worker());
        let looking = std::thread::spawn(move || {
            let mut seen: BTreeMap<String, Slot> = BTreeMap::new();
            while !stopped.load(Ordering::Relaxed) {
                let mut now: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
                for one in listed(&engine, &worker, false) {
                    let of = |name| one["Labels"][name].as_str().unwrap_or_default();
                    let slot = format!("{}.{}", of(label::TASK), of(label::SLOT));
                    now.entry(slot).or_default().insert(one["Id"].as_str().unwrap().to_owned());
                }
                for (slot, all) in &mut seen {
                    all.least = all.least.min(now.get(slot).map_or(0, BTreeSet::len));
                }
                for (slot, ids) in now {
                    let new = || Slot { least: ids.len(), ..Slot::default() };
                    let all = seen.entry(slot).or_insert_with(new);
                    all.most = all.most.max(ids.len());
                    all.ids.extend(ids);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            seen
        });
        Self { stop, looking: Some(looking) }
    }

    /// What was seen.
    pub fn end(mut self) -> BTreeMap<String, Slot> {
        self.stop.store(true, Ordering::Relaxed);
        self.looking.take().unwrap().join().unwrap()
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Random numbers that a failed run can be replayed with (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
