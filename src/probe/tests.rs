use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LIMIT: Duration = Duration::from_secs(5);

fn get(port: u16, path: &str) -> HttpGet {
    let (path, scheme) = (path.to_owned(), Scheme::Http);
    HttpGet { path, port, scheme, host: None, headers: Vec::new() }
}

/// Serves pages; tells what was asked for.
async fn serve(answers: fn(&str) -> String) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let request = String::from_utf8(request).unwrap();
            let path = request.split(' ').nth(1).unwrap().to_owned();
            asked.push(request);
            stream.write_all(answers(&path).as_bytes()).await.unwrap();
            if path.ends_with("last") {
                return asked;
            }
        }
    });
    (port, serving)
}

fn head(status: &str, more: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n{more}\r\n")
}

#[tokio::test]
async fn a_status_below_400_must_be_a_success() {
    let (port, serving) =
        serve(|path| head(path.trim_matches(['/', 'l', 'a', 's', 't', '-']), "")).await;
    for (path, well) in
        [("/200", true), ("/204", true), ("/304", true), ("/400", false), ("/503-last", false)]
    {
        let answer = http_get(LOCAL, &get(port, path), LIMIT).await;
        let status = path.trim_matches(['/', 'l', 'a', 's', 't', '-']);
        let expected = if well {
            Answer::Success
        } else {
            Answer::Failure(format!("HTTP status {status} at 127.0.0.1:{port}{path}"))
        };
        assert_eq!(answer, expected, "{path}");
    }
    let asked = serving.await.unwrap();
    assert!(asked[0].contains(&format!("host: 127.0.0.1:{port}\r\n")), "{}", asked[0]);
    assert!(asked[0].contains("user-agent: evenkeel-probe/"), "{}", asked[0]);
}

#[tokio::test]
async fn headers_must_be_sent_as_they_are_written() {
    let (port, serving) = serve(|_| head("200 OK", "")).await;
    let headers = [("Host", "shop.example"), ("X-Two", "1"), ("X-Two", "2"), ("user-agent", "me")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let answer = http_get(LOCAL, &HttpGet { headers, ..get(port, "/last") }, LIMIT).await;
    assert_eq!(answer, Answer::Success);
    let asked = serving.await.unwrap();
    for line in ["host: shop.example", "x-two: 1", "x-two: 2", "user-agent: me"] {
        assert_eq!(asked[0].matches(&format!("{line}\r\n")).count(), 1, "{line}: {}", asked[0]);
    }
    assert!(!asked[0].contains("evenkeel-probe"), "{}", asked[0]);
}

#[tokio::test]
async fn redirects_must_be_followed_on_the_same_host_and_nowhere_else() {
    let (port, serving) = serve(|path| match path {
        "/a" => head("302 Found", "Location: b?x=1\r\n"),
        "/b?x=1" => head("301 Moved", "Location: /bad\r\n"),
        "/bad" => head("500 No", ""),
        "/away" => head("302 Found", "Location: http://elsewhere.invalid/\r\n"),
        "/nowhere" => head("302 Found", ""),
        "/round" => head("302 Found", "Location: /round\r\n"),
        _ => head("200 OK", ""),
    })
    .await;
    let ask = async |path| http_get(LOCAL, &get(port, path), LIMIT).await;
    assert_eq!(
        ask("/a").await,
        Answer::Failure(format!("HTTP status 500 at 127.0.0.1:{port}/bad"))
    );
    assert_eq!(ask("/away").await, Answer::Success);
    assert_eq!(ask("/nowhere").await, Answer::Success);
    assert!(matches!(ask("/round").await, Answer::Failure(why) if why.contains("redirects")));
    assert_eq!(ask("/last").await, Answer::Success);
    assert_eq!(serving.await.unwrap().len(), 3 + 1 + 1 + 11 + 1);
}

#[tokio::test]
async fn who_does_not_answer_must_have_failed_in_time() {
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // It takes connections and says nothing.
    let limit = Duration::from_millis(200);
    assert_eq!(tcp_socket(LOCAL, port, limit).await, Answer::Success);
    let silent = Answer::Failure("no answer within 200ms".to_owned());
    assert_eq!(http_get(LOCAL, &get(port, "/"), limit).await, silent);
    let over_tls = HttpGet { scheme: Scheme::Https, ..get(port, "/") };
    assert_eq!(http_get(LOCAL, &over_tls, limit).await, silent);
    drop(listener);
    for answer in
        [tcp_socket(LOCAL, port, LIMIT).await, http_get(LOCAL, &get(port, "/"), LIMIT).await]
    {
        let Answer::Failure(why) = answer else { panic!("{answer:?}") };
        assert!(why.contains(&format!("127.0.0.1:{port}")) && why.contains("refused"), "{why}");
    }
}

#[tokio::test]
async fn what_is_no_http_must_be_a_failure() {
    let (port, _serving) = serve(|_| "SSH-2.0-OpenSSH_9.2\r\n".to_owned()).await;
    let answer = http_get(LOCAL, &get(port, "/last"), LIMIT).await;
    assert!(matches!(answer, Answer::Failure(_)), "{answer:?}");
}
