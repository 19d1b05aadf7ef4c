//! What can be typed.

mod ask;
mod doctor;
mod news;
mod steer;
mod top;
mod value;
mod work;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

pub use ask::{
    Approval, Approve, Completion, Describe, Explain, Get, ListFormat, Logs, Man, Status,
    TextFormat, Version,
};
pub use doctor::Doctor;
pub use news::{EventFormat, Events, Wait, WaitFor, Why};
pub use steer::{Exec, Restart, Resume, Suspend};
pub use top::{SortBy, Top};
use value::{parse_address, parse_duration, parse_pool, parse_prefix, parse_share, parse_worker};
pub use work::{Apply, Delete};

use crate::domain::name::WorkerName;
use crate::domain::policy::{Level, Policy};
use crate::domain::subnet::Subnet;

/// The worker that is meant where none is named.
const DEFAULT_WORKER: &str = "default";

/// Keeps a Docker host as a directory of YAML says.
#[derive(Debug, Parser)]
#[command(
    name = "evenkeel",
    version,
    disable_help_subcommand = true,
    after_help = "Examples:\n  \
        evenkeel run ./tasks            keep this host as ./tasks says, until stopped\n  \
        evenkeel sync ./tasks           do it once and wait until it is so\n  \
        evenkeel validate ./tasks       check manifests; needs no engine\n  \
        evenkeel apply -f web.yaml      have the daemon take a manifest\n  \
        evenkeel get                    what runs now\n  \
        evenkeel why web                and why it is as it is\n  \
        evenkeel logs web -f            what it writes\n\n\
        Exit codes: 0 done, 1 failed, 3 deadline passed, 4 no daemon, 64 wrong command line."
)]
pub struct Args {
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// The name of the worker: part of the name of everything it makes
    #[arg(long, global = true, env = "EVENKEEL_WORKER", default_value = DEFAULT_WORKER, value_parser = parse_worker, help_heading = "Common options")]
    pub worker: WorkerName,
    /// Where the worker keeps its state. Left out: `/var/lib/evenkeel/WORKER` for root, else
    /// `$XDG_STATE_HOME/evenkeel/WORKER`
    #[arg(
        long,
        global = true,
        env = "EVENKEEL_STATE_DIR",
        value_name = "DIR",
        help_heading = "Common options"
    )]
    pub state_dir: Option<PathBuf>,
    /// Where the Docker Engine listens. Left out: `/var/run/docker.sock`
    #[arg(
        long,
        global = true,
        env = "DOCKER_HOST",
        value_name = "ADDRESS",
        help_heading = "Common options"
    )]
    pub docker_host: Option<String>,
    /// How the log is written, on standard error
    #[arg(
        long,
        global = true,
        env = "EVENKEEL_LOG_FORMAT",
        value_enum,
        default_value_t,
        help_heading = "Common options"
    )]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, off, or a filter such as evenkeel=debug. Left
    /// out: info, and in a terminal `run` and `sync` show beneath it what is under way
    #[arg(
        long,
        global = true,
        env = "EVENKEEL_LOG",
        value_name = "FILTER",
        value_parser = super::log::checked,
        help_heading = "Common options"
    )]
    pub log: Option<String>,
}

impl Common {
    /// A command as it has to be typed to mean the same worker.
    #[must_use]
    pub fn again(&self, words: &str) -> String {
        let mut line = format!("evenkeel {words}");
        if self.worker.as_str() != DEFAULT_WORKER {
            let _ = write!(line, " --worker {}", self.worker);
        }
        if let Some(dir) = &self.state_dir {
            let _ = write!(line, " --state-dir {}", dir.display());
        }
        line
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line a thing, for people.
    #[default]
    Text,
    /// An object a line, for programs.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Keep this host as a directory says, until stopped
    Run(Run),
    /// Do what a directory says once, wait until it is so, and end
    Sync(Sync),
    /// Show what would be done and why; changes nothing
    Plan(Plan),
    /// Check manifests; needs no engine
    Validate(Validate),
    /// List tasks and how they are
    Get(Get),
    /// Tell what instances use: CPU, memory, network, disks
    Top(Top),
    /// Tell all about tasks: their instances, what they wait for, what happened last
    Describe(Describe),
    /// List what happened, and why
    Events(Events),
    /// Tell why a task is as it is: what led there, and what it waits for
    Why(Why),
    /// Have manifests put into the daemon's directory: made, or replaced where they stand
    Apply(Apply),
    /// Remove tasks: their manifests, and what runs
    Delete(Delete),
    /// Replace all instances of services, as their update strategies say
    Restart(Restart),
    /// Stop tasks, whatever their manifests say, until they are resumed
    Suspend(Suspend),
    /// Have suspended tasks be as their manifests say again
    Resume(Resume),
    /// Wait until tasks are ready, completed or deleted
    Wait(Wait),
    /// Print what the containers of a task wrote
    Logs(Logs),
    /// Run a program in a container of a task
    Exec(Exec),
    /// Tell whether all is well: the daemon, its engine, its files, its tasks
    Status(Status),
    /// Tell whether all is there that a daemon needs, and what may be in its way
    Doctor(Doctor),
    /// Allow what the daemon held back
    Approve(Approve),
    /// Tell what a field of a manifest means, and what may stand there
    Explain(Explain),
    /// Print what a shell loads to complete commands, options and the names of tasks
    Completion(Completion),
    /// Write the manual: a page for each command
    Man(Man),
    /// Print the JSON Schema of manifests, or the description of the API
    Schema(Schema),
    /// Stop and remove everything of this worker but volumes; a running daemon ends
    Down(Down),
    /// Print the versions of evenkeel, of the daemon and of the engine
    Version(Version),
}

/// What the operator allows, whoever writes the manifests.
#[derive(Debug, Clone, clap::Args)]
pub struct Allow {
    /// How much manifests may ask for, after the Kubernetes Pod Security Standards
    #[arg(long, env = "EVENKEEL_POLICY", value_enum, default_value_t)]
    pub policy: PolicyLevel,
    /// A directory outside DIR that manifests may mount, and all beneath it; may be repeated
    #[arg(long = "allow-host-path", env = "EVENKEEL_ALLOW_HOST_PATH", value_name = "PREFIX", value_delimiter = ':', value_parser = parse_prefix)]
    pub allow_host_paths: Vec<String>,
}

/// How much manifests may ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum PolicyLevel {
    /// Current hardening practice
    Restricted,
    /// No known way to more rights
    #[default]
    Baseline,
    /// Anything
    Privileged,
}

