//! Completion in a shell: `evenkeel completion SHELL` prints what a shell loads, and the shell then
//! asks this program, so that tasks are completed by the names that are there now.
//!
//! The only place that names the completion library.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches};
use clap_complete::env::{CompleteEnv, Shells};
use clap_complete::{ArgValueCompleter, CompletionCandidate};

use super::args::{Args, Common, Completion};
use super::pick::short;
use super::{Exit, daemon, out};
use crate::api::client::Client;
use crate::domain::status::TaskStatus;
use crate::manifest::explain;

/// The variable by which a shell asks for completions.
const VARIABLE: &str = "EVENKEEL_COMPLETE";

/// How long the daemon is waited for: somebody has pressed a key.
const DEADLINE: Duration = Duration::from_millis(500);

/// Prints what a shell loads to complete this program.
pub fn completion(args: &Completion) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let shell = shells.completer(args.shell.name()).expect("it is one of the library's");
    shell.write_registration(VARIABLE, "evenkeel", "evenkeel", "evenkeel", &mut script)?;
    out::data(&String::from_utf8(script)?)
}

/// Answers a shell that asks for completions. `None`: none asks.
pub fn answer() -> Option<Exit> {
    let words = std::env::args_os();
    let here = std::env::current_dir().ok();
    match CompleteEnv::with_factory(command).var(VARIABLE).try_complete(words, here.as_deref()) {
        Ok(true) => Some(Exit::Ok),
        Ok(false) => None,
        Err(error) => {
            let _closed = error.print();
            Some(Exit::Failed)
        }
    }
}

/// The command line, with what may stand where a name is asked for.
fn command() -> clap::Command {
    let names: Vec<String> =
        Args::command().get_subcommands().map(|it| it.get_name().to_owned()).collect();
    names.into_iter().fold(Args::command(), |command, name| {
        command.mut_subcommand(&name, |inner| {
            inner.mut_args(|arg| {
                let id = arg.get_id().as_str().to_owned();
                match (name.as_str(), id.as_str()) {
                    ("explain", "path") => arg.add(ArgValueCompleter::new(fields)),
                    (_, "name" | "names") => arg.add(ArgValueCompleter::new(tasks)),
                    (_, "namespace") => arg.add(ArgValueCompleter::new(namespaces)),
                    _ => arg,
                }
            })
        })
    })
}

fn fields(begun: &OsStr) -> Vec<CompletionCandidate> {
    let paths = explain::all_paths().into_iter().map(|path| path.replace("[]", ""));
    beginning(begun, std::iter::once("task".to_owned()).chain(paths))
}

fn tasks(begun: &OsStr) -> Vec<CompletionCandidate> {
    let known = known_tasks();
    let candidate = |task: &TaskStatus| {
        CompletionCandidate::new(short(&task.name)).help(Some(task.phase.to_string().into()))
    };
    let meant = |task: &&TaskStatus| begins(begun, &short(&task.name));
    known.iter().filter(meant).map(candidate).collect()
}

fn namespaces(begun: &OsStr) -> Vec<CompletionCandidate> {
    let mut known: Vec<String> =
        known_tasks().iter().map(|task| task.name.namespace.to_string()).collect();
    known.sort();
    known.dedup();
    beginning(begun, known.into_iter())
}

fn beginning(begun: &OsStr, known: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    known.filter(|it| begins(begun, it)).map(CompletionCandidate::new).collect()
}

fn begins(begun: &OsStr, word: &str) -> bool {
    begun.to_str().is_some_and(|begun| word.starts_with(begun))
}

/// The tasks of the daemon that the words typed so far mean; none if it doesn't answer.
fn known_tasks() -> Vec<TaskStatus> {
    let ask = || -> Option<Vec<TaskStatus>> {
        let client = Client::of(&daemon::state_dir(&typed()?).ok()?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let asked = async { tokio::time::timeout(DEADLINE, client.tasks()).await };
        runtime.block_on(asked).ok()?.ok()
    };
    ask().unwrap_or_default()
}

/// What every command takes, as far as it was typed.
fn typed() -> Option<Common> {
    let words: Vec<OsString> =
        std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let matches = Args::command().ignore_errors(true).try_get_matches_from(words).ok()?;
    Common::from_arg_matches(&matches).ok()
}
