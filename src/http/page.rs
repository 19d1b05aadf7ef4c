//! A page, asked for at a port of a host: of its answer only the status and where it leads.

use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderName, HeaderValue, LOCATION};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{HttpError, broken, tls};

/// Where to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// By its address.
    Address(IpAddr),
    /// By its name.
    Name(String),
}

/// What to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where to connect to.
    pub host: Host,
    /// At which port.
    pub port: u16,
    /// Over TLS, with whatever certificate.
    pub tls: bool,
    /// Its path, with what follows a `?`.
    pub path: String,
    /// Headers. A `Host` among them takes the place of our own.
    pub headers: Vec<(String, String)>,
}

/// How an answer begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its status code.
    pub status: u16,
    /// Where it says that one should go.
    pub location: Option<String>,
}

/// Connects to a port of a host.
///
/// # Errors
/// If that can't be, or not within `deadline`.
pub async fn connect(host: &Host, port: u16, deadline: Duration) -> Result<TcpStream, HttpError> {
    let connected = async {
        match host {
            Host::Address(address) => TcpStream::connect((*address, port)).await,
            Host::Name(name) => TcpStream::connect((name.as_str(), port)).await,
        }
    };
    let timed = tokio::time::timeout(deadline, connected).await;
    let connected = timed.map_err(|_| HttpError::TimedOut(deadline))?;
    connected.map_err(|source| HttpError::Connect { path: authority(host, port), source })
}

/// Asks for a page; of the answer only its head is read.
///
/// # Errors
/// If there is none within `deadline`.
pub async fn ask(page: &Page, deadline: Duration) -> Result<Head, HttpError> {
    let exchange = async {
        let stream = connect(&page.host, page.port, deadline).await?;
        if page.tls {
            let stream = tls::over(stream, &page.host).await.map_err(|error| broken(&error))?;
            exchange(stream, page).await
        } else {
            exchange(stream, page).await
        }
    };
    tokio::time::timeout(deadline, exchange).await.map_err(|_| HttpError::TimedOut(deadline))?
}

async fn exchange<S>(stream: S, page: &Page) -> Result<Head, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let request = request(page)?;
    let ask = async {
        let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
        Ok(head(&answer))
    };
    let mut ask = pin!(ask);
    tokio::select! {
        biased;
        answer = &mut ask => answer,
        // What it has brought before is still there to be taken; else it says why there is nothing.
        _ended = connection => ask.await,
    }
}

fn request(page: &Page) -> Result<Request<Empty<Bytes>>, HttpError> {
    let mut request = Request::builder().uri(&page.path).body(Empty::new());
    let headers = request.as_mut().map_err(|error| broken(error))?.headers_mut();
    for (name, value) in &page.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| broken(&error))?;
        headers.append(name, HeaderValue::from_str(value).map_err(|error| broken(&error))?);
    }
    if !headers.contains_key(HOST) {
        let host = HeaderValue::from_str(&authority(&page.host, page.port));
        headers.insert(HOST, host.map_err(|error| broken(&error))?);
    }
    request.map_err(|error| broken(&error))
}

fn head<T>(answer: &Response<T>) -> Head {
    let location = answer.headers().get(LOCATION);
    Head {
        status: answer.status().as_u16(),
        location: location.and_then(|it| Some(it.to_str().ok()?.to_owned())),
    }
}

/// `10.0.0.2:80`, `[::1]:80`, `shop.example:80`.
pub fn authority(host: &Host, port: u16) -> String {
    match host {
        Host::Address(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        Host::Address(IpAddr::V4(address)) => format!("{address}:{port}"),
        Host::Name(name) => format!("{name}:{port}"),
    }
}
