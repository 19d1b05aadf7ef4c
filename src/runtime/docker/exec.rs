//! A program run in a container beside its process, for its exit code.
//!
//! Not by bollard: it takes the connection over, for input that nobody gives here; read as an
//! answer that ends, it needs no more than any other.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use serde_json::json;

use super::ask::{exchange, get, open, within};
use super::classify::Failure;
use super::connect::Address;
use super::logs::Frames;
use crate::domain::instance::ContainerId;
use crate::runtime::{Exec, Unreachable};

/// How long the engine may take over what is not the program's time.
const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// How much of what it prints is kept.
const OUTPUT_MAX: usize = 1024;

pub(super) async fn exec(
    address: &Address,
    id: &ContainerId,
    command: &[String],
    limit: Duration,
) -> Result<Exec, Unreachable> {
    let body = json!({ "AttachStdout": true, "AttachStderr": true, "Cmd": command });
    let path = format!("/containers/{id}/exec");
    let made = exchange(address, Method::POST, &path, Some(&body));
    let made = match within(CALL_DEADLINE, "exec", made).await {
        Ok(made) => made,
        Err(failure) => return refused(failure),
    };
    let exec = made["Id"].as_str().ok_or_else(|| Unreachable("an exec without id".to_owned()))?;
    match tokio::time::timeout(limit, run(address, exec)).await {
        Err(_late) => Ok(Exec::Late { exec: exec.to_owned() }),
        Ok(Err(failure)) => refused(failure),
        Ok(Ok(output)) => match state(address, exec).await? {
            // The container ended meanwhile: that says nothing of what was to be run.
            Some(126) if output.starts_with(b"cannot exec in a ") => {
                Err(Unreachable(String::from_utf8_lossy(&output).into_owned()))
            }
            Some(code) => Ok(Exec::Ended { code, output }),
            None => Err(Unreachable("the exec has ended and still runs".to_owned())),
        },
    }
}

/// Whether a program that was late still runs.
pub(super) async fn is_running(address: &Address, exec: &str) -> Result<bool, Unreachable> {
    let path = format!("/exec/{exec}/json");
    let found = get(address, &path).await?;
    Ok(found.is_some_and(|raw| raw["Running"].as_bool().unwrap_or(false)))
}

/// Starts it and reads what it prints, to its end.
async fn run(address: &Address, exec: &str) -> Result<Vec<u8>, Failure> {
    let body = json!({ "Detach": false, "Tty": false });
    let path = format!("/exec/{exec}/start");
    let mut body = open(address, Method::POST, &path, Some(&body)).await?.into_body();
    let (mut frames, mut output) = (Frames::begin(), Vec::new());
    while let Some(bytes) = part(&mut body).await? {
        let mut ready = std::collections::VecDeque::new();
        frames.push(&bytes, &mut ready).map_err(|error| Failure::Unclear(error.0))?;
        for chunk in ready {
            let room = OUTPUT_MAX.saturating_sub(output.len());
            output.extend(chunk.bytes.into_iter().take(room));
        }
    }
    Ok(output)
}

async fn part(body: &mut Incoming) -> Result<Option<hyper::body::Bytes>, Failure> {
    match body.frame().await {
        None => Ok(None),
        Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
        Some(Err(error)) => Err(Failure::Unclear(format!("the answer broke off: {error}"))),
    }
}

/// The exit code of one that has ended.
async fn state(address: &Address, exec: &str) -> Result<Option<i64>, Unreachable> {
    let raw = get(address, &format!("/exec/{exec}/json")).await?;
    let raw = raw.ok_or_else(|| Unreachable("no such exec".to_owned()))?;
    let runs = raw["Running"].as_bool().unwrap_or(false);
    Ok(raw["ExitCode"].as_i64().filter(|_| !runs))
}

/// A program that can't be started is one that has failed; of a container that does not run nothing
/// is known.
fn refused(failure: Failure) -> Result<Exec, Unreachable> {
    match failure {
        Failure::Refused { status: 404 | 409, message } | Failure::Unclear(message) => {
            Err(Unreachable(message))
        }
        Failure::Refused { message, .. } => Ok(Exec::NotStarted(message)),
    }
}
