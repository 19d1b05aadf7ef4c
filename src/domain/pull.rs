//! How far a pull has come, as the engine tells while it goes on.
//!
//! It is shown to people and decides nothing.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a pull has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullProgress {
    /// What is being done.
    pub stage: PullStage,
    /// The layers that are not there yet, or were not when it began.
    pub layers: u32,
    /// How many of them are there now.
    pub layers_done: u32,
    /// The bytes that have come, compressed.
    pub fetched_bytes: u64,
    /// How many there are; left out: the engine has not told of every layer yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
    /// How many of them are unpacked.
    pub unpacked_bytes: u64,
}

/// What a pull is about.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum PullStage {
    /// It waits for others: only so many go on at once.
    #[default]
    Queued,
    /// The registry is asked, and layers come.
    Fetching,
    /// All have come and are being unpacked.
    Unpacking,
}

/// What the engine tells of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerNews {
    /// It has to come.
    Wanted,
    /// So many bytes have come, of so many if that is known.
    Fetching(u64, Option<u64>),
    /// All of it has come.
    Fetched,
    /// So many bytes are unpacked, of so many.
    Unpacking(u64, u64),
    /// It is there.
    Done,
}

/// The layers of an image that is being pulled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers(BTreeMap<String, Layer>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Layer {
    fetched: u64,
    unpacked: u64,
    total: Option<u64>,
    is_done: bool,
}

impl Layers {
    /// Takes what is told of the layer `id`.
    pub fn take(&mut self, id: &str, news: LayerNews) {
        let layer = self.0.entry(id.to_owned()).or_default();
        match news {
            LayerNews::Wanted => {}
            LayerNews::Fetching(fetched, total) => {
                layer.total = total.or(layer.total);
                layer.fetched = fetched;
            }
            LayerNews::Fetched => layer.end_fetch(),
            LayerNews::Unpacking(unpacked, total) => {
                layer.total = Some(total);
                layer.end_fetch();
                layer.unpacked = unpacked;
            }
            LayerNews::Done => {
                layer.end_fetch();
                layer.unpacked = layer.fetched;
                layer.is_done = true;
            }
        }
    }

    /// How far all of it has come.
    #[must_use]
    pub fn progress(&self) -> PullProgress {
        let layers = self.0.values();
        let sum = |of: fn(&Layer) -> u64| layers.clone().map(of).fold(0, u64::saturating_add);
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let fetched_bytes = sum(|it| it.fetched);
        let totals: Option<Vec<u64>> = layers.clone().map(|it| it.total).collect();
        let total_bytes = totals
            .filter(|totals| !totals.is_empty())
            .map(|totals| totals.into_iter().fold(0, u64::saturating_add));
        let has_come = total_bytes.is_some_and(|total| fetched_bytes >= total);
        PullProgress {
            stage: if has_come { PullStage::Unpacking } else { PullStage::Fetching },
            layers: count(self.0.len()),
            layers_done: count(layers.clone().filter(|it| it.is_done).count()),
            fetched_bytes,
            total_bytes,
            unpacked_bytes: sum(|it| it.unpacked),
        }
    }
}

impl Layer {
    /// Of a small one the engine may never have told how large it is.
    fn end_fetch(&mut self) {
        let total = *self.total.get_or_insert(self.fetched);
        self.fetched = total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_tells_its_size_once_every_layer_has_and_then_how_much_of_it_is_done() {
        let mut layers = Layers::default();
        let mut after = |id, news| {
            layers.take(id, news);
            layers.progress()
        };
        let begun = after("a", LayerNews::Wanted);
        assert_eq!((begun.stage, begun.layers, begun.total_bytes), (PullStage::Fetching, 1, None));
        after("b", LayerNews::Wanted);
        after("c", LayerNews::Wanted);
        let first = after("a", LayerNews::Fetching(30, Some(100)));
        assert_eq!((first.layers, first.fetched_bytes, first.total_bytes), (3, 30, None));
        after("b", LayerNews::Fetching(5, None));
        assert_eq!(after("b", LayerNews::Fetching(10, Some(50))).fetched_bytes, 40);
        // The smallest come without a word of their size.
        let all = after("c", LayerNews::Fetched);
        assert_eq!((all.stage, all.total_bytes), (PullStage::Fetching, Some(150)));
        after("a", LayerNews::Fetched);
        let come = after("b", LayerNews::Fetched);
        assert_eq!((come.stage, come.fetched_bytes), (PullStage::Unpacking, 150));
        assert_eq!(after("a", LayerNews::Unpacking(60, 100)).unpacked_bytes, 60);
        for id in ["a", "b", "c"] {
            after(id, LayerNews::Done);
        }
        let done = layers.progress();
        assert_eq!((done.layers_done, done.unpacked_bytes, done.total_bytes), (3, 150, Some(150)));
    }

    #[test]
    fn a_layer_that_is_fetched_anew_goes_back() {
        let mut layers = Layers::default();
        layers.take("a", LayerNews::Fetching(90, Some(100)));
        layers.take("a", LayerNews::Fetching(10, Some(100)));
        assert_eq!(layers.progress().fetched_bytes, 10);
        assert_eq!(Layers::default().progress().total_bytes, None);
    }
}
