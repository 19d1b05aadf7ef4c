//! Asks once how an instance is, over the network, and reports. When to ask and how answers count
//! is `domain`'s; the worker calls it.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use crate::domain::probe::{Answer, HttpGet, Scheme};
use crate::http::HttpError;
use crate::http::page::{self, Head, Host, Page, authority};

/// How many redirects are followed, as Kubernetes does.
const REDIRECTS: usize = 10;

/// Whether something accepts connections at a port of `address`.
pub async fn tcp_socket(address: IpAddr, port: u16, limit: Duration) -> Answer {
    match page::connect(&Host::Address(address), port, limit).await {
        Ok(_connected) => Answer::Success,
        Err(error) => Answer::Failure(told(&error)),
    }
}

/// Gets a page of `address`, or of the host that it names. Redirects are followed on the same host;
/// one that leads elsewhere is a success, for nobody is asked there.
pub async fn http_get(address: IpAddr, get: &HttpGet, limit: Duration) -> Answer {
    let end = Instant::now() + limit;
    let mut page = first(address, get);
    for _ in 0..=REDIRECTS {
        let head = match page::ask(&page, end.saturating_duration_since(Instant::now())).await {
            Ok(head) => head,
            Err(HttpError::TimedOut(_)) => {
                return Answer::Failure(told(&HttpError::TimedOut(limit)));
            }
            Err(error) => return Answer::Failure(told(&error)),
        };
        match head {
            Head { status: 300..=399, location: Some(location) } => match next(&page, &location) {
                Some(next) => page = next,
                None => return Answer::Success,
            },
            Head { status: 200..=399, .. } => return Answer::Success,
            Head { status, .. } => {
                let at = format!("{}{}", authority(&page.host, page.port), page.path);
                return Answer::Failure(format!("HTTP status {status} at {at}"));
            }
        }
    }
    Answer::Failure(format!("more than {REDIRECTS} redirects, the last to {}", page.path))
}

fn first(address: IpAddr, get: &HttpGet) -> Page {
    let host = match &get.host {
        None => Host::Address(address),
        Some(name) => name.parse().map_or_else(|_| Host::Name(name.clone()), Host::Address),
    };
    let mut headers = get.headers.clone();
    let mut default = |name: &str, value: &str| {
        if !headers.iter().any(|(has, _)| has.eq_ignore_ascii_case(name)) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    };
    default("User-Agent", concat!("evenkeel-probe/", env!("CARGO_PKG_VERSION")));
    default("Accept", "*/*");
    Page { host, port: get.port, tls: get.scheme == Scheme::Https, path: get.path.clone(), headers }
}

/// The page that `location` names, if it is on the same host.
fn next(page: &Page, location: &str) -> Option<Page> {
    let scheme = if page.tls { "https" } else { "http" };
    let base = format!("{scheme}://{}{}", authority(&page.host, page.port), page.path);
    let base = Url::parse(&base).ok()?;
    let url = base.join(location).ok()?;
    if url.host() != base.host() || !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
    Some(Page {
        port: url.port_or_known_default()?,
        tls: url.scheme() == "https",
        path: format!("{}{query}", url.path()),
        ..page.clone()
    })
}

/// An error with its causes, in a line.
fn told(error: &HttpError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
