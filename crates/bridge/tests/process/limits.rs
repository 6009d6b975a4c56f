//! What a client can and cannot do to the listener of a whole process. `tests/serve.rs` has the limits that can
//! be shown with shorter waits.

use std::net::SocketAddr;
use std::time::Duration;

use itop_bridge_testkit::site::{EXTERNAL_KEY, Site};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// One request from an address of this machine; the whole answer.
async fn send_from(site: &Site, from: [u8; 4], request: &str) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    let mut stream = socket.connect(SocketAddr::from(([127, 0, 0, 1], site.port))).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn update(key: &str) -> String {
    let body = r#"{"class":"UserRequest","id":"1"}"#;
    format!(
        "POST /api/v1/update-ticket HTTP/1.1\r\nhost: bridge\r\nconnection: close\r\n{key}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn many_wrong_keys_from_one_address_are_told_to_wait_and_lock_nobody_out() {
    let site = Site::new(crate::PROGRAM, "wrong-keys").await;
    let _bridge = site.serve().await;
    let (guesser, neighbour) = ([127, 0, 0, 1], [127, 0, 0, 2]);
    let wrong = update("x-api-key: sk_wrong\r\n");
    let mut answers = Vec::new();
    for n in 0..60 {
        let missing = update("");
        let request = if n % 2 == 0 { &wrong } else { &missing };
        answers.push(send_from(&site, guesser, request).await);
    }
    assert!(answers[..20].iter().all(|answer| answer.starts_with("HTTP/1.1 401 ")), "{answers:#?}");
    let limited: Vec<&String> = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 429 ")).collect();
    assert!(limited.len() > 25, "{}: {answers:#?}", limited.len());
    for answer in &limited {
        let wait = answer.lines().find_map(|line| line.strip_prefix("retry-after: ")).expect("Retry-After");
        assert!((1..=3).contains(&wait.parse::<u64>().unwrap()), "{answer}");
        assert!(answer.contains("\"error\":\"too_many_wrong_keys\""), "{answer}");
    }

    let right = update(&format!("x-api-key: {EXTERNAL_KEY}\r\n"));
    let answer = send_from(&site, guesser, &right).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "a right key is let in from there too: {answer}");
    let answer = send_from(&site, neighbour, &wrong).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "another address has done nothing: {answer}");
    let test = "GET /api/v1/test HTTP/1.1\r\nhost: bridge\r\nconnection: close\r\nx-api-key: sk_wrong\r\n\r\n";
    assert!(send_from(&site, guesser, test).await.starts_with("HTTP/1.1 429 "), "by whatever route");

    let metrics = site.send("GET /metrics HTTP/1.1\r\nhost: bridge\r\nconnection: close\r\n\r\n").await.unwrap();
    let count = |key: &str, status: &str| -> u64 {
        let name = format!("itop_bridge_wrong_keys_total{{key=\"{key}\",status=\"{status}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
    };
    let of = |key: &str| count(key, "401") + count(key, "429");
    assert_eq!((of("wrong"), of("missing")), (32, 30), "{metrics}");
    assert!(count("wrong", "429") + count("missing", "429") > 25, "{metrics}");
    let told = site.log().lines().filter(|line| line.contains("many requests without a valid key")).count();
    assert_eq!(told, 1, "one line, not one a try: {}", site.log());
    assert!(site.log().contains("127.0.0.1") && !site.log().contains("sk_wrong"), "{}", site.log());
}

/// 512 at a time: whoever comes then is answered when those who do nothing are cut off.
#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_there_are_places_wait_and_are_answered() {
    let site = Site::new(crate::PROGRAM, "places").await;
    let bridge = site.serve().await;
    let mut idle = Vec::new();
    for _ in 0..520 {
        let mut stream = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
        stream.write_all(b"POST /api/v1/update-ticket HTTP/1.1\r\nhost: ").await.unwrap();
        idle.push(stream);
    }
    let began = tokio::time::Instant::now();
    let answer = site.hook("/api/v1/update-ticket", EXTERNAL_KEY, r#"{"class":"UserRequest","id":"1"}"#).await;
    assert_eq!(answer.0, 202, "{answer:?}");
    let took = began.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(20)).contains(&took), "it had to wait for a place: {took:?}");
    let open = std::fs::read_dir(format!("/proc/{}/fd", bridge.child.id())).unwrap().count();
    assert!(open < 700, "{open} files are open");
    drop(idle);
    let answer = site.hook("/api/v1/update-ticket", EXTERNAL_KEY, r#"{"class":"UserRequest","id":"1"}"#).await;
    assert_eq!(answer.0, 202, "{answer:?}");
}
