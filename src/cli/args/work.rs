//! What the commands take that hand in work.

use std::path::PathBuf;
use std::time::Duration;

use super::ask::Named;
use super::value::{parse_duration, parse_namespace};
use crate::domain::name::Label;

/// `apply`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel apply -f web.yaml\n  \
    evenkeel apply -f ./staging -f extra.yaml -n prod\n  \
    generate | evenkeel apply -f - --wait\n  \
    evenkeel apply -f web.yaml --dry-run          what would be written, as a diff\n\n\
    The daemon checks all of it and writes it into its directory: a task that is there is replaced\n\
    where it stands in its file, a new one becomes NAMESPACE.NAME.yaml. What says the same already\n\
    is left as it is written. Either all is written or nothing.\n\
    Exit code 1: something is wrong or in the way, and nothing was changed; with --wait as sync.")]
pub struct Apply {
    /// Files, and directories with all manifests in them; - is standard input; may be repeated
    #[arg(short, long = "file", alias = "filename", required = true, value_name = "PATH")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub within: Within,
    /// Only tell what would be written
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until services are ready and jobs done
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
    /// How long to wait, such as 90s, 5m or 1h
    #[arg(long, default_value = "5m", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: Duration,
}

/// In which namespace.
#[derive(Debug, Clone, clap::Args)]
pub struct Within {
    /// The namespace of manifests that name none; it is written into them
    #[arg(short, long, value_parser = parse_namespace)]
    pub namespace: Option<Label>,
}

/// `delete`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel delete web\n  \
    evenkeel delete web db -n prod\n  \
    evenkeel delete -f web.yaml\n  \
    evenkeel delete web --dry-run                 what would be written, as a diff\n\n\
    The manifest goes from its file, and a file that holds no other goes too; then the task is stopped\n\
    and removed at once, without being asked for again. Volumes stay.\n\
    Exit code 0: they are gone; 1: one is not there, or can't be removed; 3: it took too long.")]
pub struct Delete {
    /// Tasks, as NAME or NAMESPACE/NAME
    #[arg(value_name = "NAME", required_unless_present = "files")]
    pub names: Vec<String>,
    /// The tasks that these manifests declare; directories and - as with apply; may be repeated
    #[arg(short, long = "file", alias = "filename", value_name = "PATH", conflicts_with = "names")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub named: Named,
    /// Only tell what would be written
    #[arg(long)]
    pub dry_run: bool,
    /// Do not wait until they are gone
    #[arg(long)]
    pub no_wait: bool,
    /// How long to wait, such as 90s, 5m or 1h
    #[arg(long, default_value = "5m", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: Duration,
}
