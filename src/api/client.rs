//! The side of the API that asks.

mod by_command;

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::listen::Watching;
use super::measure::InstanceUsage;
use super::work::Apply;
use super::{ApproveEngine, ApprovePrune, ApproveSource, Down, Numbered, Problem, RecordBody};
use crate::domain::instance::InstanceId;
use crate::domain::name::TaskName;
use crate::domain::record::{Record, Revision};
use crate::domain::status::TaskStatus;
use crate::http::{Answer, HttpError, over_unix, stream_over_unix};
use crate::worker::Lock;
use crate::worker::command::Overview;
use crate::worker::planned::LastPlan;
use crate::worker::pulls::Pulling;
use crate::worker::receive::Receipt;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long an answer may take where work is to be done for it.
const WORK_DEADLINE: Duration = Duration::from_secs(90);

/// How often it is tried to reach a daemon that runs, and how long is waited in between: longer
/// together than it takes one to find its socket gone.
const TRIES: u32 = 30;
const TRY_EVERY: Duration = Duration::from_millis(100);

/// The status of an answer that there is no such thing.
const NOT_FOUND: u16 = 404;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no evenkeel daemon is running on {0}; start one with: evenkeel run DIR")]
    NoDaemon(PathBuf),
    /// One runs, but its socket was removed, and it has made no other one yet.
    #[error(
        "the daemon of {0} runs (pid {1}), but its socket is gone; it makes another one within \
         seconds: try again, and if that is in vain its log says why"
    )]
    NoSocket(PathBuf, u32),
    /// Somebody may listen, but not to this user.
    #[error("the daemon of {0} belongs to another user")]
    Forbidden(PathBuf),
    /// The daemon said no.
    #[error("{0}")]
    Refused(String),
    /// Something is wrong in manifests.
    #[error("{}", .0.message)]
    Invalid(Box<Problem>),
    /// It ended while it was listened to.
    #[error("the daemon has ended")]
    Ended,
    /// The exchange failed.
    #[error("can't ask the daemon")]
    Http(#[source] HttpError),
    /// The answer can't be read: the daemon may be of another release.
    #[error("can't read the daemon's answer")]
    Unreadable(#[source] serde_json::Error),
}

/// A daemon that may be there.
#[derive(Debug, Clone)]
pub struct Client {
    state_dir: PathBuf,
}

impl Client {
    /// The daemon of a state directory.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned() }
    }

    /// How the worker itself is; `None` if there is no daemon.
    ///
    /// # Errors
    /// If there is one and it does not answer.
    pub async fn find(&self) -> Result<Option<Overview>, ClientError> {
        match self.worker().await {
            Ok(overview) => Ok(Some(overview)),
            Err(ClientError::NoDaemon(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How the worker itself is.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn worker(&self) -> Result<Overview, ClientError> {
        self.get(super::WORKER).await
    }

    /// How its tasks are.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn tasks(&self) -> Result<Vec<TaskStatus>, ClientError> {
        self.get(super::TASKS).await
    }

    /// Which images are being pulled.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn pulls(&self) -> Result<Vec<Pulling>, ClientError> {
        self.get(super::PULLS).await
    }

    /// What the instances that run use.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn usage(&self) -> Result<Vec<InstanceUsage>, ClientError> {
        self.get(super::USAGE).await
    }

    /// What is written down of its tasks.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn records(&self) -> Result<Vec<Record>, ClientError> {
        let bodies: Vec<RecordBody> = self.get(super::RECORDS).await?;
        Ok(bodies.into_iter().map(Record::from).collect())
    }

    /// The last events, of one task or of all.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn events(
        &self,
        task: Option<&TaskName>,
        limit: u32,
    ) -> Result<Vec<Numbered>, ClientError> {
        // Names are letters, digits, `-` and `/`: nothing that a query would take amiss.
        let task = task.map_or_else(String::new, |task| format!("&task={task}"));
        self.get(&format!("{}?limit={limit}{task}", super::EVENTS)).await
    }

    /// What was kept of the log of an instance whose container is gone; `None` if nothing was.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn kept_log(&self, instance: InstanceId) -> Result<Option<Vec<u8>>, ClientError> {
        let path = format!("{}{}", super::LOGS, instance.0);
        let answer = self.answer(("GET", &path), None, DEADLINE).await?;
        if answer.status == NOT_FOUND { Ok(None) } else { body_of(answer).map(Some) }
    }

    /// Lets exactly these tasks go.
    ///
    /// # Errors
    /// If others are held.
    pub async fn approve_prune(&self, wanted: &ApprovePrune) -> Result<(), ClientError> {
        self.post(super::APPROVE_PRUNE, wanted).await
    }

    /// Takes what was made from another source directory as ours.
    ///
    /// # Errors
    /// If nothing was.
    pub async fn approve_source(&self, wanted: &ApproveSource) -> Result<(), ClientError> {
        self.post(super::APPROVE_SOURCE, wanted).await
    }

    /// Keeps the host of that engine from now on.
    ///
    /// # Errors
    /// If it is another one, or known.
    pub async fn approve_engine(&self, wanted: &ApproveEngine) -> Result<(), ClientError> {
        self.post(super::APPROVE_ENGINE, wanted).await
    }

    /// Has everything but volumes removed, and the daemon end.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn down(&self) -> Result<(), ClientError> {
        self.post(super::DOWN, &Down {}).await
    }

    /// Has manifests put into the source.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] if something is wrong in them, or in a file that is there.
    pub async fn apply(&self, wanted: &Apply) -> Result<Receipt, ClientError> {
        let body = serde_json::to_vec(wanted).map_err(ClientError::Unreadable)?;
        self.work("POST", super::APPLY, Some(body)).await
    }

    /// Has the manifest of a task removed from the source, and the task with it.
    ///
    /// # Errors
    /// If there is no such task, or its manifest can't be removed.
    pub async fn delete(&self, name: &TaskName, dry_run: bool) -> Result<Receipt, ClientError> {
        let TaskName { namespace, name } = name;
        let path = format!("{}/{namespace}/{name}?dryRun={dry_run}", super::TASKS);
        self.work("DELETE", &path, None).await
    }

    /// Asks for what may have to wait for a disk, and for others.
    async fn work(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Receipt, ClientError> {
        let body = body_of(self.answer((method, path), body, WORK_DEADLINE).await?)?;
        serde_json::from_slice(&body).map_err(ClientError::Unreadable)
    }

    /// What there is at `part` of a task, such as `/plan`.
    async fn of_task<T: DeserializeOwned>(
        &self,
        task: &TaskName,
        part: &str,
    ) -> Result<T, ClientError> {
        self.get(&format!("{}/{}/{}{part}", super::TASKS, task.namespace, task.name)).await
    }

    /// What the last look at a task decided.
    ///
    /// # Errors
    /// If there is no answer, or no such task.
    pub async fn plan(&self, task: &TaskName) -> Result<LastPlan, ClientError> {
        self.of_task(task, "/plan").await
    }

    /// What the rollouts of a task were made from.
    ///
    /// # Errors
    /// If there is no answer, or no such task.
    pub async fn revisions(&self, task: &TaskName) -> Result<Vec<Revision>, ClientError> {
        self.of_task(task, "/revisions").await
    }

    /// How tasks are, then each change and event as it happens; of one task or of all. `after`: the
    /// last id that was told before, if something was.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn watch(
        &self,
        task: Option<&TaskName>,
        after: Option<String>,
    ) -> Result<Watching, ClientError> {
        let query = task.map_or_else(String::new, |task| format!("?task={task}"));
        let path = format!("{}{query}", super::WATCH);
        let headers: Vec<_> = after.map(|after| ("last-event-id", after)).into_iter().collect();
        let exchange =
            async |socket: &Path| stream_over_unix(socket, &path, &headers, DEADLINE).await;
        let stream = self.reach(exchange).await?;
        if stream.status >= 400 {
            let status = stream.status;
            let body = Watching::of(stream).rest().await?;
            return Err(body_of(Answer { status, body }).err().unwrap_or(ClientError::Ended));
        }
        Ok(Watching::of(stream))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let body = self.exchange("GET", path, None).await?;
        serde_json::from_slice(&body).map_err(ClientError::Unreadable)
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Result<(), ClientError> {
        let body = serde_json::to_vec(body).map_err(ClientError::Unreadable)?;
        self.exchange("POST", path, Some(body)).await.map(drop)
    }

    async fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, ClientError> {
        body_of(self.answer((method, path), body, DEADLINE).await?)
    }

    async fn answer(
        &self,
        request: (&str, &str),
        body: Option<Vec<u8>>,
        deadline: Duration,
    ) -> Result<Answer, ClientError> {
        let exchange =
            async |socket: &Path| over_unix(socket, request, body.clone(), deadline).await;
        self.reach(exchange).await
    }

    /// Does something over the socket, as soon as a daemon that runs can be reached there.
    async fn reach<T>(
        &self,
        exchange: impl AsyncFn(&Path) -> Result<T, HttpError>,
    ) -> Result<T, ClientError> {
        let socket = super::socket(&self.state_dir);
        let mut tries = 0;
        loop {
            let error = match exchange(&socket).await {
                Ok(done) => return Ok(done),
                Err(error) => self.why(error),
            };
            tries += 1;
            if tries == TRIES || !is_passing(&error) {
                return Err(error);
            }
            sleep(TRY_EVERY).await;
        }
    }

    fn why(&self, error: HttpError) -> ClientError {
        let HttpError::Connect { source, .. } = &error else { return ClientError::Http(error) };
        match source.kind() {
            // A path that is too long for a socket is invalid input: nobody can listen there.
            io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::InvalidInput => self.nobody(),
            io::ErrorKind::PermissionDenied => ClientError::Forbidden(self.state_dir.clone()),
            _ => ClientError::Http(error),
        }
    }

    /// Why nobody listens.
    fn nobody(&self) -> ClientError {
        let dir = self.state_dir.clone();
        let file = std::fs::symlink_metadata(super::socket(&dir));
        // Where a socket is left its daemon has ended, or is about to.
        let is_left = file.is_ok_and(|it| it.file_type().is_socket());
        match Lock::daemon(&dir) {
            Some(pid) if !is_left => ClientError::NoSocket(dir, pid),
            Some(_) | None => ClientError::NoDaemon(dir),
        }
    }
}

