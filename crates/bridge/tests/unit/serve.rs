//! The server on real sockets: what clients can and cannot do to it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use itop_bridge::config::Config;
use itop_bridge::http::{HttpState, router, serve};
use itop_bridge_engine::clock::SystemClock;
use itop_bridge_engine::timing::Timing;
use itop_bridge_store::{SqliteStore, StoreHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Server {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
    store: StoreHandle,
}

async fn start(timing: Timing) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let slow = get(async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        "late"
    });
    let never = get(std::future::pending::<&'static str>);
    let router = Router::new().route("/", post(async || "answer")).route("/slow", slow).route("/never", never);
    let store = StoreHandle::inline(SqliteStore::open_in_memory().unwrap());
    let router = router.merge(hooks(store.clone(), &timing));
    let (stop, stopped) = oneshot::channel::<()>();
    let done = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        serve(listener, router, &timing, stopped).await;
    });
    Server { address, stop, done, store }
}

const KEY: &str = "sk_acme_0123456789abcd";

/// The bridge's own routes over a store.
fn hooks(store: StoreHandle, timing: &Timing) -> Router {
    let text = format!(
        "[server]\nid = \"t\"\n[internal]\nname = \"elitery\"\nurl = \"http://i.example\"\ntoken = \"t\"\n\
         api_keys = [\"sk_internal_0123456789\"]\n[external.acme]\nurl = \"http://acme.example\"\ntoken = \"t\"\n\
         api_keys = [\"{KEY}\"]\nonly = \"all\"\n"
    );
    let config = Config::parse(&text, "bridge.toml", &|_| None).unwrap();
    let clock = Arc::new(SystemClock);
    router(Arc::new(HttpState::new(&config, Arc::new(store), clock, timing.clone(), Arc::default())))
}

/// The head of a hook, without its end.
fn head(key: &str) -> String {
    format!("POST /api/v1/update-ticket HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n")
}

fn hook(id: u64) -> String {
    let body = format!(r#"{{"class":"UserRequest","id":"{id}"}}"#);
    format!("{}Content-Length: {}\r\n\r\n{body}", head(KEY), body.len())
}

impl Server {
    /// The tickets that were marked.
    async fn marked(&self) -> Vec<u64> {
        let rows = self.store.call(|store| store.queue(None, 200, 0)).await.unwrap();
        rows.into_iter().map(|row| row.of.ticket).collect()
    }

    /// It answers as ever.
    async fn is_well(&self) {
        let last = hook(7).replace("Host: x", "Host: x\r\nConnection: close");
        let answer = read(send(self, &last).await).await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    }
}

async fn send(server: &Server, text: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    socket
}

/// All that comes until the server closes.
async fn read(mut socket: TcpStream) -> String {
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(5), socket.read_to_string(&mut answer)).await;
    read.expect("the server closes by itself").unwrap();
    answer
}

fn impatient() -> Timing {
    Timing { request_read_ms: 150, shutdown_ms: 150, ..Timing::default() }
}

#[tokio::test]
async fn a_client_that_sends_no_head_is_cut_off() {
    let server = start(impatient()).await;
    assert!(!read(send(&server, "").await).await.contains("answer"), "nothing was asked");
    assert!(!read(send(&server, "POST / HTTP/1.1\r\nHost: x\r\n").await).await.contains("answer"), "half a head");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_answer() {
    let server = start(impatient()).await;
    let answer = read(send(&server, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("answer"), "{answer}");
}

#[tokio::test]
async fn a_shutdown_lets_a_request_under_way_end() {
    let server = start(Timing { shutdown_ms: 5_000, ..impatient() }).await;
    let slow = send(&server, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.stop.send(()).unwrap();
    assert!(read(slow).await.ends_with("late"));
    server.done.await.unwrap();
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let server = start(impatient()).await;
    let _never = send(&server, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(60), server.done).await.unwrap().unwrap();
}

/// Sends all of it before it reads anything, as many clients do: the status and the JSON of the answer.
async fn answer_to_all_of(server: &Server, head: &str, body: &[u8]) -> (u16, serde_json::Value) {
    // With little room in the sockets, as over a network: the server has answered long before all is sent.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(128 * 1024).unwrap();
    let mut socket = socket.connect(server.address).await.unwrap();
    for part in [head.as_bytes(), body] {
        let shown = head.get(..200).unwrap_or(head);
        socket.write_all(part).await.unwrap_or_else(|error| panic!("{shown}: cut off while it sends: {error}"));
    }
    let answer = read(socket).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("an answer: {answer:?}"));
    let body = serde_json::from_str(body).unwrap_or(serde_json::Value::Null);
    (head[9..12].parse().unwrap(), body)
}

/// A server that has time for much.
async fn patient() -> Server {
    start(Timing { request_read_ms: 30_000, ..impatient() }).await
}

fn chunked(length: usize) -> Vec<u8> {
    let piece = format!("10000\r\n{}\r\n", "x".repeat(65_536));
    [piece.repeat(length / 65_536).as_bytes(), b"0\r\n\r\n"].concat()
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = patient().await;
    let long = format!("{}X-Long: {}\r\n\r\n", head(KEY), "x".repeat(3_000_000));
    let many = format!("{}{}\r\n", head(KEY), "X-Many: x\r\n".repeat(200));
    for request in [long, many] {
        assert_eq!(answer_to_all_of(&server, &request, b"").await.0, 431);
    }
    assert_eq!(server.marked().await, [0; 0]);
    server.is_well().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let server = patient().await;
    let answer = read(send(&server, &format!("{}Content-Length: 2000000\r\n\r\n", head(KEY))).await).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("connection: close"), "{answer}");
    // A client that asks first is told at once, and not to go on.
    let asks = format!("{}Content-Length: 2000000\r\nExpect: 100-continue\r\n\r\n", head(KEY));
    let answer = read(send(&server, &asks).await).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && !answer.contains("100 Continue"), "{answer}");
    server.is_well().await;
}

