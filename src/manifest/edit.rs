//! The text of a manifest file with one of its documents replaced or removed: all other bytes stay.
//!
//! What comes out is read again, and has to hold just what was there before but for that one
//! document; else nothing comes out. So a file that is written unlike any that was thought of is
//! refused, never spoilt. Pure; who receives manifests calls it.

mod layout;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::node::{Kind, Node};
use super::read::Documents;
use super::tree::Extent;
use super::{API_VERSION, name_of};
use crate::domain::name::{Label, TaskName};
use layout::{Part, ends_line, has_comment, lines, parts};

/// What precedes a text in some files.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The comment that tells an editor which schema a file has.
const MODELINE: &str = "# yaml-language-server:";

/// Why a text can't be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unchangeable {
    /// Something in it can't be read.
    #[error("something in it is no YAML")]
    Broken,
    /// It holds no such document.
    #[error("it holds no such document")]
    Absent,
    /// Two documents of it have that name.
    #[error("two of its documents have that name")]
    Twice,
    /// The document can't be told from what stands around it.
    #[error("its documents can't be told apart line by line")]
    Entangled,
}

/// `text` with each of these documents in the place of the task of that name.
///
/// Comments before and after a document stay as they are; where there are none, those of the new
/// one are taken. Line breaks become those of `text`.
///
/// # Errors
/// If that can't be done without a doubt.
pub fn replace(text: &str, news: &[(&TaskName, &str)]) -> Result<String, Unchangeable> {
    let file = File::of(text)?;
    let mut wanted = file.values();
    let mut places = Vec::with_capacity(news.len());
    for (name, document) in news {
        let at = file.position(name)?;
        let new = Sent::of(document)?;
        wanted[file.held_before(at)] = new.value.clone();
        places.push((at, new));
    }
    for fit in [Fit::Tidy, Fit::Whole, Fit::AsItIs] {
        let mut pieces = file.pieces();
        for (at, new) in &places {
            pieces[*at] = file.with(*at, new, fit);
        }
        let text = format!("{}{}", file.mark, pieces.concat());
        if values(&text).is_ok_and(|values| values == wanted) {
            return Ok(text);
        }
    }
    match news {
        // Each may have to be put there in another way.
        [first, rest @ ..] if !rest.is_empty() => replace(&replace(text, &[*first])?, rest),
        _ => Err(Unchangeable::Entangled),
    }
}

/// `text` without the document of the task `name`; `None`: no other document is left.
///
/// Comments just before the document go with it. What stands at the head of a file, set off by an
/// empty line, stays, and so does what tells an editor the schema.
///
/// # Errors
/// If that can't be done without a doubt.
pub fn remove(text: &str, name: &TaskName) -> Result<Option<String>, Unchangeable> {
    let file = File::of(text)?;
    let at = file.position(name)?;
    let mut wanted = file.values();
    wanted.remove(file.held_before(at));
    if wanted.is_empty() {
        return Ok(None);
    }
    // An empty document is none; its mark may be needed to end what is before it.
    let mut emptied = file.pieces();
    emptied[at] = file.opened(&file.parts[at].0) + file.parts[at].0.trail;
    for pieces in [file.without(at), emptied] {
        let text = format!("{}{}", file.mark, pieces.concat());
        if values(&text).is_ok_and(|values| values == wanted) {
            return Ok(Some(text));
        }
    }
    Err(Unchangeable::Entangled)
}

/// The texts of the documents of `text`, each with the comments around it.
///
/// # Errors
/// If something in it can't be read.
pub fn split(text: &str) -> Result<Vec<String>, Unchangeable> {
    let file = File::of(text)?;
    let documents = file.parts.iter().filter(|(_, held)| held.is_some());
    Ok(documents.map(|(part, _)| [part.lead, part.body, part.trail].concat()).collect())
}

/// `document` as the text of a file of that name: as it is, or as JSON if only that may be there.
///
/// # Errors
/// If it can't be read.
pub fn in_form_of(file: &str, document: &str) -> Result<String, Unchangeable> {
    let sent = Sent::of(document)?;
    let is_json = file.rsplit_once('.').is_some_and(|(_, end)| end == "json");
    if is_json && serde_json::from_str::<Value>(document).is_err() {
        return Ok(format!("{:#}\n", sent.value));
    }
    let whole = format!("{document}\n");
    // A line break more may belong to a text at the end.
    let is_same = || values(&whole).is_ok_and(|values| values == [sent.value.clone()]);
    Ok(if !ends_line(document) && is_same() { whole } else { document.to_owned() })
}

