//! `HttpTransport` over real sockets: what counts as *not connected*, what as *broken*, and that
//! bytes which move keep a call alive.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use itop_client::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::sleep;

const FOUND_NONE: &str = r#"{"code":0,"message":"Found: 0","objects":null}"#;

/// Listens, reads each request whole, hands it out, and writes `pieces` with a pause before each.
/// Then it closes.
async fn serve(pieces: Vec<String>, pause: Duration) -> (String, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (requests, received) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = requests.send(read_request(&mut stream).await);
            for piece in &pieces {
                sleep(pause).await;
                if stream.write_all(piece.as_bytes()).await.is_err() {
                    break;
                }
            }
        }
    });
    (url, received)
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 16 << 10];
        let count = stream.read(&mut buffer).await.unwrap();
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= content_length(head)
        {
            return text.into_owned();
        }
        assert!(count > 0, "the request ended in its middle: {text}");
    }
}

fn content_length(head: &str) -> usize {
    let head = head.to_ascii_lowercase();
    let (_, rest) = head.split_once("content-length: ").unwrap_or(("", "0"));
    rest.split("\r\n").next().unwrap().parse().unwrap()
}

fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn client(url: &str, timeout: Duration) -> Client {
    let login = Login::Password { user: "bridge".into(), password: "pw".into() };
    let transport = HttpTransport::new(&HttpOptions::default()).unwrap();
    Client::new(ClientConfig { timeout, ..ClientConfig::new(url, login) }, Arc::new(transport)).unwrap()
}

async fn create(client: &Client, base64_bytes: usize) -> Result<Written, Error> {
    let contents = Contents::new("A".repeat(base64_bytes).into(), "a.bin", "x/y");
    let fields = Fields::new().with("contents", contents);
    client.create("Attachment", &fields, "a test", &["id"]).await
}

fn effect(outcome: Result<Written, Error>) -> Effect {
    let error = outcome.unwrap_err();
    assert!(error.is_transient(), "{error}");
    error.effect
}

const PATIENT: Duration = Duration::from_secs(20);
const UNKNOWN: Effect = Effect::Unknown { answered: false };

#[tokio::test]
async fn a_refused_connection_had_no_effect() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(effect(create(&client(&format!("http://{closed}"), PATIENT), 4).await), Effect::None);
    assert_eq!(effect(create(&client(&format!("https://{closed}"), PATIENT), 4).await), Effect::None);
    assert_eq!(effect(create(&client("http://no-such-host.invalid", PATIENT), 4).await), Effect::None);
}

/// As a web server does to a TLS greeting: it cannot read it, and says so.
async fn answers_at_once(words: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut greeting = [0; 4096];
        let _ = socket.read(&mut greeting).await.unwrap();
        socket.write_all(words.as_bytes()).await.unwrap();
    });
    address
}

#[tokio::test]
async fn why_there_is_no_connection_is_said_in_one_sentence() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let plain = answers_at_once("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    for (url, said) in [
        (format!("http://{closed}"), "no connection: nothing listens at this address and port (Connection refused"),
        (
            "http://no-such-host.invalid".to_owned(),
            "no connection: the name of the host is not known (failed to lookup",
        ),
        (format!("https://{plain}"), "no connection: what answers there speaks no TLS: is it a plain http port?"),
    ] {
        let error = client(&url, PATIENT).get("Ticket", &Query::id(7), &["id"]).await.unwrap_err();
        assert!(error.message.starts_with(said), "{url}: {}", error.message);
        assert!(!error.message.contains("client error") && !error.message.contains("sending request"), "{error}");
    }
}

#[tokio::test]
async fn what_breaks_after_the_request_may_have_had_one() {
    let unanswered = vec![];
    let cut_in_the_head = vec!["HTTP/1.1 200 OK\r\nContent-".to_owned()];
    let cut_in_the_body = vec![format!("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{FOUND_NONE}")];
    for pieces in [unanswered, cut_in_the_head, cut_in_the_body] {
        let (url, mut requests) = serve(pieces, Duration::ZERO).await;
        assert_eq!(effect(create(&client(&url, PATIENT), 4).await), UNKNOWN);
        requests.recv().await.unwrap();
        assert!(requests.try_recv().is_err(), "it was sent twice");
    }
}