impl Allow {
    /// As the rules take it.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let level = match self.policy {
            PolicyLevel::Restricted => Level::Restricted,
            PolicyLevel::Baseline => Level::Baseline,
            PolicyLevel::Privileged => Level::Privileged,
        };
        Policy { level, allowed_host_paths: self.allow_host_paths.clone() }
    }
}

/// What a worker that makes things takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Make {
    /// The directory of manifests
    #[arg(value_name = "DIR", env = "EVENKEEL_SOURCE")]
    pub dir: PathBuf,
    #[command(flatten)]
    pub allow: Allow,
    /// The share of all tasks, 0 to 1, that may go within a minute without a person's word
    #[arg(long, env = "EVENKEEL_MAX_PRUNE", default_value_t = 0.5, value_parser = parse_share)]
    pub max_prune: f64,
    /// Where the networks of namespaces get their addresses
    #[arg(long, env = "EVENKEEL_NETWORK_POOL", default_value = "10.213.0.0/16", value_parser = parse_pool)]
    pub network_pool: Subnet,
}

/// `run`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel run ./tasks\n  \
    evenkeel run /etc/evenkeel/tasks --policy restricted --allow-host-path /srv\n  \
    evenkeel run ./tasks --metrics-listen 127.0.0.1:9464      and metrics for Prometheus there\n  \
    evenkeel run ./tasks --status-dir /run/evenkeel-status    and status as files there")]
pub struct Run {
    #[command(flatten)]
    pub make: Make,
    /// Also tell metrics and health (/metrics, /healthz, /readyz) to everybody who can reach this
    /// address; the socket tells them in any case
    #[arg(long, env = "EVENKEEL_METRICS_LISTEN", value_name = "ADDRESS:PORT", value_parser = parse_address)]
    pub metrics_listen: Option<SocketAddr>,
    /// Also keep the status as files in this directory: NAMESPACE.NAME.json of each task and
    /// _worker.json of the daemon. It can't lie in DIR, and is made if it is not there
    #[arg(long, env = "EVENKEEL_STATUS_DIR", value_name = "PATH")]
    pub status_dir: Option<PathBuf>,
}

/// `sync`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel sync ./tasks\n  \
    evenkeel sync ./tasks --timeout 2m\n\n\
    Where a daemon keeps that directory already, this waits until it is done.\n\
    Exit code 0: services are ready and jobs completed; 1: something failed, is broken or held; \
    3: it took too long.")]
pub struct Sync {
    #[command(flatten)]
    pub make: Make,
    /// How long to wait until services are ready and jobs done, such as 90s, 5m or 1h
    #[arg(long, env = "EVENKEEL_TIMEOUT", default_value = "5m", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: Duration,
}

/// `plan`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel plan ./tasks\n  \
    evenkeel plan ./tasks --detailed-exitcode     exit code 2 if there is something to do\n  \
    evenkeel plan ./tasks -o json | jq '.tasks[].actions'")]
pub struct Plan {
    #[command(flatten)]
    pub make: Make,
    /// How it is written
    #[arg(short, long, value_enum, default_value_t)]
    pub output: PlanFormat,
    /// End with 2 if there is something to do
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// How a plan is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// `validate`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel validate ./tasks\n  \
    evenkeel validate web.yaml job.yaml -o json\n  \
    evenkeel validate . -o github        annotations in a GitHub workflow\n  \
    generate | evenkeel validate -\n\n\
    Exit code 1 if there is any problem.")]
pub struct Validate {
    /// Files, and directories with all manifests in them; - is standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How problems are written
    #[arg(short, long, value_enum, default_value_t)]
    pub output: ProblemFormat,
    #[command(flatten)]
    pub allow: Allow,
}

/// How problems are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ProblemFormat {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// As annotations of a GitHub workflow
    Github,
}

/// `schema`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel schema > task.v1.json                for an editor's YAML support\n  \
    evenkeel schema --openapi > openapi.json      for a client of the API")]
pub struct Schema {
    /// Of the API of the daemon, as openapi-generator and its like read it
    #[arg(long)]
    pub openapi: bool,
}

/// `down`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel down\n  \
    evenkeel down --yes --worker staging")]
pub struct Down {
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// How long to wait
    #[arg(long, default_value = "5m", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: Duration,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