/// On its way to a client that has not read yet, an answer is lost when the connection is reset.
#[tokio::test]
async fn the_answer_reaches_a_client_that_sends_all_before_it_reads() {
    let server = patient().await;
    let large = vec![b'x'; 3_000_000];
    let length = format!("Content-Length: {}\r\n\r\n", large.len());
    let no_length = "Transfer-Encoding: chunked\r\n\r\n".to_owned();
    let hooks = ["create-ticket", "update-ticket", "update-private-log"];
    let files = ["create-attachment", "update-attachment", "delete-attachment"];
    for route in hooks.into_iter().chain(files) {
        for (framed, body) in [(&length, large.clone()), (&no_length, chunked(large.len()))] {
            for (key, wanted) in [(KEY, (413, "too_large")), ("sk_wrong", (401, "invalid_api_key"))] {
                let head = head(key).replace("update-ticket", route) + framed;
                let (status, said) = answer_to_all_of(&server, &head, &body).await;
                assert_eq!((status, said["error"].as_str()), (wanted.0, Some(wanted.1)), "{route}: {said}");
            }
        }
    }
    for (request, wanted) in [
        (head(KEY).replace("update-ticket", "ticket-state-change"), 403),
        (head(KEY).replace("update-ticket", "no-such-route"), 404),
        (head(KEY).replace("POST", "PUT"), 405),
        (head(KEY).replace("POST /api/v1/update-ticket", "GET /api/v1/test"), 200),
    ] {
        assert_eq!(answer_to_all_of(&server, &(request + &length), &large).await.0, wanted);
    }
    assert_eq!(server.marked().await, [0; 0]);
    server.is_well().await;
}

/// 16 MiB are read and dropped, and then the connection is closed, whoever has not had enough.
#[tokio::test]
async fn a_client_that_sends_without_end_is_cut_off() {
    let server = patient().await;
    for key in [KEY, "sk_wrong"] {
        for framed in ["Content-Length: 1000000000000", "Transfer-Encoding: chunked"] {
            let mut socket = send(&server, &format!("{}{framed}\r\n\r\n", head(key))).await;
            let piece = format!("100000\r\n{}\r\n", "x".repeat(1024 * 1024));
            let sends = async {
                let mut sent = 0;
                while socket.write_all(piece.as_bytes()).await.is_ok() {
                    sent += 1;
                    assert!(sent < 100, "{key}, {framed}: it takes a body without end");
                }
                sent
            };
            let sent = tokio::time::timeout(Duration::from_secs(20), sends).await.expect("it is cut off");
            assert!(sent >= 16, "{key}, {framed}: cut off after {sent} MiB");
        }
    }
    server.is_well().await;
}

/// Whoever sends slowly what nobody wants holds the connection no longer than for a body that is wanted.
#[tokio::test]
async fn a_client_that_is_slow_after_its_answer_is_cut_off() {
    let server = start(Timing { request_read_ms: 400, ..impatient() }).await;
    for key in [KEY, "sk_wrong"] {
        let socket = send(&server, &format!("{}Content-Length: 2000000\r\n\r\n", head(key))).await;
        let (mut reads, mut writes) = socket.into_split();
        let mut answer = String::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), reads.read_to_string(&mut answer)).await;
        ended.expect("the answer comes at once").unwrap();
        let trickle = async {
            while writes.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), trickle).await.expect("it is cut off");
    }
    server.is_well().await;
}

