//! A YAML document as a tree that knows where each of its parts stands.
//!
//! It is made by `read` alone; the rest of `manifest` looks up places in it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;

use super::text::Spot;

/// One value and its place. Cheap to clone: an alias shares what its anchor holds.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Where it stands.
    pub spot: Spot,
    /// What it is.
    pub kind: Rc<Kind>,
    /// What it takes when every alias in it is written out.
    pub size: Size,
}

/// What a value takes when every alias in it is written out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    /// Values, itself included.
    pub nodes: usize,
    /// Bytes of text, keys included.
    pub bytes: usize,
    /// How deep it nests: 0 for a scalar.
    pub height: usize,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind {
    /// Text, a number, true, false or null.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// A map.
    Map(Map),
}

/// A map, and which of its keys stand there more than once.
#[derive(Debug, Default)]
pub(super) struct Map {
    /// The first value of every key.
    pub entries: BTreeMap<String, Entry>,
    /// The keys that stand there more than once.
    pub repeated: BTreeSet<String>,
}

/// A value in a map.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where its key stands.
    pub key: Spot,
    /// The value.
    pub node: Node,
}

impl Node {
    /// The value without its places.
    pub fn value(&self) -> Value {
        match &*self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => items.iter().map(Self::value).collect(),
            Kind::Map(map) => {
                let pairs = map.entries.iter();
                pairs.map(|(key, entry)| (key.clone(), entry.node.value())).collect()
            }
        }
    }

    /// The value of `key`, if this is a map that has it once.
    pub fn single(&self, key: &str) -> Option<&Self> {
        match &*self.kind {
            Kind::Map(map) if !map.repeated.contains(key) => {
                map.entries.get(key).map(|entry| &entry.node)
            }
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &*self.kind {
            Kind::Scalar(value) => value.as_str(),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// Where the value at a JSON pointer stands, or the nearest one around it that is there.
    pub fn value_at(&self, pointer: &str) -> Spot {
        self.walk(pointer).1
    }

    /// Where the key of the value at a JSON pointer stands; of a list's entry and of the document
    /// itself, where it begins.
    pub fn key_at(&self, pointer: &str) -> Spot {
        self.walk(pointer).0
    }

    fn walk(&self, pointer: &str) -> (Spot, Spot) {
        let mut node = self;
        let mut key = Spot { width: 1, ..self.spot };
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let inner = match &*node.kind {
                Kind::Map(map) => map.entries.get(&token).map(|entry| (entry.key, &entry.node)),
                Kind::List(items) => token
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index))
                    .map(|item| (Spot { width: item.first_width(), ..item.spot }, item)),
                Kind::Scalar(_) => None,
            };
            match inner {
                Some((place, inner)) => (key, node) = (place, inner),
                None => return (key, key),
            }
        }
        match &*node.kind {
            Kind::Scalar(_) if node.spot.width > 0 => (key, node.spot),
            // A value that is not there, or that many lines make: its key says more.
            Kind::Scalar(_) | Kind::Map(_) | Kind::List(_) => (key, key),
        }
    }

    fn first_width(&self) -> u32 {
        match &*self.kind {
            Kind::Scalar(_) => self.spot.width,
            Kind::List(_) | Kind::Map(_) => 1,
        }
    }
}
