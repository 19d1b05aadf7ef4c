//! What `doctor` takes.

use std::path::PathBuf;

use super::{Allow, TextFormat};

/// `doctor`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel doctor /etc/evenkeel/tasks     before a first `evenkeel run` there\n  \
    evenkeel doctor                         of a daemon that runs, and its directory\n  \
    evenkeel doctor -o json | jq -r '.findings[] | select(.level != \"ok\") | .message'\n\n\
    Nothing is changed. Where a daemon runs, its directory and its policy count.\n\
    Exit code 0 if nothing fails, though there may be warnings; else 1.")]
pub struct Doctor {
    /// The directory of manifests; left out: that of the daemon that runs
    #[arg(value_name = "DIR", env = "EVENKEEL_SOURCE")]
    pub dir: Option<PathBuf>,
    #[command(flatten)]
    pub allow: Allow,
    /// How it is written
    #[arg(short, long, value_enum, default_value_t)]
    pub output: TextFormat,
}