#[tokio::test]
async fn a_connection_whose_requests_were_read_is_closed_at_once() {
    let server = start(Timing { request_read_ms: 60_000, shutdown_ms: 60_000, ..impatient() }).await;
    let mut socket = send(&server, &hook(7)).await;
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 202");
    server.stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(60), server.done).await.expect("nothing is waited for").unwrap();
}

#[tokio::test]
async fn nobody_without_a_key_makes_the_bridge_wait_for_a_body() {
    let server = start(Timing { request_read_ms: 60_000, ..impatient() }).await;
    let request = format!("{}Content-Length: 1000\r\nConnection: close\r\n\r\n", head("sk_wrong"));
    let answer = read(send(&server, &request).await).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

/// A byte now and then keeps no request alive: the limit is of the whole body.
#[tokio::test]
async fn a_body_that_trickles_is_given_up() {
    let server = start(Timing { request_read_ms: 400, ..impatient() }).await;
    for length in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let socket = send(&server, &format!("{}{length}\r\n\r\n", head(KEY))).await;
        let (mut reads, mut writes) = socket.into_split();
        let trickle = tokio::spawn(async move {
            loop {
                let piece: &[u8] = if length.starts_with('C') { b"x" } else { b"1\r\nx\r\n" };
                if writes.write_all(piece).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), reads.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "{length}: it never ended");
        assert!(answer.starts_with(b"HTTP/1.1 408 "), "{length}: {}", String::from_utf8_lossy(&answer));
        trickle.abort();
    }
    server.is_well().await;
}

/// Asks and asks, and never reads: the connection is given up, and its answers are not kept.
#[tokio::test]
async fn a_client_that_takes_no_answer_is_cut_off() {
    let server = start(impatient()).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut socket = socket.connect(server.address).await.unwrap();
    let request = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    let mut asked = 0;
    // Until the server reads no more, because nobody takes what it writes.
    while let Ok(Ok(())) = tokio::time::timeout(Duration::from_millis(100), socket.write_all(request.as_bytes())).await
    {
        asked += 100;
        assert!(asked < 1_000_000, "it takes requests without end");
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    let mut answers = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut answers)).await;
    assert!(end.is_ok(), "the connection is still open");
    let answered = String::from_utf8_lossy(&answers).matches("HTTP/1.1 200 OK").count();
    assert!(answered < asked, "{answered} answers to {asked} requests");
    server.is_well().await;
}

#[tokio::test]
async fn requests_in_one_piece_are_answered_in_their_order() {
    let server = start(impatient()).await;
    let get = "GET /api/v1/update-ticket HTTP/1.1\r\nHost: x\r\n\r\n";
    let all = format!("{}{}{get}{}{}", hook(1), hook(2), hook(3), head("sk_wrong") + "Content-Length: 0\r\n\r\n");
    let answers = read(send(&server, &all).await).await;
    let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["202", "202", "405", "202", "401"], "{answers}");
    assert_eq!(server.marked().await, [1, 2, 3]);
}

#[tokio::test]
async fn what_is_no_request_of_ours_does_no_harm() {
    let server = start(impatient()).await;
    let body = "Content-Length: 0\r\nConnection: close\r\n\r\n";
    for (request, statuses) in
        [("PUT", "405"), ("DELETE", "405"), ("TRACE", "405"), ("OPTIONS", "405"), ("HEAD", "405"), ("NONSENSE", "405")]
            .map(|(method, status)| (head(KEY).replacen("POST", method, 1) + body, status))
            .into_iter()
            .chain([
                (format!("CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: x\r\n{body}"), "404 405 400"),
                (format!("GET http://elsewhere.example/ HTTP/1.1\r\nHost: x\r\n{body}"), "404 405"),
                (head(KEY) + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345", "400"),
                (head(KEY) + "Content-Length: -1\r\n\r\n", "400"),
                (head(KEY) + "Transfer-Encoding: nonsense\r\n\r\n", "400"),
                ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "400 "),
                ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}".to_owned(), "400 "),
                ("\0\0\0\0\r\n\r\n".to_owned(), "400"),
            ])
    {
        let mut socket = send(&server, &request).await;
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "{request:?} holds its connection");
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.get(9..12).unwrap_or_default();
        let no_answer = status.is_empty() && statuses.ends_with(' ');
        assert!(no_answer || statuses.contains(status) && !status.is_empty(), "{request:?}: {answer:?}");
    }
    assert_eq!(server.marked().await, [0; 0]);
    server.is_well().await;
}
