//! The socket of the API, and those who come to it with bad manners.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use evenkeel::api::client::Client;
use evenkeel::api::watching::Told;
use evenkeel::api::{Problem, open as open_door, openapi, socket};
use evenkeel::http::serve::CONNECTIONS;
use evenkeel::worker::Ended;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::host::{End, Host, secs, task};

async fn open(socket: &Path, says: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(says.as_bytes()).await.unwrap();
    stream
}

/// Waits for the other side to end the connection; what it said.
async fn end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said).await {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// What is answered to a request whose head and body are these: its status and body.
async fn answered(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    head: &str,
    body: &str,
) -> (u16, String) {
    let length = body.len();
    let request = format!("{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = end(&mut stream).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// All that can be asked by its description: method, path and what is told of it.
fn operations() -> Vec<(String, String, Value)> {
    let document = openapi::document();
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, operations)| {
        let path = path.replace("{namespace}", "default").replace("{name}", "web");
        let path = path.replace("{instance}", "0190a5a0-0000-7000-8000-000000000000");
        let told = operations.as_object().unwrap().iter();
        told.map(move |(method, it)| (method.to_uppercase(), path.clone(), it.clone()))
    });
    all.collect()
}

#[tokio::test(start_paused = true)]
async fn whatever_a_web_page_may_have_sent_must_be_refused() {
    let host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let stop = CancellationToken::new();
    let serving = host.serve(stop.clone());
    let socket = socket(host.state.path());
    let mut all = operations();
    for (method, path, told) in &all {
        let says = &told["responses"]["403"]["content"]["application/json"]["schema"]["$ref"];
        assert_eq!(says, "#/components/schemas/Problem", "{method} {path}");
    }
    // Nor is a page told what there is, or what it may send.
    let more = [("GET", "/nowhere"), ("OPTIONS", "/v1/down"), ("PUT", "/v1/tasks")];
    all.extend(more.map(|(method, path)| (method.to_owned(), path.to_owned(), Value::Null)));
    let page = "Host: localhost\r\nOrigin: http://localhost:3000";
    for (who, foreign, help) in [
        ("Host: evil.example", "`evil.example` in Host", "ask for http://localhost/"),
        (page, "`http://localhost:3000` in Origin", "a program that sends no Origin"),
    ] {
        for (method, path, _) in &all {
            let head =
                format!("{method} {path} HTTP/1.1\r\n{who}\r\nContent-Type: application/json");
            let stream = UnixStream::connect(&socket).await.unwrap();
            let (status, body) = answered(stream, &head, "{}").await;
            assert_eq!(status, 403, "{method} {path} {who}: {body}");
            let problem: Problem = serde_json::from_str(&body).unwrap();
            assert_eq!(problem.reason, "Forbidden");
            assert!(problem.message.contains(foreign), "{problem:?}");
            assert!(problem.message.contains(help), "{problem:?}");
        }
    }
    assert!(host.is_up(), "a page had the daemon end");
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_form_can_send_must_do_nothing() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let stop = CancellationToken::new();
    let serving = host.serve(stop.clone());
    let socket = socket(host.state.path());
    let say = async |path: &str, kind: &str, body: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost{kind}");
        answered(UnixStream::connect(&socket).await.unwrap(), &head, body).await
    };
    for (_, path, told) in operations().iter().filter(|(method, ..)| method == "POST") {
        assert_eq!(told["requestBody"]["required"], true, "{path}");
        for kind in [
            "",
            "\r\nContent-Type: text/plain",
            "\r\nContent-Type: application/x-www-form-urlencoded",
            "\r\nContent-Type: multipart/form-data; boundary=x",
        ] {
            for body in ["", "{}"] {
                let (status, answer) = say(path, kind, body).await;
                assert_eq!(status, 415, "{path}{kind} {body}: {answer}");
            }
        }
    }
    let json = "\r\nContent-Type: application/json";
    for (body, wanted) in [("", 400), ("null", 422), ("[]", 422), ("{\"now\": true}", 422)] {
        let (status, answer) = say("/v1/down", json, body).await;
        assert_eq!(status, wanted, "{body}: {answer}");
    }
    assert!(host.is_up(), "a form had the daemon end");
    let (status, answer) = say("/v1/down", json, "{}").await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(host.buried().await, End::Ended(Ended::Reached));
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_address_of_this_host_alone_must_be_asked_by_a_name_of_its_own() {
    let host = Host::with(&[("web.yaml", task("web", ""))]).await;
    for (address, others) in [("127.0.0.1:0", 403), ("0.0.0.0:0", 200)] {
        let stop = CancellationToken::new();
        let listener = open_door::listen(address.parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(open_door::serve(Some(listener), host.sources(), stop.clone()));
        for (who, wanted) in [
            (format!("Host: 127.0.0.1:{port}"), 200),
            (format!("Host: localhost:{port}"), 200),
            (format!("Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}"), 200),
            (format!("Host: metrics.example:{port}"), others),
            (format!("Host: metrics.example:{port}\r\nOrigin: http://evil.example"), 403),
            (format!("Host: 127.0.0.1:{port}\r\nOrigin: null"), 403),
        ] {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let head = format!("GET /metrics HTTP/1.1\r\n{who}");
            let (status, body) = answered(stream, &head, "").await;
            assert_eq!(status, wanted, "{address} {who}: {body}");
        }
        stop.cancel();
        serving.await.unwrap();
    }
}

/// Opens so many connections that say so much.
async fn crowd(socket: &Path, count: usize, says: &str) -> Vec<UnixStream> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(open(socket, says).await);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn a_crowd_that_keeps_the_daemon_waiting_must_not_keep_others_out() {
    let host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let stop = CancellationToken::new();
    let serving = host.serve(stop.clone());
    let (socket, client) = (socket(host.state.path()), Client::of(host.state.path()));
    let half = "POST /v1/approve/prune HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
                application/json\r\nContent-Length: 9\r\n\r\n{";
    // What is answered repeats it: more than a socket holds for who reads nothing.
    let unread = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(300_000));
    let again = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he";
    for (manner, says) in [
        ("says nothing", ""),
        ("says half of it", "GET /v1/wor"),
        ("sends half of a body", half),
        ("reads nothing", &unread),
        ("has been answered", again),
    ] {
        let mut crowd = crowd(&socket, CONNECTIONS * 2, says).await;
        let began = Instant::now();
        for _ in 0..3 {
            let asked = timeout(secs(3), client.worker()).await;
            asked.unwrap_or_else(|_| panic!("who {manner} keeps others out")).unwrap();
        }
        assert!(began.elapsed() < secs(3), "{manner}: {:?}", began.elapsed());
        // Those who still have a place are sent away in time.
        for stream in &mut crowd {
            timeout(secs(30), end(stream)).await.unwrap();
        }
    }
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_crowd_must_have_anybody_sent_away_who_is_being_answered() {
    let mut host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let stop = CancellationToken::new();
    let serving = host.serve(stop.clone());
    let (socket, client) = (socket(host.state.path()), Client::of(host.state.path()));
    let mut watching = client.watch(None, None).await.unwrap();
    while watching.next().await.unwrap() != (Told::Synced {}) {}
    host.engine.hang();
    let usage = async {
        let began = Instant::now();
        client.usage().await.unwrap();
        began.elapsed()
    };
    let come = async {
        sleep(Duration::from_millis(10)).await;
        let crowd = crowd(&socket, CONNECTIONS * 4, "").await;
        let asked = (0..CONNECTIONS * 2).map(async |_| client.worker().await.unwrap());
        futures_util::future::join_all(asked).await;
        crowd
    };
    let (took, _crowd) = tokio::join!(usage, come);
    assert!(took >= secs(4), "it was answered before the crowd came: {took:?}");
    host.write("web.yaml", &task("web", "  replicas: 2"));
    timeout(secs(30), watching.next()).await.unwrap().unwrap();
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_more_must_be_ended() {
    let host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let stop = CancellationToken::new();
    let serving = host.serve(stop.clone());
    let says = "GET /v1/worker HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut idle = open(&socket(host.state.path()), says).await;
    let body = "POST /v1/approve/prune HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
                application/json\r\nContent-Length: 9\r\n\r\n{";
    let mut half = open(&socket(host.state.path()), body).await;
    let said = timeout(secs(30), end(&mut idle)).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    let said = timeout(secs(30), end(&mut half)).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_was_removed_or_replaced_must_be_made_anew() {
    let host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let stop = CancellationToken::new();
    let serving = host.serve(stop.clone());
    let (socket, client) = (socket(host.state.path()), Client::of(host.state.path()));
    let back = async || {
        let deadline = Instant::now() + secs(20);
        while client.worker().await.is_err() {
            assert!(Instant::now() < deadline, "it is not made anew");
            sleep(Duration::from_millis(20)).await;
        }
        let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    };
    back().await;
    std::fs::remove_file(&socket).unwrap();
    back().await;
    std::fs::rename(&socket, host.state.path().join("aside")).unwrap();
    back().await;
    std::fs::remove_file(&socket).unwrap();
    std::fs::write(&socket, "somebody else's").unwrap();
    back().await;
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_finds_more_waiting_than_can_must_try_again() {
    let state = tempfile::tempdir().unwrap();
    let (path, client) = (socket(state.path()), Client::of(state.path()));
    let listener =
        socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    listener.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(0).unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = UnixListener::from_std(std::os::fd::OwnedFd::from(listener).into()).unwrap();
    let mut waiting = Vec::new();
    let full = loop {
        match UnixStream::connect(&path).await {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    let later = async {
        sleep(secs(1)).await;
        for _ in 0..waiting.len() {
            listener.accept().await.unwrap();
        }
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]";
        stream.write_all(answer).await.unwrap();
    };
    let asked = timeout(secs(60), async { tokio::join!(client.tasks(), later) });
    let (tasks, ()) = asked.await.unwrap();
    assert_eq!(tasks.unwrap(), []);
}
