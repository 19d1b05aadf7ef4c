//! The one HTTP client: a request over a connection of its own, and its whole answer.
//!
//! Knows nothing of what is asked. The commands ask the daemon through it.

use std::io;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// The largest answer that is read.
const MOST: usize = 64 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody listens there.
    #[error("can't connect to {path}")]
    Connect {
        /// The socket.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The exchange broke off.
    #[error("the exchange broke off: {0}")]
    Broken(String),
    /// It took too long.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// All of its body.
    pub body: Vec<u8>,
}

/// Sends a request to who listens at a unix socket. A body is sent as JSON.
///
/// # Errors
/// If there is no whole answer within `deadline`.
pub async fn over_unix(
    socket: &Path,
    (method, path): (&str, &str),
    body: Option<Vec<u8>>,
    deadline: Duration,
) -> Result<Answer, HttpError> {
    let exchange = exchange(socket, method, path, body);
    tokio::time::timeout(deadline, exchange).await.map_err(|_| HttpError::TimedOut(deadline))?
}

async fn exchange(
    socket: &Path,
    method: &str,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<Answer, HttpError> {
    let broken = |error: &dyn std::fmt::Display| HttpError::Broken(error.to_string());
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|source| HttpError::Connect { path: socket.display().to_string(), source })?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let method = Method::from_bytes(method.as_bytes()).map_err(|error| broken(&error))?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "evenkeel")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.unwrap_or_default())))
        .map_err(|error| broken(&error))?;
    let ask = async {
        let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MOST).collect().await;
        let body = body.map_err(|error| broken(&error))?.to_bytes().to_vec();
        // Letting go of the sender ends the connection.
        drop(sender);
        Ok(Answer { status, body })
    };
    let (answer, _connection) = tokio::join!(ask, connection);
    answer
}
