//! Builds a tree from what the parser finds, and keeps it within its limits.
//!
//! Every limit is a count, so the same text is always accepted or always refused. `read` calls it.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::node::{Entry, Kind, Map, Node, Size};
use super::text::{Problem, Spot};

/// How deep a document may nest.
const MAX_DEPTH: usize = 32;
/// How many aliases a document may have.
const MAX_ALIASES: usize = 64;
/// How many values a document may have, aliases written out.
const MAX_NODES: usize = 20_000;
/// How many bytes of text a document may have, aliases written out.
const MAX_EXPANDED_BYTES: usize = 1024 * 1024;
/// How long one text may be: Linux takes no longer argument or variable (`MAX_ARG_STRLEN`).
const MAX_SCALAR_BYTES: usize = 128 * 1024 - 1;

/// One document, as far as it could be read.
#[derive(Debug)]
pub(super) struct Draft {
    /// The line it begins at.
    pub line: u32,
    /// What it holds, as far as [`Draft::extent`] says.
    pub root: Option<Node>,
    /// What is wrong with it as YAML.
    pub problems: Vec<Problem>,
    /// How far it was read.
    pub extent: Extent,
}

/// How far a document was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// To its end.
    Whole,
    /// To the last of its problems, a limit.
    Stopped,
    /// To the last of its problems: what follows is no YAML.
    NoYaml,
}

/// The rest of the document is not to be read.
#[derive(Debug)]
pub(super) struct Stop(pub Problem);

/// A document that is being read.
#[derive(Debug, Default)]
pub(super) struct Builder {
    root: Option<Node>,
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Node>,
    aliases: usize,
    nodes: usize,
    bytes: usize,
    problems: Vec<Problem>,
}

#[derive(Debug)]
struct Frame {
    spot: Spot,
    anchor: usize,
    size: Size,
    open: Open,
}

#[derive(Debug)]
enum Open {
    List(Vec<Node>),
    Map { map: Map, key: Option<(String, Spot)> },
}

impl Builder {
    /// Notes something wrong, and goes on.
    pub fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// What was read.
    pub fn finish(mut self, line: u32, extent: Extent) -> Draft {
        while !self.frames.is_empty() {
            self.close();
        }
        Draft { line, root: self.root, problems: self.problems, extent }
    }

    /// Takes a scalar: a value, or the key of the next one.
    pub fn scalar(
        &mut self,
        text: &str,
        value: Value,
        plain: bool,
        (spot, anchor): (Spot, usize),
    ) -> Result<(), Stop> {
        self.count(Size { nodes: 1, bytes: text.len(), height: 0 }, spot)?;
        if text.len() > MAX_SCALAR_BYTES {
            let message =
                "this text is longer than 128 KiB, the most that Linux hands to a process";
            return stop(spot, message, "put it into a file, and mount that");
        }
        if text.contains('\0') {
            self.report(Problem::parse(
                spot,
                "a NUL character can't stand in a manifest",
                "remove the `\\0`",
            ));
        }
        if self.wants_key() {
            return self.take_key(text, &value, plain, spot);
        }
        let size = Size { nodes: 1, bytes: text.len(), height: 0 };
        self.place(Node { spot, kind: Rc::new(Kind::Scalar(value)), size }, anchor);
        Ok(())
    }

    /// Begins a list.
    pub fn open_list(&mut self, spot: Spot, anchor: usize) -> Result<(), Stop> {
        self.open(spot, anchor, Open::List(Vec::new()))
    }

    /// Begins a map.
    pub fn open_map(&mut self, spot: Spot, anchor: usize) -> Result<(), Stop> {
        self.open(spot, anchor, Open::Map { map: Map::default(), key: None })
    }

    /// Ends a list or map.
    pub fn close(&mut self) {
        if let Some(Frame { spot, anchor, size, open }) = self.frames.pop() {
            let kind = match open {
                Open::List(items) => Kind::List(items),
                Open::Map { map, .. } => Kind::Map(map),
            };
            self.place(Node { spot, kind: Rc::new(kind), size }, anchor);
        }
    }

