//! What can be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::domain::name::{Label, WorkerName};
use crate::domain::policy::{Level, Policy};
use crate::domain::subnet::Subnet;

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
        evenkeel get                    what runs now\n\n\
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
    #[arg(long, global = true, env = "EVENKEEL_WORKER", default_value = "default", value_parser = parse_worker, help_heading = "Common options")]
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
    /// What is logged: error, warn, info, debug, trace, or a filter such as evenkeel=debug
    #[arg(
        long,
        global = true,
        env = "EVENKEEL_LOG",
        default_value = "info",
        value_name = "FILTER",
        help_heading = "Common options"
    )]
    pub log: String,
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
    /// Print the JSON Schema of manifests
    Schema,
    /// Stop and remove everything of this worker but volumes; a running daemon ends
    Down(Down),
    /// Print the version
    Version,
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
    evenkeel run /etc/evenkeel/tasks --policy restricted --allow-host-path /srv")]
pub struct Run {
    #[command(flatten)]
    pub make: Make,
}

/// `sync`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    evenkeel sync ./tasks\n  \
    evenkeel sync ./tasks --timeout 2m")]
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
    evenkeel validate . -o github        annotations in a GitHub workflow")]
pub struct Validate {
    /// Files, and directories with all manifests in them
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

fn parse_worker(text: &str) -> Result<WorkerName, String> {
    Label::parse(text).map_err(|error| error.to_string())
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "write a number from 0 to 1, such as 0.5")?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("write 0 to 1".to_owned()) }
}

fn parse_pool(text: &str) -> Result<Subnet, String> {
    text.parse().map_err(|error| format!("{error}; write a range such as 10.213.0.0/16"))
}

fn parse_prefix(text: &str) -> Result<String, String> {
    let path = super::daemon::absolute(std::path::Path::new(text)).map_err(|it| it.to_string())?;
    Ok(path)
}

/// Reads `90`, `90s`, `5m`, `1h`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(end) => text.split_at(end),
        None => (text, "s"),
    };
    let seconds = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let total = number.parse::<u64>().ok().zip(seconds).and_then(|(n, unit)| n.checked_mul(unit));
    total.map(Duration::from_secs).ok_or_else(|| "write a time such as 90s, 5m or 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("1h"), Ok(Duration::from_secs(3600)));
        for bad in ["", "m", "-1s", "1.5h", "5 m", "99999999999999999999s", "9999999999999999999h"]
        {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
