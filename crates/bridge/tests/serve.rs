//! The server on real sockets: what clients can and cannot do to it.

use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use itop_bridge::http::serve;
use itop_bridge::timing::Timing;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Server {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
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
    let (stop, stopped) = oneshot::channel::<()>();
    let done = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        serve(listener, router, &timing, stopped).await;
    });
    Server { address, stop, done }
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
    tokio::time::timeout(Duration::from_secs(5), server.done).await.unwrap().unwrap();
}
