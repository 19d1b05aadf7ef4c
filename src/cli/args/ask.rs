//! What the commands take that ask and answer.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::value::{Since, parse_namespace, parse_since};
use crate::domain::name::Label;

/// Which tasks.
#[derive(Debug, Clone, clap::Args)]
pub struct Named {
    /// Only tasks of this namespace; also the namespace of a NAME that says none
    #[arg(short, long, value_parser = parse_namespace)]
    pub namespace: Option<Label>,
}

/// `get`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel get\n  \
    evenkeel get web prod/db -o wide\n  \
    evenkeel get -n prod -o json\n  \
    evenkeel get -w                      and each row that changes; stop with Ctrl-C\n\n\
    All namespaces are listed; a name outside `default` is shown as NAMESPACE/NAME.\n\
    Without a daemon this tells what was known last, and how the containers are now.")]
pub struct Get {
    /// Tasks, as NAME or NAMESPACE/NAME; left out: all
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub named: Named,
    /// Go on with what changes, until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
    /// Of all namespaces, with a column that says which
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// How tasks are written
    #[arg(short, long, value_enum, default_value_t)]
    pub output: ListFormat,
}

/// How a list is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// For people
    #[default]
    Table,
    /// For people with a wide screen
    Wide,
    /// For programs
    Json,
    /// For programs, and people who like it
    Yaml,
    /// Names alone
    Name,
}

/// `completion`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    source <(evenkeel completion bash)                                    in this shell\n  \
    evenkeel completion bash > /etc/bash_completion.d/evenkeel            in each new one\n  \
    evenkeel completion zsh > \"${fpath[1]}/_evenkeel\"\n  \
    evenkeel completion fish > ~/.config/fish/completions/evenkeel.fish\n\n\
    Names of tasks are those that the daemon knows at that moment.")]
pub struct Completion {
    /// Which shell
    pub shell: Shell,
}

/// A shell that can be taught to complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "they are names")]
pub enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    /// As the completion library names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}

/// `man`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel man /usr/local/share/man/man1     for all on this host; then: man evenkeel-run\n  \
    evenkeel man . && man -l evenkeel-run.1")]
pub struct Man {
    /// Where the pages are put: evenkeel.1, and one for each command
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

/// `explain`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel explain task                     what a manifest holds\n  \
    evenkeel explain task.spec.update\n  \
    evenkeel explain ports.hostPort           what stands in the spec is found without it\n  \
    evenkeel explain task --recursive         the names of all fields")]
pub struct Explain {
    /// A field, such as `spec.ports.hostPort`; `task` for the whole
    #[arg(value_name = "PATH", default_value = "task", hide_default_value = true)]
    pub path: String,
    /// The names of all fields beneath, without their meaning
    #[arg(long)]
    pub recursive: bool,
    /// How it is written
    #[arg(short, long, value_enum, default_value_t)]
    pub output: TextFormat,
}

/// `describe`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel describe web\n  \
    evenkeel describe prod/db --events 100\n  \
    evenkeel describe web -o json        its status and its events")]
pub struct Describe {
    /// Tasks, as NAME or NAMESPACE/NAME
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub named: Named,
    /// How many of the last events are shown
    #[arg(long, default_value_t = 15, value_name = "N")]
    pub events: u32,
    /// How it is written
    #[arg(short, long, value_enum, default_value_t)]
    pub output: TextFormat,
}

/// `logs`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel logs web\n  \
    evenkeel logs web -f --tail 20       go on, also after restarts; stop with Ctrl-C\n  \
    evenkeel logs web --previous         why did it end?\n  \
    evenkeel logs web --since 10m --slot 1\n\n\
    With several instances each line begins with NAME.SLOT.")]
pub struct Logs {
    /// The task, as NAME or NAMESPACE/NAME
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub named: Named,
    /// Go on as it grows, also with the instances that come after; until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// Of the instance that ended last; what is left of it, if its container is gone
    #[arg(short, long, conflicts_with = "follow")]
    pub previous: bool,
    /// Only so many of the last lines of each instance
    #[arg(long, value_name = "N")]
    pub tail: Option<u32>,
    /// Only what was written since: a time ago, such as 10m, or a moment, such as
    /// 2026-01-31T09:30:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub since: Option<Since>,
    /// Only of this one of the replicas, counted from 0
    #[arg(long, value_name = "N")]
    pub slot: Option<u16>,
    /// With the time of each line before it
    #[arg(short, long)]
    pub timestamps: bool,
}

/// `status`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel status\n  \
    evenkeel status -o json\n\n\
    Exit code 0 if all is well, 1 if something needs a look, 4 if no daemon runs.")]
pub struct Status {
    /// How it is written
    #[arg(short, long, value_enum, default_value_t)]
    pub output: TextFormat,
}

/// How something is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// `approve`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel approve prune\n  \
    evenkeel approve source\n  \
    evenkeel approve engine\n\n\
    `evenkeel status` tells what is held back.")]
pub struct Approve {
    /// What was held back.
    #[command(subcommand)]
    pub what: Approval,
}

/// What was held back.
#[derive(Debug, Clone, Subcommand)]
pub enum Approval {
    /// Let the tasks go whose manifests are gone, though they are many
    #[command(after_help = "Examples:\n  \
        evenkeel approve prune               shows them, then asks\n\n\
        Exactly the tasks that are shown are removed; volumes stay.")]
    Prune {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Take containers over that were made from another directory
    #[command(after_help = "Examples:\n  \
        evenkeel approve source              after the directory was moved\n\n\
        What the present directory does not ask for is stopped and removed then.")]
    Source {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Keep the host of another engine than before
    #[command(after_help = "Examples:\n  \
        evenkeel approve engine              after Docker was set up anew\n\n\
        What of this worker's name is there and the directory does not ask for is stopped and\n\
        removed then.")]
    Engine {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// `version`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel version\n  \
    evenkeel version -o json\n  \
    evenkeel --version                   its own alone")]
pub struct Version {
    /// How it is written
    #[arg(short, long, value_enum, default_value_t)]
    pub output: TextFormat,
}