/// Whether it may be otherwise in a moment: a lost socket is made anew, and more want in at once
/// than can wait.
fn is_passing(error: &ClientError) -> bool {
    match error {
        ClientError::NoSocket(..) => true,
        ClientError::Http(HttpError::Connect { source, .. }) => {
            source.kind() == io::ErrorKind::WouldBlock
        }
        _ => false,
    }
}

/// The body of an answer, unless it says no.
fn body_of(answer: Answer) -> Result<Vec<u8>, ClientError> {
    if answer.status < 400 {
        return Ok(answer.body);
    }
    let problem = serde_json::from_slice::<Problem>(&answer.body);
    Err(match problem {
        Ok(problem) if !problem.problems.is_empty() => ClientError::Invalid(Box::new(problem)),
        Ok(problem) => ClientError::Refused(problem.message),
        Err(_) => ClientError::Refused(String::from_utf8_lossy(&answer.body).into_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_can_not_be_reached_is_not_one_that_is_not_there() {
        let why = |kind: io::ErrorKind| {
            let error = HttpError::Connect { path: "s".into(), source: kind.into() };
            Client::of(Path::new("/state")).why(error)
        };
        for kind in [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused] {
            assert!(matches!(why(kind), ClientError::NoDaemon(_)), "{kind}");
        }
        let denied = why(io::ErrorKind::PermissionDenied);
        assert_eq!(denied.to_string(), "the daemon of /state belongs to another user");
        for kind in [io::ErrorKind::NotADirectory, io::ErrorKind::WouldBlock] {
            assert!(matches!(why(kind), ClientError::Http(_)), "{kind}");
        }
    }
}
