//! The names that a source file uses, found in its tokens: inside functions and macros too.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Ident, Spacing, TokenStream, TokenTree};
use syn::{ItemUse, UseTree};

/// All names of a file's production code.
#[derive(Debug, Default)]
pub struct Names {
    /// Paths as far as they lead out of the file, resolved: `std::fs::read`, `crate::domain::name`.
    pub paths: BTreeSet<String>,
    /// Every word.
    pub words: BTreeSet<String>,
    /// What is called with a dot.
    pub methods: BTreeSet<String>,
}

/// What the walk has seen before paths can be resolved.
#[derive(Debug, Default)]
struct Found {
    imports: BTreeMap<String, String>,
    imported: Vec<(usize, String)>,
    paths: Vec<(usize, Vec<String>)>,
    modules: BTreeSet<String>,
    names: Names,
}

impl Names {
    /// Of the source of the file at `path`, relative to `src`. What is `#[cfg(test)]` is left out.
    pub fn of(path: &str, source: &str) -> Self {
        let tokens: TokenStream = source.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut found = Found::default();
        walk(tokens, 0, &mut found);
        let here = module_of(path);
        let mut names = std::mem::take(&mut found.names);
        for (depth, path) in &found.imported {
            names.paths.insert(absolute(path, &here, *depth));
        }
        for (depth, path) in &found.paths {
            names.paths.extend(resolved(path, &found).map(|path| absolute(&path, &here, *depth)));
        }
        names
    }
}

/// The module that a file is: `db/link.rs` is `db::link`, and the program uses the library.
fn module_of(path: &str) -> Vec<String> {
    let stem = path.trim_end_matches(".rs").trim_end_matches("/mod");
    stem.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
}

/// A path that leads out of the file; `None` for one that does not.
fn resolved(path: &[String], found: &Found) -> Option<String> {
    let (first, rest) = path.split_first()?;
    if let Some(import) = found.imports.get(first) {
        let whole: Vec<&str> =
            std::iter::once(import.as_str()).chain(rest.iter().map(String::as_str)).collect();
        return Some(whole.join("::"));
    }
    let is_type = first.starts_with(char::is_uppercase);
    let primitive =
        ["str", "char", "bool", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16"];
    let primitive_too = ["i32", "i64", "i128", "isize", "f32", "f64"];
    let local = is_type
        || found.modules.contains(first)
        || primitive.contains(&first.as_str())
        || primitive_too.contains(&first.as_str());
    (path.len() > 1 && !local).then(|| path.join("::"))
}

/// The same path from the crate's root. `depth` is how many modules deep in its file it stands.
fn absolute(path: &str, here: &[String], depth: usize) -> String {
    let mut parts: Vec<&str> = path.split("::").collect();
    let mut base: Vec<&str> = here.iter().map(String::as_str).collect();
    base.extend(std::iter::repeat_n("inline", depth));
    match parts[0] {
        "evenkeel" => parts[0] = "crate",
        "self" | "super" => {
            let ups = parts.iter().take_while(|part| **part == "super").count();
            base.truncate(base.len().saturating_sub(ups));
            let down = parts.iter().skip_while(|part| ["self", "super"].contains(part));
            parts = std::iter::once("crate").chain(base).chain(down.copied()).collect();
        }
        _ => {}
    }
    parts.join("::")
}

fn walk(tokens: TokenStream, depth: usize, found: &mut Found) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < trees.len() {
        at = match &trees[at] {
            TokenTree::Punct(mark) if mark.as_char() == '#' && is_test_only(trees.get(at + 1)) => {
                end_of_item(&trees, at + 2)
            }
            TokenTree::Ident(word) if *word == "use" && !is_punct(trees.get(at + 1), '<') => {
                import(&trees, at, depth, found)
            }
            TokenTree::Ident(word) if *word == "mod" => module(&trees, at, depth, found),
            TokenTree::Ident(word) => path(&trees, at, word, depth, found),
            TokenTree::Group(group) => {
                walk(group.stream(), depth, found);
                at + 1
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at + 1,
        };
    }
}

/// Whether this is the `[cfg(test)]` of an attribute.
fn is_test_only(tree: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = tree else { return false };
    group.delimiter() == Delimiter::Bracket
        && group.stream().to_string().replace(' ', "") == "cfg(test)"
}

/// Behind the item whose attributes end before `at`.
fn end_of_item(trees: &[TokenTree], at: usize) -> usize {
    let words = trees[at..].iter().filter_map(|tree| match tree {
        TokenTree::Ident(word) => Some(word.to_string()),
        _ => None,
    });
    let mut words = words.skip_while(|word| word == "pub");
    let ends_with_semicolon = match words.next().as_deref() {
        Some("use" | "static" | "type") => true,
        Some("const") => words.next().is_none_or(|word| word != "fn"),
        _ => false,
    };
    let is_end = |tree: &TokenTree| match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !ends_with_semicolon,
        TokenTree::Punct(mark) => mark.as_char() == ';',
        _ => false,
    };
    trees[at..].iter().position(is_end).map_or(trees.len(), |end| at + end + 1)
}

