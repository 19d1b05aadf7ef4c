//! Who may ask: programs, but no web page.
//!
//! A page that somebody looks at can have their browser ask whatever listens on their host. The
//! browser then tells whose page it is, in `Origin`, and by which name it was sent here, in `Host`:
//! so a page whose own name was made to mean this host (DNS rebinding) gives itself away. A form
//! may come without `Origin`, but can't send JSON, which all that takes a body insists on.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderName, StatusCode};

use super::route::Refused;

/// By which names a listener may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Those that a host has for itself: `localhost`, and its loopback addresses.
    Local,
    /// Any: what others call this host is not known here.
    Any,
}

impl Names {
    /// Those of a listener at an address.
    pub(super) fn of(address: SocketAddr) -> Self {
        if is_loopback(address.ip()) { Self::Local } else { Self::Any }
    }

    /// Lets a request pass.
    ///
    /// # Errors
    /// If a web page may have sent it.
    pub(super) fn admit(self, request: Request) -> Result<Request, Refused> {
        let target = request.uri().authority().map(ToString::to_string);
        // Where the target names a host itself, that counts more.
        let hosts: Vec<String> = target.into_iter().chain(values(&request, &HOST)).collect();
        if let Some(foreign) = hosts.iter().find(|host| !self.has(host)) {
            return Err(refused(&format!(
                "`{foreign}` in Host is no name that this is asked by, so a web page may have sent \
                 this; ask for http://localhost/ or for a loopback address"
            )));
        }
        let own = hosts.first().map(|host| format!("http://{host}"));
        let is_own =
            |origin: &String| own.as_ref().is_some_and(|it| it.eq_ignore_ascii_case(origin));
        if let Some(foreign) = values(&request, &ORIGIN).find(|origin| !is_own(origin)) {
            return Err(refused(&format!(
                "web pages are not answered, and `{foreign}` in Origin says that one sent this; \
                 ask with a program that sends no Origin, such as curl"
            )));
        }
        Ok(request)
    }

    /// Whether `host`, with or without a port, is one of them. None at all is what HTTP has where
    /// there is no name, as for a socket.
    fn has(self, host: &str) -> bool {
        let is_local = |authority: Authority| {
            let name = authority.host();
            let address = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
            let address = address.unwrap_or(name).parse().is_ok_and(is_loopback);
            !authority.as_str().contains('@') && (address || name.eq_ignore_ascii_case("localhost"))
        };
        match self {
            Self::Any => true,
            Self::Local => host.is_empty() || host.parse().is_ok_and(is_local),
        }
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// All values of a header, as text.
fn values<'a>(request: &'a Request, name: &HeaderName) -> impl Iterator<Item = String> + 'a {
    let values = request.headers().get_all(name).into_iter();
    values.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
}

fn refused(message: &str) -> Refused {
    Refused(StatusCode::FORBIDDEN, message.to_owned())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn asked(names: Names, target: &str, headers: &[(HeaderName, &str)]) -> bool {
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        names.admit(request.body(Body::empty()).unwrap()).is_ok()
    }

    #[test]
    fn only_a_name_that_a_host_has_for_itself_may_be_asked_for() {
        let by = |host| asked(Names::Local, "/metrics", &[(HOST, host)]);
        for host in ["", "localhost", "LocalHost:9464", "127.0.0.1", "127.1.2.3:80", "[::1]:9464"] {
            assert!(by(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9464",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "evil@localhost",
            "192.168.0.7",
            "0.0.0.0",
            "[::]",
            "::1",
            "localhost/",
            "localhost, evil.example",
            "evenkeel",
        ] {
            assert!(!by(host), "{host}");
            assert!(asked(Names::Any, "/metrics", &[(HOST, host)]), "{host}");
        }
        assert!(asked(Names::Local, "/metrics", &[]));
        let two = [(HOST, "localhost"), (HOST, "evil.example")];
        assert!(!asked(Names::Local, "/metrics", &two));
        let target = "http://evil.example/metrics";
        assert!(!asked(Names::Local, target, &[(HOST, "localhost")]));
    }

    #[test]
    fn only_a_page_of_the_listeners_own_may_ask() {
        let from = |names, host, origin| asked(names, "/", &[(HOST, host), (ORIGIN, origin)]);
        for names in [Names::Local, Names::Any] {
            assert!(from(names, "localhost:80", "http://localhost:80"));
            for origin in
                ["http://evil.example", "http://localhost:3000", "http://localhost", "null", ""]
            {
                assert!(!from(names, "localhost:80", origin), "{origin}");
            }
            assert!(!asked(names, "/", &[(ORIGIN, "http://localhost")]));
            let two = [
                (HOST, "localhost"),
                (ORIGIN, "http://localhost"),
                (ORIGIN, "http://evil.example"),
            ];
            assert!(!asked(names, "/", &two));
        }
        assert!(from(Names::Any, "host.example:9464", "http://host.example:9464"));
        assert!(!from(Names::Any, "host.example:9464", "http://evil.example"));
    }

    #[test]
    fn who_listens_to_others_is_called_by_names_unknown_here() {
        for (address, names) in [
            ("127.0.0.1:1", Names::Local),
            ("127.0.1.1:1", Names::Local),
            ("[::1]:1", Names::Local),
            ("[::ffff:127.0.0.1]:1", Names::Local),
            ("0.0.0.0:1", Names::Any),
            ("[::]:1", Names::Any),
            ("192.168.0.7:1", Names::Any),
        ] {
            assert_eq!(Names::of(address.parse().unwrap()), names, "{address}");
        }
    }
}
