//! A program run in a container beside its process, with a person joined to it: what it writes comes
//! as it is written, and what they type goes to it.
//!
//! It is begun over a connection of our own, not by bollard's `start_exec`: that guesses whether an
//! output has frames, and keeps each frame until it is whole.

use std::collections::VecDeque;
use std::io;

use bollard::exec::ResizeExecOptions;
use bollard::models::ExecConfig;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::ask::{READ_DEADLINE, answered, get, within};
use super::classify::{Failure, essence};
use super::connect::Address;
use super::logs::Frames;
use super::transport;
use crate::domain::instance::ContainerId;
use crate::runtime::{LogChunk, Unreachable};

/// What would end the session and leave the program running. The engine keeps back what begins so
/// until more was typed: of its own choice, `ctrl-p`, that is what many shells go through their
/// history with. Nobody types this.
const DETACH_KEYS: &str = "ctrl-@,ctrl-@,ctrl-@,ctrl-@";

/// How much is read at once.
const PIECE: usize = 16 * 1024;

/// What is run, and how a person is joined to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionSpec {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// It is given something to read.
    pub stdin: bool,
    /// It has a terminal, and all that it writes is one output.
    pub terminal: bool,
    /// How large that is from the beginning on, where the engine can (API 1.42); before that, only
    /// [`Program::resize`] tells.
    pub size: Option<TerminalSize>,
}

/// How large a terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Characters in a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// Why a program was not begun, or is not known of any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The engine said no.
    #[error("{0}")]
    Refused(String),
    /// There is no answer.
    #[error("the engine can't be asked: {0}")]
    Unreachable(String),
}

/// A program that was begun.
#[derive(Debug)]
pub struct Session {
    /// What it reads.
    pub input: Input,
    /// What it writes.
    pub output: Output,
    /// It, as the engine knows it.
    pub program: Program,
}

/// What a program reads.
#[derive(Debug)]
pub struct Input(WriteHalf<TokioIo<Upgraded>>);

/// What a program writes.
#[derive(Debug)]
pub struct Output {
    from: ReadHalf<TokioIo<Upgraded>>,
    frames: Frames,
    ready: VecDeque<LogChunk>,
    piece: Vec<u8>,
}

/// A program as the engine knows it.
#[derive(Debug, Clone)]
pub struct Program {
    address: Address,
    engine: bollard::Docker,
    id: String,
}

pub(super) async fn begin(
    address: &Address,
    engine: &bollard::Docker,
    container: &ContainerId,
    spec: SessionSpec,
) -> Result<Session, SessionError> {
    let size = spec.size.map(|size| vec![usize::from(size.rows), usize::from(size.columns)]);
    let options = ExecConfig {
        attach_stdin: Some(spec.stdin),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(spec.terminal),
        detach_keys: Some(DETACH_KEYS.to_owned()),
        cmd: Some(spec.command),
        console_size: size.filter(|_| spec.terminal),
        ..ExecConfig::default()
    };
    let made = engine.create_exec(container.as_str(), options);
    let id = within(READ_DEADLINE, "exec", made).await?.id;
    let joined = within(READ_DEADLINE, "exec", join(address, &id, spec.terminal)).await?;
    let (from, to) = tokio::io::split(TokioIo::new(joined));
    let frames = if spec.terminal { Frames::Raw } else { Frames::begin() };
    Ok(Session {
        input: Input(to),
        output: Output { from, frames, ready: VecDeque::new(), piece: vec![0; PIECE] },
        program: Program { address: address.clone(), engine: engine.clone(), id },
    })
}

/// Begins the program, and takes the connection over.
async fn join(address: &Address, id: &str, terminal: bool) -> Result<Upgraded, Failure> {
    let body = json!({ "Detach": false, "Tty": terminal });
    let path = format!("/exec/{id}/start");
    let mut request = transport::request(Method::POST, &path, Some(&body))?;
    let headers = request.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
    let response = answered(transport::send(address.clone(), request).await?).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(Failure::Unclear(format!("an answer of status {}", response.status())));
    }
    let upgraded = hyper::upgrade::on(response).await;
    upgraded.map_err(|error| Failure::Unclear(format!("the connection was not kept: {error}")))
}

impl Input {
    /// Gives it something to read.
    ///
    /// # Errors
    /// If it reads no more.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    /// Nothing more is to come.
    ///
    /// # Errors
    /// If it reads no more.
    pub async fn close(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}

impl Output {
    /// What it wrote next; `None`: nothing more is to come. An error is the last item.
    pub async fn next(&mut self) -> Option<Result<LogChunk, Unreachable>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Some(Ok(chunk));
            }
            match self.from.read(&mut self.piece).await {
                Ok(0) => return self.frames.end().map(Err),
                Ok(count) => {
                    if let Err(error) = self.frames.push(&self.piece[..count], &mut self.ready) {
                        return Some(Err(error));
                    }
                }
                Err(error) => return Some(Err(Unreachable(format!("it broke off: {error}")))),
            }
        }
    }
}

impl Program {
    /// What it ended with; `None`: it runs.
    ///
    /// # Errors
    /// If the engine does not tell.
    pub async fn exit_code(&self) -> Result<Option<i64>, Unreachable> {
        let raw = get(&self.address, &format!("/exec/{}/json", self.id)).await?;
        let raw = raw.ok_or_else(|| Unreachable("it is not known any more".to_owned()))?;
        let runs = raw["Running"].as_bool().unwrap_or(false);
        Ok(raw["ExitCode"].as_i64().filter(|_| !runs))
    }

    /// Gives its terminal another size.
    ///
    /// # Errors
    /// If it has none yet, or none any more.
    pub async fn resize(&self, size: TerminalSize) -> Result<(), SessionError> {
        let options = ResizeExecOptions { height: size.rows, width: size.columns };
        let asked = self.engine.resize_exec(&self.id, options);
        within(READ_DEADLINE, "resize", asked).await.map_err(SessionError::from)
    }
}

impl From<Failure> for SessionError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { message, .. } => Self::Refused(essence(&message).to_owned()),
            Failure::Unclear(message) => Self::Unreachable(message),
        }
    }
}