/// Notes what a `use` imports.
fn import(trees: &[TokenTree], at: usize, depth: usize, found: &mut Found) -> usize {
    let end = trees[at..]
        .iter()
        .position(|tree| is_punct(Some(tree), ';'))
        .map_or(trees.len(), |end| at + end + 1);
    let item: TokenStream = trees[at..end].iter().cloned().collect();
    if let Ok(item) = syn::parse2::<ItemUse>(item) {
        flatten(&item.tree, String::new(), depth, found);
    }
    end
}

fn flatten(tree: &UseTree, before: String, depth: usize, found: &mut Found) {
    let join = |name: &Ident| joined(&before, &name.to_string());
    let (path, name) = match tree {
        UseTree::Path(path) => return flatten(&path.tree, join(&path.ident), depth, found),
        UseTree::Group(group) => {
            for inner in &group.items {
                flatten(inner, before.clone(), depth, found);
            }
            return;
        }
        UseTree::Name(name) if name.ident == "self" => {
            let last = before.rsplit("::").next().unwrap_or_default().to_owned();
            (before, last)
        }
        UseTree::Name(name) => (join(&name.ident), name.ident.to_string()),
        UseTree::Rename(rename) => (join(&rename.ident), rename.rename.to_string()),
        UseTree::Glob(_) => (joined(&before, "*"), String::new()),
    };
    found.names.words.extend(path.split("::").map(str::to_owned));
    found.imports.insert(name, path.clone());
    found.imported.push((depth, path));
}

fn joined(before: &str, name: &str) -> String {
    if before.is_empty() { name.to_owned() } else { format!("{before}::{name}") }
}

/// Notes a module, and walks one that is written out.
fn module(trees: &[TokenTree], at: usize, depth: usize, found: &mut Found) -> usize {
    if let Some(TokenTree::Ident(name)) = trees.get(at + 1) {
        found.modules.insert(name.to_string());
    }
    match trees.get(at + 2) {
        Some(TokenTree::Group(group)) => walk(group.stream(), depth + 1, found),
        _ => return at + 2,
    }
    at + 3
}

/// Notes the path that begins with `first`, and the words in it.
fn path(trees: &[TokenTree], at: usize, first: &Ident, depth: usize, found: &mut Found) -> usize {
    let mut parts = vec![first.to_string()];
    let mut next = at + 1;
    while is_double_colon(trees, next) {
        let Some(TokenTree::Ident(part)) = trees.get(next + 2) else { break };
        parts.push(part.to_string());
        next += 3;
    }
    found.names.words.extend(parts.iter().cloned());
    let after_dot = at > 0 && is_punct(trees.get(at - 1), '.');
    // `..name` is a range or the rest of a struct.
    let after_range = at > 1 && is_punct(trees.get(at - 2), '.');
    if after_dot && !after_range {
        let called = matches!(trees.get(next), Some(TokenTree::Group(group))
            if group.delimiter() == Delimiter::Parenthesis);
        if called {
            found.names.methods.insert(parts[0].clone());
        }
    } else if !(at > 1 && is_double_colon(trees, at - 2) && is_qualified(trees, at - 2)) {
        found.paths.push((depth, parts));
    }
    next
}

/// Whether the `::` at `at` goes on from a `>`: what follows belongs to a type.
fn is_qualified(trees: &[TokenTree], at: usize) -> bool {
    at > 0 && is_punct(trees.get(at - 1), '>')
}

fn is_double_colon(trees: &[TokenTree], at: usize) -> bool {
    let joint = matches!(trees.get(at), Some(TokenTree::Punct(mark))
        if mark.as_char() == ':' && mark.spacing() == Spacing::Joint);
    joint && is_punct(trees.get(at + 1), ':')
}

fn is_punct(tree: Option<&TokenTree>, wanted: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(mark)) if mark.as_char() == wanted)
}
