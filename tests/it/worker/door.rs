//! The socket of the API, and those who come to it with bad manners.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use evenkeel::api::client::Client;
use evenkeel::api::socket;
use evenkeel::http::serve::{CONNECTIONS, HEADERS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::host::{Host, secs, task};

async fn open(socket: &Path, says: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(says.as_bytes()).await.unwrap();
    stream
}

/// Waits for the other side to end the connection; what it said.
async fn end(stream: &mut UnixStream) -> String {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said).await {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(start_paused = true)]
async fn those_who_never_end_their_request_must_not_keep_others_out() {
    let host = Host::with(&[("web.yaml", task("web", ""))]).await;
    let stop = CancellationToken::new();
    let serving = host.serve(stop.clone());
    let (socket, client) = (socket(host.state.path()), Client::of(host.state.path()));
    let began = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..CONNECTIONS + 20 {
        slow.push(open(&socket, "GET /v1/wor").await);
    }
    // Whoever comes next has a turn as soon as the first of them were sent away.
    let asked = async {
        loop {
            if let Ok(worker) = client.worker().await {
                return worker;
            }
        }
    };
    timeout(secs(40), asked).await.unwrap();
    assert!(began.elapsed() >= HEADERS - Duration::from_secs(1), "{:?}", began.elapsed());
    for mut stream in slow {
        timeout(secs(30), end(&mut stream)).await.unwrap();
    }
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
            tokio::time::sleep(Duration::from_millis(20)).await;
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
