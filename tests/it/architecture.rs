//! The rules of the house that no compiler keeps, read from the sources. Each rule is also tried
//! on a source that breaks it.

mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use names::Names;

/// The most lines of production code in a file.
const LINES: usize = 400;

/// Which module may use which: one further down may use those further up, and those of one line
/// never one another.
const LAYERS: [&[&str]; 9] = [
    &["domain"],
    &["manifest"],
    &["metrics", "patience"],
    &["http"],
    &["queue", "watch", "db", "runtime", "files", "save", "probe", "host"],
    &["worker"],
    &["api", "status_dir"],
    &["cli"],
    &["main"],
];

/// Libraries that any module may name.
const SHARED: [&str; 9] = [
    "serde",
    "serde_json",
    "schemars",
    "tokio",
    "tokio_util",
    "tracing",
    "uuid",
    "thiserror",
    "futures_util",
];

/// What pure code may name, and all beneath it.
const PURE: [&str; 39] = [
    "clippy",
    "std::array",
    "std::borrow",
    "std::cell::OnceCell",
    "std::char",
    "std::cmp",
    "std::collections::BTreeMap",
    "std::collections::BTreeSet",
    "std::collections::VecDeque",
    "std::collections::btree_map",
    "std::collections::btree_set",
    "std::convert",
    "std::error::Error",
    "std::fmt",
    "std::hash",
    "std::iter",
    "std::marker",
    "std::mem",
    "std::net::AddrParseError",
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::num",
    "std::ops",
    "std::rc::Rc",
    "std::slice",
    "std::str",
    "std::string",
    "std::sync::Arc",
    "std::sync::LazyLock",
    "std::time::Duration",
    "std::vec",
    "serde",
    "serde_json",
    "schemars",
    "thiserror",
    "uuid",
    "crate::domain",
    "crate::manifest",
];

/// What further pure files may name: files whose path begins so, and a library.
const PURE_IN: [(&str, &str); 5] = [
    ("domain/time.rs", "chrono"),
    ("domain/fingerprint.rs", "sha2"),
    ("manifest/read", "granit_parser"),
    ("manifest/", "jsonschema"),
    ("manifest/", "annotate_snippets"),
];

/// Words that pure code never needs.
const IMPURE_WORDS: [&str; 21] = [
    "async",
    "await",
    "unsafe",
    "Instant",
    "SystemTime",
    "HashMap",
    "HashSet",
    "RandomState",
    "Mutex",
    "RwLock",
    "thread_local",
    "tracing",
    "print",
    "println",
    "eprint",
    "eprintln",
    "dbg",
    "new_v4",
    "now_v7",
    "now_v1",
    "now_v6",
];

/// Methods of `Path` that ask the disk.
const IMPURE_METHODS: [&str; 9] = [
    "exists",
    "try_exists",
    "is_file",
    "is_dir",
    "is_symlink",
    "canonicalize",
    "read_dir",
    "read_link",
    "symlink_metadata",
];

/// A source file, by its path relative to `src`.
type Sources = BTreeMap<String, String>;

fn sources() -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Sources::new();
    let mut open = vec![root.clone()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                // Unit tests beside the code, in files of their own.
                if name.contains("/tests/") || name.ends_with("/tests.rs") {
                    continue;
                }
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    assert!(found.len() > 10, "the sources were not found");
    found
}

fn one(path: &str, source: &str) -> Sources {
    Sources::from([(path.to_owned(), source.to_owned())])
}

/// The module at the top that a file belongs to; `None` for `lib.rs`, which only lists them.
fn top(path: &str) -> Option<&str> {
    let top = path.split('/').next()?.trim_end_matches(".rs");
    (top != "lib").then_some(top)
}

