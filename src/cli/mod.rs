//! The command line: one file for each command.
//!
//! Data goes to standard output, talk to standard error. Exit codes are the same everywhere:
//! [`Exit`].

mod age;
mod amount;
mod apply;
mod approve;
mod args;
mod asked;
mod complete;
mod daemon;
mod delete;
mod describe;
mod doctor;
mod down;
mod escape;
mod events;
mod exec;
mod explain;
mod fold;
mod following;
mod get;
mod health;
mod live;
mod log;
mod logs;
mod man;
mod out;
mod pick;
mod plan;
mod reading;
mod restart;
mod run;
mod schema;
mod screen;
mod send;
mod signals;
mod status;
mod suspend;
mod sync;
mod table;
mod top;
mod validate;
mod version;
mod view;
mod wait;
mod why;

use std::process::ExitCode;

use clap::Parser;

use crate::api::client::ClientError;
use args::{Args, Command};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// As it should.
    Ok,
    /// It failed, or found what must not be.
    Failed,
    /// There is something to do (`plan --detailed-exitcode`).
    Pending,
    /// It took too long.
    Deadline,
    /// There is no daemon to ask.
    NoDaemon,
    /// The command line makes no sense.
    Usage,
    /// As the program did that was run in a container.
    Command(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Pending => 2,
            Exit::Deadline => 3,
            Exit::NoDaemon => 4,
            Exit::Usage => 64,
            Exit::Command(code) => code,
        })
    }
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(exit) = complete::answer() {
        return exit.into();
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // A pipe that was closed early is no matter.
            let _closed = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok }.into();
        }
    };
    log::start(&args);
    match perform(args) {
        Ok(exit) => exit.into(),
        Err(error) => {
            out::error(&error);
            exit_of(&error).into()
        }
    }
}

fn perform(args: Args) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let common = args.common;
        match args.command {
            Command::Run(run) => Box::pin(run::run(&common, &run)).await,
            Command::Sync(sync) => Box::pin(sync::sync(&common, &sync)).await,
            Command::Plan(plan) => Box::pin(plan::plan(&common, &plan)).await,
            Command::Validate(validate) => validate::validate(&validate),
            Command::Completion(args) => complete::completion(&args),
            Command::Man(args) => man::man(&args),
            Command::Explain(args) => explain::explain(&args),
            Command::Schema(args) => schema::schema(&args),
            Command::Down(down) => Box::pin(down::down(&common, &down)).await,
            Command::Get(get) => get::get(&common, &get).await,
            Command::Top(top) => Box::pin(top::top(&common, &top)).await,
            Command::Describe(describe) => describe::describe(&common, &describe).await,
            Command::Events(events) => events::events(&common, &events).await,
            Command::Why(why) => why::why(&common, &why).await,
            Command::Wait(wait) => Box::pin(wait::wait(&common, &wait)).await,
            Command::Apply(apply) => Box::pin(apply::apply(&common, &apply)).await,
            Command::Restart(args) => Box::pin(restart::restart(&common, &args)).await,
            Command::Suspend(args) => suspend::suspend(&common, &args).await,
            Command::Resume(args) => suspend::resume(&common, &args).await,
            Command::Delete(delete) => Box::pin(delete::delete(&common, &delete)).await,
            Command::Exec(args) => Box::pin(exec::exec(&common, &args)).await,
            Command::Logs(logs) => logs::logs(&common, &logs).await,
            Command::Doctor(doctor) => Box::pin(doctor::doctor(&common, &doctor)).await,
            Command::Status(status) => status::status(&common, &status).await,
            Command::Approve(approve) => approve::approve(&common, &approve).await,
            Command::Version(version) => version::version(&common, &version).await,
        }
    });
    // A thread that waits for a disk that is away must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    done
}

fn exit_of(error: &anyhow::Error) -> Exit {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::NoDaemon(_) | ClientError::NoSocket(..) | ClientError::Ended) => {
            Exit::NoDaemon
        }
        Some(_) | None => Exit::Failed,
    }
}
