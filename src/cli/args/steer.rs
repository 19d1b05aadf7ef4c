//! What the commands take that steer a task beside its manifest.

use std::time::Duration;

use super::ask::Named;
use super::value::parse_duration;

/// `suspend`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel suspend web\n  \
    evenkeel suspend web db -n prod\n\n\
    Its instances are stopped and none is started, whatever its manifest says, also after a restart of\n\
    the daemon and of the host, until: evenkeel resume NAME. A job that runs is stopped, and that was\n\
    its run. A task that is removed and added again is not suspended.\n\
    `get` shows Suspended(Held), `status` and `describe` who did so and how it is undone.")]
pub struct Suspend {
    /// Tasks, as NAME or NAMESPACE/NAME
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub named: Named,
}

/// `resume`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel resume web\n\n\
    The task is as its manifest says again, as it is by then. Exit code 1 where that suspends it: only\n\
    an edit undoes this.")]
pub struct Resume {
    /// Tasks, as NAME or NAMESPACE/NAME
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub named: Named,
}

/// `restart`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel restart web\n  \
    evenkeel restart web db -n prod --wait\n\n\
    All instances of a service are replaced as its `update` says: as a rule the new one first, and the\n\
    old one goes once the new one stands. The image is looked up anew, as imagePullPolicy says. Where\n\
    new instances fail, what runs goes on and the restart is given up. A job is not restarted.\n\
    Exit code with --wait: 0: all are new and ready; 1: it failed; 3: it took too long.")]
pub struct Restart {
    /// Services, as NAME or NAMESPACE/NAME
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub named: Named,
    /// Wait until all instances are new and ready
    #[arg(long)]
    pub wait: bool,
    /// How long to wait, such as 90s, 5m or 1h
    #[arg(long, default_value = "5m", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: Duration,
}

/// `exec`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel exec web -- ls -l /etc\n  \
    evenkeel exec -it web -- sh                  a shell; its exit ends the session\n  \
    evenkeel exec -i db --slot 0 -- psql < dump.sql\n\n\
    Where several instances run, the one in the lowest slot is meant. Without a daemon the container\n\
    is found by its labels.\n\
    The exit code is that of the program; 126 and 127: it can't be run, or is not there. Where it was\n\
    not begun: 1. Ctrl-C without -t ends the session alone: the program may go on.")]
pub struct Exec {
    /// The task, as NAME or NAMESPACE/NAME
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub named: Named,
    /// In this one of the replicas, counted from 0; left out: the lowest that runs
    #[arg(long, value_name = "N")]
    pub slot: Option<u16>,
    /// Pass standard input on
    #[arg(short = 'i', long)]
    pub stdin: bool,
    /// Give it a terminal
    #[arg(short = 't', long)]
    pub tty: bool,
    /// The program and its arguments, after --
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}
