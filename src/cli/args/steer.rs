//! What the commands take that steer a task beside its manifest.

use super::ask::Named;

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
