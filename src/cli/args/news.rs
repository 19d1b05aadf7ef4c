//! What the commands take that tell of what happens.

use std::time::Duration;

use clap::ValueEnum;

use super::ask::{Named, TextFormat};
use super::value::{Since, parse_duration, parse_since};
use crate::domain::time::Timestamp;

/// `events`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel events\n  \
    evenkeel events web -f               go on as it happens; stop with Ctrl-C\n  \
    evenkeel events -n prod --since 1h\n  \
    evenkeel events web -o json | jq '.items[].reason'\n\n\
    The oldest come first. Of each task the last 200 are kept, also when it is gone.\n\
    -f -o json writes an object a line.")]
pub struct Events {
    /// Only of this task, as NAME or NAMESPACE/NAME
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    pub named: Named,
    /// Go on as they happen, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// Only what happened since: a time ago, such as 10m, or a moment, such as
    /// 2026-01-31T09:30:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub since: Option<Since>,
    /// How events are written
    #[arg(short, long, value_enum, default_value_t)]
    pub output: EventFormat,
}

/// How events are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum EventFormat {
    /// For people
    #[default]
    Table,
    /// For people with a wide screen: with number and moment
    Wide,
    /// For programs
    Json,
}

/// `wait`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel wait web --for=Ready\n  \
    evenkeel wait migrate --for=Completed --timeout 10m && evenkeel logs migrate\n  \
    evenkeel wait web db --for=Deleted\n\n\
    Ready: as many instances are ready as are wanted, all as the manifest has them that is there now.\n\
    What was saved before the command began counts, though the daemon has not read it yet.\n\
    Exit code 0: it is so; 1: it can't become so, and why; 3: it took too long; 4: no daemon.")]
pub struct Wait {
    /// Tasks, as NAME or NAMESPACE/NAME
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub named: Named,
    /// What to wait for
    #[arg(long = "for", value_enum, ignore_case = true, value_name = "WHAT")]
    pub goal: WaitFor,
    /// How long to wait, such as 90s, 5m or 1h; 0: look once
    #[arg(long, default_value = "5m", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: Duration,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WaitFor {
    /// All wanted instances are ready, as the manifest has them
    #[value(name = "Ready")]
    Ready,
    /// The job has ended as it should
    #[value(name = "Completed", alias = "Complete")]
    Completed,
    /// Nothing is left of it
    #[value(name = "Deleted", alias = "Delete")]
    Deleted,
    /// All its instances are of the restart that was asked for then, and ready
    #[value(skip)]
    Restarted(Timestamp),
}

/// `why`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel why web\n  \
    evenkeel why prod/db --slot 1\n  \
    evenkeel why web -o json\n\n\
    First how it is now and what it waits for, then what led there, the oldest first: each cause (a\n\
    manifest that changed, an instance that ended, something found by hand) with what was done about it.")]
pub struct Why {
    /// The task, as NAME or NAMESPACE/NAME
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub named: Named,
    /// Only of this one of the replicas, counted from 0
    #[arg(long, value_name = "N")]
    pub slot: Option<u16>,
    /// How it is written
    #[arg(short, long, value_enum, default_value_t)]
    pub output: TextFormat,
}