/// `document` with a namespace, which it does not name; `None` where it can't be written in.
#[must_use]
pub fn in_namespace(document: &str, namespace: &Label) -> Option<String> {
    let sent = Sent::of(document).ok()?;
    let mut wanted = sent.value.clone();
    let metadata = wanted.get_mut("metadata")?.as_object_mut()?;
    if metadata.insert("namespace".to_owned(), namespace.as_str().into()).is_some() {
        return None;
    }
    let root = Documents::of(document).find_map(|draft| draft.root)?;
    let Kind::Map(map) = &*root.single("metadata")?.kind else { return None };
    let first = map.entries.values().map(|entry| entry.key).min()?;
    let line = usize::try_from(first.line).ok()?.checked_sub(1)?;
    let before: usize = lines(document).take(line).map(str::len).sum();
    let column = usize::try_from(first.column).ok()?.checked_sub(1)?;
    let indent: String = lines(document).nth(line)?.chars().take(column).collect();
    let (head, tail) = document.split_at(before + indent.len());
    let line_break = if is_crlf(document) { "\r\n" } else { "\n" };
    let is_alone = indent.chars().all(|c| c == ' ');
    let block = is_alone.then(|| format!("{head}namespace: {namespace}{line_break}{indent}{tail}"));
    // JSON takes this too.
    let flow = format!("{head}\"namespace\": \"{namespace}\", {tail}");
    let is_meant = |text: &String| values(text).is_ok_and(|values| values == [wanted.clone()]);
    block.into_iter().chain([flow]).find(is_meant)
}

/// How a document is put in the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// What is around the old one stays around it.
    Tidy,
    /// With the empty lines after it, which may belong to it.
    Whole,
    /// Without a line break that it does not have.
    AsItIs,
}

/// A document that is put into a file.
struct Sent<'a> {
    part: Part<'a>,
    value: Value,
}

impl<'a> Sent<'a> {
    fn of(document: &'a str) -> Result<Self, Unchangeable> {
        let document = document.strip_prefix(BYTE_ORDER_MARK).unwrap_or(document);
        let [value] = &values(document)?[..] else { return Err(Unchangeable::Entangled) };
        let part = parts(document).into_iter().find(|part| !part.body.is_empty());
        let part = part.ok_or(Unchangeable::Entangled)?;
        Ok(Self { part, value: value.clone() })
    }
}

/// A document of a file: the name it has, and what it holds.
type Held = Option<(Option<TaskName>, Value)>;

/// A file's text, cut into parts, each with the document in it.
struct File<'a> {
    mark: &'a str,
    parts: Vec<(Part<'a>, Held)>,
    crlf: bool,
}

impl<'a> File<'a> {
    fn of(text: &'a str) -> Result<Self, Unchangeable> {
        let body = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let mark = &text[..text.len() - body.len()];
        let held = parts(body).into_iter().map(|part| {
            if part.body.is_empty() {
                return Ok((part, None));
            }
            let roots = roots(part.body)?;
            match &roots[..] {
                [] => Ok((part, None)),
                [root] => Ok((part, Some((name_of(root), root.value())))),
                _ => Err(Unchangeable::Entangled),
            }
        });
        let parts = held.collect::<Result<Vec<_>, _>>()?;
        let file = Self { mark, parts, crlf: is_crlf(text) };
        if values(text)? == file.values() { Ok(file) } else { Err(Unchangeable::Entangled) }
    }

    fn values(&self) -> Vec<Value> {
        let held = self.parts.iter().filter_map(|(_, held)| held.as_ref());
        held.map(|(_, value)| value.clone()).collect()
    }