    /// Takes an alias.
    pub fn alias(&mut self, anchor: usize, spot: Spot) -> Result<(), Stop> {
        self.aliases += 1;
        if self.aliases > MAX_ALIASES {
            let message = format!("more than {MAX_ALIASES} aliases in one document");
            return stop(spot, message, "write the values out");
        }
        if self.wants_key() {
            return stop(spot, "an alias can't be a key", "write the key out");
        }
        let Some(target) = self.anchors.get(&anchor).cloned() else {
            return stop(spot, "this alias stands within its own anchor", "write the value out");
        };
        if self.frames.len() + target.size.height > MAX_DEPTH {
            return too_deep(spot);
        }
        self.count(target.size, spot)?;
        self.place(Node { spot, ..target }, 0);
        Ok(())
    }

    fn wants_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { open: Open::Map { key: None, .. }, .. }))
    }

    fn take_key(&mut self, text: &str, value: &Value, plain: bool, spot: Spot) -> Result<(), Stop> {
        if plain && text == "<<" {
            let message = "merge keys (`<<`) are not part of YAML 1.2";
            return stop(spot, message, "write the fields out");
        }
        if value.is_null() {
            let message = "a key without text";
            self.report(Problem::parse(spot, message, "write the field's name before the `:`"));
        }
        if let Some(Frame { open: Open::Map { key, .. }, size, .. }) = self.frames.last_mut() {
            size.bytes += text.len();
            *key = Some((text.to_owned(), spot));
        }
        Ok(())
    }

    fn open(&mut self, spot: Spot, anchor: usize, open: Open) -> Result<(), Stop> {
        if self.wants_key() {
            return stop(spot, "a key has to be text", "write one word before the `:`");
        }
        if self.frames.len() >= MAX_DEPTH {
            return too_deep(spot);
        }
        let size = Size { nodes: 1, bytes: 0, height: 1 };
        self.count(Size { height: 0, ..size }, spot)?;
        self.frames.push(Frame { spot, anchor, size, open });
        Ok(())
    }

    /// Puts a value where it belongs.
    fn place(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root.get_or_insert(node);
            return;
        };
        frame.size.nodes += node.size.nodes;
        frame.size.bytes += node.size.bytes;
        frame.size.height = frame.size.height.max(node.size.height + 1);
        match &mut frame.open {
            Open::List(items) => items.push(node),
            Open::Map { map, key } => {
                let Some((name, spot)) = key.take() else { return };
                if let Some(first) = map.entries.get(&name) {
                    let shown = super::words::shorten(&name);
                    let message =
                        format!("`{shown}` stands here twice, first in line {}", first.key.line);
                    self.problems.push(Problem::parse(spot, message, "keep one of the two"));
                    map.repeated.insert(name);
                } else {
                    map.entries.insert(name, Entry { key: spot, node });
                }
            }
        }
    }

    fn count(&mut self, size: Size, spot: Spot) -> Result<(), Stop> {
        self.nodes += size.nodes;
        self.bytes += size.bytes;
        let help = "split the document, or write less with aliases";
        if self.nodes > MAX_NODES {
            return stop(spot, format!("more than {MAX_NODES} values in one document"), help);
        }
        if self.bytes > MAX_EXPANDED_BYTES {
            return stop(spot, "more than 1 MiB of text in one document", help);
        }
        Ok(())
    }
}

fn too_deep(spot: Spot) -> Result<(), Stop> {
    let message = format!("nested deeper than {MAX_DEPTH} levels");
    stop(spot, message, "no field of a task lies that deep: take levels away")
}

fn stop(spot: Spot, message: impl Into<String>, help: &str) -> Result<(), Stop> {
    Err(Stop(Problem::parse(spot, message, help)))
}
