//! `evenkeel doctor`: whether all is there that a daemon needs, and what may be in its way.
//!
//! Looks and changes nothing: of the directory that is made to see whether the engine shares this
//! host nothing stays. A file for each subject; each tells findings, and all of them are told, good
//! ones too.

mod directory;
mod engine;
mod itself;
mod kernel;
mod manifests;
mod namesakes;
mod space;
mod systemd;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::args::{Common, Doctor, TextFormat};
use super::fold::{self, Room};
use super::validate::counted;
use super::{Exit, daemon, escape, out};
use crate::api::client::{Client, ClientError};
use crate::domain::policy::Policy;
use crate::patience::Patience;
use crate::worker::command::Overview;

/// How long a disk, or another program, may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and may come to harm or be less than is expected.
    Warn,
    /// It keeps a daemon, or a task, from its work.
    Fail,
}

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: a stable word.
    pub check: &'static str,
    /// How well it is.
    pub level: Level,
    /// What is so.
    pub message: String,
    /// What that means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, message: message.into(), meaning: None, todo: None }
    }

    fn warn(check: &'static str, message: impl Into<String>) -> Self {
        Self { level: Level::Warn, ..Self::ok(check, message) }
    }

    fn fail(check: &'static str, message: impl Into<String>) -> Self {
        Self { level: Level::Fail, ..Self::ok(check, message) }
    }

    fn means(self, meaning: impl Into<String>) -> Self {
        Self { meaning: Some(meaning.into()), ..self }
    }

    fn todo(self, todo: impl Into<String>) -> Self {
        Self { todo: Some(todo.into()), ..self }
    }
}

/// What all that is looked at is about.
struct Subject {
    common: Common,
    state_dir: PathBuf,
    /// The daemon, if one runs and answers.
    daemon: Option<Overview>,
    /// One runs that this user can't ask.
    is_hidden: bool,
    /// The directory of manifests, if it is known.
    source: Option<String>,
    policy: Policy,
    patience: Patience,
}

impl Subject {
    /// What may hang, done with patience; a finding, if it does.
    async fn look<T: Send + 'static>(
        &self,
        (check, at): (&'static str, &Path),
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Finding> {
        let subject = format!("{check} {}", at.display());
        self.patience.run(&subject, look).await.map_err(|error| {
            Finding::fail(check, format!("{}: {error}", at.display()))
                .means("a daemon can't read it either, and keeps everything as it is meanwhile")
                .todo("look at the disk or the network that it is on")
        })
    }
}

/// Tells whether all is there that a daemon needs.
pub async fn doctor(common: &Common, args: &Doctor) -> anyhow::Result<Exit> {
    let state_dir = daemon::state_dir(common)?;
    let client = Client::of(&state_dir);
    let found = client.find().await;
    let tasks = client.tasks().await.unwrap_or_default();
    let given = args.dir.as_deref().map(daemon::absolute).transpose()?;
    let mut findings =
        itself::findings(common, (&found, &tasks), &state_dir, given.as_deref()).await;
    let is_hidden = matches!(found, Err(ClientError::Forbidden(_)));
    let running = found.ok().flatten();
    let subject = Subject {
        source: given.or_else(|| running.as_ref().map(|it| it.source.clone())),
        policy: running.as_ref().and_then(|it| it.policy.clone()).unwrap_or(args.allow.policy()),
        daemon: running,
        is_hidden,
        common: common.clone(),
        state_dir,
        patience: Patience::new(PATIENCE, 16),
    };
    findings.extend(of(&subject).await?);
    let worst = findings.iter().map(|it| it.level).max().unwrap_or(Level::Ok);
    match args.output {
        TextFormat::Json => {
            let all = Told { ok: worst < Level::Fail, findings: &findings };
            out::line(&serde_json::to_string_pretty(&all)?)?
        }
        TextFormat::Text => out::data(&text(&findings, fold::room()))?,
    };
    Ok(if worst < Level::Fail { Exit::Ok } else { Exit::Failed })
}

/// All but the daemon itself.
async fn of(subject: &Subject) -> anyhow::Result<Vec<Finding>> {
    let docker = Arc::new(daemon::docker(&subject.common)?);
    let mut found = Vec::new();
    found.extend(directory::findings(subject).await);
    let (engine, portrait) = engine::findings(&docker).await;
    let is_there = portrait.is_some();
    let publishers = if is_there { docker.published().await.ok() } else { None };
    found.extend(manifests::findings(subject, publishers.as_deref(), docker.is_local()).await);
    found.extend(engine);
    if is_there {
        found.extend(engine::host(subject, &docker).await);
    }
    found.extend(namesakes::findings(subject, is_there.then_some(&*docker)).await);
    found.extend(systemd::findings(docker.is_local()).await);
    found.extend(kernel::findings(subject).await);
    let data_root = portrait.and_then(|it| it.data_root).filter(|_| docker.is_local());
    found.extend(space::findings(subject, data_root).await);
    Ok(found)
}

/// All of it, for programs.
#[derive(Serialize)]
struct Told<'a> {
    ok: bool,
    findings: &'a [Finding],
}

/// All of it, for people.
fn text(findings: &[Finding], room: Room) -> String {
    const INDENT: usize = 17;
    let mut text = String::new();
    for finding in findings {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        let says = escape::line(&finding.message);
        let head = format!("{level:<4}  {:<10} {says}", finding.check);
        let _ = writeln!(text, "{}", fold::line(&head, INDENT, room));
        let more = [("", &finding.meaning), ("to do: ", &finding.todo)];
        for (name, says) in more.into_iter().filter_map(|(name, it)| Some((name, it.as_ref()?))) {
            let line = format!("{:INDENT$}{name}{}", "", escape::line(says));
            let _ = writeln!(text, "{}", fold::line(&line, INDENT + name.len(), room));
        }
    }
    let count = |level| findings.iter().filter(|it| it.level == level).count();
    let end = match (count(Level::Warn), count(Level::Fail)) {
        (0, 0) => "all is well".to_owned(),
        (warned, 0) => format!("nothing fails; {}", counted(warned, "warning")),
        (0, failed) => counted(failed, "failure"),
        (warned, failed) => {
            format!("{}, {}", counted(failed, "failure"), counted(warned, "warning"))
        }
    };
    text + "\n" + &end + "\n"
}
