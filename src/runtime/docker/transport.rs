//! One request to the engine and its answer, over a connection of its own.
//!
//! Both bollard's calls and our own readings go through here. It knows nothing of what is asked.
#![expect(
    clippy::disallowed_methods,
    reason = "a connection's own task ends with the exchange it is for"
)]

use std::io;

use bollard::errors::Error;
use bollard::{BollardRequest, body_full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::connect::{Address, Way};
use super::count::Asked;
use crate::metrics::Answer;

const REGISTRY_AUTH: &str = "x-registry-auth";

/// Asks the engine.
///
/// # Errors
/// If there is no connection, or none any more; or if something that does not speak JSON, such as
/// a proxy, says that the engine has failed: then nothing is known of the request.
pub(super) async fn send(
    address: Address,
    mut request: BollardRequest,
) -> Result<Response<Incoming>, Error> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>()?;
    url_safe_login(&mut request);
    let asked = Asked::now(&address.metrics, request.method(), request.uri().path());
    let answer = Box::pin(answer(address.way, request)).await;
    asked.ended(match &answer {
        Ok(response) => Answer::Status(response.status().as_u16()),
        Err(_) => Answer::Unreachable,
    });
    let response = answer?;
    let status = response.status();
    let json = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with("application/json")));
    if status.is_server_error() && !json {
        return Err(
            io::Error::other(format!("an answer of status {status} that is not JSON")).into()
        );
    }
    Ok(response)
}

async fn answer(way: Way, request: BollardRequest) -> Result<Response<Incoming>, Error> {
    match way {
        Way::Unix(path) => {
            let stream = UnixStream::connect(&path).await.map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })?;
            exchange(stream, request, HeaderValue::from_static("docker")).await
        }
        Way::Tcp(host) => {
            let stream = TcpStream::connect(&host)
                .await
                .map_err(|error| io::Error::new(error.kind(), format!("{host}: {error}")))?;
            let host = HeaderValue::from_str(&host).map_err(io::Error::other)?;
            exchange(stream, request, host).await
        }
    }
}

/// A request of our own, as [`send`] takes it.
///
/// # Errors
/// If `path` is none.
pub(super) fn request(
    method: Method,
    path: &str,
    body: Option<&serde_json::Value>,
) -> Result<BollardRequest, Error> {
    let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    Ok(Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, "application/json")
        .body(body_full(bytes))?)
}

async fn exchange<S>(
    stream: S,
    mut request: BollardRequest,
    host: HeaderValue,
) -> Result<Response<Incoming>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    request.headers_mut().insert(HOST, host);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends by itself with the one exchange it is for: when the body was read or dropped, when
    // the connection was taken over, or when the sender is dropped before there was an answer. Its
    // error reaches those as well.
    tokio::spawn(connection.with_upgrades());
    Ok(sender.send_request(request).await?)
}

/// The engine reads the login in the URL-safe alphabet of base64, but bollard writes it in the
/// other one; a password that gives `+` or `/` would silently count as none.
fn url_safe_login(request: &mut BollardRequest) {
    if let Some(value) = request.headers_mut().get_mut(REGISTRY_AUTH) {
        let safe: Vec<u8> = value
            .as_bytes()
            .iter()
            .map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            })
            .collect();
        if let Ok(mut header) = HeaderValue::from_bytes(&safe) {
            header.set_sensitive(true);
            *value = header;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_sent_in_the_url_safe_alphabet() {
        let mut login = request(Method::POST, "/images/create", None).unwrap();
        login.headers_mut().insert(REGISTRY_AUTH, HeaderValue::from_static("ab+/cd=="));
        url_safe_login(&mut login);
        assert_eq!(login.headers()[REGISTRY_AUTH], "ab-_cd==");
    }
}
