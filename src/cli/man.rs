//! `evenkeel man`: the manual, a page for each command, made from what `--help` says.
//!
//! The only place that names the library that writes manual pages.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use anyhow::Context as _;
use clap::CommandFactory;
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, bold, roman};

use super::args::{Args, Man};
use super::{Exit, out};

/// How a help text begins the commands that it shows.
const EXAMPLES: &str = "Examples:\n";

/// Writes the manual into a directory, which is made if it is not there.
pub fn man(args: &Man) -> anyhow::Result<Exit> {
    let dir = &args.dir;
    let pages = pages()?;
    fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
    for (name, page) in &pages {
        let path = dir.join(name);
        fs::write(&path, page).with_context(|| format!("can't write {}", path.display()))?;
    }
    out::say(&format!(
        "{} pages, the first of them: man -l {}/evenkeel.1",
        pages.len(),
        dir.display()
    ));
    Ok(Exit::Ok)
}

/// All pages, by the names of their files.
fn pages() -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut command = Args::command();
    command.build();
    let mut pages = BTreeMap::new();
    add(&mut pages, &command, None)?;
    Ok(pages)
}

/// The page of a command, and those of the commands beneath it; `above`: the one that it is beneath.
fn add(
    pages: &mut BTreeMap<String, Vec<u8>>,
    command: &clap::Command,
    above: Option<&str>,
) -> io::Result<()> {
    let page = Page::new(command.clone())
        // None is left out, and what follows it stands in its place.
        .date(" ")
        .source(format!("evenkeel {}", env!("CARGO_PKG_VERSION")));
    let name = page.get_filename();
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    let (examples, remarks) = after_help(command);
    description(command, &remarks).to_writer(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    ending(&examples, above).to_writer(&mut text)?;
    pages.insert(name, text);
    let shown = command.get_display_name().unwrap_or_else(|| command.get_name());
    command.get_subcommands().try_for_each(|inner| add(pages, inner, Some(shown)))
}

/// What stands at the end of a help text: the examples, and the paragraphs about the command.
fn after_help(command: &clap::Command) -> (String, Vec<String>) {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (examples, remarks): (Vec<&str>, Vec<&str>) =
        help.split("\n\n").partition(|paragraph| paragraph.starts_with(EXAMPLES));
    let examples = examples.iter().map(|it| it.trim_start_matches(EXAMPLES)).collect();
    (examples, remarks.into_iter().map(str::to_owned).collect())
}

fn description(command: &clap::Command, remarks: &[String]) -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["DESCRIPTION"]);
    let about = command.get_long_about().or_else(|| command.get_about());
    page.text([roman(about.map(ToString::to_string).unwrap_or_default())]);
    for remark in remarks {
        page.control("PP", []).text([roman(remark)]);
    }
    page
}

/// The examples, line by line as they stand, and where to read on.
fn ending(examples: &str, above: Option<&str>) -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["EXAMPLES"]).control("EX", []);
    for line in examples.lines() {
        page.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    page.control("EE", []);
    if let Some(above) = above {
        page.control("SH", ["SEE ALSO"]).text([bold(above), roman("(1)")]);
    }
    page
}