    /// Which part holds a task.
    fn position(&self, name: &TaskName) -> Result<usize, Unchangeable> {
        let is_it = |(_, (_, held)): &(usize, &(Part<'_>, Held))| {
            held.as_ref().is_some_and(|(known, value)| {
                known.as_ref() == Some(name) && value["apiVersion"] == API_VERSION
            })
        };
        let mut found = self.parts.iter().enumerate().filter(is_it).map(|(at, _)| at);
        let first = found.next().ok_or(Unchangeable::Absent)?;
        if found.next().is_some() { Err(Unchangeable::Twice) } else { Ok(first) }
    }

    /// How many documents stand before a part.
    fn held_before(&self, at: usize) -> usize {
        self.parts[..at].iter().filter(|(_, held)| held.is_some()).count()
    }

    /// Each part's text.
    fn pieces(&self) -> Vec<String> {
        let all = self.parts.iter();
        all.map(|(part, _)| [part.open, part.lead, part.body, part.trail].concat()).collect()
    }

    /// The text of a part with another document.
    fn with(&self, at: usize, new: &Sent<'_>, fit: Fit) -> String {
        let (old, new) = (&self.parts[at].0, &new.part);
        let own = |own: &'a str, sent: &str| {
            let is_own = has_comment(own) || !has_comment(sent);
            if is_own { own.to_owned() } else { self.broken_as_here(sent) }
        };
        let lead = own(old.lead, new.lead);
        let mut body = self.broken_as_here(new.body);
        let trail = if fit == Fit::Tidy {
            own(old.trail, new.trail)
        } else {
            body.push_str(&self.broken_as_here(new.trail));
            if has_comment(old.trail) { old.trail.to_owned() } else { String::new() }
        };
        let is_followed = at + 1 < self.parts.len() || !trail.is_empty();
        if !ends_line(&body) && (is_followed || fit != Fit::AsItIs) {
            body.push_str(self.line_break());
        }
        [self.opened(old), lead, body, trail].concat()
    }

    /// The mark of a part, on a line of its own.
    fn opened(&self, part: &Part<'_>) -> String {
        if part.open.is_empty() || ends_line(part.open) {
            part.open.to_owned()
        } else {
            format!("{}{}", part.open.trim_end(), self.line_break())
        }
    }

    fn line_break(&self) -> &'static str {
        if self.crlf { "\r\n" } else { "\n" }
    }

    /// The text of each part but one.
    fn without(&self, at: usize) -> Vec<String> {
        let part = &self.parts[at].0;
        let mut pieces = self.pieces();
        let trail = if has_comment(part.trail) { part.trail } else { "" };
        let is_first =
            self.parts[..at].iter().all(|(_, held)| held.is_none()) && part.open.is_empty();
        pieces[at] = if is_first {
            format!("{}{trail}", head_of_file(part.lead))
        } else if part.open.starts_with("...") {
            // It ends the document before.
            format!("{}{trail}", part.open)
        } else {
            trail.to_owned()
        };
        if let Some((next, _)) = self.parts.get(at + 1)
            && is_first
            && pieces[at].is_empty()
            && next.is_opened_plainly()
        {
            pieces[at + 1] = [next.lead, next.body, next.trail].concat();
        }
        pieces
    }

    /// A text with the line breaks of this file.
    fn broken_as_here(&self, text: &str) -> String {
        let plain = text.replace("\r\n", "\n");
        if self.crlf { plain.replace('\n', "\r\n") } else { plain }
    }
}

/// What of the comments before the first document is about the whole file.
fn head_of_file(lead: &str) -> String {
    let all: Vec<&str> = lines(lead).collect();
    let last = all.iter().rposition(|line| line.trim().is_empty());
    let (head, own) = all.split_at(last.map_or(0, |at| at + 1));
    let modelines = own.iter().filter(|line| line.starts_with(MODELINE));
    let head = head.iter().chain(modelines).copied().collect::<String>();
    if head.trim().is_empty() { String::new() } else { head }
}

fn is_crlf(text: &str) -> bool {
    lines(text).next().is_some_and(|line| line.ends_with("\r\n"))
}

/// The documents of a text, but for those without anything in them.
fn roots(text: &str) -> Result<Vec<Node>, Unchangeable> {
    let mut roots = Vec::new();
    for draft in Documents::of(text) {
        if draft.extent != Extent::Whole || !draft.problems.is_empty() {
            return Err(Unchangeable::Broken);
        }
        let is_nothing = |root: &Node| matches!(&*root.kind, Kind::Scalar(Value::Null));
        roots.extend(draft.root.filter(|root| !is_nothing(root)));
    }
    Ok(roots)
}

/// What the documents of a text hold.
fn values(text: &str) -> Result<Vec<Value>, Unchangeable> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    Ok(roots(text)?.iter().map(Node::value).collect())
}