fn is_beneath(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The modules that a file declares: what they name is looked at where they are.
fn children(source: &str) -> BTreeSet<&str> {
    let declared = source.lines().filter_map(|line| {
        let line = line.trim().trim_start_matches("pub ").trim_start_matches("pub(super) ");
        line.strip_prefix("mod ")?.strip_suffix(';')
    });
    declared.filter(|name| !["std", "core", "alloc"].contains(name)).collect()
}

// The rules.

fn impurities(sources: &Sources) -> Vec<String> {
    let mut problems = Vec::new();
    for (file, source) in sources {
        if !["domain", "manifest"].contains(&top(file).unwrap_or_default()) {
            continue;
        }
        let names = Names::of(file, source);
        let extra = |path: &str| {
            PURE_IN.iter().any(|(at, of)| file.starts_with(at) && is_beneath(path, of))
        };
        let children = children(source);
        let unknown = names.paths.iter().filter(|path| {
            if path.split("::").next().is_some_and(|first| children.contains(first)) {
                return false;
            }
            let path = path.replacen("core::", "std::", 1).replacen("alloc::", "std::", 1);
            !extra(&path) && !PURE.iter().any(|pure| is_beneath(&path, pure))
        });
        let clocks = names.paths.iter().filter(|path| path.ends_with("::now"));
        let words = names.words.iter().filter(|word| IMPURE_WORDS.contains(&word.as_str()));
        let methods = names.methods.iter().filter(|name| IMPURE_METHODS.contains(&name.as_str()));
        let mut found: BTreeSet<&String> = unknown.chain(clocks).chain(words).collect();
        found.extend(methods);
        problems.extend(found.into_iter().map(|name| format!("{file} names {name}")));
    }
    problems
}

fn wrong_arrows(sources: &Sources) -> Vec<String> {
    let layer = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let mut problems = BTreeSet::new();
    for (file, source) in sources {
        let Some(from) = top(file) else { continue };
        let Some(height) = layer(from) else {
            problems.insert(format!("{file} has no place in the house"));
            continue;
        };
        for path in &Names::of(file, source).paths {
            let Some(to) = path.strip_prefix("crate::").and_then(|rest| rest.split("::").next())
            else {
                continue;
            };
            if to != from && layer(to).is_none_or(|other| other >= height) {
                problems.insert(format!("{file} uses {to}: {path}"));
            }
        }
    }
    problems.into_iter().collect()
}

fn spread_libraries(sources: &Sources, libraries: &BTreeSet<String>) -> Vec<String> {
    let mut named: BTreeMap<&String, BTreeSet<&str>> = BTreeMap::new();
    for (file, source) in sources {
        let names = Names::of(file, source);
        for library in libraries {
            if names.paths.iter().any(|path| is_beneath(path, library)) {
                named.entry(library).or_default().insert(top(file).unwrap_or("lib"));
            }
        }
    }
    let is_wrong = |library: &str, modules: &BTreeSet<&str>| match library {
        "anyhow" => !modules.is_subset(&BTreeSet::from(["cli", "main"])),
        shared if SHARED.contains(&shared) => false,
        // bollard's transport is made of hyper's types; `http` asks the daemon through the same.
        "hyper" | "hyper_util" | "http_body_util" => {
            !modules.is_subset(&BTreeSet::from(["http", "runtime"]))
        }
        // The kernel's own calls: for directories, and for terminals.
        "rustix" => !modules.is_subset(&BTreeSet::from(["cli", "watch"])),
        _ => modules.len() > 1,
    };
    named
        .into_iter()
        .filter(|(library, modules)| is_wrong(library, modules))
        .map(|(library, modules)| format!("{library} is named in {modules:?}"))
        .collect()
}

/// The libraries that the program is made from, as they are named in the code.
fn libraries() -> BTreeSet<String> {
    let manifest =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let found: BTreeSet<String> = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| Some(line.split_once('=')?.0.trim().replace('-', "_")))
        .collect();
    assert!(found.contains("rusqlite"), "{found:?}");
    found
}