#[tokio::test]
async fn a_trickle_lives_and_silence_dies() {
    let timeout = Duration::from_millis(400);
    let pause = Duration::from_millis(60);
    // The head at once: the transport sees only that all of it has come.
    let whole = answer(FOUND_NONE);
    let (head, body) = whole.split_at(whole.len() - FOUND_NONE.len());
    let mut trickle = vec![head.to_owned()];
    trickle.extend(body.chars().collect::<Vec<_>>().chunks(3).map(String::from_iter));
    assert!(pause * trickle.len() as u32 > timeout * 2);
    let (url, _requests) = serve(trickle, pause).await;
    client(&url, timeout).get("Ticket", &Query::id(7), &["id"]).await.unwrap();

    let (url, _requests) = serve(vec![answer(FOUND_NONE)], timeout * 10).await;
    assert_eq!(effect(create(&client(&url, timeout), 4).await), UNKNOWN);
}

#[tokio::test]
async fn a_large_body_goes_whole_with_its_length_and_ticks() {
    let created = r#"{"code":0,"message":null,"objects":{"Attachment::7":{"code":0,"class":"Attachment","key":"7","fields":[]}}}"#;
    let (url, mut requests) = serve(vec![answer(created)], Duration::ZERO).await;
    let ticks = Arc::new(AtomicUsize::new(0));
    let count = ticks.clone();
    let client = client(&url, PATIENT).with_progress(Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    let size = 8 << 20;
    create(&client, size).await.unwrap();
    let request = requests.recv().await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /webservices/rest.php?version=1.3 HTTP/1.1\r\n"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "PHP may drop a chunked body: {head}");
    assert_eq!(content_length(head), body.len());
    assert!(body.contains(&"A".repeat(size)) && body.ends_with("--\r\n"));
    assert!(ticks.load(Ordering::Relaxed) > 1);
}

#[tokio::test]
async fn an_answer_over_its_limit_is_not_read() {
    let long = format!("{}{FOUND_NONE}", " ".repeat(3 << 20));
    let query = Query::id(7).contents_up_to(1000);
    let with_length = vec![answer(&long)];
    let without_length = vec![format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{long}")];
    for pieces in [with_length, without_length] {
        let (url, _requests) = serve(pieces, Duration::ZERO).await;
        let error = client(&url, PATIENT).get("Attachment", &query, &["contents"]).await.unwrap_err();
        assert_eq!((error.class, error.effect), (ErrorClass::TooLarge, Effect::None));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (target, mut followed) = serve(vec![answer(FOUND_NONE)], Duration::ZERO).await;
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {target}/login\r\nContent-Length: 0\r\n\r\n");
    let (url, _requests) = serve(vec![redirect], Duration::ZERO).await;
    let error = create(&client(&url, PATIENT), 4).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::WrongAddress { to: Some(target) });
    assert!(followed.try_recv().is_err());
}

#[tokio::test]
async fn an_image_is_asked_for_without_the_login() {
    let (url, mut requests) = serve(vec![answer("GIF89a...")], Duration::ZERO).await;
    let image = client(&url, PATIENT).inline_image(7, "abc0", 1000).await.unwrap();
    assert_eq!(image.mime, "image/gif");
    let request = requests.recv().await.unwrap();
    assert!(
        request.starts_with("GET /pages/ajax.document.php?operation=download_inlineimage&id=7&s=abc0 HTTP/1.1\r\n")
    );
    assert!(!request.contains("pw"));
}

#[test]
fn options_are_checked() {
    let transport = |options| HttpTransport::new(&options).map(|_| ()).unwrap_err().to_string();
    let missing = HttpOptions { ca_file: Some("/no/such.pem".into()), ..HttpOptions::default() };
    assert!(transport(missing).starts_with("cannot read ca_file /no/such.pem"));
    let no_pem = HttpOptions { ca_file: Some(env!("CARGO_MANIFEST_PATH").into()), ..HttpOptions::default() };
    assert!(transport(no_pem).starts_with("no PEM certificate"));
    let proxy = HttpOptions { proxy: Some("::".into()), ..HttpOptions::default() };
    assert!(transport(proxy).starts_with("bad proxy"));
}
