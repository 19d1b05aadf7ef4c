//! The README says every reason that a condition may have, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where the reasons are, and between which words of the file.
const SOURCES: [(&str, &str, &str); 4] = [
    ("src/domain/status/conditions.rs", "", "#[cfg(test)]"),
    ("src/domain/words.rs", "impl Waiting {", "impl fmt::Display for Waiting"),
    ("src/domain/diagnostic.rs", "impl InvalidReason {", "#[cfg(test)]"),
    ("src/cli/view.rs", "condition.status = Truth::Unknown", "status\n}"),
];

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_alphabetic())
}

#[test]
fn every_reason_of_a_condition_must_be_in_the_readme_and_no_other() {
    let mut given = BTreeSet::new();
    for (file, from, to) in SOURCES {
        let text = read(file);
        let begin = text.find(from).unwrap_or_else(|| panic!("no {from:?} in {file}"));
        let part = &text[begin..];
        let part = &part[..part.find(to).unwrap_or(part.len())];
        let texts = part.split('"').skip(1).step_by(2);
        let words: BTreeSet<String> = texts.filter(|it| is_word(it)).map(str::to_owned).collect();
        assert!(!words.is_empty(), "nothing was found in {file}");
        given.extend(words);
    }
    let readme = read("README.md");
    let (_, section) = readme.split_once("### Conditions\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| line.split('|').nth(2));
    let told = rows.map(|cell| cell.trim().trim_matches('`').to_owned());
    let told: BTreeSet<String> = told.filter(|it| is_word(it)).collect();
    assert_eq!(told, given);
}