fn long_files(sources: &Sources) -> Vec<String> {
    let production =
        |source: &str| source.lines().take_while(|line| line.trim() != "#[cfg(test)]").count();
    sources
        .iter()
        .map(|(file, source)| (file, production(source)))
        .filter(|(_, lines)| *lines > LINES)
        .map(|(file, lines)| format!("{file} has {lines} lines of production code"))
        .collect()
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn what_decides_must_be_pure() {
    assert_none(&impurities(&sources()));
}

#[test]
fn the_rule_of_purity_can_fail() {
    let bad = [
        "async fn f() {}",
        "fn f() { x.await }",
        "use std::fs;",
        "use std::{fmt, time::{Duration, Instant}};",
        "use std::collections::HashMap;",
        "use std::net::TcpStream;",
        "use std::*;",
        "use std as s; fn f() { s::fs::read(1); }",
        "use core::time::Duration; fn f() { std::thread::sleep(1); }",
        "fn f() { format!(\"{}\", std::env::var(\"HOME\")) }",
        "fn f() { vec![vec![(std::process::id(), 1)]] }",
        "fn f() { ::std::fs::read(1); }",
        "fn f() { println!(\"x\"); }",
        "fn f() { tracing::info!(\"x\"); }",
        "use chrono::Utc;",
        "fn f() { uuid::Uuid::now_v7(); }",
        "use uuid::Uuid; fn f() { Uuid::new_v4() }",
        "fn f(path: P) { path.exists() }",
        "fn f() { <std::fs::File as X>::open() }",
        "use crate::worker::Worker;",
        "use super::super::db::Db;",
        "pub mod inner { use super::super::super::db::Db; }",
        "#[derive(axum::extract::FromRef)] struct X;",
        "#[cfg(test)] use std::{fs}; fn f() { std::fs::read(1) }",
        "#[cfg(test)] const fn g() {} fn f() { std::fs::read(1); }",
        "#[cfg(test)] const G: G = G {}; fn f() { std::fs::read(1); }",
    ];
    for source in bad {
        assert!(!impurities(&one("domain/task.rs", source)).is_empty(), "{source}");
    }
    let clock = "use chrono::Utc; fn f() { Utc::now() }";
    assert_eq!(
        impurities(&one("domain/time.rs", clock)),
        ["domain/time.rs names chrono::Utc::now"]
    );
    let good = "
        use std::collections::{BTreeMap, btree_map::Entry};
        use core::fmt::{self, Display};
        use serde::{Deserialize, Serialize};
        use super::name::Label;
        pub mod label { pub const A: &str = \"std::fs::read\"; use super::Label; }
        #[derive(Clone, Serialize, schemars::JsonSchema)]
        #[serde(rename_all = \"camelCase\")]
        pub struct Now { pub now: Label }
        /// Reads `std::fs`, async.
        impl fmt::Display for Now {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, \"{}\", u64::from(label::A.len()).min(Vec::<u8>::new().len()))
            }
        }
        pub(crate) fn now(&Now { ref now, .. }: &Now) -> String { Self::f(now.metadata, 0..now) }
        #[cfg(test)]
        mod tests { use std::fs; async fn f() { std::fs::read(1) } }";
    assert_none(&impurities(&one("domain/task.rs", good)));
    assert_none(&impurities(&one("worker/mod.rs", "use std::fs; async fn f() {}")));
    assert_none(&impurities(&one("manifest/schema.rs", "use schemars::JsonSchema;")));
}

#[test]
fn dependencies_must_run_one_way() {
    assert_none(&wrong_arrows(&sources()));
}

#[test]
fn the_rule_of_dependencies_can_fail() {
    let bad = [
        ("domain/task.rs", "use crate::manifest::read;", "domain/task.rs uses manifest"),
        ("db/mod.rs", "use crate::watch::Watch;", "db/mod.rs uses watch"),
        ("db/link.rs", "use super::super::queue::Queue;", "db/link.rs uses queue"),
        ("queue.rs", "use super::worker;", "queue.rs uses worker"),
        ("queue.rs", "fn f() { assert!(crate::db::x(1)) }", "queue.rs uses db"),
        ("queue.rs", "use crate as c; fn f() { c::cli::run() }", "queue.rs uses cli"),
        ("worker/mod.rs", "use crate::{db::Db, api::Server};", "worker/mod.rs uses api"),
        ("cli/get.rs", "fn f() { crate::main::run() }", "cli/get.rs uses main"),
        ("main.rs", "use evenkeel::bogus;", "main.rs uses bogus"),
        ("utils.rs", "", "utils.rs has no place in the house"),
    ];
    for (file, source, wanted) in bad {
        let problems = wrong_arrows(&one(file, source));
        assert_eq!(problems.len(), 1, "{source}: {problems:?}");
        assert!(problems[0].starts_with(wanted), "{problems:?}");
    }
    let good = [
        ("main.rs", "use evenkeel::{cli, worker::Worker};"),
        ("worker/mod.rs", "use crate::db::Db; use super::queue::Queue; mod start; use start::go;"),
        ("db/mod.rs", "use crate::domain::name::Label; use self::link::Link; mod link;"),
        ("db/link.rs", "use super::Change; use crate::db::Limits; use super::super::domain::task;"),
        ("probe/mod.rs", "use crate::http::Client;"),
        ("lib.rs", "pub mod anything;"),
    ];
    for (file, source) in good {
        assert_none(&wrong_arrows(&one(file, source)));
    }
}

#[test]
fn each_library_must_be_named_in_one_module_only() {
    assert_none(&spread_libraries(&sources(), &libraries()));
}

#[test]
fn the_rule_of_libraries_can_fail() {
    let known = BTreeSet::from(["rusqlite", "serde", "anyhow"].map(str::to_owned));
    let mut tree = one("db/mod.rs", "use rusqlite::Connection; use serde::Serialize;");
    tree.insert("db/read.rs".into(), "fn f() { rusqlite::params![1] }".into());
    tree.insert("worker/mod.rs".into(), "use serde::Serialize;".into());
    tree.insert("cli/mod.rs".into(), "use anyhow::Context;".into());
    assert_none(&spread_libraries(&tree, &known));
    tree.insert("api/mod.rs".into(), "fn f() { format!(\"{}\", rusqlite::version()) }".into());
    tree.insert("host.rs".into(), "fn f() -> anyhow::Result<()> {}".into());
    assert_eq!(
        spread_libraries(&tree, &known),
        [r#"anyhow is named in {"cli", "host"}"#, r#"rusqlite is named in {"api", "db"}"#]
    );
}

#[test]
fn no_file_may_be_long() {
    assert_none(&long_files(&sources()));
}

#[test]
fn the_rule_of_length_can_fail() {
    let line = "fn f() {}\n";
    let tests = format!("#[cfg(test)]\n{}", line.repeat(1000));
    assert_none(&long_files(&one("a.rs", &format!("{}{tests}", line.repeat(LINES)))));
    assert_eq!(
        long_files(&one("a.rs", &format!("{}{tests}", line.repeat(LINES + 1)))),
        ["a.rs has 401 lines of production code"]
    );
}
