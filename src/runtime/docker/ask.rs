//! Questions to the engine whose answers are read as plain JSON.
//!
//! bollard refuses a whole list for one word that it does not know, so what is observed is not
//! read by its types. Every question has a deadline for headers and body both, and a bound on the
//! size of the answer.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use serde_json::Value;

use super::classify::Failure;
use super::connect::Address;
use super::transport;
use crate::runtime::Unreachable;

/// How long an inspect or a list may take.
pub(super) const READ_DEADLINE: Duration = Duration::from_secs(10);

/// More than ten thousand containers with a long task each on their labels.
const ANSWER_MAX: usize = 256 * 1024 * 1024;

/// Waits for `call`, at most for `limit`.
pub(super) async fn within<T, E>(
    limit: Duration,
    what: &str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure>
where
    Failure: From<E>,
{
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map_err(Failure::from),
        Err(_) => {
            Err(Failure::Unclear(format!("no answer to the {what} within {} s", limit.as_secs())))
        }
    }
}

/// Reads what is at `path`; `None` if the engine says there is nothing.
pub(super) async fn get(address: &Address, path: &str) -> Result<Option<Value>, Unreachable> {
    match within(READ_DEADLINE, "question", exchange(address, Method::GET, path, None)).await {
        Ok(value) => Ok(Some(value)),
        Err(Failure::Refused { status: 404, message }) if is_absence(&message) => Ok(None),
        Err(failure) => Err(unanswered(path, failure)),
    }
}

/// Reads the list at `path`.
pub(super) async fn get_list(address: &Address, path: &str) -> Result<Vec<Value>, Unreachable> {
    match get(address, path).await? {
        Some(Value::Array(items)) => Ok(items),
        // Go writes an empty list as null where it was never filled.
        Some(Value::Null) => Ok(Vec::new()),
        Some(_) | None => Err(unanswered(path, "the answer is no list")),
    }
}

/// That a question has no answer, and why. Its query is for the engine, not for people.
pub(super) fn unanswered(path: &str, why: impl Display) -> Unreachable {
    let asked = path.split('?').next().unwrap_or(path);
    Unreachable(format!("GET {asked}: {why}"))
}

/// Asks and reads a JSON answer, without a deadline of its own.
pub(super) async fn exchange(
    address: &Address,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Failure> {
    let response = open(address, method, path, body).await?;
    let bytes = read_whole(response).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::Unclear(format!("an answer that is no JSON: {error}")))
}

/// Asks and gives the answer with its body unread; a refusal is an error.
pub(super) async fn open(
    address: &Address,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Response<Incoming>, Failure> {
    let request = transport::request(method, path, body).map_err(Failure::from)?;
    answered(transport::send(address.clone(), request).await.map_err(Failure::from)?).await
}

/// An answer, unless it is a refusal.
pub(super) async fn answered(response: Response<Incoming>) -> Result<Response<Incoming>, Failure> {
    let status = response.status();
    if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response);
    }
    let bytes = read_whole(response).await?;
    let message = serde_json::from_slice::<Value>(&bytes)
        .ok()
        .and_then(|body| Some(body.get("message")?.as_str()?.to_owned()));
    match message {
        Some(message) => Err(Failure::Refused { status: status.as_u16(), message }),
        None if status == StatusCode::FORBIDDEN || status == StatusCode::UNAUTHORIZED => {
            Err(Failure::Refused { status: status.as_u16(), message: status.to_string() })
        }
        None => Err(Failure::Unclear(format!("an answer of status {status} without a message"))),
    }
}

async fn read_whole(response: Response<Incoming>) -> Result<Vec<u8>, Failure> {
    let body = Limited::new(response.into_body(), ANSWER_MAX);
    match body.collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) => Err(Failure::Unclear(format!("the answer broke off: {error}"))),
    }
}

/// Whether a 404 is of the thing that was asked for: a proxy's says nothing of the engine, and a
/// page that is not there nothing of containers.
fn is_absence(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let absent = message.contains("no such") || message.contains("not found");
    absent && !message.contains("page not found")
}

/// A part of a path or a query, with all but letters, digits and `-._~` escaped.
pub(super) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a string can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

impl From<Failure> for Unreachable {
    fn from(failure: Failure) -> Self {
        Self(failure.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_query_is_escaped() {
        assert_eq!(encode(r#"{"a":["b-c.d"]}"#), "%7B%22a%22%3A%5B%22b-c.d%22%5D%7D");
        assert_eq!(encode("../x?y#z"), "..%2Fx%3Fy%23z");
    }

    #[test]
    fn a_question_without_an_answer_is_told_without_its_query() {
        let Unreachable(told) = unanswered("/containers/json?all=true&filters=%7B%7D", "refused");
        assert_eq!(told, "GET /containers/json: refused");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_not_an_answer() {
        let never = std::future::pending::<Result<(), Failure>>();
        let result = within(READ_DEADLINE, "inspect", never).await;
        assert_eq!(
            result,
            Err(Failure::Unclear("no answer to the inspect within 10 s".to_owned()))
        );
    }
}
