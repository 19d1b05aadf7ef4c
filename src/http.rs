//! The one HTTP client: a request over a connection of its own, and its whole answer.
//!
//! Knows nothing of what is asked. The commands ask the daemon through it; [`serve`] is the other
//! side.

pub mod page;
mod room;
pub mod serve;
mod tls;
mod waits;

use std::io;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
pub use hyper::body::Bytes;
use hyper::body::Incoming;
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

/// An answer without end, of which a part at a time is taken.
#[derive(Debug)]
pub struct Stream {
    /// Its status code.
    pub status: u16,
    body: Incoming,
    connection: Option<Connection>,
    _sender: Sender,
}

/// Asks who listens at a unix socket for an answer without end. It has to begin within `deadline`.
///
/// # Errors
/// If it does not.
pub async fn stream_over_unix(
    socket: &Path,
    path: &str,
    headers: &[(&'static str, String)],
    deadline: Duration,
) -> Result<Stream, HttpError> {
    let begin = async {
        let (mut sender, mut connection) = connect(socket).await?;
        let mut request = Request::builder().uri(path).header(HOST, "localhost");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::default()).map_err(|error| broken(&error))?;
        let response = tokio::select! {
            response = sender.send_request(request) => response.map_err(|error| broken(&error))?,
            ended = &mut connection => {
                let why = ended.err().map_or_else(|| "it ended".to_owned(), |it| it.to_string());
                return Err(HttpError::Broken(why));
            }
        };
        let (status, body) = (response.status().as_u16(), response.into_body());
        Ok(Stream { status, body, connection: Some(connection), _sender: sender })
    };
    tokio::time::timeout(deadline, begin).await.map_err(|_| HttpError::TimedOut(deadline))?
}

impl Stream {
    /// The next part; `None`: there is no more.
    ///
    /// # Errors
    /// If it breaks off, or nothing comes within `deadline`.
    pub async fn part(&mut self, deadline: Duration) -> Result<Option<Bytes>, HttpError> {
        let part = async {
            loop {
                let frame = match &mut self.connection {
                    None => self.body.frame().await,
                    Some(connection) => tokio::select! {
                        biased;
                        frame = self.body.frame() => frame,
                        // What it has brought before is still there to be taken.
                        _ended = connection => {
                            self.connection = None;
                            continue;
                        }
                    },
                };
                match frame.transpose().map_err(|error| broken(&error))? {
                    None => return Ok(None),
                    Some(frame) => match frame.into_data() {
                        Ok(data) => return Ok(Some(data)),
                        Err(_trailers) => {}
                    },
                }
            }
        };
        tokio::time::timeout(deadline, part).await.map_err(|_| HttpError::TimedOut(deadline))?
    }
}

type Sender = http1::SendRequest<Full<Bytes>>;
type Connection = http1::Connection<TokioIo<UnixStream>, Full<Bytes>>;

fn broken(error: &dyn std::fmt::Display) -> HttpError {
    HttpError::Broken(error.to_string())
}

async fn connect(socket: &Path) -> Result<(Sender, Connection), HttpError> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|source| HttpError::Connect { path: socket.display().to_string(), source })?;
    http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))
}

async fn exchange(
    socket: &Path,
    method: &str,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<Answer, HttpError> {
    let (mut sender, connection) = connect(socket).await?;
    let method = Method::from_bytes(method.as_bytes()).map_err(|error| broken(&error))?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost")
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
